//! The small adapters that need nothing but the process: time, randomness, tasks, the current snapshot.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use model::ids::Epoch;
use model::time::Micros;
use ports::BoxFuture;
use ports::clock::{Clock, Entropy, Spawner};
use ports::fault::Fault;
use ports::snapshot::{Snapshot, Snapshots};
use tokio::sync::watch;

/// The machine's clocks.
pub(crate) struct SystemClock(Instant);

impl SystemClock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Micros {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The system's randomness, from the kernel (getrandom(2)): nothing to warm up, nothing to reseed per thread. Small wants
/// of a thread are served from a buffer, drawn at once; what was given is wiped from it.
pub(crate) struct SystemEntropy;

/// Bytes drawn at once: a call wants 74 in three pieces.
const DRAWN: usize = 592;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), Fault> {
        if out.len() > DRAWN {
            return draw(out);
        }
        BUFFER.with_borrow_mut(|buffer| {
            if buffer.len() < out.len() {
                buffer.resize(DRAWN, 0);
                if let Err(fault) = draw(buffer) {
                    buffer.clear();
                    return Err(fault);
                }
            }
            let rest = buffer.len() - out.len();
            if let Some(given) = buffer.get_mut(rest..) {
                out.copy_from_slice(given);
                given.fill(0);
            }
            buffer.truncate(rest);
            Ok(())
        })
    }
}

fn draw(out: &mut [u8]) -> Result<(), Fault> {
    let mut filled = 0;
    while let Some(rest) = out.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()) {
            Ok(0) => return Err(Fault::new("the system gives no randomness")),
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                return Err(Fault::new(format_args!("the system gives no randomness: {error}")));
            }
        }
    }
    Ok(())
}

/// Tasks of the runtime.
pub(crate) struct TokioSpawner(pub(crate) tokio::runtime::Handle);

impl Spawner for TokioSpawner {
    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.0.spawn(future);
    }
}

/// Where the current snapshot hangs.
pub(crate) struct SnapshotCell(ArcSwap<Snapshot>, watch::Sender<Epoch>);

impl SnapshotCell {
    pub(crate) fn new(first: Arc<Snapshot>) -> Self {
        let epoch = first.epoch;
        Self(ArcSwap::new(first), watch::Sender::new(epoch))
    }
}

impl Snapshots for SnapshotCell {
    fn current(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    fn moved(&self, since: Epoch) -> BoxFuture<'_, ()> {
        let mut epoch = self.1.subscribe();
        // The sender is here as long as this is.
        Box::pin(async move { drop(epoch.wait_for(|epoch| *epoch > since).await) })
    }

    fn publish(&self, next: Arc<Snapshot>) {
        let epoch = next.epoch;
        self.0.store(next);
        self.1.send_replace(epoch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_draws_are_alike_whatever_their_size() {
        let mut seen = std::collections::HashSet::new();
        for size in [10, 32, 32, 591, 592, 593, 16, 2000, 10].into_iter().cycle().take(900) {
            let mut out = vec![0; size];
            SystemEntropy.fill(&mut out).unwrap();
            let head: Vec<u8> = out.iter().copied().take(10).collect();
            assert!(out.iter().any(|byte| *byte != 0), "{size} bytes");
            assert!(seen.insert(head), "{size} bytes");
        }
    }
}
