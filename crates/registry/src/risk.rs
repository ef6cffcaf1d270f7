//! What a tool could do at worst, guessed from its definition. Must never propose `read` unless the server says so.

use model::tool::Risk;

use crate::definition::Definition;

/// A proposal for a person to confirm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RiskProposal {
    /// The highest risk any argument could reach, as far as the definition tells.
    pub risk: Risk,
    /// Why, one line each, in words for a person.
    pub because: Vec<String>,
    /// The annotations say less than name or arguments do.
    pub contradicted: bool,
    /// Its results look like secrets.
    pub returns_secrets: bool,
}

/// Proposes.
#[must_use]
pub fn propose(_definition: &Definition) -> RiskProposal {
    RiskProposal { risk: Risk::Privileged, because: Vec::new(), contradicted: false, returns_secrets: false }
}
