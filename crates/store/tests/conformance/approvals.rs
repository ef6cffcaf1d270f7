//! What the steps on approvals promise. Must never look behind the ports.

use std::sync::Arc;

use model::approval::{
    Answer, Approval, ApprovalId, ApprovalKey, ApprovalState, PENDING_MAX, PENDING_PER_AGENT_MAX, Standing,
    USABLE_SECONDS,
};
use model::call::CallDigest;
use model::digest::Digest;
use model::ids::{AgentId, Epoch, GroupName, PolicyId, TaskId};
use model::time::Micros;
use ports::approvals::{Answering, ApprovalStep, Approvals, Asking, Using};
use ports::control::{Control, ControlChange};
use ports::record::{CommitFault, Expect, Item, Record};

use super::{Backend, agent, all, call, control_entry, count, intent, item, pinned, wait};

pub(crate) const AT: Micros = Micros(1_795_254_000_000_000);
pub(crate) const ARGUMENTS: &str = r#"{"text":"π \u202e \"x\""}"#;

pub(crate) fn key(what: u128, of: usize) -> ApprovalKey {
    let agent = AgentId::parse(&format!("a{of}")).unwrap();
    let task = TaskId::parse(&format!("agent:{agent}")).unwrap();
    ApprovalKey { call: CallDigest(Digest::of(&what.to_be_bytes())), agent, task }
}

fn asking(number: u128, key: ApprovalKey) -> Asking {
    let approval = Approval {
        id: ApprovalId::of(call(number)),
        key,
        tool: pinned(),
        approvers: ["finance", "operators"].map(|group| GroupName::parse(group).unwrap()).to_vec(),
        policies: vec![PolicyId::parse("p/1").unwrap(), PolicyId::parse("p/2").unwrap()],
        reasons: vec!["so \"we\" said\n".to_owned(), String::new()],
        self_approvable: true,
        created: AT,
        until: AT.plus_seconds(900),
        state: ApprovalState::Pending,
    };
    Asking { approval, arguments: ARGUMENTS.to_owned() }
}

fn answer(at: Micros) -> Answer {
    let groups = vec![GroupName::parse("operators").unwrap()];
    Answer { at, by: "operator:ann".to_owned(), note: "ok ω".to_owned(), groups, self_approved: true }
}

fn said(asked: &Approval, approved: bool, at: Micros) -> ApprovalStep {
    let (id, call) = (asked.id, asked.key.call);
    ApprovalStep::Answer(Box::new(Answering { id, call, approved, answer: answer(at) }))
}

fn using(asked: &Approval, by: u128) -> ApprovalStep {
    ApprovalStep::Use(Box::new(Using { id: asked.id, key: asked.key.clone(), by: call(by) }))
}

/// An item that does this, at this time.
pub(crate) fn doing(number: u128, step: ApprovalStep, at: Micros) -> Item {
    let mut item = item(intent(number, 1), Expect::Nothing);
    item.entry.at = at;
    item.approval = Some(step);
    item
}

fn take(store: &impl Record, number: u128, step: ApprovalStep, at: Micros) -> Result<(), CommitFault> {
    wait(store.stage(doing(number, step, at)).unwrap()).map(drop)
}

pub(crate) fn ask(store: &impl Record, number: u128, key: ApprovalKey) -> Result<Approval, CommitFault> {
    let asking = asking(number, key);
    let asked = asking.approval.clone();
    take(store, number, ApprovalStep::Ask(Box::new(asking)), AT).map(|()| asked)
}

fn last(store: &impl Approvals, key: &ApprovalKey) -> Option<Approval> {
    wait(store.last(key)).unwrap()
}

pub(super) fn what_a_step_does_survives_and_what_it_cannot_do_leaves_nothing(backend: &impl Backend) {
    let store = backend.open();
    let asked = ask(&*store, 1, key(1, 1)).unwrap();
    drop(store);
    let store = backend.open();
    assert_eq!(last(&*store, &asked.key), Some(asked.clone()));
    assert_eq!(wait(store.arguments(asked.id)).unwrap().as_deref(), Some(ARGUMENTS));
    assert_eq!(last(&*store, &key(2, 1)), None);
    assert_eq!(last(&*store, &key(1, 2)), None, "another agent's");
    let later = AT.plus_seconds(5);
    take(&*store, 2, said(&asked, true, later), later).unwrap();
    let approved = last(&*store, &asked.key).unwrap();
    assert_eq!(approved.state, ApprovalState::Approved(answer(later)));
    assert_eq!(approved.until, later.plus_seconds(USABLE_SECONDS));
    let before = all(&*store).len();
    let other = Approval { key: key(2, 1), ..asked.clone() };
    let unknown = Approval { id: ApprovalId::of(call(9)), ..asked.clone() };
    let late = approved.until;
    for (what, step, at) in [
        ("a second answer", said(&asked, false, later), later),
        ("another call", using(&other, 3), later),
        ("one that is not there", using(&unknown, 3), later),
        ("after its time", using(&asked, 3), late),
        ("the same again", ApprovalStep::Ask(Box::new(asking(4, asked.key.clone()))), later),
    ] {
        assert!(matches!(take(&*store, 3, step, at), Err(CommitFault::ApprovalGone)), "{what}");
    }
    assert_eq!(all(&*store).len(), before, "what was refused left no entry");
    assert_eq!(last(&*store, &asked.key), Some(approved));
    take(&*store, 5, using(&asked, 5), later).unwrap();
    drop(store);
    let used = last(&*backend.open(), &asked.key).unwrap();
    assert_eq!(used.state, ApprovalState::Used(answer(later), call(5)));
}

