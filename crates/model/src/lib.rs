//! The nouns of Callgate: principal, task, tool, call, label, risk, typed ids, limits. Ring 0.
//!
//! Never does I/O, never reads a clock, never draws randomness: time and ids arrive as values.
//! Invariant: a value of a type in this crate is already within its limits; every constructor checks.

pub mod agent_key;
pub mod approval;
pub mod bytes_eq;
pub mod call;
pub mod client;
pub mod denial;
pub mod digest;
pub mod ids;
pub mod json;
pub mod limits;
pub mod method;
pub mod principal;
pub mod secret;
pub mod task;
pub mod time;
pub mod tool;
