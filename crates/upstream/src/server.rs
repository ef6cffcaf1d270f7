//! One configured server: its lanes and how they are connected. Must never have more lanes than its limit.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::client::ClientCapabilities;
use model::denial::Reason;
use model::ids::AgentId;
use ports::definitions::DefinitionObserver;
use ports::sealed::{SealedSecrets, SealedValues};
use ports::secret::Secret;
use ports::tokens::{Stamp, TokenStore};
use ports::upstream::UpstreamFault;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::{ServerConfig, Transport};
use crate::connection::Connection;
use crate::fault::{before_call, not_sent, unavailable, unusable};
use crate::hear::Ears;
use crate::http;
use crate::lane::{Lane, LaneKey};
use crate::stdio::{Launch, StdioConnection};
use crate::whole::Whole;

/// Lanes of one agent, which are as many as kinds of clients it shows: the others are for others.
const AGENT_LANES_MAX: usize = 16;

/// One server.
pub(crate) struct Server {
    pub(crate) config: ServerConfig,
    means: Means,
    whole: Arc<Whole>,
    /// Set for HTTP servers.
    http: Option<http::Sites>,
    lanes: Mutex<Lanes>,
    one_refresh: tokio::sync::Mutex<()>,
    pub(crate) ears: Ears,
    /// Connections begun so far.
    begun: watch::Sender<u64>,
}

/// What every server is given.
#[derive(Clone)]
pub(crate) struct Means {
    pub(crate) observer: Arc<dyn DefinitionObserver>,
    /// Asked whenever something is started.
    pub(crate) sealed: Arc<dyn SealedSecrets>,
    /// What was got for servers that want tokens.
    pub(crate) tokens: Arc<dyn TokenStore>,
    /// Where children without a configured directory get theirs.
    pub(crate) work_dir: PathBuf,
}

#[derive(Default)]
struct Lanes {
    by_key: HashMap<LaneKey, Arc<Lane>>,
    closed: bool,
}

