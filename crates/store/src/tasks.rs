//! Where each task's entries stand. Must never give a number twice: the table and the entries above the watermark are
//! the truth, memory a copy that is whole for every task that moved since.

use std::collections::HashMap;

use model::ids::TaskId;
use rusqlite::{Connection, OptionalExtension};

use crate::sql::{Hot, int, kept, uint};

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
    /// A task whose entries above the watermark end with this number: what recovery finds.
    pub(crate) fn moved(&mut self, task: TaskId, seq: u64) {
        self.moved.push(task.clone());
        self.last.insert(task, Last { seq, moved: true });
    }

    /// The next number of a task, reading its last when it is not in memory.
    pub(crate) fn next(
        &mut self,
        task: &TaskId,
        connection: &Connection,
        hot: &Hot,
    ) -> rusqlite::Result<u64> {
        let last = match self.last.get_mut(task) {
            Some(last) => last,
            None => {
                let mut get = kept(connection, &hot.task_get)?;
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

    /// Writes each task that moved since the last time, once. Goes with the watermark.
    pub(crate) fn flush(&mut self, connection: &Connection, hot: &Hot) -> rusqlite::Result<()> {
        let mut put = kept(connection, &hot.task_put)?;
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
