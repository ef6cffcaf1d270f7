//! One who listens on a lane. Must never be told of what it did not ask for, nor grow with what a server says.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ports::BoxFuture;
use ports::changes::{Change, Changes};
use tokio::sync::Notify;

use super::ear::Ear;

/// Changes that wait for one who listens; of more, only that there were some.
const WAITING_MAX: usize = 64;

/// What one listens to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wants {
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
    pub(crate) uri: Option<Box<str>>,
}

impl Wants {
    fn cover(&self, change: &Change) -> bool {
        match change {
            Change::Prompts => self.prompts,
            Change::Resources => self.resources,
            Change::Updated(uri) => self.uri.as_deref().is_some_and(|own| is_within(own, uri)),
        }
    }

    /// Everything that may have changed.
    fn all(&self) -> impl Iterator<Item = Change> {
        let lists = [(self.prompts, Change::Prompts), (self.resources, Change::Resources)];
        let lists = lists.into_iter().filter_map(|(wanted, change)| wanted.then_some(change));
        lists.chain(self.uri.clone().map(Change::Updated))
    }
}

/// Whether it is this resource, or one below it.
fn is_within(own: &str, uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix(own) else { return false };
    let below = own.ends_with('/') || rest.starts_with('/');
    rest.is_empty() || (below && !rest.split('/').any(|segment| segment == ".."))
}

/// What was heard and not asked for yet.
#[derive(Default)]
struct Heard {
    changes: BTreeSet<Change>,
    over: bool,
}

/// One who listens.
pub(super) struct Listener {
    pub(super) wants: Wants,
    heard: Mutex<Heard>,
    told: Notify,
}

impl Listener {
    pub(super) fn new(wants: Wants) -> Self {
        Self { wants, heard: Mutex::default(), told: Notify::new() }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_over(&self) -> bool {
        self.heard().over
    }

    pub(super) fn hear(&self, change: &Change) {
        if self.wants.cover(change) {
            self.keep(change.clone());
        }
    }

    /// Nobody knows what it missed.
    pub(super) fn miss(&self) {
        self.wants.all().for_each(|change| self.keep(change));
    }

    fn keep(&self, change: Change) {
        let mut heard = self.heard();
        let change = match &self.wants.uri {
            Some(own) if heard.changes.len() >= WAITING_MAX => Change::Updated(own.clone()),
            _ => change,
        };
        if heard.changes.insert(change) {
            self.told.notify_one();
        }
    }

    pub(super) fn end(&self) {
        self.heard().over = true;
        self.told.notify_one();
    }
}

/// The ear of one who listens; dropped, nothing is heard any more.
pub(crate) struct Hearing {
    pub(super) ear: Arc<Ear>,
    pub(super) number: u64,
    pub(super) listener: Arc<Listener>,
}

impl Changes for Hearing {
    fn next(&mut self) -> BoxFuture<'_, Option<Change>> {
        Box::pin(async move {
            loop {
                {
                    let mut heard = self.listener.heard();
                    if heard.over {
                        return None;
                    }
                    if let Some(change) = heard.changes.pop_first() {
                        return Some(change);
                    }
                }
                self.listener.told.notified().await;
            }
        })
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.ear.remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(uri: &str) -> Listener {
        Listener::new(Wants { uri: Some(Box::from(uri)), ..Wants::default() })
    }

    fn heard(listener: &Listener) -> Vec<Change> {
        std::mem::take(&mut listener.heard().changes).into_iter().collect()
    }

    fn updated(uri: &str) -> Change {
        Change::Updated(Box::from(uri))
    }

    #[test]
    fn one_hears_of_what_one_subscribed_to_and_what_is_below_it() {
        let listener = on("file:///a");
        for other in ["file:///", "file:///ab", "file:///b", "x", "file:///a/../b", "file:///a?q"] {
            listener.hear(&updated(other));
        }
        listener.hear(&Change::Prompts);
        listener.hear(&Change::Resources);
        assert_eq!(heard(&listener), []);
        for own in ["file:///a", "file:///a/", "file:///a/b/c"] {
            listener.hear(&updated(own));
            assert_eq!(heard(&listener), [updated(own)]);
        }
        let folder = on("file:///a/");
        folder.hear(&updated("file:///a/b"));
        folder.hear(&updated("file:///a"));
        assert_eq!(heard(&folder), [updated("file:///a/b")]);
    }

    #[test]
    fn a_server_that_floods_is_kept_once_for_each_and_not_without_end() {
        let listener = on("a:");
        (0..1000).for_each(|_| listener.hear(&updated("a:")));
        assert_eq!(heard(&listener), [updated("a:")]);
        let folder = on("a:/");
        (0..1000).for_each(|number| folder.hear(&updated(&format!("a:/{number}"))));
        let kept = heard(&folder);
        assert!(kept.len() == WAITING_MAX + 1 && kept.contains(&updated("a:/")));
    }

    #[test]
    fn who_may_have_missed_something_is_told_of_all_it_listens_to() {
        let lists = Listener::new(Wants { prompts: true, resources: true, uri: None });
        lists.miss();
        assert_eq!(heard(&lists), [Change::Resources, Change::Prompts]);
        let one = on("a:b");
        one.miss();
        assert_eq!(heard(&one), [updated("a:b")]);
    }
}
