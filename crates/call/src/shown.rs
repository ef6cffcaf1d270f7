//! The questions of upstream tasks that their clients were shown: decided once while the task asks them, not at every look.
//! Must never hold more than its bounds, nor know a question that was not permitted under the snapshot it names.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::digest::Digest;
use model::ids::{AgentId, Epoch, ServerName};
use model::method::Method;
use ports::upstream::Question;

/// Tasks of one agent that are kept in mind, ...
const PER_AGENT_MAX: usize = 64;
/// ... and of all. Of what is forgotten the questions are decided again.
const ALL_MAX: usize = 4096;

/// Whose task it is, on which server, by the server's own id.
pub(crate) type Whose = (AgentId, ServerName, Box<str>);

/// What one task asks and its client may be shown.
#[derive(Debug)]
pub(crate) struct Asks {
    epoch: Epoch,
    by_key: HashMap<Box<str>, (Method, Digest)>,
}

impl Asks {
    /// Nothing yet, under this snapshot.
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self { epoch, by_key: HashMap::new() }
    }

    pub(crate) fn insert(&mut self, key: Box<str>, method: Method, digest: Digest) {
        self.by_key.insert(key, (method, digest));
    }
}

/// What stands for a question: the same key may ask something else.
pub(crate) fn asked_digest(question: &Question) -> Digest {
    let canonical = question.params.canonical();
    let parts = [question.method.as_str().as_bytes(), canonical.as_bytes()];
    Digest::of_parts("callgate/server-task-question/v1", &parts)
}

/// What was shown, by task.
#[derive(Default)]
pub(crate) struct Shown(Mutex<HashMap<Whose, (Asks, Duration)>>);

impl Shown {
    fn all(&self) -> MutexGuard<'_, HashMap<Whose, (Asks, Duration)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this very question was permitted under this snapshot.
    pub(crate) fn knows(&self, whose: &Whose, epoch: Epoch, (key, digest): (&str, Digest)) -> bool {
        let all = self.all();
        let known = all.get(whose).filter(|(asks, _)| asks.epoch == epoch);
        known.is_some_and(|(asks, _)| asks.by_key.get(key).is_some_and(|(_, asked)| *asked == digest))
    }

    /// What the client of a task was shown last.
    pub(crate) fn keys(&self, whose: &Whose) -> Vec<(Box<str>, Method)> {
        let all = self.all();
        let asks = all.get(whose).map(|(asks, _)| &asks.by_key);
        asks.into_iter().flatten().map(|(key, (method, _))| (key.clone(), *method)).collect()
    }

    /// Keeps what is shown now, in place of what was. The oldest makes room.
    pub(crate) fn remember(&self, whose: Whose, asks: Asks, now: Duration) {
        let mut all = self.all();
        all.remove(&whose);
        if asks.by_key.is_empty() {
            return;
        }
        let of_agent = all.keys().filter(|(agent, ..)| *agent == whose.0).count();
        let oldest = |mine: bool| {
            let kept = all.iter().filter(|((agent, ..), _)| !mine || *agent == whose.0);
            kept.min_by_key(|(_, (_, at))| *at).map(|(whose, _)| whose.clone())
        };
        let gone = match () {
            () if of_agent >= PER_AGENT_MAX => oldest(true),
            () if all.len() >= ALL_MAX => oldest(false),
            () => None,
        };
        if let Some(gone) = gone {
            all.remove(&gone);
        }
        all.insert(whose, (asks, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose(agent: &str, id: usize) -> Whose {
        let (agent, server) = (AgentId::parse(agent).unwrap(), ServerName::parse("alpha").unwrap());
        (agent, server, id.to_string().into())
    }

    fn asks(epoch: u64, key: &str) -> Asks {
        let mut asks = Asks::new(Epoch(epoch));
        asks.insert(key.into(), Method::Elicit, Digest::of_parts("t", &[]));
        asks
    }

    #[test]
    fn what_was_permitted_is_known_until_anything_changes() {
        let (shown, digest) = (Shown::default(), Digest::of_parts("t", &[]));
        shown.remember(whose("ada", 1), asks(1, "a"), Duration::ZERO);
        let knows = |of: &Whose, epoch, key, digest| shown.knows(of, Epoch(epoch), (key, digest));
        assert!(knows(&whose("ada", 1), 1, "a", digest));
        assert!(!knows(&whose("ada", 1), 2, "a", digest), "other policies may be in force");
        assert!(!knows(&whose("ada", 1), 1, "b", digest));
        assert!(!knows(&whose("ada", 1), 1, "a", Digest::of_parts("u", &[])), "it asks something else");
        assert!(!knows(&whose("bob", 1), 1, "a", digest), "it was shown to another");
        shown.remember(whose("ada", 1), Asks::new(Epoch(1)), Duration::ZERO);
        assert_eq!(shown.keys(&whose("ada", 1)), []);
    }

    #[test]
    fn memory_is_bounded_and_one_agent_takes_none_of_another() {
        let shown = Shown::default();
        shown.remember(whose("bob", 0), asks(1, "b"), Duration::ZERO);
        for id in 0..PER_AGENT_MAX + 9 {
            shown.remember(whose("ada", id), asks(1, "a"), Duration::from_secs(1 + id as u64));
        }
        assert_eq!(shown.all().len(), PER_AGENT_MAX + 1);
        assert_eq!(shown.keys(&whose("ada", 0)), [], "the oldest made room");
        assert_eq!(shown.keys(&whose("bob", 0)).len(), 1);
    }
}
