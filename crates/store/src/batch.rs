//! The log in the hands of whoever writes: entries get their places, a batch is one transaction.
//!
//! Must never leave memory ahead of the disk: after an error the value is thrown away with its connection.

use ledger::{Body, Entry, LifecycleBody, TaskPlace, leaf_hash};
use model::digest::Salt;
use model::ids::{CallId, Epoch};
use model::time::Micros;
use ports::approvals::ApprovalStep;
use ports::fault::Fault;
use ports::record::{CommitFault, Expect, Item, Listed, Receipt};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::intents::OpenIntents;
use crate::queue::{Change, ControlReply, ItemReply, Work};
use crate::salts;
use crate::sql::{Hot, int, kept};
use crate::tasks::Tasks;
use crate::{approvals, connection, control};

/// Every so many batches the watermark is written.
const WATERMARK_BATCHES: u32 = 64;

/// About how many pages one batch writes beside its entries, and how many entries one page takes: they only say when
/// a checkpoint is due.
const PAGES_PER_BATCH: u32 = 4;
const ENTRIES_PER_PAGE: u32 = 4;
/// Pages after which one is: 16 MiB.
const CHECKPOINT_PAGES: u32 = 4000;

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
    Swept(oneshot::Sender<()>),
    Closed(oneshot::Sender<()>),
}

/// The log, open for writing on the one connection that writes.
pub(crate) struct Log {
    pub(crate) connection: Connection,
    hot: Hot,
    pub(crate) state: State,
    salts: Vec<u8>,
    batches: u32,
    /// About how many pages were written since the write-ahead log was last moved into the database.
    pages: u32,
    /// Something was deleted that the write-ahead log still shows.
    shows_deleted: bool,
}

impl Log {
    /// On this connection, where this state says.
    pub(crate) fn new(connection: Connection, state: State) -> Self {
        Self {
            connection,
            hot: Hot::new(),
            state,
            salts: Vec::new(),
            batches: 0,
            pages: 0,
            shows_deleted: false,
        }
    }

    /// Starts a transaction.
    pub(crate) fn begin(&mut self) -> rusqlite::Result<()> {
        kept(&self.connection, "BEGIN IMMEDIATE")?.execute(()).map(drop)
    }

    /// Makes everything since [`Self::begin`] durable.
    pub(crate) fn commit(&mut self) -> rusqlite::Result<()> {
        kept(&self.connection, "COMMIT")?.execute(()).map(drop)
    }

    /// Writes a whole batch and leaves in `answers` what to say. On an error nothing may be said but that.
    pub(crate) fn write(&mut self, batch: &mut Vec<Work>, answers: &mut Vec<Answer>) -> rusqlite::Result<()> {
        self.begin()?;
        let mut last = false;
        let mut now = Micros(0);
        self.pages += PAGES_PER_BATCH + u32::try_from(batch.len()).unwrap_or(u32::MAX) / ENTRIES_PER_PAGE;
        for work in batch.drain(..) {
            answers.push(match work {
                Work::Item(item, reply) => {
                    now = now.max(item.entry.at);
                    Answer::Item(reply, self.item(&item)?)
                }
                Work::Control(change, reply) => Answer::Control(reply, self.change(&change)?),
                Work::Sweep(at, reply) => {
                    self.sweep(at)?;
                    Answer::Swept(reply)
                }
                Work::Close(at, reply) => {
                    self.lifecycle("stopped", String::new(), at)?;
                    (last, now) = (true, at);
                    Answer::Closed(reply)
                }
            });
        }
        self.batches += 1;
        if last || self.batches >= WATERMARK_BATCHES {
            self.sweep(now)?;
            self.mark()?;
        }
        self.commit()
    }

    /// Deletes what is so long over that nothing is kept of it.
    pub(crate) fn sweep(&mut self, now: Micros) -> rusqlite::Result<()> {
        self.shows_deleted |= approvals::sweep(&self.connection, now)? > 0;
        Ok(())
    }

