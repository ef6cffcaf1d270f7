//! Leaving early, recorded: every refusal becomes an entry. Must never let an answer leave before its entry.

use ledger::{Body, DecisionBody, Entry, RefusalBody, Verdict};
use model::call::Endpoint;
use model::denial::{Denial, Reason};
use model::digest::{Commitment, Salt};
use model::ids::{CallId, TaskId};
use model::principal::Principal;
use model::tool::PinnedTool;
use ports::record::{Expect, Item};

use crate::bound::Bound;
use crate::driver::Door;
use crate::received::Stamp;
use crate::resolved::Resolved;

/// A refusal on its way out, with the id it is recorded under.
#[derive(Debug)]
pub struct Refused {
    /// The call.
    pub call: CallId,
    /// What the caller is told.
    pub denial: Denial,
}

/// What a refusal before resolution is recorded with.
pub(crate) struct Early<'a> {
    pub(crate) stamp: Stamp,
    pub(crate) principal: &'a Principal,
    pub(crate) task: TaskId,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) method: &'a str,
    pub(crate) named: &'a str,
}

impl Door {
    /// Records a refusal of a request that named no tool this principal may know.
    pub(crate) async fn refuse_early(&self, early: Early<'_>, denial: Denial) -> Refused {
        let body = RefusalBody {
            call: early.stamp.id,
            task: early.task,
            agent: early.principal.agent.clone(),
            endpoint: early.endpoint.clone(),
            method: early.method.to_owned(),
            named: early.named.to_owned(),
            reason: denial.reason,
            why: denial.private.clone(),
        };
        self.record_refusal(early.stamp.id, Body::Refusal(body), Vec::new(), denial).await
    }

    /// Records a refusal of a resolved call.
    pub(crate) async fn refuse_resolved(&self, resolved: &Resolved, denial: Denial) -> Refused {
        self.refuse_decided(&resolved.bound, &resolved.tool, &resolved.canonical, denial).await
    }

    /// Records a refusal of a call whose tool is known to the principal.
    pub(crate) async fn refuse_decided(
        &self,
        bound: &Bound,
        tool: &PinnedTool,
        canonical: &str,
        denial: Denial,
    ) -> Refused {
        let Ok(salt) = self.salt() else {
            // Without a salt there can be no commitment to the arguments, but there can be an entry.
            let early = Early {
                stamp: *bound.stamp(),
                principal: bound.principal(),
                task: bound.task.id.clone(),
                endpoint: &bound.call().endpoint,
                method: "tools/call",
                named: &bound.call().name,
            };
            return self.refuse_early(early, denial).await;
        };
        let verdict = match denial.reason {
            Reason::ApprovalRequired => Verdict::Park,
            reason => Verdict::Deny(reason),
        };
        let facts =
            DecisionFacts { bound, tool, canonical, policies: &denial.policies, why: &denial.private };
        let body = self.decision(&facts, verdict, &salt);
        let salts = vec![("arguments", salt)];
        self.record_refusal(bound.stamp().id, Body::Decision(body), salts, denial).await
    }

    pub(crate) fn decision(&self, facts: &DecisionFacts<'_>, verdict: Verdict, salt: &Salt) -> DecisionBody {
        let principal = facts.bound.principal();
        let stamp = facts.bound.stamp();
        DecisionBody {
            call: stamp.id,
            task: facts.bound.task.id.clone(),
            agent: principal.agent.clone(),
            attestation: principal.attestation.as_str(),
            endpoint: facts.bound.call().endpoint.clone(),
            tool: facts.tool.clone(),
            verdict,
            policies: facts.policies.to_vec(),
            policy_set: facts.bound.identified.caller.snapshot.policy.digest(),
            why: facts.why.to_owned(),
            arguments: Commitment::to(salt, "arguments", facts.canonical.as_bytes()),
            arguments_bytes: facts.bound.call().arguments_raw.as_bytes().len() as u64,
            decide_micros: self.micros_since(stamp),
        }
    }

    async fn record_refusal(
        &self,
        call: CallId,
        body: Body,
        salts: Vec<(&'static str, Salt)>,
        denial: Denial,
    ) -> Refused {
        let entry = Entry { at: self.ports.clock.now(), epoch: self.ports.snapshots.current().epoch, body };
        let item = Item { entry, salts, expects: Expect::Nothing, listed: None };
        let recorded = match self.ports.record.stage(item) {
            Ok(pending) => pending.await.map_err(|fault| fault.to_string()),
            Err(fault) => Err(fault.to_string()),
        };
        match recorded {
            Ok(_) => Refused { call, denial },
            Err(why) => Refused { call, denial: Denial::indeterminate(why) },
        }
    }
}

/// What a decision entry is made of.
pub(crate) struct DecisionFacts<'a> {
    pub(crate) bound: &'a Bound,
    pub(crate) tool: &'a PinnedTool,
    pub(crate) canonical: &'a str,
    pub(crate) policies: &'a [model::ids::PolicyId],
    pub(crate) why: &'a str,
}
