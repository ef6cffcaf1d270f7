//! The calls that are under way, so that they can be cancelled. Must never be the reason a call is allowed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use model::denial::Reason;
use model::ids::{AgentId, CallId};
use model::principal::{Attestation, Principal};
use model::tool::ToolRef;
use tokio::sync::Notify;

/// Asks one call to stop, or to look whether it may go on. The first reason to stop is kept.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Asked>);

#[derive(Default)]
struct Asked {
    stop: OnceLock<Reason>,
    look: AtomicBool,
    told: Notify,
}

/// What a call was asked.
pub(crate) enum Told {
    /// To stop.
    Stop(Reason),
    /// Other policies are in force: do they permit it?
    LookAgain,
}

impl CancelToken {
    /// Asks the call to stop, now or as soon as it listens.
    pub fn cancel(&self, reason: Reason) {
        if self.0.stop.set(reason).is_ok() {
            self.0.told.notify_one();
        }
    }

    /// Why it was asked to stop, if it was.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.0.stop.get().copied()
    }

    /// Resolves when it is asked to stop. One listener. A wish to look again stays for [`Self::told`].
    pub async fn cancelled(&self) -> Reason {
        loop {
            if let Some(reason) = self.reason() {
                return reason;
            }
            self.0.told.notified().await;
        }
    }

    /// Resolves when it is asked anything. One listener.
    pub(crate) async fn told(&self) -> Told {
        loop {
            if let Some(reason) = self.reason() {
                return Told::Stop(reason);
            }
            if self.0.look.swap(false, Ordering::AcqRel) {
                return Told::LookAgain;
            }
            self.0.told.notified().await;
        }
    }

    fn look_again(&self) {
        self.0.look.store(true, Ordering::Release);
        self.0.told.notify_one();
    }
}

struct OpenCall {
    agent: AgentId,
    keyed: bool,
    tools: Vec<ToolRef>,
    cancel: CancelToken,
}

/// All calls under way on this node, oldest first: they are cancelled in that order.
#[derive(Clone, Default)]
pub struct OpenCalls(Arc<Mutex<BTreeMap<CallId, OpenCall>>>);

impl OpenCalls {
    /// Lists a call until the guard is dropped. `tools`: what it needs to be in force.
    #[must_use]
    pub fn enter(
        &self,
        call: CallId,
        principal: &Principal,
        tools: Vec<ToolRef>,
        cancel: CancelToken,
    ) -> OpenCallGuard {
        let (agent, keyed) = (principal.agent.clone(), principal.attestation == Attestation::AgentKey);
        self.lock().insert(call, OpenCall { agent, keyed, tools, cancel });
        OpenCallGuard { calls: self.clone(), call }
    }

    /// Cancels all calls of an agent; returns how many.
    pub(crate) fn cancel_agent(&self, agent: &AgentId, reason: Reason) -> usize {
        self.cancel_where(reason, |open| open.agent == *agent)
    }

    /// Cancels all calls that an agent made with a key; returns how many.
    pub(crate) fn cancel_keyed(&self, agent: &AgentId, reason: Reason) -> usize {
        self.cancel_where(reason, |open| open.keyed && open.agent == *agent)
    }

    /// Asks all calls to look whether the policies in force permit them still.
    pub(crate) fn look_again(&self) {
        self.lock().values().for_each(|open| open.cancel.look_again());
    }

    /// Cancels all calls of a tool; returns how many.
    pub(crate) fn cancel_tool(&self, tool: &ToolRef, reason: Reason) -> usize {
        self.cancel_where(reason, |open| open.tools.contains(tool))
    }

    /// How many of an agent are under way.
    pub(crate) fn count_of(&self, agent: &AgentId) -> usize {
        self.lock().values().filter(|open| open.agent == *agent).count()
    }

    /// How many are under way.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn cancel_where(&self, reason: Reason, matches: impl Fn(&OpenCall) -> bool) -> usize {
        let calls = self.lock();
        let hit = calls.values().filter(|open| matches(open));
        hit.map(|open| open.cancel.cancel(reason)).count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<CallId, OpenCall>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the call off the list when dropped.
pub struct OpenCallGuard {
    calls: OpenCalls,
    call: CallId,
}

impl Drop for OpenCallGuard {
    fn drop(&mut self) {
        self.calls.lock().remove(&self.call);
    }
}

#[cfg(test)]
mod tests;
