//! A definition with its variables replaced, each text cut into what may be shown and what must be sealed.
//!
//! Must never put a credential into a plain part. [`Hidden`], the secret of all crates, has neither `Debug` nor `Display`.

mod arguments;
mod url;

use model::bytes_eq::constant_time_eq;
use model::digest::Digest;
/// A text that may be a credential.
pub use model::secret::Secret as Hidden;

use crate::credential::{is_public, looks_like_credential, name_of_credential};
use crate::expand::{Facts, Missing, Syntax, expand};
use crate::server::{Definition, Http, Stdio, Transport};

/// A piece of a text.
#[derive(Clone)]
pub enum Part {
    /// May be shown.
    Plain(String),
    /// Must be sealed.
    Secret(Hidden),
}

impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => one == other,
            (Self::Secret(one), Self::Secret(other)) => same(one, other),
            (Self::Plain(_), Self::Secret(_)) | (Self::Secret(_), Self::Plain(_)) => false,
        }
    }
}

impl Eq for Part {}

/// Whether two secrets are one, in constant time.
fn same(one: &Hidden, other: &Hidden) -> bool {
    constant_time_eq(one.reveal().as_bytes(), other.reveal().as_bytes())
}

impl Part {
    /// The secret, when it is one.
    const fn hidden(&self) -> Option<&Hidden> {
        match self {
            Self::Plain(_) => None,
            Self::Secret(secret) => Some(secret),
        }
    }
}

/// Parts that make up one text.
pub(crate) type Parts = Vec<Part>;

/// One server with everything resolved. No `Debug`: it holds secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct SplitServer {
    /// How it is reached.
    pub plan: Plan,
}

/// How a server is reached.
#[derive(Clone, PartialEq, Eq)]
pub enum Plan {
    /// A child process.
    Stdio {
        /// Program and arguments.
        command: Vec<Parts>,
        /// Variables.
        env: Vec<(String, Parts)>,
        /// Names of variables passed on because they have no value now.
        env_pass: Vec<String>,
        /// Where it runs.
        cwd: Option<String>,
    },
    /// A URL.
    Http {
        /// The URL.
        url: Parts,
        /// Headers.
        headers: Vec<(String, Parts)>,
        /// Whether it is spoken to by HTTP+SSE.
        sse: bool,
    },
}

/// What splitting needs to know.
pub struct Around<'a> {
    /// The client's variables.
    pub syntax: Syntax,
    /// What they stand for.
    pub facts: Facts<'a>,
    /// Whether a path is there.
    pub exists: &'a dyn Fn(&str) -> bool,
    /// The variables of the definition's `envFile`.
    pub env_file: &'a [(String, String)],
    /// Where the client starts its servers, when it says so.
    pub starts_in: Option<&'a str>,
}

/// Resolves and splits a definition.
///
/// # Errors
/// [`Missing`]: a variable without a value.
pub fn split(definition: &Definition, around: &Around<'_>) -> Result<SplitServer, Missing> {
    let plan = match &definition.transport {
        Transport::Stdio(stdio) => process(stdio, around)?,
        Transport::Http(http) => endpoint(http, around)?,
    };
    Ok(SplitServer { plan })
}

fn process(stdio: &Stdio, around: &Around<'_>) -> Result<Plan, Missing> {
    let full = |text: &str| expand(text, around.syntax, &around.facts);
    let mut written = vec![full(&stdio.command)?];
    for arg in &stdio.args {
        written.push(full(arg)?);
    }
    let mut env: Vec<(String, Parts)> = Vec::new();
    for (name, value) in around.env_file {
        env.push((name.clone(), variable(name, vec![Part::Plain(value.clone())], around)));
    }
    for (name, value) in &stdio.env {
        env.retain(|(known, _)| known != name);
        env.push((name.clone(), variable(name, full(value)?, around)));
    }
    let mut env_pass = Vec::new();
    for name in &stdio.env_pass {
        match (around.facts.env)(name) {
            _ if env.iter().any(|(known, _)| known == name) => {}
            Some(value) => env.push((name.clone(), variable(name, vec![Part::Plain(value)], around))),
            None => env_pass.push(name.clone()),
        }
    }
    let cwd = match &stdio.cwd {
        Some(cwd) => Some(absolute(&joined(&full(cwd)?), around.facts.workspace)),
        None => starting_place(stdio, around),
    };
    Ok(Plan::Stdio { command: arguments::split(&written, around), env, env_pass, cwd })
}

/// Servers of a workspace start there, and so do those that name something relative.
fn starting_place(stdio: &Stdio, around: &Around<'_>) -> Option<String> {
    let relative =
        |text: &String| text == "." || text == ".." || text.starts_with("./") || text.starts_with("../");
    let named = std::iter::once(&stdio.command).chain(&stdio.args).any(relative);
    let place = around.starts_in.or(named.then_some(around.facts.workspace));
    place.map(str::to_owned)
}

fn absolute(path: &str, base: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{base}/{path}") }
}

