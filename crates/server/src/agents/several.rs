//! Asks several servers at once, each through the door as a call of its own. Must never wait for a slow one longer than
//! the time it is given, nor leave what it began running without an end, nor keep more of their lists than it looks for.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use call::{Caller, Door, Finished};
use mcp::edit;
use mcp::merge::items;
use mcp::page::{self, Next};
use mcp::template;
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
/// Most bytes of pages that are looked through for one request, of all servers and lists together.
const BYTES_MAX: usize = 4 << 20;
/// Most items of them.
const ITEMS_MAX: usize = 5000;
/// Most URI templates among these: each is tried.
const TEMPLATES_MAX: usize = 256;

/// What may still be looked through for one request.
pub(super) struct Budget {
    bytes: AtomicUsize,
    items: AtomicUsize,
    templates: AtomicUsize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: BYTES_MAX.into(), items: ITEMS_MAX.into(), templates: TEMPLATES_MAX.into() }
    }
}

impl Budget {
    fn take(left: &AtomicUsize, count: usize) -> Result<(), Missing> {
        let taken = left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(count));
        taken.map(drop).map_err(|_| Missing::Refused(Reason::LimitExceeded))
    }

    /// What a page lists is looked for by. All else of it is let go at once.
    fn texts(&self, method: Method, page: &RawJson) -> Result<Vec<String>, Missing> {
        Self::take(&self.bytes, page.as_bytes().len())?;
        let items = items(method, page);
        Self::take(&self.items, items.len())?;
        let name = match method {
            Method::ListResources => "uri",
            Method::ListTemplates => "uriTemplate",
            _ => "name",
        };
        let texts = items.iter().filter_map(|item| edit::text(&edit::member(item, name)?));
        let texts: Vec<String> = texts.collect();
        if method == Method::ListTemplates {
            Self::take(&self.templates, texts.len())?;
            // One that is not tried might be the one that is meant.
            if texts.iter().any(|text| text.len() > template::BYTES_MAX) {
                return Err(Missing::Refused(Reason::LimitExceeded));
            }
        }
        Ok(texts)
    }
}

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

    /// What the whole list of each server names, as far as it can be had in time and within the budget.
    pub(super) async fn all_listed(
        &self,
        method: Method,
        servers: &[ServerName],
        budget: &Arc<Budget>,
    ) -> Answers<Vec<String>> {
        let work = |server: &ServerName| {
            let (door, caller) = (Arc::clone(&self.face.door), self.caller.clone());
            let (asked, budget) = (server.clone(), Arc::clone(budget));
            (server.clone(), async move { whole(&door, &caller, (method, &asked), &budget).await })
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
    (method, server): (Method, &ServerName),
    budget: &Budget,
) -> Result<Vec<String>, Missing> {
    let until = Instant::now() + ANSWERS_WITHIN;
    let (mut all, mut cursor) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let call = page_of(method, server, cursor.as_deref());
        let call = call.ok_or(Missing::Refused(Reason::UpstreamViolation))?;
        let page = one(door, caller.clone(), call).await?;
        all.extend(budget.texts(method, &page)?);
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

#[cfg(test)]
mod tests {
    use model::limits::JsonLimits;

    use super::*;

    const TOO_MUCH: Missing = Missing::Refused(Reason::LimitExceeded);

    fn page(name: &str, items: &str) -> RawJson {
        let text = format!(r#"{{"{name}":[{items}]}}"#);
        RawJson::parse(text.into_bytes().into(), &JsonLimits::UPSTREAM).unwrap().0
    }

    #[test]
    fn what_is_kept_of_a_page_is_what_is_looked_for() {
        let budget = Budget::default();
        let long = "x".repeat(100_000);
        let found =
            page("resources", &format!(r#"{{"uri":"a:b","name":"n","title":"{long}"}},{{"uri":7}},9"#));
        assert_eq!(budget.texts(Method::ListResources, &found), Ok(vec!["a:b".to_owned()]));
        let found = page("resourceTemplates", r#"{"uriTemplate":"a:{x}","name":"n"}"#);
        assert_eq!(budget.texts(Method::ListTemplates, &found), Ok(vec!["a:{x}".to_owned()]));
        let found = page("prompts", r#"{"name":"n"}"#);
        assert_eq!(budget.texts(Method::ListPrompts, &found), Ok(vec!["n".to_owned()]));
    }

    #[test]
    fn pages_of_all_servers_and_lists_share_one_budget() {
        let padded = page("prompts", &format!(r#"{{"name":"n","title":"{}"}}"#, "x".repeat(1 << 20)));
        let budget = Budget::default();
        for _ in 0..3 {
            assert!(budget.texts(Method::ListPrompts, &padded).is_ok());
        }
        assert_eq!(budget.texts(Method::ListPrompts, &padded), Err(TOO_MUCH), "bytes");
        let many = page("resources", &[r#"{"uri":"a:b"}"#; 2000].join(","));
        let budget = Budget::default();
        for _ in 0..2 {
            assert_eq!(budget.texts(Method::ListResources, &many).unwrap().len(), 2000);
        }
        assert_eq!(budget.texts(Method::ListResources, &many), Err(TOO_MUCH), "items");
    }

    #[test]
    fn so_many_templates_are_tried_and_no_longer_ones() {
        let templates = |count: usize, text: &str| {
            page("resourceTemplates", &vec![format!(r#"{{"uriTemplate":"{text}"}}"#); count].join(","))
        };
        let ask = |page: RawJson| Budget::default().texts(Method::ListTemplates, &page);
        assert_eq!(ask(templates(TEMPLATES_MAX, "a:{x}")).unwrap().len(), TEMPLATES_MAX);
        assert_eq!(ask(templates(TEMPLATES_MAX + 1, "a:{x}")), Err(TOO_MUCH));
        assert!(ask(templates(1, &"a".repeat(template::BYTES_MAX))).is_ok());
        assert_eq!(ask(templates(1, &"a".repeat(template::BYTES_MAX + 1))), Err(TOO_MUCH));
    }
}
