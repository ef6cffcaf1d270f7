//! What every store promises, written against the ports alone. Each backend runs all of it on real storage.
//!
//! Must never know a backend: a store is opened, used through its ports, dropped, and opened again.

pub(crate) mod approvals;
mod build;
mod control;
mod record;

use std::sync::Arc;

use ledger::view::StoredEntry;
use model::json::Json;
use ports::approvals::Approvals;
use ports::control::Control;
use ports::record::{Record, Records};

pub(crate) use build::{agent, call, control_entry, intent, item, listed, outcome, pinned, tool};

/// One place that stores are opened at, empty at first.
pub(crate) trait Backend {
    /// What is opened.
    type Store: Record + Records + Control + Approvals + 'static;
    /// Opens it. All earlier ones were dropped.
    fn open(&self) -> Arc<Self::Store>;
}

/// Waits for a future on this thread.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Every entry, checked to be 0, 1, 2… without gaps.
pub(crate) fn all(store: &impl Records) -> Vec<StoredEntry> {
    let mut entries: Vec<StoredEntry> = Vec::new();
    loop {
        let page = wait(store.read(entries.len() as u64, 1000)).unwrap();
        if page.is_empty() {
            break;
        }
        entries.extend(page);
    }
    for (position, entry) in entries.iter().enumerate() {
        assert_eq!(entry.index, position as u64);
    }
    assert_eq!(wait(store.size()).unwrap(), entries.len() as u64);
    entries
}

/// A member of a leaf, as text or number text.
pub(crate) fn member(entry: &StoredEntry, name: &str) -> String {
    match entry.tree().unwrap().get(name) {
        Some(Json::String(text) | Json::Number(text)) => text.to_string(),
        other => panic!("`{name}` of {} is {other:?}", entry.leaf),
    }
}

/// How many entries are of this kind.
pub(crate) fn count(entries: &[StoredEntry], name: &str, value: &str) -> usize {
    let has = |entry: &&StoredEntry| entry.tree().unwrap().get(name).and_then(Json::as_str) == Some(value);
    entries.iter().filter(has).count()
}

macro_rules! suite {
    ($($module:ident::$test:ident,)*) => {
        $(#[test]
        fn $test() {
            $module::$test(&crate::support::TempDir::new());
        })*
    };
}

suite! {
    record::what_was_acknowledged_is_there_after_reopening,
    record::what_nobody_waits_for_is_written_all_the_same,
    record::tasks_are_numbered_without_gaps_under_many_threads,
    record::a_call_is_found_with_all_its_entries_in_order,
    record::each_dangling_intent_gets_one_unknown_outcome_once,
    record::an_intent_older_than_many_entries_is_still_recovered,
    record::pages_hold_at_most_what_was_asked_for,
    control::only_items_of_an_earlier_epoch_are_refused,
    control::a_change_and_its_entries_are_one,
    control::a_contradicting_change_leaves_nothing_and_the_store_goes_on,
    control::agents_tools_and_lists_come_back_as_they_were,
    approvals::what_a_step_does_survives_and_what_it_cannot_do_leaves_nothing,
    approvals::an_approval_is_used_by_one_of_many_that_race_for_it,
    approvals::an_intent_of_an_earlier_epoch_uses_nothing_up,
    approvals::what_waits_is_bounded_told_and_swept,
    approvals::what_an_agent_waits_for_ends_with_it,
}
