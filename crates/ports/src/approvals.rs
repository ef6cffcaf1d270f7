//! Evidence of approvals. Must never consume an approval for another call than the digest says.

use model::call::CallDigest;
use policy::ApprovalEvidence;

use crate::BoxFuture;
use crate::fault::Fault;

/// Where approvals are kept.
pub trait Approvals: Send + Sync {
    /// The evidence that exists for exactly this call. No evidence is an answer, not a fault.
    fn evidence<'a>(&'a self, call: &'a CallDigest) -> BoxFuture<'a, Result<ApprovalEvidence, Fault>>;
}
