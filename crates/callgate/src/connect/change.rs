//! The change of one file. Must never be carried out before what it takes away is sealed.

use std::path::{Path, PathBuf};

use clients::{Document, Format, Index, Kept, Kind, Left, Location, ShimEntry, Target, found};
use model::json::Json;
use ports::secret::Secret;
use serde_json::{Value, json};

use super::{kept_name, replace};
use crate::exit::{Failure, IO, note, say};
use crate::import::entry_digest;
use crate::import::place;
use crate::import::vault::Vault;

/// What is to be connected.
pub(super) struct Wanted<'a> {
    pub(super) client: Kind,
    pub(super) program: &'a str,
    pub(super) config: &'a str,
    /// The configured servers.
    pub(super) servers: &'a [String],
    /// Only these, unless it is empty.
    pub(super) only: &'a [String],
    pub(super) index: &'a Index,
}

/// The change of one file.
pub(super) struct Change {
    pub(super) path: PathBuf,
    now: Vec<u8>,
    text: String,
    /// What puts it back; none once it is back.
    kept: Option<Kept>,
    /// The entries that are ours now, or are put back.
    pub(super) entries: Vec<String>,
    left: Vec<(String, String)>,
    exact: bool,
}

/// A file that was read, with the format of its locations.
fn read(path: &Path, locations: &[Location]) -> Result<Option<(Vec<u8>, Document, Format)>, Failure> {
    let wrong =
        |problem: &dyn std::fmt::Display| Failure::new(IO, format!("`{}`: {problem}", path.display()));
    let Some(bytes) = place::bytes(path).map_err(|problem| wrong(&problem))? else { return Ok(None) };
    let format = locations.first().map_or(Format::Json, |location| location.format);
    let document = Document::parse(&bytes, format).map_err(|fault| wrong(&fault))?;
    Ok(Some((bytes, document, format)))
}

fn kept(vault: &Vault, client: &str, path: &Path) -> Result<Option<Kept>, Failure> {
    let Some(text) = vault.get(&kept_name(client, path))? else { return Ok(None) };
    let damaged = || Failure::new(IO, format!("what is kept of `{}` cannot be read", path.display()));
    Kept::from_text(text.reveal()).map(Some).ok_or_else(damaged)
}

