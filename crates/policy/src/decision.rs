//! One decision: what is asked, what is answered. Must never be a bool.

use model::ids::{GroupName, PolicyId};
use model::json::Json;
use model::principal::Principal;
use model::task::Task;
use model::time::Micros;
use model::tool::PinnedTool;

/// What is known of approvals for exactly this call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalEvidence {
    /// How many different people approved.
    pub count: u32,
    /// The approver groups they are in.
    pub groups: Vec<GroupName>,
    /// True when every approval is for this exact call, not for an envelope.
    pub exact: bool,
    /// True when the owner of the agent approved.
    pub self_approved: bool,
}

impl ApprovalEvidence {
    /// Nobody approved anything.
    #[must_use]
    pub const fn none() -> Self {
        Self { count: 0, groups: Vec::new(), exact: false, self_approved: false }
    }
}

/// One question to the PDP.
#[derive(Clone, Copy, Debug)]
pub struct DecisionRequest<'a> {
    /// Who, verified.
    pub principal: &'a Principal,
    /// For which task.
    pub task: &'a Task,
    /// Which tool, at which definition.
    pub tool: &'a PinnedTool,
    /// With which arguments: always an object.
    pub arguments: &'a Json,
    /// With which approvals.
    pub approval: &'a ApprovalEvidence,
    /// When.
    pub now: Micros,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Allowed.
    Permit(PolicyPermit),
    /// Refused.
    Deny(PolicyDenial),
    /// Refused now; would be allowed with an approval.
    Park(Park),
}

/// Why a call is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyPermit {
    /// The permits that were satisfied, sorted.
    pub policies: Vec<PolicyId>,
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDenial {
    /// What kind of refusal.
    pub kind: DenyKind,
    /// The policies that decided, sorted: forbids, or those that had an error.
    pub policies: Vec<PolicyId>,
    /// The texts of their `@reason`, safe for the caller if the caller may know the tool at all.
    pub reasons: Vec<String>,
    /// The whole truth, for operators and the record only.
    pub explanation: String,
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DenyKind {
    /// A forbid was satisfied.
    Forbidden,
    /// No permit was.
    NoPermit,
    /// It could not be told: reason `indeterminate`, and worth an alarm.
    Error,
}

/// Whom to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Park {
    /// The policies that ask for the approval, sorted.
    pub policies: Vec<PolicyId>,
    /// The groups any of whose members may answer, sorted. Never empty.
    pub approvers: Vec<GroupName>,
    /// The texts of their `@reason`.
    pub reasons: Vec<String>,
}
