//! What upstream servers say of their own accord: that something changed, never what. Must never reach an agent that was
//! not permitted to hear of it.

use model::client::ClientCapabilities;
use model::ids::{AgentId, ServerName};

use crate::BoxFuture;
use crate::upstream::Answer;

/// One thing that changed. Whoever hears of it asks for it anew.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Change {
    /// The resource that was subscribed to, or one within it.
    Updated(Box<str>),
    /// Which resources there are.
    Resources,
    /// Which prompts there are.
    Prompts,
}

/// What is heard of one server. Dropping it ends the subscription.
pub trait Changes: Send {
    /// The next change; the same one twice counts once while nobody asks. `None`: nothing will be heard any more. Safe
    /// to drop and call again.
    fn next(&mut self) -> BoxFuture<'_, Option<Change>>;
}

/// What became of a subscription.
pub enum Subscribed {
    /// The server tells from now on.
    To(Box<dyn Changes>),
    /// The server refused, with a JSON-RPC error.
    Refused(Answer),
}

/// Who listens to which lists of a server.
#[derive(Clone, Debug)]
pub struct Listening {
    /// The server.
    pub server: ServerName,
    /// The agent: nothing is heard on another's connection.
    pub agent: AgentId,
    /// What its client can do, as its calls say.
    pub client: ClientCapabilities,
    /// Whether to hear of prompts.
    pub prompts: bool,
    /// Whether to hear of resources.
    pub resources: bool,
}
