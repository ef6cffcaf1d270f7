//! Each rule of the graph, seen to fail on a small bad graph.

use super::*;
use crate::tidy::layers::sample;

/// `from: to to` lines; `name+feature` asks for a feature, `dev:name` is for tests.
fn graph(text: &str) -> Metadata {
    let ours: Vec<&str> =
        text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim()).collect();
    let packages = text.lines().filter_map(|line| line.split_once(':')).map(|(name, to)| Package {
        name: name.trim().to_owned(),
        version: "0.1.0".to_owned(),
        license: None,
        source: None,
        dependencies: to.split_whitespace().map(|word| dependency(word, &ours)).collect(),
    });
    Metadata { packages: packages.collect(), target_directory: String::new() }
}

fn dependency(word: &str, ours: &[&str]) -> Dependency {
    let (kind, word) = word.strip_prefix("dev/").map_or((None, word), |word| (Some("dev".to_owned()), word));
    let (name, feature) = word.split_once('+').map_or((word, None), |(name, feature)| (name, Some(feature)));
    Dependency {
        name: name.to_owned(),
        kind,
        path: ours.contains(&name).then(String::new),
        features: feature.map(str::to_owned).into_iter().collect(),
    }
}

const GOOD: &str = "model:\npolicy: model\nports: policy model\ncall: ports\nstore: ports rusqlite\nserver: call hyper+server";

fn problems(text: &str) -> Vec<String> {
    let mut found = Findings::default();
    rings(&graph(text), &sample(), &mut found);
    owners(&graph(text), &sample(), &mut found);
    found.problems()
}

#[test]
fn the_declared_graph_passes() {
    assert_eq!(problems(GOOD), Vec::<String>::new());
}

#[test]
fn each_wrong_arrow_is_found() {
    for (from, to, expected) in [
        ("model:", "model: policy", "model -> policy: crates of ring 0 must not know each other"),
        ("policy: model", "policy: model store", "policy -> store: ring 0 must not know ring 2"),
        ("store: ports", "store: ports server", "store -> server: crates of ring 2 must not know each other"),
        ("store: ports", "store: ports call", "store -> call: only server may use it"),
        ("policy: model", "policy: model dev/call", "policy -> call: ring 0 must not know ring 1"),
        ("call: ports", "call: ports rusqlite", "call -> rusqlite: `rusqlite` belongs to store"),
        (
            "store: ports",
            "store: ports hyper+server",
            "store -> hyper/server: `hyper/server` belongs to server",
        ),
    ] {
        let found = problems(&GOOD.replace(from, to));
        assert!(found.iter().any(|line| line == expected), "{expected}: {found:?}");
    }
}

#[test]
fn undeclared_missing_and_stale_are_found() {
    let found = problems(&format!("{GOOD}\nextra:"));
    assert!(found.iter().any(|line| line.starts_with("extra: is in no ring")), "{found:?}");
    let found = problems(&GOOD.replace("policy: model", "policy:"));
    assert!(found.iter().any(|line| line.starts_with("policy -> model: is allowed")), "{found:?}");
    let found = problems(&GOOD.replace("store: ports rusqlite\n", ""));
    assert!(found.iter().any(|line| line.starts_with("store: is declared")), "{found:?}");
    assert!(found.iter().any(|line| line.starts_with("rusqlite: has owners")), "{found:?}");
}

#[test]
fn a_new_arrow_breaks_the_golden_file() {
    let written = print(&graph(GOOD), &sample());
    assert!(written.contains("server -> call [hyper]\n"), "{written}");
    let now = print(&graph(&GOOD.replace("call: ports", "call: ports model")), &sample());
    let mut found = Findings::default();
    golden(&now, &written, &mut found);
    assert_eq!(found.0.len(), 2);
    let mut found = Findings::default();
    golden(&written, &written, &mut found);
    assert!(found.0.is_empty());
}
