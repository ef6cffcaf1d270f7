//! Read values → domain types. Must never build a `Config` while any problem is noted.

mod auth;
mod headers;
mod hosts;
mod secrets;
mod servers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use model::limits::{CallLimits, JsonLimits};
use ports::sealed::DIRECTORY;
use toml::de::DeTable;

use crate::domain::{Config, Limits, Listen, Log, LogFormat, LogLevel, Notify, Policy, Store};
use crate::keys::Section;
use crate::problem::{ConfigProblem, shown};
use crate::read::{At, Reader, Says, Table};
use crate::resolve::Resolve;

/// Most bytes of a configuration file.
const FILE_BYTES_MAX: usize = 1 << 20;

impl Config {
    /// Reads a configuration. `file_name` is how problems name the file; relative paths are joined to `base_dir`;
    /// secrets are read through `resolve`.
    ///
    /// # Errors
    /// Every problem, in the order of the file. A file that is not TOML has only its syntax problems.
    pub fn parse(
        file_name: &str,
        text: &str,
        base_dir: &Path,
        resolve: &dyn Resolve,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let mut reader = Reader::new(file_name, text);
        if text.len() > FILE_BYTES_MAX {
            let got = format!("{} bytes", text.len());
            let want = format!("at most {FILE_BYTES_MAX} bytes");
            let fix = "check that this is the right file";
            reader.note(0, "(file)", &Says { got: &got, want: &want, fix });
            return Err(reader.finish());
        }
        let (root, errors) = DeTable::parse_recoverable(text);
        reader.syntax(&errors);
        if !reader.clean() {
            return Err(reader.finish());
        }
        let config =
            whole(&mut reader, root.get_ref(), Surroundings { base_dir, sealed: PathBuf::new(), resolve });
        if reader.clean() { Ok(config) } else { Err(reader.finish()) }
    }
}

/// What the file does not say itself.
pub(crate) struct Surroundings<'a> {
    pub(crate) base_dir: &'a Path,
    /// The sealed store, once it is known where state is kept.
    pub(crate) sealed: PathBuf,
    pub(crate) resolve: &'a dyn Resolve,
}

fn whole(reader: &mut Reader<'_>, root: &DeTable<'_>, mut around: Surroundings<'_>) -> Config {
    reader.unknown_sections(root);
    let [listen_table, store_table, policy_table, limits_table, servers_table, notify_table, log_table] =
        Section::TOP.map(|section| reader.top(root, section));
    for table in [&listen_table, &store_table, &policy_table, &limits_table, &notify_table, &log_table] {
        reader.unknown_keys(table);
    }
    let store = store(reader, &store_table, &around);
    around.sealed = store.path.join(DIRECTORY);
    Config {
        listen: listen(reader, &listen_table),
        store,
        policy: policy(reader, &policy_table, &around),
        limits: limits(reader, &limits_table),
        servers: servers::servers(reader, &servers_table, &around),
        notify: Notify { desktop: reader.bool(&notify_table, "desktop") },
        log: log(reader, &log_table),
        warnings: reader.warnings(),
    }
}

fn listen(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Listen {
    let dangerous_plaintext = reader.bool(table, "dangerous_plaintext");
    let mut address = SocketAddr::from(([127, 0, 0, 1], 8787));
    if let Some(given) = reader.text(table, "address") {
        match given.value.parse::<SocketAddr>() {
            Ok(parsed) => {
                address = parsed;
                loopback_or_dangerous(reader, table, &given, parsed, dangerous_plaintext);
            }
            Err(_) => reader.note(
                given.offset,
                &table.key("address"),
                &Says {
                    got: &shown(&given.value),
                    want: "an IP address and port",
                    fix: "write it like `\"127.0.0.1:8787\"` or `\"[::1]:8787\"`",
                },
            ),
        }
    }
    Listen {
        address,
        allowed_origins: hosts::origins(reader, table),
        allowed_hosts: hosts::hosts(reader, table),
        dangerous_plaintext,
    }
}

fn loopback_or_dangerous(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    given: &At<String>,
    address: SocketAddr,
    dangerous: bool,
) {
    if address.ip().to_canonical().is_loopback() || dangerous {
        return;
    }
    let fix = "listen on loopback and put a proxy with TLS in front, or set `dangerous_plaintext = true`";
    let want = "a loopback address, because there is no TLS on this side yet";
    reader.note(given.offset, &table.key("address"), &Says { got: &shown(&given.value), want, fix });
}

/// A path of the file, joined to the directory of the file.
fn path(reader: &mut Reader<'_>, key: &str, given: &At<String>, around: &Surroundings<'_>) -> PathBuf {
    if given.value.is_empty() || given.value.contains('\0') {
        let fix = "name a file or directory, relative to this file or absolute";
        reader.note(given.offset, key, &Says { got: "an empty path or a NUL byte", want: "a path", fix });
    }
    around.base_dir.join(&given.value)
}

fn store(reader: &mut Reader<'_>, table: &Table<'_, '_>, around: &Surroundings<'_>) -> Store {
    let given = reader.text(table, "path");
    let path = given.map(|given| path(reader, &table.key("path"), &given, around));
    Store { path: path.unwrap_or_else(|| around.base_dir.join("state")) }
}

fn policy(reader: &mut Reader<'_>, table: &Table<'_, '_>, around: &Surroundings<'_>) -> Policy {
    let Some(given) = reader.list(table, "paths") else {
        return Policy { paths: vec![around.base_dir.join("policies")] };
    };
    let paths = given.value.iter().map(|item| path(reader, &table.key("paths"), item, around)).collect();
    Policy { paths }
}

fn limits(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Limits {
    let mut count = |name: &str, default: usize| {
        reader.integer(table, name).and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
    };
    let mut request = JsonLimits::REQUEST;
    let mut call = CallLimits::DEFAULT;
    request.bytes_max = count("request_bytes_max", request.bytes_max);
    call.result_bytes_max = count("result_bytes_max", call.result_bytes_max);
    call.open_calls_per_task_max = count("open_calls_per_task_max", call.open_calls_per_task_max);
    let connections_max = count("connections_max", 1024);
    if let Some(number) = reader.integer(table, "calls_per_minute_max") {
        call.calls_per_minute_max = number;
    }
    if let Some(number) = reader.integer(table, "lists_and_refusals_per_minute_max") {
        call.lists_and_refusals_per_minute_max = number;
    }
    if let Some(seconds) = reader.integer(table, "upstream_seconds_max") {
        call.upstream_millis_max = seconds.saturating_mul(1000);
    }
    Limits { request, call, connections_max }
}

fn log(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Log {
    let format = match reader.choice(table, "format") {
        Some("json") => LogFormat::Json,
        _ => LogFormat::Human,
    };
    let level = match reader.choice(table, "level") {
        Some("error") => LogLevel::Error,
        Some("warn") => LogLevel::Warn,
        Some("debug") => LogLevel::Debug,
        Some("trace") => LogLevel::Trace,
        _ => LogLevel::Info,
    };
    Log { format, level }
}

#[cfg(test)]
mod tests;
