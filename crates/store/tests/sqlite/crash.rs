//! Crashes: processes killed while they write, files copied while they change, a disk that is full.
//!
//! Must never be gentle: the children here are ended by SIGKILL or by the system refusing to write.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use model::json::Json;
use ports::record::{CommitFault, Expect, Record};
use store::Store;

use crate::conformance::{Backend, all, count, intent, item, outcome, wait};
use crate::support::{TempDir, options};

const PATH: &str = "CALLGATE_TEST_STORE";

/// Stages from four threads until something ends it, printing the index of all that was acknowledged.
/// Every seventh call never gets its outcome.
fn write_until_ended(path: &Path) -> Store {
    let store = Store::open(path, &options()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u128 {
            let store = &store;
            scope.spawn(move || {
                for number in 0u128.. {
                    let (id, of) = (thread << 32 | number, usize::try_from(number % 9).unwrap());
                    let both = [Some(intent(id, of)), (number % 7 != 0).then(|| outcome(id, of))];
                    for entry in both.into_iter().flatten() {
                        let Ok(pending) = store.stage(item(entry, Expect::Nothing)) else { return };
                        match wait(pending) {
                            Ok(receipt) => println!("acknowledged {} {}", receipt.index, id),
                            Err(fault) => {
                                assert!(matches!(fault, CommitFault::Fenced(_)), "{fault}");
                                return;
                            }
                        }
                    }
                }
            });
        }
    });
    store
}

#[test]
#[ignore = "runs in a child process only"]
fn child_that_is_killed() {
    if let Some(path) = std::env::var_os(PATH) {
        write_until_ended(Path::new(&path));
    }
}

#[test]
#[ignore = "runs in a child process only"]
fn child_on_a_full_disk() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let store = write_until_ended(Path::new(&path));
    assert!(!store.healthy());
    let refused = store.stage(item(intent(u128::from(u64::MAX), 1), Expect::Nothing)).err().unwrap();
    println!("refused {refused}");
}

fn child(test: &str, dir: &TempDir, shell: Option<&str>) -> Child {
    let this = std::env::current_exe().unwrap();
    let mut command = match shell {
        Some(script) => {
            let mut command = Command::new("sh");
            command.args(["-c", script]).arg(this);
            command
        }
        None => Command::new(this),
    };
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(PATH, dir.file());
    command.stdout(Stdio::piped()).spawn().unwrap()
}

fn acknowledged(line: &str) -> Option<(usize, String)> {
    // The harness prints the name of the test on the same line as the first.
    let (_, numbers) = line.split_once("acknowledged ")?;
    let (index, id) = numbers.split_once(' ')?;
    Some((index.parse().ok()?, id.to_owned()))
}

/// Opens what a crash left: all acknowledged entries are there, each intent has exactly one outcome, and
/// opening once more adds nothing but its own `started`.
fn check(dir: &TempDir, acknowledged: &[(usize, String)]) {
    let entries = all(&*dir.open());
    for (index, id) in acknowledged {
        let call = crate::conformance::call(id.parse().unwrap());
        assert_eq!(entries[*index].call(), Some(call), "entry {index} was acknowledged");
    }
    let calls = |kind: &str| -> Vec<_> {
        let of_kind = |entry: &&_| count(std::slice::from_ref(*entry), "kind", kind) == 1;
        entries.iter().filter(of_kind).map(|entry| entry.call().unwrap()).collect()
    };
    let (intents, outcomes) = (calls("intent"), calls("outcome"));
    let distinct: HashSet<_> = outcomes.iter().collect();
    assert_eq!(distinct.len(), outcomes.len(), "one outcome each");
    assert_eq!(distinct, intents.iter().collect(), "every intent has one");
    let recovered = count(&entries, "outcome", "unknown");
    assert!(recovered > 0, "some calls were open");
    let again = all(&*dir.open());
    assert_eq!(again.len(), entries.len() + 1);
    assert_eq!(count(&again, "outcome", "unknown"), recovered);
}

