//! Facts for the tests of single transitions. Must never be compiled into the product.

use std::sync::Arc;
use std::time::Duration;

use model::call::{CallMeta, Endpoint, ToolCall};
use model::ids::{AgentId, CallId, Epoch, GroupName, ServerName, ToolName};
use model::json::RawJson;
use model::limits::{CallLimits, JsonLimits};
use model::method::Method;
use model::principal::{Agent, AgentFacts, Attestation, Principal};
use model::task::Task;
use model::time::Micros;
use model::tool::{PinnedTool, ToolRef};
use policy::{PolicySnapshot, PolicySource, ServerFacts, ToolFacts};
use ports::snapshot::{Directory, Snapshot};
use registry::certify::certify;
use registry::observe::observe;
use registry::{Catalog, CertifyRequest, Consent, Definition, Names};

use crate::bound::Bound;
use crate::identified::Caller;
use crate::listings::Listings;
use crate::received::{Received, Stamp};
use crate::resolved::{Lookup, Resolved, Unresolved};
use crate::view::Views;

pub(crate) const NOW: Micros = Micros(1_795_251_600_000_000);

pub(crate) const POLICY: &str = r#"
@id("list") permit (principal, action == Callgate::Action::"list", resource);
@id("read") permit (principal, action in Callgate::Action::"risk:read", resource);
@id("write") permit (principal, action in Callgate::Action::"risk:write", resource)
when { context has args && context.args has id && context.args.id == "open" };
@id("twice") @reason("two people") @approvers("operators")
permit (principal, action in Callgate::Action::"risk:privileged", resource)
when { context.approval.count >= 2 };
@id("alone") @approvers("operators")
permit (principal, action == alpha::Action::"run_script", resource)
when { context.approval.count >= 1 };
@id("sum") forbid (principal, action == alpha::Action::"update_item", resource)
when { context has args && context.args has count && context.args.count + 1 == 0 };
@id("hidden") forbid (principal, action == alpha::Action::"get_hidden", resource);
"#;

pub(crate) fn tool(name: &str) -> ToolRef {
    let server = ServerName::parse("alpha").unwrap();
    ToolRef { server, tool: ToolName::parse(name).unwrap() }
}

fn definition(name: &str, reads: bool, version: u64) -> Arc<Definition> {
    let text = format!(
        r#"{{"name":"{name}","description":"version {version}","inputSchema":{{"type":"object","properties":{{"id":{{"type":"string"}},"count":{{"type":"integer"}}}},"required":["id"]}},"annotations":{{"readOnlyHint":{reads}}}}}"#
    );
    let raw = RawJson::parse(text.into_bytes().into(), &JsonLimits::UPSTREAM).unwrap().0;
    Arc::new(Definition::parse(&raw).unwrap())
}

/// What server `alpha` lists.
fn listed(version: u64) -> Vec<Arc<Definition>> {
    vec![
        definition("get_item", true, version),
        definition("update_item", false, 1),
        definition("run_command", false, 1),
        definition("run_script", false, 1),
        definition("get_hidden", true, 1),
        definition("get_new", true, 1),
    ]
}

fn certified(catalog: Catalog) -> Catalog {
    let all = catalog.all().filter(|record| record.name.tool.as_str() != "get_new").cloned();
    let all: Vec<_> = all.collect();
    catalog.with(all.into_iter().map(|record| {
        let consent = Consent::ByName(record.digest);
        let (risk, by) = (None, "ann".to_owned());
        certify(&record, &CertifyRequest { consent, risk, returns_secrets: None, by, at: NOW }).unwrap()
    }))
}

fn observed(catalog: &Catalog, version: u64) -> Catalog {
    let server = ServerName::parse("alpha").unwrap();
    let observation = observe(catalog, &server, &listed(version), NOW);
    catalog.with(observation.changes.into_iter().map(|change| change.record))
}

fn snapshot(catalog: Catalog) -> Snapshot {
    let usable = catalog.usable().map(|record| ToolFacts {
        tool: record.pinned(),
        input_schema: record.definition.input_schema().clone(),
        returns_secrets: false,
    });
    let servers =
        [ServerFacts { name: ServerName::parse("alpha").unwrap(), environment: "local".to_owned() }];
    let source = PolicySource { file: "test.cedar".to_owned(), text: POLICY.to_owned() };
    let policy = PolicySnapshot::load(&[source], &servers, &usable.collect::<Vec<_>>()).unwrap();
    let agent = Agent {
        id: principal("ada").agent,
        facts: principal("ada").facts,
        keys: Vec::new(),
        local_user: None,
        added: NOW,
        removed: None,
    };
    Snapshot {
        epoch: Epoch(1),
        agents: Directory::new(&[agent]),
        names: Arc::new(Names::of(&catalog)),
        catalog: Arc::new(catalog),
        policy: Arc::new(policy),
    }
}

/// Everything certified but `get_new`.
pub(crate) fn first() -> Arc<Snapshot> {
    Arc::new(snapshot(certified(observed(&Catalog::default(), 1))))
}

/// As [`first`], after `get_item` changed, and maybe was certified again.
pub(crate) fn changed(again: bool) -> Arc<Snapshot> {
    let catalog = observed(&certified(observed(&Catalog::default(), 1)), 2);
    Arc::new(snapshot(if again { certified(catalog) } else { catalog }))
}

pub(crate) fn principal(name: &str) -> Principal {
    let facts = AgentFacts { groups: vec![GroupName::parse("known").unwrap()], owner: "ann".to_owned() };
    let agent = AgentId::parse(name).unwrap();
    Principal { agent, facts: Arc::new(facts), attestation: Attestation::AgentKey }
}

pub(crate) fn caller(snapshot: &Arc<Snapshot>) -> Caller {
    Caller::assumed(principal("ada"), Arc::clone(snapshot))
}

pub(crate) fn request(name: &str, arguments: &str) -> ToolCall {
    let text = arguments.to_owned().into_bytes();
    let (arguments_raw, arguments) = RawJson::parse(text.into(), &JsonLimits::REQUEST).unwrap();
    let (endpoint, name) = (Endpoint::All, name.to_owned());
    ToolCall { endpoint, method: Method::CallTool, name, arguments, arguments_raw, meta: CallMeta::default() }
}

pub(crate) fn stamp() -> Stamp {
    Stamp { id: CallId::new(NOW, [7; 10]), at: NOW, started: Duration::ZERO }
}

pub(crate) fn bound(snapshot: &Arc<Snapshot>, call: ToolCall) -> Bound {
    let received = Received::new(stamp(), call, &CallLimits::DEFAULT).unwrap();
    received.identify(caller(snapshot)).bind(task()).ok().unwrap()
}

pub(crate) fn task() -> Task {
    Task::implicit(&principal("ada").agent).unwrap()
}

/// Resolves a call of `ada`, to whom `listings` were listed.
pub(crate) fn resolve(
    snapshot: &Arc<Snapshot>,
    listings: &Listings,
    call: ToolCall,
) -> Result<Resolved, Box<Unresolved>> {
    let view = Views::default().of(snapshot, &principal("ada"), &task());
    bound(snapshot, call).resolve(&Lookup { view: &view, listings })
}

pub(crate) fn resolved(name: &str, arguments: &str) -> Resolved {
    resolve(&first(), &Listings::default(), request(name, arguments)).ok().expect("it resolves")
}

pub(crate) fn pinned(snapshot: &Snapshot, name: &str) -> PinnedTool {
    snapshot.catalog.get(&tool(name)).unwrap().pinned()
}
