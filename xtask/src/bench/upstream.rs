//! The fast upstream: a streamable HTTP MCP server of both revisions with two tools, answering in one JSON body.
//!
//! Must never do more per call than a real server must: read the body, parse it once, check the envelope, answer.

use std::borrow::Cow;
use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::bench::seen::Seen;
use crate::bench::serve::{Listen, serve};

const BODY_BYTES_MAX: usize = 4 << 20;
const SESSIONS_MAX: usize = 100_000;
const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";
const TOOLS: &str = concat!(
    r#"{"name":"echo","description":"Gives its text back.","inputSchema":{"type":"object","properties":{"text":"#,
    r#"{"type":"string"}},"required":["text"],"additionalProperties":false},"annotations":{"readOnlyHint":true}},"#,
    r#"{"name":"sum","description":"The sum of two integers.","inputSchema":{"type":"object","properties":{"a":"#,
    r#"{"type":"integer"},"b":{"type":"integer"}},"required":["a","b"],"additionalProperties":false},"#,
    r#""annotations":{"readOnlyHint":true}}"#
);
const INFO: &str = r#""_meta":{"io.modelcontextprotocol/serverInfo":{"name":"fast","version":"1.0.0"}}"#;

/// Which revisions it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Era {
    /// Sessions only.
    Legacy,
    /// Stateless only.
    Modern,
    /// Both on one path.
    Both,
}

/// A request, borrowed from its body.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arguments: Option<Arguments<'a>>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    a: Option<i64>,
    b: Option<i64>,
}

struct Upstream {
    era: Era,
    seen: Seen,
    sessions: RwLock<HashSet<String>>,
    minted: AtomicU64,
}

/// Counts a connection for as long as its service lives.
struct Open(Arc<Upstream>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.seen.closed();
    }
}

/// Serves until its time is over.
pub(crate) fn run(listen: Listen, era: Era, log: bool) -> Result<(), String> {
    let upstream = Arc::new(Upstream {
        era,
        seen: Seen::new(log),
        sessions: RwLock::default(),
        minted: AtomicU64::new(1),
    });
    serve(listen, move || {
        upstream.seen.opened();
        let open = Arc::new(Open(Arc::clone(&upstream)));
        service_fn(move |request| {
            let open = Arc::clone(&open);
            async move { Ok::<_, Infallible>(open.0.answer(request).await) }
        })
    })
}

type Answer = Response<Full<Bytes>>;

fn json(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

fn error(status: StatusCode, id: &str, code: i32, message: &str) -> Answer {
    let body = serde_json::json!(message);
    json(status, format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{body}}}}}"#))
}

