//! The checkers of approvals: one yes of a person, recorded before, for one forwarded call. Must never ask the rows that
//! the code under test keeps: the log is the evidence.

use admin::{Asked, Says};
use ledger::{ApprovalBody, Body, DecisionBody, Verdict};
use model::approval::{ApprovalId, USABLE_SECONDS};
use model::call::CallDigest;
use model::digest::Commitment;
use model::json::Json;
use model::limits::JsonLimits;
use ports::upstream::Forward;

use crate::disk::{Disk, Durable};
use crate::world::World;

/// The entry of the answer that an intent uses up, and its place in the log.
pub(super) fn approved<'a>(
    disk: &'a Disk,
    intent: &Durable,
) -> Option<(usize, &'a Durable, &'a ApprovalBody)> {
    let Body::Decision(DecisionBody { approval: Some(approval), .. }) = &intent.entry.body else {
        return None;
    };
    disk.entries.iter().enumerate().find_map(|(place, kept)| match &kept.entry.body {
        Body::Approval(body) if body.approval == *approval && body.approved => Some((place, kept, body)),
        _ => None,
    })
}

/// An intent that names an approval uses up one of its own: a person's yes to this very call, recorded before it, in
/// time, and used by no other intent.
pub(super) fn consented(disk: &Disk, intent: &Durable, forward: &Forward) -> Option<String> {
    let Body::Decision(DecisionBody { approval: Some(approval), task, .. }) = &intent.entry.body else {
        return None;
    };
    let uses = |kept: &&Durable| match &kept.entry.body {
        Body::Decision(body) => body.verdict == Verdict::Permit && body.approval == Some(*approval),
        _ => false,
    };
    if disk.entries.iter().filter(uses).count() != 1 {
        return Some(format!("(j) {approval} is used by more than one intent"));
    }
    let Some((place, kept, body)) = approved(disk, intent) else {
        return Some(format!("(j) {approval} was approved by nobody"));
    };
    let own = disk
        .entries
        .iter()
        .position(|kept| kept.entry.is_intent() && kept.entry.call() == intent.entry.call());
    if own.is_none_or(|own| own < place) {
        return Some(format!("(j) {approval} was approved after the intent"));
    }
    if intent.entry.at >= kept.entry.at.plus_seconds(USABLE_SECONDS) {
        return Some(format!("(j) {approval} was used after its time"));
    }
    let canonical = Json::parse(forward.arguments.as_bytes(), &JsonLimits::REQUEST).ok()?.canonical();
    let digest = CallDigest::of(&forward.tool, &canonical);
    let salt = kept.salts.iter().find(|(name, _)| *name == "bound").map(|(_, salt)| salt);
    let bound = salt.map(|salt| Commitment::to(salt, "bound", digest.0.as_bytes()));
    let same = bound == Some(body.bound) && body.agent == forward.agent && body.task == *task;
    (!same).then(|| format!("(j) {approval} is for another call, agent or task"))
}

/// What is wrong with an answer that was acknowledged to a person right now.
pub fn answered(world: &World, asked: &Asked, says: Says) {
    let id = asked.approval.id;
    let disk = world.disk();
    let answers = disk.entries.iter().filter_map(|kept| match &kept.entry.body {
        Body::Approval(body) if body.approval == id => Some(body.approved),
        _ => None,
    });
    let answers: Vec<bool> = answers.collect();
    drop(disk);
    if answers != [matches!(says, Says::Yes(_))] {
        world.violation(format!("(j) {id}: acknowledged as {says:?} and recorded as {answers:?}"));
    }
    if matches!(says, Says::Yes(call) if call != asked.approval.key.call) {
        world.violation(format!("(j) {id}: a yes to another call was taken"));
    }
}

/// How many intents used an approval.
#[must_use]
pub fn approvals_used(world: &World) -> usize {
    used(&world.disk()).len()
}

/// The approvals that intents name, sorted.
fn used(disk: &Disk) -> Vec<ApprovalId> {
    let named = disk.entries.iter().filter_map(|kept| match &kept.entry.body {
        Body::Decision(body) if kept.entry.is_intent() => body.approval,
        _ => None,
    });
    let mut named: Vec<ApprovalId> = named.collect();
    named.sort_unstable();
    named
}

/// No approval was used by two intents.
pub(super) fn used_once(disk: &Disk) -> Vec<String> {
    let used = used(disk);
    let twice = used.windows(2).filter(|pair| pair.first() == pair.last());
    twice.map(|pair| format!("(j) {pair:?}: one approval, two intents")).collect()
}
