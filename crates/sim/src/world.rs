//! What stands outside the process under test: the disk, the servers, and the witness of everything that reached
//! them. Must never be told by the code under test what to think: it compares with the disk at that instant.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use model::client::ClientCapabilities;
use model::ids::{AgentId, CallId, Epoch};
use model::tool::ToolRef;
use ports::snapshot::Snapshots as _;
use ports::upstream::{Forward, Reply};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::disk::Disk;
use crate::edges::SimSnapshots;
use crate::judge;
use crate::servers::SimServers;
use crate::voices::Voices;

/// A call that is open upstream.
pub struct OpenCall {
    /// Whose.
    pub agent: AgentId,
    /// Of which tool.
    pub tool: ToolRef,
    /// Set when something it needs was taken away, and that was acknowledged.
    pub revoked: Option<Instant>,
}

/// What was seen.
#[derive(Default)]
pub struct Seen {
    /// Calls that reached an upstream, in order.
    pub forwarded: Vec<CallId>,
    /// Calls that the upstream was told to stop.
    pub cancelled: HashSet<CallId>,
    /// What the servers of those calls were told that they may ask.
    pub told: Vec<ClientCapabilities>,
    /// What clients answered that reached an upstream.
    pub replied: Vec<(CallId, Vec<Reply>)>,
    /// Calls that are open.
    pub open: HashMap<CallId, OpenCall>,
    /// Subscriptions that servers were asked for and that have not ended.
    pub subscribed: HashMap<CallId, OpenCall>,
    /// Agents whose connections the upstreams were told to close, and did.
    pub forgotten: HashSet<AgentId>,
    /// Agents whose removal was acknowledged.
    pub removed: HashSet<AgentId>,
    /// Tools whose withdrawal was acknowledged, and the epoch current then.
    pub withdrawn: Vec<(ToolRef, Epoch)>,
    /// Promises that were broken.
    pub violations: Vec<String>,
    /// Calls that were answered to a client.
    pub answered: usize,
    /// Calls and requests that were refused to a client.
    pub refused: usize,
}

/// See the module.
#[derive(Default)]
pub struct World {
    /// What survives.
    pub disk: Arc<Mutex<Disk>>,
    /// What the servers offer.
    pub servers: SimServers,
    /// What the servers say of their own accord.
    pub voices: Voices,
    seen: Mutex<Seen>,
    pictures: Mutex<OnceLock<Arc<SimSnapshots>>>,
    /// Told whenever a call reaches an upstream.
    pub arrived: Notify,
    /// Calls one task may have open.
    pub open_calls_max: usize,
}

/// How long a call may stay open after what it needs was taken away.
const STOPS_WITHIN: Duration = Duration::from_millis(100);

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(open_calls_max: usize) -> Arc<Self> {
        Arc::new(Self { open_calls_max, ..Self::default() })
    }

    /// The witness's notes.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk, now.
    pub fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process begins: what the one before held open is gone.
    pub(crate) fn begin(&self, pictures: &Arc<SimSnapshots>) {
        self.seen().open.clear();
        self.seen().subscribed.clear();
        let cell = OnceLock::from(Arc::clone(pictures));
        *self.pictures.lock().unwrap_or_else(PoisonError::into_inner) = cell;
    }

    /// The pictures of the process that runs.
    #[must_use]
    pub fn pictures(&self) -> Option<Arc<SimSnapshots>> {
        self.pictures.lock().unwrap_or_else(PoisonError::into_inner).get().cloned()
    }

    /// A promise was broken.
    pub fn violation(&self, what: impl Into<String>) {
        self.seen().violations.push(what.into());
    }

    /// A call leaves for its upstream, right now.
    pub(crate) fn forwarded(&self, forward: &Forward) {
        let broken = judge::forward(self, forward);
        let mut seen = self.seen();
        seen.violations.extend(broken);
        seen.forwarded.push(forward.call);
        seen.told.push(forward.client);
        let (agent, tool) = (forward.agent.clone(), forward.tool.name.clone());
        seen.open.insert(forward.call, OpenCall { agent, tool, revoked: None });
        self.arrived.notify_one();
    }

    pub(crate) fn cancelled(&self, call: CallId) {
        self.seen().cancelled.insert(call);
    }

    /// Answers of the client leave for the upstream that asked, right now.
    pub(crate) fn replied(&self, call: CallId, replies: Vec<Reply>) {
        self.seen().replied.push((call, replies));
    }

    /// The upstream's last event was taken.
    pub(crate) fn ended(&self, call: CallId, answered: bool) {
        let mut seen = self.seen();
        let revoked = seen.open.get(&call).is_some_and(|open| open.revoked.is_some());
        if revoked && answered {
            seen.violations.push(format!("(c) {call}: its answer was taken after its revocation"));
        }
    }

    /// A subscription was granted: it is no open call any more, and what ends those ends it.
    pub(crate) fn subscribed(&self, call: CallId) {
        let mut seen = self.seen();
        if let Some(open) = seen.open.remove(&call) {
            seen.subscribed.insert(call, open);
        }
    }

    /// The stream was dropped.
    pub(crate) fn closed(&self, call: CallId) {
        let mut seen = self.seen();
        let held = seen.subscribed.remove(&call);
        if let Some(open) = held.or_else(|| seen.open.remove(&call))
            && open.revoked.is_some_and(|at| at.elapsed() > STOPS_WITHIN)
        {
            seen.violations.push(format!("(c) {call}: stayed open long after its revocation"));
        }
    }

    /// An operator was told that this agent is removed.
    pub fn acknowledged_removal(&self, agent: &AgentId) {
        let mut seen = self.seen();
        seen.removed.insert(agent.clone());
        let now = Instant::now();
        let Seen { open, subscribed, .. } = &mut *seen;
        for open in open.values_mut().chain(subscribed.values_mut()).filter(|open| open.agent == *agent) {
            open.revoked.get_or_insert(now);
        }
    }

    /// An operator or a connection was told that the registry has this tool out of use.
    pub fn acknowledged_withdrawal(&self, tool: &ToolRef) {
        let Some(current) = self.pictures().map(|pictures| pictures.current()) else { return };
        if current.catalog.get(tool).is_some_and(|record| record.usable()) {
            // It was certified again before the acknowledgement was heard.
            return;
        }
        let mut seen = self.seen();
        seen.withdrawn.push((tool.clone(), current.epoch));
        let now = Instant::now();
        let Seen { open, subscribed, .. } = &mut *seen;
        for open in open.values_mut().chain(subscribed.values_mut()).filter(|open| open.tool == *tool) {
            open.revoked.get_or_insert(now);
        }
    }
}
