//! Time, randomness, and where futures run. Adapters are in the composition root; simulation has its own.

use std::time::Duration;

use model::time::Micros;

use crate::BoxFuture;
use crate::fault::Fault;

/// Time. `now` may jump; `elapsed` never goes back.
pub trait Clock: Send + Sync {
    /// Wall clock.
    fn now(&self) -> Micros;
    /// Monotonic time since the process began.
    fn elapsed(&self) -> Duration;
}

/// Cryptographic randomness.
pub trait Entropy: Send + Sync {
    /// Fills all of `out`.
    ///
    /// # Errors
    /// [`Fault`] when the system has none to give: then nothing is decided.
    fn fill(&self, out: &mut [u8]) -> Result<(), Fault>;
}

/// Runs a future to its end, whatever happens to who started it. A panic in it must not stop the process.
pub trait Spawner: Send + Sync {
    /// Starts the future.
    fn spawn(&self, future: BoxFuture<'static, ()>);
}
