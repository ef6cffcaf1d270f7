//! State 4, resolved: the name became one tool at one definition, and the arguments fit its schema.
//!
//! Must never answer differently for a tool that does not exist, is quarantined or is hidden from this principal:
//! a name resolves only in what this principal could be permitted (ADR 0016).

use std::sync::Arc;

use model::call::{CallDigest, Endpoint, ToolCall};
use model::denial::{Denial, Reason};
use model::ids::{ServerName, ToolName};
use model::method::Method;
use model::principal::Principal;
use model::task::Task;
use model::tool::{PinnedTool, ToolRef};
use ports::snapshot::Snapshot;
use registry::ToolRecord;

use crate::bound::Bound;
use crate::listings::Listings;
use crate::received::Stamp;
use crate::server_task;
use crate::view::View;

/// A call of a tool this principal may know, with arguments that fit.
pub struct Resolved {
    pub(crate) bound: Bound,
    pub(crate) tool: PinnedTool,
    pub(crate) canonical: String,
    pub(crate) digest: CallDigest,
}

/// A call that was refused while resolving. With a tool, the tool may be named in the record and the answer.
pub struct Unresolved {
    pub(crate) bound: Bound,
    pub(crate) tool: Option<PinnedTool>,
    pub(crate) denial: Denial,
}

/// What resolving looks things up in.
pub struct Lookup<'a> {
    /// What this principal could be permitted.
    pub view: &'a View,
    /// What was last listed to it.
    pub listings: &'a Listings,
}

impl Bound {
    /// → resolved.
    ///
    /// # Errors
    /// [`Unresolved`] with `unknown_tool` (one answer for unknown, quarantined and hidden),
    /// `definition_changed`, or `invalid_arguments` with JSON pointers.
    pub fn resolve(self, lookup: &Lookup<'_>) -> Result<Resolved, Box<Unresolved>> {
        let snapshot = Arc::clone(&self.identified.caller.snapshot);
        let call = &self.identified.received.call;
        let tool = match find(&self, &snapshot, lookup) {
            Ok(tool) => tool,
            Err(denial) => return Err(Box::new(Unresolved { bound: self, tool: None, denial })),
        };
        if let Err(denial) = check_arguments(call, &tool, &snapshot) {
            return Err(Box::new(Unresolved { bound: self, tool: Some(tool), denial }));
        }
        if let Err(denial) = server_task::check(call, &snapshot, lookup.view) {
            return Err(Box::new(Unresolved { bound: self, tool: Some(tool), denial }));
        }
        let canonical = call.arguments.canonical();
        let digest = CallDigest::of(&tool, &canonical);
        Ok(Resolved { bound: self, tool, canonical, digest })
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.identified.caller.principal
    }

    pub(crate) const fn stamp(&self) -> &Stamp {
        &self.identified.received.stamp
    }

    pub(crate) const fn call(&self) -> &ToolCall {
        &self.identified.received.call
    }
}

impl Resolved {
    pub(crate) const fn stamp(&self) -> &Stamp {
        self.bound.stamp()
    }

    pub(crate) const fn call(&self) -> &ToolCall {
        self.bound.call()
    }

    pub(crate) fn principal(&self) -> &Principal {
        self.bound.principal()
    }

    pub(crate) const fn task(&self) -> &Task {
        &self.bound.task
    }

    pub(crate) const fn tool(&self) -> &PinnedTool {
        &self.tool
    }

    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.bound.identified.caller.snapshot
    }
}

/// The record of what a call names, if its definition mirrors arguments in headers. Nobody may be told of it yet.
pub(crate) fn mirroring<'a>(call: &ToolCall, snapshot: &'a Snapshot) -> Option<&'a ToolRecord> {
    let record = snapshot.catalog.get(&named(call, snapshot)?)?;
    record.definition.mirrors().then_some(record)
}

fn named(call: &ToolCall, snapshot: &Snapshot) -> Option<ToolRef> {
    match (&call.endpoint, call.method.operation()) {
        (Endpoint::All, None) => snapshot.names.resolve(&call.name).cloned(),
        // The edge found out which server is meant: nothing in such a request says so.
        (Endpoint::All, Some(tool)) => {
            ServerName::parse(&call.name).ok().map(|server| ToolRef { server, tool })
        }
        (Endpoint::Server(server), Some(tool)) => Some(ToolRef { server: server.clone(), tool }),
        (Endpoint::Server(server), None) => {
            // An operation is asked for by its method, never as a tool.
            let tool = ToolName::parse(&call.name).ok().filter(|name| Method::of(name).is_none())?;
            Some(ToolRef { server: server.clone(), tool })
        }
    }
}

fn find(bound: &Bound, snapshot: &Snapshot, lookup: &Lookup<'_>) -> Result<PinnedTool, Denial> {
    let (call, principal) = (bound.call(), bound.principal());
    let unknown = |private: &str| Denial::unknown_tool(&call.name).with_private(private);
    let Some(name) = named(call, snapshot) else {
        return Err(unknown("no tool of that name"));
    };
    let record = snapshot.catalog.get(&name);
    let visible = lookup.view.contains(&name);
    let listed = lookup.listings.last(&principal.agent, &name);
    let Some(record) = record else {
        return Err(unknown("no tool of that name"));
    };
    let changed = listed.is_some_and(|listed| listed != record.digest);
    if !record.usable() {
        // That a tool changed is told only to whom policy still lets know it.
        return Err(if changed && snapshot.policy.could_permit(principal, &bound.task, &name) {
            waits_for_a_person(&name)
        } else {
            unknown("the tool is in quarantine, or gone")
        });
    }
    if !visible {
        return Err(unknown("policy can permit this tool to this agent in no case"));
    }
    if changed { Err(changed_since_listed()) } else { Ok(record.pinned()) }
}

/// Somebody certified the change: the caller only has to know it.
fn changed_since_listed() -> Denial {
    Denial::new(
        Reason::DefinitionChanged,
        "this tool's definition changed since it was listed to you; list the tools again before calling it",
    )
}

/// Nobody certified the change yet. Trying again changes nothing: a person has to act, and with what.
fn waits_for_a_person(name: &ToolRef) -> Denial {
    let text = format!(
        "this tool's definition changed since it was listed to you and is refused until a person has looked at the \
change; tell them to run `callgate tools show {name}`, which shows it and how to certify it"
    );
    Denial::new(Reason::DefinitionChanged, text)
}

fn check_arguments(call: &ToolCall, tool: &PinnedTool, snapshot: &Snapshot) -> Result<(), Denial> {
    let Some(record) = snapshot.catalog.get(&tool.name) else {
        return Err(Denial::indeterminate("the tool left the catalog while it was being resolved"));
    };
    let schema = record.definition.arguments().map_err(|fault| {
        Denial::indeterminate(format!("the input schema of `{}` cannot be used: {fault}", tool.name))
    })?;
    schema.check(&call.arguments).map_err(|faults| {
        let listed: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Denial::new(Reason::InvalidArguments, format!("invalid arguments: {}", listed.join("; ")))
    })
}

#[cfg(test)]
mod tests;
