//! Streams that stay open: what changed for a client that listens (MCP 2025-11-25, Transports; 2026-07-28,
//! Subscriptions). Must never tell of anything but the caller's own view, nor outlive its credential by more than a
//! keep-alive.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use call::{Changed, Watch};
use http::Request;
use hyper::body::Incoming;
use mcp::announce::{self, List};
use mcp::jsonrpc::RequestId;
use mcp::request::Listen;
use mcp::sse;
use model::client::ClientCapabilities;
use model::denial::{Denial, Reason};
use tokio::sync::mpsc;

use super::Exchange;
use super::calls::{STREAM_AFTER, STREAM_QUEUE};
use super::per_agent::{Held, PerAgent};
use super::sessions::Session;
use super::subscriptions::Pending;
use super::updates::{Heard, Updates};
use crate::listen::{Shutdown, stopped};
use crate::reply::{self, Reply};

/// Streams one agent may have open.
const PER_AGENT_MAX: u64 = 64;
/// Between two notifications: a client asks for the whole list after each.
const PAUSE: Duration = Duration::from_secs(1);
/// Between resources that changed: a client reads each after it is told.
const BETWEEN_UPDATES: Duration = Duration::from_millis(100);

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
                let granted = Changed { tools: true, prompts: true, resources: true };
                let pump = Pump { watch, granted, about: None, _place: place };
                let (sender, receiver) = mpsc::channel(STREAM_QUEUE);
                let shutdown = self.face.shutdown.clone();
                tokio::spawn(of_session(pump, sender, session, (over, shutdown)));
                reply::events(receiver)
            }
            Err(denial) => self.stream_refused(denial, "").await,
        }
    }

    /// `subscriptions/listen`.
    pub(super) async fn subscribe(&self, id: RequestId, wanted: Listen, client: ClientCapabilities) -> Reply {
        if !self.accepts.events {
            return reply::refusal(406, "not_acceptable", "accept `text/event-stream`");
        }
        match self.begin(None) {
            Ok((place, watch)) => {
                let mut pending = Vec::with_capacity(wanted.uris.len());
                for uri in &wanted.uris {
                    pending.extend(self.wanted(uri, client).await);
                }
                let (sender, receiver) = mpsc::channel(STREAM_QUEUE);
                let listening = Listening { watch, place, id, wanted, client, pending };
                tokio::spawn(of_request(listening, sender, self.face.shutdown.clone()));
                reply::events(receiver)
            }
            Err(denial) => self.stream_refused(denial, "subscriptions/listen").await,
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
            let (door, agent) = (&self.face.door, &self.caller.principal().agent);
            door.noise().count_of(denial.reason, agent, door.ports());
            return reply::refusal(429, code, &text);
        }
        match self.recorded(method, denial).await {
            Ok(()) => reply::refusal(503, code, &text),
            Err(refusal) => *refusal,
        }
    }
}

/// A request that listens, before it was said what is granted.
struct Listening {
    watch: Watch,
    place: Held,
    id: RequestId,
    wanted: Listen,
    client: ClientCapabilities,
    pending: Vec<Pending>,
}

/// What keeps one stream.
struct Pump {
    watch: Watch,
    /// Which changes of lists the client is told.
    granted: Changed,
    /// The request it is told for; none where it is told in a session.
    about: Option<RequestId>,
    _place: Held,
}

/// Nobody listens any more, or nobody may.
struct Over;

impl Pump {
    /// Waits for one thing to happen and sends what it calls for. True when something changed that is shown.
    async fn turn(&mut self, sender: &mpsc::Sender<Bytes>, updates: &Heard) -> Result<bool, Over> {
        tokio::select! {
            biased;
            () = sender.closed() => Err(Over),
            changed = self.watch.changed() => {
                let changed = changed.map_err(|_| Over)?;
                let mut told = false;
                for (list, changed) in [
                    (List::Tools, changed.tools && self.granted.tools),
                    (List::Prompts, changed.prompts && self.granted.prompts),
                    (List::Resources, changed.resources && self.granted.resources),
                ] {
                    if changed {
                        self.say(sender, &announce::changed(list, self.about.as_ref())).await?;
                        told = true;
                    }
                }
                if told {
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(changed.tools)
            }
            uri = updates.next() => {
                let mut next = Some(uri);
                while let Some(uri) = next {
                    self.say(sender, &announce::updated(&uri, self.about.as_ref())).await?;
                    next = updates.take();
                }
                tokio::time::sleep(BETWEEN_UPDATES).await;
                Ok(false)
            }
            () = tokio::time::sleep(STREAM_AFTER) => {
                self.watch.verify().await.map_err(|_| Over)?;
                sender.send(Bytes::from_static(sse::KEEP_ALIVE)).await.map_err(|_| Over)?;
                Ok(false)
            }
        }
    }

    async fn say(&self, sender: &mpsc::Sender<Bytes>, message: &Bytes) -> Result<(), Over> {
        sender.send(sse::encode(message)).await.map_err(|_| Over)
    }
}

async fn of_session(
    mut pump: Pump,
    sender: mpsc::Sender<Bytes>,
    session: Arc<Session>,
    (over, mut shutdown): (impl Future<Output = ()>, Shutdown),
) {
    let client = session.client;
    let updates = session.updates.heard();
    // From here on the session may go.
    let session = {
        let weak = Arc::downgrade(&session);
        drop(session);
        weak
    };
    let pumping = async {
        pump.watch.hear_servers(client).await;
        while let Ok(changed) = pump.turn(&sender, &updates).await {
            match session.upgrade() {
                Some(session) if changed => session.tell(pump.watch.shown()),
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

async fn of_request(listening: Listening, sender: mpsc::Sender<Bytes>, mut shutdown: Shutdown) {
    let id = listening.id.clone();
    let updates = Updates::default();
    let pumping = async {
        let Some(mut pump) = granted(listening, &updates, &sender).await else { return };
        let heard = updates.heard();
        while pump.turn(&sender, &heard).await.is_ok() {}
    };
    tokio::select! {
        () = pumping => {}
        () = sender.closed() => return,
        () = stopped(&mut shutdown) => {}
    }
    // A client that is still there learns that this was the end, and not the network.
    drop(sender.send(sse::encode(&announce::listened(&id))).await);
}

/// Finds out what is granted, and says so before anything else.
async fn granted(listening: Listening, updates: &Updates, sender: &mpsc::Sender<Bytes>) -> Option<Pump> {
    let Listening { mut watch, place, id, wanted, client, pending } = listening;
    let mut uris = Vec::with_capacity(pending.len());
    for pending in pending {
        if let Some((uri, subscription)) = pending.granted().await {
            uris.push(uri.clone());
            updates.keep(uri, subscription);
        }
    }
    if wanted.tools || wanted.prompts || wanted.resources {
        watch.hear_servers(client).await;
    }
    let visible = watch.visible();
    let granted = Changed {
        tools: wanted.tools,
        prompts: wanted.prompts && visible.prompts,
        resources: wanted.resources && visible.resources,
    };
    let Changed { tools, prompts, resources } = granted;
    let acknowledged = Listen { tools, prompts, resources, uris, tasks: false };
    sender.send(sse::encode(&announce::acknowledged(&id, &acknowledged))).await.ok()?;
    Some(Pump { watch, granted, about: Some(id), _place: place })
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
