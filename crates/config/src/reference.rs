//! The published JSON Schema and reference page, from the table of keys. Must never say what the table does not.

use serde_json::{Map, Value, json};

use crate::keys::{Key, Kind, Section};

/// The JSON Schema (2020-12) of the configuration, for editors. It checks names and types; `callgate config check`
/// checks the rest.
#[must_use]
pub fn json_schema() -> String {
    let mut tables = Map::new();
    for section in Section::TOP {
        let mut table = table_schema(section);
        if section == Section::Server {
            table = json!({
                "type": "object",
                "propertyNames": { "pattern": "^[a-z0-9](?:[a-z0-9_-]{0,30}[a-z0-9])?$", "not": { "pattern": "__" } },
                "additionalProperties": table,
            });
        }
        tables.insert(section.name().to_owned(), table);
    }
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "callgate.toml",
        "type": "object",
        "additionalProperties": false,
        "properties": tables,
    });
    format!("{:#}\n", sorted(schema))
}

/// Members in the order of their names, whichever order `serde_json` was built to keep.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().collect();
            members.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(members.into_iter().map(|(name, value)| (name, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}

fn table_schema(section: Section) -> Value {
    let properties: Map<_, _> = section.keys().map(|key| (key.name.to_owned(), key_schema(key))).collect();
    let mut schema = json!({
        "type": "object",
        "description": section.doc(),
        "additionalProperties": false,
        "properties": properties,
    });
    if let (Section::Server, Some(object)) = (section, schema.as_object_mut()) {
        object.insert("oneOf".to_owned(), json!([{ "required": ["command"] }, { "required": ["url"] }]));
    }
    schema
}

fn key_schema(key: &Key) -> Value {
    let mut schema = match key.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::TextList => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Secret => json!({ "type": "string", "pattern": r"^\$\{(?:sealed|env|file):[^${}]+\}$" }),
        Kind::SecretMap => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Kind::Table(section) => table_schema(section),
    };
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".to_owned(), json!(key.doc));
        // Every default is a scalar, a list of strings or `{}`: the same text in TOML and in JSON.
        if let Ok(default) = serde_json::from_str::<Value>(key.default) {
            object.insert("default".to_owned(), default);
        }
    }
    schema
}

/// The reference page, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for section in Section::ALL {
        page.push_str(&format!("\n## `[{}]`\n\n{}\n\n", section.title(), section.doc()));
        page.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
        for key in section.keys() {
            let default =
                if key.default.is_empty() { "none".to_owned() } else { format!("`{}`", key.default) };
            page.push_str(&format!("| `{}` | {} | {default} | {} |\n", key.name, key.kind.words(), key.doc));
        }
    }
    page
}

const HEAD: &str = "# Configuration

<!-- Written by the `config` crate from its table of keys; a test compares. Do not edit. -->

One TOML file, `callgate.toml`. Every key has a default but a server's `command` or `url`; an empty file is
valid, as long as the `policies` directory beside it is there.
An unknown key is a problem, never ignored. `callgate config check` shows every problem at once, each with file,
line, column, key, what was found, what is wanted and how to fix it, and whether the policy files can be read.

Relative paths start at the directory of the file. Sizes and times carry their unit in the key's name. Keys that
weaken protection begin with `dangerous_` and are printed at start.

A secret is written as a reference:

- `\"${sealed:NAME}\"`, kept encrypted in the state directory: `callgate seal put NAME` reads it from a prompt or
  from standard input. It may be a part of a value, but for `bearer`. It is read whenever a child or connection is
  started, so that a new value reaches what is started later; after a 401 the next call begins a new connection. While
  it is missing, the server that wants it is unavailable and all others work; `config check` and `up` say so.
- `\"${file:path}\"` or `\"${env:NAME}\"`, which must be the whole value and is read at start. One line end at the end
  of the file is not part of the secret; at most 64 KiB are read.

How secrets are kept, and from whom: [secrets at rest](../threats/secrets-at-rest.md).

For editors there is a [JSON Schema](callgate.schema.json).
";
