//! Entry → canonical leaf. Must never depend on anything but the entry and its place: replay gives the same bytes.

use model::call::Endpoint;
use model::digest::Digest;
use model::json::write_string;

use crate::entry::{
    ApprovalBody, Body, ControlBody, DecisionBody, Entry, LifecycleBody, ListBody, Outcome, OutcomeBody,
    RefusalBody, TaskPlace, Verdict,
};

/// Most bytes a leaf can have: all texts in it are shortened to stay below.
pub const LEAF_BYTES_MAX: usize = 16 << 10;
const WHY_CHARS_MAX: usize = 1024;

/// RFC 6962 §2.1: `SHA-256(0x00 || leaf)`.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    let mut prefixed = Vec::with_capacity(leaf.len() + 1);
    prefixed.push(0);
    prefixed.extend_from_slice(leaf);
    Digest::of(&prefixed)
}

/// Collects members and writes them sorted by name, so that the leaf is canonical (RFC 8785) by construction:
/// names are ASCII, numbers are integers below 2^53 written plainly.
struct Members(Vec<(&'static str, String)>);

impl Members {
    fn text(&mut self, name: &'static str, value: &str) {
        let mut out = String::with_capacity(value.len() + 2);
        write_string(&mut out, value);
        self.0.push((name, out));
    }

    fn shortened(&mut self, name: &'static str, value: &str, chars_max: usize) {
        if value.is_empty() {
            return;
        }
        let end = value.char_indices().nth(chars_max).map_or(value.len(), |(at, _)| at);
        self.text(name, value.get(..end).unwrap_or(""));
    }

    fn flag(&mut self, name: &'static str, value: bool) {
        self.0.push((name, value.to_string()));
    }

    fn number(&mut self, name: &'static str, value: u64) {
        self.0.push((name, value.to_string()));
    }

    fn words<'a>(&mut self, name: &'static str, words: impl Iterator<Item = &'a str>) {
        let mut out = String::from("[");
        for (position, word) in words.take(64).enumerate() {
            if position > 0 {
                out.push(',');
            }
            write_string(&mut out, word);
        }
        out.push(']');
        self.0.push((name, out));
    }

    fn endpoint(&mut self, endpoint: &Endpoint) {
        match endpoint {
            Endpoint::All => self.text("door", "/mcp"),
            Endpoint::Server(server) => self.text("door", &format!("/mcp/{server}")),
        }
    }

    fn finish(mut self) -> String {
        self.0.sort_unstable_by_key(|(name, _)| *name);
        let mut out = String::with_capacity(512);
        out.push('{');
        for (position, (name, value)) in self.0.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            write_string(&mut out, name);
            out.push(':');
            out.push_str(value);
        }
        out.push('}');
        out
    }
}

impl Entry {
    /// The canonical leaf of this entry at its place in its task.
    #[must_use]
    pub fn leaf(&self, place: Option<TaskPlace>) -> String {
        let mut members = Members(Vec::with_capacity(20));
        members.number("v", 1);
        members.text("kind", self.kind());
        members.text("at", &self.at.rfc3339());
        members.number("epoch", self.epoch.0);
        if let Some(task) = self.task() {
            members.text("task", task.as_str());
        }
        if let Some(TaskPlace(seq)) = place {
            members.number("task_seq", seq);
        }
        if let Some(call) = self.call() {
            members.text("call", &call.to_string());
        }
        match &self.body {
            Body::Decision(body) => decision(&mut members, body),
            Body::Outcome(body) => outcome(&mut members, body),
            Body::List(body) => list(&mut members, body),
            Body::Refusal(body) => refusal(&mut members, body),
            Body::Approval(body) => approval(&mut members, body),
            Body::Control(body) => control(&mut members, body),
            Body::Lifecycle(body) => lifecycle(&mut members, body),
        }
        members.finish()
    }
}

fn decision(members: &mut Members, body: &DecisionBody) {
    members.text("agent", body.agent.as_str());
    members.text("attestation", body.attestation);
    members.endpoint(&body.endpoint);
    members.text("server", body.tool.name.server.as_str());
    members.text("tool", body.tool.name.tool.as_str());
    members.text("definition", &body.tool.definition.to_string());
    members.text("risk", body.tool.risk.as_str());
    match body.verdict {
        Verdict::Permit => members.text("decision", "permit"),
        Verdict::Deny(reason) => {
            members.text("decision", "deny");
            members.text("reason", reason.code());
        }
        Verdict::Park => members.text("decision", "park"),
    }
    members.words("policies", body.policies.iter().map(|id| id.as_str()));
    members.text("policy_set", &body.policy_set.to_string());
    members.shortened("why", &body.why, WHY_CHARS_MAX);
    members.text("arguments", &body.arguments.to_string());
    members.number("arguments_bytes", body.arguments_bytes);
    members.number("decide_micros", body.decide_micros);
    if let Some(approval) = body.approval {
        members.text("approval", &approval.to_string());
    }
}

fn outcome(members: &mut Members, body: &OutcomeBody) {
    let (word, reason) = match body.outcome {
        Outcome::Completed => ("completed", None),
        Outcome::ToolError => ("tool_error", None),
        Outcome::NotSent(reason) => ("not_sent", Some(reason)),
        Outcome::Unknown(reason) => ("unknown", Some(reason)),
    };
    members.text("outcome", word);
    if let Some(reason) = reason {
        members.text("reason", reason.code());
    }
    members.shortened("why", &body.why, WHY_CHARS_MAX);
    if let Some(result) = &body.result {
        members.text("result", &result.to_string());
    }
    members.number("result_bytes", body.result_bytes);
    members.number("upstream_micros", body.upstream_micros);
}

fn list(members: &mut Members, body: &ListBody) {
    members.text("agent", body.agent.as_str());
    members.endpoint(&body.endpoint);
    members.number("tools", body.tools);
    members.text("shown", &body.shown.to_string());
}

fn refusal(members: &mut Members, body: &RefusalBody) {
    members.text("agent", body.agent.as_str());
    members.endpoint(&body.endpoint);
    members.shortened("method", &body.method, 64);
    members.shortened("named", &body.named, 128);
    members.text("decision", "deny");
    members.text("reason", body.reason.code());
    members.shortened("why", &body.why, WHY_CHARS_MAX);
}

fn approval(members: &mut Members, body: &ApprovalBody) {
    members.text("approval", &body.approval.to_string());
    members.text("agent", body.agent.as_str());
    members.text("server", body.tool.name.server.as_str());
    members.text("tool", body.tool.name.tool.as_str());
    members.text("definition", &body.tool.definition.to_string());
    members.text("risk", body.tool.risk.as_str());
    members.text("bound", &body.bound.to_string());
    members.text("answer", if body.approved { "approved" } else { "rejected" });
    members.shortened("by", &body.by, 128);
    members.words("groups", body.groups.iter().map(|group| group.as_str()));
    members.flag("self_approved", body.self_approved);
    members.text("until", &body.until.rfc3339());
    members.shortened("note", &body.note, WHY_CHARS_MAX);
}

fn control(members: &mut Members, body: &ControlBody) {
    members.shortened("by", &body.by, 128);
    members.text("what", body.what);
    members.shortened("subject", &body.subject, 256);
    members.shortened("detail", &body.detail, WHY_CHARS_MAX);
}

fn lifecycle(members: &mut Members, body: &LifecycleBody) {
    members.text("what", body.what);
    members.shortened("detail", &body.detail, WHY_CHARS_MAX);
}

#[cfg(test)]
mod tests;
