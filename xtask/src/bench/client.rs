//! One kept-alive HTTP/1.1 connection of an MCP client, on the same HTTP library as everything else here.
//!
//! Must never have two requests in flight; must never accept an answer it did not see whole.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::bench::wire::SESSION;

const ANSWER_BYTES_MAX: usize = 8 << 20;

/// One whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Status code.
    pub(crate) status: StatusCode,
    /// All headers.
    pub(crate) headers: HeaderMap,
    /// The whole body.
    pub(crate) body: Bytes,
}

impl Answer {
    /// `Mcp-Session-Id`, when the answer set one.
    pub(crate) fn session(&self) -> Option<String> {
        Some(self.headers.get(SESSION)?.to_str().ok()?.to_owned())
    }

    /// The JSON-RPC message that answers `id`: the body, or one event of it when the server chose to stream.
    pub(crate) fn message(&self, id: &str) -> Option<Value> {
        self.headers.get(CONTENT_TYPE)?;
        if is_stream(&self.headers) {
            event(&self.body, id)
        } else {
            answers(serde_json::from_slice(&self.body).ok()?, id)
        }
    }

    /// Status and the beginning of the body, for a person.
    pub(crate) fn words(&self) -> String {
        let text: String = String::from_utf8_lossy(&self.body).chars().take(300).collect();
        format!("{} {text}", self.status.as_u16())
    }
}

fn is_stream(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

fn answers(message: Value, id: &str) -> Option<Value> {
    (message.get("id")?.as_str()? == id).then_some(message)
}

fn event(body: &[u8], id: &str) -> Option<Value> {
    let lines = std::str::from_utf8(body).ok()?.lines();
    let mut data = lines.filter_map(|line| line.strip_prefix("data:"));
    data.find_map(|text| answers(serde_json::from_str(text).ok()?, id))
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects; the connection is driven by a task of its own, which ends when this is dropped.
    pub(crate) async fn open(addr: SocketAddr) -> Result<Self, String> {
        loopback(addr)?;
        let stream = TcpStream::connect(addr).await;
        let stream = stream.map_err(|error| format!("cannot connect to `{addr}`: {error}"))?;
        stream.set_nodelay(true).map_err(|error| format!("cannot set TCP_NODELAY: {error}"))?;
        let opened = handshake(TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(|error| format!("cannot speak HTTP: {error}"))?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Sends a request that is answered with a stream, and gives up the connection for it.
    pub(crate) async fn stream(mut self, request: Request<Full<Bytes>>) -> Result<(Incoming, Self), String> {
        self.sender.ready().await.map_err(|error| format!("the connection is closed: {error}"))?;
        let answer = self.sender.send_request(request).await;
        let (head, body) = answer.map_err(|error| format!("no answer: {error}"))?.into_parts();
        if head.status == StatusCode::OK && is_stream(&head.headers) {
            return Ok((body, self));
        }
        Err(format!("a stream was wanted and not given: {}", head.status))
    }

    /// Sends one request and waits for its whole answer.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        self.sender.ready().await.map_err(|error| format!("the connection is closed: {error}"))?;
        let answer = self.sender.send_request(request).await;
        let (head, body) = answer.map_err(|error| format!("no answer: {error}"))?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| format!("cannot read the answer: {error}"))?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

/// Refuses anything but loopback.
pub(crate) fn loopback(addr: SocketAddr) -> Result<(), String> {
    if addr.ip().is_loopback() {
        return Ok(());
    }
    Err(format!("`{addr}` is not a loopback address; the bench pieces never leave this machine"))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn answer(kind: &'static str, body: &'static str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Answer { status: StatusCode::OK, headers, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn only_the_message_with_the_id_answers() {
        let plain = answer("application/json", r#"{"id":"a","result":{}}"#);
        assert!(plain.message("a").is_some() && plain.message("b").is_none());
        assert!(answer("application/json", r#"{"id":"a""#).message("a").is_none());
    }

    #[test]
    fn an_answer_is_found_among_the_events_of_a_stream() {
        let body = "event: message\ndata: {\"method\":\"x\"}\n\ndata: {\"id\":\"a\"}\n\n";
        let streamed = answer("text/event-stream; charset=utf-8", body);
        assert!(streamed.message("a").is_some() && streamed.message("b").is_none());
    }

    #[tokio::test]
    async fn nothing_but_loopback_is_reached() {
        let problem = Connection::open(([192, 0, 2, 1], 80).into()).await.unwrap_err();
        assert!(problem.contains("not a loopback address"), "{problem}");
    }
}
