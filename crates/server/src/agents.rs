//! The agents' face: MCP on `/mcp` and `/mcp/{server}`, both eras on one URL.
//!
//! Must never read a body before its sender is identified, nor answer a request whose credential it did not verify
//! itself: a session id alone is never enough.

mod aimed;
mod answering;
mod bodies;
mod calls;
mod cursors;
mod legacy;
mod merged;
mod modern;
mod per_agent;
mod questions;
mod server_tasks;
mod sessions;
mod several;
mod streams;
mod subscriptions;
mod updates;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use call::{Caller, Door};
use http::{HeaderMap, HeaderName, Request, Response};
use hyper::body::{Body as _, Incoming};
use mcp::classify::{self, Headers, Route, Verb};
use mcp::fault::ProtocolFault;
use mcp::implementation::Implementation;
use mcp::inbound::{Inbound, parse_body};
use model::call::Endpoint;
use model::denial::{Denial, Reason};
use model::ids::ServerName;
use model::limits::JsonLimits;
use ports::identity::Presented;

use crate::body::{self, BodyFault, ReplyBody};
pub use crate::head::Allowed;
use crate::head::{self, Accepts};
use crate::listen::{self, Face, Shutdown};
use crate::reply::{self, Reply};
use bodies::Bodies;
use sessions::Sessions;
use streams::Streams;

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// What the face is told at start.
#[derive(Clone, Debug)]
pub struct FaceSettings {
    /// Hosts and origins.
    pub allowed: Allowed,
    /// Bounds on bodies.
    pub json: JsonLimits,
    /// Time for a body.
    pub body_within: Duration,
    /// Our version, shown to clients.
    pub version: String,
}

/// MCP over HTTP for agents.
pub struct AgentFace {
    door: Arc<Door>,
    settings: FaceSettings,
    server: Implementation,
    sessions: Sessions,
    streams: Streams,
    bodies: Bodies,
    shutdown: Shutdown,
}

/// One verified request on its way to an answer.
struct Exchange<'a> {
    face: &'a AgentFace,
    caller: Caller,
    endpoint: Endpoint,
    accepts: Accepts,
}

impl Face for AgentFace {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<ReplyBody> {
        self.route(request).await
    }
}

impl AgentFace {
    /// A face over a door. Its streams end at shutdown.
    #[must_use]
    pub fn new(door: Arc<Door>, settings: FaceSettings, shutdown: Shutdown) -> Arc<Self> {
        let server = Implementation::new("callgate", settings.version.clone());
        let (sessions, streams, bodies) = (Sessions::default(), Streams::default(), Bodies::default());
        Arc::new(Self { door, settings, server, sessions, streams, bodies, shutdown })
    }

    /// Whether anybody listens on a stream that stays open.
    #[must_use]
    pub fn is_listened_to(&self) -> bool {
        self.streams.any()
    }

    async fn route(&self, request: Request<Incoming>) -> Reply {
        if let Err(refusal) = head::check(&request, &self.settings.allowed) {
            return *refusal;
        }
        match request.uri().path() {
            "/healthz" | "/readyz" => return self.health(request.uri().path()),
            _ => {}
        }
        let Some(endpoint) = endpoint(request.uri().path()) else {
            return reply::refusal(404, "not_found", "no such path; MCP is at `/mcp` and `/mcp/{server}`");
        };
        let presented = head::presented_by_agent(&request);
        if let Presented::LocalPeer(peer) = &presented {
            tracing::debug!(uid = peer.uid, pid = peer.pid, agent = %peer.claim, "a local process asks");
        }
        let anything = !matches!(presented, Presented::Nothing);
        let caller = match self.door.identify(presented).await {
            Ok(caller) => caller,
            Err(denial) => return unauthorized(anything, &denial),
        };
        listen::settle(&request);
        let accepts = head::accepts(request.headers());
        Exchange { face: self, caller, endpoint, accepts }.answer(request).await
    }

