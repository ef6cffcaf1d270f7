//! One evaluation, and what it means. Must never answer permit when any policy in sight had an error.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{
    Context, EntityUid, EvalResult, Request, RestrictedExpression as Value, Schema, eval_expression,
};
use model::ids::{GroupName, PolicyId};

use crate::arguments::Converted;
use crate::decision::{ApprovalEvidence, Decision, DenyKind, Park, PolicyDenial, PolicyPermit};
use crate::index::Rule;
use crate::prepared::Prepared;

/// Policies named in an explanation.
const NAMED_MAX: usize = 8;

/// One call as Cedar sees it, all but the approval.
pub(crate) struct Question<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) action: &'a EntityUid,
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
    /// Evaluates every policy of the bucket.
    pub(crate) fn of(prepared: &'a Prepared, request: &Request) -> Self {
        let mut outcome = Self::default();
        for candidate in prepared.bucket.candidates() {
            let satisfied = candidate.condition.as_ref().map_or(Ok(EvalResult::Bool(true)), |condition| {
                eval_expression(request, &prepared.entities, condition).map_err(|error| error.to_string())
            });
            if satisfied == Ok(EvalResult::Bool(false)) {
                continue;
            }
            let rule = &*candidate.rule;
            match satisfied {
                Ok(EvalResult::Bool(_)) if rule.forbids => outcome.forbids.push(rule),
                Ok(EvalResult::Bool(_)) => outcome.permits.push(rule),
                Ok(_) => outcome.errors.push((rule, "its condition is not a boolean".to_owned())),
                Err(error) => outcome.errors.push((rule, error)),
            }
        }
        outcome
    }

    /// True when the call is allowed.
    pub(crate) const fn allows(&self) -> bool {
        self.errors.is_empty() && self.forbids.is_empty() && !self.permits.is_empty()
    }
}

impl Question<'_> {
    /// Decides: one evaluation, and after a deny one more with every approval in place.
    pub(crate) fn decide(&self, approval: Option<Value>) -> Decision {
        let outcome = match self.request(approval) {
            Ok(request) => Outcome::of(&self.prepared, &request),
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

    fn request(&self, approval: Option<Value>) -> Result<Request, String> {
        let mut pairs = vec![
            ("args".to_owned(), self.arguments.args.clone()),
            ("approval".to_owned(), approval.ok_or("the approval has no value")?),
            ("time".to_owned(), self.time.clone()),
        ];
        if let Some(undeclared) = &self.arguments.undeclared {
            pairs.push(("undeclared".to_owned(), undeclared.clone()));
        }
        let context = Context::from_pairs(pairs).map_err(|error| error.to_string())?;
        let (agent, resource) = (self.prepared.agent.clone(), self.prepared.resource.clone());
        Request::new(agent, self.action.clone(), resource, context, Some(self.schema))
            .map_err(|error| error.to_string())
    }

    /// Whom to ask, when an approval would turn this deny into a permit.
    fn park(&self, denied: &Outcome<'_>) -> Option<Park> {
        let groups = self.prepared.bucket.asks.as_ref().filter(|_| denied.errors.is_empty())?;
        let request = self.request(approval_record(i64::MAX, groups.clone(), true, false)).ok()?;
        let approved = Outcome::of(&self.prepared, &request);
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
