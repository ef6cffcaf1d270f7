//! The configuration file and the policies. Must never print a value of the file: the problems do not either.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use config::{Config, ConfigProblem};
use serde_json::{Value, json};
use server::PolicyFiles as _;

use super::finding::Findings;
use crate::exit::Failure;
use crate::files::PolicyDirectory;
use crate::remote::Operator;
use crate::render;

pub(super) fn look(found: &mut Findings, path: &Path, config: &Config) {
    let names: Vec<&str> = config.servers.iter().map(|server| server.name.as_str()).collect();
    let servers = if names.is_empty() { "no server".to_owned() } else { names.join(", ") };
    found.ok("configuration", format!("{} is good: {servers}", path.display()));
    for notice in config.notices() {
        found.warning("configuration", notice, "`callgate config check` says where");
    }
    unchangeable(found, path);
    exposure(found, config);
}

pub(super) fn broken(found: &mut Findings, path: &Path, problems: &[ConfigProblem]) {
    for problem in problems {
        found.problem(
            "configuration",
            problem.to_string(),
            format!("edit {}; `callgate config check` looks again", path.display()),
        );
    }
}

pub(super) fn missing(found: &mut Findings, failure: &Failure) {
    let fix = "callgate import CLIENT, which takes over your assistant's servers and writes one";
    found.problem("configuration", failure.text(), fix);
}

/// Who can write what decides, decides.
fn unchangeable(found: &mut Findings, path: &Path) {
    let Ok(about) = std::fs::metadata(path) else { return };
    let mode = about.permissions().mode();
    // Root's own files are as good as this user's.
    let foreign = about.uid() != 0 && about.uid() != rustix::process::geteuid().as_raw();
    let shown = path.display();
    if mode & 0o022 != 0 {
        let text = format!("{shown} can be changed by other users (mode {:03o})", mode & 0o777);
        found.problem("configuration", text, format!("chmod go-w {shown}"));
    } else if foreign {
        let text = format!("{shown} belongs to user {}, who can change it", about.uid());
        found.problem("configuration", text, format!("sudo chown $(id -u) {shown}"));
    }
}

/// Who can reach the TCP socket.
fn exposure(found: &mut Findings, config: &Config) {
    let address = config.listen.address;
    if address.ip().is_loopback() {
        found.ok("configuration", format!("{address} is reached from this machine only"));
    } else {
        let text = format!(
            "{address} is reached from other machines, without TLS: keys and data can be read on the way"
        );
        let fix = "set `[listen] address = \"127.0.0.1:8787\"`, and put a proxy with TLS in front for others";
        found.warning("configuration", text, fix);
    }
}

/// The policies: there, private, and compiling against the certified tools.
pub(super) async fn policies(found: &mut Findings, config: &Config, operator: Option<&Operator>) {
    for path in &config.policy.paths {
        unchangeable(found, path);
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            unchangeable(found, &entry.path());
        }
    }
    let sources = match PolicyDirectory(config.policy.paths.clone()).read() {
        Ok(sources) => sources,
        Err(problem) => {
            return found.problem("policies", problem, "create what is missing, or change `policy.paths`");
        }
    };
    if sources.is_empty() {
        let fix = "copy policies/starter.cedar of the distribution into the policies directory";
        return found.warning("policies", "there is no policy, so nothing is permitted", fix);
    }
    let files: Vec<Value> =
        sources.iter().map(|source| json!({"file": source.file, "text": source.text})).collect();
    let checked = match operator {
        Some(operator) => operator.ask("policy/check", json!({"files": files})).await,
        None => Ok(render::checked_without_tools(&sources, config)),
    };
    match checked {
        Err(failure) => found.problem("policies", failure.text(), "`callgate policy check` says more"),
        Ok(value) if value.get("ok") == Some(&json!(true)) => {
            let count = value.get("policies").and_then(Value::as_u64).unwrap_or(0);
            found.ok("policies", format!("{count} policies, no problems"));
            in_force(found, operator).await;
        }
        Ok(value) => {
            for line in render::policy_check(&value).lines() {
                found.warning("policies", line, "edit the policy; `callgate policy check` looks again");
            }
        }
    }
}

/// Policies that wait for a tool decide nothing.
async fn in_force(found: &mut Findings, operator: Option<&Operator>) {
    let Some(operator) = operator else { return };
    let Ok(status) = operator.ask("status", json!({})).await else { return };
    for notice in render::list(&status, "policies_set_aside").iter().filter_map(Value::as_str) {
        found.note("policies", format!("waits for its tool: {notice}"));
    }
}
