//! What is read, form by form. Must have a case for each form that can hold the context.

use cedar_policy::Policy;

use super::*;

fn reads(conditions: &str) -> Reads {
    let policy: Policy = format!("permit (principal, action, resource) {conditions};").parse().unwrap();
    Reads::of(policy.to_pst().unwrap().body())
}

fn exactly(members: &[&str], arguments: &[&str]) -> Reads {
    let set = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect();
    Reads { members: set(members), arguments: set(arguments), ..Reads::default() }
}

#[test]
fn policies_without_the_context_read_nothing() {
    for conditions in [
        "",
        "when { true }",
        "when { principal.owner == \"context.args\" && resource.environment like \"context*\" }",
        "unless { principal in Callgate::AgentGroup::\"x\" }",
        "when { if action == Callgate::Action::\"list\" then [1].contains(2) else {a: 1} has a }",
    ] {
        assert!(reads(conditions).nothing(), "{conditions}");
    }
}

#[test]
fn what_is_read_is_known_by_name() {
    for (condition, members, arguments) in [
        ("context.time < datetime(\"2000-01-01\")", &["time"][..], &[][..]),
        ("context has undeclared", &["undeclared"], &[]),
        ("context.undeclared.names.contains(\"/x\")", &["undeclared"], &[]),
        ("context.approval.count >= 1", &["approval"], &[]),
        ("context has approval.count", &["approval"], &[]),
        ("context has args", &["args"], &[]),
        ("context has args.a.b", &["args"], &["a"]),
        ("context.args has a", &[], &["a"]),
        ("context.args has a.b", &[], &["a"]),
        ("context.args has \"a b\"", &[], &["a b"]),
        ("context.args.a.b == context.args[\"c d\"]", &[], &["a", "c d"]),
        ("context.args.a like \"x*\" || 1 + context.args.n > 2", &[], &["a", "n"]),
        ("ip(\"10.0.0.0\").isInRange(context.args.net)", &[], &["net"]),
        ("{a: [context.args.x]} has a", &[], &["x"]),
        ("if context.args.x then !context.args.y else -context.args.z == 1", &[], &["x", "y", "z"]),
        ("context.args.who is Callgate::Agent in context.args.group", &[], &["who", "group"]),
    ] {
        assert_eq!(reads(&format!("when {{ {condition} }}")), exactly(members, arguments), "{condition}");
    }
}

#[test]
fn the_context_as_a_value_is_everything_in_it() {
    for condition in ["context == {}", "[context].contains({})", "{c: context}.c.time == 1"] {
        let reads = reads(&format!("unless {{ {condition} }}"));
        assert!(reads.member("time") && reads.argument("any"), "{condition}");
    }
    let reads = reads("when { context.args == {} }");
    assert!(reads.argument("any") && !reads.member("time"));
}

#[test]
fn several_policies_read_what_each_of_them_reads() {
    let mut all = reads("when { context.args.a }");
    all.join(&reads("when { context.time == context.args.b } unless { context has undeclared }"));
    assert_eq!(all, exactly(&["time", "undeclared"], &["a", "b"]));
    all.join(&reads("when { context.args == {} }"));
    assert!(all.argument("c"));
    all.join(&Reads::everything());
    assert!(all.member("approval") && !all.nothing());
}
