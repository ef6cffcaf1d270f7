//! Finds the policies whose scope matches one action, principal and resource. Must never leave out one that matches:
//! what it leaves out is false by its scope alone, so no decision, reason or error can change.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use cedar_policy::{
    ActionConstraint, Effect, Entities, EntityUid, EvalResult, Expression, Policy, PolicySet,
    PrincipalConstraint, Request, ResourceConstraint, eval_expression,
};
use model::ids::{GroupName, PolicyId};

use crate::reads::Reads;
use crate::source::Parsed;

/// One policy in force.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: PolicyId,
    pub(crate) forbids: bool,
    pub(crate) reason: Option<String>,
    pub(crate) approvers: Vec<GroupName>,
    /// The approver groups its conditions ask for; `None` when it does not read the approval.
    pub(crate) asks: Option<Vec<String>>,
    /// All its `when` and `unless` in one expression; `None` when it has none and so is satisfied by its scope.
    pub(crate) condition: Option<Expression>,
    /// When the condition is a chain of `&&`, its first member: false when that is false.
    opening: Option<Expression>,
    /// What of the context its condition reads.
    pub(crate) reads: Reads,
    pub(crate) policy: Policy,
}

impl Rule {
    fn of(parsed: &Parsed) -> Self {
        // Rebuilt from its tree a policy has no source locations, which evaluation would copy at every step.
        let policy = crate::check::from_tree(&parsed.tree).unwrap_or_else(|| parsed.policy.clone());
        Self {
            id: parsed.id.clone(),
            forbids: policy.effect() == Effect::Forbid,
            reason: parsed.reason.clone(),
            approvers: parsed.approvers.clone(),
            asks: parsed.asks.clone(),
            condition: None,
            opening: None,
            reads: Reads::of(&parsed.tree),
            policy,
        }
    }

    /// Whether its condition is satisfied.
    fn evaluate(&self, entities: &Entities, request: &Request) -> Result<bool, String> {
        let Some(condition) = &self.condition else { return Ok(true) };
        match eval_expression(request, entities, condition) {
            Ok(EvalResult::Bool(satisfied)) => Ok(satisfied),
            Ok(_) => Err("its condition is not a boolean".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// All rules, in the order of the sources.
    pub(crate) fn all(parsed: &[Parsed]) -> Vec<Self> {
        let mut rules: Vec<Self> = parsed.iter().map(Self::of).collect();
        // The authorizer joins scope and condition anew at every evaluation, at several times the cost of the
        // condition. The scope is decided by the index, so the condition is taken out once, here; in passes of their
        // own, so that what most evaluations touch lies side by side in memory, apart from all that they do not.
        let trees: Vec<_> = parsed.iter().map(|parsed| crate::lean::condition(&parsed.tree)).collect();
        for (rule, tree) in rules.iter_mut().zip(&trees) {
            let opening = tree.as_ref().and_then(|tree| crate::lean::opening(tree));
            rule.opening = opening.cloned().map(crate::lean::expression);
        }
        for (rule, tree) in rules.iter_mut().zip(trees) {
            rule.condition = tree.map(crate::lean::expression);
        }
        rules
    }
}

/// All policies by the action in their scope.
pub(crate) struct Index {
    rules: Vec<Arc<Rule>>,
    by_action: HashMap<EntityUid, Vec<usize>>,
    any_action: Vec<usize>,
}

/// What a scope is compared with.
pub(crate) struct Scope<'a> {
    /// The action and its ancestors.
    pub(crate) actions: &'a [EntityUid],
    pub(crate) principal: &'a EntityUid,
    /// The principal and its ancestors.
    pub(crate) principals: &'a HashSet<EntityUid>,
    /// The resource, which has no ancestors.
    pub(crate) resource: &'a EntityUid,
}

/// The policies whose scope matches, in the order of the sources.
#[derive(Debug)]
pub(crate) struct Bucket {
    candidates: Vec<Candidate>,
    /// The approver groups they ask for; `None` when none of them reads the approval.
    pub(crate) asks: Option<Vec<String>>,
    /// What of the context any of them reads.
    pub(crate) reads: Reads,
}

/// What most evaluations need of one policy, side by side with the others of its bucket.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// What is false only if the policy is not satisfied.
    opening: Option<Expression>,
    pub(crate) rule: Arc<Rule>,
    /// Whether it is satisfied, once that was seen; only of one that reads nothing of the context, so that for this
    /// principal, task and tool every call gives the same answer. An error is never kept.
    settled: OnceLock<bool>,
    settles: bool,
}

impl Candidate {
    fn of(rule: &Arc<Rule>) -> Self {
        Self {
            opening: rule.opening.clone(),
            rule: Arc::clone(rule),
            settled: OnceLock::new(),
            settles: rule.reads.nothing(),
        }
    }

