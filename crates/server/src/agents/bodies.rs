//! What one agent may have in memory as request bodies being read. Must never count an agent's bytes against another.

use model::ids::AgentId;

use super::per_agent::{Held, PerAgent};

/// Bodies up to this size are not counted: connections bound them well enough.
const SMALL: u64 = 64 << 10;
/// Bytes of larger bodies one agent may be sending at once.
const PER_AGENT_MAX: u64 = 32 << 20;

/// Bytes under way, by agent.
pub(super) struct Bodies(PerAgent);

impl Default for Bodies {
    fn default() -> Self {
        Self(PerAgent::new(PER_AGENT_MAX))
    }
}

impl Bodies {
    /// Room for a body of that length, or none while others of this agent are under way.
    pub(super) fn hold(&self, agent: &AgentId, bytes: u64) -> Result<Option<Held>, Full> {
        if bytes <= SMALL {
            return Ok(None);
        }
        self.0.hold(agent, bytes).map(Some).ok_or(Full)
    }
}

/// The agent is already sending as much as it may.
#[derive(Debug)]
pub(super) struct Full;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_bounded_by_its_own_bodies_only() {
        let bodies = Bodies::default();
        let agent = |name: &str| AgentId::parse(name).unwrap();
        let first = bodies.hold(&agent("a"), PER_AGENT_MAX).ok().unwrap();
        assert!(bodies.hold(&agent("a"), SMALL + 1).is_err());
        assert!(bodies.hold(&agent("a"), SMALL).ok().unwrap().is_none());
        assert!(bodies.hold(&agent("b"), PER_AGENT_MAX).is_ok());
        drop(first);
        assert!(bodies.hold(&agent("a"), SMALL + 1).is_ok());
    }
}
