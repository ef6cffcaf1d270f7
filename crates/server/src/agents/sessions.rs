//! Sessions of the older revisions, in memory. Must never be found by another agent, or at another endpoint, than
//! the one that opened them: that looks the same as a session that never was.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use call::open_calls::CancelToken;
use mcp::jsonrpc::RequestId;
use mcp::version::ProtocolVersion;
use model::call::Endpoint;
use model::client::{ClientCapabilities, LogLevel};
use model::denial::Reason;
use model::digest::Digest;
use model::ids::AgentId;
use tokio::sync::watch;

use super::questions::Questions;
use super::updates::Updates;

/// Sessions one agent can have; opening another ends the one longest unused.
const PER_AGENT_MAX: usize = 256;
/// A session unused for this long is gone.
const IDLE_MAX: Duration = Duration::from_secs(24 * 3600);

/// What a client hears that never said (MCP 2025-11-25, Logging, leaves it open): most servers mean it to.
const LOG_LEVEL: LogLevel = LogLevel::Info;

/// One session.
pub(super) struct Session {
    agent: AgentId,
    endpoint: Endpoint,
    pub(super) version: ProtocolVersion,
    /// What its client can be asked.
    pub(super) client: ClientCapabilities,
    /// What it was asked.
    pub(super) questions: Questions,
    /// What it subscribed to.
    pub(super) updates: Updates,
    log: Mutex<LogLevel>,
    open: Mutex<HashMap<RequestId, CancelToken>>,
    used_millis: AtomicU64,
    /// What tools the client was last told of.
    told: Mutex<Option<Digest>>,
    /// The number of its newest stream: a newer one ends the one before.
    stream: watch::Sender<u64>,
}

impl Session {
    pub(super) fn new(
        agent: AgentId,
        endpoint: Endpoint,
        version: ProtocolVersion,
        client: ClientCapabilities,
    ) -> Self {
        Self {
            agent,
            endpoint,
            version,
            client,
            questions: Questions::default(),
            updates: Updates::default(),
            log: Mutex::new(LOG_LEVEL),
            open: Mutex::default(),
            used_millis: AtomicU64::new(0),
            told: Mutex::default(),
            stream: watch::Sender::new(0),
        }
    }

    /// From which level on the client hears what servers log.
    pub(super) fn log_level(&self) -> LogLevel {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client wants to hear from here on.
    pub(super) fn set_log_level(&self, level: LogLevel) {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = level;
    }

    /// What tools the client was last told of, if it ever was.
    pub(super) fn told(&self) -> Option<Digest> {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It was told of these.
    pub(super) fn tell(&self, shown: Digest) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
    }

    /// A stream of this session begins. The future resolves when a newer one does, or when the session is gone.
    pub(super) fn stream(&self) -> impl Future<Output = ()> + Send + use<> {
        self.stream.send_modify(|number| *number += 1);
        let mut newest = self.stream.subscribe();
        let own = *newest.borrow_and_update();
        async move { drop(newest.wait_for(|number| *number != own).await) }
    }

    /// Reserves the id of a call about to start. False when a call of that id is under way: ids are unique among
    /// a client's open requests (MCP, Base protocol), and one could not be cancelled beside the other.
    pub(super) fn reserve(&self, id: &RequestId) -> bool {
        match self.open().entry(id.clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(CancelToken::default());
                true
            }
        }
    }

    /// A reserved call is under way.
    pub(super) fn enter(&self, id: RequestId, cancel: CancelToken) {
        let reserved = self.open().insert(id, cancel.clone());
        // Cancelled between its two steps.
        if let Some(reason) = reserved.and_then(|token| token.reason()) {
            cancel.cancel(reason);
        }
    }

    /// The session ends, and the calls of it.
    pub(super) fn cancel_all(&self) {
        for token in self.open().values() {
            token.cancel(Reason::Cancelled);
        }
    }

    /// It ended.
    pub(super) fn leave(&self, id: &RequestId) {
        self.open().remove(id);
    }

    /// The client cancelled it; ids that are not open are ignored (MCP, Cancellation).
    pub(super) fn cancel(&self, id: &RequestId) {
        if let Some(token) = self.open().get(id) {
            token.cancel(Reason::Cancelled);
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<RequestId, CancelToken>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self) -> u64 {
        self.used_millis.load(Ordering::Relaxed)
    }
}

/// All sessions of this node.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<Box<str>, Arc<Session>>>);

impl Sessions {
    /// Opens a session under an unguessable id.
    pub(super) fn insert(&self, id: &str, session: Session, now: Duration) {
        let now = millis(now);
        session.used_millis.store(now, Ordering::Relaxed);
        let mut all = self.lock();
        all.retain(|_, kept| now.saturating_sub(kept.used()) < millis(IDLE_MAX));
        let of_agent = all.iter().filter(|(_, kept)| kept.agent == session.agent);
        let (count, oldest) = of_agent.fold((0, None::<(u64, Box<str>)>), |(count, oldest), (id, kept)| {
            let older = oldest.as_ref().is_none_or(|(used, _)| kept.used() < *used);
            (count + 1, if older { Some((kept.used(), id.clone())) } else { oldest })
        });
        if let (true, Some((_, oldest))) = (count >= PER_AGENT_MAX, oldest) {
            all.remove(&oldest);
        }
        all.insert(Box::from(id), Arc::new(session));
    }