    /// Whether it is satisfied by every call, or by none, as far as that is known.
    pub(crate) fn settled(&self) -> Option<bool> {
        self.settled.get().copied()
    }

    /// Whether it is satisfied. What holds for every call is kept.
    pub(crate) fn evaluate(&self, entities: &Entities, request: &Request) -> Result<bool, String> {
        if let Some(satisfied) = self.settled() {
            return Ok(satisfied);
        }
        let is_false = |opening| eval_expression(request, entities, opening) == Ok(EvalResult::Bool(false));
        let satisfied = if self.opening.as_ref().is_some_and(is_false) {
            false
        } else {
            self.rule.evaluate(entities, request)?
        };
        if self.settles {
            let _ = self.settled.set(satisfied);
        }
        Ok(satisfied)
    }
}

impl Bucket {
    pub(crate) fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The policies as a set. `None` would mean that two policies have one id.
    pub(crate) fn set(&self) -> Option<PolicySet> {
        PolicySet::from_policies(self.rules().map(|rule| rule.policy.clone())).ok()
    }

    /// The rules behind them.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.candidates.iter().map(|candidate| &*candidate.rule)
    }
}

impl Index {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        let mut index = Self { by_action: HashMap::new(), any_action: Vec::new(), rules: Vec::new() };
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
        index.rules = rules.into_iter().map(Arc::new).collect();
        index
    }

    pub(crate) const fn len(&self) -> usize {
        self.rules.len()
    }

    /// The policies whose scope matches.
    pub(crate) fn bucket(&self, scope: &Scope<'_>) -> Bucket {
        let by_action = scope.actions.iter().filter_map(|action| self.by_action.get(action)).flatten();
        let mut places: Vec<usize> = by_action.chain(&self.any_action).copied().collect();
        places.sort_unstable();
        places.dedup();
        let candidates = places.into_iter().filter_map(|at| {
            let rule = self.rules.get(at).filter(|rule| scope.matches(&rule.policy))?;
            Some(Candidate::of(rule))
        });
        let candidates: Vec<Candidate> = candidates.collect();
        let mut reads = Reads::default();
        candidates.iter().for_each(|candidate| reads.join(&candidate.rule.reads));
        let mut bucket = Bucket { candidates, asks: None, reads };
        let asks: Vec<&Vec<String>> = bucket.rules().filter_map(|rule| rule.asks.as_ref()).collect();
        if !asks.is_empty() {
            bucket.asks = Some(asks.into_iter().flatten().cloned().collect());
        }
        bucket
    }

    /// Every policy, for comparing.
    #[cfg(test)]
    pub(crate) fn everything(&self) -> PolicySet {
        PolicySet::from_policies(self.rules.iter().map(|rule| rule.policy.clone())).unwrap()
    }
}

impl Scope<'_> {
    fn matches(&self, policy: &Policy) -> bool {
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Is(kind) => kind == *self.principal.type_name(),
            PrincipalConstraint::Eq(uid) => uid == *self.principal,
            PrincipalConstraint::In(uid) => self.principals.contains(&uid),
            PrincipalConstraint::IsIn(kind, uid) => {
                kind == *self.principal.type_name() && self.principals.contains(&uid)
            }
        };
        principal
            && match policy.resource_constraint() {
                ResourceConstraint::Any => true,
                ResourceConstraint::Is(kind) => kind == *self.resource.type_name(),
                ResourceConstraint::Eq(uid) | ResourceConstraint::In(uid) => uid == *self.resource,
                ResourceConstraint::IsIn(kind, uid) => {
                    kind == *self.resource.type_name() && uid == *self.resource
                }
            }
    }
}
