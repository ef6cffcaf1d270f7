//! The Cedar schema: what every policy is checked against. Must never contain a fact that is not tracked.

use cedar_policy::{Schema, SchemaFragment};
use model::ids::ServerName;
use model::tool::{PinnedTool, Risk};
use serde_json::{Map, Value, json};

use crate::facts::ToolFacts;
use crate::names::{
    self, CALL, COMPLETE, ELICIT, GET_PROMPT, LIST, LIST_ROOTS, NO_TOOL, READ_RESOURCE, RETURNS_SECRETS,
    SAMPLE, SHARED, UPSTREAM_TASK,
};
use crate::shape::{Field, Record, Shape};

/// One tool as the schema knows it.
#[derive(Clone, Debug)]
pub(crate) struct ToolType {
    pub(crate) tool: PinnedTool,
    pub(crate) returns_secrets: bool,
    pub(crate) arguments: Record,
}

impl ToolType {
    pub(crate) fn of(facts: &ToolFacts) -> Self {
        let arguments = crate::shape::read(&facts.input_schema);
        Self { tool: facts.tool.clone(), returns_secrets: facts.returns_secrets, arguments }
    }

    /// The groups its action is in.
    pub(crate) fn groups(&self) -> Vec<String> {
        let mut groups = vec![
            CALL.to_owned(),
            names::risk_group(self.tool.risk),
            names::server_group(&self.tool.name.server),
        ];
        if self.returns_secrets {
            groups.push(RETURNS_SECRETS.to_owned());
        }
        groups.extend(names::kind_group(&self.tool.name).map(str::to_owned));
        groups
    }
}

const HEADER: &str = "\
// The Cedar schema of this Callgate, generated from the certified tools. Do not edit: it is rebuilt with them.
//
// A tool is SERVER::Action::\"TOOL\"; in SERVER a `-` is written `__`. Its arguments are `context.args`:
//   string, integer, boolean, date-time, ipv4/ipv6 and objects have their own type;
//   an array is a Set, which knows neither order nor repetition; NAME_json has its canonical JSON text;
//   a number is NAME_json, and NAME_floor and NAME_ceil, which compare exactly with whole numbers;
//   a value that may be null has NAME_json, and NAME when it is not null;
//   anything else is NAME_json only: canonical JSON text.
// What a server offers beside tools is SERVER::Action::\"mcp:METHOD\", in the groups read_resource, get_prompt,
// complete and upstream_task: `mcp:resources/read` has `context.args.uri`, `mcp:prompts/get` has `context.args.name`,
// `mcp:tasks/get`, `mcp:tasks/update` and `mcp:tasks/cancel` have `context.args.taskId`, the server's own id.
// If a call has arguments that its tool does not declare, and only then, there is `context.undeclared`: their JSON
// pointers, and an object of pointer to value as canonical text. `unless { context has undeclared }` keeps them out.
// `context.time` is UTC, in whole seconds. What is not here is not tracked, so no policy can ask for it.

";

/// The schema as text, for people and editors.
pub(crate) fn text(servers: &[ServerName], tools: &[&ToolType]) -> String {
    let body = SchemaFragment::from_json_value(as_json(servers, tools.iter().copied()))
        .ok()
        .and_then(|fragment| fragment.to_cedarschema().ok());
    let body = body.unwrap_or_else(|| "// this schema has no text form\n".to_owned());
    format!("{HEADER}{}", without_prefix(&body))
}

/// Takes the prefix of built-in types away, which nothing here shadows. Names in quotes stay as they are.
fn without_prefix(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let (false, Some(after)) = (quoted, rest.strip_prefix("__cedar::")) {
            rest = after;
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
        out.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    out
}

/// The schema for these tools only.
pub(crate) fn compile<'a>(
    servers: &[ServerName],
    tools: impl Iterator<Item = &'a ToolType>,
) -> Result<Schema, String> {
    Schema::from_json_value(as_json(servers, tools)).map_err(|error| error.to_string())
}

pub(crate) fn as_json<'a>(servers: &[ServerName], tools: impl Iterator<Item = &'a ToolType>) -> Value {
    let mut root = Map::new();
    root.insert(SHARED.to_owned(), shared(servers));
    for tool in tools {
        let server = &tool.tool.name.server;
        let space = root.entry(names::namespace(server)).or_insert_with(
            || json!({ "annotations": { "server": server.as_str() }, "entityTypes": {}, "actions": {} }),
        );
        if let Some(Value::Object(actions)) = space.get_mut("actions") {
            actions.insert(tool.tool.name.tool.as_str().to_owned(), tool_action(tool));
        }
    }
    Value::Object(root)
}

