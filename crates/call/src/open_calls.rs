//! The calls that are under way, so that they can be cancelled. Must never be the reason a call is allowed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use model::denial::Reason;
use model::ids::{AgentId, CallId};
use model::tool::ToolRef;
use tokio::sync::Notify;

/// Asks one call to stop. The first reason given is kept.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<(OnceLock<Reason>, Notify)>);

impl CancelToken {
    /// Asks the call to stop, now or as soon as it listens.
    pub fn cancel(&self, reason: Reason) {
        if self.0.0.set(reason).is_ok() {
            self.0.1.notify_one();
        }
    }

    /// Why it was asked to stop, if it was.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.0.0.get().copied()
    }

    /// Resolves when it is asked to stop. One listener.
    pub async fn cancelled(&self) -> Reason {
        loop {
            if let Some(reason) = self.reason() {
                return reason;
            }
            self.0.1.notified().await;
        }
    }
}

struct OpenCall {
    agent: AgentId,
    tool: ToolRef,
    cancel: CancelToken,
}

/// All calls under way on this node, oldest first: they are cancelled in that order.
#[derive(Clone, Default)]
pub struct OpenCalls(Arc<Mutex<BTreeMap<CallId, OpenCall>>>);

impl OpenCalls {
    /// Lists a call until the guard is dropped.
    #[must_use]
    pub fn enter(&self, call: CallId, agent: AgentId, tool: ToolRef, cancel: CancelToken) -> OpenCallGuard {
        self.lock().insert(call, OpenCall { agent, tool, cancel });
        OpenCallGuard { calls: self.clone(), call }
    }

    /// Cancels all calls of an agent; returns how many.
    pub fn cancel_agent(&self, agent: &AgentId, reason: Reason) -> usize {
        self.cancel_where(reason, |open| open.agent == *agent)
    }

    /// Cancels all calls of a tool; returns how many.
    pub fn cancel_tool(&self, tool: &ToolRef, reason: Reason) -> usize {
        self.cancel_where(reason, |open| open.tool == *tool)
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
