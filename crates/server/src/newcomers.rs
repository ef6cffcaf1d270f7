//! Connections that have not proven anybody yet. Must never keep out those that can: when there are too many, the
//! oldest goes, so that filling the door with silent connections empties it of silent connections.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The newcomers of one listener.
pub(crate) struct Newcomers {
    max: usize,
    next: AtomicU64,
    waiting: Mutex<VecDeque<Newcomer>>,
}

/// One connection, until it has proven somebody. Travels with its requests as an extension.
#[derive(Clone)]
pub(crate) struct Newcomer {
    number: u64,
    /// Told when it has to make room.
    leave: Arc<Notify>,
    all: Arc<Newcomers>,
}

impl Newcomers {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, next: AtomicU64::new(0), waiting: Mutex::default() })
    }

    /// Lets one in; the oldest leaves when there are too many.
    pub(crate) fn enter(self: &Arc<Self>) -> Newcomer {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let newcomer = Newcomer { number, leave: Arc::new(Notify::new()), all: Arc::clone(self) };
        let mut waiting = self.lock();
        waiting.push_back(newcomer.clone());
        if waiting.len() > self.max
            && let Some(oldest) = waiting.pop_front()
        {
            oldest.leave.notify_one();
        }
        newcomer
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Newcomer>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Newcomer {
    /// It has proven somebody, or it ended: it no longer has to make room. Does nothing the second time.
    pub(crate) fn settled(&self) {
        let mut waiting = self.all.lock();
        if let Ok(at) = waiting.binary_search_by_key(&self.number, |one| one.number) {
            waiting.remove(at);
        }
    }

    /// Whether it still has to prove somebody.
    pub(crate) fn is_new(&self) -> bool {
        self.all.lock().binary_search_by_key(&self.number, |one| one.number).is_ok()
    }

    /// Resolves when it has to make room.
    pub(crate) async fn told_to_leave(&self) {
        self.leave.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_newcomer_makes_room_and_the_settled_stay() {
        let all = Newcomers::new(2);
        let (first, second, third) = (all.enter(), all.enter(), all.enter());
        first.told_to_leave().await;
        second.settled();
        second.settled();
        let fourth = all.enter();
        assert!(third.is_new() && fourth.is_new() && !second.is_new() && !first.is_new());
        let _fifth = all.enter();
        third.told_to_leave().await;
    }
}