    /// Sees to it that no file shows what was deleted. While somebody reads it is left for the next time: nobody
    /// waits here.
    pub(crate) fn erase(&mut self) {
        if std::mem::take(&mut self.shows_deleted) {
            self.pages = 0;
            self.shows_deleted = !connection::empty_wal(&self.connection);
        }
    }

    fn item(&mut self, item: &Item) -> rusqlite::Result<Result<Receipt, CommitFault>> {
        match item.expects {
            Expect::Epoch(epoch) if epoch.0 != self.state.epoch => return Ok(Err(CommitFault::EpochMoved)),
            Expect::Epoch(_) | Expect::Nothing => {}
        }
        // First, so that what cannot be done leaves no entry.
        if let Some(step) = &item.approval
            && let Err(fault) = approvals::take(&self.connection, step, item.entry.at)?
        {
            return Ok(Err(fault));
        }
        self.shows_deleted |= matches!(item.approval, Some(ApprovalStep::Ask(_) | ApprovalStep::Forget(_)));
        let index = self.append(&item.entry, &item.salts)?;
        if let Some(listed) = &item.listed {
            self.listed(listed)?;
        }
        Ok(Ok(Receipt { index }))
    }

    /// Gives an entry its place and inserts it.
    pub(crate) fn append(&mut self, entry: &Entry, salts: &[(&'static str, Salt)]) -> rusqlite::Result<u64> {
        let state = &mut self.state;
        let index = state.next;
        let place = match entry.task() {
            Some(task) => Some(state.tasks.next(task, &self.connection, &self.hot)?),
            None => None,
        };
        let leaf = entry.leaf(place.map(TaskPlace));
        let hash = leaf_hash(leaf.as_bytes());
        salts::encode(&mut self.salts, salts);
        let call = entry.call().map(CallId::to_bytes);
        kept(&self.connection, &self.hot.entry)?.execute((
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
        let mut put = kept(&self.connection, &self.hot.listed)?;
        for (tool, digest) in &listed.tools {
            let (server, name) = (tool.server.as_str(), tool.tool.as_str());
            put.execute((listed.agent.as_str(), server, name, digest.as_bytes().as_slice()))?;
        }
        Ok(())
    }

    fn change(&mut self, change: &Change) -> rusqlite::Result<Result<Epoch, Fault>> {
        let epoch = self.state.epoch + 1;
        if let Err(fault) = control::apply(&self.connection, &change.change, epoch)? {
            return Ok(Err(fault));
        }
        self.state.epoch = epoch;
        for entry in &change.entries {
            self.append(entry, &[])?;
        }
        Ok(Ok(Epoch(epoch)))
    }

    /// Writes the watermark, and where the tasks stand at it: below it recovery need not look.
    pub(crate) fn mark(&mut self) -> rusqlite::Result<()> {
        self.batches = 0;
        self.state.tasks.flush(&self.connection, &self.hot)?;
        let at = (int(self.state.next), self.state.intents.to_blob());
        kept(&self.connection, &self.hot.mark)?.execute(at).map(drop)
    }

    /// Whether so much was written that the write-ahead log should be moved into the database.
    pub(crate) const fn is_long(&self) -> bool {
        self.pages >= CHECKPOINT_PAGES
    }

    /// Moves the write-ahead log into the database; `wholly` empties its file too. Failing loses nothing: the next
    /// opening reads both.
    pub(crate) fn checkpoint(&mut self, wholly: bool) {
        self.pages = 0;
        let how = if wholly { "PRAGMA wal_checkpoint(TRUNCATE)" } else { "PRAGMA wal_checkpoint(PASSIVE)" };
        let done = self.connection.query_row(how, (), |row| row.get::<_, i64>(0));
        if !matches!(done, Ok(0)) {
            tracing::warn!(?done, "the write-ahead log was not moved into the database");
        }
    }
}
