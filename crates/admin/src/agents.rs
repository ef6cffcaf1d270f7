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

/// An agent without a key, for the processes of one local user.
#[derive(Clone, Debug)]
pub struct NewLocalAgent {
    /// Its name, never used before.
    pub id: AgentId,
    /// Its groups, besides `known`, which every agent is in.
    pub groups: Vec<GroupName>,
    /// The person who answers for it.
    pub owner: String,
    /// The user whose processes may act as it.
    pub local_user: u32,
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
    /// Whether anybody can act as it now: a local user, or who has a key that is valid.
    pub usable: bool,
}

/// The group of every agent that an operator added: what the starter policies permit, they permit to it.
fn known_group() -> Result<GroupName, AdminError> {
    GroupName::parse("known").map_err(|error| AdminError::Refused(error.to_string()))
}

fn facts(mut groups: Vec<GroupName>, owner: String) -> Result<Arc<AgentFacts>, AdminError> {
    groups.push(known_group()?);
    groups.sort();
    groups.dedup();
    Ok(Arc::new(AgentFacts { groups, owner }))
}

impl Admin {
    /// Adds an agent and makes its first key.
    ///
    /// # Errors
    /// When the name was ever taken, or the life of the key is out of bounds.
    pub async fn add_agent(&self, by: &str, new: NewAgent) -> Result<NewAgentKey, AdminError> {
        let turn = self.turn().await;
        self.unused(&new.id)?;
        let (credential, key) = self.new_key(new.key_days)?;
        let agent = Agent {
            id: new.id.clone(),
            facts: facts(new.groups, new.owner)?,
            keys: vec![key.clone()],
            local_user: None,
            added: key.created,
            removed: None,
        };
        let detail = format!("key {} until {}", key.id.0, key.expires.rfc3339());
        let entry = self.entry(by, "agent.added", new.id.to_string(), detail);
        self.put_agent(turn, agent, entry, Takes::Nothing).await?;
        Ok(NewAgentKey { agent: new.id, key: Secret::new(credential.text), expires: key.expires })
    }

    /// Adds an agent that a local user's processes may act as, without a key.
    ///
    /// # Errors
    /// When the name was ever taken.
    pub async fn add_local_agent(&self, by: &str, new: NewLocalAgent) -> Result<(), AdminError> {
        let turn = self.turn().await;
        self.unused(&new.id)?;
        let detail = format!("for local processes of user {}, without a key", new.local_user);
        let entry = self.entry(by, "agent.added", new.id.to_string(), detail);
        let agent = Agent {
            id: new.id,
            facts: facts(new.groups, new.owner)?,
            keys: Vec::new(),
            local_user: Some(new.local_user),
            added: self.ports.clock.now(),
            removed: None,
        };
        self.put_agent(turn, agent, entry, Takes::Nothing).await
    }

    /// Makes a new key; the ones before it end after `overlap_seconds`.
    ///
    /// # Errors
    /// When there is no such agent, or it works without a key.
    pub async fn rotate_agent(
        &self,
        by: &str,
        id: &AgentId,
        key_days: i64,
        overlap_seconds: i64,
    ) -> Result<NewAgentKey, AdminError> {
        let turn = self.turn().await;
        let mut agent = self.living(id)?;
        if agent.local_user.is_some() && agent.keys.is_empty() {
            return Err(AdminError::Refused(format!(
                "agent `{id}` has no key: local processes of its user act as it; to make it unusable, `agents remove` it"
            )));
        }
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
        let takes = if end <= now { Takes::Keys(id.clone()) } else { Takes::Nothing };
        self.put_agent(turn, agent, entry, takes).await?;
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
        agent.local_user = None;
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
                let proves = agent.local_user.is_some() || agent.keys.iter().any(|key| now < key.expires);
                let usable = agent.removed.is_none() && proves;
                AgentView { agent: Arc::clone(agent), usable }
            })
            .collect();
        agents.sort_by(|left, right| left.agent.id.cmp(&right.agent.id));
        agents
    }

    /// Names are used once, so that a record never speaks of two agents by one name.
    fn unused(&self, id: &AgentId) -> Result<(), AdminError> {
        let current = self.current();
        let Some(taken) = current.agents.by_name(id) else { return Ok(()) };
        let state = if taken.removed.is_some() { "was removed, and its name stays taken" } else { "exists" };
        let fix = "choose another name, or `agents rotate` for a new key";
        Err(AdminError::Refused(format!("agent `{id}` {state}; {fix}")))
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
