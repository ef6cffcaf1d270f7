//! Who listens on one lane, and what its server is to be asked for therefore. Must never hold more than its bounds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ports::changes::Change;
use ports::secret::Secret;
use ports::upstream::{Answer, UpstreamFault};
use tokio::sync::{oneshot, watch};

use super::listener::{Hearing, Listener, Wants};

/// Who may listen on one lane: many agents where the server is shared.
const LISTENERS_MAX: usize = 4096;

/// What a server said to a subscription: `None` that it tells, else its refusal.
pub(crate) type Verdict = Result<Option<Answer>, UpstreamFault>;

/// What a server is to tell, all who listen together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
    pub(crate) uris: BTreeSet<Box<str>>,
}

#[derive(Default)]
struct Inner {
    listeners: BTreeMap<u64, Arc<Listener>>,
    last: u64,
    waiting: Vec<(Box<str>, oneshot::Sender<Verdict>)>,
    /// Of the newest subscription: with it the server is asked again.
    credential: Option<Secret>,
    kept: bool,
    ended: bool,
}

/// See the module.
pub(crate) struct Ear {
    inner: Mutex<Inner>,
    /// Changes whenever what is wanted may have.
    wanted: watch::Sender<()>,
    /// Whether a server is being listened to.
    attended: watch::Sender<bool>,
}

impl Default for Ear {
    fn default() -> Self {
        Self { inner: Mutex::default(), wanted: watch::Sender::new(()), attended: watch::Sender::new(false) }
    }
}

impl Ear {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more listens. The verdict comes for a subscription only. `None` when there are too many, or it has ended.
    pub(super) fn add(
        ear: &Arc<Self>,
        wants: Wants,
        credential: Option<&Secret>,
    ) -> Option<(Hearing, oneshot::Receiver<Verdict>)> {
        let (tell, verdict) = oneshot::channel();
        let listener = {
            let mut inner = ear.inner();
            if inner.ended || inner.listeners.len() >= LISTENERS_MAX {
                return None;
            }
            if let Some(uri) = wants.uri.clone() {
                inner.waiting.push((uri, tell));
                inner.credential = credential.cloned();
            }
            inner.last += 1;
            let (number, listener) = (inner.last, Arc::new(Listener::new(wants)));
            inner.listeners.insert(number, Arc::clone(&listener));
            Hearing { ear: Arc::clone(ear), number, listener }
        };
        ear.wanted.send_replace(());
        Some((listener, verdict))
    }

    pub(super) fn remove(&self, number: u64) {
        self.inner().listeners.remove(&number);
        self.wanted.send_replace(());
    }

    /// True once, until [`Self::unkeep`] found that nobody listens.
    pub(super) fn needs_keeper(&self) -> bool {
        !std::mem::replace(&mut self.inner().kept, true)
    }

    /// Whether its keeper may go, for nobody listens.
    pub(super) fn unkeep(&self) -> bool {
        let mut inner = self.inner();
        inner.kept = !inner.is_idle();
        !inner.kept
    }

