//! The writer's queue. Must never accept what nobody will write: once it has ended, every push is refused.
//!
//! Order of pushes is order of taking. One lock is taken once for each push and once for each batch; the writer is
//! only woken when it sleeps, by whoever pushed or, after [`Queue::leave`], by whoever waits for what was pushed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use ledger::{Body, Entry};
use model::ids::Epoch;
use model::time::Micros;
use ports::control::ControlChange;
use ports::fault::Fault;
use ports::record::{CommitFault, Item, Receipt};
use tokio::sync::oneshot;

/// Where the answer to one item goes.
pub(crate) type ItemReply = oneshot::Sender<Result<Receipt, CommitFault>>;
/// Where the answer to one control change goes.
pub(crate) type ControlReply = oneshot::Sender<Result<Epoch, Fault>>;

/// A change of the control state, and the entries that tell of it.
pub(crate) struct Change {
    pub(crate) change: ControlChange,
    pub(crate) entries: Vec<Entry>,
}

/// One piece of work for the writer.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are items; a box for each costs more than the room"
)]
pub(crate) enum Work {
    /// An entry.
    Item(Item, ItemReply),
    /// A change of the control state.
    Control(Box<Change>, ControlReply),
    /// Deletes what need not be kept any more.
    Sweep(Micros, oneshot::Sender<()>),
    /// The last work there is: the `stopped` entry and a checkpoint.
    Close(Micros, oneshot::Sender<()>),
}

impl Work {
    /// Outcomes are taken even when the queue is full: there are no more of them than open calls, and each has an
    /// intent that would be left without its end.
    const fn is_outcome(&self) -> bool {
        matches!(self, Self::Item(Item { entry: Entry { body: Body::Outcome(_), .. }, .. }, _))
    }
}

/// Most works one transaction holds.
pub(crate) const BATCH_MAX: usize = 256;
/// Most works that wait.
const WAITING_MAX: usize = 8192;
/// What an empty queue keeps allocated after a rush.
const KEPT: usize = 1024;

struct Inner {
    works: VecDeque<Work>,
    sleeping: bool,
    /// Why no work is accepted any more.
    ended: Option<String>,
}

/// See the module.
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    wake: Condvar,
    healthy: AtomicBool,
}

impl Queue {
    pub(crate) fn new() -> Self {
        let inner = Inner { works: VecDeque::with_capacity(64), sleeping: false, ended: None };
        Self { inner: Mutex::new(inner), wake: Condvar::new(), healthy: AtomicBool::new(true) }
    }

    /// True while work is accepted.
    pub(crate) fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
    }

    /// Queues one work and sees to it that the writer takes it.
    pub(crate) fn push(&self, work: Work) -> Result<(), Fault> {
        self.leave(work)?;
        self.rouse();
        Ok(())
    }

    /// Queues one work without waking the writer: the caller has to take it or to [`Self::rouse`]. After a
    /// [`Work::Close`] nothing is accepted.
    pub(crate) fn leave(&self, work: Work) -> Result<(), Fault> {
        let mut inner = self.lock();
        if let Some(why) = &inner.ended {
            return Err(Fault::new(format_args!("the record cannot be written: {why}")));
        }
        if matches!(work, Work::Close(..)) {
            inner.ended = Some("the store is closed".to_owned());
            self.healthy.store(false, Ordering::Release);
        } else if inner.works.len() >= WAITING_MAX && !work.is_outcome() {
            return Err(Fault::new(format_args!("{WAITING_MAX} entries wait for the disk; try again")));
        }
        inner.works.push_back(work);
        Ok(())
    }

    /// Wakes the writer if it sleeps while something waits.
    pub(crate) fn rouse(&self) {
        let mut inner = self.lock();
        let wake = !inner.works.is_empty() && std::mem::take(&mut inner.sleeping);
        drop(inner);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Waits until something waits. False when nothing will.
    pub(crate) fn wait(&self) -> bool {
        let mut inner = self.lock();
        while inner.works.is_empty() {
            if inner.ended.is_some() {
                return false;
            }
            inner.sleeping = true;
            inner = self.wake.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        inner.sleeping = false;
        true
    }

    /// True when one work waits and the writer sleeps.
    pub(crate) fn is_quiet(&self) -> bool {
        let inner = self.lock();
        inner.sleeping && inner.works.len() == 1
    }

    /// Moves at most [`BATCH_MAX`] works to `batch`. Whoever takes holds the log, so that order stays.
    pub(crate) fn take(&self, batch: &mut Vec<Work>) {
        let mut inner = self.lock();
        let count = inner.works.len().min(BATCH_MAX);
        batch.extend(inner.works.drain(..count));
        if inner.works.is_empty() && inner.works.capacity() > KEPT {
            inner.works.shrink_to(KEPT);
        }
    }

    /// Nothing more is accepted and nothing that waits is written: its replies are dropped.
    pub(crate) fn fence(&self, why: &str) {
        self.lock().ended = Some(why.to_owned());
        self.abandon(why);
        self.wake.notify_one();
    }

    /// As [`Self::fence`], but an earlier reason stays.
    pub(crate) fn abandon(&self, why: &str) {
        self.healthy.store(false, Ordering::Release);
        let waiting = {
            let mut inner = self.lock();
            inner.ended.get_or_insert_with(|| why.to_owned());
            std::mem::take(&mut inner.works)
        };
        // Outside the lock: who waits for these asks for the reason.
        drop(waiting);
    }

    /// Nothing more is accepted; what waits is still written.
    pub(crate) fn end(&self) {
        self.lock().ended.get_or_insert_with(|| "the store is closed".to_owned());
        self.healthy.store(false, Ordering::Release);
        self.wake.notify_one();
    }

    /// Why a reply was dropped.
    pub(crate) fn why(&self) -> String {
        self.lock().ended.clone().unwrap_or_else(|| "the writer is gone".to_owned())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use ledger::{LifecycleBody, Outcome, OutcomeBody};
    use model::denial::Reason;
    use model::ids::{CallId, TaskId};
    use ports::record::Expect;

    use super::*;

    fn work(body: Body) -> Work {
        let entry = Entry { at: Micros(0), epoch: Epoch(0), body };
        let item = Item { entry, salts: Vec::new(), expects: Expect::Nothing, listed: None, approval: None };
        Work::Item(item, oneshot::channel().0)
    }

    fn outcome() -> Work {
        work(Body::Outcome(OutcomeBody {
            call: CallId::from_bytes([1; 16]),
            task: TaskId::parse("agent:ada").unwrap(),
            outcome: Outcome::Unknown(Reason::Cancelled),
            why: String::new(),
            result: None,
            result_bytes: 0,
            upstream_micros: 0,
        }))
    }

    fn other() -> Work {
        work(Body::Lifecycle(LifecycleBody { what: "noise", detail: String::new() }))
    }

    #[test]
    fn a_full_queue_takes_the_end_of_what_has_begun_and_nothing_else() {
        let queue = Queue::new();
        for _ in 0..WAITING_MAX {
            queue.leave(other()).unwrap();
        }
        assert!(queue.leave(other()).unwrap_err().to_string().contains("wait for the disk"));
        queue.leave(outcome()).unwrap();
        queue.fence("the disk is gone");
        assert!(!queue.healthy());
        for work in [outcome(), other()] {
            assert!(queue.leave(work).unwrap_err().to_string().contains("the disk is gone"));
        }
    }
}
