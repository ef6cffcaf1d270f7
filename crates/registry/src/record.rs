//! What the registry keeps of one tool. Must never be certified at another digest than its own.

use std::sync::Arc;

use model::digest::Digest;
use model::time::Micros;
use model::tool::{PinnedTool, Risk, ToolRef, ToolStatus};

use crate::definition::Definition;
use crate::flags::{Flag, FlagCode};
use crate::risk::RiskProposal;

/// One tool in the registry.
#[derive(Clone, PartialEq, Debug)]
pub struct ToolRecord {
    /// Server and own name.
    pub name: ToolRef,
    /// The definition last listed.
    pub definition: Arc<Definition>,
    /// Its digest.
    pub digest: Digest,
    /// The risk class in force: the proposal, raised by what was before, or what a person set.
    pub risk: Risk,
    /// What the definition itself suggests.
    pub proposed: RiskProposal,
    /// What a person has to look at.
    pub flags: Vec<Flag>,
    /// Whether it may be listed and called.
    pub status: ToolStatus,
    /// False when the server's last list did not have it.
    pub present: bool,
    /// Whether its results are secrets.
    pub returns_secrets: bool,
    /// When it was first listed.
    pub first_seen: Micros,
    /// Since when it has this definition and this status.
    pub since: Micros,
    /// The last certification, of this digest or an earlier one.
    pub certified: Option<Certification>,
    /// The definition certified before this one, for the diff. None until a certified tool changes.
    pub previous: Option<Arc<Definition>>,
}

/// A person's word for one exact definition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certification {
    /// Which operator.
    pub by: String,
    /// When.
    pub at: Micros,
    /// Of which definition.
    pub digest: Digest,
}

impl ToolRecord {
    /// True when it may be listed and called: certified at exactly this digest, and still offered.
    #[must_use]
    pub fn usable(&self) -> bool {
        let certified = self.certified.as_ref().is_some_and(|c| c.digest == self.digest);
        self.status == ToolStatus::Certified && certified && self.present
    }

    /// The tool at its present definition and risk.
    #[must_use]
    pub fn pinned(&self) -> PinnedTool {
        PinnedTool { name: self.name.clone(), definition: self.digest, risk: self.risk }
    }

    /// Digest of the definition certified before this one.
    #[must_use]
    pub fn previous_digest(&self) -> Option<Digest> {
        self.previous.as_ref().map(|definition| definition.digest())
    }

    /// The same tool, taken out of use at that time until a person certifies it again.
    #[must_use]
    pub fn quarantined(&self, at: Micros) -> Self {
        Self { status: ToolStatus::Quarantined, since: at, ..self.clone() }
    }

    /// Why a person has to look at it before it can be used; nothing when it is usable, or gone.
    #[must_use]
    pub fn waits(&self) -> Option<&'static str> {
        if self.usable() || !self.present {
            return None;
        }
        Some(match &self.certified {
            Some(certified) if certified.digest != self.digest => {
                "its definition changed since it was certified"
            }
            Some(_) if self.previous.is_some() => "its definition changed and changed back",
            Some(_) => "an operator withdrew it",
            None if self.flags.iter().any(|flag| flag.code == FlagCode::Renamed) => {
                "new, the same as a tool that is gone"
            }
            None => "new",
        })
    }
}
