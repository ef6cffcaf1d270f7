//! Building responses. Must never put a credential, a path or an internal error into one.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

use crate::body::ReplyBody;

pub(crate) type Reply = Response<ReplyBody>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// JSON with a status.
pub(crate) fn json(status: u16, body: Bytes) -> Reply {
    let mut reply = Response::new(ReplyBody::from(body));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    reply.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    reply
}

/// A status without a body.
pub(crate) fn empty(status: u16) -> Reply {
    let mut reply = Response::new(ReplyBody::Whole(None));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply
}

/// A stream of server-sent events.
pub(crate) fn events(receiver: tokio::sync::mpsc::Receiver<Bytes>) -> Reply {
    let mut reply = Response::new(ReplyBody::Events(receiver));
    reply.headers_mut().insert(CONTENT_TYPE, EVENTS);
    reply.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    reply.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    reply
}

/// `{"error":{"code":…,"message":…}}` with a status: for refusals below JSON-RPC.
pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Reply {
    let mut body = String::from(r#"{"error":{"code":"#);
    model::json::write_string(&mut body, code);
    body.push_str(r#","message":"#);
    model::json::write_string(&mut body, message);
    body.push_str("}}");
    json(status, Bytes::from(body))
}

/// 401 with its challenge (RFC 6750 §3): no `error` when nothing was presented.
pub(crate) fn unauthorized(presented: bool, code: &str, message: &str) -> Reply {
    let mut reply = refusal(401, code, message);
    let challenge = match presented {
        false => HeaderValue::from_static(r#"Bearer realm="callgate""#),
        true => HeaderValue::from_static(r#"Bearer realm="callgate", error="invalid_token""#),
    };
    reply.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    reply
}

/// 405 with what is allowed.
pub(crate) fn method_not_allowed(body: Bytes) -> Reply {
    let mut reply = json(405, body);
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST, DELETE"));
    reply
}
