//! What opening finds and puts right. Must never guess how a call ended: `unknown` is what it writes.
//!
//! Every intent without an outcome gets exactly one, before anything new is accepted, in one transaction with
//! the watermark: running it again finds nothing to do.

use std::path::Path;

use ledger::{Body, Entry, Outcome, OutcomeBody, leaf_hash};
use model::denial::Reason;
use model::ids::{CallId, Epoch, TaskId};
use model::time::Micros;
use rusqlite::Connection;

use crate::batch::{Log, State};
use crate::fault::OpenFault;
use crate::intents::{self, OpenIntents};
use crate::sql::{self, int, uint};
use crate::tasks::Tasks;

const WHY: &str = "the process ended while this call was open";
/// How many of the last leaves are checked against their hashes.
const TAIL: u64 = 256;

/// A failure on the way: SQLite's, or contents that contradict each other.
enum Trouble {
    Sqlite(rusqlite::Error),
    Damage(String),
}

impl From<rusqlite::Error> for Trouble {
    fn from(problem: rusqlite::Error) -> Self {
        Self::Sqlite(problem)
    }
}

/// Checks the end of the log, gives each dangling intent its outcome, and notes that the node started.
pub(crate) fn recover(
    connection: Connection,
    path: &Path,
    now: Micros,
    node: &str,
) -> Result<Log, OpenFault> {
    run(connection, now, node).map_err(|trouble| match trouble {
        Trouble::Sqlite(problem) => OpenFault::Sqlite { path: path.to_path_buf(), problem },
        Trouble::Damage(what) => OpenFault::Damaged { path: path.to_path_buf(), what },
    })
}

fn run(owned: Connection, now: Micros, node: &str) -> Result<Log, Trouble> {
    let connection = &owned;
    sql::LOG_NEW.prepare(connection)?.execute((node, now.0, [].as_slice()))?;
    let (origin, size, blob) = sql::LOG_GET
        .prepare(connection)?
        .query_row((), |row| Ok((row.get::<_, String>(0)?, uint(row.get(1)?), row.get::<_, Vec<u8>>(2)?)))?;
    let next = next_index(connection)?;
    if next < size {
        return Err(Trouble::Damage(format!("its log has {next} entries where {size} were recorded")));
    }
    check_tail(connection, next)?;
    let open = open_intents(connection, size, &blob)?;
    let epoch = uint(sql::CONTROL_GET.prepare(connection)?.query_row((), |row| row.get(0))?);
    let tasks = tasks(connection, size)?;
    let mut log = Log::new(owned, State { next, epoch, tasks, ..State::default() });
    log.begin()?;
    log.sweep(now)?;
    finish(&mut log, &open, now)?;
    let detail = if origin == node {
        format!("node `{node}`")
    } else {
        format!("node `{node}` on the log of `{origin}`")
    };
    log.lifecycle("started", detail, now)?;
    log.mark()?;
    log.commit()?;
    Ok(log)
}

/// The number of entries: indices have no gaps.
pub(crate) fn next_index(connection: &Connection) -> rusqlite::Result<u64> {
    let last: Option<i64> = sql::ENTRY_LAST.prepare(connection)?.query_row((), |row| row.get(0))?;
    Ok(last.map_or(0, |last| uint(last) + 1))
}

/// A cheap look for a torn or rolled back file: the last leaves are there, in order, and match their hashes.
fn check_tail(connection: &Connection, next: u64) -> Result<(), Trouble> {
    let mut expected = next.saturating_sub(TAIL);
    let mut tail = sql::ENTRY_TAIL.prepare(connection)?;
    let mut rows = tail.query((int(expected),))?;
    while let Some(row) = rows.next()? {
        let (index, leaf, hash): (i64, String, [u8; 32]) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if uint(index) != expected {
            return Err(Trouble::Damage(format!("entry {expected} of its log is missing")));
        }
        if leaf_hash(leaf.as_bytes()).as_bytes() != &hash {
            return Err(Trouble::Damage(format!("entry {expected} of its log does not match its hash")));
        }
        expected += 1;
    }
    Ok(())
}

/// The intents the watermark holds, and what came after it.
fn open_intents(connection: &Connection, size: u64, blob: &[u8]) -> Result<Vec<u64>, Trouble> {
    let marked =
        intents::from_blob(blob).ok_or_else(|| Trouble::Damage("its watermark is torn".to_owned()))?;
    let mut open = OpenIntents::default();
    for index in marked {
        open.open(intent(connection, index)?.0, index);
    }
    let mut pairs = sql::ENTRY_PAIRS.prepare(connection)?;
    let mut rows = pairs.query((int(size),))?;
    while let Some(row) = rows.next()? {
        let (index, kind, call): (i64, String, [u8; 16]) = (row.get(0)?, row.get(1)?, row.get(2)?);
        match kind.as_str() {
            "intent" => open.open(CallId::from_bytes(call), uint(index)),
            _ => open.close(CallId::from_bytes(call)),
        }
    }
    Ok(open.indices())
}

/// Where the tasks stand that moved after the watermark.
fn tasks(connection: &Connection, size: u64) -> Result<Tasks, Trouble> {
    let mut tasks = Tasks::default();
    let mut moved = sql::TASK_MOVED.prepare(connection)?;
    let mut rows = moved.query((int(size),))?;
    while let Some(row) = rows.next()? {
        let (task, seq): (String, i64) = (row.get(0)?, row.get(1)?);
        let task =
            TaskId::parse(&task).map_err(|fault| Trouble::Damage(format!("task `{task}`: {fault}")))?;
        tasks.moved(task, uint(seq));
    }
    Ok(tasks)
}

fn intent(connection: &Connection, index: u64) -> Result<(CallId, TaskId), Trouble> {
    let (call, task): ([u8; 16], String) = sql::ENTRY_CALL
        .prepare(connection)?
        .query_row((int(index),), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let task = TaskId::parse(&task).map_err(|fault| Trouble::Damage(format!("entry {index}: {fault}")))?;
    Ok((CallId::from_bytes(call), task))
}

fn finish(log: &mut Log, open: &[u64], at: Micros) -> Result<(), Trouble> {
    if open.is_empty() {
        return Ok(());
    }
    let epoch = Epoch(log.state.epoch);
    for index in open {
        let (call, task) = intent(&log.connection, *index)?;
        let outcome = Outcome::Unknown(Reason::Indeterminate);
        let (why, result, result_bytes, upstream_micros) = (WHY.to_owned(), None, 0, 0);
        let body = OutcomeBody { call, task, outcome, why, result, result_bytes, upstream_micros };
        log.append(&Entry { at, epoch, body: Body::Outcome(body) }, &[])?;
    }
    log.lifecycle("recovered", format!("{} calls ended as unknown", open.len()), at)?;
    Ok(())
}
