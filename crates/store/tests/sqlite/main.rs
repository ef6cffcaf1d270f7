//! The embedded store on real files: the conformance suite, and what only SQLite has.
//!
//! Must never replace a part that can run here: processes are killed, disks fill up, files are copied.

#[cfg(test)]
mod approvals;
#[cfg(test)]
#[path = "../conformance/mod.rs"]
mod conformance;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod support;
