//! Who writes: a thread, or in quiet times whoever waits. Must never write again after a commit failed: what is on disk
//! is then unknown.
//!
//! Group commit without a timer: what waits is taken (up to 256 works), written in one transaction and answered after
//! its commit; while one batch is synced the next one gathers. A failed commit fences the store for the rest of the
//! process; opening it again reads what is really there. A call that is alone commits in place (ADR 0020): handing it
//! to the thread and back costs as much as the disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::batch::{Answer, Log};
use crate::queue::{BATCH_MAX, Queue, Work};

/// A disk that took longer than this for its last commit is left to the thread.
const QUICK: Duration = Duration::from_millis(1);

/// The queue and the log behind it.
pub(crate) struct Desk {
    pub(crate) queue: Queue,
    /// Empty once writing failed.
    log: Mutex<Option<Log>>,
    /// The last commit was of one work and quick, and no checkpoint is due.
    calm: AtomicBool,
}

/// Abandons the queue however the thread ends, so that nobody waits for it, and closes the log once nobody writes in
/// place any more: what comes after may let go of the directory.
struct AbandonAtEnd(Arc<Desk>);

impl Drop for AbandonAtEnd {
    fn drop(&mut self) {
        self.0.queue.abandon("the writer ended");
        drop(self.0.log.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Fences when a write ends by a panic: memory is ahead of the disk then.
struct FenceOnPanic<'a>(&'a Queue);

impl Drop for FenceOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fence("a panic while an entry was written");
        }
    }
}

/// Writes until the queue ends.
pub(crate) fn run(desk: &Arc<Desk>) {
    let _end = AbandonAtEnd(Arc::clone(desk));
    let (mut batch, mut answers) = (Vec::with_capacity(BATCH_MAX), Vec::with_capacity(BATCH_MAX));
    while desk.queue.wait() {
        let mut place = desk.log.lock().unwrap_or_else(PoisonError::into_inner);
        desk.turn(&mut place, &mut batch, &mut answers);
        match place.as_mut() {
            None => return,
            Some(log) if log.is_long() => log.checkpoint(false),
            Some(_) => {}
        }
    }
}

impl Desk {
    pub(crate) fn new(log: Log) -> Self {
        Self { queue: Queue::new(), log: Mutex::new(Some(log)), calm: AtomicBool::new(true) }
    }

    /// Sees to it that what was left in the queue is written: here and now when nothing else is going on and the disk
    /// was quick, else by the thread.
    pub(crate) fn write_or_rouse(&self) {
        if self.calm.load(Ordering::Acquire)
            && self.queue.is_quiet()
            && let Ok(mut place) = self.log.try_lock()
        {
            self.turn(&mut place, &mut Vec::with_capacity(1), &mut Vec::with_capacity(1));
        }
        self.queue.rouse();
    }

    /// One batch. The place is left empty when writing fails, by an error or a panic: the log goes with its connection.
    fn turn(&self, place: &mut Option<Log>, batch: &mut Vec<Work>, answers: &mut Vec<Answer>) {
        let Some(mut log) = place.take() else { return };
        let _fence = FenceOnPanic(&self.queue);
        self.queue.take(batch);
        let (works, began) = (batch.len(), Instant::now());
        if works > 0
            && let Err(problem) = log.write(batch, answers)
        {
            tracing::error!(%problem, "the record cannot be written; this node takes no more calls");
            // First the reason, then the replies: who waits finds why.
            self.queue.fence(&problem.to_string());
            batch.clear();
            return answers.clear();
        }
        self.calm.store(works <= 1 && began.elapsed() < QUICK && !log.is_long(), Ordering::Release);
        for answer in answers.drain(..) {
            tell(answer, &mut log);
        }
        *place = Some(log);
    }
}

/// A receiver that is gone does not matter: the entry is durable all the same.
fn tell(answer: Answer, log: &mut Log) {
    match answer {
        Answer::Item(reply, result) => drop(reply.send(result)),
        Answer::Control(reply, result) => drop(reply.send(result)),
        Answer::Swept(reply) => {
            log.erase();
            reply.send(()).unwrap_or_default();
        }
        Answer::Closed(reply) => {
            log.checkpoint(true);
            reply.send(()).unwrap_or_default();
        }
    }
}
