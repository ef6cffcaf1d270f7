//! What an upstream answers: from the message to the door and back, as JSON or as a stream. Must never hold back a terminal
//! nor let one leave that the door did not release.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use call::open_calls::CancelToken;
use call::{CallHandle, Finished, Passing, Refused};
use http::HeaderMap;
use mcp::answer::{self, Asked};
use mcp::fault::ProtocolFault;
use mcp::implementation::Implementation;
use mcp::jsonrpc::{ProgressToken, RequestId, RpcError, error_message, result_message};
use mcp::param_header::ParamHeaders;
use mcp::relay;
use mcp::request::Call;
use mcp::shape::{self, Cache};
use mcp::sse;
use mcp::version::Era;
use model::call::{Endpoint, ToolCall};
use model::denial::{Denial, Reason};
use model::ids::ServerName;
use model::method::Method;
use ports::upstream::{Answer, Progress};
use tokio::sync::mpsc;

use super::Exchange;
use super::cursors::{self, Cursors};
use super::sessions::Session;
use crate::reply::{self, Reply};

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

    pub(super) async fn call(&self, way: Way<'_>, id: RequestId, call: Call) -> Reply {
        let (call, token) = call.into_call(self.endpoint.clone());
        let (era, method) = (way.era(), call.method);
        let (call, pages) = match self.paged(call) {
            Ok(paged) => paged,
            Err(fault) => return self.fault(fault.with_id(Some(id)), method.as_str()).await,
        };
        if let Way::Modern(headers) = &way
            && let Err(fault) = self.mirrored(&call, headers)
        {
            return self.fault(fault.with_id(Some(id)), method.as_str()).await;
        }
        let answering = Answering { era, method, id, token, server: self.face.server.clone(), pages };
        let place = match way {
            Way::Modern(_) => Ok(None),
            Way::Legacy(session) => Place::reserve(session, &answering.id).map(Some).ok_or(()),
        };
        let place = match place {
            Ok(place) => place,
            Err(()) => {
                let fault = ProtocolFault::invalid_request("`id` is that of a request that is still open");
                return self.fault(fault.with_id(Some(answering.id)), method.as_str()).await;
            }
        };
        let handle = match self.face.door.call(self.caller.clone(), call).await {
            Ok(handle) => handle,
            Err(refused) => return reply::json(answering.status(&refused), answering.refused(&refused)),
        };
        let open = OpenCall::enter(&handle, place);
        if self.accepts.events {
            return wait_or_stream(answering, handle, open).await;
        }
        let end = handle.done.await;
        open.end();
        reply::json(200, answering.end(end))
    }
}

/// What the pages of a server's list are given their cursors with.
type Pages = Option<(Cursors, ServerName)>;

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

/// How a call came.
pub(super) enum Way<'a> {
    /// In a session.
    Legacy(Arc<Session>),
    /// By itself, its parameters mirrored in these headers.
    Modern(&'a HeaderMap),
}

impl Way<'_> {
    const fn era(&self) -> Era {
        match self {
            Self::Legacy(_) => Era::Legacy,
            Self::Modern(_) => Era::Modern,
        }
    }
}

/// Waits for the end; the first progress, or a long wait, turns the answer into a stream.
async fn wait_or_stream(answering: Answering, mut handle: CallHandle, open: OpenCall) -> Reply {
    let first = tokio::select! {
        biased;
        end = &mut handle.done => {
            open.end();
            return reply::json(200, answering.end(end));
        }
        Some(passing) = handle.passing.recv() => Some(passing),
        () = tokio::time::sleep(STREAM_AFTER) => None,
    };
    let (sender, receiver) = mpsc::channel(STREAM_QUEUE);
    // From here on a slow reader may hold up whoever polls the call.
    handle.detach();
    tokio::spawn(stream(answering, handle, open, sender, first));
    reply::events(receiver)
}

/// Pumps a call into a stream of events until its end, or until nobody listens any more.
async fn stream(
    answering: Answering,
    mut handle: CallHandle,
    open: OpenCall,
    sender: mpsc::Sender<Bytes>,
    first: Option<Passing>,
) {
    let mut next = first.and_then(|passing| answering.passing(&passing));
    loop {
        if let Some(message) = next.take()
            && sender.send(sse::encode(&message)).await.is_err()
        {
            break;
        }
        tokio::select! {
            biased;
            end = &mut handle.done => {
                open.end();
                // The reader may be gone; the record has the end all the same.
                drop(sender.send(sse::encode(&answering.end(end))).await);
                return;
            }
            Some(passing) = handle.passing.recv() => next = answering.passing(&passing),
            () = tokio::time::sleep(STREAM_AFTER) => {
                if sender.send(Bytes::from_static(sse::KEEP_ALIVE)).await.is_err() {
                    break;
                }
            }
            () = sender.closed() => break,
        }
    }
    drop(open);
}

