//! State 5, decided: permit, deny or park. [`Permit`] is made here and nowhere else in the product.

use model::approval::ApprovalKey;
use model::call::CallDigest;
use model::denial::{Denial, Reason};
use model::ids::PolicyId;
use model::json::Json;
use model::principal::Principal;
use model::task::Task;
use model::time::Micros;
use model::tool::PinnedTool;
use policy::{ApprovalEvidence, Decision, DecisionRequest, DenyKind, PolicyDenial, PolicySnapshot};

use crate::approved::{Evidence, Parked};
use crate::resolved::Resolved;

/// Unforgeable proof that policy allowed exactly this call: this tool definition, these arguments.
#[derive(Debug)]
pub struct Permit {
    call: CallDigest,
    policies: Vec<PolicyId>,
}

impl Permit {
    /// The call it is for.
    #[must_use]
    pub const fn call(&self) -> CallDigest {
        self.call
    }

    /// The policies that allowed it.
    #[must_use]
    pub fn policies(&self) -> &[PolicyId] {
        &self.policies
    }
}

/// A call with its permit.
pub struct Permitted {
    pub(crate) resolved: Resolved,
    permit: Permit,
    evidence: Option<Evidence>,
}

impl Permitted {
    /// The proof.
    #[must_use]
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The evidence it was decided with: used up by its intent.
    #[must_use]
    pub const fn evidence(&self) -> Option<&Evidence> {
        self.evidence.as_ref()
    }

    /// What to ask later, should it go on.
    pub(crate) fn standing(&self) -> Standing {
        let approval = known(self.evidence.as_ref());
        let (task, tool) = (self.resolved.task().clone(), self.resolved.tool().clone());
        Standing { task, tool, arguments: self.resolved.call().arguments.clone(), approval }
    }

    /// Whether these policies permit it too: they may have been replaced since its intent was committed.
    #[must_use]
    pub fn stands_under(&self, policy: &PolicySnapshot, now: Micros) -> bool {
        let decided_under = self.resolved.snapshot().policy.digest();
        let approval = known(self.evidence.as_ref());
        let again = || policy.decide(&self.resolved.question(&approval, now));
        policy.digest() == decided_under || matches!(again(), Decision::Permit(_))
    }
}

/// What is asked of policy again about what goes on after its call. Proves nothing.
pub(crate) struct Standing {
    task: Task,
    tool: PinnedTool,
    arguments: Json,
    approval: ApprovalEvidence,
}

impl Standing {
    /// Whether these policies permit it to this principal now.
    pub(crate) fn holds(&self, policy: &PolicySnapshot, principal: &Principal, now: Micros) -> bool {
        let Self { task, tool, arguments, approval } = self;
        let question = DecisionRequest { principal, task, tool, arguments, approval, now };
        matches!(policy.decide(&question), Decision::Permit(_))
    }
}

/// A call that policy refused.
pub struct Denied {
    pub(crate) resolved: Resolved,
    pub(crate) denial: Denial,
}

/// What policy said.
pub enum Decided {
    /// It may go on.
    Permit(Box<Permitted>),
    /// It may not.
    Deny(Box<Denied>),
    /// It may, if a person approves.
    Park(Box<Parked>),
}

impl Resolved {
    /// → decided, under the snapshot the call carries. Any doubt of the PDP is a deny.
    #[must_use]
    pub fn decide(self, evidence: Option<&Evidence>, now: Micros) -> Decided {
        match self.snapshot().policy.decide(&self.question(&known(evidence), now)) {
            Decision::Permit(permit) => {
                let permit = Permit { call: self.digest, policies: permit.policies };
                Decided::Permit(Box::new(Permitted { resolved: self, permit, evidence: evidence.cloned() }))
            }
            Decision::Deny(refusal) => Decided::Deny(Box::new(deny(self, refusal))),
            Decision::Park(request) => Decided::Park(Box::new(Parked::new(self, request))),
        }
    }

    /// What an approval of this call is bound to.
    pub(crate) fn approval_key(&self) -> ApprovalKey {
        let (agent, task) = (self.principal().agent.clone(), self.task().id.clone());
        ApprovalKey { call: self.digest, agent, task }
    }

    /// Whether it would be permitted with this approval in place. Proves nothing: a permit is made by `decide`.
    pub(crate) fn permitted_with(&self, approval: &ApprovalEvidence, now: Micros) -> bool {
        let decision = self.snapshot().policy.decide(&self.question(approval, now));
        matches!(decision, Decision::Permit(_))
    }

    fn question<'a>(&'a self, approval: &'a ApprovalEvidence, now: Micros) -> DecisionRequest<'a> {
        DecisionRequest {
            principal: self.principal(),
            task: self.task(),
            tool: &self.tool,
            arguments: &self.bound.call().arguments,
            approval,
            now,
        }
    }
}

/// What policy is told of approvals.
fn known(evidence: Option<&Evidence>) -> ApprovalEvidence {
    evidence.map_or_else(ApprovalEvidence::none, |evidence| evidence.approval().clone())
}

fn deny(resolved: Resolved, refusal: PolicyDenial) -> Denied {
    let denial = if refusal.kind == DenyKind::Error {
        Denial::indeterminate(refusal.explanation)
    } else {
        let text = match refusal.reasons.as_slice() {
            [] => "policy does not permit this call with these arguments".to_owned(),
            reasons => format!("policy does not permit this call: {}", reasons.join("; ")),
        };
        Denial::new(Reason::PolicyDenied, text).with_private(refusal.explanation)
    };
    Denied { resolved, denial: denial.with_policies(refusal.policies) }
}

#[cfg(test)]
mod tests;
