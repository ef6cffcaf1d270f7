//! What decisions are made from, at one epoch: agents, tools, names, policy. Must never be changed in place.

use std::collections::HashMap;
use std::sync::Arc;

use model::ids::{AgentId, Epoch};
use model::principal::{Agent, AgentKey, KeyId};
use policy::PolicySnapshot;
use registry::{Catalog, Names};

use crate::BoxFuture;

/// One immutable picture. It travels by value (behind an `Arc`) with each call.
pub struct Snapshot {
    /// Its control epoch; the record refuses items decided under an earlier one.
    pub epoch: Epoch,
    /// Who may call.
    pub agents: Directory,
    /// The tools, in every status.
    pub catalog: Arc<Catalog>,
    /// Names on the aggregated endpoint.
    pub names: Arc<Names>,
    /// The policies, compiled against the certified tools.
    pub policy: Arc<PolicySnapshot>,
}

/// The agents, found by the public part of their keys.
#[derive(Default, Clone)]
pub struct Directory {
    by_key: HashMap<KeyId, (Arc<Agent>, AgentKey)>,
    by_name: HashMap<AgentId, Arc<Agent>>,
}

impl Directory {
    /// Indexes all agents. Removed ones keep their names but no key of theirs is found.
    #[must_use]
    pub fn new(agents: &[Agent]) -> Self {
        let mut directory = Self::default();
        for agent in agents {
            let agent = Arc::new(agent.clone());
            if agent.removed.is_none() {
                for key in &agent.keys {
                    directory.by_key.insert(key.id.clone(), (Arc::clone(&agent), key.clone()));
                }
            }
            directory.by_name.insert(agent.id.clone(), agent);
        }
        directory
    }

    /// The agent and the key behind a key id.
    #[must_use]
    pub fn by_key(&self, id: &KeyId) -> Option<&(Arc<Agent>, AgentKey)> {
        self.by_key.get(id)
    }

    /// The agent of that name, removed or not.
    #[must_use]
    pub fn by_name(&self, id: &AgentId) -> Option<&Arc<Agent>> {
        self.by_name.get(id)
    }

    /// All agents, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Agent>> {
        self.by_name.values()
    }
}

/// Where the current picture hangs.
pub trait Snapshots: Send + Sync {
    /// The current picture. Never blocks.
    fn current(&self) -> Arc<Snapshot>;
    /// Resolves once the current picture is of a later epoch than this. Safe to drop and call again.
    fn moved(&self, since: Epoch) -> BoxFuture<'_, ()>;
    /// Hangs up the next one. Only `admin` calls this, after the change is durable.
    fn publish(&self, next: Arc<Snapshot>);
}
