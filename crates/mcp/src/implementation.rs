//! The name and version a peer shows (MCP `Implementation`). Must never be used for a decision: it is self-reported.

use crate::write::Writer;

/// Who we say we are, to clients and to upstreams.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Implementation {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
}

impl Implementation {
    /// From name and version.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into() }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.raw(r#"{"name":"#).string(&self.name).raw(r#","version":"#).string(&self.version).raw("}");
    }
}
