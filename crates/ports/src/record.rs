//! The durable record. Must never report success before the entry survives a power cut.

use ledger::Entry;
use ledger::view::StoredEntry;
use model::digest::{Digest, Salt};
use model::ids::{AgentId, CallId, Epoch};
use model::tool::ToolRef;

use crate::BoxFuture;
use crate::approvals::ApprovalStep;
use crate::fault::Fault;

/// One self-contained item for the writer's group commit.
pub struct Item {
    /// The entry; the writer gives it index and task sequence.
    pub entry: Entry,
    /// What blinds the entry's commitments, kept beside the leaf so that it can be erased.
    pub salts: Vec<(&'static str, Salt)>,
    /// Commit only while this is still the control epoch.
    pub expects: Expect,
    /// The definitions just listed to a principal, to be kept with it.
    pub listed: Option<Listed>,
    /// What becomes of an approval with it. Its time is the entry's.
    pub approval: Option<ApprovalStep>,
}

/// What must hold at commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing: the entry is true whatever else changed.
    Nothing,
    /// The control epoch has not moved.
    Epoch(Epoch),
}

/// What was last listed to a principal.
#[derive(Clone, Debug)]
pub struct Listed {
    /// To whom.
    pub agent: AgentId,
    /// Tools that are new or changed since the last list.
    pub tools: Vec<(ToolRef, Digest)>,
}

/// Proof that an entry is durable. Only a store makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The entry's index in this node's log.
    pub index: u64,
}

/// Why an item was not committed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitFault {
    /// The control epoch moved: decide again.
    #[error("the control epoch moved")]
    EpochMoved,
    /// The approval is not, or no longer, what the item takes it for: look again.
    #[error("the approval was used, answered or asked for by another, or its time is over")]
    ApprovalGone,
    /// So many calls wait for a person that no more may.
    #[error("{0} calls wait for a person already")]
    TooManyWait(usize),
    /// The commit failed and what is on disk is unknown: the node is fenced and takes no more calls.
    #[error("the record cannot be written: {0}")]
    Fenced(String),
}

/// Waits for one item, which is sure to be written once this was polled or dropped.
pub type Pending = BoxFuture<'static, Result<Receipt, CommitFault>>;

/// The writer. Order of staging is order in the log.
pub trait Record: Send + Sync {
    /// Queues one item without waiting.
    ///
    /// # Errors
    /// [`Fault`] when the queue is full or the node is fenced; the item is not written.
    fn stage(&self, item: Item) -> Result<Pending, Fault>;
    /// False once fenced.
    fn healthy(&self) -> bool;
}

/// Reading the record back.
pub trait Records: Send + Sync {
    /// Entries from `from` on, oldest first, at most `limit`.
    fn read(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<StoredEntry>, Fault>>;
    /// Number of entries.
    fn size(&self) -> BoxFuture<'_, Result<u64, Fault>>;
    /// All entries of one call, oldest first.
    fn of_call(&self, call: CallId) -> BoxFuture<'_, Result<Vec<StoredEntry>, Fault>>;
}
