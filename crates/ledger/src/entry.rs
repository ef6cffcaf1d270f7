//! The kinds of entries. Must never grow an optional field that means "not checked".

use model::approval::ApprovalId;
use model::call::Endpoint;
use model::denial::Reason;
use model::digest::{Commitment, Digest};
use model::ids::{AgentId, CallId, Epoch, GroupName, PolicyId, TaskId};
use model::time::Micros;
use model::tool::PinnedTool;

/// One entry before it has its place in the log: the writer gives index and task sequence.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it was staged.
    pub at: Micros,
    /// The control epoch it was made under.
    pub epoch: Epoch,
    /// What happened.
    pub body: Body,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Body {
    /// A call reached a decision. With [`Verdict::Permit`] this is the intent: durable before the call acts.
    Decision(DecisionBody),
    /// How a permitted call ended. Exactly one for each permit.
    Outcome(OutcomeBody),
    /// A principal was shown a list of tools.
    List(ListBody),
    /// A request was refused before it named a tool this principal may know.
    Refusal(RefusalBody),
    /// A person answered a request for an approval.
    Approval(ApprovalBody),
    /// An operator or the configuration changed what decisions are made from.
    Control(ControlBody),
    /// The node itself: started, stopped, recovered, summarised noise.
    Lifecycle(LifecycleBody),
}

/// A decision on one call of a known tool.
#[derive(Clone, Debug)]
pub struct DecisionBody {
    /// The call.
    pub call: CallId,
    /// The task it was bound to.
    pub task: TaskId,
    /// Who called.
    pub agent: AgentId,
    /// How it proved itself.
    pub attestation: &'static str,
    /// Through which door.
    pub endpoint: Endpoint,
    /// The tool at the definition decided on.
    pub tool: PinnedTool,
    /// Permit, deny or park.
    pub verdict: Verdict,
    /// Policies that determined it.
    pub policies: Vec<PolicyId>,
    /// Digest of the policy set and schema.
    pub policy_set: Digest,
    /// For operators: why, in words. At most 1 KiB is kept.
    pub why: String,
    /// Commitment to the canonical arguments.
    pub arguments: Commitment,
    /// Bytes of the arguments as sent.
    pub arguments_bytes: u64,
    /// Microseconds from received to decided.
    pub decide_micros: u64,
    /// With a permit: the approval that it uses up. With a refusal: the one it speaks of.
    pub approval: Option<ApprovalId>,
}

/// The answer of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Allowed: the intent.
    Permit,
    /// Refused, for this reason.
    Deny(Reason),
    /// Waits for a person.
    Park,
}

/// How a permitted call ended.
#[derive(Clone, Debug)]
pub struct OutcomeBody {
    /// The call.
    pub call: CallId,
    /// Its task.
    pub task: TaskId,
    /// How it ended.
    pub outcome: Outcome,
    /// For operators: why, in words; empty when it simply completed.
    pub why: String,
    /// Commitment to the result bytes, when there are any.
    pub result: Option<Commitment>,
    /// Bytes of the result.
    pub result_bytes: u64,
    /// Microseconds the upstream took.
    pub upstream_micros: u64,
}

/// How a permitted call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream answered with a result.
    Completed,
    /// The upstream answered that the tool failed (`isError`), or with a JSON-RPC error.
    ToolError,
    /// Nothing was sent: no upstream, no credential, revoked before sending.
    NotSent(Reason),
    /// Sent, and what happened there cannot be known: timeout, cancelled, crash, violation.
    Unknown(Reason),
}

/// A list that was shown.
#[derive(Clone, Debug)]
pub struct ListBody {
    /// Who asked.
    pub agent: AgentId,
    /// Its task.
    pub task: TaskId,
    /// Through which door.
    pub endpoint: Endpoint,
    /// How many tools it was shown.
    pub tools: u64,
    /// Digest over the names and definition digests shown, in order.
    pub shown: Digest,
}

