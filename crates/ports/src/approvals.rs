//! Approvals as they are kept. Must never change one: that is a step of an item of the record, in one transaction
//! with the entry that tells of it.

use model::approval::{Answer, Approval, ApprovalId, ApprovalKey};
use model::call::CallDigest;
use model::ids::CallId;

use crate::BoxFuture;
use crate::fault::Fault;

/// Where approvals are kept. What it answers may be over by the time it is heard: the writer checks again.
pub trait Approvals: Send + Sync {
    /// The last request for exactly this call of this agent and task. None is an answer, not a fault.
    fn last<'a>(&'a self, key: &'a ApprovalKey) -> BoxFuture<'a, Result<Option<Approval>, Fault>>;
    /// All that are kept and can be read, oldest first.
    fn all(&self) -> BoxFuture<'_, Result<Vec<Approval>, Fault>>;
    /// What is kept and cannot be read. It is usable for nothing, and hides nothing else.
    fn unreadable(&self) -> BoxFuture<'_, Result<Vec<Unreadable>, Fault>>;
    /// The canonical arguments of one, whole.
    fn arguments(&self, id: ApprovalId) -> BoxFuture<'_, Result<Option<String>, Fault>>;
}

/// A request that is kept and cannot be read.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// Which, if that much of it can be read.
    pub id: Option<ApprovalId>,
    /// What is wrong with it.
    pub problem: Fault,
}

/// What an item does to an approval, in the transaction of its entry. If that cannot be done any more the item is not
/// committed.
#[derive(Clone, Debug)]
pub enum ApprovalStep {
    /// A person is asked. Refused when one is asked already, or too many wait.
    Ask(Box<Asking>),
    /// A person answered. Refused unless it waits, for exactly this call.
    Answer(Box<Answering>),
    /// A call acts on it. Refused unless there is an approval for exactly this call that nobody used.
    Use(Box<Using>),
    /// The agent was told that it expired: the next one asks anew.
    Forget(ApprovalId),
}

/// See [`ApprovalStep::Ask`].
#[derive(Clone, Debug)]
pub struct Asking {
    /// The request, pending.
    pub approval: Approval,
    /// The canonical arguments that the call digest was made from.
    pub arguments: String,
}

/// See [`ApprovalStep::Answer`].
#[derive(Clone, Debug)]
pub struct Answering {
    /// Which.
    pub id: ApprovalId,
    /// The call that the person was shown.
    pub call: CallDigest,
    /// True for a yes.
    pub approved: bool,
    /// Who, when, and what else.
    pub answer: Answer,
}

/// See [`ApprovalStep::Use`].
#[derive(Clone, Debug)]
pub struct Using {
    /// Which.
    pub id: ApprovalId,
    /// The call that was decided on.
    pub key: ApprovalKey,
    /// Which call acts on it.
    pub by: CallId,
}
