//! How a peer behaves that is read from all the time. Must never let one write without end what nobody asked for.

use std::time::Duration;

use tokio::time::Instant;

/// Notifications are counted over so long.
const WINDOW: Duration = Duration::from_secs(60);

/// What a peer did since it last did something right.
pub(crate) struct Conduct {
    strikes: u32,
    notifications: u64,
    window: Instant,
}

/// More notifications and requests than all its calls together may bring.
#[derive(Debug)]
pub(crate) struct Flood;

impl Conduct {
    pub(crate) fn new() -> Self {
        Self { strikes: 0, notifications: 0, window: Instant::now() }
    }

    /// Something that was asked for.
    pub(crate) const fn good(&mut self) {
        self.strikes = 0;
    }

    /// Something that is no message, or answers what nobody asked.
    pub(crate) const fn bad(&mut self) {
        self.strikes = self.strikes.saturating_add(1);
    }

    /// Bad ones in a row.
    pub(crate) const fn strikes(&self) -> u32 {
        self.strikes
    }

    /// One notification or request more.
    pub(crate) fn count(&mut self, max_per_call: u64) -> Result<(), Flood> {
        /// Many calls share a connection, each with notifications of its own.
        const CALLS: u64 = 16;
        self.notifications += 1;
        if self.notifications <= max_per_call.saturating_mul(CALLS) {
            return Ok(());
        }
        if self.window.elapsed() < WINDOW {
            return Err(Flood);
        }
        (self.notifications, self.window) = (1, Instant::now());
        Ok(())
    }
}