/// A refusal before a tool was resolved. One shape for unknown, hidden and quarantined.
#[derive(Clone, Debug)]
pub struct RefusalBody {
    /// The call.
    pub call: CallId,
    /// Its task.
    pub task: TaskId,
    /// Who called.
    pub agent: AgentId,
    /// Through which door.
    pub endpoint: Endpoint,
    /// The method, shortened to 64 characters.
    pub method: String,
    /// The tool name as given, shortened to 128 characters; empty when none was.
    pub named: String,
    /// The stable code.
    pub reason: Reason,
    /// For operators: why, in words. At most 1 KiB is kept.
    pub why: String,
}

/// What a person answered to a request for an approval.
#[derive(Clone, Debug)]
pub struct ApprovalBody {
    /// The request; it leads to the call that asked first.
    pub approval: ApprovalId,
    /// The task it is for.
    pub task: TaskId,
    /// The agent it is for.
    pub agent: AgentId,
    /// The tool, at the definition it is for.
    pub tool: PinnedTool,
    /// Commitment to the call digest it is bound to.
    pub bound: Commitment,
    /// True for a yes.
    pub approved: bool,
    /// Who answered: `operator:NAME`.
    pub by: String,
    /// The approver groups the person answers for.
    pub groups: Vec<GroupName>,
    /// True when the person also answers for the agent (solo mode).
    pub self_approved: bool,
    /// From when the answer has no effect any more.
    pub until: Micros,
    /// What the person said to it. At most 1 KiB is kept.
    pub note: String,
}

/// A change of what decisions are made from.
#[derive(Clone, Debug)]
pub struct ControlBody {
    /// Who changed it: `operator:NAME`, `config`, `upstream:SERVER`.
    pub by: String,
    /// What was done: `agent.added`, `agent.removed`, `key.rotated`, `tool.quarantined`, `tool.certified`,
    /// `policy.loaded`.
    pub what: &'static str,
    /// To what: an agent, a tool, a policy set.
    pub subject: String,
    /// More, in words. At most 1 KiB is kept.
    pub detail: String,
}

/// Something about the node.
#[derive(Clone, Debug)]
pub struct LifecycleBody {
    /// `started`, `stopped`, `recovered`, `noise`.
    pub what: &'static str,
    /// More, in words. At most 1 KiB is kept.
    pub detail: String,
}

impl Entry {
    /// The call this entry belongs to; for an approval, the one that asked first.
    #[must_use]
    pub const fn call(&self) -> Option<CallId> {
        match &self.body {
            Body::Decision(body) => Some(body.call),
            Body::Outcome(body) => Some(body.call),
            Body::Refusal(body) => Some(body.call),
            Body::Approval(body) => Some(body.approval.call()),
            _ => None,
        }
    }

    /// The task this entry belongs to: such entries are numbered 1, 2, 3… within it, without gaps.
    #[must_use]
    pub const fn task(&self) -> Option<&TaskId> {
        match &self.body {
            Body::Decision(body) => Some(&body.task),
            Body::Outcome(body) => Some(&body.task),
            Body::List(body) => Some(&body.task),
            Body::Refusal(body) => Some(&body.task),
            Body::Approval(body) => Some(&body.task),
            Body::Control(_) | Body::Lifecycle(_) => None,
        }
    }

    /// Whether a call may act once this entry is durable, so that an outcome must follow.
    #[must_use]
    pub const fn is_intent(&self) -> bool {
        matches!(&self.body, Body::Decision(DecisionBody { verdict: Verdict::Permit, .. }))
    }

    /// The word for the kind, as in the leaf.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match &self.body {
            Body::Decision(DecisionBody { verdict: Verdict::Permit, .. }) => "intent",
            Body::Decision(_) => "decision",
            Body::Outcome(_) => "outcome",
            Body::List(_) => "list",
            Body::Refusal(_) => "refusal",
            Body::Approval(_) => "approval",
            Body::Control(_) => "control",
            Body::Lifecycle(_) => "lifecycle",
        }
    }
}

/// The place the writer gave an entry within its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskPlace(pub u64);
