//! Measures decisions in thread CPU time and prints one JSON object. Never part of the product.
//!
//! `cargo run --release -p policy --example decide_bench [POLICIES] [DECISIONS]`

use std::sync::Arc;

use model::digest::Digest;
use model::ids::{AgentId, GroupName, ServerName, ToolName};
use model::json::Json;
use model::limits::JsonLimits;
use model::principal::{AgentFacts, Attestation, Principal};
use model::task::Task;
use model::time::Micros;
use model::tool::{PinnedTool, Risk, ToolRef};
use policy::{
    ApprovalEvidence, Decision, DecisionRequest, PolicySnapshot, PolicySource, ServerFacts, ToolFacts,
};
use rustix::time::{ClockId, clock_gettime};

type Fault = Box<dyn std::error::Error>;

const BUCKETS: [usize; 3] = [5, 15, 30];
const TOOLS_PER_SERVER: usize = 50;
/// Tools whose policies stand in one file, which may have 64 KiB.
const FILE_TOOLS: usize = 8;
/// Policies of the global file that are in every bucket.
const GLOBAL: usize = 3;

const SCHEMA: &str = r#"{"type":"object","required":["order_id","amount"],"properties":{
    "order_id":{"type":"string"},"amount":{"type":"integer"},"currency":{"enum":["EUR","GBP","USD"]},
    "urgent":{"type":"boolean"},"labels":{"type":"array","items":{"type":"string"}},
    "ship_to":{"type":"object","properties":{"country":{"type":"string"},"zip":{"type":"string"}}}}}"#;
const ARGUMENTS: &str = r#"{"order_id":"ord_123456","amount":4200,"currency":"EUR","urgent":false,
    "labels":["gift","fragile"],"ship_to":{"country":"DE","zip":"10115"}}"#;

fn main() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1).filter_map(|text| text.parse::<usize>().ok());
    let policies = arguments.next().unwrap_or(10_000);
    let decisions = arguments.next().unwrap_or(20_000);
    let mut rows = Vec::new();
    for bucket in BUCKETS {
        let (tools, servers, text) = world(policies, bucket)?;
        let before = clock_nanos(ClockId::ProcessCPUTime);
        let snapshot = PolicySnapshot::compile(&text, &servers, &tools)
            .map_err(|problems| problems.first().map_or_else(String::new, ToString::to_string))?;
        let compile_millis = (clock_nanos(ClockId::ProcessCPUTime) - before) / 1_000_000;
        let mut nanos = measure(&snapshot, &tools, decisions)?;
        nanos.sort_unstable();
        let at = |part: usize| nanos.get(nanos.len() * part / 1000).copied().unwrap_or(0) / 100;
        rows.push(format!(
            "{{\"bucket\":{bucket},\"tools\":{},\"policies\":{},\"compile_cpu_ms\":{compile_millis},\
             \"p50_us\":{:.1},\"p99_us\":{:.1},\"p999_us\":{:.1},\"max_us\":{:.1}}}",
            tools.len(),
            snapshot.policy_count(),
            tenth(at(500)),
            tenth(at(990)),
            tenth(at(999)),
            tenth(nanos.last().copied().unwrap_or(0) / 100),
        ));
    }
    let start = start_nanos()?;
    let (noise_p50, noise_p99) = noise(decisions);
    println!(
        "{{\"clock\":\"thread-cpu\",\"decisions\":{decisions},\"compile_100_policies_10_tools_cpu_us\":{},\"noise_p50_us\":{:.1},\"noise_p99_us\":{:.1},\"rows\":[{}]}}",
        start / 1000,
        tenth(noise_p50),
        tenth(noise_p99),
        rows.join(",")
    );
    Ok(())
}

/// What this machine adds by itself at the moment: p50 and p99 of a fixed piece of work of some 30 microseconds.
fn noise(rounds: usize) -> (u64, u64) {
    let work = vec![7u8; 40_000];
    let mut nanos: Vec<u64> = (0..rounds)
        .map(|_| {
            let before = cpu_nanos();
            std::hint::black_box(Digest::of(&work));
            cpu_nanos() - before
        })
        .collect();
    nanos.sort_unstable();
    let at = |part: usize| nanos.get(nanos.len() * part / 100).copied().unwrap_or(0) / 100;
    (at(50), at(99))
}

/// The best of several compilations of 100 policies against 10 tools, in CPU time of the process.
fn start_nanos() -> Result<u64, Fault> {
    let (tools, servers, text) = world(100, 13)?;
    let mut best = u64::MAX;
    for _ in 0..20 {
        let before = clock_nanos(ClockId::ProcessCPUTime);
        let snapshot = PolicySnapshot::compile(&text, &servers, &tools);
        best = best.min(clock_nanos(ClockId::ProcessCPUTime) - before);
        drop(snapshot);
    }
    Ok(best)
}

