//! Streams that stay open: what changed for a client that listens (MCP 2025-11-25, Transports; 2026-07-28,
//! Subscriptions). Must never tell of anything but the caller's own view, nor outlive its credential by more than a
//! keep-alive.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use call::Watch;
use http::Request;
use hyper::body::Incoming;
use mcp::answer;
use mcp::fault::ProtocolFault;
use mcp::jsonrpc::RequestId;
use mcp::request::Listen;
use mcp::sse;
use model::denial::{Denial, Reason};
use tokio::sync::mpsc;

use super::Exchange;
use super::calls::{STREAM_AFTER, STREAM_QUEUE};
use super::per_agent::{Held, PerAgent};
use super::sessions::Session;
use crate::listen::{Shutdown, stopped};
use crate::reply::{self, Reply};

/// Streams one agent may have open.
const PER_AGENT_MAX: u64 = 64;
/// Between two notifications: a client asks for the whole list after each.
const PAUSE: Duration = Duration::from_secs(1);

/// The streams that are open, by agent.
pub(super) struct Streams(PerAgent);

impl Default for Streams {
    fn default() -> Self {
        Self(PerAgent::new(PER_AGENT_MAX))
    }
}

impl Streams {
    /// Whether anybody listens.
    pub(super) fn any(&self) -> bool {
        self.0.any()
    }
}

impl Exchange<'_> {
    /// GET: the stream on which a session is told what changed.
    pub(super) async fn listen(&self, request: &Request<Incoming>) -> Reply {
        if !self.accepts.events {
            return reply::refusal(406, "not_acceptable", "accept `text/event-stream`");
        }
        let session = match self.session_of(request).await {
            Ok(session) => session,
            Err(refusal) => return *refusal,
        };
        let begun = self.begin(session.told());
        match begun {
            Ok((place, watch)) => {
                let over = session.stream();
                session.tell(watch.shown());
                let pump = Pump { watch, message: Some(answer::tools_changed(None)), _place: place };
                let (sender, receiver) = mpsc::channel(STREAM_QUEUE);
                let (session, shutdown) = (Arc::downgrade(&session), self.face.shutdown.clone());
                tokio::spawn(of_session(pump, sender, session, (over, shutdown)));
                reply::events(receiver)
            }
            Err(denial) => self.stream_refused(denial, "").await,
        }
    }

    /// `subscriptions/listen`.
    pub(super) async fn subscribe(&self, id: RequestId, wanted: Listen, declares_tasks: bool) -> Reply {
        const METHOD: &str = "subscriptions/listen";
        if wanted.tasks && !declares_tasks {
            return self.fault(ProtocolFault::tasks_undeclared().with_id(Some(id)), METHOD).await;
        }
        if !self.accepts.events {
            return reply::refusal(406, "not_acceptable", "accept `text/event-stream`");
        }
        match self.begin(None) {
            Ok((place, watch)) => {
                let message = wanted.tools.then(|| answer::tools_changed(Some(&id)));
                let pump = Pump { watch, message, _place: place };
                let (sender, receiver) = mpsc::channel(STREAM_QUEUE);
                let shutdown = self.face.shutdown.clone();
                tokio::spawn(of_request(pump, sender, (id, wanted), shutdown));
                reply::events(receiver)
            }
            Err(denial) => self.stream_refused(denial, METHOD).await,
        }
    }

    fn begin(&self, told: Option<model::digest::Digest>) -> Result<(Held, Watch), Denial> {
        let agent = &self.caller.principal().agent;
        let place = self.face.streams.0.hold(agent, 1).ok_or_else(|| {
            let text = format!("this agent has {PER_AGENT_MAX} streams open already; close one");
            Denial::new(Reason::LimitExceeded, text)
        })?;
        let door = Arc::clone(&self.face.door);
        Ok((place, Watch::new(door, self.caller.clone(), self.endpoint.clone(), told)?))
    }

    async fn stream_refused(&self, denial: Denial, method: &str) -> Reply {
        let (code, text) = (denial.reason.code(), denial.public.clone());
        if denial.reason == Reason::LimitExceeded {
            // A client that tries again and again fills no record.
            self.face.door.noise().count(denial.reason, self.face.door.ports());
            return reply::refusal(429, code, &text);
        }
        match self.recorded(method, denial).await {
            Ok(()) => reply::refusal(503, code, &text),
            Err(refusal) => *refusal,
        }
    }
}

/// What keeps one stream.
struct Pump {
    watch: Watch,
    /// What is sent when other tools are shown; nothing when that was not asked for.
    message: Option<Bytes>,
    _place: Held,
}

/// Nobody listens any more, or nobody may.
struct Over;

impl Pump {
    /// Waits for one thing to happen and sends what it calls for. True when the client was told of a change.
    async fn turn(&mut self, sender: &mpsc::Sender<Bytes>) -> Result<bool, Over> {
        tokio::select! {
            biased;
            () = sender.closed() => Err(Over),
            changed = self.watch.changed() => {
                changed.map_err(|_| Over)?;
                let Some(message) = &self.message else { return Ok(false) };
                sender.send(sse::encode(message)).await.map_err(|_| Over)?;
                tokio::time::sleep(PAUSE).await;
                Ok(true)
            }
            () = tokio::time::sleep(STREAM_AFTER) => {
                self.watch.verify().await.map_err(|_| Over)?;
                sender.send(Bytes::from_static(sse::KEEP_ALIVE)).await.map_err(|_| Over)?;
                Ok(false)
            }
        }
    }
}

async fn of_session(
    mut pump: Pump,
    sender: mpsc::Sender<Bytes>,
    session: Weak<Session>,
    (over, mut shutdown): (impl Future<Output = ()>, Shutdown),
) {
    let pumping = async {
        while let Ok(told) = pump.turn(&sender).await {
            match session.upgrade() {
                Some(session) if told => session.tell(pump.watch.shown()),
                Some(_) => {}
                None => return,
            }
        }
    };
    tokio::select! {
        () = pumping => {}
        () = over => {}
        () = stopped(&mut shutdown) => {}
    }
}

async fn of_request(
    mut pump: Pump,
    sender: mpsc::Sender<Bytes>,
    (id, granted): (RequestId, Listen),
    mut shutdown: Shutdown,
) {
    if sender.send(sse::encode(&answer::acknowledged(&id, granted))).await.is_err() {
        return;
    }
    let pumping = async { while pump.turn(&sender).await.is_ok() {} };
    tokio::select! {
        () = pumping => {}
        () = stopped(&mut shutdown) => {}
    }
    // A client that is still there learns that this was the end, and not the network.
    drop(sender.send(sse::encode(&answer::listened(&id))).await);
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ids::AgentId;

    #[test]
    fn an_agent_has_so_many_streams_and_gets_the_places_back() {
        let (streams, agent) = (Streams::default(), AgentId::parse("ada").unwrap());
        let other = AgentId::parse("bob").unwrap();
        let mut held: Vec<Held> = std::iter::from_fn(|| streams.0.hold(&agent, 1)).take(1000).collect();
        assert_eq!(held.len() as u64, PER_AGENT_MAX);
        assert!(streams.0.hold(&other, 1).is_some(), "others have their own");
        held.pop();
        assert!(streams.0.hold(&agent, 1).is_some());
        assert!(streams.any());
        held.clear();
        assert!(!streams.any());
    }
}
