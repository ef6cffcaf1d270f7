//! State 9, forwarded: sent, or about to be. From here on a call that ends without an answer is *unknown*.

use model::denial::Reason;
use ports::upstream::{Answer, Sent, UpstreamFault};

use crate::intended::Intended;
use crate::labelled::Labelled;

/// A call that left.
pub struct Forwarded {
    pub(crate) intended: Intended,
}

/// What came of it, untrusted.
#[derive(Debug)]
pub enum UntrustedResult {
    /// An answer, unlabelled.
    Answered(Answer),
    /// Certainly nothing was sent.
    NotSent(Reason, String),
    /// It may have acted: timeout, cancelled, crash, violation.
    Unknown(Reason, String),
}

impl From<Result<Answer, UpstreamFault>> for UntrustedResult {
    fn from(result: Result<Answer, UpstreamFault>) -> Self {
        match result {
            Ok(answer) => Self::Answered(answer),
            Err(UpstreamFault { sent: Sent::No, reason, private }) => Self::NotSent(reason, private),
            Err(UpstreamFault { sent: Sent::Maybe, reason, private }) => Self::Unknown(reason, private),
        }
    }
}

impl Forwarded {
    /// → labelled.
    #[must_use]
    pub(crate) fn label(self, result: UntrustedResult) -> Labelled {
        Labelled { intended: self.intended, result }
    }
}
