//! One change, whole: durable with its entries, then published, then what it took away is cancelled.
//!
//! Must never stop half-way because whoever asked went away: a change runs in a task of its own, as a call does
//! (ADR 0005), and the next one waits for its end.

use std::sync::{Arc, PoisonError};

use ledger::Entry;
use model::ids::AgentId;
use model::tool::ToolRef;
use ports::control::ControlChange;
use ports::fault::Fault;
use ports::revocation::Revocation;
use ports::snapshot::Snapshot;
use tokio::sync::{OwnedMutexGuard, oneshot};

use crate::{Admin, Picture, Sources};

/// The right to change something: one at a time.
pub(crate) type Turn = OwnedMutexGuard<()>;

/// What is to be changed.
pub(crate) struct Change {
    pub(crate) change: ControlChange,
    pub(crate) entries: Vec<Entry>,
    /// What is published once it is durable.
    pub(crate) next: Picture,
    /// What it takes away.
    pub(crate) takes: Takes,
    /// The files it was made from, when it loads other ones.
    pub(crate) loaded: Option<Sources>,
}

/// What a change takes away.
pub(crate) enum Takes {
    Nothing,
    Agent(AgentId),
    /// Keys of this agent, before their time.
    Keys(AgentId),
    Tools(Vec<ToolRef>),
}

impl Takes {
    async fn cancel(&self, revocation: &dyn Revocation) {
        match self {
            Self::Nothing => {}
            Self::Agent(agent) => revocation.agent_removed(agent).await,
            Self::Keys(agent) => revocation.keys_ended(agent).await,
            Self::Tools(tools) => revocation.tools_withdrawn(tools).await,
        }
    }
}

impl Admin {
    /// Waits until no other change is under way.
    pub(crate) async fn turn(&self) -> Turn {
        Arc::clone(&self.gate).lock_owned().await
    }

    /// Carries a change out to its end, also when this future is dropped.
    pub(crate) async fn carry_out(&self, turn: Turn, change: Change) -> Result<Arc<Snapshot>, Fault> {
        let (ports, sources) = (self.ports.clone(), Arc::clone(&self.sources));
        let (done_in, done) = oneshot::channel();
        self.ports.spawner.spawn(Box::pin(async move {
            let published = match ports.control.apply(change.change, change.entries).await {
                Ok(epoch) => {
                    if let Some(loaded) = change.loaded {
                        *sources.lock().unwrap_or_else(PoisonError::into_inner) = loaded;
                    }
                    let before = ports.snapshots.current().policy.digest();
                    let next = change.next.at(epoch);
                    ports.snapshots.publish(Arc::clone(&next));
                    change.takes.cancel(ports.revocation.as_ref()).await;
                    if next.policy.digest() != before {
                        ports.revocation.policies_replaced().await;
                    }
                    Ok(next)
                }
                Err(fault) => Err(fault),
            };
            drop(turn);
            // Whoever asked may be gone; the change is made all the same.
            drop(done_in.send(published));
        }));
        done.await.unwrap_or_else(|_| Err(Fault::new("the change was interrupted; look whether it was made")))
    }
}
