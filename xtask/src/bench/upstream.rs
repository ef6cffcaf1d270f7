//! The fast upstream: a streamable HTTP MCP server of both revisions with two tools, answering in one JSON body.
//!
//! Does per call what a server must and no more: reads the body, parses it, checks the envelope, builds the result,
//! serialises it. Must never answer a call it did not parse, nor send text it did not build.

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
use serde_json::{Value, json};

use crate::bench::seen::Seen;
use crate::bench::serve::{Listen, serve};
use crate::bench::wire::{LEGACY, META_VERSION, MODERN, SESSION, VERSION};

const BODY_BYTES_MAX: usize = 4 << 20;
const SESSIONS_MAX: usize = 100_000;

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

fn json_text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn send(status: StatusCode, message: &Value) -> Answer {
    match serde_json::to_vec(message) {
        Ok(body) => json_text(status, body),
        Err(_) => empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

/// What is said to a message that gets no result.
struct Refused(StatusCode, i32, &'static str);

fn reply(id: &Value, result: Result<Value, Refused>) -> Answer {
    match result {
        Ok(result) => send(StatusCode::OK, &json!({"jsonrpc": "2.0", "id": id, "result": result})),
        Err(Refused(status, code, message)) => {
            let error = json!({"code": code, "message": message});
            send(status, &json!({"jsonrpc": "2.0", "id": id, "error": error}))
        }
    }
}

fn tools() -> Value {
    let schema = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    json!([
        {"name": "echo", "description": "Gives its text back.", "annotations": {"readOnlyHint": true},
            "inputSchema": schema(json!({"text": {"type": "string"}}), json!(["text"]))},
        {"name": "sum", "description": "The sum of two integers.", "annotations": {"readOnlyHint": true},
            "inputSchema": schema(json!({"a": {"type": "integer"}, "b": {"type": "integer"}}), json!(["a", "b"]))},
    ])
}

fn server_info() -> Value {
    json!({"name": "fast", "version": "1.0.0"})
}

/// A modern result: these fields and what each has.
fn complete(mut result: Value) -> Value {
    if let Some(fields) = result.as_object_mut() {
        fields.insert("resultType".to_owned(), json!("complete"));
        fields.insert("_meta".to_owned(), json!({"io.modelcontextprotocol/serverInfo": server_info()}));
    }
    result
}

fn content(text: String) -> Value {
    json!({"content": [{"type": "text", "text": text}], "isError": false})
}

impl Upstream {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        match (request.method(), request.uri().path()) {
            (&Method::POST, "/mcp") => self.post(request).await,
            (&Method::DELETE, "/mcp") => empty(self.end_session(request.headers())),
            (_, "/mcp") => empty(StatusCode::METHOD_NOT_ALLOWED),
            (&Method::GET, "/seen") => json_text(StatusCode::OK, self.seen.json()),
            (&Method::DELETE, "/seen") => {
                self.seen.reset();
                empty(StatusCode::NO_CONTENT)
            }
            _ => empty(StatusCode::NOT_FOUND),
        }
    }

    async fn post(&self, request: Request<Incoming>) -> Answer {
        let _answering = self.seen.answering();
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
            return empty(StatusCode::PAYLOAD_TOO_LARGE);
        };
        let body = body.to_bytes();
        let message = match serde_json::from_slice::<Value>(&body) {
            Ok(message) if message.is_object() => message,
            _ => {
                let refused = Refused(StatusCode::BAD_REQUEST, -32700, "not a JSON-RPC message");
                return reply(&Value::Null, Err(refused));
            }
        };
        let version = head.headers.get(VERSION).and_then(|value| value.to_str().ok());
        if version == Some(MODERN) { self.modern(&message) } else { self.legacy(&message, &head.headers) }
    }

    fn modern(&self, message: &Value) -> Answer {
        let id = message.get("id");
        if self.era == Era::Legacy {
            let refused = Refused(StatusCode::BAD_REQUEST, -32000, "Bad Request: Server not initialized");
            return reply(id.unwrap_or(&Value::Null), Err(refused));
        }
        let Some(id) = id else { return empty(StatusCode::ACCEPTED) };
        reply(id, self.modern_result(message))
    }

    fn modern_result(&self, message: &Value) -> Result<Value, Refused> {
        let meta = message.get("params").and_then(|params| params.get("_meta"));
        if meta.and_then(|meta| meta.get(META_VERSION)).and_then(Value::as_str) != Some(MODERN) {
            return Err(Refused(StatusCode::BAD_REQUEST, -32602, "the envelope is missing"));
        }
        match message.get("method").and_then(Value::as_str) {
            Some("server/discover") => Ok(complete(json!({"supportedVersions": [MODERN],
                "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private"}))),
            Some("tools/list") => {
                Ok(complete(json!({"tools": tools(), "ttlMs": 0, "cacheScope": "private"})))
            }
            Some("tools/call") => Ok(complete(content(self.call(message)?))),
            _ => Err(Refused(StatusCode::NOT_FOUND, -32601, "no such method")),
        }
    }

    fn legacy(&self, message: &Value, headers: &HeaderMap) -> Answer {
        let id = message.get("id");
        let refuse = |status, code, text| reply(id.unwrap_or(&Value::Null), Err(Refused(status, code, text)));
        if self.era == Era::Modern {
            return refuse(StatusCode::BAD_REQUEST, -32022, "Unsupported protocol version");
        }
        let method = message.get("method").and_then(Value::as_str);
        if method == Some("initialize") {
            return self.initialize(id.unwrap_or(&Value::Null));
        }
        match session(headers) {
            None => return refuse(StatusCode::BAD_REQUEST, -32000, "Bad Request: no session"),
            Some(session) if !self.has_session(session) => {
                return refuse(StatusCode::NOT_FOUND, -32001, "Session not found");
            }
            Some(_) => {}
        }
        let Some(id) = id else { return empty(StatusCode::ACCEPTED) };
        let result = match method {
            Some("ping") => Ok(json!({})),
            Some("tools/list") => Ok(json!({"tools": tools()})),
            Some("tools/call") => self.call(message).map(content),
            _ => Err(Refused(StatusCode::OK, -32601, "Method not found")),
        };
        reply(id, result)
    }

    fn initialize(&self, id: &Value) -> Answer {
        let session = format!("fast-{}", self.minted.fetch_add(1, Ordering::Relaxed));
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= SESSIONS_MAX {
            sessions.clear();
        }
        sessions.insert(session.clone());
        drop(sessions);
        let result =
            json!({"protocolVersion": LEGACY, "capabilities": {"tools": {}}, "serverInfo": server_info()});
        let mut answer = reply(id, Ok(result));
        if let Ok(value) = HeaderValue::from_str(&session) {
            answer.headers_mut().insert(SESSION, value);
        }
        answer
    }

    fn has_session(&self, session: &str) -> bool {
        self.sessions.read().unwrap_or_else(PoisonError::into_inner).contains(session)
    }

    fn end_session(&self, headers: &HeaderMap) -> StatusCode {
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        match session(headers) {
            Some(session) if sessions.remove(session) => StatusCode::OK,
            _ => StatusCode::NOT_FOUND,
        }
    }

    /// The tool's text.
    fn call(&self, message: &Value) -> Result<String, Refused> {
        let argument = |name: &str| message.pointer("/params/arguments")?.get(name);
        let integer = |name: &str| argument(name).and_then(Value::as_i64);
        let text = match message.pointer("/params/name").and_then(Value::as_str) {
            Some("echo") => argument("text").and_then(Value::as_str).map(str::to_owned),
            Some("sum") => integer("a").zip(integer("b")).map(|(a, b)| a.saturating_add(b).to_string()),
            _ => None,
        };
        let text = text.ok_or(Refused(StatusCode::OK, -32602, "unknown tool or wrong arguments"))?;
        self.seen.call(&text);
        Ok(text)
    }
}

fn session(headers: &HeaderMap) -> Option<&str> {
    headers.get(SESSION)?.to_str().ok()
}

#[cfg(test)]
mod tests;