impl Upstream {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        match (request.method(), request.uri().path()) {
            (&Method::POST, "/mcp") => self.post(request).await,
            (&Method::DELETE, "/mcp") => empty(self.end_session(request.headers())),
            (_, "/mcp") => empty(StatusCode::METHOD_NOT_ALLOWED),
            (&Method::GET, "/seen") => json(StatusCode::OK, self.seen.json()),
            (&Method::DELETE, "/seen") => {
                self.seen.reset();
                empty(StatusCode::NO_CONTENT)
            }
            _ => empty(StatusCode::NOT_FOUND),
        }
    }

    async fn post(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
            return empty(StatusCode::PAYLOAD_TOO_LARGE);
        };
        let body = body.to_bytes();
        let Ok(message) = serde_json::from_slice::<Message<'_>>(&body) else {
            return error(StatusCode::BAD_REQUEST, "null", -32700, "not a JSON-RPC message");
        };
        let version = head.headers.get("mcp-protocol-version").and_then(|value| value.to_str().ok());
        if version == Some(MODERN) { self.modern(&message) } else { self.legacy(&message, &head.headers) }
    }

    fn modern(&self, message: &Message<'_>) -> Answer {
        let id = message.id.map_or("null", RawValue::get);
        if self.era == Era::Legacy {
            return error(StatusCode::BAD_REQUEST, id, -32000, "Bad Request: Server not initialized");
        }
        if message.id.is_none() {
            return empty(StatusCode::ACCEPTED);
        }
        let meta = message.params.as_ref().and_then(|params| params.meta).map_or("", RawValue::get);
        if !meta.contains(r#""io.modelcontextprotocol/protocolVersion""#) {
            return error(StatusCode::BAD_REQUEST, id, -32602, "the envelope is missing");
        }
        let cached = format!(r#""ttlMs":0,"cacheScope":"private",{INFO}"#);
        let result = match message.method.as_deref() {
            Some("server/discover") => format!(
                r#"{{"resultType":"complete","supportedVersions":["{MODERN}"],"capabilities":{{"tools":{{}}}},{cached}}}"#
            ),
            Some("tools/list") => format!(r#"{{"resultType":"complete","tools":[{TOOLS}],{cached}}}"#),
            Some("tools/call") => match self.call(message) {
                Ok(text) => format!(
                    r#"{{"resultType":"complete","content":[{{"type":"text","text":{text}}}],"isError":false,{INFO}}}"#
                ),
                Err(message) => return error(StatusCode::OK, id, -32602, message),
            },
            _ => return error(StatusCode::NOT_FOUND, id, -32601, "no such method"),
        };
        json(StatusCode::OK, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
    }

    fn legacy(&self, message: &Message<'_>, headers: &HeaderMap) -> Answer {
        let id = message.id.map_or("null", RawValue::get);
        if self.era == Era::Modern {
            return error(StatusCode::BAD_REQUEST, id, -32022, "Unsupported protocol version");
        }
        if message.method.as_deref() == Some("initialize") {
            return self.initialize(id);
        }
        match session(headers) {
            None => return error(StatusCode::BAD_REQUEST, id, -32000, "Bad Request: no session"),
            Some(session)
                if !self.sessions.read().unwrap_or_else(PoisonError::into_inner).contains(session) =>
            {
                return error(StatusCode::NOT_FOUND, id, -32001, "Session not found");
            }
            Some(_) => {}
        }
        if message.id.is_none() {
            return empty(StatusCode::ACCEPTED);
        }
        let result = match message.method.as_deref() {
            Some("ping") => "{}".to_owned(),
            Some("tools/list") => format!(r#"{{"tools":[{TOOLS}]}}"#),
            Some("tools/call") => match self.call(message) {
                Ok(text) => format!(r#"{{"content":[{{"type":"text","text":{text}}}],"isError":false}}"#),
                Err(message) => return error(StatusCode::OK, id, -32602, message),
            },
            _ => return error(StatusCode::OK, id, -32601, "Method not found"),
        };
        json(StatusCode::OK, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
    }

    fn initialize(&self, id: &str) -> Answer {
        let session = format!("fast-{}", self.minted.fetch_add(1, Ordering::Relaxed));
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= SESSIONS_MAX {
            sessions.clear();
        }
        sessions.insert(session.clone());
        drop(sessions);
        let result = format!(
            r#"{{"protocolVersion":"{LEGACY}","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"fast","version":"1.0.0"}}}}"#
        );
        let mut answer = json(StatusCode::OK, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
        if let Ok(value) = HeaderValue::from_str(&session) {
            answer.headers_mut().insert("mcp-session-id", value);
        }
        answer
    }

    fn end_session(&self, headers: &HeaderMap) -> StatusCode {
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        match session(headers) {
            Some(session) if sessions.remove(session) => StatusCode::OK,
            _ => StatusCode::NOT_FOUND,
        }
    }

    /// The tool's text as a JSON string.
    fn call(&self, message: &Message<'_>) -> Result<String, &'static str> {
        let params = message.params.as_ref().ok_or("params are missing")?;
        let arguments = params.arguments.as_ref().ok_or("arguments are missing")?;
        let text = match (params.name.as_deref(), arguments) {
            (Some("echo"), Arguments { text: Some(text), .. }) => Cow::Borrowed(text.as_ref()),
            (Some("sum"), Arguments { a: Some(a), b: Some(b), .. }) => {
                a.saturating_add(*b).to_string().into()
            }
            _ => return Err("unknown tool or wrong arguments"),
        };
        self.seen.call(&text);
        serde_json::to_string(&text).map_err(|_| "not text")
    }
}

fn session(headers: &HeaderMap) -> Option<&str> {
    headers.get("mcp-session-id")?.to_str().ok()
}

#[cfg(test)]
mod tests;
