//! What a principal could be permitted: the tools that exist for it. Must never contain a tool in quarantine, nor
//! one that no arguments, time or approval could make policy permit.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use model::ids::{AgentId, Epoch};
use model::principal::{AgentFacts, Attestation, Principal};
use model::task::Task;
use model::tool::ToolRef;
use ports::snapshot::Snapshot;

/// One principal's view under one snapshot.
pub struct View {
    tools: HashSet<ToolRef>,
}

impl View {
    fn new(snapshot: &Snapshot, principal: &Principal, task: &Task) -> Self {
        let could = |name: &&ToolRef| snapshot.policy.could_permit(principal, task, name);
        let usable = snapshot.catalog.usable().map(|record| &record.name);
        Self { tools: usable.filter(could).cloned().collect() }
    }

    /// Whether the tool exists for this principal.
    #[must_use]
    pub fn contains(&self, tool: &ToolRef) -> bool {
        self.tools.contains(tool)
    }
}

type Key = (AgentId, Attestation, Arc<AgentFacts>);

struct Kept {
    epoch: Epoch,
    views: HashMap<Key, Arc<View>>,
}

/// Views of the current epoch. As many as there are agents.
pub struct Views(Mutex<Kept>);

impl Default for Views {
    fn default() -> Self {
        Self(Mutex::new(Kept { epoch: Epoch(0), views: HashMap::new() }))
    }
}

impl Views {
    /// The view of a principal, computed once per epoch.
    #[must_use]
    pub fn of(&self, snapshot: &Snapshot, principal: &Principal, task: &Task) -> Arc<View> {
        let key = (principal.agent.clone(), principal.attestation, Arc::clone(&principal.facts));
        {
            let kept = self.kept(snapshot.epoch);
            if let (true, Some(view)) = (kept.epoch == snapshot.epoch, kept.views.get(&key)) {
                return Arc::clone(view);
            }
        }
        let view = Arc::new(View::new(snapshot, principal, task));
        let mut kept = self.kept(snapshot.epoch);
        if kept.epoch == snapshot.epoch {
            kept.views.insert(key, Arc::clone(&view));
        }
        view
    }

    fn kept(&self, epoch: Epoch) -> std::sync::MutexGuard<'_, Kept> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.epoch < epoch {
            *kept = Kept { epoch, views: HashMap::new() };
        }
        kept
    }
}
