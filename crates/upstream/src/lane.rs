//! One lane: the connection of one agent, or of all when the server is shareable. Must never hand an agent's
//! connection to another, nor start a server again before its pause is over.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use model::client::ClientCapabilities;
use model::denial::Reason;
use model::ids::AgentId;
use ports::secret::Secret;
use ports::tokens::Stamp;
use ports::upstream::UpstreamFault;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Duration, Instant};

use crate::connection::Connection;
use crate::fault::{before_call, not_sent, unavailable};
use crate::server::Server;

/// Whose connection a lane is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum LaneKey {
    /// Everybody's: the server keeps no state of a caller.
    Shared,
    /// One agent's, and what its client can be asked: a server with sessions is told when one begins.
    Agent(AgentId, ClientCapabilities),
    /// Nobody's: it lists what the server offers, and is closed.
    Discovery,
}

impl LaneKey {
    /// A directory name that no other lane has.
    pub(crate) fn directory(&self) -> String {
        match self {
            Self::Shared => "shared".to_owned(),
            Self::Agent(agent, client) if client.is_empty() => format!("agent-{agent}"),
            // No name of an agent has this mark.
            Self::Agent(agent, client) => format!("agent-{agent}+{}", client.bits()),
            Self::Discovery => "discovery".to_owned(),
        }
    }

    /// What the server is told that it may ask.
    pub(crate) const fn client(&self) -> ClientCapabilities {
        match self {
            Self::Agent(_, client) => *client,
            Self::Shared | Self::Discovery => ClientCapabilities::NONE,
        }
    }

    /// Whether it is one of this agent's.
    pub(crate) fn is_of(&self, agent: &AgentId) -> bool {
        matches!(self, Self::Agent(own, _) if own == agent)
    }
}

type Outcome = Option<Result<Arc<Connection>, UpstreamFault>>;

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    starting: Option<watch::Receiver<Outcome>>,
    failures: u32,
    not_before: Option<Instant>,
    /// What was sealed when a start failed.
    sealed: Option<Stamp>,
    /// The task that starts the connection.
    starter: Option<AbortHandle>,
    watched: bool,
    /// Set once ended: why.
    ended: Option<Reason>,
}

/// One lane.
pub(crate) struct Lane {
    key: LaneKey,
    state: Mutex<State>,
    open: AtomicUsize,
    last_used: Mutex<Instant>,
}

/// One open call of a lane; its place is free again when this is dropped.
pub(crate) struct Place(Arc<Lane>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
        self.0.touch();
    }
}

/// What to do next to have a connection.
enum Step {
    Use(Arc<Connection>),
    Await(watch::Receiver<Outcome>),
    Pause(Instant),
    Fail(UpstreamFault),
}

