//! State 10, labelled: the result carries its labels and met its obligations. Labels are not tracked yet: they
//! pass through and are absent from the policy schema. Must never release a result: that is *recorded*.

use ledger::{Outcome, OutcomeBody};
use model::call::ToolCall;
use model::digest::{Commitment, Salt};
use model::method::Method;
use ports::upstream::Answer;

use crate::forwarded::UntrustedResult;
use crate::intended::Intended;
use crate::recorded::Recorded;

/// A call with a labelled result.
pub struct Labelled {
    pub(crate) intended: Intended,
    pub(crate) result: UntrustedResult,
}

impl Labelled {
    /// What the record will say of it.
    pub(crate) fn outcome(&self, upstream_micros: u64) -> OutcomeBody {
        let salt = &self.intended.result_salt;
        let resolved = &self.intended.permitted.resolved;
        let (outcome, why, bytes) = match &self.result {
            UntrustedResult::Answered(answer) => answered(answer, resolved.call()),
            UntrustedResult::NotSent(reason, why) => (Outcome::NotSent(*reason), why.clone(), None),
            UntrustedResult::Unknown(reason, why) => (Outcome::Unknown(*reason), why.clone(), None),
        };
        OutcomeBody {
            call: resolved.stamp().id,
            task: resolved.task().id.clone(),
            outcome,
            why,
            result: bytes.map(|bytes| Commitment::to(salt, "result", bytes)),
            result_bytes: bytes.map_or(0, |bytes| bytes.len() as u64),
            upstream_micros,
        }
    }

    /// What blinds the result in the record, when there is one.
    pub(crate) fn salts(&self) -> Vec<(&'static str, Salt)> {
        match &self.result {
            UntrustedResult::Answered(_) => vec![("result", self.intended.result_salt.clone())],
            UntrustedResult::NotSent(..) | UntrustedResult::Unknown(..) => Vec::new(),
        }
    }

    /// → recorded, once the outcome is durable. Only then does the answer leave.
    #[must_use]
    pub(crate) fn record(self) -> Recorded {
        Recorded { result: self.result }
    }
}

fn answered<'a>(answer: &'a Answer, call: &ToolCall) -> (Outcome, String, Option<&'a [u8]>) {
    match answer {
        Answer::Result { result, is_error: false } => {
            let shown = call.method.is_question() && call.meta.server_task.is_some();
            let why = if shown { "shown; the client answers with `tasks/update`" } else { "" };
            (Outcome::Completed, why.to_owned(), Some(result.as_bytes().as_ref()))
        }
        Answer::ServerTask { result, .. } => {
            let made = call.method == Method::CallTool;
            let why = if made { "the server made a task of the call" } else { "" };
            (Outcome::Completed, why.to_owned(), Some(result.as_bytes().as_ref()))
        }
        Answer::Result { result, is_error: true } => {
            let why = "the tool answered `isError`".to_owned();
            (Outcome::ToolError, why, Some(result.as_bytes().as_ref()))
        }
        Answer::Error { code, message, .. } => {
            (Outcome::ToolError, format!("the upstream answered error {code}"), Some(message.as_bytes()))
        }
    }
}
