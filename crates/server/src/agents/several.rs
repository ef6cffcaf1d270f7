//! Asks several servers at once, each through the door as a call of its own. Must never wait for a slow one longer than
//! the time it is given, nor leave what it began running without an end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use call::{Caller, Door, Finished};
use mcp::merge::items;
use mcp::page::{self, Next};
use model::call::{CallMeta, Endpoint, ToolCall};
use model::denial::Reason;
use model::ids::ServerName;
use model::json::{Json, RawJson};
use model::method::Method;
use ports::upstream::Answer;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Exchange, cursors};

/// How long the answers of servers are waited for.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// How long a call goes on that nobody waits for any more: a server that is being started is there for the next.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(30);
/// Most pages of one server's list that are looked through.
const PAGES_MAX: usize = 64;

/// Why a server's answer is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Missing {
    /// Refused, or the upstream failed.
    Refused(Reason),
    /// The server answered with this error.
    Error(i64),
}

impl Missing {
    /// For a client: the stable code, or that it is the server's own error.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Refused(reason) => reason.code(),
            Self::Error(_) => "error",
        }
    }
}

/// What each server came to.
pub(super) type Answers<T> = Vec<(ServerName, Result<T, Missing>)>;

/// A method that a server declares and does not know: its list is empty.
const METHOD_NOT_FOUND: i64 = -32601;

impl Exchange<'_> {
    /// Asks all of them at once; in their order.
    pub(super) async fn ask_all(&self, calls: Vec<(ServerName, ToolCall)>) -> Answers<RawJson> {
        let work = |(server, call)| {
            let (door, caller) = (Arc::clone(&self.face.door), self.caller.clone());
            (server, async move { one(&door, caller, call).await })
        };
        in_time(calls.into_iter().map(work)).await
    }

    /// The whole list of each server, as far as it can be had in time.
    pub(super) async fn all_items(&self, method: Method, servers: &[ServerName]) -> Answers<Vec<RawJson>> {
        let work = |server: &ServerName| {
            let (door, caller) = (Arc::clone(&self.face.door), self.caller.clone());
            let asked = server.clone();
            (server.clone(), async move { whole(&door, &caller, method, &asked).await })
        };
        in_time(servers.iter().map(work)).await
    }
}

/// Runs the work for all servers at once, each in a task of its own, and waits for its ends in time.
async fn in_time<T, W>(work: impl Iterator<Item = (ServerName, W)>) -> Answers<T>
where
    T: Send + 'static,
    W: Future<Output = Result<T, Missing>> + Send + 'static,
{
    let until = Instant::now() + ANSWERS_WITHIN;
    let mut waiting = Vec::new();
    for (server, work) in work {
        let (sender, receiver) = oneshot::channel();
        // Nobody may be waiting any more; the record has the end all the same.
        tokio::spawn(async move { drop(sender.send(work.await)) });
        waiting.push((server, receiver));
    }
    let mut answers = Vec::with_capacity(waiting.len());
    for (server, receiver) in waiting {
        let answer = match tokio::time::timeout_at(until, receiver).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Missing::Refused(Reason::Indeterminate)),
            Err(_) => Err(Missing::Refused(Reason::UpstreamTimeout)),
        };
        answers.push((server, answer));
    }
    answers
}

/// The call for a page of one server's list.
pub(super) fn page_of(method: Method, server: &ServerName, cursor: Option<&str>) -> Option<ToolCall> {
    let call = ToolCall {
        endpoint: Endpoint::All,
        method,
        name: server.as_str().to_owned(),
        arguments: Json::Object(Vec::new()),
        arguments_raw: RawJson::empty_object(),
        meta: CallMeta::default(),
    };
    cursors::from(call, cursor)
}

/// All pages of a server's list. What has no end in sight is not known as a whole.
async fn whole(
    door: &Arc<Door>,
    caller: &Caller,
    method: Method,
    server: &ServerName,
) -> Result<Vec<RawJson>, Missing> {
    let until = Instant::now() + ANSWERS_WITHIN;
    let (mut all, mut cursor) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let call = page_of(method, server, cursor.as_deref());
        let call = call.ok_or(Missing::Refused(Reason::UpstreamViolation))?;
        let page = one(door, caller.clone(), call).await?;
        all.extend(items(method, &page));
        cursor = match page::next(&page) {
            Next::End => return Ok(all),
            Next::At(cursor) => Some(cursor),
            Next::Broken => return Err(Missing::Refused(Reason::UpstreamViolation)),
        };
        // Nobody waits any more.
        if Instant::now() >= until {
            return Err(Missing::Refused(Reason::UpstreamTimeout));
        }
    }
    Err(Missing::Refused(Reason::LimitExceeded))
}

async fn one(door: &Arc<Door>, caller: Caller, call: ToolCall) -> Result<RawJson, Missing> {
    let lists = page::is_list(call.method);
    let mut handle = match door.call(caller, call).await {
        Ok(handle) => handle,
        Err(refused) => return Err(Missing::Refused(refused.denial.reason)),
    };
    // Nobody listens to what passes: a server that asks is told so.
    handle.passing.close();
    let end = tokio::select! {
        end = &mut handle.done => end,
        () = tokio::time::sleep(GIVEN_UP_AFTER) => {
            handle.cancel();
            (&mut handle.done).await
        }
    };
    match end {
        Some(Finished::Answered(_, Answer::Result { result, .. })) => Ok(result),
        Some(Finished::Answered(_, Answer::Error { code: METHOD_NOT_FOUND, .. })) if lists => {
            Ok(RawJson::empty_object())
        }
        Some(Finished::Answered(_, Answer::Error { code, .. })) => Err(Missing::Error(code)),
        Some(Finished::Refused(refused)) => Err(Missing::Refused(refused.denial.reason)),
        Some(Finished::Answered(_, Answer::ServerTask { .. })) | None => {
            Err(Missing::Refused(Reason::Indeterminate))
        }
    }
}
