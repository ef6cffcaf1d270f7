//! The sealed store as import and connect use it. Must never keep a client's text anywhere else.

use std::path::Path;

use broker::sealed::{Sealed, SealedFault};
use clients::{Index, SealedText as _, Sealing};
use model::digest::{Digest, hex};
use ports::secret::Secret;

use crate::exit::{CANNOT_CREATE, Failure, IO};

/// The sealed store of a state directory.
pub(crate) struct Vault(Sealed);

fn failure(fault: &SealedFault) -> Failure {
    Failure::new(IO, format!("the sealed store: {fault}"))
}

impl Vault {
    /// Opens or makes it.
    pub(crate) fn open(state: &Path) -> Result<Self, Failure> {
        make_private(state)?;
        Sealed::open(&state.join(ports::sealed::DIRECTORY)).map(Self).map_err(|fault| failure(&fault))
    }

    /// Opens it if it is there.
    pub(crate) fn open_existing(state: &Path) -> Result<Option<Self>, Failure> {
        let opened = Sealed::open_existing(&state.join(ports::sealed::DIRECTORY));
        opened.map(|opened| opened.map(Self)).map_err(|fault| failure(&fault))
    }

    /// The text of a name.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Secret>, Failure> {
        self.0.get(name).map_err(|fault| failure(&fault))
    }

    /// Keeps a text.
    pub(crate) fn put(&mut self, name: &str, text: String) -> Result<(), Failure> {
        self.0.put(name, &Secret::new(text)).map_err(|fault| failure(&fault))
    }

    /// Keeps several, all or none.
    pub(crate) fn put_all(&mut self, sealings: &[Sealing]) -> Result<(), Failure> {
        let secrets: Vec<(String, Secret)> = sealings
            .iter()
            .map(|one| (one.name.clone(), Secret::new(one.value.reveal().to_owned())))
            .collect();
        let pairs = secrets.iter().map(|(name, secret)| (name.as_str(), secret));
        self.0.put_all(pairs).map_err(|fault| failure(&fault))
    }

    /// Forgets a name.
    pub(crate) fn remove(&mut self, name: &str) -> Result<(), Failure> {
        self.0.remove(name).map(drop).map_err(|fault| failure(&fault))
    }

    /// Whether each of these is kept with exactly this value.
    pub(crate) fn holds(&self, sealings: &[Sealing]) -> Result<bool, Failure> {
        for one in sealings {
            let kept = self.get(&one.name)?;
            let same = kept.is_some_and(|kept| {
                model::bytes_eq::constant_time_eq(kept.reveal().as_bytes(), one.value.reveal().as_bytes())
            });
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Every secret of the servers: for masking.
    pub(crate) fn of_servers(&self) -> Result<Vec<Secret>, Failure> {
        let names: Vec<String> =
            self.0.names().filter(|name| name.starts_with("servers/")).map(str::to_owned).collect();
        let mut all = Vec::new();
        for name in names {
            all.extend(self.get(&name)?);
        }
        Ok(all)
    }

    /// What was imported.
    pub(crate) fn index(&self) -> Result<Index, Failure> {
        let Some(text) = self.get(Index::SEALED)? else { return Ok(Index::default()) };
        let damaged = || {
            Failure::new(
                IO,
                "the sealed store: `clients/index` cannot be read; it was written by another version",
            )
        };
        Index::from_text(text.reveal()).ok_or_else(damaged)
    }

    /// Keeps what was imported.
    pub(crate) fn put_index(&mut self, index: &Index) -> Result<(), Failure> {
        self.put(Index::SEALED, index.to_text())
    }
}

/// The name under which a client's file is kept.
pub(crate) fn file_name(client: &str, path: &Path) -> String {
    let digest = Digest::of(path.as_os_str().as_encoded_bytes());
    format!("clients/{client}/{}", hex(digest.as_bytes()))
}

/// Makes a directory for this user alone, unless it is there.
pub(crate) fn make_private(directory: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| {
        Failure::new(CANNOT_CREATE, format!("cannot make `{}`: {error}", directory.display()))
    })
}
