//! The small ports: the current picture with its history, leases, approvals. Must never decide.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::approval::{Approval, ApprovalId, ApprovalKey};
use model::denial::{Denial, Reason};
use model::ids::{CallId, Epoch};
use ports::BoxFuture;
use ports::approvals::{Approvals, Unreadable};
use ports::broker::{Broker, Lease, LeaseRequest};
use ports::fault::Fault;
use ports::snapshot::{Snapshot, Snapshots};
use tokio::sync::Notify;

use crate::disk::Disk;
use crate::rng::Rng;
use crate::world::World;

/// Every picture that was ever current, in order.
pub struct SimSnapshots(Mutex<Vec<Arc<Snapshot>>>, Arc<Snapshot>, Notify);

impl SimSnapshots {
    /// Beginning with this one.
    #[must_use]
    pub fn new(first: Arc<Snapshot>) -> Self {
        Self(Mutex::new(vec![Arc::clone(&first)]), first, Notify::new())
    }

    /// All of them.
    #[must_use]
    pub fn history(&self) -> Vec<Arc<Snapshot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Snapshots for SimSnapshots {
    fn current(&self) -> Arc<Snapshot> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.last().unwrap_or(&self.1))
    }

    fn moved(&self, since: Epoch) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let told = self.2.notified();
                if self.current().epoch > since {
                    return;
                }
                told.await;
            }
        })
    }

    fn publish(&self, next: Arc<Snapshot>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(next);
        self.2.notify_waiters();
    }
}

/// How leasing goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeaseFault {
    /// It is refused.
    Refused,
    /// It never comes.
    Hangs,
    /// It comes after so many milliseconds.
    Slow(u64),
    /// The adapter panics.
    Panics,
}

/// Leases, counted.
pub struct SimBroker {
    rng: Rng,
    /// How often of a hundred something goes wrong.
    faulty: u64,
    held: Mutex<HashMap<CallId, u32>>,
    next: Mutex<Option<LeaseFault>>,
}

impl SimBroker {
    /// Of one seed.
    #[must_use]
    pub fn new(seed: u64, faulty: u64) -> Self {
        Self { rng: Rng::new(seed), faulty, held: Mutex::default(), next: Mutex::default() }
    }

    /// The next lease goes wrong.
    pub fn fail_next(&self, fault: LeaseFault) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    /// Calls whose lease was minted and not given back.
    #[must_use]
    pub fn held(&self) -> Vec<CallId> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().filter(|(_, count)| **count > 0).map(|(call, _)| *call).collect()
    }

    fn fault(&self) -> Option<LeaseFault> {
        if let Some(fault) = self.next.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Some(fault);
        }
        let faults = [LeaseFault::Refused, LeaseFault::Panics];
        if self.rng.chance(self.faulty) { self.rng.pick(&faults).copied() } else { None }
    }
}

impl Broker for SimBroker {
    fn lease<'a>(&'a self, request: &'a LeaseRequest) -> BoxFuture<'a, Result<Lease, Denial>> {
        Box::pin(async move {
            if self.rng.chance(30) {
                tokio::time::sleep(self.rng.within(Duration::from_millis(2))).await;
            }
            match self.fault() {
                Some(LeaseFault::Refused) => {
                    return Err(Denial::new(Reason::UpstreamUnavailable, "no credential (simulated)"));
                }
                Some(LeaseFault::Hangs) => std::future::pending::<()>().await,
                Some(LeaseFault::Slow(millis)) => tokio::time::sleep(Duration::from_millis(millis)).await,
                Some(LeaseFault::Panics) => std::panic::resume_unwind(Box::new("a simulated panic")),
                None => {}
            }
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            *held.entry(request.call).or_default() += 1;
            Ok(Lease::NoCredentialNeeded)
        })
    }

    fn release<'a>(&'a self, request: &'a LeaseRequest) -> BoxFuture<'a, ()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&request.call);
        Box::pin(std::future::ready(()))
    }
}

/// What the approvals answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ApprovalsMood {
    /// What the disk has.
    AsKept,
    /// It cannot be told.
    Faulty,
    /// The adapter panics.
    Panics,
}

/// Approvals as the disk has them.
pub struct SimApprovals {
    world: Arc<World>,
    mood: Mutex<ApprovalsMood>,
    asked: AtomicU32,
}

impl SimApprovals {
    /// Those of this world.
    #[must_use]
    pub fn new(world: &Arc<World>) -> Self {
        let mood = Mutex::new(ApprovalsMood::AsKept);
        Self { world: Arc::clone(world), mood, asked: AtomicU32::new(0) }
    }

    /// From now on.
    pub fn set(&self, mood: ApprovalsMood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// How often a call asked.
    #[must_use]
    pub fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    fn answer<T>(&self, read: impl FnOnce(&Disk) -> T) -> Result<T, Fault> {
        match *self.mood.lock().unwrap_or_else(PoisonError::into_inner) {
            ApprovalsMood::AsKept => Ok(read(&self.world.disk())),
            ApprovalsMood::Faulty => Err(Fault::new("approvals cannot be read (simulated)")),
            ApprovalsMood::Panics => std::panic::resume_unwind(Box::new("a simulated panic")),
        }
    }
}

impl Approvals for SimApprovals {
    fn last<'a>(&'a self, key: &'a ApprovalKey) -> BoxFuture<'a, Result<Option<Approval>, Fault>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let last = self.answer(|disk| disk.last(key).cloned());
            // By the time it is heard it may be over.
            tokio::task::yield_now().await;
            last
        })
    }

    fn all(&self) -> BoxFuture<'_, Result<Vec<Approval>, Fault>> {
        let all = |disk: &Disk| disk.approvals.iter().map(|(kept, _)| kept.clone()).collect();
        Box::pin(std::future::ready(self.answer(all)))
    }

    fn unreadable(&self) -> BoxFuture<'_, Result<Vec<Unreadable>, Fault>> {
        Box::pin(std::future::ready(self.answer(|_| Vec::new())))
    }

    fn arguments(&self, id: ApprovalId) -> BoxFuture<'_, Result<Option<String>, Fault>> {
        let of =
            |disk: &Disk| disk.approvals.iter().find(|(kept, _)| kept.id == id).map(|(_, text)| text.clone());
        Box::pin(std::future::ready(self.answer(of)))
    }
}
