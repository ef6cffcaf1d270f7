//! State 6, approved: evidence for a *new* decision. Must never resume a call: with evidence it is decided again.

use model::call::CallDigest;
use model::denial::{Denial, Reason};
use model::time::Micros;
use policy::{ApprovalEvidence, Park};

use crate::decided::{Decided, Denied};
use crate::resolved::Resolved;

/// A call that policy would permit with an approval. Nothing was sent.
pub struct Parked {
    pub(crate) resolved: Resolved,
    pub(crate) request: Park,
}

impl Parked {
    pub(crate) const fn new(resolved: Resolved, request: Park) -> Self {
        Self { resolved, request }
    }

    /// What an approval must be bound to.
    #[must_use]
    pub const fn call(&self) -> CallDigest {
        self.resolved.digest
    }

    /// → decided again, with the evidence there is for exactly this call.
    #[must_use]
    pub fn decide_again(self, evidence: &ApprovalEvidence, now: Micros) -> Decided {
        self.resolved.decide(evidence, now)
    }

    /// → denied, since nobody could say whether there is evidence.
    #[must_use]
    pub(crate) fn cannot_tell(self, why: String) -> Denied {
        let denial = Denial::indeterminate(why).with_policies(self.request.policies);
        Denied { resolved: self.resolved, denial }
    }

    /// → denied, since there is no evidence and nobody to ask yet.
    #[must_use]
    pub fn nobody_to_ask(self) -> Denied {
        let whom: Vec<&str> = self.request.approvers.iter().map(|group| group.as_str()).collect();
        let whom = whom.join(", ");
        let denial = Denial::new(
            Reason::ApprovalRequired,
            "policy permits this call only with a person's approval, and approvals cannot be asked for yet",
        )
        .with_private(format!("would be permitted with an approval by: {whom}"))
        .with_policies(self.request.policies);
        Denied { resolved: self.resolved, denial }
    }
}
