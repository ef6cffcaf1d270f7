//! What an upstream answers: from the message to the door. Must never give a call to a client whose parameters and headers
//! say different things, nor bring back a call for another request than the one it was suspended in.

use std::sync::Arc;
use std::time::Duration;

use call::{CallHandle, Whose};
use http::HeaderMap;
use mcp::fault::ProtocolFault;
use mcp::jsonrpc::RequestId;
use mcp::page;
use mcp::param_header::ParamHeaders;
use mcp::request::Call;
use mcp::retry::Retry;
use mcp::version::Era;
use model::call::{Endpoint, ToolCall};
use model::client::{ClientCapabilities, LogLevel};
use model::method::Method;
use ports::upstream::{Question, Reply as Answered};

use super::Exchange;
use super::answering::{Answering, Pages};
use super::cursors::{self, Cursors};
use super::sessions::Session;
use super::waiting::{Asks, Open, OpenCall, Place};
use crate::reply::Reply;

/// A call that takes longer is answered as a stream with keep-alives, if the client takes one.
pub(super) const STREAM_AFTER: Duration = Duration::from_secs(15);
/// Messages that wait for a slow reader.
pub(super) const STREAM_QUEUE: usize = 16;

impl Exchange<'_> {
    /// Compares the `Mcp-Param-*` headers with the arguments (MCP 2026-07-28, Transports), for a tool that the caller may
    /// know. Of annotations that break the rules nothing follows: no client may use such a tool by them.
    fn mirrored(&self, call: &ToolCall, headers: &HeaderMap) -> Result<(), ProtocolFault> {
        let definition = self.face.door.mirroring(&self.caller, call);
        let Some(Ok(mirrored)) =
            definition.map(|definition| ParamHeaders::of_schema(definition.input_schema()))
        else {
            return Ok(());
        };
        // A value that is no text is none of ours.
        let lines =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("=?base64?!?=")));
        let lines: Vec<_> = lines.filter(|(name, _)| name.starts_with("mcp-param-")).collect();
        mirrored.check(&call.arguments, &lines)
    }

    pub(super) async fn call(&self, way: Way<'_>, id: RequestId, mut call: Call) -> Reply {
        let retry = std::mem::take(&mut call.retry);
        let (mut call, token) = call.into_call(self.endpoint.clone());
        (call.meta.client, call.meta.log) = self.hears(&way);
        let (era, method, server) = (way.era(), call.method, self.face.server.clone());
        if self.endpoint == Endpoint::All && page::is_list(method) {
            let servers = self.face.door.servers_with(&self.caller, method);
            if !servers.is_empty() {
                return self.merged(era, &id, &call, servers).await;
            }
        }
        let call = match self.endpoint {
            _ if method.is_on_server_task() => self.of_server_task(call),
            Endpoint::All => self.aimed(call).await,
            Endpoint::Server(_) => Ok(call),
        };
        let (call, pages) = match call.and_then(|call| self.paged(call)) {
            Ok(paged) => paged,
            Err(fault) => return self.fault(fault.with_id(Some(id)), method.as_str()).await,
        };
        if let Way::Modern(modern) = &way
            && let Err(fault) = self.mirrored(&call, modern.headers)
        {
            return self.fault(fault.with_id(Some(id)), method.as_str()).await;
        }
        let (client, log) = (call.meta.client, call.meta.log);
        let task = call.meta.server_task.as_ref().map(|task| task.handle.clone());
        let answering = Answering { era, method, id, token, client, log, server, pages, task };
        let (place, asks) = match way {
            // Of what cannot be asked nothing is kept, so nothing has to be known again.
            Way::Modern(_) if client.is_empty() && retry.state.is_none() => (None, Asks::Nobody),
            Way::Modern(_) => (None, Asks::Again(Whose::of(&self.caller, &call))),
            Way::Legacy(session) => {
                let Some(place) = Place::reserve(Arc::clone(&session), &answering.id) else {
                    let fault =
                        ProtocolFault::invalid_request("`id` is that of a request that is still open");
                    return self.fault(fault.with_id(Some(answering.id)), method.as_str()).await;
                };
                if method == Method::Subscribe {
                    let _place = place;
                    return self.subscribe_to(&session, answering, call).await;
                }
                (Some(place), Asks::Session(session))
            }
        };
        let open = |handle: CallHandle, answering| {
            let tie = OpenCall::enter(&handle, place);
            Open { door: Arc::clone(&self.face.door), answering, handle, tie, asks }
        };
        let Some(state) = &retry.state else {
            return match self.face.door.call(self.caller.clone(), call).await {
                Ok(handle) => open(handle, answering).answer(self.accepts.events).await,
                Err(refused) => answering.refusal(&refused).into_reply(),
            };
        };
        let (handle, round) = match self.face.door.resume(&self.caller, &call, state) {
            Ok(resumed) => resumed,
            Err(denial) => {
                let fault = ProtocolFault::params(denial.public).with_id(Some(answering.id));
                return self.fault(fault, method.as_str()).await;
            }
        };
        let open = open(handle, answering);
        match replies(&retry, round.questions()) {
            Some(replies) => round.answer(replies),
            // Nothing of it was answered: it is asked again (MCP 2026-07-28, Multi round-trip requests).
            None => return open.suspend(round).into_reply(),
        }
        open.answer(self.accepts.events).await
    }

    /// What the client can be asked and wants to hear of: nothing, when it takes no stream to be told on.
    fn hears(&self, way: &Way<'_>) -> (ClientCapabilities, Option<LogLevel>) {
        match way {
            Way::Modern(modern) => (modern.client, modern.log.filter(|_| self.accepts.events)),
            Way::Legacy(_) if !self.accepts.events => (ClientCapabilities::NONE, None),
            Way::Legacy(session) => (session.client, Some(session.log_level())),
        }
    }
}

