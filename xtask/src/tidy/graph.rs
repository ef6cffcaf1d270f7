//! The crate graph against the declared rings. Must never trust a name: the arrows come from `cargo metadata`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::tidy::Findings;
use crate::tidy::layers::Layers;

/// Where the graph is written down, so that a new arrow shows in review.
pub(crate) const GOLDEN: &str = "docs/reference/deps.out";

/// The part of `cargo metadata` the checks read.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Metadata {
    /// Ours and third parties'.
    pub(crate) packages: Vec<Package>,
    /// Where builds go.
    pub(crate) target_directory: String,
}

/// One package.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// SPDX expression.
    pub(crate) license: Option<String>,
    /// Nothing for our own.
    pub(crate) source: Option<String>,
    /// Declared dependencies.
    #[serde(default)]
    pub(crate) dependencies: Vec<Dependency>,
}

/// One declared dependency.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Dependency {
    /// Its name.
    pub(crate) name: String,
    /// `dev`, `build`, or nothing for a normal one.
    pub(crate) kind: Option<String>,
    /// Set for our own.
    pub(crate) path: Option<String>,
    /// Features asked for.
    #[serde(default)]
    pub(crate) features: Vec<String>,
}

impl Metadata {
    /// Our own packages.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.source.is_none())
    }
}

/// Asks cargo.
pub(crate) fn metadata(root: &Path) -> Result<Metadata, String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot run `cargo metadata`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cannot read `cargo metadata`: {error}"))
}

/// Every arrow between our crates is declared.
pub(crate) fn rings(graph: &Metadata, layers: &Layers, found: &mut Findings) {
    const CHECK: &str = "rings";
    let declared: BTreeSet<&str> =
        layers.ring.iter().flat_map(|ring| &ring.crates).map(String::as_str).collect();
    let present: BTreeSet<&str> = graph.ours().map(|package| package.name.as_str()).collect();
    for name in present.difference(&declared) {
        found.add(CHECK, *name, "is in no ring; add it to xtask/layers.toml");
    }
    for name in declared.difference(&present) {
        found.add(CHECK, *name, "is declared in xtask/layers.toml and does not exist");
    }
    for package in graph.ours() {
        for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some()) {
            if let Some(problem) = arrow(&package.name, dependency, layers) {
                found.add(CHECK, format!("{} -> {}", package.name, dependency.name), problem);
            }
        }
    }
    let arrows: BTreeSet<String> = graph
        .ours()
        .flat_map(|from| from.dependencies.iter().map(move |to| format!("{} -> {}", from.name, to.name)))
        .collect();
    for stale in layers.ring.iter().flat_map(|ring| &ring.inner).chain(&layers.dev.arrows) {
        if !arrows.contains(stale) {
            found.add(CHECK, stale, "is allowed in xtask/layers.toml and nobody needs it; take it out");
        }
    }
}

fn arrow(from: &str, to: &Dependency, layers: &Layers) -> Option<String> {
    let written = format!("{from} -> {}", to.name);
    if to.kind.as_deref() == Some("dev") && layers.dev.arrows.contains(&written) {
        return None;
    }
    let (Some(source), Some(target)) = (layers.ring(from), layers.ring(&to.name)) else { return None };
    if target.level > source.level {
        return Some(format!("ring {} must not know ring {}", source.level, target.level));
    }
    if target.level == source.level && !source.inner.contains(&written) {
        return Some(format!("crates of ring {} must not know each other", source.level));
    }
    match layers.only.get(&to.name) {
        Some(users) if target.level != source.level && !users.iter().any(|user| user == from) => {
            Some(format!("only {} may use it", users.join(", ")))
        }
        _ => None,
    }
}

/// Heavy dependencies are used by their owners alone.
pub(crate) fn owners(graph: &Metadata, layers: &Layers, found: &mut Findings) {
    for (heavy, owners) in &layers.owners {
        let (name, feature) = heavy.split_once('/').map_or((heavy.as_str(), None), |(n, f)| (n, Some(f)));
        let mut users = BTreeSet::new();
        for package in graph.ours() {
            let uses =
                package.dependencies.iter().filter(|d| d.kind.as_deref() != Some("dev")).any(|dependency| {
                    dependency.name == name
                        && feature
                            .is_none_or(|feature| dependency.features.iter().any(|have| have == feature))
                });
            if uses {
                users.insert(package.name.as_str());
            }
        }
        for user in users.iter().filter(|user| !owners.iter().any(|owner| owner == *user)) {
            found.add(
                "owners",
                format!("{user} -> {heavy}"),
                format!("`{heavy}` belongs to {}", owners.join(", ")),
            );
        }
        if users.is_empty() {
            found.add("owners", heavy, "has owners in xtask/layers.toml and no user; take it out");
        }
    }
}

/// The graph as text: one line a crate, our crates first, then third parties in brackets.
pub(crate) fn print(graph: &Metadata, layers: &Layers) -> String {
    let mut out =
        String::from("# Written by `cargo xtask tidy --bless`; a new arrow is a change to review.\n");
    for ring in &layers.ring {
        let _ = write!(out, "\n# ring {}: {}\n", ring.level, ring.what);
        for name in &ring.crates {
            let Some(package) = graph.ours().find(|package| package.name == *name) else { continue };
            let names = |ours: bool, dev: bool| -> BTreeSet<&str> {
                package
                    .dependencies
                    .iter()
                    .filter(|d| d.path.is_some() == ours && (d.kind.as_deref() == Some("dev")) == dev)
                    .map(|d| d.name.as_str())
                    .collect()
            };
            let join = |set: BTreeSet<&str>| set.into_iter().collect::<Vec<_>>().join(" ");
            let _ = write!(out, "{name} -> {}", join(names(true, false)));
            let _ = write!(out, " [{}]", join(names(false, false)));
            let dev: BTreeSet<&str> = names(true, true).union(&names(false, true)).copied().collect();
            if !dev.is_empty() {
                let _ = write!(out, " tests[{}]", join(dev));
            }
            out.push('\n');
        }
    }
    out
}

/// The written graph is today's.
pub(crate) fn golden(now: &str, written: &str, found: &mut Findings) {
    let old: BTreeSet<&str> = written.lines().collect();
    let new: BTreeSet<&str> = now.lines().collect();
    for line in new.difference(&old) {
        found.add(
            "golden",
            GOLDEN,
            format!("lacks `{line}`; run `cargo xtask tidy --bless` and review the change"),
        );
    }
    for line in old.difference(&new) {
        found.add("golden", GOLDEN, format!("still says `{line}`; run `cargo xtask tidy --bless`"));
    }
}

#[cfg(test)]
mod tests;
