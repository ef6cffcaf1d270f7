//! What the binary gets: domain types, defaults filled in. Must never hold a reference that still has to be resolved.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use model::ids::{ServerName, ToolName};
use model::limits::{CallLimits, JsonLimits};
use ports::secret::Secret;

/// A whole, valid configuration. No `Debug`: it holds secrets.
pub struct Config {
    /// Where clients come in.
    pub listen: Listen,
    /// Where state is kept.
    pub store: Store,
    /// Where policies are read from.
    pub policy: Policy,
    /// The bounds.
    pub limits: Limits,
    /// The upstream servers, sorted by name.
    pub servers: Vec<Server>,
    /// What is printed while running.
    pub log: Log,
}

/// Where clients come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Address and port. Port 0 lets the system choose.
    pub address: SocketAddr,
    /// Browser origins that may call, besides none: `scheme://host` or `scheme://host:port`, lower-case.
    pub allowed_origins: Vec<String>,
    /// `Host` values that may be used, besides the loopback names: `host` or `host:port`, lower-case.
    pub allowed_hosts: Vec<String>,
    /// True when an address that others can reach is served without TLS.
    pub dangerous_plaintext: bool,
}

/// Where state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The directory.
    pub path: PathBuf,
}

/// Where policies are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Files, or directories whose `.cedar` files are read. Empty means no policy: nothing is permitted.
    pub paths: Vec<PathBuf>,
}

/// The bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// On one request's JSON.
    pub request: JsonLimits,
    /// On one call's way.
    pub call: CallLimits,
    /// Connections open at once.
    pub connections_max: usize,
}

/// One upstream server. No `Debug`: it may hold secrets.
#[derive(Clone)]
pub struct Server {
    /// Its name.
    pub name: ServerName,
    /// How it is reached.
    pub transport: Transport,
    /// True when one child or session may serve several agents.
    pub shareable: bool,
    /// Which environment it belongs to, for policies.
    pub environment: String,
    /// Which protocol era to speak with it.
    pub era: Era,
    /// Tools whose results are secrets.
    pub secret_tools: BTreeSet<ToolName>,
}

/// How a server is reached.
#[derive(Clone)]
pub enum Transport {
    /// A child process on standard input and output.
    Stdio(Stdio),
    /// Streamable HTTP.
    Http(Http),
}

/// A child process.
#[derive(Clone)]
pub struct Stdio {
    /// The program, as written: a path, or a name that is looked up in `PATH`.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables it gets, with these values. May be secrets.
    pub env: Vec<(String, Secret)>,
    /// Names of those in `env` that were written as references: their values are secrets.
    pub env_secrets: Vec<String>,
    /// Variables it gets as Callgate has them, besides those that every child gets.
    pub env_pass: Vec<String>,
    /// Where it runs. Without one, each child gets a private directory of its own.
    pub cwd: Option<PathBuf>,
}

/// A server behind a URL.
#[derive(Clone)]
pub struct Http {
    /// `https://…`, or `http://…` to this machine.
    pub url: String,
    /// Sent as `Authorization: Bearer …`.
    pub bearer: Option<Secret>,
    /// Certificates (PEM) to trust for it, besides the public authorities.
    pub ca_file: Option<PathBuf>,
    /// True when a server on another machine is reached without TLS.
    pub dangerous_plaintext: bool,
}

/// Which protocol era to speak with an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Ask: the modern revision first, then the session revisions.
    Auto,
    /// The session revisions, up to 2025-11-25.
    Legacy,
    /// 2026-07-28.
    Modern,
}

/// What is printed while running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// How.
    pub format: LogFormat,
    /// How much.
    pub level: LogLevel,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what may fail soon.
    Warn,
    /// And what happens.
    Info,
    /// And why.
    Debug,
    /// And how.
    Trace,
}

impl LogLevel {
    /// The word, as `tracing` knows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Config {
    /// What weakens protection and is on, each with what follows from it, to be printed at start.
    #[must_use]
    pub fn weakenings(&self) -> Vec<String> {
        let mut on = Vec::new();
        if self.listen.dangerous_plaintext {
            on.push(format!(
                "`listen.dangerous_plaintext` is on: whoever is on the way to {} can read keys and calls",
                self.listen.address
            ));
        }
        for server in &self.servers {
            if matches!(&server.transport, Transport::Http(http) if http.dangerous_plaintext) {
                on.push(format!(
                    "`servers.{}.dangerous_plaintext` is on: calls to it can be read and changed on the way",
                    server.name
                ));
            }
        }
        on
    }
}
