//! What a client subscribed to, and which of it changed since it was last told. Must never keep more than its bounds, nor
//! what a subscription that has ended heard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use call::Subscription;
use call::open_calls::CancelToken;
use model::denial::Reason;
use tokio::sync::Notify;

/// URIs below one that was subscribed to that wait to be told; of more, only that there were some.
const WAITING_MAX: usize = 64;

/// The subscriptions of one session, or of one request that listens. They end with it.
#[derive(Default)]
pub(super) struct Updates(Heard);

/// What is heard of them, for as long as they are there.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Shared>);

#[derive(Default)]
struct Shared {
    kept: Mutex<Kept>,
    told: Notify,
}

#[derive(Default)]
struct Kept {
    by_uri: BTreeMap<Box<str>, One>,
    last: u64,
}

struct One {
    number: u64,
    cancel: CancelToken,
    waiting: BTreeSet<Box<str>>,
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, uri: &str, number: u64, changed: Box<str>) {
        let mut kept = self.kept();
        if let Some(one) = kept.by_uri.get_mut(uri).filter(|one| one.number == number) {
            let full = one.waiting.len() >= WAITING_MAX;
            one.waiting.insert(if full { Box::from(uri) } else { changed });
            self.told.notify_one();
        }
    }

    fn end(&self, uri: &str, number: u64) {
        let mut kept = self.kept();
        if kept.by_uri.get(uri).is_some_and(|one| one.number == number) {
            kept.by_uri.remove(uri);
        }
    }
}

impl Updates {
    /// Keeps a subscription, in place of one to the same URI.
    pub(super) fn keep(&self, uri: Box<str>, mut subscription: Subscription) {
        let number = {
            let mut kept = self.0.0.kept();
            kept.last += 1;
            let (number, cancel) = (kept.last, subscription.canceller());
            let one = One { number, cancel, waiting: BTreeSet::new() };
            if let Some(before) = kept.by_uri.insert(uri.clone(), one) {
                before.cancel.cancel(Reason::Cancelled);
            }
            number
        };
        let shared = Arc::clone(&self.0.0);
        tokio::spawn(async move {
            while let Some(changed) = subscription.next().await {
                shared.hear(&uri, number, changed);
            }
            shared.end(&uri, number);
        });
    }

    /// Ends the subscription to a URI, if there is one.
    pub(super) fn end(&self, uri: &str) {
        if let Some(one) = self.0.0.kept().by_uri.remove(uri) {
            one.cancel.cancel(Reason::Cancelled);
        }
    }

    /// What is heard of them.
    pub(super) fn heard(&self) -> Heard {
        self.0.clone()
    }
}

impl Heard {
    /// The next URI that changed. Safe to drop and call again.
    pub(super) async fn next(&self) -> Box<str> {
        loop {
            if let Some(uri) = self.take() {
                return uri;
            }
            self.0.told.notified().await;
        }
    }

    /// One that changed, if any did.
    pub(super) fn take(&self) -> Option<Box<str>> {
        self.0.kept().by_uri.values_mut().find_map(|one| one.waiting.pop_first())
    }
}

impl Drop for Updates {
    fn drop(&mut self) {
        for one in self.0.0.kept().by_uri.values() {
            one.cancel.cancel(Reason::Cancelled);
        }
    }
}
