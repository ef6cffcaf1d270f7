//! The conformance suite: how much of it ends through Callgate as it does directly, in every combination of eras.
//!
//! Must never count what is known to fall short as equal: the list of that excuses the suite's run, not the bar.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::bar::clients;
use crate::bar::figure::{Figure, Figures, Want};
use crate::bar::mcp::results::{SuiteResult, read, unexpected};
use crate::bar::rig::Rig;

/// Two eras on each side, two ways to the server.
const COMBINATIONS: usize = 8;
/// What a list of known shortcomings is called in the results.
const EXCUSED: &str = "/known-short";

/// How many of how many.
type Share = (u32, u32);

/// What `conformance.py --counts` writes.
#[derive(Deserialize)]
struct Counts {
    /// Failing checks and all, by era of the client.
    direct: BTreeMap<String, Share>,
    through: BTreeMap<String, Combination>,
}

#[derive(Deserialize)]
struct Combination {
    scenarios: Share,
    checks: Share,
    tasks: Share,
}

/// Server scenarios, then client scenarios.
pub(crate) fn measure(rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    clients::install(rig)?;
    let problems: Vec<String> =
        [server(rig, figures), client(rig, figures)].into_iter().filter_map(Result::err).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

fn server(rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    let counts = rig.folder("conformance")?.join("counts.json");
    let (_, results) = clients::run(rig, "conformance", &["--counts".as_ref(), counts.as_ref()])?;
    let counts: Counts = read(&counts)?;
    print(&counts, figures);
    let results: Vec<SuiteResult> = read(&results)?;
    unexpected("conformance", &results, figures);
    if counts.through.len() == COMBINATIONS { Ok(()) } else { Err("a combination is missing".to_owned()) }
}

fn print(counts: &Counts, figures: &mut Figures) {
    for (era, (failing, all)) in &counts.direct {
        let how = format!("of {all} checks of the requirement set, on the in-repo server without Callgate");
        let figure = Figure::new(format!("failing checks directly, {era}"), "checks", Want::Exactly(0.0));
        figures.add(&figure, f64::from(*failing), &how);
    }
    for (name, combination) in &counts.through {
        let mut equal = |what: &str, unit: &str, (equal, all): Share| {
            let want = Want::AtLeast(f64::from(all.max(1)));
            let how = format!("of {all} that apply to this server directly; excused ones are not counted");
            figures.add(&Figure::new(format!("{what}, {name}"), unit, want), f64::from(equal), &how);
        };
        equal("scenarios equal to direct", "scenarios", combination.scenarios);
        equal("checks equal to direct", "checks", combination.checks);
        if name.ends_with("modern-on-modern") {
            equal("tasks scenarios equal to direct", "scenarios", combination.tasks);
        }
    }
}

fn client(rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    const SUITE: &str = "conformance_client";
    let (_, results) = clients::run(rig, SUITE, &[])?;
    let results: Vec<SuiteResult> = read(&results)?;
    for (revision, scenarios) in by_revision(&results) {
        let short: Vec<&str> =
            scenarios.iter().filter(|(_, passed)| !passed).map(|(name, _)| *name).collect();
        let how = format!(
            "of {} with Callgate as the client of the suite's servers; not: {}",
            scenarios.len(),
            short.join(" ")
        );
        let want = Want::AtLeast(scenarios.len() as f64);
        let figure = Figure::new(format!("client scenarios that pass, {revision}"), "scenarios", want);
        figures.add(&figure, (scenarios.len() - short.len()) as f64, &how);
    }
    unexpected(SUITE, &results, figures);
    if by_revision(&results).len() == 2 { Ok(()) } else { Err("a revision is missing".to_owned()) }
}

/// Scenarios by revision and whether they pass; results that are about no scenario are left out.
fn by_revision(results: &[SuiteResult]) -> BTreeMap<&str, Vec<(&str, bool)>> {
    let mut found: BTreeMap<&str, Vec<(&str, bool)>> = BTreeMap::new();
    for result in results {
        let name = result.name.split_once('/').map_or("", |(_, name)| name);
        let Some((revision, scenario)) = name.split_once('/') else { continue };
        let short = scenario.strip_suffix(EXCUSED);
        let passed = short.is_none() && result.ok;
        found.entry(revision).or_default().push((short.unwrap_or(scenario), passed));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bar::mcp::results::result;

    #[test]
    fn what_is_excused_does_not_pass() {
        let results = [
            result("s/2026-07-28/auth/a/known-short", true),
            result("s/2026-07-28/b", true),
            result("s/2025-11-25/b", false),
            result("s/known-short-names-results", true),
        ];
        let found = by_revision(&results);
        assert_eq!(found["2026-07-28"], [("auth/a", false), ("b", true)]);
        assert_eq!(found["2025-11-25"], [("b", false)]);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_combination_with_nothing_to_compare_falls_short() {
        let text = r#"{"direct":{"legacy":[0,84]},"through":
            {"http/legacy-on-legacy":{"scenarios":[0,0],"checks":[0,0],"tasks":[0,0]}}}"#;
        let mut figures = Figures::default();
        print(&serde_json::from_str(text).unwrap(), &mut figures);
        assert!(figures.verdict().unwrap_err().starts_with("2 of 3"));
    }
}
