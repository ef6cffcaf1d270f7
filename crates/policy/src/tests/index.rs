//! The index against Cedar itself: over all policies at once, with its own authorizer, the answer is the same.

use cedar_policy::{Authorizer, Decision as CedarDecision, Request, RestrictedExpression as Value};
use proptest::prelude::*;

use super::*;
use crate::evaluate::Outcome;
use crate::reads::Reads;

const SCHEMA: &str =
    r#"{"type":"object","required":["n"],"properties":{"n":{"type":"integer"},"s":{"type":"string"}}}"#;

fn world() -> World {
    World::new()
        .server("a", "local")
        .server("b", "production")
        .tool("a__r", Risk::Read, SCHEMA)
        .tool("a__w", Risk::Write, SCHEMA)
        .tool("b__p", Risk::Privileged, SCHEMA)
        .returning_secrets()
}

fn policy() -> impl Strategy<Value = String> {
    let principal = prop_oneof![
        Just("principal"),
        Just("principal is Callgate::Agent"),
        Just("principal == Callgate::Agent::\"coder\""),
        Just("principal == Callgate::Agent::\"other\""),
        Just("principal in Callgate::AgentGroup::\"known\""),
        Just("principal in Callgate::AgentGroup::\"x\""),
        Just("principal is Callgate::Agent in Callgate::AgentGroup::\"y\""),
        Just("principal in Callgate::Agent::\"coder\""),
    ];
    let action = prop_oneof![
        Just("action in Callgate::Action::\"call\""),
        Just("action in Callgate::Action::\"risk:write\""),
        Just("action in [Callgate::Action::\"server:b\", Callgate::Action::\"risk:read\"]"),
        Just("action == a::Action::\"r\""),
        Just("action in a::Action::\"w\""),
        Just("action in Callgate::Action::\"returns_secrets\""),
        Just("action in [a::Action::\"r\", a::Action::\"w\"]"),
    ];
    let resource = prop_oneof![
        Just("resource"),
        Just("resource == Callgate::Server::\"a\""),
        Just("resource in Callgate::Server::\"b\""),
        Just("resource is Callgate::Server"),
        Just("resource is Callgate::Server in Callgate::Server::\"a\""),
    ];
    let condition = prop_oneof![
        Just(""),
        Just("when { context has args && context.args has n && context.args.n > 10 }"),
        Just("when { context has args && context.args has n && context.args.n * 3 > 10 }"),
        Just("unless { context has args && context.args has n && 9223372036854775807 - context.args.n < 3 }"),
        Just("when { resource.environment == \"local\" }"),
        Just(
            "when { context has args && context.args has n && (context.args.n > 5 || context.args.n < 0 || 1 + context.args.n > 3) && context.args.n * 2 > 1 && context.args has s }"
        ),
        Just("when { action in Callgate::Action::\"risk:read\" }"),
        Just("unless { principal in Callgate::AgentGroup::\"x\" }"),
        Just("when { true } unless { false }"),
        Just(
            "when { context has args && context.args has s && context.args.s like \"a*\" } when { principal has owner }"
        ),
    ];
    let effect = prop_oneof![3 => Just("permit"), 1 => Just("forbid")];
    (effect, principal, action, resource, condition).prop_map(
        |(effect, principal, action, resource, condition)| {
            format!("{effect} ({principal}, {action}, {resource}) {condition};")
        },
    )
}

/// Decision, determining policies and policies with errors, as Cedar's authorizer says over everything.
fn by_cedar(
    snapshot: &PolicySnapshot,
    tool: &PinnedTool,
    principal: &Principal,
    n: i64,
) -> (bool, Vec<String>, Vec<String>) {
    let entry = snapshot.tools.get(&tool.name).unwrap();
    let task = Task::implicit(&principal.agent).unwrap();
    let prepared = snapshot.prepared_tool(principal, &task, entry).unwrap();
    let request = request(snapshot, &prepared, entry, n);
    let response =
        Authorizer::new().is_authorized(&request, &snapshot.index.everything(), &prepared.entities);
    let mut reasons: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    let mut errors: Vec<String> = response
        .diagnostics()
        .errors()
        .map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| error.policy_id().to_string())
        .collect();
    reasons.sort();
    errors.sort();
    (response.decision() == CedarDecision::Allow, reasons, errors)
}

