//! JSON → words for people. Must never print a control character that came from outside: the face made them visible.

use config::{Config, ConfigProblem};
use policy::{PolicySnapshot, PolicySource, ServerFacts};
use serde_json::{Value, json};

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}

pub(crate) fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(crate) fn words(value: &Value, name: &str) -> String {
    let words: Vec<&str> = list(value, name).iter().filter_map(Value::as_str).collect();
    words.join(", ")
}

/// Rows with columns padded to the widest.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(head.to_vec())];
    lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

pub(crate) fn status(value: &Value) -> String {
    let mut lines = vec![
        format!("daemon       {}", daemon(value.get("daemon").filter(|daemon| daemon.is_object()))),
        format!("epoch        {}", number(value, "epoch")),
        format!("policies     {} ({})", number(value, "policies"), text(value, "policy_set")),
        format!(
            "tools        {}, {} in quarantine",
            number(value, "tools"),
            number(value, "tools_quarantined")
        ),
        format!("agents       {}", number(value, "agents")),
        format!("approvals    {} waiting", number(value, "approvals_pending")),
        format!("entries      {}", number(value, "entries")),
    ];
    let set_aside = list(value, "policies_set_aside");
    lines.extend(set_aside.iter().filter_map(Value::as_str).map(|notice| format!("set aside    {notice}")));
    lines.extend(waiting(list(value, "quarantined")));
    lines.join("\n")
}

fn daemon(daemon: Option<&Value>) -> String {
    let Some(daemon) = daemon else {
        return "none runs: `callgate up` starts it, and connected clients do when they need it".to_owned();
    };
    let how = match daemon.get("on_demand") {
        Some(Value::Bool(true)) => "on demand, by a client",
        _ => "with `callgate up`",
    };
    format!("process {}, started {how} at {}", number(daemon, "pid"), local(text(daemon, "since")))
}

/// A moment as the clock here shows it. JSON has it exactly.
pub(crate) fn local(rfc3339: &str) -> String {
    store::local_time(rfc3339).unwrap_or_else(|| rfc3339.to_owned())
}

/// The tools that wait for a person, and what to do.
fn waiting(tools: &[Value]) -> Option<String> {
    const SHOWN: usize = 12;
    let first = tools.first()?;
    let rows: Vec<Vec<String>> = tools
        .iter()
        .take(SHOWN)
        .map(|tool| ["tool", "since", "why"].map(|name| text(tool, name).to_owned()).to_vec())
        .collect();
    let mut lines = format!("\n{}", table(&["WAITS FOR A PERSON", "SINCE", "WHY"], &rows));
    if tools.len() > SHOWN {
        lines
            .push_str(&format!("\n… {} more: callgate tools list --status quarantined", tools.len() - SHOWN));
    }
    lines.push_str(&format!(
        "\nlook at each, then certify what you saw: callgate tools show {}",
        text(first, "tool")
    ));
    Some(lines)
}

pub(crate) fn agents(value: &Value) -> String {
    let rows: Vec<Vec<String>> = list(value, "agents")
        .iter()
        .map(|agent| {
            let state = match (agent.get("removed").and_then(Value::as_str), agent.get("usable")) {
                (Some(_), _) => "removed",
                (None, Some(Value::Bool(true))) => "active",
                _ => "key ended",
            };
            let expires = list(agent, "keys").iter().map(|key| text(key, "expires")).max().unwrap_or("");
            let groups = words(agent, "groups");
            let user = agent.get("local_user").and_then(Value::as_u64).map(|user| user.to_string());
            let user = user.unwrap_or_default();
            let cells = [text(agent, "agent"), state, expires, &user, text(agent, "owner"), &groups];
            cells.iter().map(|cell| (*cell).to_owned()).collect()
        })
        .collect();
    table(&["AGENT", "STATE", "KEY ENDS", "LOCAL USER", "OWNER", "GROUPS"], &rows)
}

