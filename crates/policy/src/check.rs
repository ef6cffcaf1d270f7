//! Checks parsed policies against the schema. Must never let a warning pass: what Cedar only warns of is a problem.

use std::collections::{BTreeMap, HashSet};

use cedar_policy::ffi::DetailedError;
use cedar_policy::pst::{ActionConstraint as TreeAction, Template as Tree};
use cedar_policy::{
    ActionConstraint, EntityUid, Policy, PolicySet, Schema, ValidationMode, ValidationResult,
    ValidationWarning, Validator,
};

use crate::facts::PolicySource;
use crate::problem::{PolicyProblem, ProblemKind};
use crate::schema::{self, ToolType};
use crate::source::{Parsed, Report};

/// Tools from which on policies for one tool are checked against a schema of that tool alone first: checking
/// costs policies times tools otherwise.
const SMALL: usize = 48;

/// What is checked against.
pub(crate) struct World<'a> {
    pub(crate) sources: &'a [PolicySource],
    pub(crate) tools: &'a BTreeMap<EntityUid, &'a ToolType>,
    pub(crate) schema: &'a Schema,
}

/// What became of the policies.
#[derive(Default)]
pub(crate) struct Checked {
    /// Those in force.
    pub(crate) policies: Vec<Parsed>,
    /// Why others are not, harmlessly.
    pub(crate) notices: Vec<PolicyProblem>,
    /// What is wrong.
    pub(crate) problems: Vec<PolicyProblem>,
}

/// Checks every policy.
pub(crate) fn check(world: &World<'_>, parsed: Vec<Parsed>) -> Checked {
    let mut checked = Checked::default();
    let known: HashSet<&EntityUid> = world.schema.actions().collect();
    let pruned: Vec<Parsed> =
        parsed.into_iter().filter_map(|policy| prune(world, policy, &known, &mut checked)).collect();
    let mut general = Vec::new();
    for (action, policies) in by_single_action(world, pruned, &mut general) {
        let clean = world
            .tools
            .get(&action)
            .and_then(|tool| alone(tool))
            .is_some_and(|schema| validate(&schema, &policies).is_some_and(|r| is_clean(&r)));
        if clean { checked.policies.extend(policies) } else { general.extend(policies) }
    }
    against(world, general, &mut checked);
    checked.policies.sort_by_key(|policy| (policy.place.file, policy.place.begins));
    checked
}

/// Takes actions that do not exist out of a policy's scope. That changes no decision: such an action is never
/// requested and is no group. `None` when nothing is left.
fn prune(
    world: &World<'_>,
    mut policy: Parsed,
    known: &HashSet<&EntityUid>,
    checked: &mut Checked,
) -> Option<Parsed> {
    let unknown: Vec<EntityUid> = match policy.policy.action_constraint() {
        ActionConstraint::Any => return Some(policy),
        ActionConstraint::Eq(action) => vec![action],
        ActionConstraint::In(actions) => actions,
    }
    .into_iter()
    .filter(|action| !known.contains(action))
    .collect();
    for action in &unknown {
        checked.notices.extend(report(world, &policy, |report| {
            report.at(
                policy.place.begins,
                ProblemKind::NeverApplies,
                format!("`{action}` is no certified tool and no group"),
                "certify the tool, or correct the name: `callgate policy schema` lists them",
            )
        }));
    }
    if unknown.is_empty() {
        return Some(policy);
    }
    let left = match &policy.tree.action {
        TreeAction::In(actions) => {
            let exists = |action: &&cedar_policy::pst::EntityUID| {
                !unknown.iter().any(|gone| cedar_policy::pst::EntityUID::from(gone.clone()) == **action)
            };
            actions.iter().filter(exists).cloned().collect()
        }
        _ => Vec::new(),
    };
    if left.is_empty() {
        return None;
    }
    policy.tree.action = TreeAction::In(left);
    match from_tree(&policy.tree) {
        Some(rebuilt) => {
            policy.policy = rebuilt;
            Some(policy)
        }
        None => {
            let message = "it cannot be reduced to the tools that are certified".to_owned();
            checked.problems.extend(report(world, &policy, |report| {
                report.at(policy.place.begins, ProblemKind::Type, message, "split its list of actions")
            }));
            None
        }
    }
}

