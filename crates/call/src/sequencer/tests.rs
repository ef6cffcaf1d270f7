//! One task's state: limits hold, shares are given back, an end is an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ledger::{Body, Entry, LifecycleBody};
use model::denial::Reason;
use model::ids::Epoch;
use ports::fault::Fault;
use ports::record::{Expect, Item, Pending, Receipt, Record};

use super::{Sequencer, Sequencers, StageRefusal};
use crate::testing::{NOW, task};

/// Takes so many items.
struct Room(AtomicUsize);

impl Record for Room {
    fn stage(&self, _: Item) -> Result<Pending, Fault> {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(1));
        match taken {
            Ok(_) => Ok(Box::pin(std::future::ready(Ok(Receipt { index: 0 })))),
            Err(_) => Err(Fault::new("full")),
        }
    }

    fn healthy(&self) -> bool {
        true
    }
}

fn item() -> Item {
    let body = Body::Lifecycle(LifecycleBody { what: "started", detail: String::new() });
    let entry = Entry { at: NOW, epoch: Epoch(1), body };
    Item { entry, salts: Vec::new(), expects: Expect::Nothing, listed: None, approval: None }
}

fn reason(refusal: Option<StageRefusal>) -> Option<Reason> {
    match refusal {
        Some(StageRefusal::Denied(denial)) => Some(denial.reason),
        Some(StageRefusal::Changed) | None => None,
    }
}

fn sequencer(open_calls_max: usize) -> Arc<Sequencer> {
    Sequencers::default().of(&task(), open_calls_max)
}

#[test]
fn a_task_has_one_sequencer() {
    let all = Sequencers::default();
    assert!(Arc::ptr_eq(&all.of(&task(), 2), &all.of(&task(), 2)));
}

#[test]
fn no_more_calls_are_open_than_the_limit_and_an_end_makes_room() {
    let (sequencer, record) = (sequencer(2), Room(AtomicUsize::new(9)));
    let stage = || sequencer.stage(sequencer.revision(), &record, item());
    let first = stage().unwrap_or_else(|_| panic!("room for two"));
    let _second = stage().unwrap_or_else(|_| panic!("room for two"));
    assert_eq!(reason(stage().err()), Some(Reason::LimitExceeded));
    drop(first);
    assert!(stage().is_ok());
}

#[test]
fn what_the_record_does_not_take_holds_no_share() {
    let (sequencer, record) = (sequencer(1), Room(AtomicUsize::new(0)));
    let stage = || sequencer.stage(sequencer.revision(), &record, item());
    assert_eq!(reason(stage().err()), Some(Reason::Indeterminate));
    record.0.store(1, Ordering::Relaxed);
    assert!(stage().is_ok());
}

#[test]
fn an_ended_task_takes_nothing_and_says_so_whatever_was_read() {
    let (sequencer, record) = (sequencer(2), Room(AtomicUsize::new(9)));
    let read = sequencer.revision();
    sequencer.end();
    for revision in [read, sequencer.revision()] {
        let refusal = sequencer.stage(revision, &record, item()).err();
        assert_eq!(reason(refusal), Some(Reason::TaskEnded));
    }
    assert_eq!(record.0.load(Ordering::Relaxed), 9, "nothing was staged");
}