pub(crate) fn new_key(value: &Value) -> String {
    format!(
        "{}\n\nThis key of `{}` is shown once and ends {}. Send it as `Authorization: Bearer …`.",
        text(value, "key"),
        text(value, "agent"),
        text(value, "expires")
    )
}

pub(crate) fn new_agent(value: &Value) -> String {
    let Some(user) = value.get("local_user").and_then(Value::as_u64) else { return new_key(value) };
    let agent = text(value, "agent");
    format!(
        "`{agent}` is added: programs of user {user} on this machine may act as it, without a key (`callgate wrap --agent {agent}`)"
    )
}

pub(crate) fn removed(value: &Value) -> String {
    format!("`{}` is removed: its keys are refused and its open calls are cancelled", text(value, "removed"))
}

pub(crate) fn servers(value: &Value) -> String {
    let rows: Vec<Vec<String>> = list(value, "servers")
        .iter()
        .map(|server| {
            vec![
                text(server, "server").to_owned(),
                text(server, "environment").to_owned(),
                number(server, "tools_certified").to_string(),
                number(server, "tools_quarantined").to_string(),
                words(server, "tools_refused"),
                login(server),
            ]
        })
        .collect();
    table(&["SERVER", "ENVIRONMENT", "CERTIFIED", "QUARANTINED", "REFUSED", "LOGIN"], &rows)
}

/// How the tokens of a server stand.
fn login(server: &Value) -> String {
    match server.pointer("/login/usable") {
        None => String::new(),
        Some(Value::Bool(true)) => {
            server.pointer("/login/issuer").and_then(Value::as_str).unwrap_or("yes").to_owned()
        }
        Some(_) => format!("ended: callgate servers login {}", text(server, "server")),
    }
}

pub(crate) fn refreshed(value: &Value) -> String {
    let line = |one: &Value| match one.get("ok") {
        Some(Value::Bool(true)) => format!("{}: listed", text(one, "server")),
        _ => format!("{}: {}", text(one, "server"), text(one, "problem")),
    };
    list(value, "refreshed").iter().map(line).collect::<Vec<_>>().join("\n")
}

pub(crate) fn tools(value: &Value) -> String {
    let rows: Vec<Vec<String>> = list(value, "tools")
        .iter()
        .map(|tool| {
            let status =
                if tool.get("present") == Some(&json!(false)) { "gone" } else { text(tool, "status") };
            vec![
                text(tool, "tool").to_owned(),
                status.to_owned(),
                text(tool, "risk").to_owned(),
                if tool.get("returns_secrets") == Some(&json!(true)) { "yes" } else { "" }.to_owned(),
                words(tool, "flags"),
                text(tool, "by_name_because").to_owned(),
            ]
        })
        .collect();
    table(&["TOOL", "STATUS", "RISK", "SECRETS", "FLAGS", "LOOK CLOSER BECAUSE"], &rows)
}

/// A tool in full, and how it is certified.
pub(crate) fn tool(value: &Value) -> String {
    format!(
        "{}\n\nto certify exactly this:\n  callgate tools certify {} --definition {}",
        definition(value),
        text(value, "tool"),
        text(value, "definition")
    )
}

