//! What a server asks of the client whose call it serves: each question is a call of its own, with that client's principal,
//! decided and recorded before the client sees it (ADR 0025).
//!
//! Must never show a client what was not permitted, nor hand a server an answer whose outcome is not recorded.

use model::call::{CallMeta, Endpoint, ServerTask, ToolCall};
use model::client::ClientCapabilities;
use model::denial::Reason;
use model::ids::ServerName;
use model::json::RawJson;
use model::method::Method;
use model::task::Task;
use model::tool::ToolRef;
use ports::upstream::{Answer, Question, Reply};
use tokio::sync::oneshot;

use crate::driver::{Door, Finished, micros};
use crate::forwarded::UntrustedResult;
use crate::identified::Caller;
use crate::intended::Intended;
use crate::labelled::Labelled;
use crate::open_calls::CancelToken;

/// Questions of a server that were permitted, for the client of the call. Dropped, they count as not answered.
#[derive(Debug)]
pub struct Round {
    questions: Vec<Question>,
    answer: oneshot::Sender<Vec<Reply>>,
}

impl Round {
    /// What is asked. Empty: the server only wants to be called again.
    #[must_use]
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// Answers. Of a question that is not named nothing was answered; what names no question is ignored.
    pub fn answer(self, replies: Vec<Reply>) {
        // The call may be over.
        let _unheard = self.answer.send(replies);
    }
}

/// What the client was asked and has not answered yet.
pub(crate) struct Pending {
    asked: Vec<Asked>,
    /// What the client has to be shown, until it was; nothing, when nothing may be asked.
    pub(crate) unsent: Option<Round>,
    pub(crate) answer: oneshot::Receiver<Vec<Reply>>,
}

struct Asked {
    key: Box<str>,
    /// `None`: refused.
    intended: Option<Box<Intended>>,
}

/// Who is asked, by whom.
pub(crate) struct Between<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) server: &'a ServerName,
    pub(crate) cancel: &'a CancelToken,
}

impl Door {
    /// What of a client's abilities a server may be told: what policy could permit it to use.
    pub(crate) fn askable(
        &self,
        caller: &Caller,
        task: &Task,
        server: &ServerName,
        declared: ClientCapabilities,
    ) -> ClientCapabilities {
        if declared.is_empty() {
            return declared;
        }
        let view = self.views.of(&caller.snapshot, &caller.principal, task);
        let without = |left: ClientCapabilities, method: &Method| {
            let known = method.operation().map(|tool| ToolRef { server: server.clone(), tool });
            let could = known.is_some_and(|name| view.contains(&name));
            if could { left } else { left.without(abilities(*method)) }
        };
        Method::QUESTIONS.iter().fold(declared, without)
    }

    /// Decides and records the questions; once one was refused, the rest are without being looked at.
    pub(crate) async fn ask_client(&self, between: &Between<'_>, questions: Vec<Question>) -> Pending {
        let (sender, answer) = oneshot::channel();
        let (empty, mut asked, mut shown) = (questions.is_empty(), Vec::new(), Vec::new());
        let mut refused = false;
        for question in questions {
            let intended = if refused { None } else { self.permit_question(between, &question, None).await };
            let key = question.key.clone();
            refused = intended.is_none();
            if !refused {
                shown.push(question);
            }
            asked.push(Asked { key, intended });
        }
        let unsent = (empty || !shown.is_empty()).then_some(Round { questions: shown, answer: sender });
        Pending { asked, unsent, answer }
    }

    /// `of`: the upstream task that asks, when it is none that asks during a call.
    pub(crate) async fn permit_question(
        &self,
        between: &Between<'_>,
        question: &Question,
        of: Option<&ServerTask>,
    ) -> Option<Box<Intended>> {
        let call = ToolCall {
            endpoint: Endpoint::Server(between.server.clone()),
            method: question.method,
            name: String::new(),
            arguments: question.params.clone(),
            arguments_raw: question.params_raw.clone(),
            meta: CallMeta { server_task: of.cloned().map(Box::new), ..CallMeta::default() },
        };
        let caller = between.caller.refresh(&self.ports).await.ok()?;
        let stamp = self.stamp().ok()?;
        let resolved = self.resolve(stamp, caller, call).await.ok()?;
        // Its place among the open calls is free again at once: the open call of the server has one.
        let (intended, _place) = self.permit(resolved, between.cancel).await.ok()?;
        Some(intended)
    }

    /// Records what became of each question, and gives the replies that may go to the server: all of them, in order.
    pub(crate) async fn settle(&self, pending: Pending, replies: Vec<Reply>) -> Vec<Reply> {
        let mut settled = Vec::with_capacity(pending.asked.len());
        for Asked { key, intended } in pending.asked {
            let given = replies.iter().find(|reply| reply.key == key);
            let given = given.and_then(|reply| reply.result.clone());
            let result = match intended {
                Some(intended) => self.settle_one(*intended, given).await,
                None => None,
            };
            settled.push(Reply { key, result });
        }
        settled
    }

    async fn settle_one(&self, intended: Intended, given: Option<RawJson>) -> Option<RawJson> {
        let stamp = *intended.permitted.resolved.stamp();
        // What was taken away meanwhile is not answered, whatever the client said.
        let given = if given.is_some() && !self.stands_again(&intended).await { None } else { given };
        let result = match given {
            Some(result) => UntrustedResult::Answered(Answer::Result { result, is_error: false }),
            None => UntrustedResult::Unknown(Reason::Cancelled, "the client did not answer".to_owned()),
        };
        let waited = micros(self.ports.clock.elapsed().saturating_sub(stamp.started));
        match self.record_outcome(stamp.id, Labelled { intended, result }, waited).await {
            Finished::Answered(_, Answer::Result { result, .. }) => Some(result),
            Finished::Answered(..) | Finished::Refused(_) => None,
        }
    }
}

/// What a client declares to be asked this.
const fn abilities(method: Method) -> ClientCapabilities {
    use ClientCapabilities as Can;
    match method {
        Method::Elicit => Can::ELICIT_FORM.with(Can::ELICIT_URL),
        Method::Sample => Can::SAMPLING.with(Can::SAMPLING_CONTEXT).with(Can::SAMPLING_TOOLS),
        Method::ListRoots => Can::ROOTS,
        _ => Can::NONE,
    }
}
