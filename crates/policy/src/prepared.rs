//! What is known before the call: who, which task, which tool, and the policies that could matter to them.
//!
//! Must never be used for another principal, task or tool than it was made for: the memo compares all of them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use cedar_policy::{Entities, Entity, EntityUid, RestrictedExpression as Value};
use model::ids::{AgentId, ServerName, TaskId};
use model::principal::Principal;
use model::task::{Task, TaskOrigin};

use crate::index::{Bucket, Index, Scope};
use crate::names::Types;

/// Prepared facts kept at once; a full memo starts anew.
const KEPT_MAX: usize = 1024;

/// The facts of one principal, task and action.
pub(crate) struct Prepared {
    principal: Principal,
    task: Task,
    pub(crate) agent: EntityUid,
    pub(crate) resource: EntityUid,
    pub(crate) entities: Entities,
    pub(crate) bucket: Bucket,
    /// Set once a call of them passed Cedar's check against the schema.
    pub(crate) conforms: OnceLock<()>,
    /// Whether some call could be permitted, once asked.
    pub(crate) could_permit: OnceLock<bool>,
}

/// One action, its ancestors, its resource.
pub(crate) struct Target<'a> {
    /// A number for the action that no other has.
    pub(crate) number: usize,
    pub(crate) action: &'a EntityUid,
    pub(crate) ancestors: &'a [EntityUid],
    pub(crate) server: &'a ServerName,
    pub(crate) environment: &'a str,
}

/// Prepared facts, kept while they fit.
#[derive(Default)]
pub(crate) struct Memo {
    kept: RwLock<HashMap<(AgentId, TaskId, usize), Arc<Prepared>>>,
}

impl Memo {
    /// The prepared facts, made when they are not there or were made for other facts of the same names.
    pub(crate) fn get(
        &self,
        principal: &Principal,
        task: &Task,
        target: &Target<'_>,
        make: impl FnOnce() -> Result<Prepared, String>,
    ) -> Result<Arc<Prepared>, String> {
        let key = (principal.agent.clone(), task.id.clone(), target.number);
        let found = self.kept.read().unwrap_or_else(PoisonError::into_inner).get(&key).map(Arc::clone);
        if let Some(prepared) = found.filter(|p| p.principal == *principal && p.task == *task) {
            return Ok(prepared);
        }
        let prepared = Arc::new(make()?);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&prepared));
        Ok(prepared)
    }
}

/// Prepares the facts.
pub(crate) fn prepare(
    types: &Types,
    index: &Index,
    principal: &Principal,
    task: &Task,
    target: &Target<'_>,
) -> Result<Prepared, String> {
    if task.agent != principal.agent {
        return Err(format!("task `{}` was not delegated to `{}`", task.id, principal.agent));
    }
    let agent = types.agent(&principal.agent);
    let mut groups: HashSet<EntityUid> =
        principal.facts.groups.iter().map(|group| types.group(group)).collect();
    groups.insert(types.known());
    let mut actions = target.ancestors.to_vec();
    actions.push(target.action.clone());
    let mut principals = groups.clone();
    principals.insert(agent.clone());
    let resource = types.server(target.server);
    let scope = Scope { actions: &actions, principal: &agent, principals: &principals, resource: &resource };
    let bucket = index.bucket(&scope);
    let entities = entities(types, principal, task, target, groups).map_err(|e| e.to_string())?;
    Ok(Prepared {
        principal: principal.clone(),
        task: task.clone(),
        agent,
        resource,
        entities,
        bucket,
        conforms: OnceLock::new(),
        could_permit: OnceLock::new(),
    })
}

/// The agent, its groups, its task, the server and the action: all that the schema lets a policy reach.
fn entities(
    types: &Types,
    principal: &Principal,
    task: &Task,
    target: &Target<'_>,
    groups: HashSet<EntityUid>,
) -> Result<Entities, Box<dyn std::error::Error>> {
    let text = |text: &str| Value::new_string(text.to_owned());
    let mut facts = HashMap::from([
        ("attestation".to_owned(), text(principal.attestation.as_str())),
        ("task".to_owned(), Value::new_entity_uid(types.task(&task.id))),
    ]);
    if !principal.facts.owner.is_empty() {
        facts.insert("owner".to_owned(), text(&principal.facts.owner));
    }
    let origin = match task.origin {
        TaskOrigin::Implicit => "implicit",
    };
    let task_facts = HashMap::from([("origin".to_owned(), text(origin))]);
    let server_facts = HashMap::from([("environment".to_owned(), text(target.environment))]);
    let mut all: Vec<Entity> = groups.iter().map(|group| Entity::with_uid(group.clone())).collect();
    all.push(Entity::new(types.agent(&principal.agent), facts, groups)?);
    all.push(Entity::new(types.task(&task.id), task_facts, HashSet::new())?);
    all.push(Entity::new(types.server(target.server), server_facts, HashSet::new())?);
    all.push(Entity::new_no_attrs(target.action.clone(), target.ancestors.iter().cloned().collect()));
    Ok(Entities::from_entities(all, None)?)
}
