//! The change of one file. Must never be carried out before what it takes away is sealed.

use std::path::{Path, PathBuf};

use clients::{
    Because, Document, DocumentFault, Format, Index, Kept, Kind, Location, SealedText as _, ShimEntry,
    Target, found,
};
use ports::secret::Secret;
use serde_json::{Value, json};

use super::{kept, kept_name, replace, wrong};
use crate::exit::{Failure, note, say};
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
    client: Kind,
    pub(super) path: PathBuf,
    now: Vec<u8>,
    text: String,
    /// What puts it back; none once it is back.
    kept: Option<Kept>,
    /// The entries that are ours now, or are put back.
    pub(super) entries: Vec<Vec<String>>,
    left: Vec<Stays>,
    exact: bool,
}

/// An entry that is not changed.
struct Stays {
    at: Vec<String>,
    why: String,
    /// Nothing can be done for it ever: it is said, and that is all.
    gone: bool,
}

/// The name of an entry.
fn name(at: &[String]) -> &str {
    at.last().map(String::as_str).unwrap_or_default()
}

/// The names of entries, as they are shown.
fn names<'a>(entries: impl Iterator<Item = &'a [String]>) -> String {
    entries.map(|at| clients::mask(name(at), &[])).collect::<Vec<_>>().join(", ")
}

/// A file that was read.
fn read(path: &Path, format: Format) -> Result<Option<(Vec<u8>, Document)>, Failure> {
    let Some(bytes) = place::bytes(path).map_err(|problem| wrong(path, &problem))? else { return Ok(None) };
    let document = Document::parse(&bytes, format).map_err(|fault| wrong(path, &fault))?;
    Ok(Some((bytes, document)))
}

