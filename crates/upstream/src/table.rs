//! The requests that are open on a connection that carries many, by our own ids. Must never give an answer to a
//! request it was not meant for, nor settle one twice.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mcp::reply;
use ports::upstream::{Progress, Sent, UpstreamFault};
use tokio::sync::{mpsc, oneshot};

/// Progress that waits for one caller; what comes while it is full is dropped, as progress may be.
const PROGRESS_QUEUE: usize = 64;

pub(crate) type Outcome = Result<reply::Outcome, UpstreamFault>;

/// One open request, the waiting side.
pub(crate) struct Ticket {
    /// Its id, and its progress token.
    pub(crate) id: u64,
    pub(crate) done: oneshot::Receiver<Outcome>,
    pub(crate) progress: Option<mpsc::Receiver<Progress>>,
}

struct Slot {
    done: oneshot::Sender<Outcome>,
    progress: Option<mpsc::Sender<Progress>>,
    notifications: u64,
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
        let mut inner = self.inner();
        if let Some(fault) = &inner.dead {
            return Err(UpstreamFault { sent: Sent::No, ..fault.clone() });
        }
        inner.last += 1;
        let id = inner.last;
        let (done, waits) = oneshot::channel();
        let (progress, hears) = match wants_progress {
            true => Some(mpsc::channel(PROGRESS_QUEUE)).unzip(),
            false => (None, None),
        };
        inner.open.insert(id, Slot { done, progress, notifications: 0 });
        Ok(Ticket { id, done: waits, progress: hears })
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
        slot.notifications += 1;
        if let Some(hears) = &slot.progress {
            // Full, or nobody listens any more: progress may be lost.
            let _lost = hears.try_send(progress);
        }
        slot.notifications <= max
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

#[cfg(test)]
mod tests {
    use mcp::jsonrpc::RpcError;

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
    fn a_dead_connection_fails_what_is_open_and_takes_nothing_more() {
        let table = Table::default();
        let mut open = table.open(false).unwrap();
        let server = model::ids::ServerName::parse("s").unwrap();
        table.end(&crate::fault::violation(&server, "it crashed"));
        assert_eq!(open.done.try_recv().unwrap().unwrap_err().sent, Sent::Maybe);
        assert_eq!(table.open(false).map(|t| t.id).unwrap_err().sent, Sent::No);
    }
}
