//! What a principal could be permitted: the list gate, and partial evaluation with the call unknown.
//!
//! Must never show a tool on a doubt: an error hides it.

use cedar_policy::{
    Context, Decision as CedarDecision, Entities, PartialEntities, PartialEntityUid, PartialRequest, Request,
};
use model::principal::Principal;
use model::task::Task;
use model::tool::ToolRef;

use crate::evaluate::Outcome;
use crate::names::LIST;
use crate::prepared::{Prepared, Target};
use crate::snapshot::{Entry, PolicySnapshot};

impl PolicySnapshot {
    pub(crate) fn could(&self, principal: &Principal, task: &Task, tool: &ToolRef) -> Option<bool> {
        let entry = self.tools.get(tool)?;
        let prepared = self.prepared_tool(principal, task, entry).ok()?;
        let answer = || {
            self.may_list(principal, task, tool).unwrap_or(false)
                && self.possible(&prepared, entry).unwrap_or(false)
        };
        Some(*prepared.could_permit.get_or_init(answer))
    }

    /// The action `list` on the tool's server. Everything it can depend on is known.
    fn may_list(&self, principal: &Principal, task: &Task, tool: &ToolRef) -> Option<bool> {
        let place = self.place(&tool.server).ok()?;
        let action = self.types.shared_action(LIST);
        let target = Target {
            number: place.number,
            action: &action,
            ancestors: &[],
            server: &tool.server,
            environment: &place.environment,
        };
        let prepared = self.prepared(principal, task, &target).ok()?;
        let answer = || self.lists(&prepared, &target).unwrap_or(false);
        Some(*prepared.could_permit.get_or_init(answer))
    }

    fn lists(&self, prepared: &Prepared, target: &Target<'_>) -> Option<bool> {
        let (agent, server) = (prepared.agent.clone(), prepared.resource.clone());
        let request =
            Request::new(agent, target.action.clone(), server, Context::empty(), Some(&self.schema)).ok()?;
        Some(Outcome::of(prepared, &request).allows())
    }

    /// False only when every call would be denied.
    fn possible(&self, prepared: &Prepared, entry: &Entry) -> Option<bool> {
        let request = PartialRequest::new(
            PartialEntityUid::from_concrete(prepared.agent.clone()),
            entry.action.clone(),
            PartialEntityUid::from_concrete(prepared.resource.clone()),
            None,
            &self.schema,
        )
        .ok()?;
        // The actions come from the schema, with their groups.
        let facts = prepared.entities.iter().filter(|entity| entity.uid() != entry.action).cloned();
        let facts = Entities::from_entities(facts, None).ok()?;
        let entities = PartialEntities::from_concrete(facts, &self.schema).ok()?;
        let set = prepared.bucket.set()?;
        let response = set.tpe(&request, &entities, &self.schema).ok()?;
        let sound = response.error_permits().next().is_none() && response.error_forbids().next().is_none();
        Some(sound && response.decision() != Some(CedarDecision::Deny))
    }
}
