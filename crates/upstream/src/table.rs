//! The requests that are open on a connection that carries many, by our own ids. Must never give an answer to a
//! request it was not meant for, nor settle one twice.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mcp::jsonrpc::RequestId;
use mcp::reply::{self, LogUpdate, ServerRequest};
use model::client::LogLevel;
use ports::upstream::{Progress, Sent, UpstreamFault};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// What waits for one caller and may be lost; what comes while it is full is dropped.
const PASSING_QUEUE: usize = 64;
/// What the server asks that waits for one caller; more is a flood.
const SAID_QUEUE: usize = 32;
/// What the server may ask during one request in all, as of a server that answers each request by itself.
const ASKS_MAX: u32 = 64;

pub(crate) type Outcome = Result<reply::Outcome, UpstreamFault>;

/// One open request, the waiting side.
pub(crate) struct Ticket {
    /// Its id, and its progress token.
    pub(crate) id: u64,
    pub(crate) done: oneshot::Receiver<Outcome>,
    pub(crate) passing: Option<mpsc::Receiver<Passing>>,
    pub(crate) said: Option<mpsc::Receiver<Said>>,
}

/// What passes by a caller.
pub(crate) enum Passing {
    Progress(Progress),
    Log(LogUpdate),
}

/// What a server with sessions says to whoever it serves.
pub(crate) enum Said {
    /// It asks.
    Asks(ServerRequest),
    /// It asks no more.
    Withdraws(RequestId),
}

/// What of a connection one request wants to hear.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wants {
    /// Its progress.
    pub(crate) progress: bool,
    /// What is logged, from this level on.
    pub(crate) log: Option<LogLevel>,
    /// What is asked of the client.
    pub(crate) questions: bool,
}

/// Why a question reaches no caller.
pub(crate) enum Unasked {
    /// Nobody can be asked.
    Nobody(ServerRequest),
    /// During the request with this id too much was asked.
    TooMuch(u64),
}

struct Slot {
    done: oneshot::Sender<Outcome>,
    wants: Wants,
    passing: Option<mpsc::Sender<Passing>>,
    said: Option<mpsc::Sender<Said>>,
    notifications: u64,
    asks: u32,
}

impl Slot {
    /// One notification more. False after too many.
    const fn note(&mut self, max: u64) -> bool {
        self.notifications += 1;
        self.notifications <= max
    }

    /// Passes on what may be lost: the queue is full, or nobody listens any more. False after too much of it.
    fn pass(&mut self, passing: Passing, max: u64) -> bool {
        if let Some(hears) = &self.passing {
            let _lost = hears.try_send(passing);
        }
        self.note(max)
    }
}

/// What became of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Settled {
    /// It was waited for.
    Yes,
    /// It was, once: cancelled, timed out, or answered before.
    Late,
    /// Nobody ever asked.
    Never,
}

#[derive(Default)]
struct Inner {
    open: HashMap<u64, Slot>,
    last: u64,
    dead: Option<UpstreamFault>,
}

/// The open requests.
#[derive(Default)]
pub(crate) struct Table(Mutex<Inner>);

impl Table {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a request.
    ///
    /// # Errors
    /// The fault that ended the connection: nothing is sent.
    pub(crate) fn open(&self, wants_progress: bool) -> Result<Ticket, UpstreamFault> {
        self.open_wanting(Wants { progress: wants_progress, ..Wants::default() })
    }

    /// Opens a request that wants to hear this.
    ///
    /// # Errors
    /// As of [`Self::open`].
    pub(crate) fn open_wanting(&self, wants: Wants) -> Result<Ticket, UpstreamFault> {
        let mut inner = self.inner();
        if let Some(fault) = &inner.dead {
            return Err(UpstreamFault { sent: Sent::No, ..fault.clone() });
        }
        inner.last += 1;
        let id = inner.last;
        let (done, waits) = oneshot::channel();
        let passes = wants.progress || wants.log.is_some();
        let (passing, hears) = passes.then(|| mpsc::channel(PASSING_QUEUE)).unzip();
        let (said, listens) = wants.questions.then(|| mpsc::channel(SAID_QUEUE)).unzip();
        inner.open.insert(id, Slot { done, wants, passing, said, notifications: 0, asks: 0 });
        Ok(Ticket { id, done: waits, passing: hears, said: listens })
    }

    /// Brings an answer to who waits for it.
    pub(crate) fn settle(&self, id: Option<u64>, outcome: Outcome) -> Settled {
        let mut inner = self.inner();
        let Some(id) = id else { return Settled::Never };
        match inner.open.remove(&id) {
            Some(slot) => {
                // Whoever stopped waiting in this moment needs no answer.
                let _unheard = slot.done.send(outcome);
                Settled::Yes
            }
            None if (1..=inner.last).contains(&id) => Settled::Late,
            None => Settled::Never,
        }
    }

    /// Passes progress on. Progress of other ids is dropped. False when this call has had too much of it.
    pub(crate) fn progress(&self, id: u64, progress: Progress, max: u64) -> bool {
        let mut inner = self.inner();
        let Some(slot) = inner.open.get_mut(&id) else { return true };
        if slot.wants.progress { slot.pass(Passing::Progress(progress), max) } else { slot.note(max) }
    }

