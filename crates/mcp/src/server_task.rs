//! Upstream tasks: what a server of 2026-07-28 makes of a tool call that takes its time (extension
//! `io.modelcontextprotocol/tasks`). No task of Callgate's.
//!
//! Must never pass on a state whose payload does not belong to it, nor a question that nobody decided on.

#[cfg(test)]
mod tests;

use model::client::ClientCapabilities;
use model::json::{Json, Member, RawJson};

use crate::edit;
use crate::question::{Asked, KEY_BYTES_MAX, QUESTIONS_MAX, read};
use crate::reply::UpstreamResult;
use crate::shape::{self, Object};
use crate::write::Writer;

/// The name of the extension.
pub const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// The parameter, and the member of results, that names a task.
pub const ID: &str = "taskId";
/// The parameter that answers what a task asks.
pub const RESPONSES: &str = "inputResponses";
/// Longest id of a server's.
pub const ID_BYTES_MAX: usize = 2048;

/// The member that holds what a task asks.
const REQUESTS: &str = "inputRequests";
/// Longest time of day, whatever its fraction.
const TIME_BYTES_MAX: usize = 64;
/// What belongs to one status only.
const PAYLOADS: [(&str, &str); 3] =
    [("input_required", REQUESTS), ("completed", "result"), ("failed", "error")];

/// The `extensions` object that declares it.
pub(crate) fn write_extension(out: &mut Writer) {
    out.raw("{").string(EXTENSION).raw(":{}}");
}

/// The id of a task whose members are those of one; `None` when they are not.
pub(crate) fn id(tree: &Json) -> Option<&str> {
    let id = tree.get(ID)?.as_str().filter(|id| (1..=ID_BYTES_MAX).contains(&id.len()))?;
    let times = ["createdAt", "lastUpdatedAt"].iter().all(|name| {
        let time = tree.get(name).and_then(Json::as_str);
        time.is_some_and(is_time)
    });
    let millis = |name: &str| match tree.get(name) {
        None => true,
        Some(Json::Null) => name == "ttlMs",
        Some(value) => value.as_i64().is_some_and(|millis| millis >= 0),
    };
    let message = matches!(tree.get("statusMessage"), None | Some(Json::String(_)));
    (status(tree).is_some() && times && millis("ttlMs") && millis("pollIntervalMs") && message).then_some(id)
}

fn status(tree: &Json) -> Option<&str> {
    let status = tree.get("status")?.as_str()?;
    ["working", "input_required", "completed", "failed", "cancelled"].contains(&status).then_some(status)
}

/// Whether it is a new task: nothing has come of it yet.
pub(crate) fn is_new(tree: &Json) -> bool {
    id(tree).is_some() && PAYLOADS.iter().all(|(_, payload)| tree.get(payload).is_none())
}

/// Whether it is the state of a task, with what belongs to its status and nothing else.
pub(crate) fn is_state(tree: &Json) -> bool {
    let own = |(of, payload): &(&str, &str)| match tree.get(payload) {
        found if status(tree) != Some(of) => found.is_none(),
        Some(found @ Json::Object(members)) => match *payload {
            REQUESTS => members.len() <= QUESTIONS_MAX && members.iter().all(is_asked),
            "error" => {
                let message = found.get("message").and_then(Json::as_str);
                found.get("code").and_then(Json::as_i64).is_some() && message.is_some()
            }
            _ => true,
        },
        _ => false,
    };
    id(tree).is_some() && PAYLOADS.iter().all(own)
}

fn is_asked(member: &Member) -> bool {
    member.name.len() <= KEY_BYTES_MAX && member.value.get("method").and_then(Json::as_str).is_some()
}

/// ISO 8601 to the second at least, with its offset or without.
fn is_time(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((head, rest)) = text.split_at_checked(19) else { return false };
    let form = head.bytes().zip(b"0000-00-00T00:00:00").all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        _ => byte == *form,
    });
    let offset = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let fraction = rest.strip_suffix(offset).unwrap_or_default();
    let fits = fraction.is_empty() || fraction.strip_prefix('.').is_some_and(digits);
    let zone = match offset.strip_prefix(['+', '-']) {
        None => offset.is_empty() || offset == "Z",
        Some(zone) => matches!(zone.len(), 2 | 4 | 5) && digits(&zone.replacen(':', "", 1)),
    };
    text.len() <= TIME_BYTES_MAX && form && fits && zone
}

impl UpstreamResult {
    /// The server's own id of the task that its result names.
    #[must_use]
    pub fn server_task_id(&self) -> Option<&str> {
        id(self.tree())
    }

    /// Whether it says that a task was made of the call.
    #[must_use]
    pub fn is_new_server_task(&self) -> bool {
        is_new(self.tree())
    }

    /// What a task asks, of a result of `tasks/get`. What no client that declared `can` may be asked is left out.
    #[must_use]
    pub fn server_task_asks(&self, can: ClientCapabilities) -> Vec<(Box<str>, Asked)> {
        let Some(Json::Object(members)) = self.tree().get(REQUESTS) else { return Vec::new() };
        let question = |member: &Member| {
            let method = member.value.get("method").and_then(Json::as_str)?;
            let params = member.value.member("params").map(|params| self.cut(&params.span));
            Some((member.name.clone(), read(method, params.as_ref(), can).ok()?))
        };
        members.iter().filter_map(question).collect()
    }
}

/// What a client is shown of a result that names a task: under the client's own name for it, with what of its questions
/// may be asked and nothing in the name of Callgate. `asks` is for a result of `tasks/get`.
#[must_use]
pub fn for_client(result: &RawJson, handle: &str, asks: &[crate::asking::Asked<'_>]) -> RawJson {
    let mut shown = match edit::member(result, ID) {
        Some(_) => edit::with(result, ID, &edit::string(handle)),
        None => result.clone(),
    };
    if edit::member(&shown, REQUESTS).is_some() {
        let mut requests = Object::with_capacity(256);
        for asked in asks {
            crate::asking::write(requests.member(asked.key), asked);
        }
        shown = edit::with(&shown, REQUESTS, &requests.finish());
    }
    for (name, meta) in [("result", "_meta"), ("error", "data")] {
        let Some(payload) = edit::member(&shown, name) else { continue };
        let Some(said) = edit::member(&payload, meta) else { continue };
        let left = shape::without_ours(&said);
        let payload = match left {
            Some(left) => edit::with(&payload, meta, &left),
            None => edit::without(&payload, meta),
        };
        shown = edit::with(&shown, name, &payload);
    }
    shown
}

/// The parameters of a request that names a task, with the server's own id for it. Of what it answers, only what stands
/// under these keys.
#[must_use]
pub fn for_server(params: &RawJson, id: &str, keys: &[Box<str>]) -> RawJson {
    let named = edit::with(params, ID, &edit::string(id));
    let Some(responses) = edit::member(params, RESPONSES) else { return named };
    edit::with(&named, RESPONSES, &edit::only(&responses, |key| keys.iter().any(|known| **known == *key)))
}
