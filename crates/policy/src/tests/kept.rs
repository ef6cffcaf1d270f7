//! What is kept between calls: of one principal, task and tool, and never an error.

use model::ids::TaskId;

use super::*;

fn world() -> World {
    World::new()
        .server("here", "local")
        .server("there", "production")
        .tool("here__t", Risk::Read, "{}")
        .tool("there__t", Risk::Write, r#"{"type":"object","properties":{"at":{"format":"date-time","type":"string"},"s":{"type":"string"}}}"#)
}

fn named(name: &str, owner: &str, groups: &[&str]) -> Principal {
    let facts = AgentFacts { owner: owner.to_owned(), ..(*agent(groups).facts).clone() };
    Principal { agent: AgentId::parse(name).unwrap(), facts: Arc::new(facts), ..agent(&[]) }
}

const BY_FACTS: &str = "
    @id(\"p\") permit (principal, action in Callgate::Action::\"call\", resource)
    when { principal has owner && principal.owner == \"ann\" && resource.environment == \"local\" };
    @id(\"f\") forbid (principal, action in Callgate::Action::\"call\", resource)
    when { principal in Callgate::AgentGroup::\"out\" };";

#[test]
fn an_answer_is_not_shared_between_agents_or_tools() {
    let world = world();
    let snapshot = world.compile(BY_FACTS).unwrap_or_else(|p| panic!("{}", shown(&p)));
    let cases = [
        (named("a", "ann", &[]), "here__t", "permit"),
        (named("b", "bob", &[]), "here__t", "no-permit"),
        (named("a", "ann", &[]), "there__t", "no-permit"),
        (named("c", "ann", &["out"]), "here__t", "forbidden"),
        // The same agent after an operator changed its facts.
        (named("a", "bob", &[]), "here__t", "no-permit"),
        (named("a", "ann", &["out"]), "here__t", "forbidden"),
    ];
    for round in 0..3 {
        for (principal, tool, expected) in &cases {
            let decision = world.decide(&snapshot, principal, (tool, "{}"), &ApprovalEvidence::none());
            assert_eq!(word(&decision).0, *expected, "{round} {principal:?} {tool}");
        }
    }
}

#[test]
fn an_answer_is_not_shared_between_tasks() {
    let world = world();
    let text = "@id(\"p\") permit (principal, action in Callgate::Action::\"call\", resource)
        when { principal.task == Callgate::Task::\"agent:coder\" };";
    let snapshot = world.compile(text).unwrap_or_else(|p| panic!("{}", shown(&p)));
    let principal = agent(&[]);
    let standing = Task::implicit(&principal.agent).unwrap();
    let other = Task { id: TaskId::parse("another").unwrap(), ..standing.clone() };
    for _ in 0..3 {
        for (task, permitted) in [(&standing, true), (&other, false)] {
            let decision = snapshot.decide(&DecisionRequest {
                principal: &principal,
                task,
                tool: &world.tools[0].tool,
                arguments: &json("{}"),
                approval: &ApprovalEvidence::none(),
                now: NOON,
            });
            assert_eq!(matches!(decision, Decision::Permit(_)), permitted, "{}", task.id);
        }
    }
}

#[test]
fn an_error_denies_each_time_and_whatever_else_holds() {
    let world = world();
    let text = format!(
        "{BY_FACTS}
        @id(\"e\") forbid (principal, action in Callgate::Action::\"call\", resource)
        when {{ resource.environment == \"local\" && 9223372036854775807 + 1 > 0 }};"
    );
    let snapshot = world.compile(&text).unwrap_or_else(|p| panic!("{}", shown(&p)));
    for _ in 0..3 {
        let principal = named("a", "ann", &[]);
        let decision = world.decide(&snapshot, &principal, ("here__t", "{}"), &ApprovalEvidence::none());
        assert_eq!(word(&decision), ("error", vec!["e"]));
        let Decision::Deny(denial) = decision else { panic!("not a deny") };
        assert!(denial.explanation.contains("overflow"), "{}", denial.explanation);
    }
}

#[test]
fn arguments_are_judged_even_when_no_policy_reads_them() {
    let world = world();
    let text = "@id(\"p\") permit (principal, action in Callgate::Action::\"risk:write\", resource);";
    let snapshot = world.compile(text).unwrap_or_else(|p| panic!("{}", shown(&p)));
    let ask = |arguments: &str| {
        let decision =
            world.decide(&snapshot, &agent(&[]), ("there__t", arguments), &ApprovalEvidence::none());
        word(&decision).0
    };
    for _ in 0..2 {
        assert_eq!(ask(r#"{"s":"x","at":"2026-02-28T00:00:00Z","more":[1]}"#), "permit");
        assert_eq!(ask(r#"{"s":1}"#), "error", "another type");
        assert_eq!(ask(r#"{"at":"2026-02-30T00:00:00Z"}"#), "error", "a date that does not exist");
        assert_eq!(ask("[]"), "error", "not an object");
    }
}