impl Exchange<'_> {
    /// A call for a page of a list, with the server's own cursor in it. What the client brings is opened first of all.
    fn paged(&self, call: ToolCall) -> Result<(ToolCall, Pages), ProtocolFault> {
        let cursors = Cursors::of(&self.face.door, &self.caller.principal().agent, &call);
        let Some(cursors) = cursors else { return Ok((call, None)) };
        let begin = cursors.begin(&call)?;
        let Endpoint::Server(server) = self.endpoint.clone() else { return Ok((call, None)) };
        let cursor = match begin.as_deref() {
            None => None,
            Some([(of, cursor)]) if *of == server => Some(cursor.clone()),
            Some(_) => return Err(ProtocolFault::params("`cursor` was not given by this server")),
        };
        let call = cursors::from(call, cursor.as_deref());
        let call = call.ok_or_else(|| ProtocolFault::params("`cursor` cannot be used"))?;
        Ok((call, Some((cursors, server))))
    }
}

/// The answers to what was asked; other keys are ignored. `None`: something was asked, and nothing of it answered.
fn replies(retry: &Retry, questions: &[Question]) -> Option<Vec<Answered>> {
    let answered = |question: &Question| {
        let (key, result) = retry.responses.iter().find(|(key, _)| *key == question.key)?;
        Some(Answered { key: key.clone(), result: Some(result.clone()) })
    };
    let replies: Vec<_> = questions.iter().filter_map(answered).collect();
    (questions.is_empty() || !replies.is_empty()).then_some(replies)
}

/// How a call came.
pub(super) enum Way<'a> {
    /// In a session.
    Legacy(Arc<Session>),
    /// By itself.
    Modern(Modern<'a>),
}

/// What came with a request without a session.
#[derive(Clone, Copy)]
pub(super) struct Modern<'a> {
    /// These mirror its parameters.
    pub(super) headers: &'a HeaderMap,
    /// What the client can do.
    pub(super) client: ClientCapabilities,
    /// Which log messages it wants.
    pub(super) log: Option<LogLevel>,
}

impl Way<'_> {
    const fn era(&self) -> Era {
        match self {
            Self::Legacy(_) => Era::Legacy,
            Self::Modern(_) => Era::Modern,
        }
    }
}
