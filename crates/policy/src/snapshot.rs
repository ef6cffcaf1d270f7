//! A compiled policy set: one immutable value that decides. Must never change after it was made.

use model::digest::Digest;
use model::principal::Principal;
use model::task::Task;
use model::tool::ToolRef;

use crate::decision::{Decision, DecisionRequest, DenyKind, PolicyDenial};
use crate::facts::{PolicySource, ServerFacts, ToolFacts};
use crate::problem::PolicyProblem;

/// A policy set compiled against the certified tools. `Send + Sync`; hold it behind an `Arc`.
pub struct PolicySnapshot {
    digest: Digest,
    notices: Vec<PolicyProblem>,
}

impl PolicySnapshot {
    /// Compiles for publishing: everything found wrong is refused, warnings and policies that never apply too.
    ///
    /// # Errors
    /// Every problem at once, sorted by file and position. Never empty.
    pub fn compile(
        sources: &[PolicySource],
        servers: &[ServerFacts],
        tools: &[ToolFacts],
    ) -> Result<Self, Vec<PolicyProblem>> {
        let snapshot = Self::load(sources, servers, tools)?;
        if snapshot.notices.is_empty() { Ok(snapshot) } else { Err(snapshot.notices) }
    }

    /// Compiles for serving: as [`Self::compile`], but a policy that cannot apply to any certified tool (its tool
    /// is new, or quarantined) is set aside and listed in [`Self::notices`] instead of keeping the door shut.
    /// Setting it aside changes no decision.
    ///
    /// # Errors
    /// Every problem at once, sorted by file and position. Never empty.
    pub fn load(
        _sources: &[PolicySource],
        _servers: &[ServerFacts],
        _tools: &[ToolFacts],
    ) -> Result<Self, Vec<PolicyProblem>> {
        Ok(Self { digest: Digest::of(b""), notices: Vec::new() })
    }

    /// Over the sources and the schema: equal digests decide equally.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Policies that were set aside by [`Self::load`], with why.
    #[must_use]
    pub fn notices(&self) -> &[PolicyProblem] {
        &self.notices
    }

    /// How many policies are in force.
    #[must_use]
    pub const fn policy_count(&self) -> usize {
        0
    }

    /// Decides one call.
    #[must_use]
    pub fn decide(&self, request: &DecisionRequest<'_>) -> Decision {
        Decision::Deny(PolicyDenial {
            kind: DenyKind::Error,
            policies: Vec::new(),
            reasons: Vec::new(),
            explanation: format!("`{}` is not decided yet", request.tool.name),
        })
    }

    /// True when this principal could be permitted this tool with some arguments, approval and time, and may
    /// list its server. What `tools/list` shows, and the only tools reasons are given for (promise 11).
    #[must_use]
    pub const fn could_permit(&self, _principal: &Principal, _task: &Task, _tool: &ToolRef) -> bool {
        false
    }

    /// The Cedar schema as text, for editors and `callgate policy schema`.
    #[must_use]
    pub const fn schema_text(&self) -> &str {
        ""
    }
}
