//! Agents: added, rotated, removed. Must never store or log a key: its hash is kept, the text is shown once.

use std::sync::Arc;

use ledger::Entry;
use model::agent_key::{CredentialKind, NewCredential};
use model::ids::{AgentId, GroupName};
use model::principal::{Agent, AgentFacts, AgentKey};
use model::time::Micros;
use ports::control::ControlChange;
use ports::secret::Secret;
use ports::snapshot::Directory;

use crate::change::{Change, Takes, Turn};
use crate::{Admin, AdminError, Picture};

/// Longest life of a key, in days.
pub(crate) const KEY_DAYS_MAX: i64 = 366;
/// Most keys of one agent that can be valid at a time.
const KEYS_MAX: usize = 4;
const DAY_SECONDS: i64 = 86_400;

/// An agent to be added.
#[derive(Clone, Debug)]
pub struct NewAgent {
    /// Its name, never used before.
    pub id: AgentId,
    /// Its groups, besides `known`, which every agent is in.
    pub groups: Vec<GroupName>,
    /// The person who answers for it.
    pub owner: String,
    /// Days its key is valid, 1 to 366.
    pub key_days: i64,
}

/// A key that was just made. No `Debug`: `key` is secret, shown once.
pub struct NewAgentKey {
    /// Whose.
    pub agent: AgentId,
    /// The key.
    pub key: Secret,
    /// From when it is refused.
    pub expires: Micros,
}

/// An agent, for showing.
#[derive(Clone, Debug)]
pub struct AgentView {
    /// The agent; holds hashes only.
    pub agent: Arc<Agent>,
    /// Whether any of its keys is valid now.
    pub usable: bool,
}

/// The group of every agent that an operator added: what the starter policies permit, they permit to it.
fn known_group() -> Result<GroupName, AdminError> {
    GroupName::parse("known").map_err(|error| AdminError::Refused(error.to_string()))
}

impl Admin {
    /// Adds an agent and makes its first key.
    ///
    /// # Errors
    /// When the name was ever taken, or the life of the key is out of bounds.
    pub async fn add_agent(&self, by: &str, new: NewAgent) -> Result<NewAgentKey, AdminError> {
        let turn = self.turn().await;
        if let Some(taken) = self.current().agents.by_name(&new.id) {
            let state =
                if taken.removed.is_some() { "was removed, and its name stays taken" } else { "exists" };
            return Err(AdminError::Refused(format!(
                "agent `{}` {state}; choose another name, or `agents rotate` for a new key",
                new.id
            )));
        }
        let (credential, key) = self.new_key(new.key_days)?;
        let mut groups = new.groups;
        groups.push(known_group()?);
        groups.sort();
        groups.dedup();
        let agent = Agent {
            id: new.id.clone(),
            facts: Arc::new(AgentFacts { groups, owner: new.owner }),
            keys: vec![key.clone()],
            added: key.created,
            removed: None,
        };
        let detail = format!("key {} until {}", key.id.0, key.expires.rfc3339());
        let entry = self.entry(by, "agent.added", new.id.to_string(), detail);
        self.put_agent(turn, agent, entry, Takes::Nothing).await?;
        Ok(NewAgentKey { agent: new.id, key: Secret::new(credential.text), expires: key.expires })
    }

    /// Makes a new key; the ones before it end after `overlap_seconds`.
    ///
    /// # Errors
    /// When there is no such agent.
    pub async fn rotate_agent(
        &self,
        by: &str,
        id: &AgentId,
        key_days: i64,
        overlap_seconds: i64,
    ) -> Result<NewAgentKey, AdminError> {
        let turn = self.turn().await;
        let mut agent = self.living(id)?;
        let (credential, key) = self.new_key(key_days)?;
        let now = key.created;
        let end = now.plus_seconds(overlap_seconds.clamp(0, DAY_SECONDS));
        agent.keys.retain(|old| old.expires > now);
        for old in &mut agent.keys {
            old.expires = old.expires.min(end);
        }
        // Without overlap none is left.
        agent.keys.retain(|old| old.expires > now);
        agent.keys.push(key.clone());
        if agent.keys.len() > KEYS_MAX {
            return Err(AdminError::Refused(format!(
                "agent `{id}` already has {KEYS_MAX} keys that are valid; wait for one to end, or rotate without overlap"
            )));
        }
        let detail =
            format!("key {} until {}; earlier keys end {}", key.id.0, key.expires.rfc3339(), end.rfc3339());
        let entry = self.entry(by, "key.rotated", id.to_string(), detail);
        self.put_agent(turn, agent, entry, Takes::Nothing).await?;
        Ok(NewAgentKey { agent: id.clone(), key: Secret::new(credential.text), expires: key.expires })
    }

    /// Removes an agent: its keys stop, its open calls are cancelled, its name stays taken.
    ///
    /// # Errors
    /// When there is no such agent.
    pub async fn remove_agent(&self, by: &str, id: &AgentId) -> Result<(), AdminError> {
        let turn = self.turn().await;
        let mut agent = self.living(id)?;
        agent.removed = Some(self.ports.clock.now());
        agent.keys.clear();
        let entry = self.entry(by, "agent.removed", id.to_string(), String::new());
        self.put_agent(turn, agent, entry, Takes::Agent(id.clone())).await
    }

    /// All agents, by name.
    #[must_use]
    pub fn agents(&self) -> Vec<AgentView> {
        let now = self.ports.clock.now();
        let snapshot = self.current();
        let mut agents: Vec<AgentView> = snapshot
            .agents
            .all()
            .map(|agent| {
                let usable = agent.removed.is_none() && agent.keys.iter().any(|key| now < key.expires);
                AgentView { agent: Arc::clone(agent), usable }
            })
            .collect();
        agents.sort_by(|left, right| left.agent.id.cmp(&right.agent.id));
        agents
    }

    fn living(&self, id: &AgentId) -> Result<Agent, AdminError> {
        match self.current().agents.by_name(id) {
            Some(agent) if agent.removed.is_none() => Ok(Agent::clone(agent)),
            Some(_) => Err(AdminError::Refused(format!("agent `{id}` was removed"))),
            None => Err(AdminError::NotFound(format!("no agent `{id}`; `callgate agents list` shows them"))),
        }
    }

    fn new_key(&self, days: i64) -> Result<(NewCredential, AgentKey), AdminError> {
        if !(1..=KEY_DAYS_MAX).contains(&days) {
            return Err(AdminError::Refused(format!(
                "a key is valid for 1 to {KEY_DAYS_MAX} days, not {days}"
            )));
        }
        let mut random = [0u8; 40];
        self.ports.entropy.fill(&mut random)?;
        let credential = NewCredential::from_random(CredentialKind::Agent, &random);
        let created = self.ports.clock.now();
        let expires = created.plus_seconds(days * DAY_SECONDS);
        let key =
            AgentKey { id: credential.id.clone(), secret_sha256: credential.secret_sha256, created, expires };
        Ok((credential, key))
    }

    async fn put_agent(
        &self,
        turn: Turn,
        agent: Agent,
        entry: Entry,
        takes: Takes,
    ) -> Result<(), AdminError> {
        let current = self.current();
        let mut all: Vec<Agent> = current.agents.all().map(|kept| Agent::clone(kept)).collect();
        all.retain(|kept| kept.id != agent.id);
        all.push(agent.clone());
        let next = Picture { agents: Directory::new(&all), ..Picture::of(&current) };
        let (change, entries) = (ControlChange::PutAgent(agent), vec![entry]);
        self.carry_out(turn, Change { change, entries, next, takes, loaded: None }).await?;
        Ok(())
    }
}
