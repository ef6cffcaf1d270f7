//! Tool definitions and what a registry may do with them: read, digest, judge, certify, name. Ring 0, PAP side.
//!
//! Must never lower a risk class by itself, never leave a changed tool certified, never fetch anything.
//! Invariant: a certified [`ToolRecord`] carries a [`Certification`] of exactly its own digest.

pub mod catalog;
pub mod certify;
pub mod definition;
pub mod flags;
pub mod header;
pub mod listing;
pub mod names;
pub mod observe;
pub mod operation;
pub mod record;
pub mod risk;
pub mod schema;
pub mod stored;
pub mod visible;

#[cfg(test)]
mod testing;

pub use catalog::Catalog;
pub use certify::{CertifyRefusal, CertifyRequest, Consent, WhyNot};
pub use definition::{Definition, DefinitionFault, Hints};
pub use flags::{Flag, FlagCode, KnownNames};
pub use header::{HeaderParameter, HeaderParameters};
pub use listing::{Listing, RefusedDefinition};
pub use names::Names;
pub use observe::{Change, ChangeKind, Observation};
pub use record::{Certification, ToolRecord};
pub use risk::RiskProposal;
pub use schema::{ArgumentFault, ArgumentSchema, SchemaFault};
