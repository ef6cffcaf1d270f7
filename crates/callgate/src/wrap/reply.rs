//! From an HTTP answer to lines for the client. Must never leave a request without a line, nor write two ends for one.

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, Limited};
use mcp::jsonrpc::{RequestId, RpcError, code, error_message};
use mcp::sse::SseDecoder;
use model::json::Json;
use model::limits::JsonLimits;

use super::door::{Answer, DoorFault};
use super::lines::Output;
use super::message::Kind;

/// Most bytes of one answer; the daemon's own limits are far below.
const BYTES_MAX: usize = 64 << 20;

/// An error line of our own under a request's id.
pub(super) fn error(id: Option<&RequestId>, text: impl Into<String>) -> Bytes {
    error_message(id, &RpcError::new(code::INTERNAL_ERROR, text))
}

/// The body of an answer.
pub(super) async fn whole(answer: Answer) -> Result<Bytes, DoorFault> {
    let (_, body) = answer.response.into_parts();
    let collected = Limited::new(body, BYTES_MAX).collect().await.map_err(|_| DoorFault::Lost)?;
    Ok(collected.to_bytes())
}

/// Whether an answer is a stream of messages.
pub(super) fn is_stream(answer: &Answer) -> bool {
    let kind = answer.response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}

/// Writes every message of a stream as it comes.
pub(super) async fn stream(answer: Answer, output: &Output) -> Result<(), DoorFault> {
    let mut body = answer.response;
    let mut events = SseDecoder::new(BYTES_MAX);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| DoorFault::Lost)?;
        let Some(chunk) = frame.data_ref() else { continue };
        events.push(chunk).map_err(|_| DoorFault::Lost)?;
        while let Some(event) = events.next_event() {
            if !event.data.is_empty() {
                output.put(&event.data).await;
            }
        }
    }
    Ok(())
}

/// The line for an answer that is no stream, if the client is to see one.
pub(super) fn line(kind: &Kind, status: StatusCode, body: Bytes, agent: &str) -> Option<Bytes> {
    if !kind.is_answered() {
        return None;
    }
    // What the daemon answers with success is a message.
    if status.is_success() && (!body.is_empty() || kind.id().is_none()) {
        return Some(body).filter(|body| !body.is_empty());
    }
    let tree = Json::parse(&body, &JsonLimits::REQUEST).ok();
    if tree.as_ref().is_some_and(|tree| tree.get("jsonrpc").is_some()) {
        return Some(body);
    }
    let said = tree.as_ref().and_then(|tree| tree.get("error")?.get("message")?.as_str());
    let text = match (status, said) {
        (StatusCode::UNAUTHORIZED, _) => format!(
            "callgate does not let programs of this user act as agent `{agent}`: run `callgate agents add {agent} --local`, then try again"
        ),
        (_, Some(said)) => format!("callgate: {said}"),
        (status, None) => format!("callgate answered with HTTP status {status}"),
    };
    Some(error(kind.id(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: &Kind, status: u16, body: &'static str) -> Option<String> {
        let status = StatusCode::from_u16(status).unwrap();
        let line = line(kind, status, Bytes::from_static(body.as_bytes()), "ada")?;
        Some(String::from_utf8(line.to_vec()).unwrap())
    }

    #[test]
    fn messages_pass_whatever_the_status_and_everything_else_becomes_an_error_of_the_request() {
        let call = Kind::Call(RequestId::ours(3));
        let message = r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32602,"message":"x"}}"#;
        assert_eq!(shown(&call, 400, message).unwrap(), message);
        let refused = shown(&call, 413, r#"{"error":{"code":"malformed","message":"too large"}}"#).unwrap();
        assert!(refused.contains("\"id\":3") && refused.contains("too large"), "{refused}");
        let unknown = shown(&call, 401, r#"{"error":{"code":"invalid_credential","message":"no"}}"#).unwrap();
        assert!(unknown.contains("callgate agents add ada --local"), "{unknown}");
        assert!(shown(&call, 502, "<html>").unwrap().contains("502"));
        assert!(shown(&call, 202, "").is_some());
    }

    #[test]
    fn nobody_waits_for_an_answer_to_a_notification() {
        let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"x"}}"#;
        for kind in [Kind::Untold, Kind::Initialized, Kind::Cancelled(RequestId::ours(1))] {
            assert_eq!(shown(&kind, 202, ""), None);
            assert_eq!(shown(&kind, 404, error), None);
        }
        assert_eq!(shown(&Kind::Unreadable, 400, error).unwrap(), error);
    }
}
