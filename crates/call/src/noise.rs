//! Requests of nobody in particular, and of agents that ask too often: counted, and summarised under a fixed write rate.
//! Must never write once per request.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ledger::{Body, Entry, LifecycleBody};
use model::denial::Reason;
use model::ids::AgentId;
use ports::Ports;
use ports::record::{Expect, Item};

/// At most one entry in this time.
const PERIOD: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Counts {
    since_last: BTreeMap<(Reason, Option<AgentId>), u64>,
    last_written: Option<Duration>,
}

/// Counts refused requests that are no entries.
#[derive(Default)]
pub struct Noise(Mutex<Counts>);

impl Noise {
    /// Counts one of nobody in particular, and writes the summary when the last one is long enough ago.
    pub fn count(&self, reason: Reason, ports: &Ports) {
        self.add((reason, None), ports);
    }

    /// As [`Self::count`], of an agent. There are as many counts as there are agents.
    pub fn count_of(&self, reason: Reason, agent: &AgentId, ports: &Ports) {
        self.add((reason, Some(agent.clone())), ports);
    }

    fn add(&self, key: (Reason, Option<AgentId>), ports: &Ports) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.since_last.entry(key).or_default() += 1;
        drop(counts);
        self.flush(ports, false);
    }

    /// Writes what was counted. `force` at shutdown; otherwise once a period.
    pub fn flush(&self, ports: &Ports, force: bool) {
        let now = ports.clock.elapsed();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = counts.last_written.is_none_or(|last| now.saturating_sub(last) >= PERIOD);
        if counts.since_last.is_empty() || !(due || force) {
            return;
        }
        counts.last_written = Some(now);
        let summary: Vec<String> = std::mem::take(&mut counts.since_last)
            .into_iter()
            .map(|((reason, agent), count)| match agent {
                None => format!("{}={count}", reason.code()),
                Some(agent) => format!("{}:{agent}={count}", reason.code()),
            })
            .collect();
        drop(counts);
        let entry = Entry {
            at: ports.clock.now(),
            epoch: ports.snapshots.current().epoch,
            body: Body::Lifecycle(LifecycleBody { what: "noise", detail: summary.join(" ") }),
        };
        let item = Item { entry, salts: Vec::new(), expects: Expect::Nothing, listed: None, approval: None };
        // A summary that cannot be staged is not worth refusing anything for: the counts start again.
        drop(ports.record.stage(item));
    }
}
