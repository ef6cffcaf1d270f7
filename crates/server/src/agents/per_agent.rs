//! How much of something each agent has at once. Must never count one agent's against another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::ids::AgentId;

/// Bounds what each agent holds.
#[derive(Clone)]
pub(super) struct PerAgent {
    most: u64,
    held: Arc<Mutex<HashMap<AgentId, u64>>>,
}

/// What an agent holds, until it is dropped.
pub(super) struct Held {
    of: PerAgent,
    agent: AgentId,
    amount: u64,
}

impl PerAgent {
    /// At most that much.
    pub(super) fn new(most: u64) -> Self {
        Self { most, held: Arc::default() }
    }

    /// None while the agent holds so much that this would be too much.
    pub(super) fn hold(&self, agent: &AgentId, amount: u64) -> Option<Held> {
        let mut all = self.lock();
        let held = all.get(agent).copied().unwrap_or_default();
        let together = held.checked_add(amount).filter(|together| *together <= self.most)?;
        all.insert(agent.clone(), together);
        drop(all);
        Some(Held { of: self.clone(), agent: agent.clone(), amount })
    }

    /// Whether any agent holds anything.
    pub(super) fn any(&self) -> bool {
        !self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, u64>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut all = self.of.lock();
        let left = all.get(&self.agent).map_or(0, |held| held.saturating_sub(self.amount));
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
    fn nothing_is_kept_of_an_agent_that_holds_nothing() {
        let (room, agent) = (PerAgent::new(10), AgentId::parse("ada").unwrap());
        let held = [room.hold(&agent, 4), room.hold(&agent, 6)];
        assert!(held.iter().all(Option::is_some) && room.hold(&agent, 1).is_none());
        assert!(room.any());
        drop(held);
        assert!(!room.any());
        assert!(room.hold(&agent, 11).is_none() && room.hold(&agent, u64::MAX).is_none() && !room.any());
    }
}
