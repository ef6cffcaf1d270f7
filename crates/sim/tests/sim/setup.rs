//! The world most tests begin with. Must never hold an assertion of its own.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use admin::{Admin, AdminError, BulkReport, CertifyNamed, NewAgent, Shown, Sources};
use bytes::Bytes;
use call::{CallHandle, Caller, Finished, Refused};
use ledger::{Body, Outcome};
use model::call::{CallMeta, Endpoint, ToolCall};
use model::ids::{AgentId, CallId, GroupName, ServerName, ToolName};
use model::json::RawJson;
use model::limits::JsonLimits;
use model::method::Method;
use model::tool::ToolRef;
use policy::{PolicySource, ServerFacts};
use ports::identity::Presented;
use ports::secret::Secret;
use sim::{Knobs, Node, World, judge};

pub(crate) const BY: &str = "operator:ann";

/// Reads for everyone; open items may be written; rows are for analysts; commands need a person.
pub(crate) const POLICY: &str = r#"
@id("list") permit (principal, action == Callgate::Action::"list", resource);
@id("read") permit (principal, action in Callgate::Action::"risk:read", resource);
@id("write") permit (principal, action in Callgate::Action::"risk:write", resource)
when { context has args && context.args has id && context.args.id == "open" };
@id("command") @approvers("operators")
permit (principal, action in Callgate::Action::"risk:privileged", resource)
when { context.approval.count >= 1 };
@id("rows") forbid (principal, action in Callgate::Action::"server:beta", resource)
unless { principal in Callgate::AgentGroup::"analysts" };
"#;

/// As [`POLICY`], without any write.
pub(crate) const NO_WRITES: &str = r#"
@id("list") permit (principal, action == Callgate::Action::"list", resource);
@id("read") permit (principal, action in Callgate::Action::"risk:read", resource);
@id("rows") forbid (principal, action in Callgate::Action::"server:beta", resource)
unless { principal in Callgate::AgentGroup::"analysts" };
"#;

pub(crate) fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

pub(crate) fn server(name: &str) -> ServerName {
    ServerName::parse(name).unwrap()
}

pub(crate) fn tool(server_name: &str, name: &str) -> ToolRef {
    ToolRef { server: server(server_name), tool: ToolName::parse(name).unwrap() }
}

pub(crate) fn reader(name: &str, version: u64) -> String {
    format!(
        r#"{{"name":"{name}","description":"version {version}","inputSchema":{{"type":"object","properties":{{"id":{{"type":"string"}}}},"required":["id"]}},"annotations":{{"readOnlyHint":true}}}}"#
    )
}

pub(crate) fn writer(name: &str, version: u64) -> String {
    reader(name, version).replace("\"readOnlyHint\":true", "\"readOnlyHint\":false")
}

pub(crate) fn policies(text: &str) -> Vec<PolicySource> {
    vec![PolicySource { file: "test.cedar".to_owned(), text: text.to_owned() }]
}

pub(crate) fn sources(text: &str) -> Sources {
    let facts = |name: &str| ServerFacts { name: server(name), environment: "local".to_owned() };
    Sources {
        policies: policies(text),
        servers: vec![facts("alpha"), facts("beta")],
        secret_tools: HashSet::new(),
    }
}

/// Two servers: `alpha` reads, writes and runs commands, `beta` has rows for analysts.
pub(crate) fn world(open_calls_max: usize) -> Arc<World> {
    let world = World::new(open_calls_max);
    for definition in [reader("get_item", 1), writer("update_item", 1), writer("run_command", 1)] {
        assert!(world.servers.offer(&server("alpha"), &definition));
    }
    assert!(world.servers.offer(&server("beta"), &reader("get_rows", 1)));
    world
}

/// Runs on one thread whose time is virtual.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(test)
}

/// A node whose servers are listed and whose tools are all certified.
pub(crate) async fn ready(world: &Arc<World>, knobs: Knobs) -> Node {
    let node = Node::open(world, sources(POLICY), knobs).await.unwrap();
    for name in ["alpha", "beta"] {
        node.connect(&server(name)).await.unwrap();
    }
    certify_listed(&node.admin).await.unwrap();
    certify(&node, &tool("alpha", "run_command")).await;
    node
}

