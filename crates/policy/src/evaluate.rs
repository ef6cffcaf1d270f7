//! One evaluation, and what it means. Must never answer permit when any policy in sight had an error.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{Context, EntityUid, Request, RestrictedExpression as Value, Schema};
use model::ids::{GroupName, PolicyId};
use model::json::Json;

use crate::arguments::{Converted, convert};
use crate::decision::{ApprovalEvidence, Decision, DenyKind, Park, PolicyDenial, PolicyPermit};
use crate::index::Rule;
use crate::prepared::Prepared;
use crate::reads::{ARGS, Reads};
use crate::shape::Record;

/// Policies named in an explanation.
const NAMED_MAX: usize = 8;

/// One call as Cedar sees it, all but the approval.
pub(crate) struct Question<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) action: &'a EntityUid,
    pub(crate) shape: &'a Record,
    pub(crate) given: &'a Json,
    /// Those of the given arguments that the policies in sight read.
    pub(crate) arguments: Converted,
    pub(crate) time: Value,
}

/// What the policies of one bucket said to one request.
///
/// Forbid overrides permit, and no permit is a deny, as in Cedar; unlike in Cedar, an error is a deny too.
#[derive(Debug, Default)]
pub(crate) struct Outcome<'a> {
    pub(crate) permits: Vec<&'a Rule>,
    pub(crate) forbids: Vec<&'a Rule>,
    pub(crate) errors: Vec<(&'a Rule, String)>,
}

impl<'a> Outcome<'a> {
    /// Evaluates every policy of the bucket whose answer is not settled.
    pub(crate) fn of(prepared: &'a Prepared, request: &Request) -> Self {
        let mut outcome = Self::default();
        for candidate in prepared.bucket.candidates() {
            let satisfied = candidate.evaluate(&prepared.entities, request);
            outcome.add(&candidate.rule, satisfied);
        }
        outcome
    }

    /// What every call of the principal, task and tool brings about; `None` unless that is known.
    fn settled(prepared: &'a Prepared) -> Option<Self> {
        let mut outcome = Self::default();
        for candidate in prepared.bucket.candidates() {
            outcome.add(&candidate.rule, Ok(candidate.settled()?));
        }
        Some(outcome)
    }

    fn add(&mut self, rule: &'a Rule, satisfied: Result<bool, String>) {
        match satisfied {
            Ok(false) => {}
            Ok(true) if rule.forbids => self.forbids.push(rule),
            Ok(true) => self.permits.push(rule),
            Err(error) => self.errors.push((rule, error)),
        }
    }

    /// True when the call is allowed.
    pub(crate) const fn allows(&self) -> bool {
        self.errors.is_empty() && self.forbids.is_empty() && !self.permits.is_empty()
    }
}

