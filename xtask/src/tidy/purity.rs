//! What the inner rings may not touch: files, network, environment, clock, threads, randomness.
//!
//! Must never look at tests and examples: they may use what they need.

use std::collections::BTreeSet;

use crate::tidy::Findings;
use crate::tidy::layers::Layers;
use crate::tidy::source::Source;

/// Banned in rings 0 and 1: time and randomness arrive as values, the world through ports.
const BANNED: [&str; 14] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "thread::sleep",
    "tokio::fs",
    "tokio::net",
    "tokio::time",
    "tokio::process",
    "aws_lc_rs::rand",
    "rand::random",
];

/// Checks rings 0 and 1.
pub(crate) fn check(sources: &[Source], layers: &Layers, found: &mut Findings) {
    let mut used = BTreeSet::new();
    for source in sources {
        let Some((krate, level)) = layers.level_of_path(&source.path) else { continue };
        if level > 1 || !source.path.contains("/src/") {
            continue;
        }
        for (line, what) in uses(&source.code) {
            if layers.exception.iter().any(|allowed| allowed.krate == krate && allowed.uses == what) {
                used.insert((krate.clone(), what));
                continue;
            }
            let place = format!("{}:{line}", source.path);
            found.add(
                "purity",
                place,
                format!("ring {level} must not use `{what}`; take it as a value or a port"),
            );
        }
        for (line, _) in numbered(&source.code).filter(|(_, text)| level == 0 && text.contains("async ")) {
            found.add("purity", format!("{}:{line}", source.path), "ring 0 must not be async");
        }
    }
    for allowed in &layers.exception {
        if allowed.why.trim().is_empty() {
            found.add(
                "purity",
                &allowed.krate,
                format!("the exception for `{}` gives no reason", allowed.uses),
            );
        }
        if !used.iter().any(|(krate, what)| *krate == allowed.krate && *what == allowed.uses) {
            let problem =
                format!("the exception for `{}` is not needed; take it out of layers.toml", allowed.uses);
            found.add("purity", &allowed.krate, problem);
        }
    }
}

fn numbered(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines().enumerate().map(|(at, text)| (at + 1, text))
}

/// Banned paths with their lines; `use std::{fs, io}` counts as `std::fs`.
fn uses(code: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (line, text) in numbered(code) {
        found.extend(BANNED.iter().filter(|banned| has_path(text, banned)).map(|banned| (line, *banned)));
    }
    for root in ["std::{", "tokio::{", "aws_lc_rs::{"] {
        for (at, _) in code.match_indices(root) {
            let line = code.get(..at).map_or(0, |before| before.matches('\n').count()) + 1;
            let group = code.get(at + root.len()..).unwrap_or_default();
            for first in group_members(group) {
                let path = format!("{}{first}", root.trim_end_matches('{'));
                found.extend(BANNED.iter().filter(|banned| **banned == path).map(|banned| (line, *banned)));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether the path is used on this line: not as a part of a longer name.
fn has_path(text: &str, path: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(path).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + path.len()..).and_then(|after| after.chars().next());
        !part(before) && !part(after)
    })
}

/// The first name of each member of a `use` group that starts after its `{`.
fn group_members(group: &str) -> Vec<String> {
    let mut members = vec![String::new()];
    let mut depth = 0_usize;
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => members.push(String::new()),
            c if depth == 0 => members.iter_mut().last().into_iter().for_each(|member| member.push(c)),
            _ => {}
        }
    }
    members.iter().filter_map(|member| member.split("::").next()).map(|name| name.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::layers::sample;
    use crate::tidy::tree::TextFile;

    fn problems(path: &str, text: &str) -> Vec<String> {
        let file =
            |path: &str, text: &str| Source::new(&TextFile { path: path.to_owned(), text: text.to_owned() });
        let thread = file("crates/policy/src/parser.rs", "fn a() { std::thread::Builder::new(); }\n");
        let mut found = Findings::default();
        check(&[thread, file(path, text)], &sample(), &mut found);
        found.problems()
    }

    #[test]
    fn each_ban_is_seen_in_inner_rings_and_not_in_outer_ones() {
        for banned in BANNED {
            let text = format!("fn a() {{ {banned}(); }}\n");
            assert!(!problems("crates/call/src/a.rs", &text).is_empty(), "{banned}");
            assert!(problems("crates/store/src/a.rs", &text).is_empty(), "{banned}");
        }
    }

    #[test]
    fn groups_and_longer_names_are_told_apart() {
        assert_eq!(
            problems("crates/model/src/a.rs", "use std::{\n    fmt,\n    fs::{self, File},\n};\n").len(),
            1
        );
        assert!(problems("crates/model/src/a.rs", "use std::{fmt, collections::{BTreeMap}};\n").is_empty());
        assert!(problems("crates/model/src/a.rs", "use std::environment;\n").is_empty());
        assert!(problems("crates/model/src/a.rs", "// std::fs\nconst A: &str = \"std::fs\";\n").is_empty());
    }

    #[test]
    fn tests_may_use_what_they_need() {
        let text = "#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        assert!(problems("crates/model/src/a.rs", text).is_empty());
        assert!(problems("crates/model/examples/a.rs", "use std::fs;\n").is_empty());
    }

    #[test]
    fn async_is_for_ring_one_and_up() {
        assert_eq!(problems("crates/model/src/a.rs", "async fn a() {}\n").len(), 1);
        assert!(problems("crates/call/src/a.rs", "async fn a() {}\n").is_empty());
    }

    #[test]
    fn an_exception_nobody_needs_is_found() {
        let mut found = Findings::default();
        check(&[], &sample(), &mut found);
        assert_eq!(found.0.len(), 1);
    }
}
