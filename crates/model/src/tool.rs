//! Tools and their risk. Must never lower a risk class by itself.

use std::fmt;

use crate::digest::Digest;
use crate::ids::{ServerName, ToolName};

/// What a tool can do, at worst. Ordered: `Read < Write < Privileged`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Risk {
    /// Changes nothing outside.
    Read,
    /// Changes something bounded.
    Write,
    /// Changes without bound, or gives power: runs code, sends money, changes access.
    Privileged,
}

impl Risk {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Privileged => "privileged",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Read, Self::Write, Self::Privileged].into_iter().find(|risk| risk.as_str() == text)
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a definition stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ToolStatus {
    /// New, changed or withdrawn: hidden and refused until a person certifies it.
    Quarantined,
    /// Reviewed by a person, at exactly this digest.
    Certified,
}

impl ToolStatus {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quarantined => "quarantined",
            Self::Certified => "certified",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Quarantined, Self::Certified].into_iter().find(|status| status.as_str() == text)
    }
}

/// A tool's full name: server and own name. Shown as `server__tool`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ToolRef {
    /// The server.
    pub server: ServerName,
    /// The server's own name for it.
    pub tool: ToolName,
}

impl fmt::Display for ToolRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}__{}", self.server, self.tool)
    }
}

/// A tool at one exact definition.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PinnedTool {
    /// Which tool.
    pub name: ToolRef,
    /// SHA-256 over the canonical definition.
    pub definition: Digest,
    /// What it can do at worst.
    pub risk: Risk,
}
