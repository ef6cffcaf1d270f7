//! Who is accepted as whom.

use std::sync::Arc;

use model::agent_key::NewCredential;
use model::ids::{AgentId, Epoch, GroupName};
use model::principal::{AgentFacts, AgentKey};
use policy::PolicySnapshot;
use ports::snapshot::Directory;
use proptest::prelude::*;
use registry::{Catalog, Names};

use super::*;

const NOW: Micros = Micros(1_000_000_000);
const NAMES: [&str; 4] = ["ada", "bob", "cy", "nobody"];

fn agent(name: &str, local_user: Option<u32>, removed: bool) -> Agent {
    Agent {
        id: AgentId::parse(name).unwrap(),
        facts: Arc::new(AgentFacts {
            groups: vec![GroupName::parse("known").unwrap()],
            owner: name.to_owned(),
        }),
        keys: Vec::new(),
        local_user,
        added: NOW,
        removed: removed.then_some(NOW),
    }
}

fn snapshot(agents: &[Agent]) -> Snapshot {
    let catalog = Catalog::default();
    Snapshot {
        epoch: Epoch(1),
        agents: Directory::new(agents),
        names: Arc::new(Names::of(&catalog)),
        catalog: Arc::new(catalog),
        policy: Arc::new(PolicySnapshot::load(&[], &[], &[]).unwrap()),
    }
}

fn local(uid: u32, claim: &str) -> Presented {
    Presented::LocalPeer(LocalPeer { uid, pid: Some(1), claim: AgentId::parse(claim).unwrap() })
}

fn verify(presented: &Presented, agents: &[Agent]) -> Result<Principal, Denial> {
    Agents::verify(presented, &snapshot(agents), NOW)
}

#[test]
fn a_process_of_the_right_user_is_the_agent_it_names() {
    let found = verify(&local(1000, "ada"), &[agent("ada", Some(1000), false)]).unwrap();
    assert_eq!((found.agent.as_str(), found.attestation), ("ada", Attestation::LocalPeer));
    assert_eq!(found.attestation.as_str(), "local_peer");
    assert_eq!(found.facts.owner, "ada");
}

#[test]
fn every_doubt_about_a_process_is_one_answer() {
    let agents = [
        agent("ada", Some(1000), false),
        agent("bob", None, false),
        agent("cy", Some(1000), true),
        agent("root", Some(0), false),
    ];
    let refused = |presented: Presented| {
        let denial = verify(&presented, &agents).unwrap_err();
        (denial.reason, denial.public)
    };
    let unknown = refused(local(1000, "nobody"));
    assert_eq!(unknown.0, Reason::InvalidCredential);
    let doubts = [(1001, "ada"), (0, "ada"), (u32::MAX, "ada"), (1000, "bob"), (1000, "cy"), (1000, "root")];
    for (uid, name) in doubts {
        assert_eq!(refused(local(uid, name)), unknown, "{uid} as {name}");
    }
}

#[test]
fn being_local_does_not_take_the_key_away() {
    let new = NewCredential::from_random(CredentialKind::Agent, &[7; 40]);
    let key = AgentKey {
        id: new.id.clone(),
        secret_sha256: new.secret_sha256,
        created: NOW,
        expires: NOW.plus_seconds(60),
    };
    let both = Agent { keys: vec![key], ..agent("ada", Some(1000), false) };
    let bearer = Presented::Bearer(Secret::new(new.text));
    assert_eq!(verify(&bearer, std::slice::from_ref(&both)).unwrap().attestation, Attestation::AgentKey);
    assert!(verify(&local(1000, "ada"), &[both]).is_ok());
}

proptest! {
    #[test]
    fn a_process_is_accepted_exactly_when_an_operator_gave_the_agent_to_its_user(
        agents in proptest::collection::vec((proptest::option::of(0u32..4), any::<bool>()), 3),
        uid in 0u32..4,
        claim in 0usize..4,
    ) {
        let known: Vec<Agent> = NAMES.iter().zip(&agents)
            .map(|(name, (user, removed))| agent(name, *user, *removed))
            .collect();
        let expected = agents.get(claim).is_some_and(|(user, removed)| *user == Some(uid) && !removed);
        let found = verify(&local(uid, NAMES[claim]), &known);
        prop_assert_eq!(found.is_ok(), expected);
        if let Ok(principal) = found {
            prop_assert_eq!(principal.agent.as_str(), NAMES[claim]);
        }
    }
}

#[test]
fn a_key_is_good_for_its_agent_in_its_time_only() {
    let new = NewCredential::from_random(CredentialKind::Agent, &[7; 40]);
    let found = |created: i64, expires: i64, removed: bool| {
        let (created, expires) = (NOW.plus_seconds(created), NOW.plus_seconds(expires));
        let key = AgentKey { id: new.id.clone(), secret_sha256: new.secret_sha256, created, expires };
        let agents = [Agent { keys: vec![key], ..agent("ada", None, removed) }];
        verify(&Presented::Bearer(Secret::new(new.text.clone())), &agents).map_err(|denial| denial.reason)
    };
    assert!(found(0, 1, false).is_ok());
    assert!(found(60, 120, false).is_ok(), "clocks differ a little");
    for (created, expires, removed) in [(-60, 0, false), (-60, -1, false), (61, 120, false), (0, 60, true)] {
        let refused = found(created, expires, removed).err();
        assert_eq!(refused, Some(Reason::InvalidCredential), "{created} {expires} {removed}");
    }
}
