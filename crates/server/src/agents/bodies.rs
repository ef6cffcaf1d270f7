//! What one agent may have in memory as request bodies being read. Must never count an agent's bytes against another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::ids::AgentId;

/// Bodies up to this size are not counted: connections bound them well enough.
const SMALL: u64 = 64 << 10;
/// Bytes of larger bodies one agent may be sending at once.
const PER_AGENT_MAX: u64 = 32 << 20;

/// Bytes under way, by agent.
#[derive(Clone, Default)]
pub(super) struct Bodies(Arc<Mutex<HashMap<AgentId, u64>>>);

/// Room for one body, until it is dropped.
pub(super) struct Room {
    bodies: Bodies,
    agent: AgentId,
    bytes: u64,
}

impl Bodies {
    /// Room for a body of that length, or none while others of this agent are under way.
    pub(super) fn hold(&self, agent: &AgentId, bytes: u64) -> Result<Option<Room>, Full> {
        if bytes <= SMALL {
            return Ok(None);
        }
        let mut all = self.lock();
        let held = all.entry(agent.clone()).or_default();
        if *held + bytes > PER_AGENT_MAX {
            return Err(Full);
        }
        *held += bytes;
        drop(all);
        Ok(Some(Room { bodies: self.clone(), agent: agent.clone(), bytes }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The agent is already sending as much as it may.
#[derive(Debug)]
pub(super) struct Full;

impl Drop for Room {
    fn drop(&mut self) {
        let mut all = self.bodies.lock();
        let left = all.get(&self.agent).map_or(0, |held| held.saturating_sub(self.bytes));
        if left == 0 {
            all.remove(&self.agent);
        } else {
            all.insert(self.agent.clone(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_bounded_by_its_own_bodies_only() {
        let bodies = Bodies::default();
        let agent = |name: &str| AgentId::parse(name).unwrap();
        let first = bodies.hold(&agent("a"), PER_AGENT_MAX).unwrap();
        assert!(bodies.hold(&agent("a"), SMALL + 1).is_err());
        assert!(bodies.hold(&agent("a"), SMALL).unwrap().is_none());
        assert!(bodies.hold(&agent("b"), PER_AGENT_MAX).is_ok());
        drop(first);
        assert!(bodies.hold(&agent("a"), SMALL + 1).is_ok());
    }
}
