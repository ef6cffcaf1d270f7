//! The thread that writes. Must never write again after a commit failed: what is on disk is then unknown.
//!
//! Group commit without a timer: what waits is taken (up to 256 works), written in one transaction and
//! answered after its commit; while one batch is synced the next one gathers. A failed commit fences the
//! store for the rest of the process; opening it again reads what is really there.

use std::sync::Arc;

use rusqlite::Connection;

use crate::batch::{Answer, Log, State};
use crate::queue::{BATCH_MAX, Queue};

/// Abandons the queue however the thread ends, so that nobody waits for it.
struct AbandonAtEnd(Arc<Queue>);

impl Drop for AbandonAtEnd {
    fn drop(&mut self) {
        self.0.abandon("the writer ended");
    }
}

/// Writes until the queue ends.
pub(crate) fn run(connection: &Connection, state: State, queue: &Arc<Queue>) {
    let _end = AbandonAtEnd(Arc::clone(queue));
    if let Err(problem) = write_all(connection, state, queue) {
        tracing::error!(%problem, "the record cannot be written; this node takes no more calls");
        queue.fence(&problem.to_string());
    }
}

fn write_all(connection: &Connection, state: State, queue: &Queue) -> rusqlite::Result<()> {
    let mut log = Log::new(connection, state)?;
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut answers = Vec::with_capacity(BATCH_MAX);
    while queue.take(&mut batch) {
        if let Err(problem) = log.write(&mut batch, &mut answers) {
            // First the reason, then the replies: who waits finds why.
            queue.fence(&problem.to_string());
            return Err(problem);
        }
        for answer in answers.drain(..) {
            tell(answer, connection);
        }
    }
    Ok(())
}

/// A receiver that is gone does not matter: the entry is durable all the same.
fn tell(answer: Answer, connection: &Connection) {
    match answer {
        Answer::Item(reply, result) => drop(reply.send(result)),
        Answer::Control(reply, result) => drop(reply.send(result)),
        Answer::Closed(reply) => {
            checkpoint(connection);
            reply.send(()).unwrap_or_default();
        }
    }
}

/// Moves the write-ahead log into the database. Failing loses nothing: the next opening reads both.
fn checkpoint(connection: &Connection) {
    let done = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get::<_, i64>(0));
    if !matches!(done, Ok(0)) {
        tracing::warn!(?done, "the write-ahead log was not moved into the database at close");
    }
}
