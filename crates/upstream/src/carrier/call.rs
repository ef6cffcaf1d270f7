//! One call on such a connection, as its caller sees it. Must never end without telling the server to stop, unless the
//! server answered.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mcp::outbound;
use model::denial::Reason;
use ports::BoxFuture;
use ports::upstream::{Answer, Forward, Reply, ResultStream, Sent, UpstreamEvent, UpstreamFault};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{ASKS_TOO_MUCH, Carrier, Sending};
use crate::asked::{Asked, Next, Took};
use crate::connection::Call;
use crate::fault::maybe_sent;
use crate::guard::Guard;
use crate::lane::Place;
use crate::measure::{Measure, Unfit};
use crate::server_task;
use crate::speak;
use crate::table::{Outcome, Passing, Said, Ticket};

/// A call that was sent.
pub(crate) struct CarriedStream<C: Carrier> {
    connection: Arc<C>,
    sending: C::Sending,
    forward: Arc<Forward>,
    ticket: Ticket,
    asked: Asked,
    /// The same call again, on its way.
    again: Option<Sending<C::Sending>>,
    deadline: Pin<Box<Sleep>>,
    measure: Measure,
    cancelled: bool,
    over: bool,
    /// An answer of the client could not be carried: the server takes none.
    lost: bool,
    _place: Place,
}

