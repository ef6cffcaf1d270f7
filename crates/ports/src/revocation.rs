//! Taking away what is under way. Must have cancelled everything it names before it resolves.

use model::ids::AgentId;
use model::tool::ToolRef;

use crate::BoxFuture;

/// Cancels open calls and ends what an agent holds upstream. The change is durable and published before this
/// is called, so that nothing new starts behind it.
pub trait Revocation: Send + Sync {
    /// An agent was removed: its open calls and its upstream connections end.
    fn agent_removed<'a>(&'a self, agent: &'a AgentId) -> BoxFuture<'a, ()>;
    /// Keys of an agent ended before their time: what was opened with a key ends.
    fn keys_ended<'a>(&'a self, agent: &'a AgentId) -> BoxFuture<'a, ()>;
    /// Other policies are in force: open calls that they do not permit end.
    fn policies_replaced(&self) -> BoxFuture<'_, ()>;
    /// Tools changed or were withdrawn: their open calls end.
    fn tools_withdrawn<'a>(&'a self, tools: &'a [ToolRef]) -> BoxFuture<'a, ()>;
}
