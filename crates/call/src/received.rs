//! State 1, received: a bounded, canonical call. Must never hold more of the message than its parsed leaves.

use std::time::Duration;

use model::call::ToolCall;
use model::denial::{Denial, Reason};
use model::ids::CallId;
use model::json::Json;
use model::limits::CallLimits;
use model::time::Micros;

use crate::identified::{Caller, Identified};

/// When and under which id a request came in.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The id of the call.
    pub id: CallId,
    /// Wall clock.
    pub at: Micros,
    /// Monotonic, for durations.
    pub started: Duration,
}

/// A call within its limits. Nothing about it is believed yet.
#[derive(Debug)]
pub struct Received {
    pub(crate) stamp: Stamp,
    pub(crate) call: ToolCall,
}

impl Received {
    /// Checks the limits the edge does not know: what the policy side can take.
    ///
    /// # Errors
    /// `malformed` when the arguments are no object or nested too deeply.
    pub fn new(stamp: Stamp, call: ToolCall, limits: &CallLimits) -> Result<Self, Denial> {
        if !matches!(call.arguments, Json::Object(_)) {
            let found = call.arguments.kind();
            let text = format!("`arguments` must be an object, found {found}");
            return Err(Denial::new(Reason::Malformed, text));
        }
        if call.arguments.depth() > limits.argument_depth_max {
            let text = format!("`arguments` is nested deeper than {} levels", limits.argument_depth_max);
            return Err(Denial::new(Reason::Malformed, text));
        }
        Ok(Self { stamp, call })
    }

    /// → identified, by the caller that was verified for this very request.
    #[must_use]
    pub fn identify(self, caller: Caller) -> Identified {
        Identified { received: self, caller }
    }
}

#[cfg(test)]
mod tests;
