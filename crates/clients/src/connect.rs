//! Entries replaced by the shim's, and put back. Must never hand out a text that says anything else than the old one
//! with exactly these entries exchanged: every result is read again and compared.

use model::digest::Digest;
use model::json::Json;
use serde::{Deserialize, Serialize};

use crate::document::{Document, DocumentFault, Edit, Form, Format, LIMITS, apply, with};
use crate::entry::ShimEntry;

/// Larger files are put back from the entries' texts alone, which gives the same bytes.
const ORIGINAL_MAX: usize = 2 << 20;

/// An entry to replace.
pub struct Target {
    /// The path of names to it.
    pub at: Vec<String>,
    /// What takes its place.
    pub entry: ShimEntry,
}

/// What is kept, sealed, to put a file back. No `Debug`: it holds the file.
#[derive(Clone, Serialize, Deserialize)]
pub struct Kept {
    /// The file.
    pub path: String,
    /// Its whole text before; not kept when it is large and the entries' own texts are enough.
    original: Option<String>,
    /// The digest of what was written.
    written: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Piece {
    at: Vec<String>,
    command: String,
    args: Vec<String>,
    form: Form,
    text: String,
    /// The old entry's value, canonically.
    value: String,
}

/// A file with its entries connected.
pub struct Connected {
    /// The new text.
    pub text: String,
    /// What puts it back.
    pub kept: Kept,
}

/// An entry that was not put back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    /// Its name.
    pub name: String,
    /// Why.
    pub because: &'static str,
}

/// A file put back.
pub struct Restored {
    /// The text.
    pub text: String,
    /// True when it is the original, byte for byte.
    pub exact: bool,
    /// Entries that were not put back.
    pub left: Vec<Left>,
}

/// Replaces entries of a file that has none of ours.
///
/// # Errors
/// [`DocumentFault`] when an entry cannot be replaced safely; then nothing is.
pub fn connect(
    document: &Document,
    format: Format,
    path: &str,
    targets: &[Target],
) -> Result<Connected, DocumentFault> {
    let (mut edits, mut pieces, mut wanted) = (Vec::new(), Vec::new(), document.tree().clone());
    for target in targets {
        let gone = || DocumentFault::Unchangeable(name(&target.at));
        let old = document.get(&target.at).ok_or_else(gone)?;
        let spot = document.spot(&target.at)?;
        let entry = target.entry.like(old);
        edits.extend(spot.edits(&document.render(&spot, &entry)));
        wanted = with(&wanted, &target.at, &entry.value());
        pieces.push(Piece {
            at: target.at.clone(),
            command: entry.command.clone(),
            args: entry.args.clone(),
            form: spot.form,
            text: spot.text(document.text()),
            value: old.canonical(),
        });
    }
    let text = checked(document, format, &edits, &wanted, targets.first().map(|one| name(&one.at)))?;
    let written = Digest::of(text.as_bytes()).to_string();
    let spare = format == Format::Json && document.text().len() > ORIGINAL_MAX;
    let original = (!spare).then(|| document.text().to_owned());
    Ok(Connected { text, kept: Kept { path: path.to_owned(), original, written, pieces } })
}

/// Puts a file back: whole when it is what was written, else only the entries that are still ours.
///
/// # Errors
/// [`DocumentFault`] when the entries cannot be put back safely; then nothing is.
pub fn restore(document: &Document, format: Format, kept: &Kept) -> Result<Restored, DocumentFault> {
    let exact = kept.is_written(document.text());
    if let (true, Some(original)) = (exact, &kept.original) {
        return Ok(Restored { text: original.clone(), exact, left: Vec::new() });
    }
    let (mut edits, mut left, mut wanted) = (Vec::new(), Vec::new(), document.tree().clone());
    for piece in &kept.pieces {
        let mut leave = |because| left.push(Left { name: name(&piece.at), because });
        let Some(now) = document.get(&piece.at) else {
            leave("it was taken out of the file");
            continue;
        };
        if now.canonical() == piece.value {
            continue;
        }
        if !piece.is_ours(now) {
            leave("it was changed in the file");
            continue;
        }
        let spot = document.spot(&piece.at)?;
        if spot.form != piece.form {
            leave("it is written in another form now");
            continue;
        }
        let at_end = spot.ranges.last().is_some_and(|range| range.end == document.text().len());
        let mut text = piece.text.clone();
        if piece.form == Form::Lines && !at_end && !text.ends_with('\n') {
            text.push('\n');
        }
        let value = Json::parse(piece.value.as_bytes(), &LIMITS)
            .map_err(|_| DocumentFault::Unchangeable(name(&piece.at)))?;
        edits.extend(spot.edits(&text));
        wanted = with(&wanted, &piece.at, &value);
    }
    let text = checked(document, format, &edits, &wanted, None)?;
    Ok(Restored { text, exact, left })
}

/// The edited text, if it says what is wanted.
fn checked(
    document: &Document,
    format: Format,
    edits: &[Edit],
    wanted: &Json,
    name: Option<String>,
) -> Result<String, DocumentFault> {
    let text = apply(document.text(), edits);
    let unchangeable = || DocumentFault::Unchangeable(name.clone().unwrap_or_else(|| "the file".to_owned()));
    let read = Document::parse(text.as_bytes(), format).map_err(|_| unchangeable())?;
    if read.tree().canonical() != wanted.canonical() {
        return Err(unchangeable());
    }
    Ok(text)
}

fn name(at: &[String]) -> String {
    at.last().cloned().unwrap_or_default()
}

impl Piece {
    fn is_ours(&self, now: &Json) -> bool {
        let Some(Json::Array(args)) = now.get("args") else { return false };
        let args: Vec<&str> = args.iter().filter_map(Json::as_str).collect();
        now.get("command").and_then(Json::as_str) == Some(&self.command) && args == self.args
    }
}

impl Kept {
    /// As text, for sealing.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Kept::to_text`] wrote.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The paths of the connected entries.
    pub fn entries(&self) -> impl Iterator<Item = &[String]> {
        self.pieces.iter().map(|piece| piece.at.as_slice())
    }

    /// Keeps what an older one holds of entries that neither stand in `base` again nor are connected anew.
    pub fn keep_missing(&mut self, older: &Self, base: &Document) {
        let missing = |piece: &&Piece| {
            let back = base.get(&piece.at).is_some_and(|now| now.canonical() == piece.value);
            !back && !self.pieces.iter().any(|own| own.at == piece.at)
        };
        let missing: Vec<Piece> = older.pieces.iter().filter(missing).cloned().collect();
        if !missing.is_empty() {
            // The whole text does not hold them: only piece by piece it is seen that they are not back.
            self.original = None;
            self.pieces.extend(missing);
        }
    }

    /// Whether a text is exactly what was written.
    #[must_use]
    pub fn is_written(&self, text: &str) -> bool {
        Digest::of(text.as_bytes()).to_string() == self.written
    }
}

#[cfg(test)]
mod tests;
