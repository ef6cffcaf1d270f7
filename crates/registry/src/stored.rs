//! How a record is kept by a store: one JSON text. Must never read back anything it did not write.

use crate::record::ToolRecord;

/// Why a kept record cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the kept record cannot be read: {0}")]
pub struct StoredFault(pub String);

/// Writes a record as one JSON text.
#[must_use]
pub fn encode(_record: &ToolRecord) -> String {
    String::new()
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// [`StoredFault`]: the store is damaged or of a later version.
pub fn decode(_text: &str) -> Result<ToolRecord, StoredFault> {
    Err(StoredFault("not written yet".to_owned()))
}
