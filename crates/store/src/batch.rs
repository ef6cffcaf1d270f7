//! The log in the hands of whoever writes: entries get their places, a batch is one transaction.
//!
//! Must never leave memory ahead of the disk: after an error the value is thrown away with its connection.

use ledger::{Body, Entry, LifecycleBody, TaskPlace, leaf_hash};
use model::digest::Salt;
use model::ids::{CallId, Epoch};
use model::time::Micros;
use ports::fault::Fault;
use ports::record::{CommitFault, Expect, Item, Listed, Receipt};
use rusqlite::{Connection, Statement};
use tokio::sync::oneshot;

use crate::control;
use crate::intents::OpenIntents;
use crate::queue::{Change, ControlReply, ItemReply, Work};
use crate::salts;
use crate::sql::{self, int};
use crate::tasks::Tasks;

/// Every so many batches the watermark is written.
const WATERMARK_BATCHES: u32 = 64;

/// What is known of the log between two batches.
#[derive(Default)]
pub(crate) struct State {
    /// The index of the next entry.
    pub(crate) next: u64,
    /// The control epoch.
    pub(crate) epoch: u64,
    /// Calls that may be acting.
    pub(crate) intents: OpenIntents,
    /// Where tasks stand.
    pub(crate) tasks: Tasks,
}

/// An answer that may only be given once its batch is durable.
pub(crate) enum Answer {
    Item(ItemReply, Result<Receipt, CommitFault>),
    Control(ControlReply, Result<Epoch, Fault>),
    Closed(oneshot::Sender<()>),
}

struct Statements<'c> {
    begin: Statement<'c>,
    commit: Statement<'c>,
    entry: Statement<'c>,
    task_get: Statement<'c>,
    task_put: Statement<'c>,
    listed: Statement<'c>,
    mark: Statement<'c>,
}

/// The log, open for writing on one connection.
pub(crate) struct Log<'c> {
    connection: &'c Connection,
    statements: Statements<'c>,
    pub(crate) state: State,
    salts: Vec<u8>,
    batches: u32,
}

impl<'c> Log<'c> {
    /// Prepares every statement of the hot path once.
    pub(crate) fn new(connection: &'c Connection, state: State) -> rusqlite::Result<Self> {
        let statements = Statements {
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            commit: connection.prepare("COMMIT")?,
            entry: sql::ENTRY_PUT.prepare(connection)?,
            task_get: sql::TASK_GET.prepare(connection)?,
            task_put: sql::TASK_PUT.prepare(connection)?,
            listed: sql::LISTED_PUT.prepare(connection)?,
            mark: sql::LOG_MARK.prepare(connection)?,
        };
        Ok(Self { connection, statements, state, salts: Vec::new(), batches: 0 })
    }

    /// Starts a transaction.
    pub(crate) fn begin(&mut self) -> rusqlite::Result<()> {
        self.statements.begin.execute(()).map(drop)
    }

    /// Makes everything since [`Self::begin`] durable.
    pub(crate) fn commit(&mut self) -> rusqlite::Result<()> {
        self.statements.commit.execute(()).map(drop)
    }

    /// Writes a whole batch and leaves in `answers` what to say. On an error nothing may be said but that.
    pub(crate) fn write(&mut self, batch: &mut Vec<Work>, answers: &mut Vec<Answer>) -> rusqlite::Result<()> {
        self.begin()?;
        let mut last = false;
        for work in batch.drain(..) {
            answers.push(match work {
                Work::Item(item, reply) => Answer::Item(reply, self.item(&item)?),
                Work::Control(change, reply) => Answer::Control(reply, self.change(&change)?),
                Work::Close(now, reply) => {
                    self.lifecycle("stopped", String::new(), now)?;
                    last = true;
                    Answer::Closed(reply)
                }
            });
        }
        self.settle()?;
        self.batches += 1;
        if last || self.batches >= WATERMARK_BATCHES {
            self.mark()?;
        }
        self.commit()
    }

    fn item(&mut self, item: &Item) -> rusqlite::Result<Result<Receipt, CommitFault>> {
        match item.expects {
            Expect::Epoch(epoch) if epoch.0 != self.state.epoch => return Ok(Err(CommitFault::EpochMoved)),
            Expect::Epoch(_) | Expect::Nothing => {}
        }
        let index = self.append(&item.entry, &item.salts)?;
        if let Some(listed) = &item.listed {
            self.listed(listed)?;
        }
        Ok(Ok(Receipt { index }))
    }

    /// Gives an entry its place and inserts it.
    pub(crate) fn append(&mut self, entry: &Entry, salts: &[(&'static str, Salt)]) -> rusqlite::Result<u64> {
        let (state, statements) = (&mut self.state, &mut self.statements);
        let index = state.next;
        let place = match entry.task() {
            Some(task) => Some(state.tasks.next(task, &mut statements.task_get)?),
            None => None,
        };
        let leaf = entry.leaf(place.map(TaskPlace));
        let hash = leaf_hash(leaf.as_bytes());
        salts::encode(&mut self.salts, salts);
        let call = entry.call().map(CallId::to_bytes);
        statements.entry.execute((
            int(index),
            entry.kind(),
            call.as_ref().map(<[u8; 16]>::as_slice),
            entry.task().map(|task| task.as_str()),
            place.map(int),
            leaf.as_str(),
            hash.as_bytes().as_slice(),
            (!salts.is_empty()).then_some(self.salts.as_slice()),
        ))?;
        state.next += 1;
        state.intents.note(entry, index);
        Ok(index)
    }

    /// Appends an entry about the node itself.
    pub(crate) fn lifecycle(
        &mut self,
        what: &'static str,
        detail: String,
        at: Micros,
    ) -> rusqlite::Result<()> {
        let body = Body::Lifecycle(LifecycleBody { what, detail });
        self.append(&Entry { at, epoch: Epoch(self.state.epoch), body }, &[]).map(drop)
    }

    fn listed(&mut self, listed: &Listed) -> rusqlite::Result<()> {
        for (tool, digest) in &listed.tools {
            let (server, name) = (tool.server.as_str(), tool.tool.as_str());
            self.statements.listed.execute((
                listed.agent.as_str(),
                server,
                name,
                digest.as_bytes().as_slice(),
            ))?;
        }
        Ok(())
    }

    fn change(&mut self, change: &Change) -> rusqlite::Result<Result<Epoch, Fault>> {
        let epoch = self.state.epoch + 1;
        if let Err(fault) = control::apply(self.connection, &change.change, epoch)? {
            return Ok(Err(fault));
        }
        self.state.epoch = epoch;
        for entry in &change.entries {
            self.append(entry, &[])?;
        }
        Ok(Ok(Epoch(epoch)))
    }

    /// Writes what is kept once a batch.
    pub(crate) fn settle(&mut self) -> rusqlite::Result<()> {
        self.state.tasks.flush(&mut self.statements.task_put)
    }

    /// Writes the watermark: below it recovery need not look.
    pub(crate) fn mark(&mut self) -> rusqlite::Result<()> {
        self.batches = 0;
        self.statements.mark.execute((int(self.state.next), self.state.intents.to_blob())).map(drop)
    }
}
