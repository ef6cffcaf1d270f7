//! The configured servers: whether they can start, what of them other programs can see, whether they list their tools.
//! Must never print an argument, an address or a variable: they may hold secrets.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use config::{Config, Http, Server, Stdio, Transport};
use ports::sealed::{DIRECTORY, SecretText};
use serde_json::{Value, json};

use super::finding::Findings;
use crate::login;
use crate::remote::Operator;
use crate::render::{list, number, text};
use crate::sealed::SealedOnce;

/// Programs that fetch what they run, and the flags that say nothing about what.
const FETCHERS: [&str; 6] = ["npx", "bunx", "pnpx", "uvx", "pipx", "docker"];

/// What can be told without starting anything.
pub(super) fn look(found: &mut Findings, servers: &[Server]) {
    for server in servers {
        match &server.transport {
            Transport::Stdio(child) => {
                program(found, server, child);
                arguments(found, server, child);
                pinned(found, server, child);
            }
            Transport::Http(http) => address(found, server, http),
        }
    }
}

fn program(found: &mut Findings, server: &Server, child: &Stdio) {
    let there = if child.program.contains('/') {
        let path = child
            .cwd
            .as_deref()
            .map_or_else(|| PathBuf::from(&child.program), |cwd| cwd.join(&child.program));
        // Where a child without `cwd` runs is made when it starts.
        path.is_relative() || executable(&path)
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|directory| executable(&directory.join(&child.program)))
    };
    if !there {
        let text = format!("{}: the program `{}` is not there, or not in PATH", server.name, child.program);
        found.problem(
            "servers",
            text,
            format!("install it, or write its whole path in `[servers.{}] command`", server.name),
        );
    }
}

fn executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

/// Arguments stand in the list of processes, for every program of this user and often for all users.
fn arguments(found: &mut Findings, server: &Server, child: &Stdio) {
    let name = &server.name;
    let fix = format!(
        "give it as a variable: `callgate seal put {name}-token`, then in `[servers.{name}.env]` NAME = \"${{sealed:{name}-token}}\""
    );
    if child.args.iter().any(|argument| argument.sealed_names().next().is_some()) {
        let text = format!(
            "{name}: a sealed secret is an argument, so other programs see it in the list of processes"
        );
        found.warning("servers", text, fix.clone());
    }
    let plain: Vec<&str> = child.args.iter().filter_map(SecretText::as_plain).collect();
    if argument_in_clear(&plain) {
        let text = format!(
            "{name}: an argument looks like a credential, in clear in the configuration and the list of processes"
        );
        found.warning("servers", text, fix.clone());
    }
    for (variable, value) in &child.env {
        if value.as_plain().is_some_and(|value| in_clear(variable, value)) {
            let text = format!(
                "{name}: the variable `{variable}` looks like a credential in clear in the configuration"
            );
            found.warning("servers", text, fix.clone());
        }
    }
}

/// `--token VALUE`, `--token=VALUE`, `TOKEN=VALUE`, or what looks like a credential by itself.
fn argument_in_clear(arguments: &[&str]) -> bool {
    let mut flag = "";
    arguments.iter().any(|argument| {
        let (name, value) = argument.split_once('=').unwrap_or((flag, argument));
        flag = if argument.starts_with('-') { argument } else { "" };
        flag != value && in_clear(name, value)
    })
}

/// The shortest value that a name alone makes a credential.
const NAMED_MIN: usize = 8;

fn in_clear(name: &str, value: &str) -> bool {
    let named = clients::name_of_credential(name) && value.len() >= NAMED_MIN;
    named || clients::looks_like_credential(value)
}

/// A fetched program without a version is another program tomorrow.
fn pinned(found: &mut Findings, server: &Server, child: &Stdio) {
    let program = PathBuf::from(&child.program);
    let program = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !FETCHERS.contains(&program) {
        return;
    }
    let mut words = child.args.iter().filter_map(SecretText::as_plain);
    let package = words.find(|word| !word.starts_with('-') && !matches!(*word, "run" | "exec"));
    let Some(package) = package else { return };
    let version = package.trim_start_matches('@');
    let latest = ["@latest", ":latest"].iter().any(|tag| version.ends_with(tag));
    if latest || !version.contains(['@', ':', '=']) {
        found.note(
            "servers",
            format!(
                "{}: `{program}` runs whatever version is newest; name one to run what was looked at",
                server.name
            ),
        );
    }
}

fn address(found: &mut Findings, server: &Server, http: &Http) {
    let Some(url) = http.url.as_plain() else { return };
    let authority = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or(""));
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let clear = query
        .split('&')
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .any(|(name, value)| in_clear(name, value));
    if authority.contains('@') || clear {
        let text = format!("{}: its `url` looks as if it held a credential in clear", server.name);
        found.warning(
            "servers",
            text,
            format!("`callgate seal put {0}-url`, then `url = \"${{sealed:{0}-url}}\"`", server.name),
        );
    }
}

/// Servers whose tokens are there, or have ended.
pub(super) fn logins(found: &mut Findings, config: &Config) {
    let (store, directory) = (SealedOnce::default(), config.store.path.join(DIRECTORY));
    for server in &config.servers {
        let name = &server.name;
        match login::standing(&store, &directory, name) {
            Some(standing) if standing.usable => {
                found.ok("servers", format!("{name}: logged in at {}", standing.issuer));
            }
            Some(standing) => {
                let text = format!("{name}: its login at {} has ended", standing.issuer);
                found.warning("servers", text, format!("callgate servers login {name}"));
            }
            None => {}
        }
    }
}

/// Lists every server's tools, and says how they stand.
pub(super) async fn ask(found: &mut Findings, operator: &Operator) {
    let refreshed = match operator.ask("servers/refresh", json!({"server": null})).await {
        Ok(refreshed) => refreshed,
        Err(failure) => {
            return found.problem("servers", failure.text(), "`callgate servers refresh` tries again");
        }
    };
    let listed = operator.ask("servers/list", json!({})).await.unwrap_or_default();
    for one in list(&refreshed, "refreshed") {
        let name = text(one, "server");
        if one.get("ok") == Some(&json!(true)) {
            let about = list(&listed, "servers").iter().find(|about| text(about, "server") == name);
            standing(found, name, about.unwrap_or(&Value::Null));
        } else {
            let problem = text(one, "problem");
            let fix = match problem.contains("`callgate servers login ") {
                true => format!("callgate servers login {name}"),
                false => {
                    format!("start it by hand to see what it wants; then `callgate servers refresh {name}`")
                }
            };
            found.problem("servers", format!("{name}: {problem}"), fix);
        }
    }
}

fn standing(found: &mut Findings, name: &str, about: &Value) {
    let (usable, waiting) = (number(about, "tools_certified"), number(about, "tools_quarantined"));
    let refused = list(about, "tools_refused").len();
    if refused > 0 {
        found.note("servers", format!("{name}: {refused} tools have definitions that cannot be used; `callgate servers list` says why"));
    }
    if waiting == 0 {
        return found.ok("servers", format!("{name}: answers; {usable} tools in use"));
    }
    let text = format!("{name}: answers; {usable} tools in use, {waiting} wait for a person");
    found.warning(
        "servers",
        text,
        "`callgate status` names them; `callgate tools show TOOL` shows one and how to certify it",
    );
}

#[cfg(test)]
mod tests;
