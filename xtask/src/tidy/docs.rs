//! Documents that must keep up with the code: decisions cited, reasons explained, dependencies justified.
//!
//! Must never write a document; only say which one is behind.

use std::collections::{BTreeMap, BTreeSet};

use crate::tidy::Findings;
use crate::tidy::graph::Metadata;
use crate::tidy::tree::TextFile;

/// Where each refusal is explained.
pub(crate) const REASONS: &str = "docs/reference/reasons.md";
/// Where each dependency is justified.
pub(crate) const DEPENDENCIES: &str = "docs/reference/dependencies.md";
const DECISIONS: &str = "docs/adr/";

/// Every decision cited as `ADR` and four digits exists.
pub(crate) fn decisions(files: &[TextFile], found: &mut Findings) {
    let known: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix(DECISIONS))
        .filter_map(|name| name.split_once('-').map(|(number, _)| number))
        .collect();
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            for number in cited(line).filter(|number| !known.contains(number)) {
                let place = format!("{}:{}", file.path, at + 1);
                found.add(
                    "decisions",
                    place,
                    format!("cites decision {number}, which is not in {DECISIONS}"),
                );
            }
        }
    }
}

fn cited(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("ADR ").filter_map(|(at, word)| {
        let number = line.get(at + word.len()..at + word.len() + 4)?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then_some(number)
    })
}

/// Every stable code has a section, and every section a code.
pub(crate) fn reasons(denial: &str, document: &str, found: &mut Findings) {
    const CHECK: &str = "reasons";
    let codes: BTreeSet<&str> = denial
        .split_once("fn code(")
        .map_or("", |(_, rest)| rest)
        .lines()
        .take_while(|line| *line != "    }")
        .filter_map(|line| line.split_once("=> \"")?.1.split('"').next())
        .collect();
    if codes.is_empty() {
        found.add(
            CHECK,
            "crates/model/src/denial.rs",
            "no codes were found; `fn code` must list them as `=> \"…\"`",
        );
    }
    let sections: BTreeSet<&str> = document
        .lines()
        .filter(|line| line.starts_with("##"))
        .map(|line| line.trim_start_matches('#').trim().trim_matches('`'))
        .collect();
    for code in codes.difference(&sections) {
        found.add(CHECK, REASONS, format!("has no section `## {code}`"));
    }
    let gone = sections.difference(&codes).filter(|name| !name.contains(' ') && name.contains('_'));
    for code in gone {
        found.add(CHECK, REASONS, format!("explains `{code}`, which is not a reason"));
    }
}

/// Every shared dependency has its row, with the licence it has today.
pub(crate) fn dependencies(manifest: &str, document: &str, graph: &Metadata, found: &mut Findings) {
    const CHECK: &str = "dependencies";
    let table: toml::Table = manifest.parse().unwrap_or_default();
    let shared = table.get("workspace").and_then(|w| w.get("dependencies")).and_then(toml::Value::as_table);
    let declared: BTreeSet<&str> = shared
        .into_iter()
        .flatten()
        .filter(|(_, value)| value.get("path").is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    if declared.is_empty() {
        found.add(CHECK, "Cargo.toml", "no `[workspace.dependencies]` were found");
    }
    let used = |name: &str| graph.ours().any(|ours| ours.dependencies.iter().any(|one| one.name == name));
    for name in declared.iter().filter(|name| !used(name)) {
        found.add(CHECK, "Cargo.toml", format!("nobody uses `{name}`; take it out"));
    }
    let rows = rows(document);
    for name in declared.iter().filter(|name| !rows.contains_key(**name)) {
        found.add(CHECK, DEPENDENCIES, format!("has no row for `{name}`: why, who owns it, licence"));
    }
    for (name, cells) in &rows {
        if !declared.contains(name) {
            found.add(CHECK, DEPENDENCIES, format!("has a row for `{name}`, which is not a dependency"));
        }
        if cells.len() < 4 || cells.iter().any(|cell| cell.is_empty()) {
            found.add(CHECK, DEPENDENCIES, format!("the row of `{name}` needs why, owner and licence"));
        }
        let licences = graph.packages.iter().filter(|p| p.name == *name).filter_map(|p| p.license.as_deref());
        let written = cells.last().copied().unwrap_or_default();
        if let Some(licence) = licences.clone().next().filter(|_| !licences.clone().any(|l| l == written)) {
            found.add(CHECK, DEPENDENCIES, format!("`{name}` is `{licence}`, the row says `{written}`"));
        }
    }
}

/// Table rows whose first cell is a name in backticks.
fn rows(document: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut rows = BTreeMap::new();
    for line in document.lines().filter_map(|line| line.strip_prefix("| `")) {
        let cells: Vec<&str> = line.trim_end_matches('|').split('|').map(str::trim).collect();
        if let Some(name) = cells.first() {
            rows.insert(name.trim_end_matches('`'), cells);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::graph::{Dependency, Package};

    #[test]
    fn a_decision_that_does_not_exist_is_found() {
        let file = |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let cite = ["// A", "DR 0007 and A", "DR 0003, A", "DR template\n"].concat();
        let mut found = Findings::default();
        decisions(&[file("docs/adr/0003-park.md", ""), file("a.rs", &cite)], &mut found);
        assert_eq!(found.problems(), ["a.rs:1: cites decision 0007, which is not in docs/adr/"]);
    }

    #[test]
    fn codes_and_sections_must_match() {
        let denial = "fn code(self) {\n        A => \"policy_denied\",\n        B => \"malformed\",\n    }\nX => \"y\"\n";
        let mut found = Findings::default();
        reasons(denial, "# Reasons\n## `policy_denied`\n## gone_code\n## How to read\n", &mut found);
        assert_eq!(found.0.len(), 2, "{found:?}");
        let mut found = Findings::default();
        reasons("fn other() {}", "", &mut found);
        assert_eq!(found.0.len(), 1);
    }

    #[test]
    fn rows_are_required_true_and_not_stale() {
        let package = Package {
            name: "bytes".to_owned(),
            version: "1".to_owned(),
            license: Some("MIT".to_owned()),
            source: Some(String::new()),
            dependencies: Vec::new(),
        };
        let mut user = Package { source: None, name: "user".to_owned(), ..package.clone() };
        user.dependencies.push(Dependency {
            name: "bytes".to_owned(),
            kind: None,
            path: None,
            features: Vec::new(),
        });
        let mut graph = Metadata { packages: vec![package, user], target_directory: String::new() };
        let problems = |document: &str, graph: &Metadata| {
            let mut found = Findings::default();
            let manifest = "[workspace.dependencies]\nbytes = \"1\"\nmodel = { path = \"x\" }\n";
            dependencies(manifest, document, graph, &mut found);
            found.0.len()
        };
        assert_eq!(problems("| `bytes` | why | all | MIT |\n", &graph), 0);
        assert_eq!(problems("", &graph), 1);
        assert_eq!(problems("| `bytes` | why | all | ISC |\n", &graph), 1);
        assert_eq!(problems("| `bytes` |  | all | MIT |\n", &graph), 1);
        assert_eq!(problems("| `bytes` | why | all | MIT |\n| `gone` | why | all | MIT |\n", &graph), 1);
        graph.packages.truncate(1);
        assert_eq!(problems("| `bytes` | why | all | MIT |\n", &graph), 1);
    }
}
