//! The PDP: Cedar schema from certified tools, policy sets checked and indexed, one decision per call. Ring 0.
//!
//! Sole owner of `cedar-policy`: no type of it appears in the public API. Does no I/O, reads no clock, draws no
//! randomness. The one exception to "no threads": text is parsed on a thread with a large stack, because a
//! parser that runs out of stack would end the process.
//!
//! Invariant: whatever cannot be told is a deny. No function here answers permit unless a permit policy was
//! satisfied, no forbid was, and no policy in sight had an error.

mod approval;
mod arguments;
mod check;
mod compile;
mod decision;
mod evaluate;
mod facts;
mod index;
mod instant;
mod lean;
mod listing;
mod literals;
mod names;
mod number;
mod prepared;
mod problem;
mod reads;
mod scan;
mod schema;
mod shape;
mod snapshot;
mod source;

#[cfg(test)]
mod tests;

pub use decision::{ApprovalEvidence, Decision, DecisionRequest, DenyKind, Park, PolicyDenial, PolicyPermit};
pub use facts::{PolicySource, ServerFacts, ToolFacts};
pub use names::action_of;
pub use problem::{PolicyProblem, ProblemKind};
pub use snapshot::PolicySnapshot;
