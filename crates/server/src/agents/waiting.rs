//! From an open call to its answer, as JSON or as a stream. Must never hold back a terminal nor let one leave that the
//! door did not release, nor lose a call that its server has asked about.

use std::sync::Arc;

use bytes::Bytes;
use call::open_calls::CancelToken;
use call::{CallHandle, Door, Finished, Passing, Round, Whose};
use mcp::jsonrpc::RequestId;
use mcp::sse;
use model::denial::Reason;
use tokio::sync::mpsc;

use super::answering::{Answering, End};
use super::calls::{STREAM_AFTER, STREAM_QUEUE};
use super::questions::Asking;
use super::sessions::Session;
use crate::reply::{self, Reply};

/// How a client is asked what its server asks.
pub(super) enum Asks {
    /// By requests, in its session.
    Session(Arc<Session>),
    /// By a result that it answers with another request.
    Again(Whose),
    /// It cannot be asked anything.
    Nobody,
}

/// A call under way, for one request of its client.
pub(super) struct Open {
    pub(super) door: Arc<Door>,
    pub(super) answering: Answering,
    pub(super) handle: CallHandle,
    pub(super) tie: OpenCall,
    pub(super) asks: Asks,
}

/// What is to be done about what passed.
enum Step {
    /// Nothing the client is to hear of.
    Nothing,
    /// It is told.
    Say(Vec<Bytes>),
    /// It is asked, and told so.
    Ask(Asking, Vec<Bytes>),
    /// The request ends, so that the client can answer with another.
    Suspend(Round),
}

impl Open {
    /// Waits for the end; the first thing to say, or a long wait, turns the answer into a stream if the client takes one.
    pub(super) async fn answer(mut self, events: bool) -> Reply {
        let long = async {
            match events {
                true => tokio::time::sleep(STREAM_AFTER).await,
                false => std::future::pending().await,
            }
        };
        tokio::pin!(long);
        let (first, asking) = loop {
            let passing = tokio::select! {
                biased;
                end = &mut self.handle.done => return self.ended(end, events),
                Some(passing) = self.handle.passing.recv() => passing,
                () = &mut long => break (Vec::new(), None),
            };
            match self.step(passing) {
                Step::Suspend(round) => return self.suspend(round).into_reply(),
                Step::Say(first) if events => break (first, None),
                Step::Ask(asking, first) if events => break (first, Some(asking)),
                Step::Nothing | Step::Say(_) | Step::Ask(..) => {}
            }
        };
        let (sender, receiver) = mpsc::channel(STREAM_QUEUE);
        // From here on a slow reader may hold up whoever polls the call.
        self.handle.detach();
        tokio::spawn(self.stream(sender, first, asking));
        reply::events(receiver)
    }

    /// The end, when nothing was said yet but what passed right before it.
    fn ended(mut self, end: Option<Finished>, events: bool) -> Reply {
        let said = if events { self.said_last() } else { Vec::new() };
        self.tie.end();
        let end = self.answering.end(end);
        if said.is_empty() {
            return end.into_reply();
        }
        let (sender, receiver) = mpsc::channel(said.len() + 1);
        for message in said.iter().chain([&end.message]) {
            // There is room for all of it.
            drop(sender.try_send(sse::encode(message)));
        }
        reply::events(receiver)
    }

    /// What passed before the end and was not heard yet.
    fn said_last(&mut self) -> Vec<Bytes> {
        let passed = std::iter::from_fn(|| self.handle.passing.try_recv().ok());
        let said = passed.filter_map(|passing| match &passing {
            Passing::Progress(progress) => self.answering.progress(progress),
            Passing::Log(message) => self.answering.log(message),
            Passing::Asks(_) => None,
        });
        said.collect()
    }