/// What is shown or read depends on who asks, and policy may change at any time.
const fn cache(method: Method) -> Cache {
    match method {
        Method::CallTool | Method::GetPrompt | Method::Complete => Cache::Never,
        Method::Elicit | Method::Sample | Method::ListRoots => Cache::Never,
        Method::ListResources | Method::ListTemplates | Method::ReadResource | Method::ListPrompts => {
            Cache::Private(0)
        }
    }
}

/// What an answer is made with.
struct Answering {
    era: Era,
    method: Method,
    id: RequestId,
    token: Option<ProgressToken>,
    server: Implementation,
    pages: Pages,
}

impl Answering {
    fn end(&self, finished: Option<Finished>) -> Bytes {
        match finished {
            Some(Finished::Answered(_, answer)) => self.answered(&answer),
            Some(Finished::Refused(refused)) => self.refused(&refused),
            None => {
                let denial = Denial::indeterminate("the call's own task ended without an answer");
                let refusal = answer::refusal(&self.asked(), &denial, None);
                answer::refusal_message(&self.id, &refusal)
            }
        }
    }

    fn answered(&self, answer: &Answer) -> Bytes {
        match answer {
            Answer::Result { result, .. } => {
                let result = match &self.pages {
                    None => result.clone(),
                    Some((cursors, server)) => match cursors.page(server, result) {
                        Ok(page) => page,
                        Err(error) => return error_message(Some(&self.id), &error),
                    },
                };
                let result = shape::result(self.era, &result, &self.server, cache(self.method));
                result_message(&self.id, &result)
            }
            Answer::Error { code, message, data } => {
                let error = RpcError { code: *code, message: message.clone(), data: data.clone() };
                error_message(Some(&self.id), &relay::error(self.era, error))
            }
        }
    }

    const fn asked(&self) -> Asked<'_> {
        Asked { era: self.era, method: self.method, server: &self.server }
    }

    /// A modern client is told by the status, too, that a method does not exist (MCP 2026-07-28, Transports).
    fn status(&self, refused: &Refused) -> u16 {
        let unknown = self.method != Method::CallTool && refused.denial.reason == Reason::UnknownTool;
        if unknown && self.era == Era::Modern { 404 } else { 200 }
    }

    fn refused(&self, refused: &Refused) -> Bytes {
        // An unknown tool is answered without the id of the call, so that every such answer is the same.
        let call = (refused.denial.reason != Reason::UnknownTool).then_some(refused.call);
        let refusal = answer::refusal(&self.asked(), &refused.denial, call);
        answer::refusal_message(&self.id, &refusal)
    }

    /// What a client is told while it waits. Nothing is asked of it, for no server is told that it can be.
    fn passing(&self, passing: &Passing) -> Option<Bytes> {
        match passing {
            Passing::Progress(progress) => self.progress(progress),
            Passing::Log(_) | Passing::Asks(_) => None,
        }
    }

    fn progress(&self, progress: &Progress) -> Option<Bytes> {
        let token = self.token.as_ref()?;
        let (total, message) = (progress.total.as_ref(), progress.message.as_ref());
        Some(answer::progress(token, &progress.progress, total, message))
    }
}

/// The id of a call in its session, from before it starts until it ended.
struct Place {
    session: Arc<Session>,
    id: RequestId,
}

impl Place {
    /// None when a call of that id is open.
    fn reserve(session: Arc<Session>, id: &RequestId) -> Option<Self> {
        session.reserve(id).then(|| Self { session, id: id.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.session.leave(&self.id);
    }
}

/// Ties a call to its connection or session: a modern client that goes away cancels; an older one does not, its call
/// goes on and nobody is left to cancel it.
struct OpenCall {
    cancel: CancelToken,
    place: Option<Place>,
    ended: bool,
}

impl OpenCall {
    fn enter(handle: &CallHandle, place: Option<Place>) -> Self {
        let cancel = handle.canceller();
        if let Some(place) = &place {
            place.session.enter(place.id.clone(), cancel.clone());
        }
        Self { cancel, place, ended: false }
    }

    fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if self.place.is_none() && !self.ended {
            self.cancel.cancel(Reason::Cancelled);
        }
    }
}
