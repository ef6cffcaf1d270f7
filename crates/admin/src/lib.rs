//! Administration (PAP): agents, certification, policy loading, reading the record. Ring 1.
//!
//! Must never be reachable with what an agent holds (promise 12): its callers prove an operator first. Invariant:
//! every change is durable with its entry, then published, then what it took away is cancelled; in that order.

mod agents;
mod approvals;
mod change;
mod observe;
mod start;
mod tools;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use ledger::{Body, ControlBody, Entry};
use model::ids::{Epoch, ServerName};
use model::tool::{ToolRef, ToolStatus};
use policy::{PolicyProblem, PolicySnapshot, PolicySource, ServerFacts, ToolFacts};
use ports::approvals::Approvals;
use ports::clock::{Clock, Entropy, Spawner};
use ports::control::{Control, ControlChange};
use ports::fault::Fault;
use ports::record::{Record, Records};
use ports::revocation::Revocation;
use ports::snapshot::{Directory, Snapshot, Snapshots};
use registry::{Catalog, Names};

pub use agents::{AgentView, NewAgent, NewAgentKey, NewLocalAgent};
pub use approvals::{Asked, AskedInFull, Says};
pub use start::{Policies, StartFault, Started};
pub use tools::{BulkReport, CertifyNamed, Shown};

use change::{Change, Takes};

/// What administration reaches the world through.
#[derive(Clone)]
pub struct AdminPorts {
    /// The durable control state.
    pub control: Arc<dyn Control>,
    /// The record, for reading.
    pub records: Arc<dyn Records>,
    /// The record, for what changes nothing that decisions are made from.
    pub record: Arc<dyn Record>,
    /// Approvals as they are kept.
    pub approvals: Arc<dyn Approvals>,
    /// Where the current snapshot hangs.
    pub snapshots: Arc<dyn Snapshots>,
    /// Cancels what is under way.
    pub revocation: Arc<dyn Revocation>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Where changes run, so that they end whoever stops waiting for them.
    pub spawner: Arc<dyn Spawner>,
}

/// What comes from files: policies, and what the configuration says of servers.
#[derive(Clone, Default)]
pub struct Sources {
    /// The policy files.
    pub policies: Vec<PolicySource>,
    /// The configured servers.
    pub servers: Vec<ServerFacts>,
    /// Tools that the configuration marks as returning secrets.
    pub secret_tools: HashSet<ToolRef>,
}

/// Why an operator's request was not carried out. Nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The request makes no sense as it stands.
    #[error("{0}")]
    Refused(String),
    /// No such thing.
    #[error("{0}")]
    NotFound(String),
    /// The policies do not compile against what would be certified.
    #[error("the policies do not fit: {}", first(.0))]
    Policy(Vec<PolicyProblem>),
    /// The store or another adapter failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

fn first(problems: &[PolicyProblem]) -> String {
    let more = problems.len().saturating_sub(1);
    match problems.first() {
        Some(problem) if more > 0 => format!("{problem} (and {more} more)"),
        Some(problem) => problem.to_string(),
        None => String::new(),
    }
}

/// The use cases. One change at a time.
pub struct Admin {
    ports: AdminPorts,
    sources: Arc<Mutex<Sources>>,
    /// What each server listed that could not be taken, by server: shown to operators.
    refused: Mutex<BTreeMap<ServerName, Vec<String>>>,
    gate: Arc<tokio::sync::Mutex<()>>,
}

impl Admin {
    /// The current picture.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        self.ports.snapshots.current()
    }

    /// The record, for reading.
    #[must_use]
    pub fn records(&self) -> &dyn Records {
        self.ports.records.as_ref()
    }

    /// What a server listed that could not be taken, in words.
    #[must_use]
    pub fn refused_definitions(&self, server: &ServerName) -> Vec<String> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get(server).cloned().unwrap_or_default()
    }

    /// The configured servers.
    #[must_use]
    pub fn servers(&self) -> Vec<ServerFacts> {
        self.sources().servers
    }

    fn sources(&self) -> Sources {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn entry(&self, by: &str, what: &'static str, subject: String, detail: String) -> Entry {
        let body = Body::Control(ControlBody { by: by.to_owned(), what, subject, detail });
        Entry { at: self.ports.clock.now(), epoch: self.current().epoch, body }
    }

    /// Checks policies against the certified tools without putting them into force.
    ///
    /// # Errors
    /// Every problem at once; a policy that can apply to no certified tool is one.
    pub fn check_policies(&self, policies: Vec<PolicySource>) -> Result<usize, Vec<PolicyProblem>> {
        let sources = Sources { policies, ..self.sources() };
        let tools = tool_facts(&sources, &self.current().catalog);
        let compiled = PolicySnapshot::compile(&sources.policies, &sources.servers, &tools)?;
        Ok(compiled.policy_count())
    }

    /// Replaces the policies by what the files say now.
    ///
    /// # Errors
    /// [`AdminError::Policy`] with every problem; the policies in force stay.
    pub async fn load_policies(&self, policies: Vec<PolicySource>) -> Result<Arc<Snapshot>, AdminError> {
        let turn = self.turn().await;
        let current = self.current();
        let mut sources = self.sources();
        sources.policies = policies;
        let compiled = compile(&sources, &current.catalog).map_err(AdminError::Policy)?;
        let digest = compiled.digest();
        let detail = format!("{} files", sources.policies.len());
        let entry = self.entry("config", "policy.loaded", digest.to_string(), detail);
        let next = Picture { policy: Arc::new(compiled), ..Picture::of(&current) };
        let (change, entries) = (ControlChange::PolicyLoaded(digest), vec![entry]);
        let change = Change { change, entries, next, takes: Takes::Nothing, loaded: Some(sources) };
        Ok(self.carry_out(turn, change).await?)
    }
}

/// The parts of a snapshot, to make the next one from.
struct Picture {
    agents: Directory,
    catalog: Arc<Catalog>,
    policy: Arc<PolicySnapshot>,
}

impl Picture {
    fn of(snapshot: &Snapshot) -> Self {
        Self {
            agents: snapshot.agents.clone(),
            catalog: Arc::clone(&snapshot.catalog),
            policy: Arc::clone(&snapshot.policy),
        }
    }

    fn at(self, epoch: Epoch) -> Arc<Snapshot> {
        let names = Arc::new(Names::of(&self.catalog));
        Arc::new(Snapshot { epoch, agents: self.agents, catalog: self.catalog, names, policy: self.policy })
    }
}

/// Compiles the policies against every tool a person ever certified, at the definition certified: a tool in
/// quarantine keeps its action, so that what an upstream does never breaks a policy.
fn compile(sources: &Sources, catalog: &Catalog) -> Result<PolicySnapshot, Vec<PolicyProblem>> {
    PolicySnapshot::load(&sources.policies, &sources.servers, &tool_facts(sources, catalog))
}

fn tool_facts(sources: &Sources, catalog: &Catalog) -> Vec<ToolFacts> {
    catalog.all().filter_map(|record| facts(sources, record)).collect()
}

fn facts(sources: &Sources, record: &registry::ToolRecord) -> Option<ToolFacts> {
    let definition = match record.status {
        ToolStatus::Certified => &record.definition,
        ToolStatus::Quarantined => record.previous.as_ref()?,
    };
    let mut tool = record.pinned();
    tool.definition = definition.digest();
    let returns_secrets = record.returns_secrets || sources.secret_tools.contains(&record.name);
    Some(ToolFacts { tool, input_schema: definition.input_schema().clone(), returns_secrets })
}
