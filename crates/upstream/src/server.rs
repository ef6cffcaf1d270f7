//! One configured server: its lanes and how they are connected. Must never have more lanes than its limit.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::denial::Reason;
use model::ids::AgentId;
use ports::definitions::DefinitionObserver;
use ports::secret::Secret;
use ports::upstream::UpstreamFault;
use tokio::task::JoinSet;

use crate::config::{ServerConfig, Transport};
use crate::connection::Connection;
use crate::fault::{before_call, not_sent, unavailable};
use crate::http::{self, HttpConnection};
use crate::lane::{Lane, LaneKey};
use crate::stdio::StdioConnection;

/// One server.
pub(crate) struct Server {
    pub(crate) config: ServerConfig,
    observer: Arc<dyn DefinitionObserver>,
    /// Where children without a configured directory get theirs.
    work_dir: PathBuf,
    /// Set for HTTP servers.
    http: Option<Arc<http::Site>>,
    lanes: Mutex<Lanes>,
    one_refresh: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Lanes {
    by_key: HashMap<LaneKey, Arc<Lane>>,
    closed: bool,
}

impl Server {
    pub(crate) fn new(
        config: ServerConfig,
        observer: Arc<dyn DefinitionObserver>,
        work_dir: PathBuf,
        http: Option<Arc<http::Site>>,
    ) -> Self {
        let one_refresh = tokio::sync::Mutex::new(());
        Self { config, observer, work_dir, http, lanes: Mutex::default(), one_refresh }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lane of an agent.
    ///
    /// # Errors
    /// `limit_exceeded` when there are too many; unavailable when everything is being shut down.
    pub(crate) fn lane(&self, agent: &AgentId) -> Result<Arc<Lane>, UpstreamFault> {
        let key = if self.config.shareable { LaneKey::Shared } else { LaneKey::Agent(agent.clone()) };
        self.lane_of(key)
    }

    fn lane_of(&self, key: LaneKey) -> Result<Arc<Lane>, UpstreamFault> {
        let mut lanes = self.lanes();
        if lanes.closed {
            return Err(unavailable(&self.config.name, "callgate is shutting down"));
        }
        if let Some(lane) = lanes.by_key.get(&key) {
            return Ok(Arc::clone(lane));
        }
        let max = self.config.limits.lanes_max;
        if lanes.by_key.len() >= max {
            let text = format!("{max} agents use it already; raise its limit of lanes, or mark it shareable");
            return Err(not_sent(Reason::LimitExceeded, &self.config.name, text));
        }
        let lane = Arc::new(Lane::new(key.clone()));
        lanes.by_key.insert(key, Arc::clone(&lane));
        Ok(lane)
    }

    /// A new connection that has listed and reported its tools.
    pub(crate) async fn connect(
        &self,
        directory: &str,
        credential: Option<&Secret>,
    ) -> Result<Arc<Connection>, UpstreamFault> {
        let limit = self.config.limits.start;
        match tokio::time::timeout(limit, self.connect_unbounded(directory, credential)).await {
            Ok(result) => result.map_err(before_call),
            Err(_) => {
                let text = format!("it did not start and list its tools within {} ms", limit.as_millis());
                Err(unavailable(&self.config.name, text))
            }
        }
    }

    async fn connect_unbounded(
        &self,
        directory: &str,
        credential: Option<&Secret>,
    ) -> Result<Arc<Connection>, UpstreamFault> {
        let observer = Arc::clone(&self.observer);
        let connection = match (&self.config.transport, &self.http) {
            (Transport::Stdio(command), _) => {
                let private = self.work_dir.join(self.config.name.as_str()).join(directory);
                Connection::Stdio(StdioConnection::start(&self.config, command, &private, observer).await?)
            }
            (Transport::Http(_), Some(site)) => {
                Connection::Http(HttpConnection::start(site, observer, credential).await?)
            }
            (Transport::Http(_), None) => {
                return Err(unavailable(&self.config.name, "its address was never checked"));
            }
        };
        Ok(Arc::new(connection))
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
        let connection = self.connect("discovery", None).await?;
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
        let lane = self.lanes().by_key.remove(&LaneKey::Agent(agent.clone()));
        if let Some(lane) = lane {
            lane.end(Reason::Revoked).await;
        }
    }

    /// Ends all lanes, in parallel; none can be opened any more.
    pub(crate) async fn shutdown(&self) {
        let lanes = {
            let mut lanes = self.lanes();
            lanes.closed = true;
            std::mem::take(&mut lanes.by_key)
        };
        let mut ends = JoinSet::new();
        for lane in lanes.into_values() {
            ends.spawn(async move { lane.end(Reason::Cancelled).await });
        }
        while ends.join_next().await.is_some() {}
    }
}
