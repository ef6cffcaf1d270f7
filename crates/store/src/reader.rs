//! Reading beside the writer: read-only connections on threads of their own. Must never wait for the writer.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use ledger::Entry;
use ledger::view::StoredEntry;
use model::approval::{Approval, ApprovalId, ApprovalKey};
use model::ids::{CallId, Epoch};
use ports::BoxFuture;
use ports::approvals::{Approvals, Unreadable};
use ports::control::{Control, ControlChange, ControlState};
use ports::fault::Fault;
use ports::record::Records;
use rusqlite::{Connection, Params, Row};
use tokio::sync::oneshot;

use crate::facts::{self, Facts};
use crate::fault::OpenFault;
use crate::sql::{self, int, uint};
use crate::{approvals, connection, control, migrate, recover};

const THREADS: usize = 2;
/// Most questions that wait.
const WAITING_MAX: usize = 256;
/// Most entries one answer holds, whatever was asked for.
const PAGE_MAX: usize = 10_000;

type Question = Box<dyn FnOnce(&Connection) + Send>;

/// A store opened for reading only, beside the process that writes it or without one.
pub struct Reading {
    path: PathBuf,
    questions: Option<SyncSender<Question>>,
    threads: Vec<JoinHandle<()>>,
}

impl Reading {
    /// Opens an existing store. Takes no lock and changes nothing.
    ///
    /// # Errors
    /// [`OpenFault`] when there is none, or its schema is not the one this program reads.
    pub fn open(path: &Path) -> Result<Self, OpenFault> {
        let fault = |problem| OpenFault::Path { path: path.to_path_buf(), problem };
        let path = path.canonicalize().map_err(fault)?;
        let found = migrate::found(&connection::reader(&path)?, &path)?;
        if found < migrate::known() {
            return Err(OpenFault::Older { path, found, known: migrate::known() });
        }
        Self::start(&path)
    }

    /// Starts the threads on a file whose schema is known.
    pub(crate) fn start(path: &Path) -> Result<Self, OpenFault> {
        let (questions, waiting) = sync_channel(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut reading = Self { path: path.to_path_buf(), questions: Some(questions), threads: Vec::new() };
        for _ in 0..THREADS {
            let (connection, waiting) = (connection::reader(path)?, Arc::clone(&waiting));
            let thread = Builder::new()
                .name("store-reader".to_owned())
                .spawn(move || answer_all(&connection, &waiting));
            let thread = thread.map_err(|problem| OpenFault::Path { path: path.to_path_buf(), problem })?;
            reading.threads.push(thread);
        }
        Ok(reading)
    }

    fn ask<T, Q>(&self, question: Q) -> BoxFuture<'static, Result<T, Fault>>
    where
        T: Send + 'static,
        Q: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |connection| drop(reply.send(question(connection))));
        let sent = match &self.questions {
            Some(questions) => questions.try_send(question).map_err(|problem| match problem {
                TrySendError::Full(_) => Fault::new(format_args!("{WAITING_MAX} questions wait; try again")),
                TrySendError::Disconnected(_) => Fault::new("the store's readers ended"),
            }),
            None => Err(Fault::new("the store is closed")),
        };
        Box::pin(async move {
            sent?;
            answer.await.unwrap_or_else(|_| Err(Fault::new("the store's readers ended")))
        })
    }

    /// What `doctor` shows of the store.
    ///
    /// # Errors
    /// [`Fault`] when the file cannot be read.
    pub async fn facts(&self) -> Result<Facts, Fault> {
        let path = self.path.clone();
        self.ask(move |connection| facts::read(connection, path)).await
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.questions = None;
        for thread in self.threads.drain(..) {
            // A reader that panicked has nothing more to tell.
            drop(thread.join());
        }
    }
}

fn answer_all(connection: &Connection, waiting: &Mutex<Receiver<Question>>) {
    loop {
        let question = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match question {
            Ok(question) => question(connection),
            Err(_) => return,
        }
    }
}

fn entries(connection: &Connection, query: sql::Sql, which: impl Params) -> Result<Vec<StoredEntry>, Fault> {
    let entry = |row: &Row<'_>| Ok(StoredEntry { index: uint(row.get(0)?), leaf: row.get(1)? });
    let mut statement = query.prepare(connection).map_err(Fault::new)?;
    let rows = statement.query_map(which, entry).map_err(Fault::new)?;
    rows.collect::<Result<_, _>>().map_err(Fault::new)
}

impl Records for Reading {
    fn read(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<StoredEntry>, Fault>> {
        let limit = limit.min(PAGE_MAX) as u64;
        self.ask(move |connection| entries(connection, sql::ENTRY_READ, (int(from), int(limit))))
    }

    fn size(&self) -> BoxFuture<'_, Result<u64, Fault>> {
        self.ask(|connection| recover::next_index(connection).map_err(Fault::new))
    }

    fn of_call(&self, call: CallId) -> BoxFuture<'_, Result<Vec<StoredEntry>, Fault>> {
        self.ask(move |connection| entries(connection, sql::ENTRY_OF_CALL, (call.to_bytes().as_slice(),)))
    }
}

impl Approvals for Reading {
    fn last<'a>(&'a self, key: &'a ApprovalKey) -> BoxFuture<'a, Result<Option<Approval>, Fault>> {
        let key = key.clone();
        self.ask(move |connection| approvals::of_key(connection, &key).map_err(Fault::new)?.transpose())
    }

    fn all(&self) -> BoxFuture<'_, Result<Vec<Approval>, Fault>> {
        self.ask(approvals::all)
    }

    fn unreadable(&self) -> BoxFuture<'_, Result<Vec<Unreadable>, Fault>> {
        self.ask(approvals::unreadable)
    }

    fn arguments(&self, id: ApprovalId) -> BoxFuture<'_, Result<Option<String>, Fault>> {
        self.ask(move |connection| approvals::arguments(connection, id))
    }
}

impl Control for Reading {
    fn load(&self) -> BoxFuture<'_, Result<ControlState, Fault>> {
        self.ask(control::load)
    }

    /// Always a [`Fault`]: nothing is written here.
    fn apply(&self, _change: ControlChange, _entries: Vec<Entry>) -> BoxFuture<'_, Result<Epoch, Fault>> {
        Box::pin(async { Err(Fault::new("the store was opened for reading only")) })
    }
}
