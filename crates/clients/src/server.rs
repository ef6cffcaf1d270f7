//! What a client's file says of one server, as written. Must never run, resolve or show any of it.

use model::json::Json;

use crate::document::Document;
use crate::entry::ShimEntry;
use crate::kind::{Kind, Location};

/// One entry of a table of servers.
pub struct Found {
    /// Its name in the file.
    pub name: String,
    /// The path of names to it.
    pub at: Vec<String>,
    /// What it is.
    pub what: Result<Definition, Unusable>,
}

/// A server's definition with its variables unresolved. No `Debug`: it may hold secrets.
pub struct Definition {
    /// How it is reached.
    pub transport: Transport,
    /// The entry, canonically: to tell later whether it changed.
    pub canonical: String,
}

/// How a server is reached.
pub enum Transport {
    /// A child process.
    Stdio(Stdio),
    /// A URL.
    Http(Http),
}

/// A child process.
#[derive(Default)]
pub struct Stdio {
    /// The program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables.
    pub env: Vec<(String, String)>,
    /// A file of variables.
    pub env_file: Option<String>,
    /// Names of variables passed on.
    pub env_pass: Vec<String>,
    /// Where it runs.
    pub cwd: Option<String>,
}

/// A URL.
#[derive(Default)]
pub struct Http {
    /// The URL.
    pub url: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Headers whose values are in variables of the environment.
    pub env_headers: Vec<(String, String)>,
    /// The variable that holds a bearer token.
    pub bearer_env: Option<String>,
    /// Whether the client speaks HTTP+SSE with it, the transport of 2024-11-05.
    pub sse: bool,
}

/// Why an entry is left alone.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unusable {
    /// It is ours.
    #[error("already connected to `{server}`")]
    Connected {
        /// The server it names.
        server: String,
    },
    /// Switched off.
    #[error("switched off in the client")]
    Disabled,
    /// A transport that is not spoken here.
    #[error("its transport `{0}` is not supported; ask its vendor for a streamable HTTP address")]
    Transport(String),
    /// Not an entry.
    #[error("`{0}` is missing or not what it should be")]
    Shape(&'static str),
}

/// The entries at a location, in the order of the file.
#[must_use]
pub fn found(document: &Document, location: &Location) -> Vec<Found> {
    let Some(Json::Object(members)) = document.get(&location.table) else { return Vec::new() };
    let entry = |member: &model::json::Member| {
        let mut at = location.table.clone();
        at.push(member.name.to_string());
        Found { name: member.name.to_string(), at, what: definition(location.kind, &member.value) }
    };
    members.iter().map(entry).collect()
}

fn definition(kind: Kind, entry: &Json) -> Result<Definition, Unusable> {
    if !matches!(entry, Json::Object(_)) {
        return Err(Unusable::Shape("the entry"));
    }
    if let Some((_, server)) = ShimEntry::recognise(entry) {
        return Err(Unusable::Connected { server });
    }
    let off = entry.get("disabled") == Some(&Json::Bool(true));
    if off || entry.get("enabled") == Some(&Json::Bool(false)) {
        return Err(Unusable::Disabled);
    }
    let transport = entry.get("type").or_else(|| entry.get("transport")).and_then(Json::as_str);
    let transport = match transport {
        Some("sse") => Transport::Http(Http { sse: true, ..http(entry)? }),
        Some("http" | "streamable-http" | "streamableHttp" | "streamable_http") => {
            Transport::Http(http(entry)?)
        }
        Some("stdio") => Transport::Stdio(stdio(kind, entry)?),
        Some(other) => return Err(Unusable::Transport(other.chars().take(40).collect())),
        None if entry.get("command").is_some() => Transport::Stdio(stdio(kind, entry)?),
        None => Transport::Http(http(entry)?),
    };
    Ok(Definition { transport, canonical: entry.canonical() })
}

fn stdio(kind: Kind, entry: &Json) -> Result<Stdio, Unusable> {
    let command = entry.get("command").and_then(Json::as_str).filter(|command| !command.is_empty());
    Ok(Stdio {
        command: command.ok_or(Unusable::Shape("command"))?.to_owned(),
        args: texts(entry, "args")?,
        env: pairs(entry, "env")?,
        env_file: text(entry, "envFile")?,
        env_pass: if kind == Kind::Codex { passed(entry)? } else { Vec::new() },
        cwd: text(entry, "cwd")?,
    })
}

fn http(entry: &Json) -> Result<Http, Unusable> {
    let url = entry.get("url").or_else(|| entry.get("serverUrl")).and_then(Json::as_str);
    let mut headers = pairs(entry, "headers")?;
    headers.extend(pairs(entry, "http_headers")?);
    if let Some(bearer) = text(entry, "bearer_token")? {
        headers.push(("Authorization".to_owned(), format!("Bearer {bearer}")));
    }
    Ok(Http {
        url: url.ok_or(Unusable::Shape("url"))?.to_owned(),
        headers,
        env_headers: pairs(entry, "env_http_headers")?,
        bearer_env: text(entry, "bearer_token_env_var")?,
        sse: false,
    })
}

fn text(entry: &Json, name: &'static str) -> Result<Option<String>, Unusable> {
    match entry.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.to_string())),
        Some(_) => Err(Unusable::Shape(name)),
    }
}

fn texts(entry: &Json, name: &'static str) -> Result<Vec<String>, Unusable> {
    match entry.get(name) {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Array(items)) => {
            items.iter().map(|item| scalar(item).ok_or(Unusable::Shape(name))).collect()
        }
        Some(_) => Err(Unusable::Shape(name)),
    }
}

fn pairs(entry: &Json, name: &'static str) -> Result<Vec<(String, String)>, Unusable> {
    match entry.get(name) {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Object(members)) => {
            let pair = |member: &model::json::Member| match &member.value {
                Json::Null => None,
                value => Some(scalar(value).map(|text| (member.name.to_string(), text))),
            };
            members.iter().filter_map(pair).map(|pair| pair.ok_or(Unusable::Shape(name))).collect()
        }
        Some(_) => Err(Unusable::Shape(name)),
    }
}

/// Clients take numbers and flags where texts belong.
fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) | Json::Number(text) => Some(text.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// `env_vars`: names, or tables with a name.
fn passed(entry: &Json) -> Result<Vec<String>, Unusable> {
    let Some(value) = entry.get("env_vars") else { return Ok(Vec::new()) };
    let Json::Array(items) = value else { return Err(Unusable::Shape("env_vars")) };
    let name = |item: &Json| {
        let name = item.as_str().or_else(|| item.get("name").and_then(Json::as_str));
        name.map(str::to_owned).ok_or(Unusable::Shape("env_vars"))
    };
    items.iter().map(name).collect()
}
