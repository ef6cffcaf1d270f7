//! The open upstream call: events in, one end out. Must never end without saying whether the upstream may have acted.

use std::sync::Arc;

use model::denial::Reason;
use model::ids::ServerName;
use ports::upstream::{
    Answer, Forward, LogMessage, Progress, Question, Reply, ResultStream, Sent, UpstreamEvent, UpstreamFault,
};
use tokio::sync::mpsc;

use crate::driver::Door;
use crate::identified::Caller;
use crate::intended::Intended;
use crate::open_calls::{CancelToken, Told};
use crate::question::{Between, Pending, Round};

/// Times a server may ask during one call. Clients of the protocol stop after ten.
const ROUNDS_MAX: u32 = 16;
/// Most questions of one call: each is an entry of the record and one more when it is over.
const QUESTIONS_MAX: usize = 64;

/// What passes to the client while its call is open.
#[derive(Debug)]
pub enum Passing {
    /// Progress. May be lost when the connection is slow.
    Progress(Progress),
    /// A log message. May be lost when the connection is slow.
    Log(LogMessage),
    /// The server asks before it goes on.
    Asks(Round),
}

/// The open upstream call.
pub(crate) struct Exchange {
    pub(crate) door: Arc<Door>,
    pub(crate) caller: Caller,
    pub(crate) server: ServerName,
    pub(crate) cancel: CancelToken,
    pub(crate) passing: mpsc::Sender<Passing>,
}

/// What happened while a call was open.
enum Happened {
    TakenAway(Reason),
    Event(UpstreamEvent),
    Replied(Vec<Reply>),
}

impl Exchange {
    /// Whether the policies in force permit the call still is asked when they were replaced; all that it was permitted on,
    /// before an answer of the client goes on.
    pub(crate) async fn run(self, forward: Forward, intended: &Intended) -> Result<Answer, UpstreamFault> {
        if let Some(reason) = self.cancel.reason() {
            let private = "cancelled before sending".to_owned();
            return Err(UpstreamFault { sent: Sent::No, reason, private });
        }
        let client = forward.client;
        let opening = self.door.ports.upstreams.open(forward);
        let mut stream = tokio::select! {
            biased;
            reason = self.taken_away(intended) => return Err(stopped(reason)),
            opened = opening => opened?,
        };
        let (mut pending, mut rounds, mut questioned) = (None, 0, 0);
        let end = loop {
            match self.happening(&mut stream, &mut pending, intended).await {
                // First: what was taken away is not answered, and no flood of events keeps it from being heard.
                Happened::TakenAway(reason) => break Err(stop(&mut stream, reason).await),
                Happened::Event(UpstreamEvent::Done(result)) => break result,
                // A full queue means a slow connection: these are advice and may be dropped.
                Happened::Event(UpstreamEvent::Progress(progress)) => self.tell(Passing::Progress(progress)),
                Happened::Event(UpstreamEvent::Log(message)) => self.tell(Passing::Log(message)),
                Happened::Event(UpstreamEvent::Asks(questions)) => {
                    rounds += 1;
                    questioned += questions.len();
                    if rounds > ROUNDS_MAX || questioned > QUESTIONS_MAX || pending.is_some() {
                        stream.cancel().await;
                        break Err(asks_too_much());
                    }
                    pending = self.ask(&mut stream, questions).await;
                }
                Happened::Replied(replies) => {
                    let Some(asked) = pending.take() else { continue };
                    let replies = self.door.settle(asked, replies).await;
                    let stands = self.door.stands_again(intended).await;
                    match self.cancel.reason() {
                        Some(reason) => break Err(stop(&mut stream, reason).await),
                        None if !stands => break Err(stop(&mut stream, Reason::Revoked).await),
                        None => stream.answer(replies).await,
                    }
                }
            }
        };
        if let Some(unanswered) = pending {
            self.door.settle(unanswered, Vec::new()).await;
        }
        match end {
            Ok(answer) => Ok(self.door.pages(&self.between(), client, answer).await),
            Err(fault) => Err(fault),
        }
    }

    async fn happening(
        &self,
        stream: &mut Box<dyn ResultStream>,
        pending: &mut Option<Pending>,
        intended: &Intended,
    ) -> Happened {
        tokio::select! {
            biased;
            reason = self.taken_away(intended) => Happened::TakenAway(reason),
            event = stream.next() => Happened::Event(event),
            // Nobody is left to answer: so the server is told.
            replies = self.replied(pending) => Happened::Replied(replies.unwrap_or_default()),
        }
    }

    /// The client's answer, once it has the questions; never, when nothing was asked. `None`: nobody will answer. Safe to
    /// drop and call again: a client that is slow to read keeps nothing else from being heard.
    async fn replied(&self, pending: &mut Option<Pending>) -> Option<Vec<Reply>> {
        let Some(pending) = pending else { return std::future::pending().await };
        if pending.unsent.is_some() {
            let place = self.passing.reserve().await.ok();
            // With nobody to take it, it is dropped, and that is heard as no answer.
            let round = pending.unsent.take();
            if let (Some(place), Some(round)) = (place, round) {
                place.send(Passing::Asks(round));
            }
        }
        (&mut pending.answer).await.ok()
    }

    /// Decides on questions. What is left to wait for, unless nothing of it may be asked.
    async fn ask(&self, stream: &mut Box<dyn ResultStream>, questions: Vec<Question>) -> Option<Pending> {
        let pending = self.door.ask_client(&self.between(), questions).await;
        if pending.unsent.is_some() {
            return Some(pending);
        }
        let replies = self.door.settle(pending, Vec::new()).await;
        stream.answer(replies).await;
        None
    }

    const fn between(&self) -> Between<'_> {
        Between { caller: &self.caller, server: &self.server, cancel: &self.cancel }
    }

    fn tell(&self, passing: Passing) {
        drop(self.passing.try_send(passing));
    }

    /// Resolves when the call has to stop.
    async fn taken_away(&self, intended: &Intended) -> Reason {
        loop {
            match self.cancel.told().await {
                Told::Stop(reason) => return reason,
                Told::LookAgain if self.door.stands(intended) => {}
                Told::LookAgain => return Reason::Revoked,
            }
        }
    }
}

async fn stop(stream: &mut Box<dyn ResultStream>, reason: Reason) -> UpstreamFault {
    stream.cancel().await;
    stopped(reason)
}

fn stopped(reason: Reason) -> UpstreamFault {
    UpstreamFault { sent: Sent::Maybe, reason, private: "cancelled while the call was open".to_owned() }
}

fn asks_too_much() -> UpstreamFault {
    let private = format!(
        "it asks more than {ROUNDS_MAX} times or {QUESTIONS_MAX} things during one call, or again before it is answered"
    );
    UpstreamFault { sent: Sent::Maybe, reason: Reason::UpstreamViolation, private }
}
