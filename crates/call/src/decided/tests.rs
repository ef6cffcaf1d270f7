//! Decided: a permit, a refusal with its reasons, or a park; with evidence, decided again.

use model::denial::{Denial, Reason};
use policy::ApprovalEvidence;

use super::Decided;
use crate::testing::{NOW, changed, first, resolved};

fn approved(count: u32) -> ApprovalEvidence {
    ApprovalEvidence { count, groups: Vec::new(), exact: true, self_approved: false }
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
        Decided::Park(parked) => parked.nobody_to_ask().denial,
        Decided::Permit(_) => panic!("it was permitted"),
    }
}

#[test]
fn a_permit_is_for_exactly_this_call() {
    let resolved = resolved("alpha__update_item", r#"{"id":"open"}"#);
    let digest = resolved.digest;
    let Decided::Permit(permitted) = resolved.decide(&ApprovalEvidence::none(), NOW) else {
        panic!("it is permitted")
    };
    assert_eq!(permitted.permit().call(), digest);
    let policies: Vec<&str> = permitted.permit().policies().iter().map(|id| id.as_str()).collect();
    assert_eq!(policies, ["write"]);
}

#[test]
fn other_arguments_are_another_decision() {
    let refused = resolved("alpha__update_item", r#"{"id":"shut"}"#);
    let denial = denial(refused.decide(&ApprovalEvidence::none(), NOW));
    assert_eq!(denial.reason, Reason::PolicyDenied);
    assert!(!denial.public.contains("shut"), "an answer does not repeat arguments");
}

#[test]
fn without_an_approval_a_call_is_parked_and_nobody_is_there() {
    let parked = resolved("alpha__run_command", r#"{"id":"open"}"#).decide(&ApprovalEvidence::none(), NOW);
    assert_eq!(word(&parked), "park");
    let denial = denial(parked);
    assert_eq!(denial.reason, Reason::ApprovalRequired);
    assert!(denial.private.contains("operators"), "{}", denial.private);
    assert!(!denial.public.contains("operators"), "whom to ask is the operators' to know");
}

#[test]
fn evidence_never_resumes_a_call_but_decides_it_again() {
    let parked = || match resolved("alpha__run_command", r#"{"id":"open"}"#).decide(&approved(0), NOW) {
        Decided::Park(parked) => parked,
        other => panic!("{}", word(&other)),
    };
    assert_eq!(word(&parked().decide_again(&approved(1), NOW)), "park", "one of two");
    assert_eq!(word(&parked().decide_again(&approved(2), NOW)), "permit");
    let denied = parked().cannot_tell("the store is away".to_owned());
    assert_eq!(denied.denial.reason, Reason::Indeterminate);
}

#[test]
fn a_permit_does_not_stand_under_policies_that_cannot_decide_its_tool() {
    let resolved = resolved("alpha__get_item", r#"{"id":"open"}"#);
    let Decided::Permit(permitted) = resolved.decide(&ApprovalEvidence::none(), NOW) else {
        panic!("it is permitted")
    };
    assert!(permitted.stands_under(&first().policy, NOW));
    assert!(!permitted.stands_under(&changed(true).policy, NOW), "another definition");
    assert!(!permitted.stands_under(&changed(false).policy, NOW), "no such tool");
}
