//! What one call may bring back beside its answer. Must never let through more than its bound, nor a credential of ours.

use std::sync::Arc;

use mcp::question::QuestionFault;
use model::denial::Reason;
use model::ids::ServerName;
use model::json::RawJson;
use ports::upstream::{LogMessage, Progress, UpstreamFault};

use crate::fault::{leaked, maybe_sent, violation};
use crate::guard::Guard;

/// The bytes that are left to one call, and what may not be in them.
pub(crate) struct Measure {
    guard: Arc<Guard>,
    left: usize,
}

/// Why something is not passed on: the call ends with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unfit {
    /// It holds a credential.
    Leaks,
    /// It is more than the call may return.
    TooLarge,
    /// It is no question to the client of this call.
    Asks(QuestionFault),
    /// It is not what the protocol allows.
    Wrong(&'static str),
}

impl Unfit {
    pub(crate) fn fault(self, server: &ServerName) -> UpstreamFault {
        match self {
            Self::Leaks => leaked(server),
            Self::TooLarge => {
                maybe_sent(Reason::LimitExceeded, server, "what it sends is more than a call may return")
            }
            Self::Asks(fault) => violation(server, fault),
            Self::Wrong(what) => violation(server, what),
        }
    }
}

impl Measure {
    pub(crate) const fn new(guard: Arc<Guard>, bytes_max: usize) -> Self {
        Self { guard, left: bytes_max }
    }

    /// The call goes on with another token.
    pub(crate) fn look_for(&mut self, guard: Arc<Guard>) {
        self.guard = guard;
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The bytes that are left.
    pub(crate) const fn left(&self) -> usize {
        self.left
    }

    /// Takes what is passed on.
    pub(crate) fn take<'a>(&mut self, texts: impl IntoIterator<Item = &'a RawJson>) -> Result<(), Unfit> {
        for text in texts {
            if self.guard.finds(text.as_str()) {
                return Err(Unfit::Leaks);
            }
            self.left = self.left.checked_sub(text.as_bytes().len()).ok_or(Unfit::TooLarge)?;
        }
        Ok(())
    }

    /// Takes progress.
    pub(crate) fn progress(&mut self, progress: &Progress) -> Result<(), Unfit> {
        let Progress { progress, total, message } = progress;
        self.take([Some(progress), total.as_ref(), message.as_ref()].into_iter().flatten())
    }

    /// Takes a log message.
    pub(crate) fn log(&mut self, message: &LogMessage) -> Result<(), Unfit> {
        self.take([Some(&message.data), message.logger.as_ref()].into_iter().flatten())
    }
}
