//! The checkers. Must never ask the code under test: the disk, the pictures and the packets are the evidence.

mod consent;

use call::Finished;
use ledger::{Body, DecisionBody, Outcome, Verdict};
use model::denial::{Denial, Reason};
use model::digest::Commitment;
use model::ids::CallId;
use model::json::Json;
use model::limits::{CallLimits, JsonLimits};
use model::principal::{Attestation, Principal};
use model::task::Task;
use policy::{ApprovalEvidence, Decision, DecisionRequest};
use ports::snapshot::Snapshots as _;
use ports::upstream::Forward;
use registry::ToolRecord;

use crate::disk::{Disk, Durable};
use crate::world::World;

pub use consent::{answered, approvals_used};

/// What is wrong with a call that leaves right now.
pub(crate) fn forward(world: &World, forward: &Forward) -> Vec<String> {
    let call = forward.call;
    let mut broken = Vec::new();
    let mut wrong = |what: String| broken.push(format!("{what}: call {call} of {}", forward.tool.name));
    let disk = world.disk();
    match disk.intent(call) {
        None => wrong("(a) forwarded without a durable intent".to_owned()),
        Some(intent) => {
            for what in intended(intent, forward) {
                wrong(what);
            }
            if let Some(what) = consent::consented(&disk, intent, forward) {
                wrong(what);
            }
            if let Some(what) = permitted(world, (&disk, intent), forward) {
                wrong(what);
            }
        }
    }
    if disk.outcomes(call) > 0 {
        wrong("(a) forwarded after its outcome".to_owned());
    }
    let limits = CallLimits::DEFAULT;
    let late = forward.deadline.as_millis() > u128::from(limits.upstream_millis_max);
    if late || forward.bytes_max > limits.result_bytes_max {
        wrong("(i) forwarded without the bounds on its time and its answer".to_owned());
    }
    let listed = disk.listed(&forward.agent, &forward.tool.name);
    if listed.is_some_and(|listed| listed != forward.tool.definition) {
        wrong("(a) forwarded at another definition than was listed to the agent".to_owned());
    }
    drop(disk);
    let seen = world.seen();
    if seen.forwarded.contains(&call) {
        wrong("(a) forwarded twice".to_owned());
    }
    if seen.removed.contains(&forward.agent) {
        wrong("(c) forwarded after the agent's removal was acknowledged".to_owned());
    }
    if withdrawn(world, &seen.withdrawn, forward) {
        wrong("(c) forwarded after the tool's withdrawal was acknowledged".to_owned());
    }
    let open = seen.open.values().filter(|open| open.agent == forward.agent).count();
    if open >= world.open_calls_max {
        wrong(format!("(i) forwarded while the task had {open} calls open"));
    }
    broken
}

/// The intent is for exactly this.
fn intended(intent: &Durable, forward: &Forward) -> Vec<String> {
    let Body::Decision(body) = &intent.entry.body else {
        return vec!["(a) its intent is no decision".to_owned()];
    };
    let mut broken = Vec::new();
    if body.tool != forward.tool || body.agent != forward.agent {
        broken.push("(a) its intent is for another tool, definition or agent".to_owned());
    }
    if intent.entry.epoch != intent.committed {
        broken.push(format!(
            "(a) decided at epoch {} and committed at {}",
            intent.entry.epoch.0, intent.committed.0
        ));
    }
    let salt = intent.salts.iter().find(|(name, _)| *name == "arguments").map(|(_, salt)| salt);
    let canonical = Json::parse(forward.arguments.as_bytes(), &JsonLimits::REQUEST).map(|it| it.canonical());
    let same = match (salt, canonical) {
        (Some(salt), Ok(text)) => Commitment::to(salt, "arguments", text.as_bytes()) == body.arguments,
        _ => false,
    };
    if !same {
        broken.push("(a) its intent is for other arguments".to_owned());
    }
    broken
}