/// A variable is secret as a whole unless it is an obvious setting.
fn variable(name: &str, parts: Parts, around: &Around<'_>) -> Parts {
    let value = joined(&parts);
    let plain = parts.iter().all(|part| matches!(part, Part::Plain(_)));
    if plain && is_public(name, &value, around.exists) {
        return vec![Part::Plain(value)];
    }
    vec![Part::Secret(Hidden::new(value))]
}

fn endpoint(http: &Http, around: &Around<'_>) -> Result<Plan, Missing> {
    let full = |text: &str| expand(text, around.syntax, &around.facts);
    let (url, basic) = url::of_server(&full(&http.url)?);
    let mut headers: Vec<(String, Parts)> = Vec::new();
    let mut put = |name: &str, parts: Parts| {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        headers.push((name.to_owned(), parts));
    };
    if let Some(basic) = basic {
        put("Authorization", vec![Part::Secret(basic)]);
    }
    // How to talk is Callgate's own business.
    let own = |name: &str| ["accept", "content-type"].contains(&name.to_ascii_lowercase().as_str());
    for (name, value) in http.headers.iter().filter(|(name, _)| !own(name)) {
        put(name, header(name, &full(value)?));
    }
    let env = |name: &String| (around.facts.env)(name).ok_or_else(|| Missing::Env(name.clone()));
    for (name, variable) in &http.env_headers {
        put(name, vec![Part::Secret(Hidden::new(env(variable)?))]);
    }
    if let Some(variable) = &http.bearer_env {
        put("Authorization", vec![Part::Secret(Hidden::new(format!("Bearer {}", env(variable)?)))]);
    }
    Ok(Plan::Http { url, headers, sse: http.sse })
}

/// A header's value is secret as a whole unless it says how to talk.
fn header(name: &str, parts: &Parts) -> Parts {
    let value = joined(parts);
    let public = ["accept-language", "user-agent"];
    let plain = parts.iter().all(|part| matches!(part, Part::Plain(_)));
    if plain && public.contains(&name.to_ascii_lowercase().as_str()) && !looks_like_credential(&value) {
        return vec![Part::Plain(value)];
    }
    vec![Part::Secret(Hidden::new(value))]
}

/// One value that may be anything: secret by its name, by its look, or in parts when it is an address.
pub(crate) fn value(name: Option<&str>, text: &str) -> Parts {
    if text.is_empty() {
        return vec![Part::Plain(String::new())];
    }
    let secret = || vec![Part::Secret(Hidden::new(text.to_owned()))];
    if name.is_some_and(name_of_credential) {
        return secret();
    }
    if text.contains("://") && !text.contains(char::is_whitespace) {
        return url::of_text(text);
    }
    if looks_like_credential(text) || text.contains("${") {
        return secret();
    }
    vec![Part::Plain(text.to_owned())]
}

/// The whole text, secrets and all.
#[must_use]
pub fn text_of(parts: &[Part]) -> String {
    joined(parts)
}

pub(crate) fn joined(parts: &[Part]) -> String {
    let text = |part: &Part| match part {
        Part::Plain(text) => text.clone(),
        Part::Secret(secret) => secret.reveal().to_owned(),
    };
    parts.iter().map(text).collect()
}

impl SplitServer {
    /// The arguments of its process that may be shown as a whole.
    #[must_use]
    pub fn plain_arguments(&self) -> Vec<String> {
        let Plan::Stdio { command, .. } = &self.plan else { return Vec::new() };
        let plain = command.iter().skip(1).filter(|parts| parts.iter().all(|part| part.hidden().is_none()));
        plain.map(|parts| joined(parts)).collect()
    }

    /// All secrets in it.
    #[must_use]
    pub fn secrets(&self) -> Vec<&Hidden> {
        let lists: Vec<&Parts> = match &self.plan {
            Plan::Stdio { command, env, .. } => {
                command.iter().chain(env.iter().map(|(_, parts)| parts)).collect()
            }
            Plan::Http { url, headers, .. } => {
                std::iter::once(url).chain(headers.iter().map(|(_, parts)| parts)).collect()
            }
        };
        lists.into_iter().flatten().filter_map(Part::hidden).collect()
    }

    /// A digest of everything, secrets too: for comparing, to be kept sealed.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut parts: Vec<String> = Vec::new();
        let mut put = |tag: &str, name: &str, text: String| {
            parts.push(format!("{tag}={name}"));
            parts.push(text);
        };
        match &self.plan {
            Plan::Stdio { command, env, env_pass, cwd } => {
                command.iter().for_each(|one| put("arg", "", joined(one)));
                let mut env: Vec<_> = env.iter().collect();
                env.sort_by(|left, right| left.0.cmp(&right.0));
                env.iter().for_each(|(name, value)| put("env", name, joined(value)));
                env_pass.iter().for_each(|name| put("pass", name, String::new()));
                put("cwd", "", cwd.clone().unwrap_or_default());
            }
            Plan::Http { url, headers, sse } => {
                put("url", "", joined(url));
                if *sse {
                    put("transport", "", "sse".to_owned());
                }
                let mut headers: Vec<_> =
                    headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
                headers.sort_by(|left, right| left.0.cmp(&right.0));
                headers.iter().for_each(|(name, value)| put("header", name, joined(value)));
            }
        }
        let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
        Digest::of_parts("callgate imported server", &parts)
    }
}
