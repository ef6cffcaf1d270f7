//! Opening and closing on real files. Must never accept a store that a rule of the module docs refuses.

use std::os::unix::fs::PermissionsExt;

use ledger::leaf_hash;
use model::time::Micros;
use ports::control::Control;
use ports::record::{Expect, Record, Records};
use store::{OpenFault, Reading, Store};

use crate::conformance::{Backend, all, count, intent, item, outcome, tool, wait};
use crate::support::{TempDir, options};

fn refusal(dir: &TempDir) -> OpenFault {
    Store::open(&dir.file(), &options()).err().unwrap()
}

#[test]
fn a_new_store_is_private_and_tells_its_facts() {
    let dir = TempDir::new();
    let store = dir.open();
    wait(store.stage(item(outcome(1, 1), Expect::Nothing)).unwrap()).unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(dir.file()), 0o600);
    assert_eq!(mode(dir.file().with_extension("db-wal")), 0o600);
    assert_eq!(mode(dir.0.join("data")), 0o700);
    let facts = wait(store.facts()).unwrap();
    assert_eq!((facts.schema, facts.size), (3, 2));
    assert!(facts.sqlite.starts_with("3."), "{}", facts.sqlite);
    assert!(facts.path.ends_with("data/callgate.db"));
}

#[test]
fn a_directory_that_others_can_write_is_refused_and_says_what_to_do() {
    let dir = TempDir::new();
    let data = dir.0.join("data");
    std::fs::create_dir(&data).unwrap();
    for (mode, refused) in [(0o777, true), (0o720, true), (0o702, true), (0o755, false)] {
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(mode)).unwrap();
        let opened = Store::open(&dir.file(), &options());
        assert_eq!(opened.is_err(), refused, "{mode:o}");
        if let Err(fault) = opened {
            assert!(fault.to_string().contains("chmod go-rwx"), "{fault}");
            assert!(!dir.file().exists(), "nothing is put where others could replace it");
        }
    }
}

#[test]
fn a_second_one_is_refused_with_the_holder_while_the_first_lives() {
    let dir = TempDir::new();
    let store = dir.open();
    let text = refusal(&dir).to_string();
    assert!(text.contains(&format!("in use by process {}", std::process::id())), "{text}");
    drop(store);
    drop(dir.open());
}

#[test]
fn closing_writes_stopped_lets_go_and_takes_nothing_more() {
    let dir = TempDir::new();
    let store = dir.open();
    let pending = store.stage(item(outcome(1, 1), Expect::Nothing)).unwrap();
    wait(store.close(Micros(5))).unwrap();
    assert!(wait(pending).is_ok(), "what was accepted is written first");
    assert!(!store.healthy());
    let refused = store.stage(item(outcome(2, 1), Expect::Nothing)).err().unwrap();
    assert_eq!(refused.to_string(), "the record cannot be written: the store is closed");
    assert!(wait(store.close(Micros(6))).is_err());
    assert_eq!(std::fs::metadata(dir.file().with_extension("db-wal")).unwrap().len(), 0);
    let next = dir.open();
    let entries = all(&*next);
    assert_eq!(count(&entries, "what", "stopped"), 1);
    assert_eq!(count(&entries, "what", "started"), 2);
}

#[test]
fn a_newer_schema_is_refused_and_says_what_it_needs() {
    let dir = TempDir::new();
    drop(dir.open());
    let sql = "INSERT INTO migration (version, checksum, by, at) VALUES (9, x'00', '4.5.6', 0)";
    dir.raw().execute_batch(sql).unwrap();
    let text = refusal(&dir).to_string();
    assert!(text.contains("schema 9") && text.contains("use callgate 4.5.6 or later"), "{text}");
    assert!(matches!(Reading::open(&dir.file()), Err(OpenFault::Newer { found: 9, .. })));
}

#[test]
fn a_migration_that_is_not_ours_is_refused() {
    let dir = TempDir::new();
    drop(dir.open());
    dir.raw().execute_batch("UPDATE migration SET checksum = zeroblob(32)").unwrap();
    assert!(matches!(refusal(&dir), OpenFault::Damaged { .. }));
}