    /// Whether anybody listens.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.inner().is_idle()
    }

    /// What is wanted now. Mark [`Self::watch`] as seen before.
    pub(crate) fn wanted(&self) -> Wanted {
        let inner = self.inner();
        let mut wanted = Wanted::default();
        for listener in inner.listeners.values().filter(|listener| !listener.is_over()) {
            wanted.prompts |= listener.wants.prompts;
            wanted.resources |= listener.wants.resources;
            wanted.uris.extend(listener.wants.uri.clone());
        }
        wanted
    }

    /// Changes whenever [`Self::wanted`] may have.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.wanted.subscribe()
    }

    /// What the server is asked with.
    pub(crate) fn credential(&self) -> Option<Secret> {
        self.inner().credential.clone()
    }

    /// What a server said to a subscription. A fault counts for those who wait for a first answer; a refusal ends the
    /// subscriptions that were there before, too.
    pub(crate) fn settle(&self, uri: &str, verdict: &Verdict) {
        let mut inner = self.inner();
        let waiting = std::mem::take(&mut inner.waiting);
        for (wanted, tell) in waiting {
            if *wanted == *uri {
                // Whoever stopped waiting listens no more.
                let _unheard = tell.send(verdict.clone());
            } else {
                inner.waiting.push((wanted, tell));
            }
        }
        if let Ok(Some(_)) = verdict {
            let of_it = |listener: &&Arc<Listener>| listener.wants.uri.as_deref() == Some(uri);
            inner.listeners.values().filter(of_it).for_each(|listener| listener.end());
        }
    }

    /// Whether anybody waits for a first answer to this.
    pub(crate) fn waits_for(&self, uri: &str) -> bool {
        self.inner().waiting.iter().any(|(wanted, tell)| **wanted == *uri && !tell.is_closed())
    }

    /// Whether anybody waits for a first answer.
    pub(super) fn is_awaited(&self) -> bool {
        self.inner().waiting.iter().any(|(_, tell)| !tell.is_closed())
    }

    /// There is no server to ask.
    pub(super) fn fail(&self, fault: &UpstreamFault) {
        let waiting = std::mem::take(&mut self.inner().waiting);
        for (_, tell) in waiting {
            let _unheard = tell.send(Err(fault.clone()));
        }
    }

    /// A server is being listened to, or no longer.
    pub(crate) fn attend(&self, attended: bool) {
        self.attended.send_replace(attended);
    }

    /// Resolves when a server is being listened to.
    pub(super) async fn attended(&self) {
        let mut attended = self.attended.subscribe();
        let _gone = attended.wait_for(|attended| *attended).await;
    }

    /// The server said so.
    pub(crate) fn hear(&self, change: &Change) {
        self.inner().listeners.values().for_each(|listener| listener.hear(change));
    }

    /// Nobody listened to the server for a while.
    pub(crate) fn miss(&self) {
        self.inner().listeners.values().for_each(|listener| listener.miss());
    }

    /// Nothing is heard any more.
    pub(super) fn end(&self) {
        {
            let mut inner = self.inner();
            inner.ended = true;
            inner.waiting.clear();
            inner.listeners.values().for_each(|listener| listener.end());
        }
        self.wanted.send_replace(());
    }
}

impl Inner {
    fn is_idle(&self) -> bool {
        self.ended || self.listeners.values().all(|listener| listener.is_over())
    }
}

#[cfg(test)]
mod tests {
    use ports::changes::Changes as _;

    use super::*;

    fn on(uri: &str) -> Wants {
        Wants { uri: Some(Box::from(uri)), ..Wants::default() }
    }

    #[tokio::test]
    async fn what_one_ends_another_still_hears() {
        let ear = Arc::new(Ear::default());
        assert!(ear.needs_keeper() && !ear.needs_keeper());
        let (first, _first) = Ear::add(&ear, on("a:b"), None).unwrap();
        let (mut second, _second) = Ear::add(&ear, on("a:b"), None).unwrap();
        assert_eq!(ear.wanted().uris.len(), 1);
        drop(first);
        assert_eq!(ear.wanted().uris.len(), 1);
        assert!(!ear.unkeep());
        ear.hear(&Change::Updated("a:b".into()));
        assert_eq!(second.next().await, Some(Change::Updated("a:b".into())));
        drop(second);
        assert!(ear.wanted() == Wanted::default() && ear.unkeep() && ear.needs_keeper());
    }

    #[tokio::test]
    async fn a_refusal_ends_the_subscription_and_a_fault_only_the_wait() {
        let ear = Arc::new(Ear::default());
        let fault = crate::fault::unavailable(&model::ids::ServerName::parse("s").unwrap(), "gone");
        let refused = Answer::Error { code: -32602, message: "no".to_owned(), data: None };
        let (mut before, verdict) = Ear::add(&ear, on("a:b"), None).unwrap();
        ear.settle("a:b", &Ok(None));
        assert!(matches!(verdict.await, Ok(Ok(None))));
        let (_later, verdict) = Ear::add(&ear, on("a:b"), None).unwrap();
        assert!(ear.waits_for("a:b"));
        ear.settle("a:b", &Err(fault));
        assert!(matches!(verdict.await, Ok(Err(_))) && !ear.waits_for("a:b"));
        assert!(ear.is_wanted());
        ear.settle("a:b", &Ok(Some(refused)));
        assert_eq!(before.next().await, None);
        assert!(!ear.is_wanted());
    }

    #[tokio::test]
    async fn so_many_listen_and_nobody_once_it_has_ended() {
        let ear = Arc::new(Ear::default());
        let mut all: Vec<_> = std::iter::from_fn(|| Ear::add(&ear, on("a:b"), None)).take(9999).collect();
        assert_eq!(all.len(), LISTENERS_MAX);
        ear.end();
        assert_eq!(all.pop().unwrap().0.next().await, None);
        assert!(Ear::add(&ear, on("a:b"), None).is_none());
    }
}
