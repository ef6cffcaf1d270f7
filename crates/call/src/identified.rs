//! State 2, identified: who calls is proven. Must never be reached from a session, cursor or handle alone:
//! [`Caller`] is made anew for every request, from the credential that came with it.

use std::sync::Arc;

use model::denial::Denial;
use model::principal::Principal;
use model::task::Task;
use ports::Ports;
use ports::identity::Presented;
use ports::snapshot::Snapshot;

use crate::bound::Bound;
use crate::received::Received;

/// Proof that a request's credential was verified, and the picture it was verified against.
#[derive(Clone)]
pub struct Caller {
    pub(crate) principal: Principal,
    pub(crate) snapshot: Arc<Snapshot>,
    /// What was presented, to be verified again should the picture change under the call.
    presented: Arc<Presented>,
}

impl Caller {
    /// Verifies what one request presented.
    ///
    /// # Errors
    /// `unauthenticated` when nothing was presented, `invalid_credential` for everything that is not valid now.
    pub(crate) async fn verify(ports: &Ports, presented: Arc<Presented>) -> Result<Self, Denial> {
        let snapshot = ports.snapshots.current();
        let principal = ports.identity.identify(&presented, &snapshot, ports.clock.now()).await?;
        Ok(Self { principal, snapshot, presented })
    }

    /// The same caller under the current picture, after the one it was verified against went stale: what it presented
    /// is verified again, for a key may have ended with the change.
    ///
    /// # Errors
    /// `invalid_credential` when the agent was removed meanwhile, or its key ended.
    pub(crate) async fn refresh(&self, ports: &Ports) -> Result<Self, Denial> {
        Self::verify(ports, Arc::clone(&self.presented)).await
    }

    /// For tests of single transitions.
    #[cfg(test)]
    pub(crate) fn assumed(principal: Principal, snapshot: Arc<Snapshot>) -> Self {
        Self { principal, snapshot, presented: Arc::new(Presented::Nothing) }
    }

    /// Who it is.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The picture it was verified against.
    #[must_use]
    pub const fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }
}

/// A call of a proven principal.
pub struct Identified {
    pub(crate) received: Received,
    pub(crate) caller: Caller,
}

impl Identified {
    /// → bound, to a task that was delegated to this principal.
    ///
    /// # Errors
    /// A denial when the task is another agent's.
    pub fn bind(self, task: Task) -> Result<Bound, Denial> {
        if task.agent == self.caller.principal.agent {
            return Ok(Bound { identified: self, task });
        }
        let why = format!("task `{}` was delegated to `{}`", task.id, task.agent);
        Err(Denial::indeterminate(why))
    }
}
