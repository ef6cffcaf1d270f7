//! Messages of the session revisions. A session is a convenience of the protocol: it must never stand in for the
//! credential, which every request brings anew.

use std::sync::Arc;

use http::HeaderValue;
use http::Request;
use hyper::body::Incoming;
use mcp::answer;
use mcp::classify::{self, Session as Claimed};
use mcp::declared;
use mcp::fault::ProtocolFault;
use mcp::inbound::{Inbound, InboundRequest};
use mcp::jsonrpc::result_message;
use mcp::request::{ClientNotification, ClientRequest};
use mcp::version::{Era, ProtocolVersion};
use model::denial::Denial;
use model::digest::hex;

use super::calls::Way;
use super::sessions::Session;
use super::{Exchange, HeaderValues, SESSION, method};
use crate::reply::{self, Reply};

impl Exchange<'_> {
    pub(super) async fn initialize(&self, request: InboundRequest) -> Reply {
        let (id, request) = match request.read(Era::Legacy) {
            Ok(read) => read,
            Err(fault) => return self.fault(fault, "initialize").await,
        };
        let ClientRequest::Initialize(asked) = request else {
            let fault = ProtocolFault::invalid_request("this is not `initialize`").with_id(Some(id));
            return self.fault(fault, "initialize").await;
        };
        let version = ProtocolVersion::negotiate(&asked.protocol_version);
        let mut random = [0u8; 32];
        if let Err(fault) = self.face.door.ports().entropy.fill(&mut random) {
            let denial = Denial::indeterminate(fault.to_string());
            return reply::refusal(503, denial.reason.code(), &denial.public);
        }
        let session = hex(&random);
        let now = self.face.door.ports().clock.elapsed();
        let agent = self.caller.principal().agent.clone();
        let client = declared::in_revision(asked.client, version);
        let opened = Session::new(agent, self.endpoint.clone(), version, client);
        self.face.sessions.insert(&session, opened, now);
        let methods = self.face.door.methods(&self.caller, &self.endpoint);
        let result = answer::initialize(version, &self.face.server, &methods);
        let mut reply = reply::json(200, result_message(&id, &result));
        if let Ok(value) = HeaderValue::from_str(&session) {
            reply.headers_mut().insert(SESSION, value);
        }
        reply
    }

    pub(super) async fn legacy(&self, claimed: &Claimed<'_>, message: Inbound) -> Reply {
        let now = self.face.door.ports().clock.elapsed();
        let agent = &self.caller.principal().agent;
        let Some(session) = self.face.sessions.find(claimed.id, agent, &self.endpoint, now) else {
            let fault = ProtocolFault::session_unknown().with_id(message.request_id().cloned());
            return self.fault(fault, method(&message)).await;
        };
        if claimed.version.is_some_and(|version| version != session.version) {
            let text = format!("`MCP-Protocol-Version` must be `{}`, as negotiated", session.version);
            let fault = ProtocolFault::invalid_request(text).with_id(message.request_id().cloned());
            return self.fault(fault, method(&message)).await;
        }
        match message {
            Inbound::Request(request) => self.legacy_request(&session, request).await,
            Inbound::Notification(notification) => {
                if let ClientNotification::Cancelled { request } = notification.read() {
                    session.cancel(&request);
                }
                reply::empty(202)
            }
            Inbound::Response(response)
                if session.questions.answer(&response.id, response.result.clone()) =>
            {
                reply::empty(202)
            }
            Inbound::Response(_) => {
                let fault = ProtocolFault::invalid_request("there is no request of ours to answer");
                self.fault(fault, "").await
            }
        }
    }

    async fn legacy_request(&self, session: &Arc<Session>, request: InboundRequest) -> Reply {
        let method = request.method.clone();
        let (id, request) = match request.read(Era::Legacy) {
            Ok(read) => read,
            Err(fault) => return self.fault(fault, &method).await,
        };
        match request {
            ClientRequest::Ping => reply::json(200, result_message(&id, &answer::empty())),
            ClientRequest::SetLogLevel(level) => {
                session.set_log_level(level);
                reply::json(200, result_message(&id, &answer::empty()))
            }
            ClientRequest::ListTools { cursor } => {
                let (reply, shown) = self.list(Era::Legacy, &id, cursor.as_deref()).await;
                shown.inspect(|shown| session.tell(*shown));
                reply
            }
            ClientRequest::Unsubscribe { uri } => self.unsubscribe(session, id, &uri).await,
            ClientRequest::Call(call) => self.call(Way::Legacy(Arc::clone(session)), id, *call).await,
            ClientRequest::Initialize(_) | ClientRequest::Discover | ClientRequest::Listen(_) => {
                let fault = ProtocolFault::method(Era::Legacy, &method).with_id(Some(id));
                self.fault(fault, &method).await
            }
        }
    }

    /// DELETE ends a session.
    pub(super) async fn delete(&self, request: &Request<Incoming>) -> Reply {
        let session = match self.session_of(request).await {
            Ok(session) => session,
            Err(refusal) => return *refusal,
        };
        session.cancel_all();
        self.face.sessions.remove(&session);
        reply::empty(204)
    }

    /// The session that a request without a message is about.
    pub(super) async fn session_of(&self, request: &Request<Incoming>) -> Result<Arc<Session>, Box<Reply>> {
        let values = HeaderValues::of(request.headers());
        let found = classify::session(&values.as_headers()).and_then(|claimed| {
            let now = self.face.door.ports().clock.elapsed();
            let agent = &self.caller.principal().agent;
            let found = self.face.sessions.find(claimed.id, agent, &self.endpoint, now);
            found.ok_or_else(ProtocolFault::session_unknown)
        });
        match found {
            Ok(session) => Ok(session),
            Err(fault) => Err(Box::new(self.fault(fault, "").await)),
        }
    }
}
