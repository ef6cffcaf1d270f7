//! What a server asks and tells a client while a call is open, as each era writes it. Must never write a question under
//! an id that is not ours.

use bytes::Bytes;
use model::client::{ClientCapabilities, LogLevel};
use model::json::RawJson;
use model::method::Method;

use crate::edit;
use crate::implementation::Implementation;
use crate::jsonrpc::RequestId;
use crate::server_task;
use crate::shape::{Cache, Object, own_result};
use crate::version::Era;
use crate::write::Writer;

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What the server calls it.
    pub key: &'a str,
    /// What it asks.
    pub method: Method,
    /// Its parameters, an object.
    pub params: &'a RawJson,
}

/// The member that names an elicitation, up to 2025-11-25.
const ELICITATION_ID: &str = "elicitationId";

/// A question as a request to a client with a session.
#[must_use]
pub fn request(id: &RequestId, asked: &Asked<'_>) -> Bytes {
    let mut out = Writer::with_capacity(asked.params.as_bytes().len() + 192);
    out.raw(r#"{"jsonrpc":"2.0","id":"#);
    id.write(&mut out);
    out.raw(r#","method":"#).string(asked.method.as_str());
    out.raw(r#","params":"#).leaf(&legacy(id, asked)).raw("}");
    out.into_bytes()
}

/// 2025-11-25 wants each page that is to be opened to have a name; servers without sessions give none.
fn legacy(id: &RequestId, asked: &Asked<'_>) -> RawJson {
    let opens_page = asked.method == Method::Elicit
        && edit::member(asked.params, "mode").and_then(|mode| edit::text(&mode)).as_deref() == Some("url");
    if !opens_page || edit::member(asked.params, ELICITATION_ID).is_some() {
        return asked.params.clone();
    }
    let (RequestId::Text(name) | RequestId::Integer(name)) = id;
    edit::with(asked.params, ELICITATION_ID, &edit::string(name))
}

/// The result that ends a request without a session until the client has answered. Ready to be sent.
#[must_use]
pub fn input_required(questions: &[Asked<'_>], state: Option<&str>, server: &Implementation) -> RawJson {
    let bytes: usize = questions.iter().map(|asked| asked.params.as_bytes().len() + 96).sum();
    let mut out = Object::with_capacity(bytes + 512);
    out.member("resultType").raw(r#""input_required""#);
    if !questions.is_empty() {
        let mut requests = Object::with_capacity(bytes);
        for asked in questions {
            write(requests.member(asked.key), asked);
        }
        out.member("inputRequests").leaf(&requests.finish());
    }
    if let Some(state) = state {
        out.member("requestState").string(state);
    }
    own_result(Era::Modern, &out.finish(), server, Cache::Never)
}

/// A question as a client without a session reads it.
pub(crate) fn write(out: &mut Writer, asked: &Asked<'_>) {
    out.raw(r#"{"method":"#).string(asked.method.as_str());
    out.raw(r#","params":"#).leaf(&modern(asked)).raw("}");
}

/// Without what only sessions have.
fn modern(asked: &Asked<'_>) -> RawJson {
    match asked.method {
        Method::Elicit if edit::member(asked.params, ELICITATION_ID).is_some() => {
            edit::without(asked.params, ELICITATION_ID)
        }
        _ => asked.params.clone(),
    }
}

/// `notifications/cancelled`: a question of ours that nobody waits for any more.
#[must_use]
pub fn cancelled(id: &RequestId) -> Bytes {
    let mut out = Writer::with_capacity(160);
    out.raw(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"#);
    id.write(&mut out);
    out.raw(r#","reason":"the call that it belonged to is over"}}"#);
    out.into_bytes()
}

/// `notifications/message`.
#[must_use]
pub fn log(level: LogLevel, logger: Option<&RawJson>, data: &RawJson) -> Bytes {
    let mut out = Writer::with_capacity(data.as_bytes().len() + 128);
    out.raw(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"#).string(level.as_str());
    if let Some(logger) = logger {
        out.raw(r#","logger":"#).leaf(logger);
    }
    out.raw(r#","data":"#).leaf(data).raw("}}");
    out.into_bytes()
}

/// The data of an error that names what a client lacks.
#[must_use]
pub(crate) fn required(lacking: ClientCapabilities) -> RawJson {
    use ClientCapabilities as Can;
    let mut out = Object::with_capacity(96);
    for (name, any, inner) in [
        ("elicitation", Can::NONE, [("form", Can::ELICIT_FORM), ("url", Can::ELICIT_URL)]),
        ("sampling", Can::SAMPLING, [("context", Can::SAMPLING_CONTEXT), ("tools", Can::SAMPLING_TOOLS)]),
        ("roots", Can::ROOTS, [("", Can::NONE), ("", Can::NONE)]),
    ] {
        let lacks = inner.iter().filter(|(name, meant)| !name.is_empty() && lacking.has(*meant));
        let mut members = Object::with_capacity(32);
        let mut some = !any.is_empty() && lacking.has(any);
        for (name, _) in lacks {
            some = true;
            members.member(name).raw("{}");
        }
        if some {
            out.member(name).leaf(&members.finish());
        }
    }
    if lacking.has(Can::SERVER_TASKS) {
        server_task::write_extension(out.member("extensions"));
    }
    let mut data = Object::with_capacity(128);
    data.member("requiredCapabilities").leaf(&out.finish());
    data.finish()
}

#[cfg(test)]
mod tests;
