//! Finds the policies that could matter to one action and principal. Must never leave out one that could match:
//! what it leaves out is false by its scope alone, so no decision, reason or error can change.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{ActionConstraint, EntityUid, Policy, PolicySet, PrincipalConstraint};
use model::ids::{GroupName, PolicyId};

use crate::source::Parsed;

/// One policy in force.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: PolicyId,
    pub(crate) reason: Option<String>,
    pub(crate) approvers: Vec<GroupName>,
    /// The approver groups its conditions ask for; `None` when it does not read the approval.
    pub(crate) asks: Option<Vec<String>>,
    /// What is evaluated.
    pub(crate) policy: Policy,
}

impl Rule {
    pub(crate) fn of(parsed: Parsed) -> Self {
        // Rebuilt from its tree a policy has no source locations, which evaluation would copy at every step.
        let policy = crate::check::from_tree(&parsed.tree).unwrap_or(parsed.policy);
        Self {
            id: parsed.id,
            reason: parsed.reason,
            approvers: parsed.approvers,
            asks: parsed.asks,
            policy,
        }
    }
}

/// All policies by the action in their scope.
pub(crate) struct Index {
    rules: Vec<Rule>,
    by_id: HashMap<String, usize>,
    by_action: HashMap<EntityUid, Vec<usize>>,
    any_action: Vec<usize>,
}

/// The policies for one action, and for one principal if that made them fewer.
pub(crate) struct Bucket {
    pub(crate) set: PolicySet,
    /// The approver groups its policies ask for; `None` when none of them reads the approval.
    pub(crate) asks: Option<Vec<String>>,
}

impl Index {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        let mut index = Self {
            by_id: rules.iter().enumerate().map(|(at, rule)| (rule.id.to_string(), at)).collect(),
            by_action: HashMap::new(),
            any_action: Vec::new(),
            rules: Vec::new(),
        };
        for (at, rule) in rules.iter().enumerate() {
            match rule.policy.action_constraint() {
                ActionConstraint::Any => index.any_action.push(at),
                ActionConstraint::Eq(action) => index.by_action.entry(action).or_default().push(at),
                ActionConstraint::In(actions) => {
                    for action in actions {
                        index.by_action.entry(action).or_default().push(at);
                    }
                }
            }
        }
        index.rules = rules;
        index
    }

    pub(crate) const fn len(&self) -> usize {
        self.rules.len()
    }

    /// The rule behind an id that an evaluation reported.
    pub(crate) fn rule(&self, id: &str) -> Option<&Rule> {
        self.by_id.get(id).and_then(|at| self.rules.get(*at))
    }

    /// The policies that could match `actions` (an action and its ancestors) and `principals` (likewise).
    /// `None` when they cannot be put into one set, which unique ids rule out.
    pub(crate) fn bucket(&self, actions: &[EntityUid], principals: &HashSet<EntityUid>) -> Option<Arc<Bucket>> {
        let mut places: Vec<usize> = actions
            .iter()
            .filter_map(|action| self.by_action.get(action))
            .flatten()
            .chain(&self.any_action)
            .copied()
            .collect();
        places.sort_unstable();
        places.dedup();
        let rules = || {
            let found = places.iter().filter_map(|at| self.rules.get(*at));
            found.filter(|rule| could_match(&rule.policy.principal_constraint(), principals))
        };
        let set = PolicySet::from_policies(rules().map(|rule| rule.policy.clone())).ok()?;
        let asks = rules().filter_map(|rule| rule.asks.as_ref()).fold(None, |asks: Option<Vec<String>>, more| {
            let mut asks = asks.unwrap_or_default();
            asks.extend(more.iter().cloned());
            Some(asks)
        });
        Some(Arc::new(Bucket { set, asks }))
    }

    /// Every policy, for comparing.
    #[cfg(test)]
    pub(crate) fn everything(&self) -> PolicySet {
        PolicySet::from_policies(self.rules.iter().map(|rule| rule.policy.clone())).unwrap()
    }
}

fn could_match(constraint: &PrincipalConstraint, principals: &HashSet<EntityUid>) -> bool {
    match constraint {
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => true,
        PrincipalConstraint::Eq(uid) | PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => {
            principals.contains(uid)
        }
    }
}