impl Question<'_> {
    /// Decides: one evaluation, and after a deny one more with every approval in place.
    pub(crate) fn decide(&self, approval: Option<Value>) -> Decision {
        let outcome = match self.outcome(approval) {
            Ok(outcome) => outcome,
            Err(explanation) => return cannot_tell(explanation),
        };
        if outcome.allows() {
            return Decision::Permit(PolicyPermit { policies: ids(outcome.permits.iter().copied()) });
        }
        if let Some(park) = self.park(&outcome) {
            return Decision::Park(park);
        }
        Decision::Deny(self.denial(&outcome))
    }

    /// Evaluates with no more than what is read, and on any doubt or error once more with everything, so that it is
    /// told as it is.
    fn outcome(&self, approval: Option<Value>) -> Result<Outcome<'_>, String> {
        let approval = approval.ok_or("the approval has no value")?;
        let narrow = self.narrow(&approval).filter(|outcome| outcome.errors.is_empty());
        if let Some(outcome) = narrow {
            return Ok(outcome);
        }
        let request = self.whole(approval)?;
        let _ = self.prepared.conforms.set(());
        Ok(Outcome::of(&self.prepared, &request))
    }

    /// With what is read only. Cedar's check against the schema is left out: who and what are those of a call that
    /// passed it, and converted arguments that are complete are as the schema says.
    fn narrow(&self, approval: &Value) -> Option<Outcome<'_>> {
        if !self.arguments.complete || self.prepared.conforms.get().is_none() {
            return None;
        }
        let settled = if self.arguments.unsettled { None } else { Outcome::settled(&self.prepared) };
        if settled.is_some() {
            return settled;
        }
        let context = self.context(&self.arguments, approval.clone(), &self.prepared.bucket.reads).ok()?;
        Some(Outcome::of(&self.prepared, &self.request(context, None).ok()?))
    }

    /// With everything, checked against the schema.
    fn whole(&self, approval: Value) -> Result<Request, String> {
        let reads = Reads::everything();
        let arguments = convert(self.shape, self.given, &reads).map_err(|fault| fault.to_string())?;
        self.request(self.context(&arguments, approval, &reads)?, Some(self.schema))
    }

    fn context(&self, arguments: &Converted, approval: Value, reads: &Reads) -> Result<Context, String> {
        let mut pairs = Vec::with_capacity(4);
        pairs.push((ARGS.to_owned(), arguments.args.clone()));
        if reads.member("approval") {
            pairs.push(("approval".to_owned(), approval));
        }
        if reads.member("time") {
            pairs.push(("time".to_owned(), self.time.clone()));
        }
        if let Some(undeclared) = &arguments.undeclared {
            pairs.push(("undeclared".to_owned(), undeclared.clone()));
        }
        Context::from_pairs(pairs).map_err(|error| error.to_string())
    }

    fn request(&self, context: Context, schema: Option<&Schema>) -> Result<Request, String> {
        let (agent, resource) = (self.prepared.agent.clone(), self.prepared.resource.clone());
        Request::new(agent, self.action.clone(), resource, context, schema).map_err(|error| error.to_string())
    }

    /// Whom to ask, when an approval would turn this deny into a permit.
    fn park(&self, denied: &Outcome<'_>) -> Option<Park> {
        let groups = self.prepared.bucket.asks.as_ref().filter(|_| denied.errors.is_empty())?;
        let approved = self.outcome(approval_record(i64::MAX, groups.clone(), true, false)).ok()?;
        if !approved.allows() {
            return None;
        }
        // A permit that was satisfied already asks nobody: then only the forbids do.
        let asking: Vec<&Rule> = if denied.permits.is_empty() {
            denied.forbids.iter().chain(&approved.permits).copied().collect()
        } else {
            denied.forbids.clone()
        };
        let approvers: BTreeSet<&GroupName> = asking.iter().flat_map(|rule| &rule.approvers).collect();
        if approvers.is_empty() {
            return None;
        }
        Some(Park {
            policies: ids(asking.iter().copied()),
            approvers: approvers.into_iter().cloned().collect(),
            reasons: reasons(asking.iter().copied()),
        })
    }

    fn denial(&self, outcome: &Outcome<'_>) -> PolicyDenial {
        let errors = outcome.errors.iter().map(|(rule, _)| *rule);
        if !outcome.errors.is_empty() {
            let told = outcome.errors.iter().map(|(rule, error)| format!("policy `{}`: {error}", rule.id));
            let explanation = told.take(NAMED_MAX).collect::<Vec<_>>().join("; ");
            return PolicyDenial {
                kind: DenyKind::Error,
                policies: ids(errors),
                reasons: Vec::new(),
                explanation,
            };
        }
        let forbids = || outcome.forbids.iter().copied();
        let (kind, explanation) = if outcome.forbids.is_empty() {
            (DenyKind::NoPermit, format!("no permit was satisfied; in scope: {}", self.in_scope()))
        } else {
            (DenyKind::Forbidden, format!("forbidden by {}", named(forbids())))
        };
        PolicyDenial { kind, policies: ids(forbids()), reasons: reasons(forbids()), explanation }
    }

    fn in_scope(&self) -> String {
        let permits = self.prepared.bucket.rules().filter(|rule| !rule.forbids);
        Some(named(permits)).filter(|names| !names.is_empty()).unwrap_or_else(|| "none".to_owned())
    }
}

/// A deny because it cannot be told.
pub(crate) const fn cannot_tell(explanation: String) -> Decision {
    Decision::Deny(PolicyDenial {
        kind: DenyKind::Error,
        policies: Vec::new(),
        reasons: Vec::new(),
        explanation,
    })
}

fn named<'a>(rules: impl Iterator<Item = &'a Rule>) -> String {
    rules.take(NAMED_MAX).map(|rule| rule.id.as_str()).collect::<Vec<_>>().join(", ")
}

fn ids<'a>(rules: impl Iterator<Item = &'a Rule>) -> Vec<PolicyId> {
    let sorted: BTreeSet<&PolicyId> = rules.map(|rule| &rule.id).collect();
    sorted.into_iter().cloned().collect()
}

fn reasons<'a>(rules: impl Iterator<Item = &'a Rule>) -> Vec<String> {
    let sorted: BTreeSet<&String> = rules.filter_map(|rule| rule.reason.as_ref()).collect();
    sorted.into_iter().cloned().collect()
}

/// The approval as Cedar sees it.
pub(crate) fn approval_value(approval: &ApprovalEvidence) -> Option<Value> {
    let groups = approval.groups.iter().map(|group| group.as_str().to_owned()).collect();
    approval_record(approval.count.into(), groups, approval.exact, approval.self_approved)
}

fn approval_record(count: i64, groups: Vec<String>, exact: bool, self_approved: bool) -> Option<Value> {
    Value::new_record([
        ("count".to_owned(), Value::new_long(count)),
        ("groups".to_owned(), Value::new_set(groups.into_iter().map(Value::new_string))),
        ("exact".to_owned(), Value::new_bool(exact)),
        ("self_approved".to_owned(), Value::new_bool(self_approved)),
    ])
    .ok()
}
