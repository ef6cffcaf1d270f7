//! What `policy check` says. Must point at the place, name the policy, and find everything at once.

use super::*;
use crate::ProblemKind;

fn world() -> World {
    World::new()
        .server("git", "local")
        .tool("git__log", Risk::Read, r#"{"type":"object","properties":{"n":{"type":"integer"}}}"#)
        .tool("git__push", Risk::Write, r#"{"type":"object"}"#)
}

fn problems(text: &str) -> Vec<PolicyProblem> {
    world().compile(text).err().unwrap_or_else(|| panic!("accepted: {text}"))
}

#[test]
fn everything_wrong_is_found_at_once_with_its_place() {
    let text = "\
@id(\"one\") permit (principal, action == git::Action::\"log\", resource) when { context.args.m == 1 };
permit (principal, action = git::Action::\"log\", resource);
// a comment; with a semicolon
@id(\"three\") permit (principal, action == git::Action::\"log\", resource)
  when { context.args.n > 1 };
@id(\"bad id\") permit (principal, action, resource);
@id(\"four\") permit (principal, action == git::Action::\"lgo\", resource);
@id(\"four\") permit (principal, action == git::Action::\"log\", resource) when { principal.nmae == \"x\" };
";
    let found = problems(text);
    let places: Vec<_> = found.iter().map(|p| (p.line, p.kind)).collect();
    assert!(places.contains(&(2, ProblemKind::Syntax)), "{}", shown(&found));
    assert!(places.contains(&(6, ProblemKind::Annotation)), "{}", shown(&found));
    assert!(places.contains(&(8, ProblemKind::Annotation)), "{}", shown(&found));
    let typed = text.replace(
        "@id(\"four\") permit (principal, action == git::Action::\"log\"",
        "permit (principal, action == git::Action::\"log\"",
    );
    let found = problems(&typed);
    for line in [1, 5, 8] {
        assert!(
            found.iter().any(|p| p.line == line && p.kind == ProblemKind::Type && p.policy.is_some()),
            "line {line}: {}",
            shown(&found)
        );
    }
    assert!(found.iter().any(|p| p.line == 7 && p.kind == ProblemKind::NeverApplies), "{}", shown(&found));
    assert!(found.iter().all(|p| !p.fix.is_empty() && !p.message.contains('\n')));
}

#[test]
fn warnings_are_problems() {
    let cases = [
        // Cyrillic `а` in a string, and a right-to-left override.
        "permit (principal, action, resource) when { principal.attestation == \"p\u{430}ypal\" };",
        "permit (principal, action, resource) when { principal.attestation == \"a\u{202e}b\" };",
    ];
    for text in cases {
        assert_eq!(problems(text)[0].kind, ProblemKind::Type);
    }
    let never = "permit (principal is Callgate::AgentGroup, action == git::Action::\"log\", resource);";
    assert_eq!(problems(never)[0].kind, ProblemKind::NeverApplies);
}

#[test]
fn a_policy_for_a_tool_not_certified_yet_is_refused_by_check_and_set_aside_when_serving() {
    let text =
        "@id(\"a\") permit (principal, action in [git::Action::\"log\", git::Action::\"new\"], resource);
        @id(\"b\") permit (principal, action == git::Action::\"new\", resource);
        @id(\"c\") forbid (principal, action in [git::Action::\"push\", other::Action::\"x\"], resource);
        @id(\"d\") permit (principal, action in Callgate::Action::\"call\", resource);";
    assert!(problems(text).iter().all(|p| p.kind == ProblemKind::NeverApplies));
    let world = world();
    let snapshot = world.load(text).unwrap_or_else(|p| panic!("{}", shown(&p)));
    assert_eq!(snapshot.policy_count(), 3);
    let about: Vec<_> =
        snapshot.notices().iter().filter_map(|n| n.policy.as_ref()).map(PolicyId::as_str).collect();
    assert_eq!(about, ["a", "b", "c"]);
    let none = ApprovalEvidence::none();
    assert_eq!(
        word(&world.decide(&snapshot, &agent(&[]), ("git__log", "{}"), &none)),
        ("permit", vec!["a", "d"])
    );
    assert_eq!(
        word(&world.decide(&snapshot, &agent(&[]), ("git__push", "{}"), &none)),
        ("forbidden", vec!["c"])
    );
}

#[test]
fn templates_and_an_unfinished_last_policy_are_refused() {
    for text in [
        "permit (principal == ?principal, action, resource);",
        "permit (principal, action, resource)",
        "permit (principal, action, resource); forbid",
        "permit (principal, action, resource);;",
    ] {
        assert_eq!(problems(text)[0].kind, ProblemKind::Syntax, "{text}");
    }
}

#[test]
fn policies_without_an_id_are_named_by_file_and_line_and_empty_files_are_fine() {
    let world = world();
    let text = "// nothing\n\npermit (principal, action == git::Action::\"log\", resource);\n// end";
    assert_eq!(word(&world.ask(text, "git__log", "{}")), ("permit", vec!["test.cedar:3"]));
    assert_eq!(world.compile("// nothing\n").unwrap().policy_count(), 0);
}

#[test]
fn the_digest_knows_sources_and_tools_and_not_their_order() {
    let text = "permit (principal, action, resource);";
    let base = world().compile(text).unwrap().digest();
    assert_eq!(world().compile(text).unwrap().digest(), base);
    assert_ne!(world().compile("permit (principal, action, resource); ").unwrap().digest(), base);
    assert_ne!(world().tool("git__x", Risk::Read, "{}").compile(text).unwrap().digest(), base);
    let mut turned = world();
    turned.tools.reverse();
    assert_eq!(turned.compile(text).unwrap().digest(), base);
}

#[test]
fn a_schema_that_cannot_be_built_is_a_problem_and_not_a_panic() {
    let text = "permit (principal, action, resource);";
    let twice = world().tool("git__log", Risk::Read, "{}");
    assert_eq!(twice.compile(text).err().unwrap()[0].kind, ProblemKind::Schema);
    let mut homeless = world();
    homeless.servers.clear();
    assert_eq!(homeless.compile(text).err().unwrap()[0].kind, ProblemKind::Schema);
}
