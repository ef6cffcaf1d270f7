//! From the stored control state and the files to the first snapshot. Must never start with policies that do not
//! compile, unless nothing is going to be decided.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use model::digest::Digest;
use model::ids::{AgentId, Epoch, ServerName};
use model::tool::ToolRef;
use policy::{PolicyProblem, PolicySnapshot};
use ports::control::{Control, ControlChange};
use ports::fault::Fault;
use ports::snapshot::{Directory, Snapshot};
use registry::{Catalog, Names};

use crate::change::{Change, Takes};
use crate::{Admin, AdminPorts, Picture, Sources, compile};

/// What to do with policies that do not compile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policies {
    /// Refuse to start: calls are going to be decided.
    Required,
    /// Go on with none, which permits nothing: only an operator's command is going to run.
    MayBeBroken,
}

/// Why administration could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    /// The policies do not compile.
    #[error("{} policy problems", .0.len())]
    Policy(Vec<PolicyProblem>),
    /// The store failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The first snapshot, and what else the store kept.
pub struct Started {
    /// To be published by whoever made the ports.
    pub snapshot: Arc<Snapshot>,
    /// What was last listed to whom.
    pub listed: Vec<(AgentId, ToolRef, Digest)>,
    sources: Sources,
    loaded: Option<Digest>,
}

impl Started {
    /// Reads the control state and compiles the policies. Changes nothing.
    ///
    /// # Errors
    /// [`StartFault`].
    pub async fn read(
        control: &dyn Control,
        sources: Sources,
        policies: Policies,
    ) -> Result<Self, StartFault> {
        let state = control.load().await?;
        let configured: HashSet<&ServerName> = sources.servers.iter().map(|server| &server.name).collect();
        let tools = state.tools.into_iter().filter(|tool| configured.contains(&tool.name.server));
        let catalog = Arc::new(Catalog::new(tools));
        let policy = match (compile(&sources, &catalog), policies) {
            (Ok(policy), _) => policy,
            (Err(problems), Policies::Required) => return Err(StartFault::Policy(problems)),
            (Err(_), Policies::MayBeBroken) => {
                PolicySnapshot::load(&[], &sources.servers, &[]).map_err(StartFault::Policy)?
            }
        };
        let snapshot = Arc::new(Snapshot {
            epoch: Epoch(state.epoch),
            agents: Directory::new(&state.agents),
            names: Arc::new(Names::of(&catalog)),
            catalog,
            policy: Arc::new(policy),
        });
        Ok(Self { snapshot, listed: state.listed, sources, loaded: state.policy_set })
    }

    /// The use cases over ports whose snapshots already hold [`Self::snapshot`].
    #[must_use]
    pub fn admin(&self, ports: AdminPorts) -> Arc<Admin> {
        Arc::new(Admin {
            ports,
            sources: Arc::new(Mutex::new(self.sources.clone())),
            refused: Mutex::new(BTreeMap::new()),
            gate: Arc::default(),
        })
    }

    /// Records that other policies are in force than when the node last ran.
    ///
    /// # Errors
    /// [`Fault`] when that cannot be recorded: then nothing may be decided.
    pub async fn note_policies(&self, admin: &Admin) -> Result<(), Fault> {
        let digest = self.snapshot.policy.digest();
        if self.loaded == Some(digest) {
            return Ok(());
        }
        let turn = admin.turn().await;
        let detail = format!("{} files", self.sources.policies.len());
        let entry = admin.entry("config", "policy.loaded", digest.to_string(), detail);
        let (change, entries) = (ControlChange::PolicyLoaded(digest), vec![entry]);
        let next = Picture::of(&admin.current());
        let change = Change { change, entries, next, takes: Takes::Nothing, loaded: None };
        admin.carry_out(turn, change).await.map(drop)
    }
}
