//! Refusals as values: a stable code, a text that is safe for the caller, and what only operators read.
//!
//! Must never let a caller tell a hidden tool from an unknown one (promise 11).

use std::fmt;

use crate::approval::ApprovalId;
use crate::ids::PolicyId;
use crate::time::Micros;

/// Why a call was refused. Stable: codes are only ever added. Each has a section in
/// `docs/reference/reasons.md`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// No credential was presented.
    Unauthenticated,
    /// A credential was presented and is not valid: unknown, wrong, expired, removed.
    InvalidCredential,
    /// The message breaks the protocol or a limit.
    Malformed,
    /// A method Callgate does not carry.
    UnknownMethod,
    /// No such tool for this principal: unknown, hidden by policy, or quarantined. One answer for all.
    UnknownTool,
    /// The arguments do not fit the tool's schema.
    InvalidArguments,
    /// The tool changed since it was listed to this principal.
    DefinitionChanged,
    /// Policy says no to this call; other arguments could be permitted.
    PolicyDenied,
    /// Policy would permit this call with an approval, and a person is asked.
    ApprovalRequired,
    /// A person was asked and said no.
    ApprovalRejected,
    /// A person was asked, and nobody answered in time or the answer was not used in time.
    ApprovalExpired,
    /// The task is over.
    TaskEnded,
    /// A bound was reached: open calls, rate, size.
    LimitExceeded,
    /// The operator took something away while the call ran.
    Revoked,
    /// The client cancelled.
    Cancelled,
    /// The upstream could not be reached; nothing was sent.
    UpstreamUnavailable,
    /// The upstream took too long; it may have acted.
    UpstreamTimeout,
    /// The upstream broke the protocol; it may have acted.
    UpstreamViolation,
    /// Callgate could not tell. The default of every doubt.
    Indeterminate,
}

impl Reason {
    /// Every reason, for documents and tests.
    pub const ALL: [Self; 19] = [
        Self::Unauthenticated,
        Self::InvalidCredential,
        Self::Malformed,
        Self::UnknownMethod,
        Self::UnknownTool,
        Self::InvalidArguments,
        Self::DefinitionChanged,
        Self::PolicyDenied,
        Self::ApprovalRequired,
        Self::ApprovalRejected,
        Self::ApprovalExpired,
        Self::TaskEnded,
        Self::LimitExceeded,
        Self::Revoked,
        Self::Cancelled,
        Self::UpstreamUnavailable,
        Self::UpstreamTimeout,
        Self::UpstreamViolation,
        Self::Indeterminate,
    ];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::InvalidCredential => "invalid_credential",
            Self::Malformed => "malformed",
            Self::UnknownMethod => "unknown_method",
            Self::UnknownTool => "unknown_tool",
            Self::InvalidArguments => "invalid_arguments",
            Self::DefinitionChanged => "definition_changed",
            Self::PolicyDenied => "policy_denied",
            Self::ApprovalRequired => "approval_required",
            Self::ApprovalRejected => "approval_rejected",
            Self::ApprovalExpired => "approval_expired",
            Self::TaskEnded => "task_ended",
            Self::LimitExceeded => "limit_exceeded",
            Self::Revoked => "revoked",
            Self::Cancelled => "cancelled",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::UpstreamViolation => "upstream_violation",
            Self::Indeterminate => "indeterminate",
        }
    }

    /// Reads the code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// One refusal, with two faces. `public` goes to the caller; `private` to the record and operators only, and
/// so has no `Display`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denial {
    /// The stable code.
    pub reason: Reason,
    /// For the caller: what happened and what to do next. Names nothing the caller may not know.
    pub public: String,
    /// For operators: the whole truth. Never sent to the caller.
    pub private: String,
    /// The policies that decided, when policy did.
    pub policies: Vec<PolicyId>,
    /// Boxed: few refusals have one.
    approval: Option<Box<(ApprovalId, Micros)>>,
}

impl Denial {
    /// A refusal whose two faces say the same.
    #[must_use]
    pub fn new(reason: Reason, public: impl Into<String>) -> Self {
        let public = public.into();
        Self { reason, private: public.clone(), public, policies: Vec::new(), approval: None }
    }

    /// Adds what only operators read.
    #[must_use]
    pub fn with_private(mut self, private: impl Into<String>) -> Self {
        self.private = private.into();
        self
    }

    /// Adds the determining policies.
    #[must_use]
    pub fn with_policies(mut self, policies: Vec<PolicyId>) -> Self {
        self.policies = policies;
        self
    }

    /// Adds the approval it speaks of.
    #[must_use]
    pub fn with_approval(mut self, id: ApprovalId, until: Micros) -> Self {
        self.approval = Some(Box::new((id, until)));
        self
    }

    /// The approval it speaks of, and until when what it says of it holds.
    #[must_use]
    pub fn approval(&self) -> Option<(ApprovalId, Micros)> {
        self.approval.as_deref().copied()
    }

    /// Callgate could not tell. The caller learns only that; `private` says why.
    #[must_use]
    pub fn indeterminate(private: impl Into<String>) -> Self {
        Self::new(Reason::Indeterminate, "callgate could not decide this call and refused it; try again")
            .with_private(private)
    }

    /// The one answer for tools that do not exist, are hidden or quarantined.
    #[must_use]
    pub fn unknown_tool(name: &str) -> Self {
        Self::new(Reason::UnknownTool, format!("Unknown tool: {name}"))
    }

    /// The one answer for upstream tasks that do not exist, are another's, expired, or of a tool that may not be called.
    #[must_use]
    pub fn unknown_server_task() -> Self {
        Self::new(Reason::InvalidArguments, "Unknown task: it was not made for you here, or is over and gone")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip_and_are_distinct() {
        let mut codes: Vec<_> = Reason::ALL.iter().map(|r| r.code()).collect();
        assert!(Reason::ALL.iter().all(|r| Reason::parse(r.code()) == Some(*r)));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Reason::ALL.len());
    }
}
