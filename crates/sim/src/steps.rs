//! Where a simulated process can die: before any poll of any task. Must never let a task run after its death.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use ports::BoxFuture;
use ports::clock::Spawner;
use std::sync::Arc;
use tokio::sync::Notify;

/// Counts the polls of one process, and ends it at one of them.
pub struct Steps {
    taken: AtomicU64,
    last: AtomicU64,
    died: Notify,
}

impl Steps {
    /// A process that does not die.
    #[must_use]
    pub fn alive() -> Arc<Self> {
        Arc::new(Self { taken: AtomicU64::new(0), last: AtomicU64::new(u64::MAX), died: Notify::new() })
    }

    /// It dies after so many more polls.
    pub fn dies_in(&self, polls: u64) {
        self.last.store(self.taken.load(Ordering::Relaxed).saturating_add(polls), Ordering::Relaxed);
    }

    /// Whether it is dead.
    #[must_use]
    pub fn dead(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.last.load(Ordering::Relaxed)
    }

    /// Resolves at its death.
    pub async fn death(&self) {
        while !self.dead() {
            self.died.notified().await;
        }
    }

    fn take(&self) -> bool {
        if self.dead() {
            return false;
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        if self.dead() {
            self.died.notify_one();
            return false;
        }
        true
    }
}

/// A task of a process that can die.
struct Stepped {
    steps: Arc<Steps>,
    future: BoxFuture<'static, ()>,
}

impl Future for Stepped {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.steps.take() { self.future.as_mut().poll(context) } else { Poll::Pending }
    }
}

/// Spawns on the one thread of the simulation.
pub struct SimSpawner(pub Arc<Steps>);

impl Spawner for SimSpawner {
    fn spawn(&self, future: BoxFuture<'static, ()>) {
        tokio::spawn(Stepped { steps: Arc::clone(&self.0), future });
    }
}
