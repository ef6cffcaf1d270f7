//! The shipped policies, decided as data: `policies/golden/*.json`. Must fail when a file there is not run.

use std::path::Path;

use serde_json::Value;

use super::*;

fn policies() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("`{key}` in {value}")).to_owned()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn names<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
    list(value, key).iter().filter_map(Value::as_str).collect()
}

fn world(golden: &Value) -> World {
    let mut world = World::new();
    for server in list(golden, "servers") {
        world = world.server(&text(server, "name"), &text(server, "environment"));
    }
    for tool in list(golden, "tools") {
        let risk = Risk::parse(&text(tool, "risk")).unwrap();
        world = world.tool(&text(tool, "name"), risk, &tool["input_schema"].to_string());
        if tool["returns_secrets"] == true {
            world = world.returning_secrets();
        }
    }
    world
}

fn run(path: &Path) -> usize {
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let world = world(&golden);
    let sources: Vec<PolicySource> = names(&golden, "policies")
        .into_iter()
        .map(|file| PolicySource {
            file: file.to_owned(),
            text: std::fs::read_to_string(policies().join(file)).unwrap(),
        })
        .collect();
    let snapshot = PolicySnapshot::compile(&sources, &world.servers, &world.tools)
        .unwrap_or_else(|problems| panic!("{}: {}", path.display(), shown(&problems)));
    for case in list(&golden, "cases") {
        let principal = agent(&names(case, "groups"));
        let mut approval = approved(
            u32::try_from(case["approvals"].as_u64().unwrap_or(0)).unwrap(),
            &names(case, "approver_groups"),
        );
        approval.exact = approval.count > 0;
        let tool = text(case, "tool");
        let decision =
            world.decide(&snapshot, &principal, (&tool, &case["arguments"].to_string()), &approval);
        let expected = (text(case, "decision"), names(case, "by"));
        let (given, by) = word(&decision);
        assert_eq!((given.to_owned(), by), expected, "{}: {case}: {decision:?}", path.display());
        if let Some(listed) = case["listed"].as_bool() {
            assert_eq!(world.listed(&snapshot, &principal).contains(&tool), listed, "{case}");
        }
    }
    list(&golden, "cases").len()
}

#[test]
fn golden_decisions_hold() {
    let mut files = 0;
    for entry in std::fs::read_dir(policies().join("golden")).unwrap() {
        assert!(run(&entry.unwrap().path()) > 0);
        files += 1;
    }
    assert!(files >= 2, "golden files are missing");
}

#[test]
fn the_starter_policies_compile_with_no_server_and_no_tool() {
    let text = std::fs::read_to_string(policies().join("starter.cedar")).unwrap();
    let snapshot = World::new().compile(&text).unwrap_or_else(|problems| panic!("{}", shown(&problems)));
    assert_eq!(snapshot.policy_count(), 4);
    World::new().server("git", "local").compile(&text).unwrap_or_else(|p| panic!("{}", shown(&p)));
}
