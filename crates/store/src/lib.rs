//! The store: SQLite behind `ports::record`, `ports::approvals` and `ports::control`. Ring 2.
//!
//! Must never acknowledge what a power cut could take back, never write again after a commit failed, and
//! never let two processes write one data directory. Invariants: one thread writes; an entry, the task
//! sequence, the control state and the epoch it was checked against are one transaction; indices and each
//! task's sequence have no gaps.

mod approvals;
mod batch;
mod connection;
mod control;
mod directory;
mod facts;
mod fault;
pub mod health;
mod intents;
mod local_time;
mod migrate;
mod queue;
mod reader;
mod recover;
mod salts;
mod sql;
mod store;
mod tasks;
mod writer;

pub use facts::Facts;
pub use fault::OpenFault;
pub use local_time::local_time;
pub use reader::Reading;
pub use store::{OpenOptions, Store};