/// The picture of the intent's epoch permits it, decided again.
fn permitted(world: &World, (disk, intent): (&Disk, &Durable), forward: &Forward) -> Option<String> {
    let history = world.pictures()?.history();
    let Some(picture) = history.iter().rev().find(|picture| picture.epoch == intent.entry.epoch) else {
        return Some("(a) its intent names an epoch that never was".to_owned());
    };
    let Some(agent) = picture.agents.by_name(&forward.agent).filter(|agent| agent.removed.is_none()) else {
        return Some("(a) its agent did not exist at the intent's epoch".to_owned());
    };
    let usable = |record: &ToolRecord| record.usable() && record.pinned() == forward.tool;
    if !picture.catalog.get(&forward.tool.name).is_some_and(|record| usable(record)) {
        return Some("(a) its tool was not certified at the intent's epoch".to_owned());
    }
    let facts = agent.facts.clone();
    let principal = Principal { agent: agent.id.clone(), facts, attestation: Attestation::AgentKey };
    let task = Task::implicit(&agent.id).ok()?;
    let arguments = Json::parse(forward.arguments.as_bytes(), &JsonLimits::REQUEST).ok()?;
    let evidence = consent::approved(disk, intent).map_or_else(ApprovalEvidence::none, |(_, _, body)| {
        ApprovalEvidence {
            count: 1,
            groups: body.groups.clone(),
            exact: true,
            self_approved: body.self_approved,
        }
    });
    let decision = picture.policy.decide(&DecisionRequest {
        principal: &principal,
        task: &task,
        tool: &forward.tool,
        arguments: &arguments,
        approval: &evidence,
        now: intent.entry.at,
    });
    match decision {
        Decision::Permit(_) => None,
        other => Some(format!("(a) policy of the intent's epoch does not permit it: {other:?}")),
    }
}

/// The tool was out of use in every picture since an acknowledged withdrawal.
fn withdrawn(
    world: &World,
    acknowledged: &[(model::tool::ToolRef, model::ids::Epoch)],
    forward: &Forward,
) -> bool {
    let Some(pictures) = world.pictures() else { return false };
    let history = pictures.history();
    let name = &forward.tool.name;
    acknowledged.iter().filter(|(tool, _)| tool == name).any(|(_, since)| {
        let mut later = history.iter().filter(|picture| picture.epoch >= *since);
        later.all(|picture| !picture.catalog.get(name).is_some_and(|record| record.usable()))
    })
}

/// What is wrong with the end of a call that a client sees right now.
pub fn finished(world: &World, finished: &Finished, healthy: bool) {
    match finished {
        Finished::Answered(call, _) => {
            world.seen().answered += 1;
            let outcome = world.disk().outcome(*call);
            if !matches!(outcome, Some(Outcome::Completed | Outcome::ToolError)) {
                world.violation(format!("(d) {call}: answered while its durable outcome is {outcome:?}"));
            }
        }
        Finished::Refused(gone) => refused(world, gone.call, &gone.denial, healthy),
    }
}

/// What is wrong with a refusal that a client sees right now.
pub fn refused(world: &World, call: CallId, denial: &Denial, healthy: bool) {
    world.seen().refused += 1;
    let recorded = world.disk().of(call).any(|durable| match &durable.entry.body {
        Body::Decision(DecisionBody { verdict, .. }) => *verdict != Verdict::Permit,
        Body::Refusal(body) => body.reason == denial.reason,
        Body::Outcome(body) => matches!(body.outcome, Outcome::NotSent(_) | Outcome::Unknown(_)),
        _ => false,
    });
    if healthy && !recorded {
        world.violation(format!("(e) {call}: refused as {} with no entry that says so", denial.reason));
    }
    let named_known = denial.reason == Reason::UnknownTool && !denial.public.starts_with("Unknown tool: ");
    if named_known || denial.public.is_empty() {
        world.violation(format!("(g) {call}: an unknown tool is answered `{}`", denial.public));
    }
}

/// What is wrong with a disk on which every call has ended: right after recovery, or when all is quiet.
pub fn at_rest(world: &World) {
    let disk = world.disk();
    let intents: Vec<CallId> = disk
        .entries
        .iter()
        .filter(|durable| durable.entry.is_intent())
        .filter_map(|durable| durable.entry.call())
        .collect();
    let wrong: Vec<String> = intents
        .iter()
        .filter_map(|call| {
            let outcomes = disk.outcomes(*call);
            (outcomes != 1).then(|| format!("(b) {call}: an intent with {outcomes} outcomes"))
        })
        .collect();
    let stray = disk.entries.iter().filter(|durable| matches!(durable.entry.body, Body::Outcome(_)));
    let stray = stray.filter_map(|durable| durable.entry.call()).filter(|call| !intents.contains(call));
    let stray: Vec<String> = stray.map(|call| format!("(b) {call}: an outcome without an intent")).collect();
    let twice = consent::used_once(&disk);
    drop(disk);
    world.seen().violations.extend(wrong.into_iter().chain(stray).chain(twice));
}

/// The current picture's epoch is the disk's: what was acknowledged is in force.
pub fn in_force(world: &World) {
    let Some(current) = world.pictures().map(|pictures| pictures.current()) else { return };
    let durable = world.disk().control.epoch;
    if current.epoch.0 != durable {
        world.violation(format!(
            "(f) all is quiet, and epoch {} is published where {durable} is durable",
            current.epoch.0
        ));
    }
}
