//! Taking away what is under way, at the door and at the upstreams. Must never say that it is done before every call it
//! concerns was told.

use std::sync::{Arc, OnceLock};

use model::denial::Reason;
use model::ids::AgentId;
use model::tool::ToolRef;
use ports::BoxFuture;
use ports::revocation::Revocation;
use ports::upstream::Upstreams;

use crate::driver::Door;
use crate::open_calls::OpenCalls;

/// Cancels open calls. Administration needs it before there is a door, so the two are told to it afterwards.
#[derive(Default)]
pub struct Revoker(OnceLock<(Arc<Door>, Arc<dyn Upstreams>)>);

impl Revoker {
    /// Called once, when both exist. Before, nothing can be under way.
    pub fn connect(&self, door: Arc<Door>, upstreams: Arc<dyn Upstreams>) {
        // Set once by the composition root; a second call would change nothing.
        drop(self.0.set((door, upstreams)));
    }

    /// Nobody is told while there is no door.
    fn open_calls(&self) -> [OpenCalls; 2] {
        let both = |door: &Arc<Door>| [door.open_calls().clone(), door.subscriptions().clone()];
        self.0.get().map(|(door, _)| both(door)).unwrap_or_default()
    }
}

impl Revocation for Revoker {
    fn agent_removed<'a>(&'a self, agent: &'a AgentId) -> BoxFuture<'a, ()> {
        for open in self.open_calls() {
            open.cancel_agent(agent, Reason::Revoked);
        }
        Box::pin(async move {
            if let Some((_, upstreams)) = self.0.get() {
                upstreams.forget(agent).await;
            }
        })
    }

    fn keys_ended<'a>(&'a self, agent: &'a AgentId) -> BoxFuture<'a, ()> {
        for open in self.open_calls() {
            open.cancel_keyed(agent, Reason::Revoked);
        }
        Box::pin(std::future::ready(()))
    }

    fn policies_replaced(&self) -> BoxFuture<'_, ()> {
        for open in self.open_calls() {
            open.look_again();
        }
        Box::pin(std::future::ready(()))
    }

    fn tools_withdrawn<'a>(&'a self, tools: &'a [ToolRef]) -> BoxFuture<'a, ()> {
        for open in self.open_calls() {
            for tool in tools {
                open.cancel_tool(tool, Reason::Revoked);
            }
        }
        Box::pin(std::future::ready(()))
    }
}
