//! One call by HTTP, as its caller sees it, sent and read in the caller's own task. Must never send it twice,
//! but for a session the server said it does not know, or a token it said it does not take.

mod token;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use mcp::jsonrpc::code;
use mcp::outbound;
use mcp::question::{InputRequired, known_to};
use mcp::reply::{Outcome, ServerRequest, UpstreamMessage, UpstreamNotification};
use mcp::version::Era;
use model::denial::Reason;
use model::ids::ServerName;
use ports::BoxFuture;
use ports::upstream::{Answer, Forward, Reply, ResultStream, Sent, UpstreamEvent, UpstreamFault};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until};

use super::oauth::Answers;
use super::response::{Part, Response, Unreadable};
use super::site::Session;
use super::{HttpConnection, Outgoing, leased};
use crate::asked::{Asked, Next, PACE, Retry, Took};
use crate::connection::Call;
use crate::fault::{maybe_sent, not_sent, unavailable, violation};
use crate::lane::Place;
use crate::measure::{Measure, Unfit};
use crate::server_task;
use crate::speak;

/// Requests of the server during one call.
const REQUESTS_MAX: u32 = 64;

type Renewal = JoinHandle<Result<Outgoing, UpstreamFault>>;

/// A call on its way.
pub(super) struct HttpStream {
    connection: Arc<HttpConnection>,
    forward: Arc<Forward>,
    id: u64,
    session: Arc<Session>,
    /// Dropped to cancel.
    response: Option<Response>,
    renewal: Option<Renewal>,
    renewed: bool,
    /// How often it was sent again with another token.
    answers: Answers,
    deadline: Pin<Box<Sleep>>,
    measure: Measure,
    notifications: u64,
    requests: u32,
    asked: Asked,
    /// Whether this is the same call again: the server may have acted before.
    again: bool,
    /// Set once cancelled: whether anything had been sent.
    cancelled: Option<bool>,
    over: bool,
    _place: Place,
}

enum Heard {
    Part(Result<Part, Unreadable>),
    Renewed(Result<Outgoing, UpstreamFault>),
    Deadline,
}

impl HttpStream {
    pub(super) fn new(connection: Arc<HttpConnection>, call: Call, id: u64, outgoing: Outgoing) -> Self {
        let Call { forward, place, deadline } = call;
        let measure = Measure::new(connection.site.guard(leased(&forward.lease)), forward.bytes_max);
        let response = send(&connection, &forward, &outgoing, measure.left());
        Self {
            session: outgoing.session,
            response: Some(response),
            renewal: None,
            renewed: false,
            answers: Answers::default(),
            deadline: Box::pin(sleep_until(deadline)),
            measure,
            notifications: 0,
            requests: 0,
            asked: Asked::default(),
            again: false,
            cancelled: None,
            over: false,
            _place: place,
            forward: Arc::new(forward),
            connection,
            id,
        }
    }

    async fn hear(&mut self) -> Heard {
        if let Some(renewal) = &mut self.renewal {
            let interrupted =
                || unavailable(&self.connection.site.server, "its session could not be renewed");
            return tokio::select! {
                biased;
                outcome = renewal => Heard::Renewed(outcome.unwrap_or_else(|_| Err(interrupted()))),
                () = &mut self.deadline => Heard::Deadline,
            };
        }
        match &mut self.response {
            Some(response) => tokio::select! {
                biased;
                part = response.next() => Heard::Part(part),
                () = &mut self.deadline => Heard::Deadline,
            },
            // The server waits for the client, and so do we.
            None if self.asked.between() => {
                (&mut self.deadline).await;
                Heard::Deadline
            }
            None => Heard::Part(Ok(Part::End)),
        }
    }

