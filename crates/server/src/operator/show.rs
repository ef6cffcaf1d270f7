//! What operators are shown, as JSON. Must never contain a key, a hash of one, or text with hidden characters.

use std::sync::Arc;

use admin::{AgentView, BulkReport, NewAgentKey};
use model::ids::PolicyId;
use model::json::Json;
use model::tool::ToolRef;
use policy::PolicyProblem;
use registry::certify::bulk_certifiable;
use registry::visible::{diff, pretty, visible};
use registry::{Catalog, ToolRecord};
use serde_json::{Value, json};

pub(super) fn agent(view: &AgentView) -> Value {
    let agent = &view.agent;
    let groups: Vec<&str> = agent.facts.groups.iter().map(|group| group.as_str()).collect();
    let keys: Vec<Value> = agent
        .keys
        .iter()
        .map(
            |key| json!({"id": key.id.0, "created": key.created.rfc3339(), "expires": key.expires.rfc3339()}),
        )
        .collect();
    json!({
        "agent": agent.id.as_str(),
        "usable": view.usable,
        "owner": visible(&agent.facts.owner),
        "groups": groups,
        "added": agent.added.rfc3339(),
        "removed": agent.removed.map(model::time::Micros::rfc3339),
        "keys": keys,
        "local_user": agent.local_user,
    })
}

/// The one place a key is shown.
pub(super) fn new_key(key: &NewAgentKey) -> Value {
    json!({"agent": key.agent.as_str(), "key": key.key.reveal(), "expires": key.expires.rfc3339()})
}

/// What waits for a person: which tool, why, since when; the newest first. At most so many; `tools/list` has all.
pub(super) fn waiting(catalog: &Catalog) -> Vec<Value> {
    const MAX: usize = 100;
    let mut waiting: Vec<_> = catalog.all().filter_map(|tool| Some((tool, tool.waits()?))).collect();
    waiting.sort_by_key(|(tool, _)| std::cmp::Reverse(tool.since));
    waiting.truncate(MAX);
    let line = |(tool, why): (&Arc<ToolRecord>, &str)| {
        let mut why = vec![why.to_owned()];
        why.extend(tool.flags.first().map(|flag| format!("flagged: {}", flag.code.as_str())));
        json!({"tool": tool.name.to_string(), "why": why.join("; "), "since": tool.since.rfc3339()})
    };
    waiting.into_iter().map(line).collect()
}

pub(super) fn tool_line(record: &ToolRecord) -> Value {
    let flags: Vec<&str> = record.flags.iter().map(|flag| flag.code.as_str()).collect();
    json!({
        "tool": record.name.to_string(),
        "server": record.name.server.as_str(),
        "name": record.name.tool.as_str(),
        "status": record.status.as_str(),
        "usable": record.usable(),
        "present": record.present,
        "risk": record.risk.as_str(),
        "returns_secrets": record.returns_secrets,
        "definition": record.digest.to_string(),
        "flags": flags,
        "by_name_because": bulk_certifiable(record).err().filter(|_| !record.usable()).map(|why| why.to_string()),
    })
}

pub(super) fn tool(record: &ToolRecord) -> Value {
    let mut shown = tool_line(record);
    let flags: Vec<Value> = record
        .flags
        .iter()
        .map(|flag| json!({"flag": flag.code.as_str(), "at": flag.at, "text": visible(&flag.excerpt)}))
        .collect();
    let certified = record.certified.as_ref().map(|certification| {
        json!({
            "by": visible(&certification.by),
            "at": certification.at.rfc3339(),
            "definition": certification.digest.to_string(),
        })
    });
    let changes: Option<Vec<String>> = record
        .previous
        .as_ref()
        .map(|previous| diff(previous, &record.definition).to_string().lines().map(str::to_owned).collect());
    if let Value::Object(members) = &mut shown {
        members.insert("proposed_risk".into(), json!(record.proposed.risk.as_str()));
        members.insert("because".into(), json!(record.proposed.because));
        members.insert("flagged".into(), json!(flags));
        members.insert("certified".into(), json!(certified));
        members.insert("since".into(), json!(record.since.rfc3339()));
        members.insert("waits_because".into(), json!(record.waits()));
        members.insert("first_seen".into(), json!(record.first_seen.rfc3339()));
        members.insert("definition_text".into(), json!(visible_lines(&pretty(record.definition.tree()))));
        members.insert("changes".into(), json!(changes));
    }
    shown
}

pub(super) fn policy_problem(problem: &PolicyProblem) -> Value {
    json!({
        "file": visible(&problem.file),
        "line": problem.line,
        "column": problem.column,
        "policy": problem.policy.as_ref().map(PolicyId::as_str),
        "kind": problem.kind.as_str(),
        "message": visible(&problem.message),
        "fix": visible(&problem.fix),
    })
}

fn visible_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(visible).collect();
    lines.join("\n")
}

pub(super) fn bulk(report: &BulkReport) -> Value {
    let names = |tools: &[ToolRef]| tools.iter().map(ToString::to_string).collect::<Vec<_>>();
    let left: Vec<Value> =
        report.left.iter().map(|(tool, why)| json!({"tool": tool.to_string(), "because": why})).collect();
    json!({"certified": names(&report.certified), "left": left})
}

/// A leaf as JSON, its index beside it.
pub(super) fn entry(entry: &ledger::view::StoredEntry) -> Value {
    let leaf = entry.tree().map_or_else(|fault| json!({"damaged": fault.to_string()}), |tree| value(&tree));
    json!({"index": entry.index, "leaf": leaf})
}

/// Our leaves hold strings, arrays of strings, and integers below 2^53.
fn value(tree: &Json) -> Value {
    match tree {
        Json::Null => Value::Null,
        Json::Bool(flag) => json!(flag),
        Json::Number(text) => text.parse::<i64>().map_or_else(|_| json!(&**text), |number| json!(number)),
        Json::String(text) => json!(visible(text)),
        Json::Array(items) => Value::Array(items.iter().map(value).collect()),
        Json::Object(members) => {
            Value::Object(members.iter().map(|m| (m.name.to_string(), value(&m.value))).collect())
        }
    }
}
