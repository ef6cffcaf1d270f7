//! `tools/call`: from the message to the door and back, as JSON or as a stream. Must never hold back a terminal
//! nor let one leave that the door did not release.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use call::open_calls::CancelToken;
use call::{CallHandle, Finished, Refused};
use mcp::answer;
use mcp::fault::ProtocolFault;
use mcp::implementation::Implementation;
use mcp::jsonrpc::{ProgressToken, RequestId, RpcError, error_message, result_message};
use mcp::relay;
use mcp::request::CallTool;
use mcp::shape::{self, Cache};
use mcp::sse;
use mcp::version::Era;
use model::denial::{Denial, Reason};
use ports::upstream::{Answer, Progress};
use tokio::sync::mpsc;

use super::Exchange;
use super::sessions::Session;
use crate::reply::{self, Reply};

/// A call that takes longer is answered as a stream with keep-alives, if the client takes one.
const STREAM_AFTER: Duration = Duration::from_secs(15);
/// Messages that wait for a slow reader.
const STREAM_QUEUE: usize = 16;

impl Exchange<'_> {
    pub(super) async fn call_tool(
        &self,
        era: Era,
        id: RequestId,
        call: CallTool,
        session: Option<Arc<Session>>,
    ) -> Reply {
        let (call, token) = call.into_call(self.endpoint.clone());
        let answering = Answering { era, id, token, server: self.face.server.clone() };
        let place = match session.map(|session| Place::reserve(session, &answering.id)) {
            None => None,
            Some(Some(place)) => Some(place),
            Some(None) => {
                let fault = ProtocolFault::invalid_request("`id` is that of a request that is still open");
                return self.fault(fault.with_id(Some(answering.id)), "tools/call").await;
            }
        };
        let handle = match self.face.door.call(self.caller.clone(), call).await {
            Ok(handle) => handle,
            Err(refused) => return reply::json(200, answering.refused(&refused)),
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

/// Waits for the end; the first progress, or a long wait, turns the answer into a stream.
async fn wait_or_stream(answering: Answering, mut handle: CallHandle, open: OpenCall) -> Reply {
    let first = tokio::select! {
        biased;
        end = &mut handle.done => {
            open.end();
            return reply::json(200, answering.end(end));
        }
        Some(progress) = handle.progress.recv() => Some(progress),
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
    first: Option<Progress>,
) {
    let mut next = first.and_then(|progress| answering.progress(&progress));
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
            Some(progress) = handle.progress.recv() => next = answering.progress(&progress),
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

/// What an answer is made with.
struct Answering {
    era: Era,
    id: RequestId,
    token: Option<ProgressToken>,
    server: Implementation,
}

impl Answering {
    fn end(&self, finished: Option<Finished>) -> Bytes {
        match finished {
            Some(Finished::Answered(_, answer)) => self.answered(&answer),
            Some(Finished::Refused(refused)) => self.refused(&refused),
            None => {
                let denial = Denial::indeterminate("the call's own task ended without an answer");
                let refusal = answer::refusal(self.era, &denial, None, &self.server);
                answer::refusal_message(&self.id, &refusal)
            }
        }
    }

    fn answered(&self, answer: &Answer) -> Bytes {
        match answer {
            Answer::Result { result, .. } => {
                let result = shape::result(self.era, result, &self.server, Cache::Never);
                result_message(&self.id, &result)
            }
            Answer::Error { code, message, data } => {
                let error = RpcError { code: *code, message: message.clone(), data: data.clone() };
                error_message(Some(&self.id), &relay::error(self.era, error))
            }
        }
    }

    fn refused(&self, refused: &Refused) -> Bytes {
        // An unknown tool is answered without the id of the call, so that every such answer is the same.
        let call = (refused.denial.reason != Reason::UnknownTool).then_some(refused.call);
        let refusal = answer::refusal(self.era, &refused.denial, call, &self.server);
        answer::refusal_message(&self.id, &refusal)
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