    fn step(&self, passing: Passing) -> Step {
        let said = match passing {
            Passing::Progress(progress) => self.answering.progress(&progress),
            Passing::Log(message) => self.answering.log(&message),
            Passing::Asks(round) => {
                return match &self.asks {
                    Asks::Again(_) => Step::Suspend(round),
                    Asks::Session(session) => self.ask(session, round),
                    Asks::Nobody => {
                        // Nothing to ask: the server is to be called again. Else it is as if nobody answered.
                        round.answer(Vec::new());
                        Step::Nothing
                    }
                };
            }
        };
        said.map_or(Step::Nothing, |message| Step::Say(vec![message]))
    }

    /// Asks the client of a session. A round that cannot be asked is dropped, which its server hears as no answer.
    fn ask(&self, session: &Arc<Session>, round: Round) -> Step {
        let mut random = [0; 16];
        if self.door.ports().entropy.fill(&mut random).is_err() {
            return Step::Nothing;
        }
        match Asking::begin(session, round, random) {
            Some((asking, requests)) => Step::Ask(asking, requests),
            None => Step::Nothing,
        }
    }

    /// Ends the request, but not the call: another request of the client brings the answers.
    pub(super) fn suspend(self, round: Round) -> End {
        let Self { door, answering, handle, tie, asks } = self;
        let Asks::Again(whose) = asks else { return answering.end(None) };
        tie.end();
        let (id, questions) = (handle.id, round.questions().to_vec());
        match door.suspend(handle, round, &whose) {
            Ok(state) => answering.asks(&questions, &state),
            Err(denial) => End { status: 200, message: answering.denied(&denial, Some(id)) },
        }
    }

    /// Pumps a call into a stream of events until its end, or until nobody listens any more.
    async fn stream(mut self, sender: mpsc::Sender<Bytes>, first: Vec<Bytes>, mut asking: Option<Asking>) {
        let mut said = first;
        loop {
            for message in said.drain(..) {
                if sender.send(sse::encode(&message)).await.is_err() {
                    return;
                }
            }
            let passing = tokio::select! {
                biased;
                end = &mut self.handle.done => return self.last(end, &sender, asking).await,
                Some(passing) = self.handle.passing.recv() => passing,
                () = answered(&mut asking) => {
                    asking = None;
                    continue;
                }
                () = tokio::time::sleep(STREAM_AFTER) => {
                    if sender.send(Bytes::from_static(sse::KEEP_ALIVE)).await.is_err() {
                        return;
                    }
                    continue;
                }
                () = sender.closed() => return,
            };
            match self.step(passing) {
                Step::Nothing => {}
                Step::Say(messages) => said = messages,
                Step::Ask(asks, requests) => (asking, said) = (Some(asks), requests),
                Step::Suspend(round) => {
                    let end = self.suspend(round);
                    // The reader may be gone: then nobody brings the state back, and the call ends with its time.
                    return drop(sender.send(sse::encode(&end.message)).await);
                }
            }
        }
    }

    /// The end of a stream. The reader may be gone; the record has the end all the same.
    async fn last(mut self, end: Option<Finished>, sender: &mpsc::Sender<Bytes>, asking: Option<Asking>) {
        let mut said = self.said_last();
        said.extend(asking.map(Asking::withdraw).unwrap_or_default());
        self.tie.end();
        said.push(self.answering.end(end).message);
        for message in said {
            if sender.send(sse::encode(&message)).await.is_err() {
                return;
            }
        }
    }
}

/// Resolves when the client has answered everything; never, when nothing was asked.
async fn answered(asking: &mut Option<Asking>) {
    match asking {
        Some(asking) => asking.answered().await,
        None => std::future::pending().await,
    }
}

/// The id of a call in its session, from before it starts until it ended.
pub(super) struct Place {
    session: Arc<Session>,
    id: RequestId,
}

impl Place {
    /// None when a call of that id is open.
    pub(super) fn reserve(session: Arc<Session>, id: &RequestId) -> Option<Self> {
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
pub(super) struct OpenCall {
    cancel: CancelToken,
    place: Option<Place>,
    ended: bool,
}

impl OpenCall {
    pub(super) fn enter(handle: &CallHandle, place: Option<Place>) -> Self {
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
