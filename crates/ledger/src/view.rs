//! Reading leaves back: what `log tail` and `explain` show. Must never guess a field a leaf does not have.

use model::ids::CallId;
use model::json::{Json, JsonFault};
use model::limits::JsonLimits;

/// One stored entry, as the store hands it out.
#[derive(Clone, Debug)]
pub struct StoredEntry {
    /// Its index in this node's log, from 0.
    pub index: u64,
    /// The canonical leaf.
    pub leaf: String,
}

impl StoredEntry {
    /// The leaf as a tree.
    ///
    /// # Errors
    /// [`JsonFault`] when the stored text is damaged.
    pub fn tree(&self) -> Result<Json, JsonFault> {
        Json::parse(self.leaf.as_bytes(), &JsonLimits::REQUEST)
    }

    /// The call it belongs to.
    #[must_use]
    pub fn call(&self) -> Option<CallId> {
        self.tree().ok()?.get("call")?.as_str().and_then(CallId::parse)
    }
}