fn shared(servers: &[ServerName]) -> Value {
    json!({
        "commonTypes": {
            "Approval": record([
                ("count", json!({ "type": "Long" })),
                ("groups", set(json!({ "type": "String" }))),
                ("exact", json!({ "type": "Boolean" })),
                ("self_approved", json!({ "type": "Boolean" })),
            ]),
            "Undeclared": record([("names", set(json!({ "type": "String" }))), ("json", json!({ "type": "String" }))]),
        },
        "entityTypes": {
            "AgentGroup": {},
            "Agent": { "memberOfTypes": ["AgentGroup"], "shape": record([
                ("owner", json!({ "type": "String", "required": false })),
                ("attestation", json!({ "type": "String" })),
                ("task", json!({ "type": "Entity", "name": "Task" })),
            ]) },
            "Task": { "shape": record([("origin", json!({ "type": "String" }))]) },
            "Server": { "shape": record([("environment", json!({ "type": "String" }))]) },
        },
        "actions": shared_actions(servers),
    })
}

fn shared_actions(servers: &[ServerName]) -> Value {
    let mut actions = Map::new();
    actions.insert(CALL.to_owned(), json!({}));
    let mut groups: Vec<String> = [Risk::Read, Risk::Write, Risk::Privileged].map(names::risk_group).into();
    let kinds = [READ_RESOURCE, GET_PROMPT, COMPLETE, UPSTREAM_TASK, ELICIT, SAMPLE, LIST_ROOTS];
    groups.extend([RETURNS_SECRETS].into_iter().chain(kinds).map(str::to_owned));
    groups.extend(servers.iter().map(names::server_group));
    for group in &groups {
        actions.insert(group.clone(), json!({ "memberOf": [{ "id": CALL }] }));
    }
    actions.insert(LIST.to_owned(), json!({ "appliesTo": applies_to(&record([])) }));
    let member_of: Vec<Value> = groups.iter().map(|group| json!({ "id": group })).collect();
    let nothing = context(&json!({ "type": "Record", "attributes": {} }));
    actions.insert(NO_TOOL.to_owned(), json!({ "memberOf": member_of, "appliesTo": applies_to(&nothing) }));
    Value::Object(actions)
}

fn tool_action(tool: &ToolType) -> Value {
    let groups = tool.groups();
    let member_of: Vec<Value> =
        groups.iter().map(|group| json!({ "id": group, "type": format!("{SHARED}::Action") })).collect();
    json!({
        "annotations": { "tool": tool.tool.name.to_string(), "risk": tool.tool.risk.as_str() },
        "memberOf": member_of,
        "appliesTo": applies_to(&context(&record_type(&tool.arguments))),
    })
}

fn applies_to(context: &Value) -> Value {
    json!({
        "principalTypes": [format!("{SHARED}::Agent")],
        "resourceTypes": [format!("{SHARED}::Server")],
        "context": context,
    })
}

fn context(arguments: &Value) -> Value {
    record([
        ("args", arguments.clone()),
        ("undeclared", json!({ "type": format!("{SHARED}::Undeclared"), "required": false })),
        ("approval", json!({ "type": format!("{SHARED}::Approval") })),
        ("time", json!({ "type": "Extension", "name": "datetime" })),
    ])
}

fn record<const N: usize>(attributes: [(&str, Value); N]) -> Value {
    let attributes: Map<String, Value> =
        attributes.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
    json!({ "type": "Record", "attributes": attributes })
}

fn set(element: Value) -> Value {
    let mut kind = Map::new();
    kind.insert("type".to_owned(), Value::String("Set".to_owned()));
    kind.insert("element".to_owned(), element);
    Value::Object(kind)
}

fn record_type(record: &Record) -> Value {
    let mut attributes = Map::new();
    for field in &record.fields {
        field_types(field, &mut attributes);
    }
    json!({ "type": "Record", "attributes": attributes })
}

fn field_types(field: &Field, attributes: &mut Map<String, Value>) {
    let nullable = matches!(field.shape, Shape::Nullable(_));
    let mut insert = |name: &str, mut kind: Value, required: bool| {
        if let (false, Value::Object(members)) = (required, &mut kind) {
            members.insert("required".to_owned(), Value::Bool(false));
        }
        attributes.insert(name.to_owned(), kind);
    };
    if field.shape.has_typed() {
        insert(&field.name, shape_type(&field.shape), field.required && !nullable);
    }
    if field.shape.has_json() {
        insert(&field.json, json!({ "type": "String" }), field.required);
    }
    if field.shape.has_bounds() {
        insert(&field.floor, json!({ "type": "Long" }), field.required && !nullable);
        insert(&field.ceil, json!({ "type": "Long" }), field.required && !nullable);
    }
}

fn shape_type(shape: &Shape) -> Value {
    match shape {
        Shape::Text(_) | Shape::Any | Shape::Number => json!({ "type": "String" }),
        Shape::Long => json!({ "type": "Long" }),
        Shape::Bool => json!({ "type": "Boolean" }),
        Shape::Time => json!({ "type": "Extension", "name": "datetime" }),
        Shape::Address => json!({ "type": "Extension", "name": "ipaddr" }),
        Shape::List(element) => set(shape_type(element)),
        Shape::Record(record) => record_type(record),
        Shape::Nullable(inner) => shape_type(inner),
    }
}
