//! One call by HTTP, as its caller sees it, sent and read in the caller's own task. Must never send it twice,
//! but for a session the server said it does not know.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::StatusCode;
use mcp::jsonrpc::code;
use mcp::outbound;
use mcp::reply::{Outcome, UpstreamMessage, UpstreamNotification};
use mcp::version::Era;
use model::denial::Reason;
use model::ids::ServerName;
use ports::BoxFuture;
use ports::upstream::{Answer, Forward, ResultStream, UpstreamEvent, UpstreamFault};
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep_until};

use super::response::{Part, Response, Unreadable};
use super::site::Session;
use super::{HttpConnection, Outgoing, leased};
use crate::connection::Call;
use crate::fault::{leaked, maybe_sent, not_sent, unavailable, violation};
use crate::guard::Guard;
use crate::lane::Place;
use crate::speak;

/// Questions of the server that are answered during one call.
const QUESTIONS_MAX: u32 = 64;

type Renewal = JoinHandle<Result<Outgoing, UpstreamFault>>;

/// A call on its way.
pub(super) struct HttpStream {
    connection: Arc<HttpConnection>,
    forward: Arc<Forward>,
    id: u64,
    session: Arc<Session>,
    guard: Arc<Guard>,
    /// Dropped to cancel.
    response: Option<Response>,
    renewal: Option<Renewal>,
    renewed: bool,
    deadline: Pin<Box<Sleep>>,
    bytes_left: usize,
    notifications: u64,
    questions: u32,
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
        let response = send(&connection, &forward, &outgoing);
        Self {
            session: outgoing.session,
            guard: connection.site.guard(leased(&forward.lease)),
            response: Some(response),
            renewal: None,
            renewed: false,
            deadline: Box::pin(sleep_until(deadline)),
            bytes_left: forward.bytes_max,
            notifications: 0,
            questions: 0,
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
            let event = match self.hear().await {
                Heard::Part(Ok(Part::Message(message))) => self.take(*message),
                Heard::Part(Ok(Part::Refused(status, message))) => self.refused(status, message),
                Heard::Part(Ok(Part::End)) => {
                    Some(self.fail_violation("it ended its response without an answer"))
                }
                Heard::Part(Err(unreadable)) => Some(self.unreadable(unreadable)),
                Heard::Renewed(Ok(outgoing)) => {
                    self.renewal = None;
                    self.response = Some(send(&self.connection, &self.forward, &outgoing));
                    self.session = outgoing.session;
                    None
                }
                Heard::Renewed(Err(fault)) => {
                    self.renewal = None;
                    // The server said that it does not know the session, so it did nothing.
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
            UpstreamMessage::Request(request) => {
                self.questions += 1;
                if self.questions > QUESTIONS_MAX {
                    return Some(self.fail_violation("it asks too many questions during one call"));
                }
                self.connection.answer(&self.session, leased(&self.forward.lease), &request);
                None
            }
            UpstreamMessage::Notification(notification) => self.notified(notification),
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
                let (progress, bytes) = speak::progress(update);
                if self.guard.finds_in_progress(&progress) {
                    return Some(self.fail(leaked));
                }
                match self.bytes_left.checked_sub(bytes) {
                    Some(left) => {
                        self.bytes_left = left;
                        Some(UpstreamEvent::Progress(progress))
                    }
                    None => Some(self.unreadable(Unreadable::TooLarge)),
                }
            }
            UpstreamNotification::ToolsChanged => {
                self.connection.definitions.changed();
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
        let server = &self.connection.site.server;
        let answer =
            speak::answer((server, speak::method(&self.forward)), outcome, self.bytes_left, &self.guard);
        self.done(answer)
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
            connection.outgoing(&forward, id).await
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
        self.stop("the call took too long");
        let server = &self.connection.site.server;
        let fault = match begun {
            true => maybe_sent(Reason::UpstreamTimeout, server, "it did not answer within the call's time"),
            false => not_sent(Reason::UpstreamTimeout, server, "no connection within the call's time"),
        };
        self.done(Err(fault))
    }

    fn done(&mut self, answer: Result<Answer, UpstreamFault>) -> UpstreamEvent {
        self.over = true;
        self.response = None;
        UpstreamEvent::Done(answer)
    }

    /// Ends the call at the server: a stateless one notices the closed connection, another is told.
    fn stop(&mut self, why: &str) {
        let begun = self.response.take().is_some_and(|response| response.begun());
        if begun && self.session.version.era() == Era::Legacy {
            let message = outbound::cancelled(self.id, why);
            self.connection.aside(&self.session, leased(&self.forward.lease), message);
        }
    }
}

fn send(connection: &HttpConnection, forward: &Forward, outgoing: &Outgoing) -> Response {
    let credential = leased(&forward.lease);
    let body = outgoing.body.clone();
    let request = connection.site.request(http::Method::POST, &outgoing.headers, credential, body);
    connection.site.send(request, forward.bytes_max.min(connection.site.limits.message_bytes_max))
}

impl ResultStream for HttpStream {
    fn next(&mut self) -> BoxFuture<'_, UpstreamEvent> {
        Box::pin(self.following())
    }

    fn answer(&mut self, _: Vec<ports::upstream::Reply>) -> BoxFuture<'_, ()> {
        // Nothing is asked on this transport yet.
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