    async fn following(&mut self) -> UpstreamEvent {
        if self.over {
            let server = &self.connection.site.server;
            return UpstreamEvent::Done(Err(maybe_sent(
                Reason::Indeterminate,
                server,
                "its answer was taken",
            )));
        }
        if let Some(begun) = self.cancelled {
            let fault = if begun { maybe_sent } else { not_sent };
            let fault = fault(Reason::Cancelled, &self.connection.site.server, &"the call was cancelled");
            return self.done(Err(fault));
        }
        loop {
            if let Some(question) = self.asked.next_question() {
                self.wait_for(self.forward.answer_within);
                return UpstreamEvent::Asks(vec![question]);
            }
            let event = match self.hear().await {
                Heard::Part(Ok(Part::Message(message))) => self.take(*message),
                Heard::Part(Ok(Part::Refused(status, message))) => self.refused(status, message),
                Heard::Part(Ok(Part::End)) => {
                    Some(self.fail_violation("it ended its response without an answer"))
                }
                Heard::Part(Err(unreadable)) => Some(self.unreadable(unreadable)),
                Heard::Renewed(Ok(outgoing)) => {
                    self.renewal = None;
                    self.measure.look_for(self.connection.site.guard(leased(&self.forward.lease)));
                    let left = self.measure.left();
                    self.response = Some(send(&self.connection, &self.forward, &outgoing, left));
                    self.session = outgoing.session;
                    None
                }
                Heard::Renewed(Err(fault)) => {
                    self.renewal = None;
                    // The server said that it does not know the session, or take the token, so it did nothing.
                    Some(self.done(Err(fault)))
                }
                Heard::Deadline => Some(self.timed_out()),
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    fn take(&mut self, message: UpstreamMessage) -> Option<UpstreamEvent> {
        match message {
            UpstreamMessage::Response { id: Some(id), outcome } if id == self.id => {
                Some(self.answered(outcome))
            }
            // An error for a request whose id the server could not read.
            UpstreamMessage::Response { id: None, outcome: outcome @ Outcome::Error(_) } => {
                Some(self.answered(outcome))
            }
            UpstreamMessage::Response { .. } => {
                Some(self.fail_violation("it answers under an id that is not this call's"))
            }
            UpstreamMessage::Request(request) => self.requested(request),
            UpstreamMessage::Notification(notification) => self.notified(notification),
        }
    }

    fn requested(&mut self, request: ServerRequest) -> Option<UpstreamEvent> {
        self.requests += 1;
        if self.requests > REQUESTS_MAX {
            return Some(self.fail_violation("it asks too many questions during one call"));
        }
        // A stateless server asks nothing so; what it asks nevertheless is not answered.
        if self.session.version.era() == Era::Modern {
            return None;
        }
        let can = known_to(self.session.version, self.connection.client);
        match self.asked.take((&self.connection.site.server, can), request, &mut self.measure) {
            Ok(Took::Answer(answer)) => {
                self.tell(vec![answer]);
                None
            }
            Ok(Took::Waits) => None,
            Err(unfit) => Some(self.fail_unfit(unfit)),
        }
    }

    fn notified(&mut self, notification: UpstreamNotification) -> Option<UpstreamEvent> {
        self.notifications += 1;
        if self.notifications > self.connection.site.limits.notifications_max {
            return Some(self.fail_violation("it floods the call with notifications"));
        }
        match notification {
            UpstreamNotification::Progress(update)
                if update.token == self.id && self.forward.wants_progress =>
            {
                let progress = speak::progress(update);
                let fits = self.measure.progress(&progress);
                Some(self.passed(fits, UpstreamEvent::Progress(progress)))
            }
            UpstreamNotification::Log(update) => {
                let message = speak::log(&self.forward, update)?;
                let fits = self.measure.log(&message);
                Some(self.passed(fits, UpstreamEvent::Log(message)))
            }
            UpstreamNotification::Cancelled { request: Some(id) } => {
                self.asked.withdrawn(&id);
                None
            }
            UpstreamNotification::ToolsChanged => {
                self.connection.definitions.changed();
                None
            }
            UpstreamNotification::Announced(said) => {
                self.connection.announced(said, leased(&self.forward.lease));
                None
            }
            _ => None,
        }
    }

    fn answered(&mut self, outcome: Outcome) -> UpstreamEvent {
        if let Outcome::Error(error) = &outcome
            && error.code == code::HEADER_MISMATCH
        {
            // What it wants in headers is not what it listed.
            self.connection.definitions.changed();
        }
        self.connection.served.store(true, Ordering::Release);
        self.finish_reading();
        if let Some(wanted) = speak::wanted(&self.forward, self.session.version, &outcome) {
            return self.wanted(wanted);
        }
        let (forward, version, measure) = (&self.forward, self.session.version, &self.measure);
        let answer = server_task::answer(forward, version, outcome, measure);
        self.done(answer)
    }

    /// A stateless server asks: nothing of the call is open there until it is sent again.
    fn wanted(&mut self, wanted: Result<InputRequired, Unfit>) -> UpstreamEvent {
        let server = &self.connection.site.server;
        let questions = wanted.and_then(|wanted| self.asked.require(server, wanted, &mut self.measure));
        match questions {
            Ok(questions) => {
                self.wait_for(self.forward.answer_within);
                UpstreamEvent::Asks(questions)
            }
            Err(unfit) => self.fail_unfit(unfit),
        }
    }

    /// The client answered.
    fn answered_by_client(&mut self, replies: Vec<Reply>) {
        if self.over || self.cancelled.is_some() {
            return;
        }
        match self.asked.answered(replies) {
            Next::Nothing => return,
            Next::Tell(message) => self.tell(message.into_iter().collect()),
            Next::Again(retry) => self.send_again(retry),
        }
        self.wait_for(self.forward.deadline);
    }

    /// The same call again, at the definition that was decided on, under another id.
    fn send_again(&mut self, retry: Retry) {
        (self.again, self.id) = (true, self.connection.next_id());
        let (connection, forward, id) = (Arc::clone(&self.connection), Arc::clone(&self.forward), self.id);
        self.renewal = Some(tokio::spawn(async move {
            if retry.empty() {
                tokio::time::sleep(PACE).await;
            }
            connection.outgoing(&forward, id, Some(&retry)).await
        }));
    }

    fn wait_for(&mut self, time: Duration) {
        self.deadline.as_mut().reset(Instant::now() + time);
    }

    fn tell(&self, messages: Vec<Bytes>) {
        self.connection.aside(&self.session, leased(&self.forward.lease), messages);
    }

    /// A response that ends with the answer leaves its connection to the next call.
    fn finish_reading(&mut self) {
        if let Some(response) = self.response.take() {
            response.finish();
        }
    }

    fn refused(
        &mut self,
        status: StatusCode,
        message: Option<Box<UpstreamMessage>>,
    ) -> Option<UpstreamEvent> {
        if self.authorizes_anew(status) {
            return None;
        }
        // 404 is what the protocol says of an unknown session. Some servers say 400 instead, with an error that
        // names no request: it was not even read. Anything else may have been acted on.
        let lost = match (status, message.as_deref()) {
            (_, Some(UpstreamMessage::Response { id, .. })) if *id == Some(self.id) => false,
            (StatusCode::NOT_FOUND, _) => true,
            (StatusCode::BAD_REQUEST, Some(UpstreamMessage::Response { id: None, outcome })) => {
                matches!(outcome, Outcome::Error(_))
            }
            _ => false,
        };
        if lost && self.session.id.is_some() && !self.renewed {
            self.renew();
            return None;
        }
        match message.map(|message| *message) {
            _ if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {}
            Some(UpstreamMessage::Response { id, outcome: outcome @ Outcome::Error(_) })
                if id.is_none_or(|id| id == self.id) =>
            {
                return Some(self.answered(outcome));
            }
            _ => {}
        }
        if status == StatusCode::UNAUTHORIZED {
            self.connection.credential_refused();
        }
        let fault = self.connection.site.refused(status);
        Some(self.done(Err(fault)))
    }

    /// The server does not know the session: another is begun, the tools are listed and compared again, and the
    /// call is sent in it, once.
    fn renew(&mut self) {
        self.renewed = true;
        self.response = None;
        let (connection, lost) = (Arc::clone(&self.connection), Arc::clone(&self.session));
        let (forward, id) = (Arc::clone(&self.forward), self.id);
        self.renewal = Some(tokio::spawn(async move {
            connection.renew(&lost, leased(&forward.lease)).await?;
            connection.outgoing(&forward, id, None).await
        }));
    }

    fn unreadable(&mut self, unreadable: Unreadable) -> UpstreamEvent {
        if matches!(unreadable, Unreadable::Broken(_)) {
            // Who answers next may be another process with other tools.
            self.connection.definitions.changed();
        }
        let fault = self.connection.site.unreadable(unreadable);
        self.stop("its response cannot be used");
        self.done(Err(fault))
    }

    fn passed(&mut self, fits: Result<(), Unfit>, event: UpstreamEvent) -> UpstreamEvent {
        match fits {
            Ok(()) => event,
            Err(unfit) => self.fail_unfit(unfit),
        }
    }

    fn fail_unfit(&mut self, unfit: Unfit) -> UpstreamEvent {
        self.fail(|server| unfit.fault(server))
    }

    fn fail_violation(&mut self, what: &str) -> UpstreamEvent {
        self.fail(|server| violation(server, what))
    }

    fn fail(&mut self, fault: impl FnOnce(&ServerName) -> UpstreamFault) -> UpstreamEvent {
        self.stop("its response cannot be used");
        let fault = fault(&self.connection.site.server);
        self.done(Err(fault))
    }

    fn timed_out(&mut self) -> UpstreamEvent {
        let begun = self.response.as_ref().is_none_or(Response::begun);
        let asked = self.asked.open();
        self.stop("the call took too long");
        let server = &self.connection.site.server;
        let fault = match begun {
            true if asked => {
                maybe_sent(Reason::UpstreamTimeout, server, "nobody answered what it asks in time")
            }
            true => maybe_sent(Reason::UpstreamTimeout, server, "it did not answer within the call's time"),
            false => not_sent(Reason::UpstreamTimeout, server, "no connection within the call's time"),
        };
        self.done(Err(fault))
    }

    fn done(&mut self, mut answer: Result<Answer, UpstreamFault>) -> UpstreamEvent {
        self.over = true;
        self.response = None;
        let unanswered = self.asked.given_up();
        self.tell(unanswered);
        if let Err(fault) = &mut answer
            && self.again
        {
            // Nothing was sent this time, perhaps; something was before.
            fault.sent = Sent::Maybe;
        }
        UpstreamEvent::Done(answer)
    }

    /// Ends the call at the server: a stateless one notices the closed connection, another is told.
    fn stop(&mut self, why: &str) {
        let begun = self.response.take().is_some_and(|response| response.begun());
        let mut messages = self.asked.given_up();
        if begun && self.session.version.era() == Era::Legacy {
            messages.push(outbound::cancelled(self.id, why));
        }
        self.tell(messages);
    }
}

fn send(connection: &HttpConnection, forward: &Forward, outgoing: &Outgoing, bytes_max: usize) -> Response {
    let credential = leased(&forward.lease);
    let body = outgoing.body.clone();
    let request = connection.site.request(http::Method::POST, &outgoing.headers, credential, body);
    connection.site.send(request, bytes_max.min(connection.site.limits.message_bytes_max))
}

impl ResultStream for HttpStream {
    fn next(&mut self) -> BoxFuture<'_, UpstreamEvent> {
        Box::pin(self.following())
    }

    fn answer(&mut self, replies: Vec<Reply>) -> BoxFuture<'_, ()> {
        self.answered_by_client(replies);
        Box::pin(std::future::ready(()))
    }

    fn cancel(&mut self) -> BoxFuture<'_, ()> {
        if !self.over && self.cancelled.is_none() {
            let begun = self.response.as_ref().is_none_or(Response::begun);
            self.stop("the client cancelled");
            self.cancelled = Some(begun);
        }
        Box::pin(std::future::ready(()))
    }
}

impl Drop for HttpStream {
    fn drop(&mut self) {
        if !self.over && self.cancelled.is_none() {
            self.stop("nobody waits for the answer any more");
        }
    }
}