/// What connecting changes in a file; `None` when the file is not there or has no servers.
pub(super) fn connecting(
    path: &Path,
    locations: &[Location],
    wanted: &Wanted<'_>,
    vault: &Vault,
) -> Result<Option<Change>, Failure> {
    let wrong =
        |problem: &dyn std::fmt::Display| Failure::new(IO, format!("`{}`: {problem}", path.display()));
    let Some((now, document, format)) = read(path, locations)? else { return Ok(None) };
    // From what the file was before, so that connecting again does what connecting once does.
    let older = kept(vault, wanted.client.name(), path)?;
    let before = match &older {
        Some(kept) => clients::restore(&document, format, kept).map_err(|fault| wrong(&fault))?.text,
        None => document.text().to_owned(),
    };
    let base = Document::parse(before.as_bytes(), format).map_err(|fault| wrong(&fault))?;
    let (mut targets, mut entries, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for one in locations.iter().flat_map(|location| found(&base, location)) {
        match target(path, &base, &one, wanted) {
            Ok(entry) => {
                entries.push(one.name);
                targets.push(Target { at: one.at, entry });
            }
            Err(why) => left.push((one.name, why)),
        }
    }
    if entries.is_empty() && left.is_empty() {
        return Ok(None);
    }
    if let Some(older) = &older {
        stay_connected(&document, &base, older, &mut targets);
    }
    let shown = path.to_string_lossy();
    let mut connected = clients::connect(&base, format, &shown, &targets).map_err(|fault| wrong(&fault))?;
    if let Some(older) = &older {
        connected.kept.keep_missing(older, &base);
    }
    let text = connected.text;
    Ok(Some(Change {
        path: path.to_path_buf(),
        now,
        text,
        kept: Some(connected.kept),
        entries,
        left,
        exact: true,
    }))
}

/// What is connected already stays connected, wherever in the file it stands and whatever was asked for.
fn stay_connected(document: &Document, base: &Document, older: &Kept, targets: &mut Vec<Target>) {
    for at in older.entries() {
        let back = base.get(at).is_some_and(|entry| ShimEntry::recognise(entry).is_none());
        if !back || targets.iter().any(|target| target.at == at) {
            continue;
        }
        if let Some(entry) = document.get(at).and_then(standing) {
            targets.push(Target { at: at.to_vec(), entry });
        }
    }
}

/// A connected entry as it stands in a file.
fn standing(entry: &Json) -> Option<ShimEntry> {
    let (agent, server) = ShimEntry::recognise(entry)?;
    let program = entry.get("command")?.as_str()?;
    let Json::Array(args) = entry.get("args")? else { return None };
    Some(ShimEntry::new(program, args.get(1)?.as_str()?, &agent, &server))
}

/// The entry that takes the place of one, or why it stays.
fn target(
    path: &Path,
    base: &Document,
    one: &clients::Found,
    wanted: &Wanted<'_>,
) -> Result<ShimEntry, String> {
    let known = wanted.index.find(&path.to_string_lossy(), &one.at);
    let import = format!("`callgate import {}` takes it over", wanted.client.name());
    let definition = one.what.as_ref().map_err(ToString::to_string)?;
    let known = known.ok_or_else(|| format!("not imported; {import}"))?;
    let chosen = |name: &String| *name == one.name || *name == known.server;
    if !wanted.only.is_empty() && !wanted.only.iter().any(chosen) {
        return Err("not asked for".to_owned());
    }
    if known.entry != entry_digest(&definition.canonical) || base.get(&one.at).is_none() {
        return Err(format!("changed since it was imported; {import} anew"));
    }
    if !wanted.servers.contains(&known.server) {
        return Err(format!("`servers.{}` is no longer in the configuration; {import}", known.server));
    }
    Ok(ShimEntry::new(wanted.program, wanted.config, wanted.client.name(), &known.server))
}

/// What disconnecting changes in a file; `None` when nothing of it is kept.
pub(super) fn disconnecting(
    path: &Path,
    locations: &[Location],
    vault: &Vault,
    client: &str,
) -> Result<Option<Change>, Failure> {
    let wrong =
        |problem: &dyn std::fmt::Display| Failure::new(IO, format!("`{}`: {problem}", path.display()));
    let Some(kept) = kept(vault, client, path)? else { return Ok(None) };
    let Some((now, document, format)) = read(path, locations)? else {
        note(&format!("`{}` is gone, so nothing is put back; what it held stays sealed", path.display()));
        return Ok(None);
    };
    let restored = clients::restore(&document, format, &kept).map_err(|fault| wrong(&fault))?;
    let left: Vec<(String, String)> =
        restored.left.into_iter().map(|Left { name, because }| (name, because.to_owned())).collect();
    let names = kept.entries().filter_map(|at| at.last().cloned());
    let entries = names.filter(|name| !left.iter().any(|(one, _)| one == name)).collect();
    let (text, exact) = (restored.text, restored.exact);
    Ok(Some(Change { path: path.to_path_buf(), now, text, kept: None, entries, left, exact }))
}

impl Change {
    fn same(&self) -> bool {
        self.now == self.text.as_bytes()
    }

    /// Seals what the file was, then writes it.
    pub(super) fn carry_out(&self, vault: &mut Vault, client: &str) -> Result<(), Failure> {
        if self.entries.is_empty() && self.same() {
            return Ok(());
        }
        if let Some(kept) = &self.kept {
            vault.put(&kept_name(client, &self.path), kept.to_text())?;
        }
        if self.same() { Ok(()) } else { replace(&self.path, &self.now, &self.text) }
    }

    /// Writes the file, then forgets what was sealed of it, unless something could not be put back.
    pub(super) fn put_back(&self, vault: &mut Vault, client: &str) -> Result<(), Failure> {
        if !self.same() {
            replace(&self.path, &self.now, &self.text)?;
        }
        if self.complete() { vault.remove(&kept_name(client, &self.path)) } else { Ok(()) }
    }

    /// Whether everything was put back.
    pub(super) fn complete(&self) -> bool {
        self.left.is_empty()
    }

    /// The change as a diff.
    pub(super) fn show(&self, secrets: &[Secret]) {
        let secrets: Vec<&str> = secrets.iter().map(Secret::reveal).collect();
        let now = String::from_utf8_lossy(&self.now);
        let diff = clients::unified(&self.path.display().to_string(), &now, &self.text, &secrets);
        if diff.is_empty() {
            say(&format!("{}: no change", self.path.display()));
        } else {
            say(diff.trim_end());
        }
        self.say_left();
    }

    /// What was done, and where a secret still stands in clear.
    pub(super) fn say(&self, secrets: &[Secret]) {
        let how = if self.same() { "is connected already" } else { "connected" };
        if !self.entries.is_empty() {
            let names: Vec<String> = self.entries.iter().map(|name| clients::mask(name, &[])).collect();
            say(&format!("{how}: {} in {}", names.join(", "), self.path.display()));
        }
        self.say_left();
        for (number, line) in self.text.lines().enumerate() {
            let there = |secret: &Secret| secret.reveal().len() >= 8 && line.contains(secret.reveal());
            if secrets.iter().any(there) {
                say(&format!(
                    "  warning: {}:{} still holds a credential in clear, outside the entries that were connected",
                    self.path.display(),
                    number + 1
                ));
            }
        }
    }

    pub(super) fn say_back(&self) {
        let how = match (self.exact, self.same()) {
            (true, _) => "put back, byte for byte",
            (false, false) => {
                "it was edited meanwhile: only the connected entries were put back, the edits stay"
            }
            (false, true) => "nothing of ours was left in it",
        };
        say(&format!("{}: {how}", self.path.display()));
        self.say_left();
    }

    /// Entries that stay as they are.
    pub(super) fn say_left(&self) {
        for (name, why) in &self.left {
            say(&format!("  {} stays as it is: {why}", clients::mask(name, &[])));
        }
    }

    pub(super) fn report(&self) -> Value {
        let left: Vec<Value> =
            self.left.iter().map(|(name, why)| json!({"name": name, "because": why})).collect();
        json!({"file": self.path, "entries": self.entries, "left": left, "changed": !self.same(), "exact": self.exact})
    }
}
