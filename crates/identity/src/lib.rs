//! Verifies who is calling (PIP): named agents with hashed, expiring keys, and processes of local users. Ring 2.
//!
//! Must never look at anything but what was presented and the directory, nor let timing tell an unknown key id from
//! a wrong secret, nor an answer tell why a local process was refused.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use model::agent_key::{CredentialKind, PresentedCredential};
use model::bytes_eq::constant_time_eq;
use model::denial::{Denial, Reason};
use model::principal::{Agent, Attestation, Principal};
use model::time::Micros;
use ports::BoxFuture;
use ports::identity::{Identity, LocalPeer, Presented};
use ports::secret::Secret;
use ports::snapshot::Snapshot;

/// Agents as operators added them: with a key, or for the processes of a local user.
#[derive(Default)]
pub struct Agents;

impl Agents {
    fn verify(presented: &Presented, snapshot: &Snapshot, now: Micros) -> Result<Principal, Denial> {
        match presented {
            Presented::Nothing => Err(Denial::new(
                Reason::Unauthenticated,
                "no credential: send `Authorization: Bearer` with an agent key",
            )),
            Presented::Bearer(secret) => by_key(secret, snapshot, now),
            Presented::LocalPeer(peer) => by_peer(peer, snapshot),
        }
    }
}

fn by_key(secret: &Secret, snapshot: &Snapshot, now: Micros) -> Result<Principal, Denial> {
    let Some(credential) = PresentedCredential::parse(CredentialKind::Agent, secret.reveal()) else {
        return Err(refused("not an agent key"));
    };
    let found = snapshot.agents.by_key(&credential.id);
    let expected = found.map_or([0; 32], |(_, key)| key.secret_sha256);
    let equal = constant_time_eq(&expected, &credential.secret_sha256);
    match found {
        Some((agent, key)) if equal && now < key.expires && key.created <= now.plus_seconds(60) => {
            Ok(principal(agent, Attestation::AgentKey))
        }
        Some((agent, _)) if equal => Err(refused(&format!("a key of `{}` that is not valid now", agent.id))),
        Some((agent, _)) => Err(refused(&format!("a wrong secret for a key of `{}`", agent.id))),
        None => Err(refused("an unknown key id")),
    }
}

/// A process is the agent it claims to be only when an operator gave that agent to the user it runs as.
fn by_peer(peer: &LocalPeer, snapshot: &Snapshot) -> Result<Principal, Denial> {
    let found = snapshot.agents.by_name(&peer.claim).filter(|agent| agent.removed.is_none());
    match found.filter(|agent| agent.local_user == Some(peer.uid)) {
        Some(agent) => Ok(principal(agent, Attestation::LocalPeer)),
        None => Err(Denial::new(
            Reason::InvalidCredential,
            "no agent of that name is for processes of this user; the operator adds one with `callgate agents add NAME --local`",
        )
        .with_private(format!("a process of user {} as `{}`", peer.uid, peer.claim))),
    }
}

fn principal(agent: &Arc<Agent>, attestation: Attestation) -> Principal {
    Principal { agent: agent.id.clone(), facts: Arc::clone(&agent.facts), attestation }
}

fn refused(private: &str) -> Denial {
    Denial::new(
        Reason::InvalidCredential,
        "this credential is not valid: it is unknown, expired or removed; ask the operator for a new key",
    )
    .with_private(private)
}

impl Identity for Agents {
    fn identify<'a>(
        &'a self,
        presented: &'a Presented,
        snapshot: &'a Snapshot,
        now: Micros,
    ) -> BoxFuture<'a, Result<Principal, Denial>> {
        Box::pin(std::future::ready(Self::verify(presented, snapshot, now)))
    }
}
