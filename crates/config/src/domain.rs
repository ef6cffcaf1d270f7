//! What the binary gets: domain types, defaults filled in. Must never hold a reference that still has to be resolved,
//! but for names of the sealed store: what they stand for is read when a server is started.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use model::ids::{ServerName, ToolName};
use model::limits::{CallLimits, JsonLimits};
use ports::sealed::SecretText;

use crate::problem::ConfigProblem;

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
    /// How a person is told what waits for them.
    pub notify: Notify,
    /// What is printed while running.
    pub log: Log,
    /// What keeps single servers from being used, or will: to be printed at start and by `config check`.
    pub warnings: Vec<ConfigProblem>,
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
    pub args: Vec<SecretText>,
    /// Variables it gets, with these values.
    pub env: Vec<(String, SecretText)>,
    /// Variables it gets as Callgate has them, besides those that every child gets.
    pub env_pass: Vec<String>,
    /// Where it runs. Without one, each child gets a private directory of its own.
    pub cwd: Option<PathBuf>,
}

/// A server behind a URL.
#[derive(Clone)]
pub struct Http {
    /// `https://…`, or `http://…` to this machine.
    pub url: SecretText,
    /// Sent as `Authorization: Bearer …`.
    pub bearer: Option<SecretText>,
    /// More headers of every request, each name once, lower-case.
    pub headers: Vec<(String, SecretText)>,
    /// Certificates (PEM) to trust for it, besides the public authorities.
    pub ca_file: Option<PathBuf>,
    /// True when a server on another machine is reached without TLS.
    pub dangerous_plaintext: bool,
    /// How tokens for it are got, when it wants them.
    pub auth: Auth,
}

/// How tokens for a server are got (OAuth 2.1). What is not said is found out.
#[derive(Clone, Default)]
pub struct Auth {
    /// True for Callgate's own credentials in place of a person's login.
    pub client_credentials: bool,
    /// Who Callgate is there.
    pub client_id: Option<String>,
    /// Proves it.
    pub client_secret: Option<SecretText>,
    /// Proves it by signatures.
    pub client_key: Option<SecretText>,
    /// True when these are for the token endpoint, not for the issuer.
    pub key_for_token_endpoint: bool,
    /// The only authorization server that tokens are taken from.
    pub issuer: Option<String>,
    /// Hosts in private networks that the server may name.
    pub hosts: Vec<String>,
    /// The only scopes that are asked for, if any.
    pub scopes: Vec<String>,
    /// Where a login comes back to.
    pub redirect: Option<String>,
}

impl Config {
    /// Everything to be said at start and by `config check` although the configuration is valid.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        let mut notices = self.weakenings();
        notices.extend(self.warnings.iter().map(ToString::to_string));
        notices
    }
}

impl Server {
    /// Its texts that may hold secrets, each with the key it was written at.
    #[must_use]
    pub fn secret_texts(&self) -> Vec<(String, &SecretText)> {
        let at = |key: &str| format!("servers.{}.{key}", self.name);
        match &self.transport {
            Transport::Stdio(child) => {
                let mut texts: Vec<_> = child.args.iter().map(|arg| (at("command"), arg)).collect();
                texts.extend(child.env.iter().map(|(name, text)| (at(&format!("env.{name}")), text)));
                texts
            }
            Transport::Http(http) => {
                let mut texts = vec![(at("url"), &http.url)];
                texts.extend(http.bearer.iter().map(|bearer| (at("bearer"), bearer)));
                texts.extend(http.headers.iter().map(|(name, text)| (at(&format!("headers.{name}")), text)));
                let Auth { client_secret, client_key, .. } = &http.auth;
                texts.extend(client_secret.iter().map(|text| (at("auth.client_secret"), text)));
                texts.extend(client_key.iter().map(|text| (at("auth.client_key"), text)));
                texts
            }
        }
    }
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
    /// HTTP+SSE, the transport of 2024-11-05. Only of a server behind a URL.
    Sse,
}

/// What is printed while running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// How.
    pub format: LogFormat,
    /// How much.
    pub level: LogLevel,
}

/// How a person is told what waits for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify {
    /// By a notification on the desktop, where there is one.
    pub desktop: bool,
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
            if matches!(&server.transport, Transport::Stdio(child) if child.args.iter().any(|arg| arg.as_plain().is_none()))
            {
                on.push(format!(
                    "`servers.{}.command` holds a sealed secret: while it runs, other programs of this machine can \
                     see it in the list of processes; use `env` if the server can read it there",
                    server.name
                ));
            }
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