#[test]
fn killed_processes_lose_nothing_acknowledged_and_leave_no_call_open() {
    for kill_after in [1, 90, 700] {
        let dir = TempDir::new();
        let mut child = child("crash::child_that_is_killed", &dir, None);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut seen: Vec<_> =
            lines.by_ref().filter_map(|line| acknowledged(&line)).take(kill_after).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        seen.extend(lines.filter_map(|line| acknowledged(&line)));
        assert!(seen.len() >= kill_after);
        check(&dir, &seen);
    }
}

#[test]
fn a_full_disk_fences_the_node_and_loses_nothing_acknowledged() {
    let dir = TempDir::new();
    // The system refuses to let a file grow past the limit; the signal that would end the process is ignored.
    let script = "trap '' XFSZ; ulimit -f 6000; exec \"$0\" \"$@\"";
    let mut child = child("crash::child_on_a_full_disk", &dir, Some(script));
    let lines: Vec<_> = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).collect();
    assert!(child.wait().unwrap().success(), "{}", lines.join("\n"));
    let refused = lines.iter().find(|line| line.starts_with("refused ")).unwrap();
    assert!(refused.contains("the record cannot be written"), "{refused}");
    let seen: Vec<_> = lines.iter().filter_map(|line| acknowledged(line)).collect();
    assert!(seen.len() > 50, "{}", seen.len());
    check(&dir, &seen);
}

#[test]
fn a_commit_that_fails_fences_all_that_waits() {
    let dir = TempDir::new();
    let store = dir.open();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON entry WHEN NEW.task_seq = 3 \
                  BEGIN SELECT RAISE(FAIL, 'refused by the test'); END";
    dir.raw().execute_batch(refuse).unwrap();
    let stage = || store.stage(item(outcome(1, 1), Expect::Nothing));
    wait(stage().unwrap()).unwrap();
    let waiting: Vec<_> = (0..20).map_while(|_| stage().ok()).collect();
    let answers: Vec<_> = waiting.into_iter().map(wait).collect();
    let fenced = |answer: &&Result<_, _>| matches!(answer, Err(CommitFault::Fenced(_)));
    assert!(answers.iter().filter(fenced).count() >= answers.len() - 1);
    assert!(!store.healthy());
    assert!(stage().err().unwrap().to_string().contains("refused by the test"));
    let acknowledged = 1 + answers.iter().filter(|answer| answer.is_ok()).count();
    dir.raw().execute_batch("DROP TRIGGER refuse").unwrap();
    drop(store);
    let entries = all(&*dir.open());
    assert_eq!(count(&entries, "kind", "outcome"), acknowledged, "nothing of the failed batch was written");
}

#[test]
fn a_copy_made_in_mid_run_opens_and_recovers() {
    let dir = TempDir::new();
    let store = dir.open();
    let mut acknowledged = Vec::new();
    for number in 0..200u128 {
        let receipt = wait(store.stage(item(intent(number, 1), Expect::Nothing)).unwrap()).unwrap();
        acknowledged.push((usize::try_from(receipt.index).unwrap(), number.to_string()));
    }
    // Less than a checkpoint's worth was written, so both files only grow: the copy is a state a crash leaves.
    let copy = TempDir::new();
    std::fs::create_dir_all(copy.file().parent().unwrap()).unwrap();
    for extension in ["db", "db-wal"] {
        let pending = store.stage(item(intent(1000 + extension.len() as u128, 2), Expect::Nothing)).unwrap();
        std::fs::copy(dir.file().with_extension(extension), copy.file().with_extension(extension)).unwrap();
        wait(pending).unwrap();
    }
    check(&copy, &acknowledged);
    let entries = all(&*copy.open());
    assert_eq!(entries[0].tree().unwrap().get("what").and_then(Json::as_str), Some("started"));
}
