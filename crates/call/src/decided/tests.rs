//! Decided: a permit, a refusal with its reasons, or a park; with evidence, decided again.

use model::approval::{Answer, Approval, ApprovalKey, ApprovalState, USABLE_SECONDS};
use model::denial::{Denial, Reason};
use model::ids::GroupName;

use super::Decided;
use crate::approved::{Evidence, Parked};
use crate::testing::{NOW, changed, first, resolved};

/// What was asked, approved by one person.
fn approved(asked: Approval) -> Approval {
    let (by, note) = ("operator:ann".to_owned(), String::new());
    let answer = Answer { at: NOW, by, note, groups: asked.approvers.clone(), self_approved: true };
    asked.answered(asked.key.call, true, answer).unwrap()
}

fn parked(name: &str) -> Parked {
    match resolved(name, r#"{"id":"open"}"#).decide(None, NOW) {
        Decided::Park(parked) => *parked,
        other => panic!("{}", word(&other)),
    }
}

fn word(decided: &Decided) -> &'static str {
    match decided {
        Decided::Permit(_) => "permit",
        Decided::Deny(_) => "deny",
        Decided::Park(_) => "park",
    }
}

fn denial(decided: Decided) -> Denial {
    match decided {
        Decided::Deny(denied) => denied.denial,
        other => panic!("{}", word(&other)),
    }
}

#[test]
fn a_permit_is_for_exactly_this_call() {
    let resolved = resolved("alpha__update_item", r#"{"id":"open"}"#);
    let digest = resolved.digest;
    let Decided::Permit(permitted) = resolved.decide(None, NOW) else { panic!("it is permitted") };
    assert_eq!(permitted.permit().call(), digest);
    let policies: Vec<&str> = permitted.permit().policies().iter().map(|id| id.as_str()).collect();
    assert_eq!(policies, ["write"]);
}

#[test]
fn other_arguments_are_another_decision() {
    let refused = resolved("alpha__update_item", r#"{"id":"shut"}"#);
    let denial = denial(refused.decide(None, NOW));
    assert_eq!(denial.reason, Reason::PolicyDenied);
    assert!(!denial.public.contains("shut"), "an answer does not repeat arguments");
}

#[test]
fn a_policy_that_cannot_be_evaluated_is_a_doubt_and_says_no() {
    let refused = resolved("alpha__update_item", r#"{"id":"open","count":9223372036854775807}"#);
    let denial = denial(refused.decide(None, NOW));
    assert_eq!(denial.reason, Reason::Indeterminate);
    assert!(denial.private.contains("sum"), "the record names the policy: {}", denial.private);
    assert!(!denial.public.contains("sum") && !denial.public.contains("overflow"), "{}", denial.public);
}

#[test]
fn without_an_approval_a_call_waits_for_a_person() {
    let parked = parked("alpha__run_command");
    let asked = parked.question(NOW).unwrap();
    assert_eq!(asked.key, parked.key());
    assert_eq!(asked.approvers, [GroupName::parse("operators").unwrap()]);
    let denial = parked.waits_for(&asked);
    assert_eq!(denial.reason, Reason::ApprovalRequired);
    assert_eq!(denial.approval(), Some((asked.id, asked.until)));
    assert_eq!(
        denial.public,
        format!(
            "waiting for a person: approval {}, expires 2026-11-21T09:15:00Z; call again with the same arguments \
             once approved (two people)",
            asked.id
        )
    );
    assert!(denial.private.contains("operators"), "{}", denial.private);
    assert!(!denial.public.contains("operators"), "whom to ask is the operators' to know");
}

#[test]
fn what_one_person_can_give_is_known_when_it_is_asked_for() {
    assert!(!parked("alpha__run_command").question(NOW).unwrap().self_approvable, "policy asks for two");
    assert!(parked("alpha__run_script").question(NOW).unwrap().self_approvable);
}

#[test]
fn evidence_never_resumes_a_call_but_decides_it_again() {
    let one_of_two = parked("alpha__run_command");
    let approval = approved(one_of_two.question(NOW).unwrap());
    let evidence = Evidence::of(&approval, &one_of_two.key(), NOW).unwrap();
    assert_eq!(word(&one_of_two.decide_again(&evidence, NOW)), "park", "one of two");
    let alone = parked("alpha__run_script");
    let approval = approved(alone.question(NOW).unwrap());
    let evidence = Evidence::of(&approval, &alone.key(), NOW).unwrap();
    let Decided::Permit(permitted) = alone.decide_again(&evidence, NOW) else { panic!("it is permitted") };
    assert_eq!(permitted.evidence().map(Evidence::id), Some(approval.id), "its intent uses the approval up");
    let denial = parked("alpha__run_command").cannot_tell("the store is away".to_owned());
    assert_eq!(denial.reason, Reason::Indeterminate);
}

#[test]
fn only_an_approval_of_this_very_call_in_time_is_evidence() {
    let parked = parked("alpha__run_script");
    let asked = parked.question(NOW).unwrap();
    let own = parked.key();
    assert!(Evidence::of(&asked, &own, NOW).is_none(), "nobody answered");
    let given = approved(asked.clone());
    let other = resolved("alpha__run_script", r#"{"id":"shut"}"#).approval_key();
    assert!(Evidence::of(&given, &ApprovalKey { call: other.call, ..own.clone() }, NOW).is_none());
    assert!(Evidence::of(&given, &own, NOW.plus_seconds(USABLE_SECONDS)).is_none(), "too late");
    let used = given.used(&own, asked.id.call(), NOW).unwrap();
    assert!(Evidence::of(&used, &own, NOW).is_none(), "used");
    let ended = Approval { state: ApprovalState::Ended, ..given };
    assert!(Evidence::of(&ended, &own, NOW).is_none(), "its agent is gone");
}

#[test]
fn nobody_is_asked_about_more_than_a_person_can_read() {
    let long = format!(r#"{{"id":"{}"}}"#, "a".repeat(model::approval::ARGUMENTS_BYTES_MAX));
    let Decided::Park(parked) = resolved("alpha__run_script", &long).decide(None, NOW) else {
        panic!("parked")
    };
    let denial = parked.question(NOW).unwrap_err();
    assert_eq!(denial.reason, Reason::LimitExceeded);
    assert!(denial.public.contains("256 KiB"), "{}", denial.public);
}

#[test]
fn a_permit_does_not_stand_under_policies_that_cannot_decide_its_tool() {
    let resolved = resolved("alpha__get_item", r#"{"id":"open"}"#);
    let Decided::Permit(permitted) = resolved.decide(None, NOW) else { panic!("it is permitted") };
    assert!(permitted.stands_under(&first().policy, NOW));
    assert!(!permitted.stands_under(&changed(true).policy, NOW), "another definition");
    assert!(!permitted.stands_under(&changed(false).policy, NOW), "no such tool");
}
