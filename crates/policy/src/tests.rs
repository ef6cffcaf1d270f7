//! What the whole crate promises, through its public API. Must use no Cedar type but to compare with Cedar itself.

mod golden;
mod index;
mod kept;
mod narrow;
mod park;
mod problems;
mod traps;
mod values;

use std::sync::Arc;

use model::digest::Digest;
use model::ids::{AgentId, GroupName, PolicyId, ServerName, ToolName};
use model::json::Json;
use model::limits::JsonLimits;
use model::principal::{AgentFacts, Attestation, Principal};
use model::task::Task;
use model::time::Micros;
use model::tool::{PinnedTool, Risk, ToolRef};

use crate::{
    ApprovalEvidence, Decision, DecisionRequest, DenyKind, PolicyProblem, PolicySnapshot, PolicySource,
    ServerFacts, ToolFacts,
};

/// 2026-11-21T09:00:00Z, a Saturday.
pub(crate) const NOON: Micros = Micros(1_795_251_600_000_000);

/// Servers and tools to write policies for.
#[derive(Default, Clone)]
pub(crate) struct World {
    pub(crate) servers: Vec<ServerFacts>,
    pub(crate) tools: Vec<ToolFacts>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn server(mut self, name: &str, environment: &str) -> Self {
        self.servers.push(ServerFacts {
            name: ServerName::parse(name).unwrap(),
            environment: environment.to_owned(),
        });
        self
    }

    /// A tool `server__tool`.
    pub(crate) fn tool(mut self, name: &str, risk: Risk, input_schema: &str) -> Self {
        let (server, tool) = name.split_once("__").unwrap();
        let name =
            ToolRef { server: ServerName::parse(server).unwrap(), tool: ToolName::parse(tool).unwrap() };
        let definition = Digest::of(name.to_string().as_bytes());
        let tool = PinnedTool { name, definition, risk };
        self.tools.push(ToolFacts { tool, input_schema: json(input_schema), returns_secrets: false });
        self
    }

    /// Marks the last tool.
    pub(crate) fn returning_secrets(mut self) -> Self {
        self.tools.last_mut().unwrap().returns_secrets = true;
        self
    }

    pub(crate) fn compile(&self, text: &str) -> Result<PolicySnapshot, Vec<PolicyProblem>> {
        PolicySnapshot::compile(&[source(text)], &self.servers, &self.tools)
    }

    pub(crate) fn load(&self, text: &str) -> Result<PolicySnapshot, Vec<PolicyProblem>> {
        PolicySnapshot::load(&[source(text)], &self.servers, &self.tools)
    }

    /// Compiles, and decides one call of `agent` (in the given groups) at [`NOON`].
    pub(crate) fn ask(&self, text: &str, tool: &str, arguments: &str) -> Decision {
        let snapshot = self.compile(text).unwrap_or_else(|problems| panic!("{}", shown(&problems)));
        self.decide(&snapshot, &agent(&[]), (tool, arguments), &ApprovalEvidence::none())
    }

    pub(crate) fn decide(
        &self,
        snapshot: &PolicySnapshot,
        principal: &Principal,
        (tool, arguments): (&str, &str),
        approval: &ApprovalEvidence,
    ) -> Decision {
        let tool = &self.tools.iter().find(|facts| facts.tool.name.to_string() == tool).unwrap().tool;
        let task = Task::implicit(&principal.agent).unwrap();
        let arguments = json(arguments);
        let request =
            DecisionRequest { principal, task: &task, tool, arguments: &arguments, approval, now: NOON };
        let decision = snapshot.decide(&request);
        // What was kept of the first call changes nothing for the next ones.
        for _ in 0..2 {
            assert_eq!(snapshot.decide(&request), decision);
        }
        decision
    }

    /// What `principal` sees in a list.
    pub(crate) fn listed(&self, snapshot: &PolicySnapshot, principal: &Principal) -> Vec<String> {
        let task = Task::implicit(&principal.agent).unwrap();
        let names = self.tools.iter().map(|facts| &facts.tool.name);
        names.filter(|name| snapshot.could_permit(principal, &task, name)).map(ToString::to_string).collect()
    }
}

pub(crate) fn agent(groups: &[&str]) -> Principal {
    let groups = groups.iter().map(|group| GroupName::parse(group).unwrap()).collect();
    Principal {
        agent: AgentId::parse("coder").unwrap(),
        facts: Arc::new(AgentFacts { groups, owner: "ann".to_owned() }),
        attestation: Attestation::AgentKey,
    }
}

pub(crate) fn approved(count: u32, groups: &[&str]) -> ApprovalEvidence {
    let groups = groups.iter().map(|group| GroupName::parse(group).unwrap()).collect();
    ApprovalEvidence { count, groups, exact: true, self_approved: false }
}

pub(crate) fn source(text: &str) -> PolicySource {
    PolicySource { file: "test.cedar".to_owned(), text: text.to_owned() }
}

pub(crate) fn json(text: &str) -> Json {
    Json::parse(text.as_bytes(), &JsonLimits::UPSTREAM).unwrap()
}

pub(crate) fn shown(problems: &[PolicyProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

pub(crate) fn ids(policies: &[PolicyId]) -> Vec<&str> {
    policies.iter().map(PolicyId::as_str).collect()
}

/// A word for the decision and the policies behind it.
pub(crate) fn word(decision: &Decision) -> (&'static str, Vec<&str>) {
    match decision {
        Decision::Permit(permit) => ("permit", ids(&permit.policies)),
        Decision::Park(park) => ("park", ids(&park.policies)),
        Decision::Deny(denial) => match denial.kind {
            DenyKind::Forbidden => ("forbidden", ids(&denial.policies)),
            DenyKind::NoPermit => ("no-permit", ids(&denial.policies)),
            DenyKind::Error => ("error", ids(&denial.policies)),
        },
    }
}

#[test]
fn snapshots_travel_between_threads() {
    const fn shared<T: Send + Sync>() {}
    shared::<PolicySnapshot>();
}
