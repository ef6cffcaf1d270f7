//! The configuration: file text in, domain types out, every problem at once. Ring 2.
//!
//! Must never read a file, an environment variable or a clock itself: secrets come through [`Resolve`], which the
//! composition root implements. Must never show a secret, not even one written in the wrong place.
//! Invariant: a [`Config`] that exists is complete and within its limits; there is no "unset" left in it.

mod check;
mod domain;
mod keys;
mod problem;
mod read;
mod reference;
mod resolve;
mod suggest;
mod value;

pub use domain::{
    Auth, Config, Era, Http, Limits, Listen, Log, LogFormat, LogLevel, Notify, Policy, Server, Stdio, Store,
    Transport,
};
pub use problem::ConfigProblem;
pub use reference::{json_schema, markdown};
pub use resolve::{Resolve, ResolveFault};
