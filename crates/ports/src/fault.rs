//! What goes wrong in an adapter. Must never reach a caller: the path turns every fault into a denial.

/// We could not tell, or could not do. Always a deny where it meets a call.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

impl Fault {
    /// From anything that can be shown to an operator.
    pub fn new(what: impl std::fmt::Display) -> Self {
        Self(what.to_string())
    }
}