    /// `/healthz`: the process answers. `/readyz`: calls can be decided and recorded.
    fn health(&self, path: &str) -> Reply {
        let ready = path == "/healthz" || self.door.ports().record.healthy();
        match ready {
            true => reply::json(200, Bytes::from_static(br#"{"status":"ok"}"#)),
            false => reply::json(503, Bytes::from_static(br#"{"status":"fenced"}"#)),
        }
    }
}

/// `presented`: whether anything was.
fn unauthorized(presented: bool, denial: &Denial) -> Reply {
    match denial.reason {
        Reason::Unauthenticated | Reason::InvalidCredential => {
            reply::unauthorized(presented, denial.reason.code(), &denial.public)
        }
        reason => reply::refusal(503, reason.code(), &denial.public),
    }
}

/// The door a path leads to. Any well-formed server name is a door: whether there is such a server is not told.
fn endpoint(path: &str) -> Option<Endpoint> {
    match path.strip_prefix("/mcp")? {
        "" | "/" => Some(Endpoint::All),
        rest => ServerName::parse(rest.strip_prefix('/')?).ok().map(Endpoint::Server),
    }
}

impl Exchange<'_> {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let verb = match Verb::read(request.method().as_str()) {
            Ok(verb) => verb,
            Err(fault) => return self.not_allowed(&fault).await,
        };
        match verb {
            Verb::Post => self.post(request).await,
            Verb::Delete => self.delete(&request).await,
            Verb::Get => self.listen(&request).await,
        }
    }

    async fn post(&self, request: Request<Incoming>) -> Reply {
        if !head::sends_json(request.headers()) {
            return self.head_refused(415, "send `Content-Type: application/json`").await;
        }
        if !self.accepts.json {
            return reply::refusal(
                406,
                "not_acceptable",
                "accept `application/json` and `text/event-stream`",
            );
        }
        let (parts, incoming) = request.into_parts();
        let settings = &self.face.settings;
        let agent = &self.caller.principal().agent;
        let Ok(_room) = self.face.bodies.hold(agent, incoming.size_hint().lower()) else {
            return self
                .head_refused(429, "this agent is already sending as much as it may; try again")
                .await;
        };
        let text = match body::read(incoming, settings.json.bytes_max, settings.body_within).await {
            Ok(text) => text,
            Err(fault) => return self.body_refused(fault).await,
        };
        let values = HeaderValues::of(&parts.headers);
        let headers = values.as_headers();
        let message = match parse_body(&text, &settings.json) {
            Ok(message) => message,
            Err(fault) => return self.fault(fault, "").await,
        };
        match classify::classify(&headers, &message) {
            Ok(route) => self.dispatch(route, message, &parts.headers).await,
            Err(fault) => self.fault(fault, method(&message)).await,
        }
    }

    async fn dispatch(&self, route: Route<'_>, message: Inbound, headers: &HeaderMap) -> Reply {
        match (route, message) {
            (Route::Modern(envelope), Inbound::Request(request)) => {
                self.modern(request, &envelope, headers).await
            }
            (Route::ModernNotification, _) => reply::empty(202),
            (Route::LegacyInitialize, Inbound::Request(request)) => self.initialize(request).await,
            (Route::Legacy(session), message) => self.legacy(&session, message).await,
            (Route::Modern(_) | Route::LegacyInitialize, message) => {
                let fault = ProtocolFault::invalid_request("this message is not a request");
                self.fault(fault, method(&message)).await
            }
        }
    }

    async fn body_refused(&self, fault: BodyFault) -> Reply {
        let (status, text) = match fault {
            BodyFault::TooLarge => (413, "the body is larger than allowed"),
            BodyFault::TooSlow => (408, "the body did not arrive in time"),
            BodyFault::Broken => (400, "the body ended early"),
        };
        self.head_refused(status, text).await
    }

    /// Refuses what was wrong before there was a message, after it is recorded.
    async fn head_refused(&self, status: u16, text: &str) -> Reply {
        match self.recorded("", Denial::new(Reason::Malformed, text)).await {
            Ok(()) => reply::refusal(status, Reason::Malformed.code(), text),
            Err(refusal) => *refusal,
        }
    }

    async fn not_allowed(&self, fault: &ProtocolFault) -> Reply {
        match self.recorded("", Denial::new(fault.reason(), fault.error.message.clone())).await {
            Ok(()) => reply::method_not_allowed(fault.message()),
            Err(refusal) => *refusal,
        }
    }

    /// Answers a protocol fault, after it is recorded.
    async fn fault(&self, fault: ProtocolFault, method: &str) -> Reply {
        match self.recorded(method, Denial::new(fault.reason(), fault.error.message.clone())).await {
            Ok(()) => reply::json(fault.status, fault.message()),
            Err(refusal) => *refusal,
        }
    }

    /// Records a refusal; when that fails the caller learns only that nothing can be decided now.
    async fn recorded(&self, method: &str, denial: Denial) -> Result<(), Box<Reply>> {
        let reason = denial.reason;
        let refused = self.face.door.refuse(&self.caller, &self.endpoint, method, denial).await;
        if refused.denial.reason == reason {
            return Ok(());
        }
        let denial = refused.denial;
        let status = if denial.reason == Reason::LimitExceeded { 429 } else { 503 };
        Err(Box::new(reply::refusal(status, denial.reason.code(), &denial.public)))
    }
}

fn method(message: &Inbound) -> &str {
    match message {
        Inbound::Request(request) => &request.method,
        Inbound::Notification(notification) => &notification.method,
        Inbound::Response(_) => "",
    }
}

/// The values the classifier compares.
struct HeaderValues<'a> {
    version: Vec<&'a str>,
    method: Vec<&'a str>,
    name: Vec<&'a str>,
    session: Vec<&'a str>,
}

impl<'a> HeaderValues<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        Self {
            version: head::all(headers, &PROTOCOL_VERSION),
            method: head::all(headers, &METHOD),
            name: head::all(headers, &NAME),
            session: head::all(headers, &SESSION),
        }
    }

    fn as_headers(&self) -> Headers<'_> {
        Headers {
            protocol_version: &self.version,
            method: &self.method,
            name: &self.name,
            session: &self.session,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_doors() {
        assert_eq!(endpoint("/mcp"), Some(Endpoint::All));
        assert_eq!(endpoint("/mcp/"), Some(Endpoint::All));
        assert_eq!(endpoint("/mcp/git"), ServerName::parse("git").ok().map(Endpoint::Server));
        for wrong in ["/", "/mcpx", "/mcp/a/b", "/mcp/%67it", "/mcp/A", "/admin"] {
            assert_eq!(endpoint(wrong), None, "{wrong}");
        }
    }
}
