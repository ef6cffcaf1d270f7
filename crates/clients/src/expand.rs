//! Variables in a client's file. Must never leave one unresolved without saying so.

use model::json::Json;

use crate::credential::name_of_credential;
use crate::split::{Hidden, Part};

/// Which variables a client replaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Syntax {
    /// None.
    None,
    /// `${NAME}` and `${NAME:-default}`.
    Shell,
    /// `${env:NAME}`, `${input:ID}`, `${workspaceFolder}` and so on.
    Editor,
}

/// What variables stand for.
pub struct Facts<'a> {
    /// The environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// What the person gave for an input.
    pub input: &'a dyn Fn(&str) -> Option<Hidden>,
    /// The home directory.
    pub home: &'a str,
    /// The workspace.
    pub workspace: &'a str,
}

/// A text with its variables replaced.
pub type Expanded = Vec<Part>;

/// A variable without a value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Missing {
    /// Not in the environment.
    #[error("the environment variable `{0}` is not set")]
    Env(String),
    /// Not given.
    #[error("no value was given for the input `{0}`")]
    Input(String),
    /// Not known here.
    #[error("the variable `${{{0}}}` is not known")]
    Unknown(String),
}

/// Something a client asks the person for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Input {
    /// Its id.
    pub id: String,
    /// What the client shows.
    pub description: String,
}

/// The inputs that a file declares and a text uses.
#[must_use]
pub fn inputs(tree: &Json) -> Vec<Input> {
    let Some(Json::Array(items)) = tree.get("inputs") else { return Vec::new() };
    let text = |item: &Json, name: &str| item.get(name).and_then(Json::as_str).map(str::to_owned);
    let input = |item: &Json| {
        let id = text(item, "id")?;
        let description = text(item, "description").unwrap_or_else(|| id.clone());
        Some(Input { id, description })
    };
    items.iter().filter_map(input).collect()
}

/// Replaces the variables of a text.
///
/// # Errors
/// [`Missing`]: the first variable without a value.
pub fn expand(text: &str, syntax: Syntax, facts: &Facts<'_>) -> Result<Expanded, Missing> {
    let mut parts = Vec::new();
    let mut rest = text;
    let next = |rest: &'_ str| -> Option<(String, String, usize)> {
        let (before, after) = rest.split_once("${").filter(|_| syntax != Syntax::None)?;
        let (name, behind) = after.split_once('}')?;
        Some((before.to_owned(), name.to_owned(), rest.len() - behind.len()))
    };
    while let Some((before, name, end)) = next(rest) {
        plain(&mut parts, &before);
        let part = match syntax {
            Syntax::Shell => shell(&name, facts)?,
            Syntax::Editor | Syntax::None => editor(&name, facts)?,
        };
        match part {
            Part::Plain(text) => plain(&mut parts, &text),
            secret => parts.push(secret),
        }
        rest = rest.get(end..).unwrap_or_default();
    }
    plain(&mut parts, rest);
    Ok(parts)
}

fn plain(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        Some(Part::Plain(last)) => last.push_str(text),
        _ if text.is_empty() => {}
        _ => parts.push(Part::Plain(text.to_owned())),
    }
}

fn variable(name: &str, default: Option<&str>, facts: &Facts<'_>) -> Result<Part, Missing> {
    let value = (facts.env)(name).or_else(|| default.map(str::to_owned));
    let value = value.ok_or_else(|| Missing::Env(name.to_owned()))?;
    let secret = name_of_credential(name) && !value.is_empty();
    Ok(if secret { Part::Secret(Hidden::new(value)) } else { Part::Plain(value) })
}

fn shell(inner: &str, facts: &Facts<'_>) -> Result<Part, Missing> {
    match inner.split_once(":-") {
        Some((name, default)) => variable(name, Some(default), facts),
        None => variable(inner, None, facts),
    }
}

fn editor(inner: &str, facts: &Facts<'_>) -> Result<Part, Missing> {
    let plain = |text: &str| Ok(Part::Plain(text.to_owned()));
    if let Some(name) = inner.strip_prefix("env:") {
        return variable(name, None, facts);
    }
    if let Some(id) = inner.strip_prefix("input:") {
        let given = (facts.input)(id).ok_or_else(|| Missing::Input(id.to_owned()))?;
        return Ok(Part::Secret(given));
    }
    match inner {
        "userHome" => plain(facts.home),
        "workspaceFolder" => plain(facts.workspace),
        "workspaceFolderBasename" => plain(facts.workspace.rsplit('/').next().unwrap_or_default()),
        "pathSeparator" | "/" => plain("/"),
        other => Err(Missing::Unknown(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, syntax: Syntax) -> String {
        let env = |name: &str| match name {
            "HOST" => Some("example.com".to_owned()),
            "API_TOKEN" => Some("hidden".to_owned()),
            _ => None,
        };
        let input = |id: &str| (id == "key").then(|| Hidden::new("given".to_owned()));
        let facts = Facts { env: &env, input: &input, home: "/people/ann", workspace: "/people/ann/code" };
        match expand(text, syntax, &facts) {
            Err(missing) => missing.to_string(),
            Ok(parts) => parts
                .iter()
                .map(|part| match part {
                    Part::Plain(text) => text.clone(),
                    Part::Secret(secret) => format!("<{}>", secret.reveal()),
                })
                .collect(),
        }
    }

    #[test]
    fn each_client_has_its_variables() {
        assert_eq!(shown("${HOST}/a", Syntax::None), "${HOST}/a");
        assert_eq!(shown("https://${HOST}/${X:-y}", Syntax::Shell), "https://example.com/y");
        assert_eq!(shown("Bearer ${API_TOKEN}", Syntax::Shell), "Bearer <hidden>");
        assert_eq!(shown("${GONE}", Syntax::Shell), "the environment variable `GONE` is not set");
        assert_eq!(
            shown("${workspaceFolder}${/}${workspaceFolderBasename}", Syntax::Editor),
            "/people/ann/code/code"
        );
        assert_eq!(shown("${input:key}${env:HOST}", Syntax::Editor), "<given>example.com");
        assert_eq!(shown("${input:no}", Syntax::Editor), "no value was given for the input `no`");
        assert_eq!(shown("${command:x}", Syntax::Editor), "the variable `${command:x}` is not known");
        assert_eq!(shown("a ${ b", Syntax::Editor), "a ${ b");
    }
}
