//! One sequencer per task: owns the task's state, changes not yet durable included (ADR 0003).
//!
//! Must never hold its lock across a wait: deciding happens outside, staging is a queue push.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::denial::{Denial, Reason};
use model::ids::TaskId;
use model::task::Task;
use ports::record::{Item, Pending, Record};

/// How often a task's facts changed. What a decision read, it names; staging compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Revision(u64);

struct TaskState {
    revision: u64,
    open_calls: usize,
    ended: bool,
}

/// The state of one task on this node.
pub struct Sequencer {
    task: Task,
    open_calls_max: usize,
    state: Mutex<TaskState>,
}

/// Why a call could not be staged.
#[derive(Debug)]
pub enum StageRefusal {
    /// A fact that the decision read has changed: decide again.
    Changed,
    /// The task does not take this call.
    Denied(Denial),
}

impl Sequencer {
    fn new(task: Task, open_calls_max: usize) -> Self {
        let state = Mutex::new(TaskState { revision: 0, open_calls: 0, ended: false });
        Self { task, open_calls_max, state }
    }

    /// The task.
    #[must_use]
    pub const fn task(&self) -> &Task {
        &self.task
    }

    /// The revision of the facts a decision is about to read.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision(self.lock().revision)
    }

    /// Reserves budget and stages the intent in one step, if the facts the decision read still hold.
    ///
    /// # Errors
    /// [`StageRefusal::Changed`] to decide again; [`StageRefusal::Denied`] when the task ended, is at its bound
    /// of open calls, or the record takes nothing.
    pub fn stage(
        self: &Arc<Self>,
        read: Revision,
        record: &dyn Record,
        item: Item,
    ) -> Result<(Reservation, Pending), StageRefusal> {
        let mut state = self.lock();
        if state.ended {
            let denial = Denial::new(Reason::TaskEnded, "this task has ended; start a new one");
            return Err(StageRefusal::Denied(denial));
        }
        if state.revision != read.0 {
            return Err(StageRefusal::Changed);
        }
        if state.open_calls >= self.open_calls_max {
            let text = format!("this task already has {} calls open; wait for one to end", state.open_calls);
            return Err(StageRefusal::Denied(Denial::new(Reason::LimitExceeded, text)));
        }
        let pending = record
            .stage(item)
            .map_err(|fault| StageRefusal::Denied(Denial::indeterminate(fault.to_string())))?;
        state.open_calls += 1;
        drop(state);
        Ok((Reservation { sequencer: Arc::clone(self) }, pending))
    }

    /// Ends the task: nothing is staged for it any more.
    pub fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.revision += 1;
    }

    fn lock(&self) -> MutexGuard<'_, TaskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One open call's share of its task's budget; given back when dropped.
pub struct Reservation {
    sequencer: Arc<Sequencer>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = self.sequencer.lock();
        state.open_calls = state.open_calls.saturating_sub(1);
    }
}

/// The sequencers of the tasks that this node has seen. As many as there are agents with a task.
#[derive(Default)]
pub struct Sequencers(Mutex<HashMap<TaskId, Arc<Sequencer>>>);

impl Sequencers {
    /// The sequencer of a task, made at its first call.
    #[must_use]
    pub fn of(&self, task: &Task, open_calls_max: usize) -> Arc<Sequencer> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sequencer) = all.get(&task.id) {
            return Arc::clone(sequencer);
        }
        let sequencer = Arc::new(Sequencer::new(task.clone(), open_calls_max));
        all.insert(task.id.clone(), Arc::clone(&sequencer));
        sequencer
    }
}

#[cfg(test)]
mod tests;
