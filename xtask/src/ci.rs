//! Everything a change must pass, cheap things first. Must never hide a step: what runs is printed, with its time.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::tidy;

/// One step.
struct Step {
    name: &'static str,
    arguments: &'static [&'static str],
    environment: Option<(&'static str, &'static str)>,
}

const fn cargo(name: &'static str, arguments: &'static [&'static str]) -> Step {
    Step { name, arguments, environment: None }
}

/// Documents are for people who work here, so private items are in them and links to those are fine.
/// One build of each profile: only the dev profile here, features resolved for the whole workspace.
const STEPS: [Step; 6] = [
    cargo("format", &["fmt", "--all", "--check"]),
    cargo(
        "lints",
        &["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "--deny", "warnings"],
    ),
    cargo("build", &["build", "--workspace", "--bins", "--locked", "--quiet"]),
    cargo("tests", &["test", "--workspace", "--locked", "--quiet"]),
    Step {
        name: "documents",
        arguments: &["doc", "--workspace", "--no-deps", "--document-private-items", "--locked", "--quiet"],
        environment: Some(("RUSTDOCFLAGS", "--deny warnings --allow rustdoc::private_intra_doc_links")),
    },
    cargo("kill", &["xtask", "bar", "door", "--only", "kill", "--kills", "10"]),
];

/// Runs all steps; stops at the first that fails.
pub(crate) fn run(root: &Path, target: &Path, only: &[String]) -> Result<(), String> {
    let names: Vec<&str> = std::iter::once("tidy").chain(STEPS.iter().map(|step| step.name)).collect();
    if let Some(unknown) = only.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(format!("no step `{unknown}`; there are {}", names.join(", ")));
    }
    let wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    if wanted("tidy") {
        timed("tidy", || tidy::run(false))?;
    }
    for step in STEPS.iter().filter(|step| wanted(step.name)) {
        timed(step.name, || step.run(root, target))?;
    }
    println!("ci: all steps pass");
    Ok(())
}

fn timed(name: &str, step: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    eprintln!("ci: {name}");
    let started = Instant::now();
    step().map_err(|problem| format!("{name}: {problem}"))?;
    eprintln!("ci: {name} passed in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

impl Step {
    fn run(&self, root: &Path, target: &Path) -> Result<(), String> {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(program);
        command.current_dir(root).args(self.arguments);
        if self.name == "kill" {
            command.arg("--binaries").arg(target.join("debug"));
        }
        if let Some((name, value)) = self.environment {
            command.env(name, value);
        }
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(format!("run `cargo {}` to see it alone", self.arguments.join(" "))),
            Err(error) => Err(format!("cannot run cargo: {error}")),
        }
    }
}