    /// Passes a log message to every request that wants it. Those that have had too much.
    pub(crate) fn log(&self, update: &LogUpdate, max: u64) -> Vec<u64> {
        let mut inner = self.inner();
        let wants = |slot: &Slot| slot.wants.log.is_some_and(|least| update.level >= least);
        let wanting = inner.open.iter_mut().filter(|(_, slot)| wants(slot));
        let full = wanting.filter_map(|(id, slot)| {
            let fits = slot.pass(Passing::Log(update.clone()), max);
            (!fits).then_some(*id)
        });
        full.collect()
    }

    /// Brings a question to the request opened last of those whose client can be asked: nothing says whose it is.
    ///
    /// # Errors
    /// Why it reaches nobody.
    pub(crate) fn ask(&self, request: ServerRequest) -> Result<(), Unasked> {
        let mut inner = self.inner();
        let askable = inner.open.iter_mut().filter_map(|(id, slot)| {
            let Slot { said, asks, .. } = slot;
            Some((*id, said.as_ref()?, asks))
        });
        let Some((id, said, asks)) = askable.max_by_key(|(id, ..)| *id) else {
            return Err(Unasked::Nobody(request));
        };
        *asks += 1;
        if *asks > ASKS_MAX {
            return Err(Unasked::TooMuch(id));
        }
        match said.try_send(Said::Asks(request)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(Said::Asks(request))) => Err(Unasked::Nobody(request)),
            Err(_) => Err(Unasked::TooMuch(id)),
        }
    }

    /// The server asks this no more, whoever it asked.
    pub(crate) fn withdrawn(&self, request: &RequestId) {
        for said in self.inner().open.values().filter_map(|slot| slot.said.as_ref()) {
            // A caller that is asked so much is about to fail.
            let _lost = said.try_send(Said::Withdraws(request.clone()));
        }
    }

    /// Whether a request still waits for its answer.
    pub(crate) fn is_open(&self, id: u64) -> bool {
        self.inner().open.contains_key(&id)
    }

    /// Forgets a request. True when it was still open.
    pub(crate) fn abandon(&self, id: u64) -> bool {
        self.inner().open.remove(&id).is_some()
    }

    /// Ends the connection: every open request fails, and none can be opened.
    pub(crate) fn end(&self, fault: &UpstreamFault) {
        let open = {
            let mut inner = self.inner();
            if inner.dead.is_none() {
                inner.dead = Some(fault.clone());
            }
            std::mem::take(&mut inner.open)
        };
        for slot in open.into_values() {
            let _unheard = slot.done.send(Err(fault.clone()));
        }
    }

    /// Whether requests can be opened.
    pub(crate) fn alive(&self) -> bool {
        self.inner().dead.is_none()
    }
}

/// Forgets a question nobody waits for any more.
pub(crate) struct Asking<'a> {
    pub(crate) table: &'a Table,
    pub(crate) id: u64,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.table.abandon(self.id);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use mcp::jsonrpc::RpcError;
    use mcp::reply::UpstreamMessage;
    use model::limits::JsonLimits;

    use super::*;

    fn answer() -> Outcome {
        Ok(reply::Outcome::Error(RpcError::new(1, "told")))
    }

    #[test]
    fn an_answer_reaches_only_its_own_request_and_only_once() {
        let table = Table::default();
        let mut first = table.open(false).unwrap();
        let mut second = table.open(false).unwrap();
        assert_eq!(table.settle(Some(second.id), answer()), Settled::Yes);
        assert_eq!(table.settle(Some(second.id), answer()), Settled::Late);
        assert_eq!(table.settle(Some(99), answer()), Settled::Never);
        assert_eq!(table.settle(None, answer()), Settled::Never);
        assert!(second.done.try_recv().unwrap().is_ok());
        assert!(first.done.try_recv().is_err());
    }

    #[test]
    fn a_request_is_asked_a_bounded_number_of_times_however_fast_it_is_answered() {
        let table = Table::default();
        let other = table.open_wanting(Wants { questions: true, ..Wants::default() }).unwrap();
        let mut open = table.open_wanting(Wants { questions: true, ..Wants::default() }).unwrap();
        let asks = || {
            let text = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#);
            match reply::read_message(&text, &JsonLimits::UPSTREAM).unwrap() {
                UpstreamMessage::Request(request) => request,
                _ => panic!("no request"),
            }
        };
        for _ in 0..64 {
            assert!(table.ask(asks()).is_ok());
            assert!(open.said.as_mut().unwrap().try_recv().is_ok());
        }
        assert!(matches!(table.ask(asks()), Err(Unasked::TooMuch(id)) if id == open.id));
        assert!(table.abandon(open.id));
        assert!(table.ask(asks()).is_ok(), "request {} is another", other.id);
    }

    #[test]
    fn a_dead_connection_fails_what_is_open_and_takes_nothing_more() {
        let table = Table::default();
        let mut open = table.open(false).unwrap();
        let server = model::ids::ServerName::parse("s").unwrap();
        table.end(&crate::fault::violation(&server, "it crashed"));
        assert_eq!(open.done.try_recv().unwrap().unwrap_err().sent, Sent::Maybe);
        assert_eq!(table.open(false).map(|t| t.id).unwrap_err().sent, Sent::No);
    }
}