/// What an operator does who certifies in one step everything that waits, as it is shown now.
pub(crate) async fn certify_listed(admin: &Admin) -> Result<BulkReport, AdminError> {
    let catalog = Arc::clone(&admin.current().catalog);
    let shown = catalog.all().filter(|record| !record.usable()).map(|record| Shown {
        tool: record.name.clone(),
        definition: record.digest,
        risk: record.risk,
    });
    admin.certify_shown(BY, &shown.collect::<Vec<_>>()).await
}

pub(crate) async fn certify(node: &Node, tool: &ToolRef) {
    let shown = node.admin.tool(tool).unwrap().digest;
    let named = CertifyNamed { tool: tool.clone(), shown, risk: None, returns_secrets: None };
    node.admin.certify_named(BY, named).await.unwrap();
}

pub(crate) async fn add(node: &Node, name: &str, groups: &[&str]) -> Secret {
    let groups = groups.iter().map(|group| GroupName::parse(group).unwrap()).collect();
    let new = NewAgent { id: agent(name), groups, owner: "ann".to_owned(), key_days: 30 };
    node.admin.add_agent(BY, new).await.unwrap().key
}

pub(crate) async fn caller(node: &Node, key: &Secret) -> Caller {
    node.door.identify(Presented::Bearer(key.clone())).await.unwrap()
}

pub(crate) fn request(name: &str, arguments: &str) -> ToolCall {
    let text = Bytes::from(arguments.to_owned());
    let (arguments_raw, arguments) = RawJson::parse(text, &JsonLimits::REQUEST).unwrap();
    let (endpoint, name) = (Endpoint::All, name.to_owned());
    ToolCall { endpoint, method: Method::CallTool, name, arguments, arguments_raw, meta: CallMeta::default() }
}

pub(crate) async fn start(
    node: &Node,
    key: &Secret,
    name: &str,
    arguments: &str,
) -> Result<CallHandle, Refused> {
    let caller = caller(node, key).await;
    let mut handle = node.door.call(caller, request(name, arguments)).await?;
    handle.detach();
    Ok(handle)
}

/// One call to its end.
pub(crate) async fn call(node: &Node, key: &Secret, name: &str, arguments: &str) -> Finished {
    match start(node, key, name, arguments).await {
        Ok(handle) => handle.done.await.expect("a call ends with an answer or a refusal"),
        Err(refused) => Finished::Refused(refused),
    }
}

pub(crate) fn refusal(finished: Finished) -> Refused {
    match finished {
        Finished::Refused(refused) => refused,
        Finished::Answered(call, _) => panic!("call {call} was answered"),
    }
}

/// No promise was broken, and everything has ended as it should.
pub(crate) fn at_peace(world: &World, node: &Node) {
    judge::at_rest(world);
    judge::in_force(world);
    assert_eq!(node.door.open_calls().count(), 0, "calls are still listed as open");
    assert_eq!(node.broker.held(), [], "leases are still held");
    assert_eq!(world.seen().violations, Vec::<String>::new());
}

/// The words of all entries of the record, oldest first: kind, and for control entries what was done.
pub(crate) fn words(world: &World) -> Vec<String> {
    let disk = world.disk();
    let word = |body: &Body, kind: &str| match body {
        Body::Control(control) => control.what.to_owned(),
        Body::Lifecycle(lifecycle) => lifecycle.what.to_owned(),
        _ => kind.to_owned(),
    };
    disk.entries.iter().map(|kept| word(&kept.entry.body, kept.entry.kind())).collect()
}

/// Arguments that [`POLICY`] lets write.
pub(crate) const OPEN: &str = r#"{"id":"open"}"#;

/// A node and the key of its one agent, `ada`.
pub(crate) async fn bench(open_calls_max: usize) -> (Arc<World>, Node, Secret) {
    let world = world(open_calls_max);
    let node = ready(&world, Knobs::quiet(7)).await;
    let key = add(&node, "ada", &[]).await;
    (world, node, key)
}

pub(crate) fn outcome(world: &World, call: CallId) -> Option<Outcome> {
    world.disk().outcome(call)
}

/// Lets everything that can run, run.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}
