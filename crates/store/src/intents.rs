//! Intents that have no outcome yet. Must never lose one: what the watermark does not hold is read again.

use std::collections::HashMap;

use ledger::{Body, Entry};
use model::ids::CallId;

/// Open intents by call, with the index of each.
#[derive(Default)]
pub(crate) struct OpenIntents(HashMap<CallId, u64>);

impl OpenIntents {
    /// Takes note of an entry that was given `index`.
    pub(crate) fn note(&mut self, entry: &Entry, index: u64) {
        match &entry.body {
            Body::Outcome(body) => self.close(body.call),
            Body::Decision(body) if entry.is_intent() => self.open(body.call, index),
            _ => {}
        }
    }

    /// An intent was read.
    pub(crate) fn open(&mut self, call: CallId, index: u64) {
        self.0.insert(call, index);
    }

    /// An outcome was read.
    pub(crate) fn close(&mut self, call: CallId) {
        self.0.remove(&call);
    }

    /// The indices, oldest first.
    pub(crate) fn indices(&self) -> Vec<u64> {
        let mut indices: Vec<u64> = self.0.values().copied().collect();
        indices.sort_unstable();
        indices
    }

    /// The indices as the watermark keeps them: 8 bytes each, big-endian.
    pub(crate) fn to_blob(&self) -> Vec<u8> {
        self.indices().into_iter().flat_map(u64::to_be_bytes).collect()
    }
}

/// The indices in a watermark; `None` when it is damaged.
pub(crate) fn from_blob(blob: &[u8]) -> Option<Vec<u64>> {
    let (indices, rest) = blob.as_chunks::<8>();
    rest.is_empty().then(|| indices.iter().map(|index| u64::from_be_bytes(*index)).collect())
}