/// What connecting changes in a file; `None` when the file is not there or has no servers.
pub(super) fn connecting(
    path: &Path,
    locations: &[Location],
    wanted: &Wanted<'_>,
    vault: &Vault,
) -> Result<Option<Change>, Failure> {
    let wrong = |fault: DocumentFault| wrong(path, &fault);
    let format = locations.first().map_or(Format::Json, |location| location.format);
    let Some((now, document)) = read(path, format)? else { return Ok(None) };
    // From what the file was before, so that connecting again does what connecting once does.
    let older: Option<Kept> = kept(vault, wanted.client.name(), path)?;
    let before = match &older {
        Some(kept) => clients::restore(&document, format, kept).map_err(wrong)?.text,
        None => document.text().to_owned(),
    };
    let base = Document::parse(before.as_bytes(), format).map_err(wrong)?;
    let (mut targets, mut entries, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for one in locations.iter().flat_map(|location| found(&base, location)) {
        match target(path, &base, &one, wanted) {
            Ok(entry) => {
                entries.push(one.at.clone());
                targets.push(Target { at: one.at, entry });
            }
            Err(why) => left.push(Stays { at: one.at, why, gone: false }),
        }
    }
    if entries.is_empty() && left.is_empty() {
        return Ok(None);
    }
    if let Some(older) = &older {
        stay_connected(&document, &base, older, &mut targets);
    }
    let shown = path.to_string_lossy();
    let mut connected = clients::connect(&base, format, &shown, &targets).map_err(wrong)?;
    if let Some(older) = &older {
        connected.kept.keep_missing(older, &base);
    }
    let text = connected.text;
    let (client, path, kept) = (wanted.client, path.to_path_buf(), Some(connected.kept));
    Ok(Some(Change { client, path, now, text, kept, entries, left, exact: true }))
}

/// What is connected already stays connected, wherever in the file it stands and whatever was asked for.
fn stay_connected(document: &Document, base: &Document, older: &Kept, targets: &mut Vec<Target>) {
    for at in older.entries() {
        let back = base.get(at).is_some_and(|entry| ShimEntry::recognise(entry).is_none());
        if !back || targets.iter().any(|target| target.at == at) {
            continue;
        }
        if let Some(entry) = document.get(at).and_then(ShimEntry::read) {
            targets.push(Target { at: at.to_vec(), entry });
        }
    }
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

/// What is to be disconnected in a file.
pub(super) struct Asked<'a> {
    pub(super) client: Kind,
    pub(super) format: Format,
    /// Whether an entry of a file is asked for.
    pub(super) entry: &'a dyn Fn(&Path, &[String]) -> bool,
}

/// What disconnecting changes in a file; `None` when nothing of it is kept.
pub(super) fn disconnecting(
    path: &Path,
    asked: &Asked<'_>,
    vault: &Vault,
) -> Result<Option<Change>, Failure> {
    let Some(kept) = kept::<Kept>(vault, asked.client.name(), path)? else { return Ok(None) };
    let Some((now, document)) = read(path, asked.format)? else {
        note(&format!("`{}` is gone, so nothing is put back; what it held stays sealed", path.display()));
        return Ok(None);
    };
    let asked_for = |at: &[String]| (asked.entry)(path, at);
    let done = clients::disconnect(&document, asked.format, &kept, &asked_for)
        .map_err(|fault| wrong(path, &fault))?;
    let left = done.restored.left.into_iter().map(|left| Stays {
        gone: left.because == Because::TakenOut,
        why: left.because.to_string(),
        at: left.at,
    });
    Ok(Some(Change {
        client: asked.client,
        path: path.to_path_buf(),
        now,
        text: done.restored.text,
        kept: done.kept,
        entries: done.back,
        left: left.collect(),
        exact: done.restored.exact,
    }))
}

impl Change {
    fn same(&self) -> bool {
        self.now == self.text.as_bytes()
    }

    /// Seals what the file was, then writes it.
    pub(super) fn carry_out(&self, vault: &mut Vault) -> Result<(), Failure> {
        if self.entries.is_empty() && self.same() {
            return Ok(());
        }
        if let Some(kept) = &self.kept {
            vault.put(&self.sealed(), kept.to_text())?;
        }
        if self.same() { Ok(()) } else { replace(&self.path, &self.now, &self.text) }
    }

    /// Where what puts it back is kept.
    fn sealed(&self) -> String {
        kept_name(self.client.name(), &self.path)
    }

    /// Writes the file, then forgets what was sealed of what is back.
    pub(super) fn put_back(&self, vault: &mut Vault) -> Result<(), Failure> {
        if !self.same() {
            replace(&self.path, &self.now, &self.text)?;
        }
        match &self.kept {
            Some(_) if self.idle() => Ok(()),
            Some(kept) => vault.put(&self.sealed(), kept.to_text()),
            None => vault.remove(&self.sealed()),
        }
    }

    /// Whether everything was put back that ever can be.
    pub(super) fn complete(&self) -> bool {
        self.left.iter().all(|stays| stays.gone)
    }

    /// Whether there was nothing to do in it.
    pub(super) fn idle(&self) -> bool {
        self.entries.is_empty() && self.left.is_empty()
    }

    /// Entries that were not asked for and go on being connected.
    fn others(&self) -> impl Iterator<Item = &[String]> {
        let kept = self.kept.iter().flat_map(Kept::entries);
        kept.filter(|at| !self.left.iter().any(|stays| stays.at == *at))
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
            let names = names(self.entries.iter().map(Vec::as_slice));
            say(&format!("{how}: {names} in {}", self.path.display()));
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
            _ if self.idle() => "nothing of this workspace is connected",
            (true, _) if self.kept.is_some() => "put back",
            (true, _) => "put back, byte for byte",
            (false, false) => {
                "it was edited meanwhile: only the connected entries were put back, the edits stay"
            }
            (false, true) => "nothing of ours was left in it",
        };
        say(&format!("{}: {how}", self.path.display()));
        self.say_left();
        self.say_others();
    }

    /// What stays connected, and how it is disconnected.
    fn say_others(&self) {
        let mut workspaces: Vec<&str> = self.others().filter_map(|at| self.client.workspace_of(at)).collect();
        workspaces.dedup();
        for workspace in workspaces {
            let of = self.others().filter(|at| self.client.workspace_of(at) == Some(workspace));
            say(&format!(
                "  {} of {workspace} stay connected; `--workspace {workspace}` or `--all` puts them back as well",
                names(of)
            ));
        }
    }

    /// Entries that stay as they are.
    pub(super) fn say_left(&self) {
        for Stays { at, why, gone } in &self.left {
            let name = clients::mask(name(at), &[]);
            if *gone {
                say(&format!("  {name} is not put back: {why}; from now on nothing is kept of it"));
            } else {
                say(&format!("  {name} stays as it is: {why}"));
            }
        }
    }

    pub(super) fn report(&self) -> Value {
        let left: Vec<Value> =
            self.left.iter().map(|stays| json!({"name": name(&stays.at), "because": stays.why})).collect();
        let entries: Vec<&str> = self.entries.iter().map(|at| name(at)).collect();
        json!({"file": self.path, "entries": entries, "left": left, "changed": !self.same(), "exact": self.exact})
    }
}