fn by_index(
    snapshot: &PolicySnapshot,
    tool: &PinnedTool,
    principal: &Principal,
    n: i64,
) -> (bool, Vec<String>, Vec<String>) {
    let entry = snapshot.tools.get(&tool.name).unwrap();
    let task = Task::implicit(&principal.agent).unwrap();
    let prepared = snapshot.prepared_tool(principal, &task, entry).unwrap();
    let request = request(snapshot, &prepared, entry, n);
    let outcome = Outcome::of(&prepared, &request);
    // Cedar skips an erring policy; what it would have answered without ours is compared here.
    let allow = outcome.forbids.is_empty() && !outcome.permits.is_empty();
    let deciding = if allow { &outcome.permits } else { &outcome.forbids };
    let mut reasons: Vec<String> = deciding.iter().map(|rule| rule.id.to_string()).collect();
    let mut errors: Vec<String> = outcome.errors.iter().map(|(rule, _)| rule.id.to_string()).collect();
    reasons.sort();
    errors.sort();
    (allow, reasons, errors)
}

fn request(
    snapshot: &PolicySnapshot,
    prepared: &crate::prepared::Prepared,
    entry: &crate::snapshot::Entry,
    n: i64,
) -> Request {
    let arguments = json(&format!(r#"{{"n":{n},"s":"abc"}}"#));
    let converted =
        crate::arguments::convert(&entry.kind.arguments, &arguments, &Reads::everything()).unwrap();
    let approval = Value::new_record([
        ("count".to_owned(), Value::new_long(0)),
        ("groups".to_owned(), Value::new_set([])),
        ("exact".to_owned(), Value::new_bool(false)),
        ("self_approved".to_owned(), Value::new_bool(false)),
    ]);
    let context = cedar_policy::Context::from_pairs([
        ("args".to_owned(), converted.args),
        ("approval".to_owned(), approval.unwrap()),
        ("time".to_owned(), snapshot.clock.value(NOON).unwrap()),
    ]);
    let (agent, resource) = (prepared.agent.clone(), prepared.resource.clone());
    Request::new(agent, entry.action.clone(), resource, context.unwrap(), Some(&snapshot.schema)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn the_bucket_decides_as_all_policies_do(
        policies in proptest::collection::vec(policy(), 1..12),
        groups in proptest::sample::subsequence(vec!["x", "y"], 0..=2),
        n in prop_oneof![Just(0i64), Just(11), Just(i64::MAX), Just(i64::MIN)],
    ) {
        let world = world();
        let snapshot = world.load(&policies.join("\n")).unwrap_or_else(|p| panic!("{}", shown(&p)));
        let principal = agent(&groups);
        for facts in &world.tools {
            let cedar = by_cedar(&snapshot, &facts.tool, &principal, n);
            let index = by_index(&snapshot, &facts.tool, &principal, n);
            prop_assert_eq!(&cedar, &index);
            let arguments = format!(r#"{{"n":{n},"s":"abc"}}"#);
            let decision = world.decide(&snapshot, &principal, (&facts.tool.name.to_string(), &arguments), &ApprovalEvidence::none());
            let permitted = matches!(decision, Decision::Permit(_));
            prop_assert_eq!(permitted, cedar.0 && cedar.2.is_empty());
            // A list must show what a call could get: what is permitted here could be permitted.
            let task = Task::implicit(&principal.agent).unwrap();
            let list = "permit (principal, action == Callgate::Action::\"list\", resource);";
            let listing = world.load(&format!("{}\n{list}", policies.join("\n"))).unwrap();
            prop_assert!(!permitted || listing.could_permit(&principal, &task, &facts.tool.name));
        }
    }

    #[test]
    fn adding_a_forbid_never_turns_a_deny_into_a_permit(
        policies in proptest::collection::vec(policy(), 1..6),
        more in policy(),
        n in prop_oneof![Just(0i64), Just(11), Just(i64::MAX)],
    ) {
        let forbid = more.replacen("permit", "forbid", 1);
        let world = world();
        let before = world.load(&policies.join("\n")).unwrap();
        let after = world.load(&format!("{}\n{forbid}", policies.join("\n"))).unwrap();
        for facts in &world.tools {
            let (name, arguments) = (facts.tool.name.to_string(), format!(r#"{{"n":{n},"s":"abc"}}"#));
            let decide = |snapshot| matches!(
                world.decide(snapshot, &agent(&[]), (&name, &arguments), &ApprovalEvidence::none()),
                Decision::Permit(_)
            );
            prop_assert!(decide(&before) || !decide(&after));
        }
    }
}

#[test]
fn the_memo_forgets_and_still_decides() {
    let world = world();
    let text = "@id(\"p\") permit (principal == Callgate::Agent::\"agent-7\", action in Callgate::Action::\"call\", resource);";
    let snapshot = world.compile(text).unwrap();
    for round in 0..2 {
        for number in 0..1500 {
            let principal =
                Principal { agent: AgentId::parse(&format!("agent-{number}")).unwrap(), ..agent(&[]) };
            let decision =
                world.decide(&snapshot, &principal, ("a__r", r#"{"n":1}"#), &ApprovalEvidence::none());
            assert_eq!(word(&decision).0 == "permit", number == 7, "{round} {number}");
        }
    }
}
