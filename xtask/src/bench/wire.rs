//! Requests of the two wires, each built as a client builds it: a JSON value, serialised, with its revision's headers.
//!
//! Must never send different requests to different targets. Facts: 2025-11-25 carries a session header, 2026-07-28
//! carries everything in the request.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use serde_json::{Value, json};

/// The session header of the legacy wire.
pub(crate) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// The revision header of both wires.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The revision with sessions.
pub(crate) const LEGACY: &str = "2025-11-25";
/// The revision without.
pub(crate) const MODERN: &str = "2026-07-28";
/// The revision's key in the envelope.
pub(crate) const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// What is sent.
pub(crate) type Outgoing = Request<Full<Bytes>>;

/// Which revision the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Wire {
    /// 2025-11-25: sessions.
    Legacy,
    /// 2026-07-28: every request stands alone.
    Modern,
}

impl Wire {
    /// The revision, as figures name it.
    pub(crate) const fn revision(self) -> &'static str {
        match self {
            Self::Legacy => LEGACY,
            Self::Modern => MODERN,
        }
    }
}

/// Where the calls go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Loopback address.
    pub(crate) addr: SocketAddr,
    /// Path, such as `/mcp` or `/mcp/fast`.
    pub(crate) path: String,
    /// Bearer key; sent to every target, so that all parse the same headers.
    pub(crate) key: String,
}

/// What one connection's requests have in common.
#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    wire: Wire,
    path: Uri,
    headers: HeaderMap,
}

impl Speaker {
    /// For a target, in a revision, in no session yet.
    pub(crate) fn new(target: &Target, wire: Wire) -> Result<Self, String> {
        let path = target.path.parse().map_err(|_| format!("not a path: `{}`", target.path))?;
        let mut headers = HeaderMap::new();
        headers.insert(HOST, header(&target.addr.to_string())?);
        headers.insert(AUTHORIZATION, header(&format!("Bearer {}", target.key))?);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(VERSION, HeaderValue::from_static(wire.revision()));
        Ok(Self { wire, path, headers })
    }

    /// Joins a legacy session.
    pub(crate) fn join(&mut self, session: &str) -> Result<(), String> {
        self.headers.insert(SESSION, header(session)?);
        Ok(())
    }

    /// The legacy handshake's first message, which negotiates the revision and so does not name it in a header.
    pub(crate) fn initialize(&self, id: &str) -> Result<Outgoing, String> {
        let params = json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client_info()});
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": params});
        let mut request = self.post(&message)?;
        request.headers_mut().remove(VERSION);
        Ok(request)
    }

    /// The legacy handshake's second message.
    pub(crate) fn initialized(&self) -> Result<Outgoing, String> {
        self.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
    }

    /// Ends a legacy session.
    pub(crate) fn end(&self) -> Outgoing {
        let mut request = self.request(Method::DELETE, Bytes::new());
        request.headers_mut().remove(CONTENT_TYPE);
        request
    }

    /// The stream of a legacy session, or a modern subscription to changed tools.
    pub(crate) fn listen(&self, id: &str) -> Result<Outgoing, String> {
        if self.wire == Wire::Legacy {
            let mut request = self.request(Method::GET, Bytes::new());
            request.headers_mut().remove(CONTENT_TYPE);
            return Ok(request);
        }
        let method = "subscriptions/listen";
        let params = json!({"notifications": {"toolsListChanged": true}, "_meta": envelope()});
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let mut request = self.post(&message)?;
        request.headers_mut().insert(METHOD, HeaderValue::from_static(method));
        Ok(request)
    }

    /// A call of `echo`.
    pub(crate) fn echo(&self, id: &str, text: &str) -> Result<Outgoing, String> {
        let mut params = json!({"name": "echo", "arguments": {"text": text}});
        if self.wire == Wire::Modern
            && let Some(params) = params.as_object_mut()
        {
            params.insert("_meta".to_owned(), envelope());
        }
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        let mut request = self.post(&message)?;
        if self.wire == Wire::Modern {
            request.headers_mut().insert(METHOD, HeaderValue::from_static("tools/call"));
            request.headers_mut().insert(NAME, HeaderValue::from_static("echo"));
        }
        Ok(request)
    }

    fn post(&self, message: &Value) -> Result<Outgoing, String> {
        let body = serde_json::to_vec(message).map_err(|error| format!("cannot write JSON: {error}"))?;
        Ok(self.request(Method::POST, body.into()))
    }

    fn request(&self, method: Method, body: Bytes) -> Outgoing {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.path.clone();
        request.headers_mut().clone_from(&self.headers);
        request
    }
}

fn header(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| "a header has bytes that HTTP does not allow".to_owned())
}

fn client_info() -> Value {
    json!({"name": "load", "version": "1"})
}

fn envelope() -> Value {
    json!({
        META_VERSION: MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": client_info(),
    })
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn speaker(wire: Wire) -> Speaker {
        let target =
            Target { addr: ([127, 0, 0, 1], 9).into(), path: "/mcp".to_owned(), key: "k".to_owned() };
        Speaker::new(&target, wire).unwrap()
    }

    async fn read(request: Outgoing) -> (HeaderMap, Value) {
        let (head, body) = request.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (head.headers, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn a_modern_call_stands_alone() {
        let (headers, message) = read(speaker(Wire::Modern).echo("i1", "m1").unwrap()).await;
        assert_eq!(headers[VERSION], MODERN);
        assert_eq!(
            (&headers[METHOD], &headers[NAME]),
            (&"tools/call".parse().unwrap(), &"echo".parse().unwrap())
        );
        assert!(headers.get(SESSION).is_none());
        assert_eq!(message["id"], "i1");
        assert_eq!(message["params"]["arguments"]["text"], "m1");
        assert_eq!(message["params"]["_meta"][META_VERSION], MODERN);
    }

    #[tokio::test]
    async fn a_legacy_call_names_its_session_and_has_no_envelope() {
        let mut speaker = speaker(Wire::Legacy);
        speaker.join("s1").unwrap();
        let (headers, message) = read(speaker.echo("i1", "m1").unwrap()).await;
        assert_eq!(
            (&headers[VERSION], &headers[SESSION]),
            (&LEGACY.parse().unwrap(), &"s1".parse().unwrap())
        );
        assert!(headers.get(METHOD).is_none() && message["params"].get("_meta").is_none());
        assert_eq!(headers[AUTHORIZATION], "Bearer k");
    }

    #[tokio::test]
    async fn each_wire_has_its_own_way_to_listen() {
        let get = speaker(Wire::Legacy).listen("l1").unwrap();
        assert_eq!(get.method(), Method::GET);
        let (headers, message) = read(speaker(Wire::Modern).listen("l1").unwrap()).await;
        assert_eq!(headers[METHOD], "subscriptions/listen");
        assert_eq!(message["params"]["notifications"]["toolsListChanged"], true);
    }

    #[tokio::test]
    async fn the_handshake_negotiates_before_it_names_a_revision() {
        let (headers, message) = read(speaker(Wire::Legacy).initialize("i0").unwrap()).await;
        assert!(headers.get(VERSION).is_none());
        assert_eq!(message["params"]["protocolVersion"], LEGACY);
    }
}