pub(super) fn an_approval_is_used_by_one_of_many_that_race_for_it(backend: &impl Backend) {
    let store = backend.open();
    let asked = ask(&*store, 1, key(1, 1)).unwrap();
    take(&*store, 2, said(&asked, true, AT), AT).unwrap();
    let won = std::thread::scope(|scope| {
        let racing: Vec<_> = (0..8u128)
            .map(|thread| {
                let (store, asked) = (Arc::clone(&store), asked.clone());
                scope.spawn(move || {
                    let numbers = (0..20).map(|number| 100 + thread * 100 + number);
                    let staged: Vec<_> = numbers
                        .map(|number| store.stage(doing(number, using(&asked, number), AT)).unwrap())
                        .collect();
                    staged.into_iter().map(wait).filter(Result::is_ok).count()
                })
            })
            .collect();
        racing.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert_eq!(won, 1);
    assert_eq!(count(&all(&*store), "kind", "intent"), 3, "two steps of the test, and the one that won");
}

pub(super) fn an_intent_of_an_earlier_epoch_uses_nothing_up(backend: &impl Backend) {
    let store = backend.open();
    let asked = ask(&*store, 1, key(1, 1)).unwrap();
    take(&*store, 2, said(&asked, true, AT), AT).unwrap();
    let epoch = wait(store.load()).unwrap().epoch;
    let change = ControlChange::PolicyLoaded(Digest::of(b"two"));
    wait(store.apply(change, vec![control_entry("set")])).unwrap();
    let stale = Item { expects: Expect::Epoch(Epoch(epoch)), ..doing(3, using(&asked, 3), AT) };
    assert!(matches!(wait(store.stage(stale).unwrap()), Err(CommitFault::EpochMoved)));
    assert_eq!(last(&*store, &asked.key).unwrap().standing(AT), Standing::Approved);
    take(&*store, 4, using(&asked, 4), AT).unwrap();
}

pub(super) fn what_waits_is_bounded_told_and_swept(backend: &impl Backend) {
    let store = backend.open();
    for number in 0..PENDING_PER_AGENT_MAX as u128 {
        ask(&*store, number, key(number, 1)).unwrap();
    }
    let more = ask(&*store, 999, key(999, 1));
    assert!(matches!(more, Err(CommitFault::TooManyWait(PENDING_PER_AGENT_MAX))));
    for number in PENDING_PER_AGENT_MAX..PENDING_MAX {
        ask(&*store, number as u128, key(number as u128, 100 + number / 20)).unwrap();
    }
    let more = ask(&*store, 9999, key(9999, 9999));
    assert!(matches!(more, Err(CommitFault::TooManyWait(waiting)) if waiting >= PENDING_MAX));
    assert!(wait(store.all()).unwrap().iter().map(|kept| kept.id).is_sorted(), "oldest first");
    // Once its time is over it is told, forgotten, and asked anew.
    let (one, late) = (key(0, 1), AT.plus_seconds(900));
    let asked = last(&*store, &one).unwrap();
    take(&*store, 5000, ApprovalStep::Forget(asked.id), AT).unwrap();
    assert!(last(&*store, &one).is_some(), "it still waits");
    take(&*store, 5001, ApprovalStep::Forget(asked.id), late).unwrap();
    assert_eq!(last(&*store, &one), None);
    let mut anew = asking(5002, one.clone());
    anew.approval.until = late.plus_seconds(3600 * 3);
    take(&*store, 5002, ApprovalStep::Ask(Box::new(anew)), late.plus_seconds(3600 * 2)).unwrap();
    assert_eq!(wait(store.all()).unwrap().len(), 1, "what is long over is not kept");
}

pub(super) fn what_an_agent_waits_for_ends_with_it(backend: &impl Backend) {
    let store = backend.open();
    let waiting = ask(&*store, 1, key(1, 1)).unwrap();
    let approved = ask(&*store, 2, key(2, 1)).unwrap();
    let other = ask(&*store, 3, key(1, 2)).unwrap();
    take(&*store, 4, said(&approved, true, AT), AT).unwrap();
    let mut gone = agent("a1", &[]);
    gone.removed = Some(AT);
    wait(store.apply(ControlChange::PutAgent(gone), vec![control_entry("a1")])).unwrap();
    for ended in [&waiting, &approved] {
        assert_eq!(last(&*store, &ended.key).unwrap().state, ApprovalState::Ended);
        let step = said(ended, true, AT);
        assert!(matches!(take(&*store, 5, step, AT), Err(CommitFault::ApprovalGone)));
        assert!(matches!(take(&*store, 5, using(ended, 5), AT), Err(CommitFault::ApprovalGone)));
    }
    assert_eq!(last(&*store, &other.key).unwrap().standing(AT), Standing::Waiting);
}