enum Heard<S> {
    Passing(Passing),
    Said(Said),
    Outcome(Outcome),
    Again(Result<(Ticket, S), UpstreamFault>),
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
        Self {
            connection,
            sending,
            ticket,
            asked: Asked::default(),
            again: None,
            deadline: Box::pin(sleep_until(call.deadline)),
            measure: Measure::new(guard, call.forward.bytes_max),
            forward: Arc::new(call.forward),
            cancelled: false,
            over: false,
            lost: false,
            _place: call.place,
        }
    }

    async fn hear(&mut self) -> Heard<C::Sending> {
        if let Some(again) = &mut self.again {
            return tokio::select! {
                biased;
                sent = again => Heard::Again(sent),
                () = &mut self.deadline => Heard::Deadline,
            };
        }
        if self.asked.between() {
            (&mut self.deadline).await;
            return Heard::Deadline;
        }
        tokio::select! {
            biased;
            Some(passing) = receive(&mut self.ticket.passing) => Heard::Passing(passing),
            Some(said) = receive(&mut self.ticket.said) => Heard::Said(said),
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
        loop {
            if self.lost {
                return self.fail_unfit(Unfit::Wrong(ASKS_TOO_MUCH));
            }
            if let Some(question) = self.asked.next_question() {
                self.wait_for(self.forward.answer_within);
                return UpstreamEvent::Asks(vec![question]);
            }
            let event = match self.hear().await {
                Heard::Passing(passing) => self.passed(passing),
                Heard::Said(said) => self.said(said),
                Heard::Outcome(outcome) => Some(self.answered(outcome)),
                Heard::Again(sent) => self.sent_again(sent),
                Heard::Deadline => Some(self.timed_out()),
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    fn passed(&mut self, passing: Passing) -> Option<UpstreamEvent> {
        let (fits, event) = match passing {
            Passing::Progress(progress) => {
                (self.measure.progress(&progress), UpstreamEvent::Progress(progress))
            }
            Passing::Log(update) => {
                let message = speak::log(&self.forward, update)?;
                (self.measure.log(&message), UpstreamEvent::Log(message))
            }
        };
        Some(match fits {
            Ok(()) => event,
            Err(unfit) => self.fail_unfit(unfit),
        })
    }

    fn said(&mut self, said: Said) -> Option<UpstreamEvent> {
        let request = match said {
            Said::Asks(request) => request,
            Said::Withdraws(id) => {
                self.asked.withdrawn(&id);
                return None;
            }
        };
        let whom = (self.connection.server(), self.connection.may_ask());
        match self.asked.take(whom, request, &mut self.measure) {
            Ok(Took::Answer(answer)) => {
                let carried = self.connection.answer_of(&self.sending, answer);
                (!carried).then(|| self.fail_unfit(Unfit::Wrong(ASKS_TOO_MUCH)))
            }
            Ok(Took::Waits) => None,
            Err(unfit) => Some(self.fail_unfit(unfit)),
        }
    }

    fn answered(&mut self, outcome: Outcome) -> UpstreamEvent {
        let version = self.connection.version();
        let wanted = outcome.as_ref().ok().and_then(|one| speak::wanted(&self.forward, version, one));
        let Some(wanted) = wanted else { return self.done(outcome) };
        self.connection.served().store(true, Ordering::Release);
        let server = self.connection.server();
        match wanted.and_then(|wanted| self.asked.require(server, wanted, &mut self.measure)) {
            Ok(questions) => {
                self.wait_for(self.forward.answer_within);
                UpstreamEvent::Asks(questions)
            }
            Err(unfit) => self.fail_unfit(unfit),
        }
    }

    /// The client answered.
    fn answered_by_client(&mut self, replies: Vec<Reply>) {
        if self.over || self.cancelled {
            return;
        }
        match self.asked.answered(replies) {
            Next::Nothing => return,
            Next::Tell(message) => {
                self.lost = message.is_some_and(|message| !self.connection.answer_of(&self.sending, message));
            }
            Next::Again(retry) => {
                self.again = Some(self.connection.send_again(Arc::clone(&self.forward), retry));
            }
        }
        self.wait_for(self.forward.deadline);
    }

    fn sent_again(&mut self, sent: Result<(Ticket, C::Sending), UpstreamFault>) -> Option<UpstreamEvent> {
        self.again = None;
        match sent {
            Ok((ticket, sending)) => {
                (self.ticket, self.sending) = (ticket, sending);
                None
            }
            // Nothing was sent this time; something was before.
            Err(fault) => Some(self.done(Err(UpstreamFault { sent: Sent::Maybe, ..fault }))),
        }
    }

    fn timed_out(&mut self) -> UpstreamEvent {
        let what = match self.asked.open() {
            true => "nobody answered what it asks in time",
            false => "it did not answer within the call's time",
        };
        self.stop("the call took too long");
        self.done(Err(maybe_sent(Reason::UpstreamTimeout, self.connection.server(), what)))
    }

    fn wait_for(&mut self, time: Duration) {
        self.deadline.as_mut().reset(Instant::now() + time);
    }

    fn done(&mut self, outcome: Outcome) -> UpstreamEvent {
        self.over = true;
        self.give_up();
        if outcome.is_ok() {
            self.connection.served().store(true, Ordering::Release);
        }
        let version = self.connection.version();
        let answer: Result<Answer, UpstreamFault> =
            outcome.and_then(|outcome| server_task::answer(&self.forward, version, outcome, &self.measure));
        UpstreamEvent::Done(answer)
    }

    fn fail_unfit(&mut self, unfit: Unfit) -> UpstreamEvent {
        self.stop("what it sends cannot be used");
        self.done(Err(unfit.fault(self.connection.server())))
    }

    /// Forgets the request and tells the server, without waiting for either.
    fn stop(&mut self, why: &str) {
        self.again = None;
        self.give_up();
        if self.connection.table().abandon(self.ticket.id) {
            self.connection.say_over(&self.sending, outbound::cancelled(self.ticket.id, why));
        }
    }

    /// Whatever the server still asks is not answered any more, which it is told as far as it can be.
    fn give_up(&mut self) {
        while let Some(Ok(said)) = self.ticket.said.as_mut().map(mpsc::Receiver::try_recv) {
            if let Said::Asks(request) = said {
                self.connection.answer_of(&self.sending, request.answer());
            }
        }
        for message in self.asked.given_up() {
            self.connection.answer_of(&self.sending, message);
        }
    }
}

async fn receive<T>(queue: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    let received = queue.as_mut()?.recv().await;
    if received.is_none() {
        *queue = None;
    }
    received
}

impl<C: Carrier> ResultStream for CarriedStream<C> {
    fn next(&mut self) -> BoxFuture<'_, UpstreamEvent> {
        Box::pin(self.following())
    }

    fn answer(&mut self, replies: Vec<Reply>) -> BoxFuture<'_, ()> {
        self.answered_by_client(replies);
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
