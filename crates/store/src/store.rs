//! The store: opening puts right what a crash left, closing leaves nothing to put right.
//!
//! Must never accept an item before recovery is durable, nor let go of the lock while its writer runs.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::{Builder, JoinHandle};

use ledger::Entry;
use ledger::view::StoredEntry;
use model::approval::{Approval, ApprovalId, ApprovalKey};
use model::ids::{CallId, Epoch};
use model::time::Micros;
use ports::BoxFuture;
use ports::approvals::{Approvals, Unreadable};
use ports::control::{Control, ControlChange, ControlState};
use ports::fault::Fault;
use ports::record::{CommitFault, Item, Pending, Receipt, Record, Records};
use tokio::sync::oneshot;

use crate::directory::{self, DataLock};
use crate::facts::Facts;
use crate::fault::OpenFault;
use crate::queue::{Change, Work};
use crate::reader::Reading;
use crate::writer::Desk;
use crate::{connection, migrate, recover, writer};

/// What opening needs to know.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The time, for the entries that opening writes.
    pub now: Micros,
    /// This node's name. The first one names the log for good.
    pub node: String,
}

/// The embedded store: one data directory, one writer, two readers. Share it behind an `Arc`.
pub struct Store {
    desk: Arc<Desk>,
    reading: Reading,
    writer: Mutex<Option<JoinHandle<()>>>,
    lock: Mutex<Option<DataLock>>,
}

impl Store {
    /// Opens the file at `path`, made (0600, its directory 0700) when there is none, and locks its directory
    /// for this process. When it returns, every call that an earlier process left open has its outcome.
    /// Blocks on the disk: call it before serving.
    ///
    /// # Errors
    /// [`OpenFault`]: what is wrong, where, and what to do.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, OpenFault> {
        let place = directory::prepare(path)?;
        let path = place.path;
        let mut connection = connection::writer(&path)?;
        migrate::migrate(&mut connection, &path, options.now)?;
        let log = recover::recover(connection, &path, options.now, &options.node)?;
        let reading = Reading::start(&path)?;
        let desk = Arc::new(Desk::new(log));
        let for_writer = Arc::clone(&desk);
        let writer = Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer::run(&for_writer))
            .map_err(|problem| OpenFault::Path { path, problem })?;
        let (writer, lock) = (Mutex::new(Some(writer)), Mutex::new(Some(place.lock)));
        Ok(Self { desk, reading, writer, lock })
    }

    /// Writes everything that waits and the `stopped` entry, checkpoints, and lets go of the directory.
    /// Nothing can be staged afterwards; reading goes on.
    ///
    /// # Errors
    /// [`Fault`] when the store is fenced or was closed before.
    pub async fn close(&self, now: Micros) -> Result<(), Fault> {
        let (reply, closed) = oneshot::channel();
        self.desk.queue.push(Work::Close(now, reply))?;
        let closed = closed.await.map_err(|_| Fault::new(self.desk.queue.why()));
        self.end();
        closed
    }

    /// Deletes the approvals that are so long over that nothing is kept of them, from the files too. Whoever serves asks
    /// for it from time to time: otherwise only commits do.
    ///
    /// # Errors
    /// [`Fault`] when the store is fenced or closed.
    pub async fn sweep(&self, now: Micros) -> Result<(), Fault> {
        let (reply, swept) = oneshot::channel();
        self.desk.queue.push(Work::Sweep(now, reply))?;
        swept.await.map_err(|_| Fault::new(self.desk.queue.why()))
    }

    /// What `doctor` shows of the store.
    ///
    /// # Errors
    /// [`Fault`] when the file cannot be read.
    pub async fn facts(&self) -> Result<Facts, Fault> {
        self.reading.facts().await
    }

    /// Waits for the writer, then unlocks. The writer is at its end already, or writing its last batches.
    fn end(&self) {
        self.desk.queue.end();
        if let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A writer that panicked has fenced the queue; there is nothing more to learn from it.
            drop(writer.join());
        }
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Drop for Store {
    /// Without [`Store::close`]: what was accepted is written, but no `stopped` entry.
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits for one item. Its first poll, or its end, sees to it that the item is written.
struct Waiting {
    desk: Arc<Desk>,
    answer: oneshot::Receiver<Result<Receipt, CommitFault>>,
    seen_to: bool,
}

impl Future for Waiting {
    type Output = Result<Receipt, CommitFault>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if !std::mem::replace(&mut self.seen_to, true) {
            self.desk.write_or_rouse();
        }
        let answer = Pin::new(&mut self.answer).poll(context);
        answer.map(|told| told.unwrap_or_else(|_| Err(CommitFault::Fenced(self.desk.queue.why()))))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.seen_to {
            self.desk.queue.rouse();
        }
    }
}

impl Record for Store {
    fn stage(&self, item: Item) -> Result<Pending, Fault> {
        let (reply, answer) = oneshot::channel();
        self.desk.queue.leave(Work::Item(item, reply))?;
        Ok(Box::pin(Waiting { desk: Arc::clone(&self.desk), answer, seen_to: false }))
    }

    fn healthy(&self) -> bool {
        self.desk.queue.healthy()
    }
}

impl Control for Store {
    fn load(&self) -> BoxFuture<'_, Result<ControlState, Fault>> {
        self.reading.load()
    }

    fn apply(&self, change: ControlChange, entries: Vec<Entry>) -> BoxFuture<'_, Result<Epoch, Fault>> {
        let (reply, answer) = oneshot::channel();
        let queued = self.desk.queue.push(Work::Control(Box::new(Change { change, entries }), reply));
        Box::pin(async move {
            queued?;
            answer.await.unwrap_or_else(|_| Err(Fault::new(self.desk.queue.why())))
        })
    }
}

impl Approvals for Store {
    fn last<'a>(&'a self, key: &'a ApprovalKey) -> BoxFuture<'a, Result<Option<Approval>, Fault>> {
        self.reading.last(key)
    }

    fn all(&self) -> BoxFuture<'_, Result<Vec<Approval>, Fault>> {
        self.reading.all()
    }

    fn unreadable(&self) -> BoxFuture<'_, Result<Vec<Unreadable>, Fault>> {
        self.reading.unreadable()
    }

    fn arguments(&self, id: ApprovalId) -> BoxFuture<'_, Result<Option<String>, Fault>> {
        self.reading.arguments(id)
    }
}

impl Records for Store {
    fn read(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<StoredEntry>, Fault>> {
        self.reading.read(from, limit)
    }

    fn size(&self) -> BoxFuture<'_, Result<u64, Fault>> {
        self.reading.size()
    }

    fn of_call(&self, call: CallId) -> BoxFuture<'_, Result<Vec<StoredEntry>, Fault>> {
        self.reading.of_call(call)
    }
}
