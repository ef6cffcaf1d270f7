//! What is left of approvals in the files, and what a row that cannot be read does. Must never look at memory only.

use std::path::Path;

use model::approval::KEPT_SECONDS;
use model::time::Micros;
use ports::approvals::Approvals;
use ports::record::{Expect, Record};
use store::Store;

use crate::conformance::approvals::{ARGUMENTS, AT, ask, key};
use crate::conformance::{Backend, intent, item, wait};
use crate::support::{TempDir, options};

/// The first moment at which nothing is kept of what was asked at `AT`.
const GONE: Micros = AT.plus_seconds(900 + KEPT_SECONDS);
/// A part of the arguments that is stored as it is.
const PART: &[u8] = b"\\u202e";

fn shown_by_a_file(directory: &Path) -> bool {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let shows = |path: &Path| std::fs::read(path).unwrap().windows(PART.len()).any(|part| part == PART);
    files.into_iter().any(|path| shows(&path))
}

#[test]
fn arguments_are_gone_from_the_files_once_their_time_is_over_though_nobody_asks() {
    let place = TempDir::new();
    let data = place.file().parent().unwrap().to_path_buf();
    assert!(ARGUMENTS.as_bytes().windows(PART.len()).any(|part| part == PART));
    let store = place.open();
    let asked = ask(&*store, 1, key(1, 1)).unwrap();
    wait(store.sweep(GONE.plus_seconds(-1))).unwrap();
    assert!(wait(store.arguments(asked.id)).unwrap().is_some() && shown_by_a_file(&data));
    wait(store.sweep(GONE)).unwrap();
    assert_eq!(wait(store.arguments(asked.id)).unwrap(), None);
    assert!(!shown_by_a_file(&data), "neither the database nor its write-ahead log shows them");
    assert_eq!(std::fs::metadata(data.join("callgate.db-wal")).unwrap().len(), 0);
}

/// Rows move between pages as others come and go, and other tables are written in between.
#[test]
fn of_many_arguments_nothing_is_left_in_any_page() {
    let place = TempDir::new();
    let data = place.file().parent().unwrap().to_path_buf();
    let store = place.open();
    for number in 1..=300u128 {
        // Not in the order of their ids, so that pages split in the middle.
        let id = number * 7919 % 1009;
        ask(&*store, id, key(id, usize::try_from(number / 30).unwrap())).unwrap();
        wait(store.stage(item(intent(10_000 + number, 1), Expect::Nothing)).unwrap()).unwrap();
    }
    wait(store.sweep(GONE)).unwrap();
    assert!(wait(store.all()).unwrap().is_empty());
    assert!(!shown_by_a_file(&data), "a page still shows arguments");
}

#[test]
fn commits_sweep_too_and_so_does_the_next_start() {
    let place = TempDir::new();
    let store = place.open();
    let asked = ask(&*store, 1, key(1, 1)).unwrap();
    for number in 100..200 {
        let mut later = item(intent(number, 1), Expect::Nothing);
        later.entry.at = GONE;
        wait(store.stage(later).unwrap()).unwrap();
    }
    assert_eq!(wait(store.arguments(asked.id)).unwrap(), None, "swept with the watermark of a commit");
    let asked = ask(&*store, 2, key(2, 1)).unwrap();
    drop(store);
    let later = store::OpenOptions { now: GONE, ..options() };
    let store = Store::open(&place.file(), &later).unwrap();
    assert_eq!(wait(store.arguments(asked.id)).unwrap(), None, "swept at the start");
}

#[test]
fn a_row_that_cannot_be_read_is_named_and_hides_no_other() {
    let place = TempDir::new();
    let store = place.open();
    let (one, two) = (ask(&*store, 1, key(1, 1)).unwrap(), ask(&*store, 2, key(2, 1)).unwrap());
    assert!(wait(store.unreadable()).unwrap().is_empty());
    let bad = one.id.call().to_bytes();
    let changed = "UPDATE approval SET risk = 'harmless' WHERE id = ?1";
    assert_eq!(place.raw().execute(changed, (bad.as_slice(),)).unwrap(), 1);
    assert_eq!(wait(store.all()).unwrap(), [two]);
    let unreadable = wait(store.unreadable()).unwrap();
    assert_eq!(unreadable.iter().map(|kept| kept.id).collect::<Vec<_>>(), [Some(one.id)]);
    assert!(unreadable.first().unwrap().problem.to_string().contains("risk class"));
    assert!(wait(store.last(&one.key)).is_err(), "and it is usable for nothing");
}
