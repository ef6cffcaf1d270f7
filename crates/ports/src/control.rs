//! The control state: what operators decided. Must never change without an entry in the same transaction.

use ledger::Entry;
use model::digest::Digest;
use model::ids::{AgentId, Epoch};
use model::principal::Agent;
use model::tool::ToolRef;
use registry::ToolRecord;

use crate::BoxFuture;
use crate::fault::Fault;

/// Everything that is kept.
#[derive(Clone, Debug, Default)]
pub struct ControlState {
    /// How often it changed.
    pub epoch: u64,
    /// All agents, removed ones too.
    pub agents: Vec<Agent>,
    /// All tools, in any status.
    pub tools: Vec<ToolRecord>,
    /// What was last listed to whom.
    pub listed: Vec<(AgentId, ToolRef, Digest)>,
    /// Digest of the policy set last loaded.
    pub policy_set: Option<Digest>,
}

/// One change.
#[derive(Clone, Debug)]
pub enum ControlChange {
    /// Inserts or replaces an agent.
    PutAgent(Agent),
    /// Inserts or replaces tools.
    PutTools(Vec<ToolRecord>),
    /// Another policy set was loaded.
    PolicyLoaded(Digest),
}

/// Keeps the control state. Changes pass the same writer as the record: once `apply` resolves, no item that
/// expects an earlier epoch is committed any more.
pub trait Control: Send + Sync {
    /// All of it.
    fn load(&self) -> BoxFuture<'_, Result<ControlState, Fault>>;
    /// Applies one change with its entries, atomically and durably, and returns the new epoch.
    fn apply(&self, change: ControlChange, entries: Vec<Entry>) -> BoxFuture<'_, Result<Epoch, Fault>>;
}
