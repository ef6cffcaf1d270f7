//! The store in memory: one queue, one writer, group commit in steps. Must never answer before the disk has it,
//! unless it was told to lie so that the checkers can be checked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ledger::Entry;
use ledger::view::StoredEntry;
use model::ids::{CallId, Epoch};
use ports::BoxFuture;
use ports::control::{Control, ControlChange, ControlState};
use ports::fault::Fault;
use ports::record::{CommitFault, Item, Pending, Receipt, Record, Records};
use tokio::sync::{Notify, oneshot};

use crate::disk::{Checks, Disk};
use crate::rng::Rng;

/// How the store keeps its promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Honesty {
    /// As the port says.
    #[default]
    Honest,
    /// Acknowledges before anything is durable. For checking the checkers.
    AcknowledgesEarly,
    /// Commits whatever the control epoch is. For checking the checkers.
    IgnoresEpochs,
    /// Commits whatever became of the approval that an item uses. For checking the checkers.
    ReusesApprovals,
    /// Acknowledges an outcome and loses it. For checking the checkers.
    LosesOutcomes,
}

/// A commit that fails; the store is fenced by either.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskFault {
    /// Nothing of the batch is on the disk.
    Before,
    /// All of it is.
    After,
}

type Reply<T, E> = oneshot::Sender<Result<T, E>>;

enum Work {
    Item(Box<Item>, Reply<Receipt, CommitFault>),
    Control(ControlChange, Vec<Entry>, Reply<Epoch, Fault>),
}

enum Answer {
    Item(Reply<Receipt, CommitFault>, Result<Receipt, CommitFault>),
    Control(Reply<Epoch, Fault>, Result<Epoch, Fault>),
}

#[derive(Default)]
struct Queue {
    works: VecDeque<Work>,
    fenced: Option<String>,
    held: bool,
    room: Option<usize>,
    fault: Option<(u64, DiskFault)>,
    batches: u64,
}

/// The store of one process over a disk that outlives it.
pub struct SimStore {
    disk: Arc<Mutex<Disk>>,
    queue: Mutex<Queue>,
    wake: Notify,
    rng: Rng,
    honesty: Honesty,
}

impl SimStore {
    /// Over a disk. Its [`Self::write`] has to be spawned.
    #[must_use]
    pub fn new(disk: Arc<Mutex<Disk>>, seed: u64, honesty: Honesty) -> Arc<Self> {
        let (queue, wake) = (Mutex::new(Queue::default()), Notify::new());
        Arc::new(Self { disk, queue, wake, rng: Rng::new(seed), honesty })
    }

    /// The commit number `batch` from now fails.
    pub fn fail_at(&self, batch: u64, fault: DiskFault) {
        let mut queue = self.queue();
        queue.fault = Some((queue.batches + batch, fault));
    }

    /// Holds all commits back, or lets them go on.
    pub fn hold(&self, held: bool) {
        self.queue().held = held;
        self.wake.notify_one();
    }

    /// Nothing but outcomes is accepted when so many works wait.
    pub fn room(&self, room: usize) {
        self.queue().room = Some(room);
    }

