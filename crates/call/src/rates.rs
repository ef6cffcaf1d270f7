//! How often an agent may ask: a bucket of calls, and one of what is written without a call, each refilled with time.
//!
//! Must never write: who asks more often is counted with the noise, so that a flood fills no disk.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::denial::{Denial, Reason};
use model::ids::AgentId;
use model::limits::CallLimits;

/// What a full bucket lasts for at the allowed rate.
const FULL: Duration = Duration::from_secs(60);

/// When a bucket would be full again.
#[derive(Clone, Copy, Default)]
struct Bucket(Duration);

impl Bucket {
    /// How long until there is one to take; zero when there is.
    fn wait(self, one: Duration, now: Duration) -> Duration {
        (self.0 + one).saturating_sub(now + FULL)
    }

    /// Takes one, there or not: a bucket can owe what was begun while there was one.
    fn take(&mut self, one: Duration, now: Duration) {
        self.0 = self.0.max(now) + one;
    }
}

#[derive(Default)]
struct Used {
    calls: Bucket,
    /// Lists and refusals.
    others: Bucket,
}

/// The buckets of the agents this node has seen. As many as there are agents.
pub(crate) struct Rates {
    call: Duration,
    other: Duration,
    used: Mutex<HashMap<AgentId, Used>>,
}

impl Rates {
    pub(crate) fn new(limits: &CallLimits) -> Self {
        let one = |per_minute: u64| FULL / u32::try_from(per_minute.max(1)).unwrap_or(u32::MAX);
        let (call, other) = (one(limits.calls_per_minute_max), one(limits.lists_and_refusals_per_minute_max));
        Self { call, other, used: Mutex::default() }
    }

    /// Takes one call.
    ///
    /// # Errors
    /// When this agent is at one of its bounds, with the time to wait.
    pub(crate) fn call(&self, agent: &AgentId, now: Duration) -> Result<(), Denial> {
        self.with(agent, |used| {
            let wait = used.calls.wait(self.call, now).max(used.others.wait(self.other, now));
            allowed(wait).inspect(|()| used.calls.take(self.call, now))
        })
    }

    /// Whether a list, or a request that is refused before it is a call, may be written.
    ///
    /// # Errors
    /// As for [`Self::call`].
    pub(crate) fn other(&self, agent: &AgentId, now: Duration) -> Result<(), Denial> {
        self.with(agent, |used| allowed(used.others.wait(self.other, now)))
    }

    /// A list or a refusal is written.
    pub(crate) fn written(&self, agent: &AgentId, now: Duration) {
        self.with(agent, |used| used.others.take(self.other, now));
    }

    fn with<T>(&self, agent: &AgentId, then: impl FnOnce(&mut Used) -> T) -> T {
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(used) = all.get_mut(agent) {
            return then(used);
        }
        then(all.entry(agent.clone()).or_default())
    }
}

fn allowed(wait: Duration) -> Result<(), Denial> {
    if wait.is_zero() {
        return Ok(());
    }
    let seconds = wait.as_millis().div_ceil(1000);
    let text = format!("this agent asks more often than it may; try again in {seconds} s");
    Err(Denial::new(Reason::LimitExceeded, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str) -> AgentId {
        AgentId::parse(name).unwrap()
    }

    fn rates(calls: u64, others: u64) -> Rates {
        Rates::new(&CallLimits {
            calls_per_minute_max: calls,
            lists_and_refusals_per_minute_max: others,
            ..CallLimits::DEFAULT
        })
    }

    #[test]
    fn a_minutes_worth_at_once_and_then_as_fast_as_it_refills() {
        let (rates, ada, bob) = (rates(60, 60), agent("ada"), agent("bob"));
        let begin = Duration::from_secs(1000);
        let allowed = |at: Duration| (0..100).filter(|_| rates.call(&ada, at).is_ok()).count();
        assert_eq!(allowed(begin), 60);
        let denial = rates.call(&ada, begin).unwrap_err();
        assert_eq!(denial.reason, Reason::LimitExceeded);
        assert_eq!(denial.public, "this agent asks more often than it may; try again in 1 s");
        assert_eq!(allowed(begin + Duration::from_millis(999)), 0);
        assert_eq!(allowed(begin + Duration::from_secs(7)), 7);
        assert_eq!(allowed(begin + Duration::from_secs(3600)), 60);
        assert!(rates.call(&bob, begin).is_ok(), "another agent has its own");
    }

    #[test]
    fn who_is_refused_too_often_does_not_get_to_the_next_refusal() {
        let (rates, ada) = (rates(600, 6), agent("ada"));
        let now = Duration::ZERO;
        for _ in 0..6 {
            rates.call(&ada, now).unwrap();
            rates.written(&ada, now);
        }
        assert_eq!(
            rates.call(&ada, now).unwrap_err().public,
            "this agent asks more often than it may; try again in 10 s"
        );
        assert!(rates.other(&ada, now).is_err());
        assert!(rates.call(&ada, now + Duration::from_secs(10)).is_ok());
    }

    #[test]
    fn no_minute_has_more_than_two_minutes_worth() {
        for seed in 1..40u64 {
            let (rates, ada) = (rates(20, 600), agent("ada"));
            let (mut now, mut taken) = (Duration::ZERO, Vec::new());
            for step in 0..400u64 {
                now += Duration::from_millis((seed * 7919 + step * step * seed) % 3000);
                if rates.call(&ada, now).is_ok() {
                    taken.push(now);
                }
            }
            let in_minute =
                |from: &Duration| taken.iter().filter(|at| *at >= from && **at < *from + FULL).count();
            assert!(taken.iter().all(|from| in_minute(from) <= 40), "seed {seed}");
        }
    }
}
