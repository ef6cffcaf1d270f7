//! What a client is told of its call, in its era. Must never say that a tool it may not know exists.

use bytes::Bytes;
use call::{Finished, Refused};
use mcp::answer::{self, Asked};
use mcp::asking;
use mcp::implementation::Implementation;
use mcp::jsonrpc::{ProgressToken, RequestId, RpcError, code, error_message, result_message};
use mcp::relay;
use mcp::server_task;
use mcp::shape::{self, Cache};
use mcp::version::Era;
use model::client::{ClientCapabilities, LogLevel};
use model::denial::{Denial, Reason};
use model::ids::{CallId, ServerName};
use model::json::RawJson;
use model::method::Method;
use ports::upstream::{Answer, LogMessage, Progress, Question};

use super::cursors::Cursors;
use crate::reply::{self, Reply};

/// What is shown or read depends on who asks, and policy may change at any time.
const fn cache(method: Method) -> Cache {
    match method {
        Method::CallTool | Method::GetPrompt | Method::Complete | Method::Subscribe => Cache::Never,
        Method::GetServerTask | Method::UpdateServerTask | Method::CancelServerTask => Cache::Never,
        Method::Elicit | Method::Sample | Method::ListRoots => Cache::Never,
        Method::ListResources | Method::ListTemplates | Method::ReadResource | Method::ListPrompts => {
            Cache::Private(0)
        }
    }
}

/// What an answer is made with.
pub(super) struct Answering {
    pub(super) era: Era,
    pub(super) method: Method,
    pub(super) id: RequestId,
    pub(super) token: Option<ProgressToken>,
    /// What the client declared for this call.
    pub(super) client: ClientCapabilities,
    /// From which level on it wants log messages.
    pub(super) log: Option<LogLevel>,
    pub(super) server: Implementation,
    pub(super) pages: Pages,
    /// What the client calls the upstream task that it asks about.
    pub(super) task: Option<Box<str>>,
}

/// What the pages of a server's list are given their cursors with.
pub(super) type Pages = Option<(Cursors, ServerName)>;

/// The last message of a call, and the status it has when nothing precedes it.
pub(super) struct End {
    pub(super) status: u16,
    pub(super) message: Bytes,
}

impl End {
    pub(super) fn into_reply(self) -> Reply {
        reply::json(self.status, self.message)
    }

    const fn ok(message: Bytes) -> Self {
        Self { status: 200, message }
    }
}

impl Answering {
    pub(super) fn end(&self, finished: Option<Finished>) -> End {
        match finished {
            Some(Finished::Answered(_, answer)) => self.answered(&answer),
            Some(Finished::Refused(refused)) => End::ok(self.refused(&refused)),
            None => {
                let denial = Denial::indeterminate("the call's own task ended without an answer");
                End::ok(self.denied(&denial, None))
            }
        }
    }

    fn answered(&self, answer: &Answer) -> End {
        match answer {
            Answer::Result { result, .. } => {
                let result = match &self.pages {
                    None => result.clone(),
                    Some((cursors, server)) => match cursors.page(server, result) {
                        Ok(page) => page,
                        Err(error) => return End::ok(error_message(Some(&self.id), &error)),
                    },
                };
                let result = match &self.task {
                    None => result,
                    Some(handle) => server_task::for_client(&result, handle, &[]),
                };
                self.completed(&result)
            }
            Answer::ServerTask { result, id, asks } => {
                self.completed(&server_task::for_client(result, id, &asked(asks)))
            }
            // Its words may name the task as the server does.
            Answer::Error { code: code::INVALID_PARAMS, .. } if self.task.is_some() => {
                let error = RpcError::new(code::INVALID_PARAMS, Denial::unknown_server_task().public);
                End::ok(error_message(Some(&self.id), &error))
            }
            Answer::Error { code, message, data } => {
                let error = RpcError { code: *code, message: message.clone(), data: data.clone() };
                let pages = relay::pages(self.client, &error);
                if self.era == Era::Modern && !pages.is_empty() && self.method.may_ask() {
                    return self.opens(&pages);
                }
                let error = relay::error(self.era, self.client, error);
                // What a client lacks it is told by the status, too (MCP 2026-07-28, Transports).
                let status = if error.code == code::MISSING_CAPABILITY { 400 } else { 200 };
                End { status, message: error_message(Some(&self.id), &error) }
            }
        }
    }

    fn completed(&self, result: &RawJson) -> End {
        let result = shape::result(self.era, result, &self.server, cache(self.method));
        End::ok(result_message(&self.id, &result))
    }

    /// A modern client is told by the status, too, that a method does not exist (MCP 2026-07-28, Transports).
    pub(super) fn refusal(&self, refused: &Refused) -> End {
        let unknown = self.method != Method::CallTool && refused.denial.reason == Reason::UnknownTool;
        let status = if unknown && self.era == Era::Modern { 404 } else { 200 };
        End { status, message: self.refused(refused) }
    }

    fn refused(&self, refused: &Refused) -> Bytes {
        // An unknown tool is answered without the id of the call, so that every such answer is the same.
        let call = (refused.denial.reason != Reason::UnknownTool).then_some(refused.call);
        self.denied(&refused.denial, call)
    }

    pub(super) fn denied(&self, denial: &Denial, call: Option<CallId>) -> Bytes {
        let asked = Asked { era: self.era, method: self.method, server: &self.server };
        answer::refusal_message(&self.id, &answer::refusal(&asked, denial, call))
    }

    /// What a client without a session is asked: the end of this request, but not of its call.
    pub(super) fn asks(&self, questions: &[Question], state: &str) -> End {
        let asked = asked(questions);
        End::ok(result_message(&self.id, &asking::input_required(&asked, Some(state), &self.server)))
    }

    /// Pages that a server with sessions wants opened before it is called again. The call is over: what the client sends
    /// next is another one.
    fn opens(&self, pages: &[RawJson]) -> End {
        let keys: Vec<_> = (1..=pages.len()).map(|number| format!("page-{number}")).collect();
        let asked = keys.iter().zip(pages);
        let asked = asked.map(|(key, params)| asking::Asked { key, method: Method::Elicit, params });
        let asked: Vec<_> = asked.collect();
        End::ok(result_message(&self.id, &asking::input_required(&asked, None, &self.server)))
    }

    pub(super) fn progress(&self, progress: &Progress) -> Option<Bytes> {
        let token = self.token.as_ref()?;
        let (total, message) = (progress.total.as_ref(), progress.message.as_ref());
        Some(answer::progress(token, &progress.progress, total, message))
    }

    pub(super) fn log(&self, message: &LogMessage) -> Option<Bytes> {
        let wanted = self.log.is_some_and(|least| message.level >= least);
        wanted.then(|| asking::log(message.level, message.logger.as_ref(), &message.data))
    }
}

/// Questions as they are written.
fn asked(questions: &[Question]) -> Vec<asking::Asked<'_>> {
    let asked = questions.iter().map(|Question { key, method, params_raw: params, .. }| asking::Asked {
        key,
        method: *method,
        params,
    });
    asked.collect()
}
