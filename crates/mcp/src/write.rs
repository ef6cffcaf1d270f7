//! Writes JSON text around raw leaves. Must never be given a leaf that was not parsed strictly.

use bytes::Bytes;
use model::json::{RawJson, write_string};

/// A JSON text being written.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Punctuation and names, written as they are.
    pub(crate) fn raw(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        self.0.extend_from_slice(text.as_ref());
        self
    }

    /// A leaf that was parsed strictly.
    pub(crate) fn leaf(&mut self, leaf: &RawJson) -> &mut Self {
        self.raw(leaf.as_bytes())
    }

    /// A string with its quotes.
    pub(crate) fn string(&mut self, text: &str) -> &mut Self {
        let special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
        if text.bytes().any(special) {
            let mut quoted = String::with_capacity(text.len() + 8);
            write_string(&mut quoted, text);
            return self.raw(quoted);
        }
        self.raw("\"").raw(text).raw("\"")
    }

    /// An integer.
    pub(crate) fn number(&mut self, number: impl std::fmt::Display) -> &mut Self {
        use std::io::Write as _;
        // Writing to a Vec cannot fail.
        drop(write!(self.0, "{number}"));
        self
    }

    /// What was written so far, leaving nothing.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from(self.0)
    }

    pub(crate) fn into_json(self) -> RawJson {
        let bytes = self.into_bytes();
        RawJson::slice(&bytes, &(0..bytes.len()))
    }
}
