//! What the record promises. Must never look behind the ports.

use std::collections::BTreeMap;
use std::sync::Arc;

use ports::record::{Expect, Record, Records};

use super::{Backend, all, call, count, intent, item, member, outcome, wait};

pub(super) fn what_was_acknowledged_is_there_after_reopening(backend: &impl Backend) {
    let store = backend.open();
    let pending: Vec<_> = (0..600u128)
        .flat_map(|number| [intent(number, 1), outcome(number, 1)])
        .map(|entry| store.stage(item(entry, Expect::Nothing)).unwrap())
        .collect();
    let acknowledged: Vec<u64> = pending.into_iter().map(|one| wait(one).unwrap().index).collect();
    assert!(acknowledged.is_sorted(), "order of staging is order in the log");
    let before = all(&*store);
    drop(store);
    let after = all(&*backend.open());
    for (left, right) in before.iter().zip(&after) {
        assert_eq!(left.leaf, right.leaf);
    }
    assert_eq!(count(&after, "kind", "intent"), 600);
    assert_eq!(count(&after, "what", "recovered"), 0);
    assert!(acknowledged.iter().all(|index| usize::try_from(*index).unwrap() < before.len()));
}

pub(super) fn what_nobody_waits_for_is_written_all_the_same(backend: &impl Backend) {
    let store = backend.open();
    drop(store.stage(item(intent(1, 1), Expect::Nothing)).unwrap());
    // Polled once, then given up: it is written or on its way.
    let mut given_up = store.stage(item(intent(2, 1), Expect::Nothing)).unwrap();
    let waker = std::task::Waker::noop();
    drop(given_up.as_mut().poll(&mut std::task::Context::from_waker(waker)));
    drop(given_up);
    wait(store.stage(item(intent(3, 1), Expect::Nothing)).unwrap()).unwrap();
    assert_eq!(count(&all(&*store), "kind", "intent"), 3);
}

pub(super) fn tasks_are_numbered_without_gaps_under_many_threads(backend: &impl Backend) {
    const THREADS: u128 = 8;
    const TASKS: u128 = 64;
    let store = backend.open();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = Arc::clone(&store);
            scope.spawn(move || {
                let pending: Vec<_> = (0..TASKS * 5)
                    .map(|number| outcome(thread << 32 | number, usize::try_from(number % TASKS).unwrap()))
                    .map(|entry| store.stage(item(entry, Expect::Nothing)).unwrap())
                    .collect();
                assert!(pending.into_iter().all(|one| wait(one).is_ok()));
            });
        }
    });
    drop(store);
    // One more of each after reopening: the numbers go on.
    let store = backend.open();
    for of in 0..64 {
        wait(store.stage(item(outcome(99 << 32, of), Expect::Nothing)).unwrap()).unwrap();
    }
    let mut numbers: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for entry in all(&*store).iter().filter(|entry| entry.call().is_some()) {
        numbers.entry(member(entry, "task")).or_default().push(member(entry, "task_seq").parse().unwrap());
    }
    assert_eq!(numbers.len(), 64);
    for (task, numbers) in numbers {
        assert_eq!(numbers, (1..=41).collect::<Vec<u64>>(), "{task}");
    }
}

pub(super) fn a_call_is_found_with_all_its_entries_in_order(backend: &impl Backend) {
    let store = backend.open();
    for entry in [intent(1, 1), intent(2, 1), outcome(2, 1), outcome(1, 1)] {
        wait(store.stage(item(entry, Expect::Nothing)).unwrap()).unwrap();
    }
    let found = wait(store.of_call(call(1))).unwrap();
    let kinds: Vec<_> = found.iter().map(|entry| member(entry, "kind")).collect();
    assert_eq!(kinds, ["intent", "outcome"]);
    assert!(found.iter().all(|entry| entry.call() == Some(call(1))));
    assert!(wait(store.of_call(call(3))).unwrap().is_empty());
}

pub(super) fn each_dangling_intent_gets_one_unknown_outcome_once(backend: &impl Backend) {
    let store = backend.open();
    for entry in [intent(1, 1), intent(2, 1), intent(3, 2), outcome(2, 1)] {
        wait(store.stage(item(entry, Expect::Nothing)).unwrap()).unwrap();
    }
    drop(store);
    let store = backend.open();
    let entries = all(&*store);
    assert_eq!(count(&entries, "outcome", "unknown"), 2);
    assert_eq!(count(&entries, "what", "recovered"), 1);
    for number in [1, 3] {
        let found = wait(store.of_call(call(number))).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(member(&found[1], "reason"), "indeterminate");
        assert_eq!(member(&found[1], "task"), member(&found[0], "task"));
        assert_eq!(member(&found[1], "why"), "the process ended while this call was open");
    }
    drop(store);
    let again = all(&*backend.open());
    assert_eq!(count(&again, "outcome", "unknown"), 2);
    assert_eq!(count(&again, "what", "recovered"), 1);
}

pub(super) fn an_intent_older_than_many_entries_is_still_recovered(backend: &impl Backend) {
    let store = backend.open();
    wait(store.stage(item(intent(1, 1), Expect::Nothing)).unwrap()).unwrap();
    // One at a time: each is a batch of its own, so that the watermark passes the open intent twice.
    for number in 2..=150 {
        for entry in [intent(number, 2), outcome(number, 2)] {
            wait(store.stage(item(entry, Expect::Nothing)).unwrap()).unwrap();
        }
    }
    drop(store);
    let store = backend.open();
    assert_eq!(count(&all(&*store), "outcome", "unknown"), 1);
    assert_eq!(wait(store.of_call(call(1))).unwrap().len(), 2);
}

pub(super) fn pages_hold_at_most_what_was_asked_for(backend: &impl Backend) {
    let store = backend.open();
    for number in 0..10 {
        wait(store.stage(item(outcome(number, 1), Expect::Nothing)).unwrap()).unwrap();
    }
    let indices = |from, limit| -> Vec<u64> {
        wait(store.read(from, limit)).unwrap().into_iter().map(|entry| entry.index).collect()
    };
    assert_eq!(indices(3, 4), [3, 4, 5, 6]);
    assert_eq!(indices(0, 0), [0u64; 0]);
    assert_eq!(indices(u64::MAX, 5), [0u64; 0]);
}
