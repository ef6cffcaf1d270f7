//! One call on such a connection, as its caller sees it. Must never end without telling the server to stop, unless the
//! server answered.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mcp::outbound;
use model::denial::Reason;
use model::method::Method;
use ports::BoxFuture;
use ports::upstream::{Answer, Progress, ResultStream, UpstreamEvent, UpstreamFault};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep_until};

use super::Carrier;
use crate::connection::Call;
use crate::fault::maybe_sent;
use crate::guard::Guard;
use crate::lane::Place;
use crate::measure::{Measure, Unfit};
use crate::speak;
use crate::table::{Outcome, Ticket};

/// A call that was sent.
pub(crate) struct CarriedStream<C: Carrier> {
    connection: Arc<C>,
    sending: C::Sending,
    ticket: Ticket,
    deadline: Pin<Box<Sleep>>,
    measure: Measure,
    method: Method,
    cancelled: bool,
    over: bool,
    _place: Place,
}

enum Heard {
    Progress(Progress),
    Outcome(Outcome),
    Deadline,
}

impl<C: Carrier> CarriedStream<C> {
    /// Of a call that was sent so, and into whose answer this guard looks.
    pub(crate) fn new(
        connection: Arc<C>,
        (sending, guard): (C::Sending, Arc<Guard>),
        ticket: Ticket,
        call: Call,
    ) -> Self {
        let deadline = Box::pin(sleep_until(call.deadline));
        let measure = Measure::new(guard, call.forward.bytes_max);
        let method = speak::method(&call.forward);
        Self {
            connection,
            sending,
            ticket,
            deadline,
            measure,
            method,
            cancelled: false,
            over: false,
            _place: call.place,
        }
    }

    async fn hear(&mut self) -> Heard {
        tokio::select! {
            biased;
            Some(progress) = receive(&mut self.ticket.progress) => Heard::Progress(progress),
            outcome = &mut self.ticket.done => Heard::Outcome(outcome.unwrap_or_else(|_| Err(self.connection.lost()))),
            () = &mut self.deadline => Heard::Deadline,
        }
    }

    async fn following(&mut self) -> UpstreamEvent {
        let server = self.connection.server();
        if self.over {
            return UpstreamEvent::Done(Err(maybe_sent(
                Reason::Indeterminate,
                server,
                "its answer was taken",
            )));
        }
        if self.cancelled {
            let arrived = self.ticket.done.try_recv().ok();
            let cancelled = || Err(maybe_sent(Reason::Cancelled, server, "the call was cancelled"));
            return self.done(arrived.unwrap_or_else(cancelled));
        }
        match self.hear().await {
            Heard::Progress(progress) => match self.measure.progress(&progress) {
                Ok(()) => UpstreamEvent::Progress(progress),
                Err(unfit) => self.fail_unfit(unfit),
            },
            Heard::Outcome(outcome) => self.done(outcome),
            Heard::Deadline => {
                self.stop("the call took too long");
                let what = "it did not answer within the call's time";
                self.done(Err(maybe_sent(Reason::UpstreamTimeout, self.connection.server(), what)))
            }
        }
    }

    fn done(&mut self, outcome: Outcome) -> UpstreamEvent {
        self.over = true;
        if outcome.is_ok() {
            self.connection.served().store(true, Ordering::Release);
        }
        let answer: Result<Answer, UpstreamFault> = outcome.and_then(|outcome| {
            let measure = &self.measure;
            speak::answer((self.connection.server(), self.method), outcome, measure.left(), measure.guard())
        });
        UpstreamEvent::Done(answer)
    }

    fn fail_unfit(&mut self, unfit: Unfit) -> UpstreamEvent {
        self.stop("what it sends cannot be used");
        self.done(Err(unfit.fault(self.connection.server())))
    }

    /// Forgets the request and tells the server, without waiting for either.
    fn stop(&self, why: &str) {
        if self.connection.table().abandon(self.ticket.id) {
            self.connection.say_of(&self.sending, outbound::cancelled(self.ticket.id, why));
        }
    }
}

async fn receive(progress: &mut Option<mpsc::Receiver<Progress>>) -> Option<Progress> {
    let received = progress.as_mut()?.recv().await;
    if received.is_none() {
        *progress = None;
    }
    received
}

impl<C: Carrier> ResultStream for CarriedStream<C> {
    fn next(&mut self) -> BoxFuture<'_, UpstreamEvent> {
        Box::pin(self.following())
    }

    fn answer(&mut self, _: Vec<ports::upstream::Reply>) -> BoxFuture<'_, ()> {
        // Nothing is asked on this transport yet.
        Box::pin(std::future::ready(()))
    }

    fn cancel(&mut self) -> BoxFuture<'_, ()> {
        if !self.over && !self.cancelled {
            self.cancelled = true;
            self.stop("the client cancelled");
        }
        Box::pin(std::future::ready(()))
    }
}

impl<C: Carrier> Drop for CarriedStream<C> {
    fn drop(&mut self) {
        if !self.over && !self.cancelled {
            self.stop("nobody waits for the answer any more");
        }
    }
}
