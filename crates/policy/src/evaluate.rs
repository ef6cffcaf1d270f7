//! One evaluation, and what it means. Must never answer permit when any policy in sight had an error.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Decision as CedarDecision, EntityUid, Request, Response,
    RestrictedExpression as Value, Schema,
};
use model::ids::{GroupName, PolicyId};
use model::time::Micros;

use crate::arguments::Converted;
use crate::decision::{ApprovalEvidence, Decision, DenyKind, Park, PolicyDenial, PolicyPermit};
use crate::index::{Index, Rule};
use crate::prepared::Prepared;

/// Policies named in an explanation.
const NAMED_MAX: usize = 8;

/// One call as Cedar sees it, all but the approval.
pub(crate) struct Question<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) index: &'a Index,
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) action: &'a EntityUid,
    pub(crate) arguments: Converted,
    pub(crate) now: Micros,
}

impl Question<'_> {
    /// Decides: one evaluation, and after a deny one more with every approval in place.
    pub(crate) fn decide(&self, approval: &ApprovalEvidence) -> Decision {
        let groups: Vec<&str> = approval.groups.iter().map(GroupName::as_str).collect();
        let given =
            self.evaluate(&approval_value(approval.count.into(), &groups, approval.exact, approval.self_approved));
        let response = match given {
            Ok(response) => response,
            Err(explanation) => return cannot_tell(explanation),
        };
        if response.decision() == CedarDecision::Allow {
            return Decision::Permit(PolicyPermit { policies: self.ids(&response) });
        }
        self.park(&response).map_or_else(|| Decision::Deny(self.denial(&response)), Decision::Park)
    }

    /// The response, unless any policy had an error.
    fn evaluate(&self, approval: &Value) -> Result<Response, String> {
        let request = self.request(approval)?;
        let set = &self.prepared.bucket.set;
        let response = Authorizer::new().is_authorized(&request, set, &self.prepared.entities);
        let errors: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
        if errors.is_empty() { Ok(response) } else { Err(errors.join("; ")) }
    }

    fn request(&self, approval: &Value) -> Result<Request, String> {
        let time = crate::instant::cedar(self.now).ok_or("the clock is outside the years 0 to 9999")?;
        let names = self.arguments.undeclared.iter().cloned().map(Value::new_string);
        let undeclared = Value::new_record([
            ("names".to_owned(), Value::new_set(names)),
            ("json".to_owned(), Value::new_string(self.arguments.undeclared_json.clone())),
        ])
        .map_err(|error| error.to_string())?;
        let context = Context::from_pairs([
            ("args".to_owned(), self.arguments.args.clone()),
            ("undeclared".to_owned(), undeclared),
            ("approval".to_owned(), approval.clone()),
            ("time".to_owned(), Value::new_datetime(time)),
        ])
        .map_err(|error| error.to_string())?;
        let (agent, action) = (self.prepared.agent.clone(), self.action.clone());
        Request::new(agent, action, self.prepared.resource.clone(), context, Some(self.schema))
            .map_err(|error| error.to_string())
    }

    /// Whom to ask, when an approval would turn this deny into a permit.
    fn park(&self, denied: &Response) -> Option<Park> {
        let asks = self.prepared.bucket.asks.as_ref()?;
        let groups: Vec<&str> = asks.iter().map(String::as_str).collect();
        let approved = self.evaluate(&approval_value(i64::MAX, &groups, true, false)).ok()?;
        if approved.decision() != CedarDecision::Allow {
            return None;
        }
        let forbids: Vec<&Rule> = self.rules(denied).filter(|rule| rule.asks.is_some()).collect();
        let permits: Vec<&Rule> = self.rules(&approved).collect();
        // A permit that does not read the approval was satisfied before: then only the forbids ask.
        let asked = permits.iter().all(|rule| rule.asks.is_some());
        let asking = || forbids.iter().chain(permits.iter().filter(|_| asked));
        let approvers: BTreeSet<&GroupName> = asking().flat_map(|rule| &rule.approvers).collect();
        let policies: BTreeSet<&PolicyId> = asking().map(|rule| &rule.id).collect();
        if approvers.is_empty() {
            return None;
        }
        Some(Park {
            policies: policies.into_iter().cloned().collect(),
            approvers: approvers.into_iter().cloned().collect(),
            reasons: asking().filter_map(|rule| rule.reason.clone()).collect(),
        })
    }

    fn denial(&self, response: &Response) -> PolicyDenial {
        let policies = self.ids(response);
        let reasons = self.rules(response).filter_map(|rule| rule.reason.clone()).collect();
        if policies.is_empty() {
            let set = &self.prepared.bucket.set;
            let considered: Vec<String> = set.policies().take(NAMED_MAX).map(|p| p.id().to_string()).collect();
            let explanation = format!(
                "no permit was satisfied; {} policies could apply by their scope: {}{}",
                set.num_of_policies(),
                considered.join(", "),
                if set.num_of_policies() > NAMED_MAX { ", and more" } else { "" },
            );
            return PolicyDenial { kind: DenyKind::NoPermit, policies, reasons, explanation };
        }
        let names: Vec<&str> = policies.iter().map(PolicyId::as_str).collect();
        let explanation = format!("forbidden by {}", names.join(", "));
        PolicyDenial { kind: DenyKind::Forbidden, policies, reasons, explanation }
    }

    fn rules(&self, response: &Response) -> impl Iterator<Item = &Rule> {
        let mut ids: Vec<&str> = response.diagnostics().reason().map(AsRef::as_ref).collect();
        ids.sort_unstable();
        let found: Vec<&Rule> = ids.into_iter().filter_map(|id| self.index.rule(id)).collect();
        found.into_iter()
    }

    fn ids(&self, response: &Response) -> Vec<PolicyId> {
        self.rules(response).map(|rule| rule.id.clone()).collect()
    }
}

/// A deny because it cannot be told.
pub(crate) fn cannot_tell(explanation: String) -> Decision {
    Decision::Deny(PolicyDenial {
        kind: DenyKind::Error,
        policies: Vec::new(),
        reasons: Vec::new(),
        explanation,
    })
}

fn approval_value(count: i64, groups: &[&str], exact: bool, self_approved: bool) -> Value {
    let groups = groups.iter().map(|group| Value::new_string((*group).to_owned()));
    let members = [
        ("count".to_owned(), Value::new_long(count)),
        ("groups".to_owned(), Value::new_set(groups)),
        ("exact".to_owned(), Value::new_bool(exact)),
        ("self_approved".to_owned(), Value::new_bool(self_approved)),
    ];
    // The names differ, so a record of them always is one; were it not, the schema would refuse the request.
    Value::new_record(members).unwrap_or_else(|_| Value::new_bool(false))
}
