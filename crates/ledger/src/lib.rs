//! What the record says: entries, and the canonical leaf each becomes. Ring 0.
//!
//! Must never hold a clear argument, result, credential or key: those enter a leaf as salted commitments only.
//! Invariant: a leaf is canonical JSON of at most [`LEAF_BYTES_MAX`] bytes, so it fits a tlog entry bundle
//! (C2SP tlog-tiles: 16-bit length), and its hash is the RFC 6962 §2.1 leaf hash.

pub mod entry;
mod leaf;
pub mod view;

pub use entry::{
    ApprovalBody, Body, ControlBody, DecisionBody, Entry, LifecycleBody, ListBody, Outcome, OutcomeBody,
    RefusalBody, TaskPlace, Verdict,
};
pub use leaf::{LEAF_BYTES_MAX, leaf_hash};
