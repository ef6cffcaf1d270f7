//! What arguments could make a tool do. Must never count on the caller choosing the harmless one.

use model::json::Json;

use super::Finding;
use super::words::{Deed, deed, words};
use crate::schema::{Property, subschemas};

/// Text under such a name is run.
const RUN: &[&str] = &[
    "command",
    "commands",
    "cmd",
    "script",
    "sql",
    "shell",
    "bash",
    "javascript",
    "statement",
    "statements",
    "eval",
];
/// `code` alone or behind one of these is run; `country_code` is not.
const CODE_OF: &[&str] =
    &["source", "python", "js", "javascript", "shell", "java", "script", "program", "custom"];
const ADDRESSES: &[&str] = &["url", "uri", "endpoint"];
const BODIES: &[&str] = &["body", "payload", "data", "headers", "method", "json", "form"];
const ACTIONS: &[&str] = &["action", "actions", "operation", "operations", "op", "method", "mode", "verb"];
const DATABASE: &[&str] =
    &["sql", "database", "cypher", "graphql", "select statement", "db query", "postgres", "mysql"];

/// Adds what the arguments could reach. `context` is name and description in lower case.
pub(super) fn inspect(found: &mut Vec<Finding>, named: &[Property<'_>], reads: bool, context: &str) {
    for property in named {
        let words = words(property.name);
        let last = words.last().map(String::as_str).unwrap_or_default();
        let text = takes_text(property.schema, 0);
        let values = values(property.schema);
        if text && values.is_empty() && is_run(&words, last) {
            found.push(Finding::power(format!("its argument `{}` is something to run", shown(property))));
        }
        if text && values.is_empty() && last == "query" {
            query(found, property, reads, context);
        }
        if ACTIONS.contains(&last) {
            actions(found, property, &values, text);
        }
    }
    addresses(found, named);
}

fn is_run(words: &[String], last: &str) -> bool {
    if RUN.contains(&last) || words.iter().any(|word| word == "sql") {
        return true;
    }
    let before = words.len().checked_sub(2).and_then(|at| words.get(at)).map(String::as_str);
    last == "code" && before.is_none_or(|word| CODE_OF.contains(&word))
}

fn query(found: &mut Vec<Finding>, property: &Property<'_>, reads: bool, context: &str) {
    if DATABASE.iter().any(|word| context.contains(word)) {
        found.push(Finding::power(format!("its argument `{}` is a query to a database", shown(property))));
    } else if !reads {
        found.push(Finding::write(format!("its argument `{}` may be something to run", shown(property))));
    }
}

fn actions(found: &mut Vec<Finding>, property: &Property<'_>, values: &[&str], text: bool) {
    for value in values {
        let words = words(value);
        let because = || {
            format!("its argument `{}` can be `{}`", shown(property), crate::visible::shortened(value, 40))
        };
        match deed(&words) {
            Some((Deed::Commands, _)) => found.push(Finding::power(because())),
            Some((Deed::Writes | Deed::Deletes, _)) => found.push(Finding::write(because())),
            _ => {}
        }
    }
    if values.is_empty() && text {
        found.push(Finding::write(format!("its argument `{}` names an action, any action", shown(property))));
    }
}

fn addresses(found: &mut Vec<Finding>, named: &[Property<'_>]) {
    let has = |list: &[&str]| named.iter().find(|p| list.contains(&p.name.to_ascii_lowercase().as_str()));
    let Some(address) = has(ADDRESSES) else { return };
    if let Some(body) = has(BODIES) {
        let (address, body) = (shown(address), shown(body));
        found.push(Finding::power(format!("it sends `{body}` to any `{address}` the caller chooses")));
    } else {
        let because = format!("it goes to any `{}` the caller chooses: data can leave in it", shown(address));
        found.push(Finding { contradicts: false, ..Finding::write(because) });
    }
}

fn shown(property: &Property<'_>) -> String {
    crate::visible::shortened(property.name, 64)
}

/// Whether text, or a list of it, is accepted: deny on doubt, so a schema without `type` accepts it.
fn takes_text(schema: &Json, depth: usize) -> bool {
    let alternatives: Vec<&Json> = subschemas(schema)
        .into_iter()
        .filter(|step| matches!(step.keyword, "anyOf" | "oneOf" | "allOf"))
        .map(|step| step.schema)
        .collect();
    let texty = |word: Option<&str>| matches!(word, Some("string" | "array"));
    match schema.get("type") {
        Some(Json::String(word)) => texty(Some(word)),
        Some(Json::Array(words)) => words.iter().any(|word| texty(word.as_str())),
        _ if alternatives.is_empty() || depth > 8 => true,
        _ => alternatives.into_iter().any(|schema| takes_text(schema, depth + 1)),
    }
}

/// The closed list of values, when there is one: `enum`, `const`, or alternatives that all have one.
fn values(schema: &Json) -> Vec<&str> {
    if let Some(Json::Array(options)) = schema.get("enum") {
        return options.iter().filter_map(Json::as_str).collect();
    }
    if let Some(text) = schema.get("const").and_then(Json::as_str) {
        return vec![text];
    }
    let alternatives =
        subschemas(schema).into_iter().filter(|s| matches!(s.keyword, "anyOf" | "oneOf" | "items"));
    let mut out = Vec::new();
    for step in alternatives {
        match (step.schema.get("enum"), step.schema.get("const"), step.schema.get("type")) {
            (Some(Json::Array(options)), _, _) => out.extend(options.iter().filter_map(Json::as_str)),
            (_, Some(Json::String(text)), _) => out.push(text),
            (_, _, Some(Json::String(word))) if &**word != "string" => {}
            _ => return Vec::new(),
        }
    }
    out
}
