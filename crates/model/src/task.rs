//! A unit of delegated work. Must never be open for longer than its owner's authority.

use crate::ids::{AgentId, TaskId};

/// A task as decisions see it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The agent it was delegated to.
    pub agent: AgentId,
    /// How it came to be.
    pub origin: TaskOrigin,
}

/// How a task came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskOrigin {
    /// Bound to every agent that presents no capability: one standing task per agent, named `agent:NAME`.
    Implicit,
}

impl Task {
    /// The implicit task of an agent.
    ///
    /// # Errors
    /// Never for an [`AgentId`] that exists: its grammar is within a task id's. Kept as an error so that no
    /// panic hides here.
    pub fn implicit(agent: &AgentId) -> Result<Self, crate::ids::NameError> {
        let id = TaskId::parse(&format!("agent:{agent}"))?;
        Ok(Self { id, agent: agent.clone(), origin: TaskOrigin::Implicit })
    }
}
