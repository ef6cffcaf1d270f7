//! Who acts. Must never be built from anything a request says about itself: only from what was verified.

use std::sync::Arc;

use crate::ids::{AgentId, GroupName};
use crate::time::Micros;

/// How a principal's identity was proven, strongest claim that was verified. Policies see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Attestation {
    /// A long-lived key that Callgate issued and stores hashed. The weakest form.
    AgentKey,
    /// The operating system's word for which user a process on the same machine runs as. Tells users apart, not
    /// the programs of one user: the agent's name among those of that user is the program's own claim.
    LocalPeer,
}

impl Attestation {
    /// The word policies and the record use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AgentKey => "agent-key",
            Self::LocalPeer => "local_peer",
        }
    }
}

/// A verified workload. Cheap to clone: the facts are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The agent.
    pub agent: AgentId,
    /// What policies may ask of it.
    pub facts: Arc<AgentFacts>,
    /// How it proved itself.
    pub attestation: Attestation,
}

/// What is known of an agent apart from its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AgentFacts {
    /// Groups it is in, sorted.
    pub groups: Vec<GroupName>,
    /// The person who answers for it, as the operator wrote it. Empty when nobody was named.
    pub owner: String,
}

/// The public part of a key: which record to compare with. Not secret.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct KeyId(pub String);

/// An agent as the registry of agents keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its name.
    pub id: AgentId,
    /// What policies may ask of it.
    pub facts: Arc<AgentFacts>,
    /// Its keys; more than one only while a rotation overlaps.
    pub keys: Vec<AgentKey>,
    /// The local user whose processes may act as it over the agents' socket, without a key.
    pub local_user: Option<u32>,
    /// When it was added.
    pub added: Micros,
    /// Set once it was removed: the name stays taken, nothing works.
    pub removed: Option<Micros>,
}

/// One key of an agent. The secret is not here: only its SHA-256, of 256 random bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentKey {
    /// Public part.
    pub id: KeyId,
    /// SHA-256 of the secret part.
    pub secret_sha256: [u8; 32],
    /// When it was made.
    pub created: Micros,
    /// From when it is refused.
    pub expires: Micros,
}