#[test]
fn a_file_that_others_can_use_is_refused() {
    let dir = TempDir::new();
    drop(dir.open());
    std::fs::set_permissions(dir.file(), PermissionsExt::from_mode(0o644)).unwrap();
    let text = refusal(&dir).to_string();
    assert!(text.contains("mode 644") && text.contains("chmod"), "{text}");
}

#[test]
fn a_link_in_place_of_the_file_is_refused() {
    let dir = TempDir::new();
    drop(dir.open());
    let moved = dir.0.join("elsewhere.db");
    std::fs::rename(dir.file(), &moved).unwrap();
    std::os::unix::fs::symlink(&moved, dir.file()).unwrap();
    assert!(matches!(refusal(&dir), OpenFault::Path { .. }));
}

#[test]
fn a_log_that_was_cut_or_altered_is_refused() {
    for (sql, what) in [
        ("DELETE FROM entry WHERE idx >= 20", "entries where"),
        ("DELETE FROM entry WHERE idx = 7", "is missing"),
        (
            "UPDATE entry SET leaf = replace(leaf, 'completed', 'not_sent') WHERE idx = 9",
            "does not match its hash",
        ),
    ] {
        let dir = TempDir::new();
        let store = dir.open();
        for number in 0..30 {
            drop(store.stage(item(outcome(number, 1), Expect::Nothing)).unwrap());
        }
        wait(store.close(Micros(1))).unwrap();
        drop(store);
        assert!(dir.raw().execute(sql, ()).is_ok_and(|rows| rows > 0), "{sql}");
        let text = refusal(&dir).to_string();
        assert!(text.contains("is damaged") && text.contains(what), "{text}");
    }
}

#[test]
fn every_leaf_has_its_rfc_6962_hash_and_its_salts_beside_it() {
    let dir = TempDir::new();
    let store = dir.open();
    for number in 0..20 {
        wait(store.stage(item(intent(number, 1), Expect::Nothing)).unwrap()).unwrap();
    }
    let raw = dir.raw();
    let mut query = raw.prepare("SELECT leaf, leaf_hash, salts, kind FROM entry").unwrap();
    let mut rows = query.query(()).unwrap();
    let mut seen = 0;
    while let Some(row) = rows.next().unwrap() {
        let (leaf, hash): (String, [u8; 32]) = (row.get(0).unwrap(), row.get(1).unwrap());
        assert_eq!(leaf_hash(leaf.as_bytes()).as_bytes(), &hash);
        let salts: Option<Vec<u8>> = row.get(2).unwrap();
        let expected = [&b"\x09arguments"[..], &[1; 32]].concat();
        assert_eq!(salts, (row.get::<_, String>(3).unwrap() == "intent").then_some(expected));
        seen += 1;
    }
    assert_eq!(seen, 21);
}

#[test]
fn reading_beside_the_writer_sees_what_is_durable_and_cannot_write() {
    let dir = TempDir::new();
    let store = dir.open();
    let reading = Reading::open(&dir.file()).unwrap();
    wait(store.stage(item(outcome(1, 1), Expect::Nothing)).unwrap()).unwrap();
    assert_eq!(wait(reading.size()).unwrap(), 2);
    let change = ports::control::ControlChange::PutTools(Vec::new());
    assert!(wait(reading.apply(change, Vec::new())).is_err());
}

#[test]
fn a_tool_whose_row_was_changed_by_hand_is_refused() {
    for change in ["status = 'certified'", "digest = zeroblob(32)", "tool = 'other'"] {
        let dir = TempDir::new();
        let store = dir.open();
        let record = tool("get_item", "one").quarantined(Micros(1));
        let put = ports::control::ControlChange::PutTools(vec![record]);
        wait(store.apply(put, Vec::new())).unwrap();
        assert_eq!(wait(store.load()).unwrap().tools.len(), 1);
        assert_eq!(dir.raw().execute(&format!("UPDATE tool SET {change}"), ()).unwrap(), 1);
        let fault = wait(store.load()).expect_err("its own text says otherwise");
        assert!(fault.to_string().contains("contradicts its row"), "{fault}");
    }
}
