//! State 11, recorded: the outcome is durable, and only now may the answer be seen.

use model::denial::{Denial, Reason};
use ports::upstream::Answer;

use crate::forwarded::UntrustedResult;

/// A call whose outcome is durable.
pub struct Recorded {
    pub(crate) result: UntrustedResult,
}

impl Recorded {
    /// The answer for the caller. Faults of upstreams become denials whose text names no internals.
    ///
    /// # Errors
    /// A denial with the reason the outcome was recorded with.
    pub fn release(self) -> Result<Answer, Denial> {
        match self.result {
            UntrustedResult::Answered(answer) => Ok(answer),
            UntrustedResult::NotSent(reason, why) => Err(not_sent(reason).with_private(why)),
            UntrustedResult::Unknown(reason, why) => Err(unknown(reason).with_private(why)),
        }
    }
}

fn not_sent(reason: Reason) -> Denial {
    let text = match reason {
        Reason::DefinitionChanged => {
            "this tool changed on its server; nothing was sent; it is refused until a person has looked at the change; \
tell them to run `callgate status`, which names it"
        }
        Reason::Revoked => "the operator withdrew this while the call waited; nothing was sent",
        Reason::Cancelled => "the call was cancelled before anything was sent",
        Reason::LimitExceeded => {
            "the server behind this tool takes no more right now; nothing was sent; try later"
        }
        Reason::UpstreamUnavailable => {
            "the server behind this tool cannot be reached; nothing was sent; try again later"
        }
        _ => "callgate could not send this call; nothing was sent; try again",
    };
    Denial::new(reason, text)
}

fn unknown(reason: Reason) -> Denial {
    let text = match reason {
        Reason::UpstreamTimeout => "the server behind this tool did not answer in time; it may have acted",
        Reason::UpstreamViolation => "the server behind this tool broke the protocol; it may have acted",
        Reason::Cancelled => "the call was cancelled; the tool may have acted",
        Reason::Revoked => "the operator stopped this call; the tool may have acted",
        Reason::LimitExceeded => "the result was larger than allowed and was discarded; the tool has acted",
        _ => "the connection to the server behind this tool was lost; it may have acted",
    };
    Denial::new(reason, text)
}
