//! Virtual time, counted randomness. Must never read the machine's clock: the runtime's paused clock is the time.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use model::digest::Digest;
use model::time::Micros;
use ports::clock::{Clock, Entropy};
use ports::fault::Fault;
use tokio::time::Instant;

/// 2026-11-21T09:00:00Z, where simulated time begins.
const BEGIN: Micros = Micros(1_795_251_600_000_000);

/// The runtime's clock, which only moves when everything waits.
pub struct SimClock {
    started: Instant,
    jumped: AtomicI64,
}

impl SimClock {
    /// Starts now. Called inside a runtime whose time is paused.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now(), jumped: AtomicI64::new(0) }
    }

    /// The wall clock jumps; monotonic time does not.
    pub fn jump(&self, seconds: i64) {
        self.jumped.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Micros {
        let micros = i64::try_from(self.elapsed().as_micros()).unwrap_or(i64::MAX);
        Micros(BEGIN.0.saturating_add(micros)).plus_seconds(self.jumped.load(Ordering::Relaxed))
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Hashes of a seed and a counter.
pub struct SimEntropy {
    seed: u64,
    drawn: AtomicU64,
    dry_from: AtomicU64,
}

impl SimEntropy {
    /// The bytes of one seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0), dry_from: AtomicU64::new(u64::MAX) }
    }

    /// After `more` draws there is none to give.
    pub fn dry_after(&self, more: u64) {
        let drawn = self.drawn.load(Ordering::Relaxed);
        self.dry_from.store(drawn.saturating_add(more), Ordering::Relaxed);
    }

    /// There is some again.
    pub fn refill(&self) {
        self.dry_from.store(u64::MAX, Ordering::Relaxed);
    }
}

impl Entropy for SimEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), Fault> {
        let draw = self.drawn.fetch_add(1, Ordering::Relaxed);
        if draw >= self.dry_from.load(Ordering::Relaxed) {
            return Err(Fault::new("no randomness (simulated)"));
        }
        for (block, chunk) in out.chunks_mut(32).enumerate() {
            let parts: [&[u8]; 3] =
                [&self.seed.to_be_bytes(), &draw.to_be_bytes(), &(block as u64).to_be_bytes()];
            let digest = Digest::of_parts("callgate/sim/v1", &parts);
            for (to, from) in chunk.iter_mut().zip(digest.as_bytes()) {
                *to = *from;
            }
        }
        Ok(())
    }
}

/// Whether something is on; shared and set from outside.
#[derive(Default)]
pub struct Switch(AtomicBool);

impl Switch {
    /// Turns it on or off.
    pub fn set(&self, on: bool) {
        self.0.store(on, Ordering::Relaxed);
    }

    /// Whether it is on.
    #[must_use]
    pub fn on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
