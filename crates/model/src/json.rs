//! JSON (RFC 8259) as an owned tree that keeps what was written: number text, member order, byte spans.
//!
//! Must never accept what two parsers could read differently: duplicate names, lone surrogates, a byte order
//! mark, bytes after the value. Invariant: a [`Json`] came from a text within its [`JsonLimits`].

mod canonical;
mod parse;

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use crate::limits::JsonLimits;

/// One JSON value.
#[derive(Clone, PartialEq, Debug)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written. Never converted: 2^53+1 and 1e400 survive.
    Number(Box<str>),
    /// A string, unescaped.
    String(Box<str>),
    /// An array.
    Array(Vec<Json>),
    /// An object, members in the order written, names unique.
    Object(Vec<Member>),
}

/// One member of an object.
#[derive(Clone, PartialEq, Debug)]
pub struct Member {
    /// The name, unescaped.
    pub name: Box<str>,
    /// Where the value stands in the text it was parsed from, for splicing the untouched bytes.
    pub span: Range<usize>,
    /// The value.
    pub value: Json,
}

/// What is wrong with a text, and at which byte.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{problem} at byte {offset}")]
pub struct JsonFault {
    /// Byte offset into the text.
    pub offset: usize,
    /// What is wrong there.
    pub problem: JsonProblem,
}

/// The closed list of what can be wrong with a JSON text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JsonProblem {
    /// Not UTF-8, or a byte order mark.
    #[error("text is not plain UTF-8")]
    Encoding,
    /// Not the JSON grammar.
    #[error("not valid JSON")]
    Syntax,
    /// The same member name twice in one object, after unescaping.
    #[error("duplicate member name")]
    DuplicateName,
    /// A `\u` escape that is half of a surrogate pair.
    #[error("lone surrogate escape")]
    LoneSurrogate,
    /// Something after the value.
    #[error("bytes after the value")]
    TrailingBytes,
    /// Nested deeper than allowed.
    #[error("nested too deeply")]
    TooDeep,
    /// Larger than allowed.
    #[error("text too large")]
    TooLarge,
    /// More values than allowed.
    #[error("too many values")]
    TooMany,
    /// A number longer than allowed.
    #[error("number too long")]
    NumberTooLong,
}

impl Json {
    /// Parses a whole text strictly. One pass, no recursion deeper than `limits.depth_max`.
    ///
    /// # Errors
    /// [`JsonFault`]: the first thing wrong and where.
    pub fn parse(text: &[u8], limits: &JsonLimits) -> Result<Self, JsonFault> {
        parse::parse(text, limits)
    }

    /// The canonical form that digests are made over: members sorted by name (by UTF-16 code units, as
    /// RFC 8785 §3.2.3), shortest string escapes (§3.2.2.2), no white space, numbers exactly as written, so
    /// that two texts an upstream could tell apart never share a digest by number rounding.
    #[must_use]
    pub fn canonical(&self) -> String {
        canonical::write(self)
    }

    /// The member `name`, when this is an object that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.member(name).map(|member| &member.value)
    }

    /// The member `name` with its span.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Member> {
        match self {
            Self::Object(members) => members.iter().find(|member| &*member.name == name),
            _ => None,
        }
    }

    /// The text, when this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, when this is a number written as one and within `i64`.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Depth of nesting: 0 for a scalar, 1 for `[]` and `{}`.
    #[must_use]
    pub fn depth(&self) -> usize {
        match self {
            Self::Array(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(members) => 1 + members.iter().map(|m| m.value.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// What kind of value this is, for messages.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }
}

/// Writes `text` as a JSON string with its quotes, shortest escapes.
pub fn write_string(out: &mut String, text: &str) {
    canonical::write_string(out, text);
}

/// JSON text that was parsed strictly and is passed on byte for byte. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct RawJson(Bytes);

impl RawJson {
    /// The empty object `{}`.
    #[must_use]
    pub const fn empty_object() -> Self {
        Self(Bytes::from_static(b"{}"))
    }

    /// Cuts the value at `span` out of the text it was parsed from. The caller got `span` from [`Member`].
    #[must_use]
    pub fn slice(text: &Bytes, span: &Range<usize>) -> Self {
        match text.get(span.clone()) {
            Some(_) => Self(text.slice(span.clone())),
            None => Self(Bytes::from_static(b"null")),
        }
    }

    /// Parses `text` strictly and keeps both.
    ///
    /// # Errors
    /// [`JsonFault`] as [`Json::parse`].
    pub fn parse(text: Bytes, limits: &JsonLimits) -> Result<(Self, Json), JsonFault> {
        let tree = Json::parse(&text, limits)?;
        Ok((Self(text), tree))
    }

    /// Writes a tree canonically.
    #[must_use]
    pub fn from_tree(tree: &Json) -> Self {
        Self(Bytes::from(tree.canonical()))
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The text; it is UTF-8 by construction.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("null")
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawJson({} bytes)", self.0.len())
    }
}