impl Lane {
    pub(crate) fn new(key: LaneKey) -> Self {
        let last_used = Mutex::new(Instant::now());
        Self { key, state: Mutex::default(), open: AtomicUsize::new(0), last_used }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn touch(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Takes a place for one call.
    pub(crate) fn enter(self: &Arc<Self>, server: &Server) -> Result<Place, UpstreamFault> {
        self.touch();
        let max = server.config.limits.calls_max;
        if self.open.fetch_add(1, Ordering::AcqRel) >= max {
            self.open.fetch_sub(1, Ordering::AcqRel);
            let text = format!("{max} calls are open already; try again when one has ended");
            return Err(not_sent(Reason::LimitExceeded, &server.config.name, text));
        }
        Ok(Place(Arc::clone(self)))
    }

    /// The lane's connection, if it has one that serves.
    pub(crate) fn live(&self) -> Option<Arc<Connection>> {
        self.state().connection.clone().filter(|connection| connection.alive())
    }

    /// The lane's connection, started when there is none. The start goes on when the caller stops waiting.
    pub(crate) async fn connection(
        self: &Arc<Self>,
        server: &Arc<Server>,
        credential: Option<&Secret>,
    ) -> Result<Arc<Connection>, UpstreamFault> {
        loop {
            let step = self.step(server, credential);
            match step {
                Step::Use(connection) => return Ok(connection),
                Step::Fail(fault) => return Err(fault),
                Step::Pause(until) => tokio::time::sleep_until(until).await,
                Step::Await(mut starting) => {
                    let outcome = starting.wait_for(Option::is_some).await;
                    return match outcome.as_deref() {
                        Ok(Some(result)) => result.clone().map_err(before_call),
                        _ => Err(self.state().interrupted(server)),
                    };
                }
            }
        }
    }

    fn step(self: &Arc<Self>, server: &Arc<Server>, credential: Option<&Secret>) -> Step {
        /// A pause up to this is waited for; longer ones are told.
        const PATIENCE: Duration = Duration::from_secs(1);
        let mut state = self.state();
        if state.ended.is_some() {
            return Step::Fail(state.interrupted(server));
        }
        if let Some(connection) = state.connection.take() {
            if connection.alive() {
                state.connection = Some(Arc::clone(&connection));
                return Step::Use(connection);
            }
            state.failures = if connection.served() { 0 } else { state.failures };
            state.pause(server);
            tokio::spawn(async move { connection.close(Reason::Cancelled).await });
        }
        if let Some(starting) = &state.starting {
            if starting.has_changed().is_ok() || starting.borrow().is_some() {
                return Step::Await(starting.clone());
            }
            state.starting = None;
            state.pause(server);
        }
        if state.not_before.is_some() && state.sealed != Some(server.sealed_stamp()) {
            // A secret or a login came: that may be what was missing.
            (state.not_before, state.failures) = (None, 0);
        }
        match state.not_before {
            Some(at) if at > Instant::now() + PATIENCE => {
                let text = format!(
                    "it failed {} times in a row; next attempt in {} s",
                    state.failures,
                    (at - Instant::now()).as_secs() + 1
                );
                Step::Fail(unavailable(&server.config.name, text))
            }
            Some(at) if at > Instant::now() => Step::Pause(at),
            _ => Step::Await(self.start(&mut state, server, credential.cloned())),
        }
    }

    fn start(
        self: &Arc<Self>,
        state: &mut State,
        server: &Arc<Server>,
        credential: Option<Secret>,
    ) -> watch::Receiver<Outcome> {
        let (tell, starting) = watch::channel(None);
        state.starting = Some(starting.clone());
        if !std::mem::replace(&mut state.watched, true) {
            tokio::spawn(watch_idle(Arc::downgrade(self), Arc::downgrade(server)));
        }
        let (lane, server) = (Arc::clone(self), Arc::clone(server));
        let task = tokio::spawn(async move {
            let result = server.connect(&lane.key, credential.as_ref()).await;
            let started = lane.started(&server, result);
            if started.is_ok() {
                // Who listens hears what the first call changes.
                server.note_begun();
                server.ears.settled(&lane.key).await;
            }
            tell.send_replace(Some(started));
        });
        state.starter = Some(task.abort_handle());
        starting
    }

    fn started(
        &self,
        server: &Server,
        result: Result<Arc<Connection>, UpstreamFault>,
    ) -> Result<Arc<Connection>, UpstreamFault> {
        let mut state = self.state();
        state.starting = None;
        state.starter = None;
        match result {
            Ok(connection) => {
                if let Some(reason) = state.ended {
                    tokio::spawn(async move { connection.close(reason).await });
                    return Err(state.interrupted(server));
                }
                state.connection = Some(Arc::clone(&connection));
                Ok(connection)
            }
            Err(fault) => {
                state.pause(server);
                Err(fault)
            }
        }
    }

    /// Ends the lane for good: what is open on it fails for this reason.
    pub(crate) async fn end(&self, reason: Reason) {
        let connection = {
            let mut state = self.state();
            state.ended = Some(reason);
            if let Some(starter) = state.starter.take() {
                starter.abort();
            }
            state.connection.take()
        };
        if let Some(connection) = connection {
            connection.close(reason).await;
        }
    }

    /// How long ago the lane was last used; `None` while calls are open.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        let idle = self.open.load(Ordering::Acquire) == 0;
        idle.then(|| self.last_used.lock().unwrap_or_else(PoisonError::into_inner).elapsed())
    }

    pub(crate) const fn key(&self) -> &LaneKey {
        &self.key
    }
}

impl State {
    /// Why a start that was waited for came to nothing, or none is made.
    fn interrupted(&self, server: &Server) -> UpstreamFault {
        let name = &server.config.name;
        match self.ended {
            Some(Reason::Revoked) => not_sent(Reason::Revoked, name, "the agent it served was removed"),
            Some(_) => unavailable(name, "its connection was ended; try again"),
            None => unavailable(name, "starting it was interrupted; try again"),
        }
    }

    /// One failure more: the next start waits, longer each time.
    fn pause(&mut self, server: &Server) {
        let limits = &server.config.limits;
        let doubled = limits.backoff_first.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(Instant::now() + doubled.min(limits.backoff_max));
        self.sealed = Some(server.sealed_stamp());
    }
}

/// Ends the lane once it was idle for long enough.
async fn watch_idle(lane: Weak<Lane>, server: Weak<Server>) {
    loop {
        let (limit, idle) = match (lane.upgrade(), server.upgrade()) {
            (Some(lane), Some(server)) if lane.state().ended.is_none() => {
                let listened = server.ears.any(&lane.key);
                (server.config.limits.idle, lane.idle_for().filter(|_| !listened))
            }
            _ => return,
        };
        match idle {
            Some(idle) if idle >= limit => break,
            idle => tokio::time::sleep(limit.saturating_sub(idle.unwrap_or_default())).await,
        }
    }
    if let (Some(lane), Some(server)) = (lane.upgrade(), server.upgrade()) {
        server.retire(&lane).await;
    }
}
