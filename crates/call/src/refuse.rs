//! Leaving early, recorded: every refusal becomes an entry. Must never let an answer leave before its entry.

use ledger::{Body, DecisionBody, Entry, RefusalBody, Verdict};
use model::call::Endpoint;
use model::denial::{Denial, Reason};
use model::digest::{Commitment, Salt};
use model::ids::{AgentId, CallId, Epoch, TaskId};
use model::task::Task;
use model::tool::PinnedTool;
use ports::record::{Expect, Item};

use crate::bound::Bound;
use crate::driver::Door;
use crate::identified::Caller;
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

/// Where a request stands: what a refusal that names no tool is recorded with.
pub(crate) struct Place {
    stamp: Stamp,
    epoch: Epoch,
    agent: AgentId,
    task: TaskId,
    endpoint: Endpoint,
    method: String,
    named: String,
}

impl Place {
    /// Of a request that may name a tool.
    pub(crate) fn new(stamp: Stamp, caller: &Caller, task: &Task, endpoint: &Endpoint) -> Self {
        Self {
            stamp,
            epoch: caller.snapshot.epoch,
            agent: caller.principal.agent.clone(),
            task: task.id.clone(),
            endpoint: endpoint.clone(),
            method: "tools/call".to_owned(),
            named: String::new(),
        }
    }

    /// Of a call that is bound.
    pub(crate) fn of(bound: &Bound) -> Self {
        let caller = &bound.identified.caller;
        let (call, place) =
            (bound.call(), Self::new(*bound.stamp(), caller, &bound.task, &bound.call().endpoint));
        place.naming(&call.name)
    }

    /// Of another method.
    pub(crate) fn method(self, method: &str) -> Self {
        Self { method: method.to_owned(), ..self }
    }

    /// The name that the request gave.
    pub(crate) fn naming(self, named: &str) -> Self {
        Self { named: named.to_owned(), ..self }
    }
}

impl Door {
    /// Records a refusal of a request that named no tool this principal may know.
    pub(crate) async fn refuse_early(&self, place: Place, denial: Denial) -> Refused {
        let (call, epoch) = (place.stamp.id, place.epoch);
        let body = RefusalBody {
            call,
            task: place.task,
            agent: place.agent,
            endpoint: place.endpoint,
            method: place.method,
            named: place.named,
            reason: denial.reason,
            why: denial.private.clone(),
        };
        self.record_refusal(call, (epoch, Body::Refusal(body)), Vec::new(), denial).await
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
            return self.refuse_early(Place::of(bound), denial).await;
        };
        let verdict = match denial.reason {
            Reason::ApprovalRequired => Verdict::Park,
            reason => Verdict::Deny(reason),
        };
        let facts =
            DecisionFacts { bound, tool, canonical, policies: &denial.policies, why: &denial.private };
        let body = self.decision(&facts, verdict, &salt);
        let salts = vec![("arguments", salt)];
        let epoch = bound.identified.caller.snapshot.epoch;
        self.record_refusal(bound.stamp().id, (epoch, Body::Decision(body)), salts, denial).await
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
        (epoch, body): (Epoch, Body),
        salts: Vec<(&'static str, Salt)>,
        denial: Denial,
    ) -> Refused {
        let entry = Entry { at: self.ports.clock.now(), epoch, body };
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
