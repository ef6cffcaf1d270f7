//! What was imported from where: kept sealed, because digests of definitions can be guessed at. Must never hold a
//! definition itself.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What is kept sealed, as text.
pub trait SealedText: Serialize + DeserializeOwned {
    /// As text, for sealing.
    fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`SealedText::to_text`] wrote.
    fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// Everything that was imported.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Index {
    entries: Vec<Imported>,
}

/// One imported entry of one file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The client's name.
    pub client: String,
    /// The file.
    pub path: String,
    /// The path of names to the entry.
    pub at: Vec<String>,
    /// The server it became.
    pub server: String,
    /// The digest of the entry as it was written.
    pub entry: String,
    /// The digest of the server with everything resolved.
    pub resolved: String,
    /// The entry's file of variables, and the names it gave.
    pub env_file: Option<(String, Vec<String>)>,
}

impl SealedText for Index {}

impl Index {
    /// Its name in the sealed store.
    pub const SEALED: &'static str = "clients/index";

    /// The entry at a path of a file.
    #[must_use]
    pub fn find(&self, path: &str, at: &[String]) -> Option<&Imported> {
        self.entries.iter().find(|one| one.path == path && one.at == at)
    }

    /// The entries of one file.
    pub fn of_file<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Imported> {
        self.entries.iter().filter(move |one| one.path == path)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Imported> {
        self.entries.iter()
    }

    /// The server that something with this digest became.
    pub fn servers_of<'a>(&'a self, resolved: &'a str) -> impl Iterator<Item = &'a str> {
        self.entries.iter().filter(move |one| one.resolved == resolved).map(|one| one.server.as_str())
    }

    /// Keeps an entry in place of what was known of it.
    pub fn put(&mut self, imported: Imported) {
        self.entries.retain(|one| one.path != imported.path || one.at != imported.at);
        self.entries.push(imported);
    }
}
