//! An approval's life: answered once, used once, by exactly one call, in time.

use proptest::prelude::*;

use super::*;
use crate::digest::Digest;
use crate::ids::{ServerName, ToolName};
use crate::tool::{Risk, ToolRef};

const AT: Micros = Micros(1_795_251_600_000_000);

fn key(agent: &str, what: &[u8]) -> ApprovalKey {
    let agent = AgentId::parse(agent).unwrap();
    let task = TaskId::parse(&format!("agent:{agent}")).unwrap();
    ApprovalKey { call: CallDigest(Digest::of(what)), agent, task }
}

fn call(number: u8) -> CallId {
    CallId::new(AT, [number; 10])
}

fn pending() -> Approval {
    let server = ServerName::parse("git").unwrap();
    let name = ToolRef { server, tool: ToolName::parse("push").unwrap() };
    Approval {
        id: ApprovalId::of(call(1)),
        key: key("ada", b"push"),
        tool: PinnedTool { name, definition: Digest::of(b"push"), risk: Risk::Privileged },
        approvers: vec![GroupName::parse("operators").unwrap()],
        policies: Vec::new(),
        reasons: Vec::new(),
        self_approvable: true,
        created: AT,
        until: AT.plus_seconds(PENDING_SECONDS),
        state: ApprovalState::Pending,
    }
}

fn answer(seconds: i64) -> Answer {
    let (by, note) = ("operator:ann".to_owned(), String::new());
    Answer { at: AT.plus_seconds(seconds), by, note, groups: Vec::new(), self_approved: true }
}

fn approved(seconds: i64) -> Approval {
    pending().answered(key("ada", b"push").call, true, answer(seconds)).unwrap()
}

#[test]
fn ids_lead_back_to_the_call_that_asked() {
    let id = ApprovalId::of(call(7));
    let text = id.to_string();
    assert!(text.starts_with("apr_") && text.len() == 30, "{text}");
    assert_eq!(ApprovalId::parse(&text), Some(id));
    assert_eq!(id.call(), call(7));
    assert_eq!(ApprovalId::parse(&call(7).to_string()), None, "a call's id is no approval's");
    assert!(
        id.begins_with(&text) && id.begins_with(&text[..9]) && id.begins_with(&text[4..9].to_lowercase())
    );
    assert!(!id.begins_with("") && !id.begins_with("apr_") && !id.begins_with("zzz"));
    assert!(!id.begins_with(&format!("{text}0")));
}

#[test]
fn an_answer_is_for_what_waits_and_for_the_call_that_was_shown() {
    let asked = pending();
    assert_eq!(asked.standing(AT), Standing::Waiting);
    assert!(asked.answered(key("ada", b"other").call, true, answer(1)).is_none(), "another call was shown");
    assert!(asked.answered(asked.key.call, true, answer(PENDING_SECONDS)).is_none(), "too late");
    let rejected = asked.answered(asked.key.call, false, answer(1)).unwrap();
    assert_eq!(rejected.standing(AT.plus_seconds(PENDING_SECONDS - 1)), Standing::Rejected);
    assert_eq!(rejected.standing(AT.plus_seconds(PENDING_SECONDS)), Standing::Over, "it can be asked anew");
    for answered in [rejected, approved(1)] {
        for yes in [true, false] {
            assert!(answered.answered(asked.key.call, yes, answer(2)).is_none(), "one answer");
        }
    }
}

#[test]
fn an_approval_is_used_once_by_its_own_call_in_time() {
    let now = AT.plus_seconds(20);
    let given = approved(10);
    let own = given.key.clone();
    assert!(pending().used(&own, call(2), now).is_none(), "nobody answered");
    assert!(given.used(&key("ada", b"other"), call(2), now).is_none(), "other arguments");
    assert!(given.used(&key("bob", b"push"), call(2), now).is_none(), "another agent");
    let task = TaskId::parse("other").unwrap();
    assert!(given.used(&ApprovalKey { task, ..own.clone() }, call(2), now).is_none(), "another task");
    let late = AT.plus_seconds(10 + USABLE_SECONDS);
    assert!(given.used(&own, call(2), late).is_none(), "too late");
    assert_eq!(given.standing(late), Standing::Expired);
    let used = given.used(&own, call(2), now).unwrap();
    assert_eq!(used.standing(now), Standing::Over);
    assert!(used.used(&own, call(3), now).is_none(), "a second time");
    let rejected = pending().answered(own.call, false, answer(1)).unwrap();
    assert!(rejected.used(&own, call(2), now).is_none());
}

#[test]
fn what_is_expired_is_told_for_a_while_and_then_forgotten() {
    let asked = pending();
    assert_eq!(asked.standing(asked.until), Standing::Expired);
    assert!(!asked.may_be_asked_anew(asked.until));
    let later = asked.until.plus_seconds(KEPT_SECONDS);
    assert!(asked.may_be_asked_anew(later) && asked.forgotten(later));
}

#[test]
fn the_end_of_the_agent_ends_what_lives() {
    let now = AT.plus_seconds(20);
    for living in [pending(), approved(10)] {
        let ended = living.ended(now).unwrap();
        assert_eq!(ended.standing(now), Standing::Over);
        assert!(ended.used(&ended.key, call(2), now).is_none() && ended.ended(now).is_none());
        assert!(ended.answered(ended.key.call, true, answer(30)).is_none());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Answer { own: bool, yes: bool },
    Use { own: bool, by: u8 },
    End,
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (prop::bool::weighted(0.8), prop::bool::weighted(0.8)).prop_map(|(own, yes)| Step::Answer { own, yes }),
        4 => (prop::bool::weighted(0.8), any::<u8>()).prop_map(|(own, by)| Step::Use { own, by }),
        1 => Just(Step::End),
        3 => (0i64..400).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever happens in whatever order: at most one use, after a yes to this very call, in time, and not after the
    /// end of the agent.
    #[test]
    fn one_yes_is_one_use(steps in prop::collection::vec(step(), 1..40)) {
        let (mut kept, mut now) = (pending(), AT);
        let (mut yes, mut uses, mut ended): (Option<Micros>, u32, bool) = (None, 0, false);
        for step in steps {
            let meant = |own| key("ada", if own { b"push" } else { b"other" });
            let next = match step {
                Step::Wait(seconds) => {
                    now = now.plus_seconds(seconds);
                    continue;
                }
                Step::Answer { own, yes: said } => {
                    let next = kept.answered(meant(own).call, said, Answer { at: now, ..answer(0) });
                    if next.is_some() {
                        prop_assert!(own && !ended && now < AT.plus_seconds(PENDING_SECONDS));
                        prop_assert!(yes.is_none());
                        yes = said.then_some(now);
                    }
                    next
                }
                Step::Use { own, by } => {
                    let next = kept.used(&meant(own), call(by), now);
                    if next.is_some() {
                        uses += 1;
                        let given = yes.expect("nobody said yes");
                        prop_assert!(own && !ended && now < given.plus_seconds(USABLE_SECONDS));
                    }
                    next
                }
                Step::End => {
                    ended = true;
                    kept.ended(now)
                }
            };
            kept = next.unwrap_or(kept);
            prop_assert!(uses <= 1);
            prop_assert!(uses == 0 || kept.may_be_asked_anew(now), "what is used can be asked anew");
        }
    }
}