/// A tool in full.
pub(crate) fn definition(value: &Value) -> String {
    let mut lines = vec![
        format!("tool         {}", text(value, "tool")),
        format!("status       {}", text(value, "status")),
        format!("risk         {} (proposed {})", text(value, "risk"), text(value, "proposed_risk")),
        format!("because      {}", words(value, "because")),
        format!("definition   {}", text(value, "definition")),
    ];
    for flag in list(value, "flagged") {
        lines.push(format!(
            "flag         {} at {}: {}",
            text(flag, "flag"),
            text(flag, "at"),
            text(flag, "text")
        ));
    }
    if let Some(certified) = value.get("certified").filter(|certified| !certified.is_null()) {
        let (by, at) = (text(certified, "by"), text(certified, "at"));
        lines.push(format!("certified    by {by} at {at}, {}", text(certified, "definition")));
    }
    let changes = list(value, "changes");
    if !changes.is_empty() {
        lines.push("\nchanges since it was certified:".to_owned());
        lines.extend(changes.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    lines.push(format!("\n{}", text(value, "definition_text")));
    lines.join("\n")
}

pub(crate) fn certified(value: &Value) -> String {
    format!(
        "`{}` is certified as {}, {}",
        text(value, "tool"),
        text(value, "risk"),
        text(value, "definition")
    )
}

pub(crate) fn quarantined(value: &Value) -> String {
    format!("`{}` is in quarantine: hidden and refused", text(value, "quarantined"))
}

pub(crate) fn bulk(value: &Value) -> String {
    let certified = list(value, "certified");
    let mut lines = vec![format!("{} tools certified", certified.len())];
    lines.extend(certified.iter().filter_map(Value::as_str).map(|tool| format!("  {tool}")));
    let left = list(value, "left");
    if !left.is_empty() {
        lines.push(format!(
            "{} tools left in quarantine; look at each with `callgate tools show`",
            left.len()
        ));
        lines.extend(left.iter().map(|one| format!("  {}: {}", text(one, "tool"), text(one, "because"))));
    }
    lines.join("\n")
}

pub(crate) fn reloaded(value: &Value) -> String {
    let mut lines =
        vec![format!("{} policies in force ({})", number(value, "policies"), text(value, "policy_set"))];
    let set_aside = list(value, "set_aside");
    lines.extend(set_aside.iter().filter_map(Value::as_str).map(|notice| format!("set aside: {notice}")));
    lines.join("\n")
}

pub(crate) fn schema(value: &Value) -> String {
    text(value, "schema").to_owned()
}

pub(crate) fn policy_check(value: &Value) -> String {
    let problems = list(value, "problems");
    if problems.is_empty() {
        return format!("{} policies, no problems", number(value, "policies"));
    }
    let line = |problem: &Value| {
        let (file, line, column) =
            (text(problem, "file"), number(problem, "line"), number(problem, "column"));
        let policy = match text(problem, "policy") {
            "" => String::new(),
            policy => format!("policy `{policy}`: "),
        };
        format!("{file}:{line}:{column}: {policy}{}; {}", text(problem, "message"), text(problem, "fix"))
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What `policy check` says where no store exists yet: there are no certified tools to check against.
pub(crate) fn checked_without_tools(sources: &[PolicySource], config: &Config) -> Value {
    let servers: Vec<ServerFacts> = config
        .servers
        .iter()
        .map(|server| ServerFacts { name: server.name.clone(), environment: server.environment.clone() })
        .collect();
    match PolicySnapshot::compile(sources, &servers, &[]) {
        Ok(snapshot) => json!({"ok": true, "policies": snapshot.policy_count(), "problems": []}),
        Err(problems) => {
            let problem = |problem: &policy::PolicyProblem| {
                json!({
                    "file": problem.file,
                    "line": problem.line,
                    "column": problem.column,
                    "policy": problem.policy.as_ref().map(model::ids::PolicyId::as_str),
                    "kind": problem.kind.as_str(),
                    "message": problem.message,
                    "fix": problem.fix,
                })
            };
            json!({"ok": false, "problems": problems.iter().map(problem).collect::<Vec<_>>()})
        }
    }
}

pub(crate) fn config_problem(problem: &ConfigProblem) -> Value {
    json!({
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "key": problem.key,
        "got": problem.got,
        "want": problem.want,
        "fix": problem.fix,
        "message": problem.to_string(),
    })
}

pub(crate) fn config_check(value: &Value) -> String {
    let problems = list(value, "problems");
    if problems.is_empty() {
        let mut lines = vec![format!("the configuration is good: {} servers", list(value, "servers").len())];
        let warnings = list(value, "warnings").iter().filter_map(Value::as_str);
        lines.extend(warnings.map(|warning| format!("warning: {warning}")));
        return lines.join("\n");
    }
    problems.iter().map(|problem| text(problem, "message").to_owned()).collect::<Vec<_>>().join("\n")
}

/// One entry on one line: index, time, kind, who, what, answer.
pub(crate) fn entry_line(entry: &Value) -> String {
    let leaf = entry.get("leaf").unwrap_or(&Value::Null);
    let what = match text(leaf, "kind") {
        "intent" | "decision" => format!(
            "{} {}__{} {} {}",
            text(leaf, "agent"),
            text(leaf, "server"),
            text(leaf, "tool"),
            text(leaf, "decision"),
            text(leaf, "reason")
        ),
        "outcome" => format!("{} {}", text(leaf, "outcome"), text(leaf, "reason")),
        "list" => format!("{} was shown {} tools", text(leaf, "agent"), number(leaf, "tools")),
        "refusal" => format!(
            "{} {} {} deny {}",
            text(leaf, "agent"),
            text(leaf, "method"),
            text(leaf, "named"),
            text(leaf, "reason")
        ),
        "approval" => format!(
            "{} {} {} {}__{} {}",
            text(leaf, "by"),
            text(leaf, "answer"),
            text(leaf, "agent"),
            text(leaf, "server"),
            text(leaf, "tool"),
            text(leaf, "note")
        ),
        "control" => {
            format!(
                "{} {} {} {}",
                text(leaf, "by"),
                text(leaf, "what"),
                text(leaf, "subject"),
                text(leaf, "detail")
            )
        }
        _ => format!("{} {}", text(leaf, "what"), text(leaf, "detail")),
    };
    let (index, at, kind, call) =
        (number(entry, "index"), text(leaf, "at"), text(leaf, "kind"), text(leaf, "call"));
    format!("{index:>8} {at} {kind:<9} {call:<26} {}", what.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// One call in words.
pub(crate) fn explain(value: &Value) -> String {
    let mut lines = vec![format!("call {}", text(value, "call"))];
    for entry in list(value, "entries") {
        let leaf = entry.get("leaf").unwrap_or(&Value::Null);
        lines.push(String::new());
        lines.push(match text(leaf, "kind") {
            "intent" => "permitted, and recorded before it was sent".to_owned(),
            "decision" => decided(leaf),
            "refusal" => "refused before a tool was resolved".to_owned(),
            "outcome" => format!("ended: {}", text(leaf, "outcome")),
            "approval" => format!("{} by a person", text(leaf, "answer")),
            kind => kind.to_owned(),
        });
        if let Value::Object(members) = leaf {
            let shown = members.iter().filter(|(name, _)| !matches!(name.as_str(), "v" | "kind" | "call"));
            lines.extend(shown.map(|(name, value)| format!("  {name:<16} {}", plain(value))));
        }
        lines.push(format!("  {:<16} {}", "entry", number(entry, "index")));
    }
    lines.join("\n")
}

/// The heading of a decision that sent nothing.
fn decided(leaf: &Value) -> String {
    match (text(leaf, "decision"), text(leaf, "reason")) {
        ("park", _) => "not sent: it needs a person's approval".to_owned(),
        (_, "") => "refused".to_owned(),
        (_, reason) => format!("refused: {reason}"),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_says_whether_a_daemon_runs_since_when_and_who_started_it() {
        let of = |daemon: Value| status(&json!({"daemon": daemon})).lines().next().unwrap().to_owned();
        assert!(of(Value::Null).starts_with("daemon       none runs"));
        let since = "2026-11-21T09:15:07.123456Z";
        let by_hand = of(json!({"pid": 71, "since": since, "on_demand": false}));
        assert!(by_hand.contains("process 71, started with `callgate up` at "), "{by_hand}");
        assert!(by_hand.ends_with(":07"), "to the second: {by_hand}");
        assert!(of(json!({"pid": 71, "since": since, "on_demand": true})).contains("on demand"));
    }
}
