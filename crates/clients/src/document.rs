//! A configuration file as text with known places. Must never lose or move a byte that no edit names.

mod json;
mod statements;
mod tables;

use std::ops::Range;

use model::json::{Json, JsonFault};
use model::limits::JsonLimits;

use crate::entry::ShimEntry;

/// Most bytes of one file. Some assistants keep their history in it.
const BYTES_MAX: usize = 64 << 20;
/// The bounds on a file's values.
pub(crate) const LIMITS: JsonLimits =
    JsonLimits { bytes_max: BYTES_MAX, depth_max: 100, values_max: 8_000_000, number_chars_max: 512 };

/// How a file is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// JSON; comments and commas before a closing bracket are understood as well.
    Json,
    /// TOML.
    Toml,
}

/// Why a file cannot be used. Never holds a part of it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DocumentFault {
    /// Not UTF-8.
    #[error("not UTF-8 text")]
    Encoding,
    /// Larger than allowed.
    #[error("larger than {BYTES_MAX} bytes")]
    TooLarge,
    /// Not JSON.
    #[error("line {line}: {problem}")]
    Json {
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Not TOML.
    #[error("line {line}: not valid TOML")]
    Toml {
        /// From 1.
        line: usize,
    },
    /// An entry that cannot be replaced safely.
    #[error("`{0}` is written in a way that cannot be changed safely")]
    Unchangeable(String),
}

/// Bytes to replace.
#[derive(Clone, PartialEq, Eq)]
pub struct Edit {
    /// Which.
    pub range: Range<usize>,
    /// By what.
    pub text: String,
}

/// A file that was read.
pub struct Document {
    pub(crate) text: String,
    format: Format,
    tree: Json,
}

/// How an entry is written, which decides what can be put in its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Form {
    /// A value: `NAME = {…}` or `"NAME": {…}`.
    Value,
    /// Lines of its own: a table with a header, or dotted keys.
    Lines,
}

/// Where an entry stands.
pub(crate) struct Spot {
    pub(crate) form: Form,
    /// In order, apart from each other. The first is where a replacement goes.
    pub(crate) ranges: Vec<Range<usize>>,
    /// For [`Form::Lines`]: what stands before `command =`, or the header above it.
    pub(crate) lead: tables::Lead,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// [`DocumentFault`]: what is wrong, never with a part of the text.
    pub fn parse(bytes: &[u8], format: Format) -> Result<Self, DocumentFault> {
        if bytes.len() > BYTES_MAX {
            return Err(DocumentFault::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| DocumentFault::Encoding)?.to_owned();
        let tree = match format {
            Format::Json => json::tree(&text)?,
            Format::Toml => tables::tree(&text)?,
        };
        Ok(Self { text, format, tree })
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The whole value.
    #[must_use]
    pub const fn tree(&self) -> &Json {
        &self.tree
    }

    /// The value at a path of names.
    #[must_use]
    pub fn get(&self, at: &[String]) -> Option<&Json> {
        at.iter().try_fold(&self.tree, |value, name| value.get(name))
    }

    /// Where the entry at a path stands.
    pub(crate) fn spot(&self, at: &[String]) -> Result<Spot, DocumentFault> {
        let unchangeable = || DocumentFault::Unchangeable(at.last().cloned().unwrap_or_default());
        match self.format {
            Format::Json => {
                let (name, above) = at.split_last().ok_or_else(unchangeable)?;
                let member = self.get(above).and_then(|table| table.member(name)).ok_or_else(unchangeable)?;
                let ranges = vec![member.span.clone()];
                Ok(Spot { form: Form::Value, ranges, lead: tables::Lead::None })
            }
            Format::Toml => tables::spot(&self.text, at).ok_or_else(unchangeable),
        }
    }

    /// The text of a replacement for the entry at a spot.
    pub(crate) fn render(&self, spot: &Spot, entry: &ShimEntry) -> String {
        match (self.format, spot.ranges.first()) {
            (Format::Json, Some(range)) => json::render(&self.text, range, entry),
            (Format::Toml, _) => tables::render(&self.text, spot, entry),
            (Format::Json, None) => String::new(),
        }
    }

    /// The line of an offset, from 1.
    #[must_use]
    pub fn line(&self, offset: usize) -> usize {
        line(&self.text, offset)
    }
}

impl Spot {
    /// What stands there now.
    pub(crate) fn text(&self, of: &str) -> String {
        self.ranges.iter().filter_map(|range| of.get(range.clone())).collect()
    }

    /// Puts one text in place of all of it.
    pub(crate) fn edits(&self, text: &str) -> Vec<Edit> {
        let first = self.ranges.first().map(|range| Edit { range: range.clone(), text: text.to_owned() });
        let rest = self.ranges.iter().skip(1).map(|range| Edit { range: range.clone(), text: String::new() });
        first.into_iter().chain(rest).collect()
    }
}

/// Replaces ranges that do not touch each other, in any order.
#[must_use]
pub fn apply(text: &str, edits: &[Edit]) -> String {
    let mut sorted: Vec<&Edit> = edits.iter().collect();
    sorted.sort_by_key(|edit| edit.range.start);
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for edit in sorted {
        out.push_str(text.get(done..edit.range.start).unwrap_or_default());
        out.push_str(&edit.text);
        done = edit.range.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

/// A copy of a value with another one at a path that is there.
pub(crate) fn with(tree: &Json, at: &[String], value: &Json) -> Json {
    let Some((name, rest)) = at.split_first() else { return value.clone() };
    let Json::Object(members) = tree else { return tree.clone() };
    let members = members.iter().map(|member| {
        let mut member = member.clone();
        if *member.name == **name {
            member.value = with(&member.value, rest, value);
        }
        member
    });
    Json::Object(members.collect())
}

fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn json_fault(text: &str, fault: &JsonFault) -> DocumentFault {
    DocumentFault::Json { line: line(text, fault.offset), problem: fault.problem.to_string() }
}

/// The line end that a text uses.
fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

#[cfg(test)]
mod tests;