    /// Works that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue().works.len()
    }

    /// The writer.
    pub async fn write(self: Arc<Self>) {
        loop {
            let Some(batch) = self.take() else {
                self.wake.notified().await;
                continue;
            };
            // The disk takes its time; what is staged meanwhile waits for the next batch.
            tokio::time::sleep(self.rng.within(Duration::from_millis(3))).await;
            let mut answers = self.commit(batch);
            // Who is woken first runs first here; on several threads that order is anyone's.
            while !answers.is_empty() {
                let next = usize::try_from(self.rng.below(answers.len() as u64)).unwrap_or(0);
                tell(answers.swap_remove(next));
                if self.rng.chance(20) {
                    tokio::time::sleep(self.rng.within(Duration::from_millis(1))).await;
                }
            }
        }
    }

    fn take(&self) -> Option<Vec<Work>> {
        let mut queue = self.queue();
        if queue.works.is_empty() || queue.held {
            return None;
        }
        let most = usize::try_from(1 + self.rng.below(16)).unwrap_or(1);
        let count = queue.works.len().min(most);
        Some(queue.works.drain(..count).collect())
    }

    fn commit(&self, batch: Vec<Work>) -> Vec<Answer> {
        let fault = {
            let mut queue = self.queue();
            queue.batches += 1;
            queue.fault.filter(|(at, _)| *at <= queue.batches).map(|(_, fault)| fault)
        };
        if let Some(fault) = fault {
            if fault == DiskFault::After {
                drop(self.apply(batch));
            }
            self.fence("the commit failed (simulated)");
            return Vec::new();
        }
        self.apply(batch)
    }

    fn apply(&self, batch: Vec<Work>) -> Vec<Answer> {
        let mut disk = self.disk();
        let checks = Checks {
            epochs: self.honesty != Honesty::IgnoresEpochs,
            approvals: self.honesty != Honesty::ReusesApprovals,
        };
        let one = |work| match work {
            Work::Item(item, reply) if self.loses(&item) => {
                Answer::Item(reply, Ok(Receipt { index: u64::MAX }))
            }
            Work::Item(item, reply) => {
                Answer::Item(reply, disk.item(*item, checks).map(|index| Receipt { index }))
            }
            Work::Control(change, entries, reply) => Answer::Control(reply, Ok(disk.change(change, entries))),
        };
        batch.into_iter().map(one).collect()
    }

    fn loses(&self, item: &Item) -> bool {
        self.honesty == Honesty::LosesOutcomes && item.entry.kind() == "outcome"
    }

    /// Nothing more is written; who waits learns why.
    fn fence(&self, why: &str) {
        let mut queue = self.queue();
        queue.fenced = Some(why.to_owned());
        queue.works.clear();
    }

    fn push(&self, work: Work) -> Result<(), Fault> {
        let mut queue = self.queue();
        if let Some(why) = &queue.fenced {
            return Err(Fault::new(format_args!("the record cannot be written: {why}")));
        }
        let outcome = matches!(&work, Work::Item(item, _) if item.entry.kind() == "outcome");
        if !outcome && queue.room.is_some_and(|room| queue.works.len() >= room) {
            return Err(Fault::new("too many entries wait for the disk (simulated)"));
        }
        queue.works.push_back(work);
        drop(queue);
        self.wake.notify_one();
        Ok(())
    }

    fn why(&self) -> String {
        self.queue().fenced.clone().unwrap_or_else(|| "the writer is gone".to_owned())
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(answer: Answer) {
    match answer {
        Answer::Item(reply, result) => drop(reply.send(result)),
        Answer::Control(reply, result) => drop(reply.send(result)),
    }
}

/// The part of the store that the path of a call sees.
pub struct SimRecord(pub Arc<SimStore>);

impl Record for SimRecord {
    fn stage(&self, item: Item) -> Result<Pending, Fault> {
        let (reply, answer) = oneshot::channel();
        self.0.push(Work::Item(Box::new(item), reply))?;
        if self.0.honesty == Honesty::AcknowledgesEarly {
            return Ok(Box::pin(std::future::ready(Ok(Receipt { index: u64::MAX }))));
        }
        let store = Arc::clone(&self.0);
        Ok(Box::pin(async move {
            match answer.await {
                Ok(result) => result,
                Err(_) => Err(CommitFault::Fenced(store.why())),
            }
        }))
    }

    fn healthy(&self) -> bool {
        self.0.queue().fenced.is_none()
    }
}

impl Control for SimStore {
    fn load(&self) -> BoxFuture<'_, Result<ControlState, Fault>> {
        let state = self.disk().control.clone();
        Box::pin(std::future::ready(Ok(state)))
    }

    fn apply(&self, change: ControlChange, entries: Vec<Entry>) -> BoxFuture<'_, Result<Epoch, Fault>> {
        let (reply, answer) = oneshot::channel();
        let pushed = self.push(Work::Control(change, entries, reply));
        Box::pin(async move {
            pushed?;
            answer.await.unwrap_or_else(|_| Err(Fault::new(self.why())))
        })
    }
}

impl Records for SimStore {
    fn read(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<StoredEntry>, Fault>> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let disk = self.disk();
        let all = disk.entries.iter().zip(0u64..).skip(from).take(limit);
        let out = all.map(|(kept, index)| StoredEntry { index, leaf: kept.leaf.clone() }).collect();
        Box::pin(std::future::ready(Ok(out)))
    }

    fn size(&self) -> BoxFuture<'_, Result<u64, Fault>> {
        let size = self.disk().entries.len() as u64;
        Box::pin(std::future::ready(Ok(size)))
    }

    fn of_call(&self, call: CallId) -> BoxFuture<'_, Result<Vec<StoredEntry>, Fault>> {
        let disk = self.disk();
        let all = disk.entries.iter().zip(0u64..).filter(|(kept, _)| kept.entry.call() == Some(call));
        let out = all.map(|(kept, index)| StoredEntry { index, leaf: kept.leaf.clone() }).collect();
        Box::pin(std::future::ready(Ok(out)))
    }
}
