//! Leaving early, recorded: every refusal becomes an entry. Must never let an answer leave before its entry.

use std::borrow::Cow;

use ledger::{Body, DecisionBody, Entry, RefusalBody, Verdict};
use model::approval::ApprovalId;
use model::call::Endpoint;
use model::denial::{Denial, Reason};
use model::digest::{Commitment, Salt};
use model::ids::{AgentId, CallId, Epoch, TaskId};
use model::method::Method;
use model::task::Task;
use model::tool::PinnedTool;
use ports::approvals::ApprovalStep;
use ports::record::{CommitFault, Expect, Item};

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
    method: Cow<'static, str>,
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
            method: Cow::Borrowed(Method::CallTool.as_str()),
            named: String::new(),
        }
    }

    /// Of a call that is bound.
    pub(crate) fn of(bound: &Bound) -> Self {
        let caller = &bound.identified.caller;
        let (call, place) =
            (bound.call(), Self::new(*bound.stamp(), caller, &bound.task, &bound.call().endpoint));
        place.of_method(call.method).naming(&call.name)
    }

    /// Of another method.
    pub(crate) fn method(self, method: &str) -> Self {
        Self { method: Cow::Owned(method.to_owned()), ..self }
    }

    /// Of a method that an upstream would answer.
    pub(crate) fn of_method(self, method: Method) -> Self {
        Self { method: Cow::Borrowed(method.as_str()), ..self }
    }

    /// The name that the request gave.
    pub(crate) fn naming(self, named: &str) -> Self {
        Self { named: named.to_owned(), ..self }
    }
}

/// What a refusal does besides being recorded.
pub(crate) struct Effect {
    pub(crate) step: ApprovalStep,
    pub(crate) expects: Expect,
}

/// Why a refusal with an effect is neither recorded nor done.
pub(crate) enum Unrecorded {
    /// What it was decided on is not so any more.
    Moved,
    /// So many calls wait for a person that no more may.
    TooManyWait(usize),
    /// The record takes nothing.
    Failed(String),
}

impl Door {
    /// Records a refusal of a request that named no tool this principal may know.
    pub(crate) async fn refuse_early(&self, place: Place, denial: Denial) -> Refused {
        let (call, epoch) = (place.stamp.id, place.epoch);
        self.refusal_written(&place.agent, &place.method, &place.stamp);
        let body = RefusalBody {
            call,
            task: place.task,
            agent: place.agent,
            endpoint: place.endpoint,
            method: place.method.into_owned(),
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
        self.refusal_written(&bound.principal().agent, bound.call().method.as_str(), bound.stamp());
        let body = self.refusal(bound, tool, canonical, (&denial, &salt));
        let salts = vec![("arguments", salt)];
        let epoch = bound.identified.caller.snapshot.epoch;
        self.record_refusal(bound.stamp().id, (epoch, Body::Decision(body)), salts, denial).await
    }

    /// Records a refusal of a resolved call, and does something to an approval in the same transaction.
    pub(crate) async fn refuse_and(
        &self,
        resolved: &Resolved,
        denial: Denial,
        effect: Effect,
    ) -> Result<Refused, Unrecorded> {
        let bound = &resolved.bound;
        let salt = match self.salt() {
            Ok(salt) => salt,
            Err(fault) => {
                let denial = Denial::indeterminate(fault.to_string());
                return Ok(self.refuse_early(Place::of(bound), denial).await);
            }
        };
        self.refusal_written(&bound.principal().agent, bound.call().method.as_str(), bound.stamp());
        let body = self.refusal(bound, &resolved.tool, &resolved.canonical, (&denial, &salt));
        let epoch = bound.identified.caller.snapshot.epoch;
        let entry = Entry { at: self.ports.clock.now(), epoch, body: Body::Decision(body) };
        let (salts, listed) = (vec![("arguments", salt)], None);
        let item = Item { entry, salts, expects: effect.expects, listed, approval: Some(effect.step) };
        match self.commit(item).await {
            Ok(()) => Ok(Refused { call: bound.stamp().id, denial }),
            Err(unrecorded) => Err(unrecorded),
        }
    }

    /// Counts a refusal. What a server asks is not the agent's doing: it is bounded by call.
    fn refusal_written(&self, agent: &AgentId, method: &str, stamp: &Stamp) {
        if Method::parse_question(method).is_none() {
            self.rates.written(agent, stamp.started);
        }
    }

    /// The entry of a refusal of a known tool.
    fn refusal(
        &self,
        bound: &Bound,
        tool: &PinnedTool,
        canonical: &str,
        (denial, salt): (&Denial, &Salt),
    ) -> DecisionBody {
        let verdict = match denial.reason {
            Reason::ApprovalRequired => Verdict::Park,
            reason => Verdict::Deny(reason),
        };
        let approval = denial.approval().map(|(id, _)| id);
        let (policies, why) = (&denial.policies, &denial.private);
        self.decision(&DecisionFacts { bound, tool, canonical, policies, why, approval }, verdict, salt)
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
            approval: facts.approval,
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
        let item = Item { entry, salts, expects: Expect::Nothing, listed: None, approval: None };
        match self.commit(item).await {
            Ok(()) => Refused { call, denial },
            Err(Unrecorded::Failed(why)) => Refused { call, denial: Denial::indeterminate(why) },
            Err(Unrecorded::Moved | Unrecorded::TooManyWait(_)) => {
                let why = "the record refused an entry that expects nothing";
                Refused { call, denial: Denial::indeterminate(why) }
            }
        }
    }

    async fn commit(&self, item: Item) -> Result<(), Unrecorded> {
        let failed = |fault: &dyn std::fmt::Display| Unrecorded::Failed(fault.to_string());
        let pending = self.ports.record.stage(item).map_err(|fault| failed(&fault))?;
        match pending.await {
            Ok(_) => Ok(()),
            Err(CommitFault::EpochMoved | CommitFault::ApprovalGone) => Err(Unrecorded::Moved),
            Err(CommitFault::TooManyWait(waiting)) => Err(Unrecorded::TooManyWait(waiting)),
            Err(fault @ CommitFault::Fenced(_)) => Err(failed(&fault)),
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
    pub(crate) approval: Option<ApprovalId>,
}