    /// The session, if it is this agent's, at this endpoint.
    pub(super) fn find(
        &self,
        id: &str,
        agent: &AgentId,
        endpoint: &Endpoint,
        now: Duration,
    ) -> Option<Arc<Session>> {
        let session = self.lock().get(id).cloned()?;
        let unused = millis(now).saturating_sub(session.used());
        if session.agent != *agent || session.endpoint != *endpoint || unused >= millis(IDLE_MAX) {
            return None;
        }
        session.used_millis.store(millis(now), Ordering::Relaxed);
        Some(session)
    }

    /// Ends a session.
    pub(super) fn remove(&self, session: &Arc<Session>) {
        self.lock().retain(|_, kept| !Arc::ptr_eq(kept, session));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str) -> AgentId {
        AgentId::parse(name).unwrap()
    }

    fn session(name: &str) -> Session {
        Session::new(agent(name), Endpoint::All, ProtocolVersion::V2025_11_25, ClientCapabilities::NONE)
    }

    #[test]
    fn a_session_is_found_only_by_its_agent_at_its_endpoint_while_it_lives() {
        let sessions = Sessions::default();
        let now = Duration::from_secs(5);
        sessions.insert("s", session("a"), now);
        let git = Endpoint::Server(model::ids::ServerName::parse("git").unwrap());
        assert!(sessions.find("s", &agent("a"), &Endpoint::All, now).is_some());
        assert!(sessions.find("s", &agent("b"), &Endpoint::All, now).is_none());
        assert!(sessions.find("s", &agent("a"), &git, now).is_none());
        assert!(sessions.find("s", &agent("a"), &Endpoint::All, now + IDLE_MAX).is_none());
        sessions.remove(&sessions.find("s", &agent("a"), &Endpoint::All, now).unwrap());
        assert!(sessions.find("s", &agent("a"), &Endpoint::All, now).is_none());
    }

    #[test]
    fn one_agent_cannot_fill_the_table_nor_push_out_another() {
        let sessions = Sessions::default();
        sessions.insert("other", session("b"), Duration::ZERO);
        for number in 0..PER_AGENT_MAX + 10 {
            let at = Duration::from_millis(number as u64 + 1);
            sessions.insert(&format!("s{number}"), session("a"), at);
        }
        let at = Duration::from_secs(10);
        assert!(sessions.find("s9", &agent("a"), &Endpoint::All, at).is_none());
        assert!(sessions.find("s10", &agent("a"), &Endpoint::All, at).is_some());
        assert!(sessions.find("other", &agent("b"), &Endpoint::All, at).is_some());
    }

    #[tokio::test]
    async fn a_stream_ends_when_a_newer_one_begins_or_the_session_is_gone() {
        let session = session("a");
        let first = session.stream();
        let second = session.stream();
        first.await;
        let mut second = Box::pin(second);
        assert!(is_pending(&mut second).await);
        drop(session);
        second.await;
    }

    async fn is_pending(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
        tokio::select! {
            biased;
            () = future => false,
            () = std::future::ready(()) => true,
        }
    }

    #[test]
    fn a_call_cancelled_before_it_started_is_cancelled_as_it_starts() {
        let session = session("a");
        assert!(session.reserve(&RequestId::ours(1)));
        session.cancel(&RequestId::ours(1));
        let token = CancelToken::default();
        session.enter(RequestId::ours(1), token.clone());
        assert_eq!(token.reason(), Some(Reason::Cancelled));
    }

    #[test]
    fn cancelling_reaches_the_open_call_and_ignores_others() {
        let session = session("a");
        let token = CancelToken::default();
        assert!(session.reserve(&RequestId::ours(1)));
        assert!(!session.reserve(&RequestId::ours(1)));
        session.enter(RequestId::ours(1), token.clone());
        session.cancel(&RequestId::ours(2));
        assert_eq!(token.reason(), None);
        session.cancel(&RequestId::ours(1));
        assert_eq!(token.reason(), Some(Reason::Cancelled));
        session.leave(&RequestId::ours(1));
        assert!(session.reserve(&RequestId::ours(1)));
    }
}