/// A policy rebuilt from its tree.
pub(crate) fn from_tree(tree: &Tree) -> Option<Policy> {
    let body = cedar_policy::pst::StaticPolicy::try_from(tree.clone()).ok()?;
    Policy::from_pst(cedar_policy::pst::Policy::Static(body)).ok()
}

/// Sorts out policies for exactly one tool, when there are many tools.
fn by_single_action(
    world: &World<'_>,
    policies: Vec<Parsed>,
    general: &mut Vec<Parsed>,
) -> BTreeMap<EntityUid, Vec<Parsed>> {
    let mut single: BTreeMap<EntityUid, Vec<Parsed>> = BTreeMap::new();
    for policy in policies {
        match policy.policy.action_constraint() {
            ActionConstraint::Eq(action) if world.tools.len() > SMALL => {
                single.entry(action).or_default().push(policy);
            }
            _ => general.push(policy),
        }
    }
    single
}

/// The schema of one tool and its server.
fn alone(tool: &ToolType) -> Option<Schema> {
    let server = std::slice::from_ref(&tool.tool.name.server);
    schema::compile(server, std::iter::once(tool)).ok()
}

fn validate(schema: &Schema, policies: &[Parsed]) -> Option<ValidationResult> {
    let set = PolicySet::from_policies(policies.iter().map(|p| p.policy.clone())).ok()?;
    Some(Validator::new(schema.clone()).validate(&set, ValidationMode::Strict))
}

fn is_clean(result: &ValidationResult) -> bool {
    result.validation_passed_without_warnings()
}

/// Checks against the whole schema and tells the sound from the rest.
fn against(world: &World<'_>, policies: Vec<Parsed>, checked: &mut Checked) {
    let Some(result) = validate(world.schema, &policies) else {
        // Ids are used twice; that is reported already.
        return;
    };
    let mut bad: HashSet<String> = HashSet::new();
    for error in result.validation_errors() {
        bad.insert(error.policy_id().to_string());
        let detail = DetailedError::from(error);
        checked.problems.extend(told(
            world,
            &policies,
            error.policy_id().as_ref(),
            ProblemKind::Type,
            detail,
        ));
    }
    for warning in result.validation_warnings() {
        let harmless = matches!(
            warning,
            ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_)
        );
        let (id, detail) = (warning.policy_id(), DetailedError::from(warning));
        let first = bad.insert(id.to_string());
        if harmless && first {
            checked.notices.extend(told(world, &policies, id.as_ref(), ProblemKind::NeverApplies, detail));
        } else if !harmless {
            checked.problems.extend(told(world, &policies, id.as_ref(), ProblemKind::Type, detail));
        }
    }
    checked.policies.extend(policies.into_iter().filter(|p| !bad.contains(p.id.as_str())));
}

fn told(
    world: &World<'_>,
    policies: &[Parsed],
    id: &str,
    kind: ProblemKind,
    detail: DetailedError,
) -> Option<PolicyProblem> {
    let policy = policies.iter().find(|policy| policy.id.as_str() == id)?;
    let within = detail.source_locations.first().map_or(0, |label| label.loc.start);
    let offset = (policy.place.offset + within).max(policy.place.begins);
    let prefix = format!("for policy `{id}`, ");
    let plain = |text: String| text.strip_prefix(&prefix).map(str::to_owned).unwrap_or(text);
    let message = plain(detail.message);
    let fix = if message.contains("::Action and ") {
        "write one policy for each server: a list of actions cannot mix servers".to_owned()
    } else {
        plain(detail.help.unwrap_or_else(|| default_fix(kind).to_owned()))
    };
    report(world, policy, |report| report.at(offset, kind, message, &fix))
}

const fn default_fix(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::NeverApplies => "correct it, or remove it: no call can match it",
        _ => "compare it with `callgate policy schema`",
    }
}

fn report(
    world: &World<'_>,
    policy: &Parsed,
    write: impl FnOnce(&Report<'_>) -> PolicyProblem,
) -> Option<PolicyProblem> {
    let source = world.sources.get(policy.place.file)?;
    Some(write(&Report { source, policy: Some(policy.id.clone()) }))
}
