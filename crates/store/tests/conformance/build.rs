//! Entries, agents and tools for the suite. Must never depend on time or chance.

use std::sync::Arc;

use bytes::Bytes;
use ledger::{Body, ControlBody, DecisionBody, Entry, Outcome, OutcomeBody, Verdict};
use model::call::Endpoint;
use model::digest::{Commitment, Digest, Salt};
use model::ids::{AgentId, CallId, Epoch, GroupName, PolicyId, ServerName, TaskId, ToolName};
use model::json::RawJson;
use model::principal::{Agent, AgentFacts, AgentKey, KeyId};
use model::time::Micros;
use model::tool::{PinnedTool, Risk, ToolRef, ToolStatus};
use ports::record::{Expect, Item, Listed};
use registry::definition::DEFINITION_LIMITS;
use registry::{Certification, Definition, ToolRecord, risk};

const AT: Micros = Micros(1_795_254_000_000_000);

pub(crate) fn call(number: u128) -> CallId {
    CallId::from_bytes((1_795_254_000_000 << 80 | number).to_be_bytes())
}

fn task(number: usize) -> TaskId {
    TaskId::parse(&format!("agent:a{number}")).unwrap()
}

fn tool_ref() -> ToolRef {
    ToolRef { server: ServerName::parse("git").unwrap(), tool: ToolName::parse("git_log").unwrap() }
}

pub(crate) fn pinned() -> PinnedTool {
    PinnedTool { name: tool_ref(), definition: Digest::of(b"git_log"), risk: Risk::Read }
}

fn entry(body: Body) -> Entry {
    Entry { at: AT, epoch: Epoch(0), body }
}

pub(crate) fn intent(number: u128, of: usize) -> Entry {
    entry(Body::Decision(DecisionBody {
        call: call(number),
        task: task(of),
        agent: AgentId::parse(&format!("a{of}")).unwrap(),
        attestation: "agent-key",
        endpoint: Endpoint::All,
        tool: pinned(),
        verdict: Verdict::Permit,
        policies: vec![PolicyId::parse("readers").unwrap()],
        policy_set: Digest::of(b"set"),
        why: "because \"we\" said so: π\u{0}".to_owned(),
        arguments: Commitment::to(&Salt([1; 32]), "arguments", b"{}"),
        arguments_bytes: 2,
        decide_micros: 9,
        approval: None,
    }))
}

pub(crate) fn outcome(number: u128, of: usize) -> Entry {
    let (call, task, outcome, why) = (call(number), task(of), Outcome::Completed, String::new());
    let (result, result_bytes, upstream_micros) = (None, 3, 4);
    entry(Body::Outcome(OutcomeBody { call, task, outcome, why, result, result_bytes, upstream_micros }))
}

pub(crate) fn control_entry(subject: &str) -> Entry {
    let (by, what, detail) = ("operator:root".to_owned(), "agent.added", String::new());
    entry(Body::Control(ControlBody { by, what, subject: subject.to_owned(), detail }))
}

pub(crate) fn item(entry: Entry, expects: Expect) -> Item {
    Item { entry, salts: vec![("arguments", Salt([1; 32]))], expects, listed: None, approval: None }
}

pub(crate) fn agent(name: &str, keys: &[&str]) -> Agent {
    let groups = ["builders", "readers"].map(|group| GroupName::parse(group).unwrap()).to_vec();
    let key = |id: &&str| AgentKey {
        id: KeyId((*id).to_owned()),
        secret_sha256: *Digest::of(id.as_bytes()).as_bytes(),
        created: AT,
        expires: AT.plus_seconds(60),
    };
    Agent {
        id: AgentId::parse(name).unwrap(),
        facts: Arc::new(AgentFacts { groups, owner: "Ada \"L\" Ω".to_owned() }),
        keys: keys.iter().map(key).collect(),
        local_user: None,
        added: AT,
        removed: None,
    }
}

pub(crate) fn tool(name: &str, description: &str) -> ToolRecord {
    let text =
        format!(r#"{{"name":"{name}","description":"{description}","inputSchema":{{"type":"object"}}}}"#);
    let (raw, _) = RawJson::parse(Bytes::from(text), &DEFINITION_LIMITS).unwrap();
    let definition = Arc::new(Definition::parse(&raw).unwrap());
    let (digest, proposed) = (definition.digest(), risk::propose(&definition));
    ToolRecord {
        name: ToolRef { server: ServerName::parse("git").unwrap(), tool: definition.name().clone() },
        risk: proposed.risk,
        proposed,
        flags: Vec::new(),
        status: ToolStatus::Certified,
        present: true,
        returns_secrets: false,
        first_seen: AT,
        since: AT,
        certified: Some(Certification { by: "operator:root".to_owned(), at: AT, digest }),
        previous: None,
        digest,
        definition,
    }
}

pub(crate) fn listed(agent: &str, tool: &ToolRecord, digest: Digest) -> Listed {
    Listed { agent: AgentId::parse(agent).unwrap(), tools: vec![(tool.name.clone(), digest)] }
}
