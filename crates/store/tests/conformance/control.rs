//! What the control state promises. Must never look behind the ports.

use model::digest::Digest;
use model::ids::Epoch;
use model::principal::Agent;
use model::time::Micros;
use ports::control::{Control, ControlChange};
use ports::record::{CommitFault, Expect, Item, Record};

use super::{Backend, agent, all, control_entry, count, intent, item, listed, outcome, tool, wait};

pub(super) fn only_items_of_an_earlier_epoch_are_refused(backend: &impl Backend) {
    let store = backend.open();
    let before = Epoch(wait(store.load()).unwrap().epoch);
    let stage = |number, expects| store.stage(item(outcome(number, 1), expects)).unwrap();
    // All in the queue before any is answered: they share batches with the change.
    let early = stage(1, Expect::Epoch(before));
    let change = store.apply(ControlChange::PolicyLoaded(Digest::of(b"two")), vec![control_entry("set")]);
    let (stale, careless) = (stage(2, Expect::Epoch(before)), stage(3, Expect::Nothing));
    let ahead = stage(4, Expect::Epoch(Epoch(before.0 + 1)));
    assert!(wait(early).is_ok());
    assert_eq!(wait(change).unwrap(), Epoch(before.0 + 1));
    assert!(matches!(wait(stale), Err(CommitFault::EpochMoved)));
    assert!(wait(careless).is_ok());
    assert!(wait(ahead).is_ok());
    assert!(matches!(wait(stage(5, Expect::Epoch(before))), Err(CommitFault::EpochMoved)));
    assert!(store.healthy());
    assert_eq!(count(&all(&*store), "kind", "outcome"), 3, "what was refused left no entry");
}

pub(super) fn a_change_and_its_entries_are_one(backend: &impl Backend) {
    let store = backend.open();
    let entries = vec![control_entry("ada"), control_entry("ada-again")];
    let epoch = wait(store.apply(ControlChange::PutAgent(agent("ada", &["k1"])), entries)).unwrap();
    drop(store);
    let store = backend.open();
    let state = wait(store.load()).unwrap();
    assert_eq!((state.epoch, state.agents.len()), (epoch.0, 1));
    assert_eq!(count(&all(&*store), "kind", "control"), 2);
}

pub(super) fn a_contradicting_change_leaves_nothing_and_the_store_goes_on(backend: &impl Backend) {
    let store = backend.open();
    let put = |agent| store.apply(ControlChange::PutAgent(agent), vec![control_entry("x")]);
    let epoch = wait(put(agent("ada", &["k1"]))).unwrap();
    let refused = wait(put(agent("eve", &["k2", "k1"])));
    assert!(refused.is_err(), "a key id belongs to one agent");
    let state = wait(store.load()).unwrap();
    assert_eq!((state.epoch, state.agents), (epoch.0, vec![agent("ada", &["k1"])]));
    assert_eq!(count(&all(&*store), "kind", "control"), 1);
    let pending = store.stage(item(intent(1, 1), Expect::Epoch(epoch))).unwrap();
    assert!(wait(pending).is_ok());
}

pub(super) fn agents_tools_and_lists_come_back_as_they_were(backend: &impl Backend) {
    let store = backend.open();
    let (one, two) = (tool("git_log", "Shows \\\"the\\\" log"), tool("git_push", "Pushes"));
    let apply = |change| wait(store.apply(change, vec![control_entry("x")])).unwrap();
    apply(ControlChange::PutAgent(agent("ada", &["k2", "k1"])));
    let local = Agent { local_user: Some(u32::MAX), ..agent("cy", &[]) };
    apply(ControlChange::PutAgent(local.clone()));
    let mut bob = agent("bob", &["k3"]);
    apply(ControlChange::PutAgent(bob.clone()));
    bob.removed = Some(Micros(77));
    bob.keys.clear();
    apply(ControlChange::PutAgent(bob.clone()));
    apply(ControlChange::PutTools(vec![one.clone(), two.clone()]));
    let changed = two.quarantined(Micros(9));
    apply(ControlChange::PutTools(vec![changed.clone()]));
    let last = apply(ControlChange::PolicyLoaded(Digest::of(b"set")));
    for digest in [Digest::of(b"old"), one.digest] {
        let listed = Some(listed("ada", &one, digest));
        let item = Item { listed, ..item(outcome(1, 1), Expect::Nothing) };
        wait(store.stage(item).unwrap()).unwrap();
    }
    drop(store);
    let state = wait(backend.open().load()).unwrap();
    assert_eq!(state.epoch, last.0);
    assert_eq!(state.agents, [agent("ada", &["k2", "k1"]), bob, local]);
    assert_eq!(state.policy_set, Some(Digest::of(b"set")));
    assert_eq!(state.tools, [one.clone(), changed]);
    assert_eq!(state.listed, [(agent("ada", &[]).id, one.name, one.digest)]);
}
