//! Where each task's entries stand. Must never give a number twice: the table is the truth, memory a copy.

use std::collections::HashMap;

use model::ids::TaskId;
use rusqlite::{OptionalExtension, Statement};

use crate::sql::{int, uint};

/// Most tasks kept in memory; beyond it all are read again.
const KEPT: usize = 4096;

/// See the module.
#[derive(Default)]
pub(crate) struct Tasks {
    last: HashMap<TaskId, Last>,
    moved: Vec<TaskId>,
}

struct Last {
    seq: u64,
    moved: bool,
}

impl Tasks {
    /// The next number of a task, reading its last with `get` when it is not in memory.
    pub(crate) fn next(&mut self, task: &TaskId, get: &mut Statement<'_>) -> rusqlite::Result<u64> {
        let last = match self.last.get_mut(task) {
            Some(last) => last,
            None => {
                let seq = get.query_row((task.as_str(),), |row| row.get(0)).optional()?.map_or(0, uint);
                self.last.entry(task.clone()).or_insert(Last { seq, moved: false })
            }
        };
        last.seq += 1;
        if !std::mem::replace(&mut last.moved, true) {
            self.moved.push(task.clone());
        }
        Ok(last.seq)
    }

    /// Writes each task that moved since the last time, once.
    pub(crate) fn flush(&mut self, put: &mut Statement<'_>) -> rusqlite::Result<()> {
        for task in self.moved.drain(..) {
            if let Some(last) = self.last.get_mut(&task) {
                last.moved = false;
                put.execute((task.as_str(), int(last.seq)))?;
            }
        }
        if self.last.len() > KEPT {
            self.last.clear();
        }
        Ok(())
    }
}
