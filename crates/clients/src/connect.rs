//! Entries replaced by the shim's, and put back. Must never hand out a text that says anything else than the old one
//! with exactly these entries exchanged: every result is read again and compared.

use model::digest::Digest;
use model::json::Json;
use serde::{Deserialize, Serialize};

use crate::document::{Document, DocumentFault, Edit, Form, Format, LIMITS, apply, with};
use crate::entry::ShimEntry;
use crate::index::SealedText;

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
    /// The path of names to it.
    pub at: Vec<String>,
    /// Why.
    pub because: Because,
}

/// Why an entry was not put back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Because {
    /// The person took it out: there is no place to put it back to.
    #[error("it was taken out of the file")]
    TakenOut,
    /// The person made something else of it.
    #[error(
        "it was changed in the file; take it out of the file, or put the connected entry back, and disconnect again"
    )]
    Changed,
    /// The same entry in a form that the old text does not fit.
    #[error("it is written in another form now; write it as `connect` did, and disconnect again")]
    OtherForm,
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

/// A file of which some entries were put back.
pub struct Disconnected {
    /// The file as it becomes.
    pub restored: Restored,
    /// The entries that are what they were.
    pub back: Vec<Vec<String>>,
    /// What is kept of the file from now on; none when nothing of it is connected or can still be put back.
    pub kept: Option<Kept>,
}

/// Puts back the entries that are asked for. The others stay connected, and stay kept. An entry that was taken out of
/// the file is not kept any longer: it is said once.
///
/// # Errors
/// [`DocumentFault`] when the entries cannot be put back safely; then nothing is.
pub fn disconnect(
    document: &Document,
    format: Format,
    kept: &Kept,
    wanted: &dyn Fn(&[String]) -> bool,
) -> Result<Disconnected, DocumentFault> {
    let (asked, mut rest): (Vec<Piece>, Vec<Piece>) =
        kept.pieces.iter().cloned().partition(|piece| wanted(&piece.at));
    let original = if rest.is_empty() { kept.original.clone() } else { None };
    let part = Kept { original, pieces: asked, ..kept.clone() };
    let restored = restore(document, format, &part)?;
    let left = |piece: &Piece| restored.left.iter().find(|left| left.at == piece.at);
    let back =
        part.pieces.iter().filter(|piece| left(piece).is_none()).map(|piece| piece.at.clone()).collect();
    let waits = |piece: &Piece| left(piece).is_some_and(|left| left.because != Because::TakenOut);
    rest.extend(part.pieces.iter().filter(|piece| waits(piece)).cloned());
    // Once the rest is back as well, the file is its very first text again.
    let original = kept.original.clone().filter(|_| restored.exact);
    let written = Digest::of(restored.text.as_bytes()).to_string();
    let kept = Kept { path: kept.path.clone(), original, written, pieces: rest };
    Ok(Disconnected { restored, back, kept: (!kept.pieces.is_empty()).then_some(kept) })
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
        let mut leave = |because| left.push(Left { at: piece.at.clone(), because });
        let Some(now) = document.get(&piece.at) else {
            leave(Because::TakenOut);
            continue;
        };
        if now.canonical() == piece.value {
            continue;
        }
        if !piece.is_ours(now) {
            leave(Because::Changed);
            continue;
        }
        let spot = document.spot(&piece.at)?;
        if spot.form != piece.form {
            leave(Because::OtherForm);
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

impl SealedText for Kept {}

impl Kept {
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
