//! State 3, bound: the call belongs to an open task of its principal. Must never bind without a task.

use model::task::Task;

use crate::identified::Identified;

/// A call bound to a task. Capabilities will narrow it here.
pub struct Bound {
    pub(crate) identified: Identified,
    pub(crate) task: Task,
}