#[expect(clippy::cast_precision_loss, reason = "microseconds for people")]
fn tenth(value: u64) -> f64 {
    value as f64 / 10.0
}

/// Tools, servers and policies.
type Made = (Vec<ToolFacts>, Vec<ServerFacts>, Vec<PolicySource>);

/// As many tools as give each its share of the policies.
fn world(policies: usize, bucket: usize) -> Result<Made, Fault> {
    let per_tool = bucket - GLOBAL;
    let count = (policies - GLOBAL).div_ceil(per_tool);
    let schema = Json::parse(SCHEMA.as_bytes(), &JsonLimits::REQUEST)?;
    let mut tools = Vec::with_capacity(count);
    let mut servers = Vec::new();
    let mut sources = vec![PolicySource { file: "global.cedar".to_owned(), text: global() }];
    for number in 0..count {
        let server = ServerName::parse(&format!("s{}", number / TOOLS_PER_SERVER))?;
        if number % TOOLS_PER_SERVER == 0 {
            servers.push(ServerFacts { name: server.clone(), environment: "production".to_owned() });
        }
        let name = ToolRef { server, tool: ToolName::parse(&format!("tool-{number}"))? };
        let text = tool_policies(&name, per_tool);
        match sources.last_mut() {
            Some(last) if number % FILE_TOOLS != 0 => last.text.push_str(&text),
            _ => sources.push(PolicySource { file: format!("{name}.cedar"), text }),
        }
        let definition = Digest::of(name.to_string().as_bytes());
        let tool = PinnedTool { name, definition, risk: Risk::Write };
        tools.push(ToolFacts { tool, input_schema: schema.clone(), returns_secrets: false });
    }
    Ok((tools, servers, sources))
}

fn global() -> String {
    r#"
    @id("list") permit (principal, action == Callgate::Action::"list", resource);
    @approvers("operators")
    forbid (principal, action in Callgate::Action::"risk:privileged", resource)
    unless { context.approval.count >= 1 };
    forbid (principal, action in Callgate::Action::"call", resource)
    when { resource.environment == "frozen" };
    forbid (principal, action in Callgate::Action::"call", resource)
    when { context.time < datetime("2000-01-01") };
    forbid (principal in Callgate::AgentGroup::"suspended", action in Callgate::Action::"call", resource);
    "#
    .to_owned()
}

/// Every policy matches by its scope, so that the whole bucket is evaluated; one permit is satisfied.
fn tool_policies(name: &ToolRef, count: usize) -> String {
    let scope = format!("action == {}::Action::\"{}\", resource", name.server, name.tool);
    let mut text = String::new();
    for number in 0..count {
        let (effect, condition) = match number {
            0 => ("permit", "context.args.amount < 10000 && context.args.order_id like \"ord_*\"".to_owned()),
            n if n % 10 == 1 => ("forbid", "context.args.amount > 1000000".to_owned()),
            n => (
                "permit",
                format!(
                    "context.args.amount < {n} && context.args has currency && context.args.currency == \"EUR\" \
                     && context.args.order_id like \"x{n}_*\""
                ),
            ),
        };
        text.push_str(&format!(
            "@id(\"{name}/{number}\")\n{effect} (principal in Callgate::AgentGroup::\"known\", {scope}) \
             when {{ {condition} }};\n"
        ));
    }
    text
}

fn measure(snapshot: &PolicySnapshot, tools: &[ToolFacts], decisions: usize) -> Result<Vec<u64>, Fault> {
    let agent = AgentId::parse("bench")?;
    let facts = Arc::new(AgentFacts { groups: vec![GroupName::parse("team-a")?], owner: "ann".to_owned() });
    let task = Task::implicit(&agent)?;
    let principal = Principal { agent, facts, attestation: Attestation::AgentKey };
    let arguments = Json::parse(ARGUMENTS.as_bytes(), &JsonLimits::REQUEST)?;
    let approval = ApprovalEvidence::none();
    let mut nanos = Vec::with_capacity(decisions);
    // A fixed stride visits the tools in a scattered order; the first round warms what a running gate has warm.
    let warm = tools.len().min(512);
    for turn in 0..decisions + warm {
        let Some(tool) = tools.get(turn * 7919 % warm) else { continue };
        let request = DecisionRequest {
            principal: &principal,
            task: &task,
            tool: &tool.tool,
            arguments: &arguments,
            approval: &approval,
            now: Micros(1_795_254_000_000_000 + i64::try_from(turn)?),
        };
        let before = cpu_nanos();
        let decision = snapshot.decide(&request);
        let spent = cpu_nanos() - before;
        if !matches!(decision, Decision::Permit(_)) {
            return Err(format!("not permitted: {decision:?}").into());
        }
        if turn >= warm {
            nanos.push(spent);
        }
    }
    Ok(nanos)
}

fn cpu_nanos() -> u64 {
    clock_nanos(ClockId::ThreadCPUTime)
}

fn clock_nanos(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}
