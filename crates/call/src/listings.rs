//! What was last listed to whom: the other half of "the definition that is called is the definition that was
//! listed" (promise 9). Must never forget a listing while its agent exists.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use model::digest::Digest;
use model::ids::AgentId;
use model::tool::ToolRef;
use ports::record::Listed;

/// The digests last listed to each agent. Bounded by agents × tools.
#[derive(Default)]
pub struct Listings(RwLock<HashMap<AgentId, HashMap<ToolRef, Digest>>>);

impl Listings {
    /// What the store kept.
    #[must_use]
    pub fn new(kept: Vec<(AgentId, ToolRef, Digest)>) -> Self {
        let mut all: HashMap<AgentId, HashMap<ToolRef, Digest>> = HashMap::new();
        for (agent, tool, digest) in kept {
            all.entry(agent).or_default().insert(tool, digest);
        }
        Self(RwLock::new(all))
    }

    /// The digest last listed to an agent, if the tool ever was.
    #[must_use]
    pub fn last(&self, agent: &AgentId, tool: &ToolRef) -> Option<Digest> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(agent)?.get(tool).copied()
    }

    /// Which of `shown` are new or changed for the agent: what has to be made durable.
    #[must_use]
    pub fn changes(&self, agent: &AgentId, shown: &[(ToolRef, Digest)]) -> Listed {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let before = all.get(agent);
        let is_new =
            |(tool, digest): &&(ToolRef, Digest)| before.and_then(|map| map.get(tool)) != Some(digest);
        Listed { agent: agent.clone(), tools: shown.iter().filter(is_new).cloned().collect() }
    }

    /// Remembers changes that are durable now.
    pub fn remember(&self, listed: &Listed) {
        if listed.tools.is_empty() {
            return;
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(listed.agent.clone()).or_default().extend(listed.tools.iter().cloned());
    }
}

#[cfg(test)]
mod tests;