impl Server {
    pub(crate) fn new(config: ServerConfig, means: Means, http: Option<http::Sites>) -> Self {
        let (one_refresh, whole) =
            (tokio::sync::Mutex::new(()), Whole::new(Arc::clone(&means.observer), &config.limits));
        let (ears, begun) = (Ears::default(), watch::Sender::new(0));
        Self { config, means, whole, http, lanes: Mutex::default(), one_refresh, ears, begun }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lane of an agent whose client can be asked this.
    ///
    /// # Errors
    /// `limit_exceeded` when there are too many; unavailable when everything is being shut down.
    pub(crate) fn lane(
        &self,
        agent: &AgentId,
        client: ClientCapabilities,
    ) -> Result<Arc<Lane>, UpstreamFault> {
        self.lane_of(self.key(agent, client))
    }

    /// Which lane is an agent's.
    pub(crate) fn key(&self, agent: &AgentId, client: ClientCapabilities) -> LaneKey {
        if self.config.shareable { LaneKey::Shared } else { LaneKey::Agent(agent.clone(), client) }
    }

    /// The connection of a lane, if it has one that serves.
    pub(crate) fn live(&self, key: &LaneKey) -> Option<Arc<Connection>> {
        let lane = self.lanes().by_key.get(key).cloned();
        lane.and_then(|lane| lane.live())
    }

    /// The connection of a lane, begun when there is none.
    pub(crate) async fn connection(
        self: &Arc<Self>,
        key: &LaneKey,
        credential: Option<&Secret>,
    ) -> Result<Arc<Connection>, UpstreamFault> {
        self.lane_of(key.clone())?.connection(self, credential).await
    }

    /// Changes whenever a lane has begun a connection.
    pub(crate) fn begun(&self) -> watch::Receiver<u64> {
        self.begun.subscribe()
    }

    pub(crate) fn note_begun(&self) {
        self.begun.send_modify(|count| *count += 1);
    }

    fn lane_of(&self, key: LaneKey) -> Result<Arc<Lane>, UpstreamFault> {
        let mut lanes = self.lanes();
        if lanes.closed {
            return Err(unavailable(&self.config.name, "callgate is shutting down"));
        }
        if let Some(lane) = lanes.by_key.get(&key) {
            // Who is given it is about to use it.
            lane.touch();
            return Ok(Arc::clone(lane));
        }
        if let LaneKey::Agent(agent, _) = &key {
            self.make_room(&mut lanes, agent)?;
        }
        let max = self.config.limits.lanes_max;
        if lanes.by_key.len() >= max {
            let text = format!(
                "{max} agents, or kinds of their clients, use it already; raise its limit of lanes, or mark it shareable"
            );
            return Err(not_sent(Reason::LimitExceeded, &self.config.name, text));
        }
        let lane = Arc::new(Lane::new(key.clone()));
        lanes.by_key.insert(key, Arc::clone(&lane));
        Ok(lane)
    }

    /// Ends the lane of an agent that was unused longest when it has as many as it may have.
    ///
    /// # Errors
    /// `limit_exceeded` when all of them are in use.
    fn make_room(&self, lanes: &mut Lanes, agent: &AgentId) -> Result<(), UpstreamFault> {
        let own = || lanes.by_key.values().filter(|lane| lane.key().is_of(agent));
        if own().count() < AGENT_LANES_MAX {
            return Ok(());
        }
        let idle = own().filter(|lane| !self.ears.any(lane.key()));
        let idle = idle.filter_map(|lane| Some((lane.idle_for()?, lane.key().clone())));
        let Some((_, oldest)) = idle.max_by_key(|(idle, _)| *idle) else {
            let text = format!(
                "the agent uses it with {AGENT_LANES_MAX} kinds of clients already; try again when one of them is done"
            );
            return Err(not_sent(Reason::LimitExceeded, &self.config.name, text));
        };
        if let Some(lane) = lanes.by_key.remove(&oldest) {
            tokio::spawn(async move { lane.end(Reason::Cancelled).await });
        }
        Ok(())
    }

    /// A new connection that has listed and reported its tools.
    pub(crate) async fn connect(
        &self,
        whose: &LaneKey,
        credential: Option<&Secret>,
    ) -> Result<Arc<Connection>, UpstreamFault> {
        let limit = self.config.limits.start;
        match tokio::time::timeout(limit, self.connect_unbounded(whose, credential)).await {
            Ok(result) => result.map_err(before_call),
            Err(_) => {
                let text = format!("it did not start and list its tools within {} ms", limit.as_millis());
                Err(unavailable(&self.config.name, text))
            }
        }
    }

    async fn connect_unbounded(
        &self,
        whose: &LaneKey,
        credential: Option<&Secret>,
    ) -> Result<Arc<Connection>, UpstreamFault> {
        let name = &self.config.name;
        let observer = self.whole.seen_with(whose.client());
        let values = self.sealed_values().await?;
        let connection = match (&self.config.transport, &self.http) {
            (Transport::Stdio(command), _) => {
                let launch = Launch::of(command, &values).map_err(|missing| unavailable(name, missing))?;
                let place = (self.means.work_dir.as_path(), whose);
                Connection::Stdio(StdioConnection::start(&self.config, launch, place, observer).await?)
            }
            (Transport::Http(_), Some(sites)) => {
                let site = sites.at(&self.config, &values).map_err(|e| unusable(&e))?;
                http::connect(&site, observer, (credential, whose)).await?
            }
            (Transport::Http(_), None) => {
                return Err(unavailable(&self.config.name, "its address was never checked"));
            }
        };
        Ok(Arc::new(connection))
    }

    /// What it wants from the sealed store, as it is now.
    async fn sealed_values(&self) -> Result<SealedValues, UpstreamFault> {
        let names = self.config.transport.sealed_names();
        if names.is_empty() {
            return Ok(SealedValues::new());
        }
        let values = self.means.sealed.values(&names).await;
        values.map_err(|fault| unavailable(&self.config.name, fault))
    }

    /// Changes with what is sealed.
    pub(crate) fn sealed_stamp(&self) -> Stamp {
        self.means.tokens.stamp()
    }

    /// Lists the tools now: on the shared lane, or on a connection made for it alone.
    pub(crate) async fn refresh(self: &Arc<Self>) -> Result<(), UpstreamFault> {
        let _turn = self.one_refresh.lock().await;
        if self.lanes().closed {
            return Err(unavailable(&self.config.name, "callgate is shutting down"));
        }
        if self.config.shareable {
            let lane = self.lane_of(LaneKey::Shared)?;
            // A connection that is made now lists by itself.
            return match lane.live() {
                Some(connection) => connection.relist(None).await.map_err(before_call),
                None => lane.connection(self, None).await.map(drop),
            };
        }
        let connection = self.connect(&LaneKey::Discovery, None).await?;
        connection.close(Reason::Cancelled).await;
        Ok(())
    }

    /// Ends a lane that is idle.
    pub(crate) async fn retire(&self, lane: &Arc<Lane>) {
        {
            let mut lanes = self.lanes();
            if lanes.by_key.get(lane.key()).is_some_and(|current| Arc::ptr_eq(current, lane)) {
                lanes.by_key.remove(lane.key());
            }
        }
        lane.end(Reason::Cancelled).await;
    }

    /// Ends what an agent holds.
    pub(crate) async fn forget(&self, agent: &AgentId) {
        self.ears.end(|key| key.is_of(agent));
        let lanes: Vec<_> = self.lanes().by_key.extract_if(|key, _| key.is_of(agent)).collect();
        end_all(lanes.into_iter().map(|(_, lane)| lane), Reason::Revoked).await;
    }

    /// Ends all lanes, in parallel; none can be opened any more.
    pub(crate) async fn shutdown(&self) {
        self.ears.end(|_| true);
        let lanes = {
            let mut lanes = self.lanes();
            lanes.closed = true;
            std::mem::take(&mut lanes.by_key)
        };
        end_all(lanes.into_values(), Reason::Cancelled).await;
    }
}

async fn end_all(lanes: impl Iterator<Item = Arc<Lane>>, reason: Reason) {
    let mut ends = JoinSet::new();
    for lane in lanes {
        ends.spawn(async move { lane.end(reason).await });
    }
    while ends.join_next().await.is_some() {}
}
