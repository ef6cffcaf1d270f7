//! Whether anybody still uses the agents' face. Must never call it idle while a call is open or somebody listens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use call::Door;
use http::{Request, Response};
use hyper::body::Incoming;
use ports::clock::Clock;
use server::{AgentFace, Face, ReplyBody};

/// How often is looked, at most.
const LOOK: Duration = Duration::from_secs(5);

/// The agents' face, and when it was asked last.
pub(crate) struct Attended {
    face: Arc<AgentFace>,
    clock: Arc<dyn Clock>,
    asked_millis: AtomicU64,
}

impl Attended {
    pub(crate) fn new(face: Arc<AgentFace>, clock: Arc<dyn Clock>) -> Arc<Self> {
        let attended = Self { face, clock, asked_millis: AtomicU64::new(0) };
        attended.asked();
        Arc::new(attended)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn asked(&self) {
        self.asked_millis.store(self.now(), Ordering::Relaxed);
    }

    /// Resolves once nobody asked for that long, no call is open and nobody listens; never without a limit.
    pub(crate) async fn idle(&self, limit: Option<Duration>, door: &Door) {
        let Some(limit) = limit else { return std::future::pending().await };
        loop {
            if door.open_calls().count() > 0 || self.face.is_listened_to() {
                self.asked();
            }
            let unasked = self.now().saturating_sub(self.asked_millis.load(Ordering::Relaxed));
            let left = limit.saturating_sub(Duration::from_millis(unasked));
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }
}

impl Face for Attended {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<ReplyBody> {
        self.asked();
        let reply = Arc::clone(&self.face).answer(request).await;
        self.asked();
        reply
    }
}
