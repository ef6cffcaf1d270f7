//! Park, not deny: what an approval would change, and whom to ask. Must never park what approval cannot change.

use super::*;

fn world() -> World {
    World::new().server("pay", "production").tool(
        "pay__refund",
        Risk::Write,
        r#"{"type":"object","required":["amount"],"properties":{"amount":{"type":"integer"}}}"#,
    )
}

const PERMIT: &str = r#"@id("p") permit (principal, action in Callgate::Action::"call", resource);"#;

fn park(text: &str, arguments: &str) -> crate::Park {
    match world().ask(text, "pay__refund", arguments) {
        Decision::Park(park) => park,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_forbid_that_approval_lifts_parks_with_its_group_and_reason() {
    let text = format!(
        "{PERMIT} @id(\"f\") @approvers(\"finance, owners\") @reason(\"large refunds need finance\")
        forbid (principal, action == pay::Action::\"refund\", resource)
        when {{ context.args.amount > 100 }} unless {{ context.approval.count >= 2 }};"
    );
    let park = park(&text, r#"{"amount":101}"#);
    assert_eq!(ids(&park.policies), ["f"]);
    assert_eq!(park.approvers.iter().map(GroupName::as_str).collect::<Vec<_>>(), ["finance", "owners"]);
    assert_eq!(park.reasons, ["large refunds need finance"]);
    assert_eq!(word(&world().ask(&text, "pay__refund", r#"{"amount":100}"#)), ("permit", vec!["p"]));
}

#[test]
fn one_of_two_approvals_still_parks_and_two_permit() {
    let text = format!(
        "{PERMIT} @id(\"f\") @approvers(\"finance\") forbid (principal, action, resource == Callgate::Server::\"pay\")
        when {{ context has approval }} unless {{ context.approval.count >= 2 && context.approval.exact }};"
    );
    let world = world();
    // `list` has no approval: the policy must guard, and the guard must not count as reading it.
    let snapshot = world.compile(&text).unwrap_or_else(|p| panic!("{}", shown(&p)));
    let decide = |evidence: &ApprovalEvidence| {
        word(&world.decide(&snapshot, &agent(&[]), ("pay__refund", r#"{"amount":1}"#), evidence)).0
    };
    assert_eq!(decide(&approved(1, &["finance"])), "park");
    assert_eq!(decide(&approved(2, &["finance"])), "permit");
    assert_eq!(decide(&ApprovalEvidence { exact: false, ..approved(2, &[]) }), "park");
}

#[test]
fn a_plain_forbid_beside_it_denies_without_asking() {
    let text = format!(
        "{PERMIT} @id(\"f\") @approvers(\"finance\")
        forbid (principal, action in Callgate::Action::\"call\", resource) unless {{ context.approval.count >= 1 }};
        @id(\"never\") forbid (principal, action in Callgate::Action::\"call\", resource == Callgate::Server::\"pay\")
        when {{ resource.environment == \"production\" }};"
    );
    assert_eq!(
        word(&world().ask(&text, "pay__refund", r#"{"amount":1}"#)),
        ("forbidden", vec!["f", "never"])
    );
}

#[test]
fn a_permit_that_wants_approval_parks_only_when_no_other_permit_holds() {
    let wants =
        "@id(\"w\") @approvers(\"leads\") permit (principal, action in Callgate::Action::\"call\", resource)
        when { context.approval.groups.contains(\"leads\") };";
    assert_eq!(ids(&park(wants, r#"{"amount":1}"#).policies), ["w"]);
    let both = format!("{wants} {PERMIT}");
    assert_eq!(word(&world().ask(&both, "pay__refund", r#"{"amount":1}"#)), ("permit", vec!["p"]));
}

#[test]
fn forms_that_are_not_monotone_are_refused_with_what_to_write() {
    let forbid = |condition: &str| {
        format!(
            "@approvers(\"a\") forbid (principal, action in Callgate::Action::\"call\", resource) {condition};"
        )
    };
    let permit = |condition: &str| {
        format!(
            "@approvers(\"a\") permit (principal, action in Callgate::Action::\"call\", resource) {condition};"
        )
    };
    let good = [
        permit("when { context.approval.count >= 1 }"),
        permit("when { 1 <= context.approval.count }"),
        permit("when { context.approval.count > 0 || context.approval.groups.containsAny([\"x\", \"y\"]) }"),
        permit("when { context.approval.exact && !context.approval.self_approved }"),
        permit("unless { context.approval.count < 2 }"),
        permit("when { if context.args.amount > 3 then context.approval.count >= 2 else context.approval.count >= 1 }")
            .replace("action in Callgate::Action::\"call\"", "action == pay::Action::\"refund\""),
        forbid("unless { context.approval.count >= 1 }"),
        forbid("when { context.approval.count < 1 }"),
        forbid("when { !(context.approval.count >= 1) }"),
        forbid("when { context.approval.self_approved }"),
    ];
    for text in &good {
        world().compile(text).unwrap_or_else(|problems| panic!("{text}: {}", shown(&problems)));
    }
    let bad = [
        permit("when { context.approval.count < 2 }"),
        permit("when { context.approval.count == 1 }"),
        permit("when { context.approval.count != 1 }"),
        permit("unless { context.approval.count >= 1 }"),
        permit("when { !context.approval.exact }"),
        permit("when { context.approval.self_approved }"),
        permit("when { context.approval.count + 1 >= 1 }"),
        permit("when { context.approval.groups == [\"a\"] }"),
        permit("when { [\"a\"].containsAll(context.approval.groups) }"),
        permit("when { !context.approval.groups.contains(\"a\") }"),
        permit("when { context.approval == context.approval }"),
        permit("when { {\"a\": context}.a.approval.exact }"),
        permit("when { if context.approval.exact then true else true }"),
        permit("when { (if true then context else context).approval.exact }"),
        permit("when { context.approval.groups.contains(principal.attestation) }"),
        forbid("when { context.approval.count >= 1 }"),
        forbid("unless { context.approval.count < 1 }"),
        forbid("unless { context[\"approval\"][\"count\"] < 1 }"),
    ];
    for text in &bad {
        let problems = world().compile(text).err().unwrap_or_else(|| panic!("accepted: {text}"));
        assert!(
            problems.iter().any(|p| p.kind == crate::ProblemKind::Approval),
            "{text}: {}",
            shown(&problems)
        );
    }
}

#[test]
fn approvers_are_named_exactly_where_the_approval_is_read() {
    let reads =
        "permit (principal, action in Callgate::Action::\"call\", resource) when { context.approval.exact };";
    let not = "@approvers(\"a\") permit (principal, action in Callgate::Action::\"call\", resource);";
    let odd = "@approvers(\"Bad Group\") permit (principal, action, resource);";
    for text in [reads, not, odd] {
        let problems = world().compile(text).err().unwrap_or_else(|| panic!("accepted: {text}"));
        assert_eq!(problems[0].kind, crate::ProblemKind::Annotation, "{}", shown(&problems));
    }
}

#[test]
fn what_cannot_be_evaluated_is_not_put_to_a_person() {
    let text =
        "@id(\"p\") @approvers(\"finance\") permit (principal, action == pay::Action::\"refund\", resource)
        when { context.approval.count >= 1 || context.args.amount + 1 == 0 };";
    let amount = |amount: i64| world().ask(text, "pay__refund", &format!(r#"{{"amount":{amount}}}"#));
    assert!(matches!(amount(1), Decision::Park(_)));
    match amount(i64::MAX) {
        Decision::Deny(denial) => assert_eq!(denial.kind, DenyKind::Error),
        other => panic!("{other:?}"),
    }
}
