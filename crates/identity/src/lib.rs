//! Verifies who is calling (PIP): named agents with hashed, expiring keys. Ring 2.
//!
//! Must never look at anything but the presented credential and the directory, nor let timing tell an unknown
//! key id from a wrong secret.

use model::agent_key::{CredentialKind, PresentedCredential};
use model::bytes_eq::constant_time_eq;
use model::denial::{Denial, Reason};
use model::principal::{Attestation, Principal};
use model::time::Micros;
use ports::BoxFuture;
use ports::identity::{Identity, Presented};
use ports::snapshot::Snapshot;

/// Agent keys, as `callgate agents add` makes them.
#[derive(Default)]
pub struct AgentKeys;

impl AgentKeys {
    fn verify(presented: &Presented, snapshot: &Snapshot, now: Micros) -> Result<Principal, Denial> {
        let Presented::Bearer(secret) = presented else {
            return Err(Denial::new(
                Reason::Unauthenticated,
                "no credential: send `Authorization: Bearer` with an agent key",
            ));
        };
        let Some(credential) = PresentedCredential::parse(CredentialKind::Agent, secret.reveal()) else {
            return Err(refused("not an agent key"));
        };
        let found = snapshot.agents.by_key(&credential.id);
        let expected = found.map_or([0; 32], |(_, key)| key.secret_sha256);
        let equal = constant_time_eq(&expected, &credential.secret_sha256);
        match found {
            Some((agent, key)) if equal && now < key.expires && key.created <= now.plus_seconds(60) => {
                Ok(Principal {
                    agent: agent.id.clone(),
                    facts: agent.facts.clone(),
                    attestation: Attestation::AgentKey,
                })
            }
            Some((agent, _)) if equal => {
                Err(refused(&format!("a key of `{}` that is not valid now", agent.id)))
            }
            Some((agent, _)) => Err(refused(&format!("a wrong secret for a key of `{}`", agent.id))),
            None => Err(refused("an unknown key id")),
        }
    }
}

fn refused(private: &str) -> Denial {
    Denial::new(
        Reason::InvalidCredential,
        "this credential is not valid: it is unknown, expired or removed; ask the operator for a new key",
    )
    .with_private(private)
}

impl Identity for AgentKeys {
    fn identify<'a>(
        &'a self,
        presented: &'a Presented,
        snapshot: &'a Snapshot,
        now: Micros,
    ) -> BoxFuture<'a, Result<Principal, Denial>> {
        Box::pin(std::future::ready(Self::verify(presented, snapshot, now)))
    }
}
