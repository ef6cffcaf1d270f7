//! The project's rules as checks; what a reviewer should not have to look for.
//!
//! Must never hold a check that cannot fail: each has a test on a small bad sample.

use std::path::{Path, PathBuf};

mod docs;
mod graph;
mod layers;
mod licence;
mod messages;
mod packages;
mod proofs;
mod purity;
mod size;
mod source;
mod text;
mod tree;

use layers::{Layers, Ratchet};
use source::Source;
use tree::TextFile;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    check: &'static str,
    place: String,
    problem: String,
}

/// Collects what is broken.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, check: &'static str, place: impl Into<String>, problem: impl Into<String>) {
        self.0.push(Finding { check, place: place.into(), problem: problem.into() });
    }

    #[cfg(test)]
    fn problems(&self) -> Vec<String> {
        self.0.iter().map(|finding| format!("{}: {}", finding.place, finding.problem)).collect()
    }
}

/// Everything the checks read, read once.
struct Repository {
    root: PathBuf,
    files: Vec<TextFile>,
    sources: Vec<Source>,
    layers: Layers,
    ratchet: Ratchet,
    graph: graph::Metadata,
    lock: packages::Lock,
}

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Where builds go.
pub(crate) fn target() -> Result<PathBuf, String> {
    graph::metadata(&root()).map(|graph| PathBuf::from(graph.target_directory))
}

impl Repository {
    fn read() -> Result<Self, String> {
        let root = root();
        let files = tree::read(&root)?;
        let sources = files.iter().filter(|file| file.path.ends_with(".rs")).map(Source::new).collect();
        Ok(Self {
            layers: layers::read(&root.join("xtask/layers.toml"))?,
            ratchet: layers::read(&root.join("xtask/ratchet.toml"))?,
            graph: graph::metadata(&root)?,
            lock: layers::read(&root.join("Cargo.lock"))?,
            files,
            sources,
            root,
        })
    }

    fn manifests(&self) -> impl Iterator<Item = &TextFile> {
        self.files.iter().filter(|file| file.path.ends_with("Cargo.toml"))
    }

    fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }
}

/// Every check, in the order they are reported.
fn check(repository: &Repository) -> Vec<Finding> {
    let mut found = Findings::default();
    let layers = &repository.layers;
    graph::rings(&repository.graph, layers, &mut found);
    graph::owners(&repository.graph, layers, &mut found);
    let golden = repository.root.join(graph::GOLDEN);
    graph::golden(&graph::print(&repository.graph, layers), &tree::read_or_empty(&golden), &mut found);
    for manifest in repository.manifests() {
        text::manifest(manifest, &mut found);
    }
    for source in &repository.sources {
        text::module_docs(source, &mut found);
    }
    purity::check(&repository.sources, layers, &mut found);
    size::check(&repository.sources, &repository.ratchet, &mut found);
    for file in &repository.files {
        text::whitespace(file, &mut found);
        text::banned(&file.path, &file.text, &mut found);
    }
    for (commit, message) in tree::commits(&repository.root) {
        text::banned(&format!("commit {commit}"), &message, &mut found);
    }
    text::licence_file(repository.root.join("LICENSE").as_path(), &mut found);
    docs::decisions(&repository.files, &mut found);
    let denial = repository.text("crates/model/src/denial.rs").unwrap_or_default();
    docs::reasons(denial, repository.text(docs::REASONS).unwrap_or_default(), &mut found);
    messages::check(&repository.sources, repository.text(messages::MESSAGES).unwrap_or_default(), &mut found);
    proofs::check(&repository.files, &mut found);
    let manifest = repository.text("Cargo.toml").unwrap_or_default();
    let listed = repository.text(docs::DEPENDENCIES).unwrap_or_default();
    docs::dependencies(manifest, listed, &repository.graph, &mut found);
    licence::check(&repository.graph, layers, &mut found);
    packages::check(&repository.lock, layers, &repository.ratchet, &mut found);
    found.0
}

/// Runs every check; with `bless`, first rewrites the golden files.
pub(crate) fn run(bless: bool) -> Result<(), String> {
    let repository = Repository::read()?;
    if bless {
        let golden = repository.root.join(graph::GOLDEN);
        let text = graph::print(&repository.graph, &repository.layers);
        std::fs::write(&golden, text)
            .map_err(|error| format!("cannot write `{}`: {error}", golden.display()))?;
    }
    for warning in size::warnings(&repository.sources) {
        eprintln!("tidy: note: {warning}");
    }
    let found = check(&repository);
    for Finding { check, place, problem } in &found {
        eprintln!("tidy: {check}: {place}: {problem}");
    }
    if found.is_empty() {
        println!(
            "tidy: {} files, {} packages, all rules hold",
            repository.files.len(),
            repository.lock.len()
        );
        return Ok(());
    }
    Err(format!("tidy: {} rules are broken; each line above says where and what to do", found.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_tidy() {
        let found = check(&Repository::read().unwrap());
        let lines: Vec<_> =
            found.iter().map(|f| format!("{}: {}: {}", f.check, f.place, f.problem)).collect();
        assert!(lines.is_empty(), "run `cargo xtask tidy`:\n{}", lines.join("\n"));
    }
}
