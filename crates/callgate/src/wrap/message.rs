//! What the shim has to know of a line: who is asked for what, in which era. Must never change a byte of it, nor
//! refuse it: what cannot be read is the door's to answer.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use mcp::jsonrpc::RequestId;
use mcp::{classify, header, meta};
use model::json::Json;
use model::limits::JsonLimits;

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// One line of the client.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) text: Bytes,
    pub(super) kind: Kind,
    /// The headers of a message that names its revision itself. None: the session says it.
    pub(super) modern: Option<HeaderMap>,
}

/// What a client wants of a resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    /// To hear of it.
    Begin,
    /// To hear no more.
    End,
}

/// What a line is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Opens a session, and wants an answer.
    Initialize(RequestId),
    /// May change the world: never sent twice.
    Call(RequestId),
    /// Says what the client wants to hear of, for as long as its session is open.
    Level(RequestId),
    /// Says of which resource the client wants to hear, or no longer, for as long as its session is open.
    Subscription(RequestId, Box<str>, Wish),
    /// Any other request: sending it twice does no harm.
    Request(RequestId),
    /// Ends the opening of a session.
    Initialized,
    /// Takes a request back.
    Cancelled(RequestId),
    /// Another notification, or a response.
    Untold,
    /// No message: the door says what is wrong with it.
    Unreadable,
}

impl Kind {
    /// The request that waits for an answer.
    pub(super) const fn id(&self) -> Option<&RequestId> {
        match self {
            Self::Initialize(id) | Self::Call(id) | Self::Level(id) | Self::Request(id) => Some(id),
            Self::Subscription(id, ..) => Some(id),
            _ => None,
        }
    }

    /// Whether an answer is the client's to see.
    pub(super) const fn is_answered(&self) -> bool {
        self.id().is_some() || matches!(self, Self::Unreadable)
    }
}

impl Message {
    pub(super) fn read(text: Bytes, limits: &JsonLimits) -> Self {
        let Ok(tree) = Json::parse(&text, limits) else {
            return Self { text, kind: Kind::Unreadable, modern: None };
        };
        let method = tree.get("method").and_then(Json::as_str);
        let params = tree.get("params");
        let claim = params.and_then(|params| params.get("_meta")?.get(meta::PROTOCOL_VERSION));
        let modern = claim.map(|claim| mirrored(claim, method, params));
        Self { kind: kind(&tree, method, params), modern, text }
    }
}

fn kind(tree: &Json, method: Option<&str>, params: Option<&Json>) -> Kind {
    let outcome = tree.get("result").is_some() || tree.get("error").is_some();
    match (method, tree.get("id").map(RequestId::read)) {
        (Some(method), Some(Some(id))) => match method {
            "initialize" => Kind::Initialize(id),
            "logging/setLevel" => Kind::Level(id),
            "resources/subscribe" => subscription(id, params, Wish::Begin),
            "resources/unsubscribe" => subscription(id, params, Wish::End),
            "tools/list" | "ping" | "server/discover" => Kind::Request(id),
            _ => Kind::Call(id),
        },
        (Some("notifications/initialized"), None) => Kind::Initialized,
        (Some("notifications/cancelled"), None) => {
            let request = params.and_then(|params| params.get("requestId"));
            request.and_then(RequestId::read).map_or(Kind::Untold, Kind::Cancelled)
        }
        (Some(_), None) => Kind::Untold,
        (None, Some(_)) if outcome => Kind::Untold,
        _ => Kind::Unreadable,
    }
}

fn subscription(id: RequestId, params: Option<&Json>, wish: Wish) -> Kind {
    let uri = params.and_then(|params| params.get("uri")?.as_str());
    uri.map_or(Kind::Call(id.clone()), |uri| Kind::Subscription(id, Box::from(uri), wish))
}

/// The headers that repeat the body (MCP 2026-07-28, Transports). A value no header can hold is left out, which the door refuses.
fn mirrored(claim: &Json, method: Option<&str>, params: Option<&Json>) -> HeaderMap {
    let member = method.and_then(classify::named_by);
    let name = member.and_then(|member| params?.get(member)?.as_str());
    let name = name.map(header::encode);
    let values = [(PROTOCOL_VERSION, claim.as_str()), (METHOD, method), (NAME, name.as_deref())];
    let mut headers = HeaderMap::new();
    for (header, value) in values {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(header, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Message {
        Message::read(Bytes::from(text.to_owned()), &JsonLimits::REQUEST)
    }

    #[test]
    fn only_what_is_known_to_do_nothing_may_be_sent_twice() {
        let kind = |method: &str| read(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#)).kind;
        assert_eq!(kind("initialize"), Kind::Initialize(RequestId::ours(1)));
        assert_eq!(kind("tools/list"), Kind::Request(RequestId::ours(1)));
        assert_eq!(kind("logging/setLevel"), Kind::Level(RequestId::ours(1)));
        let subscribed =
            read(r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"a:b"}}"#);
        assert_eq!(subscribed.kind, Kind::Subscription(RequestId::ours(1), "a:b".into(), Wish::Begin));
        let ended =
            read(r#"{"jsonrpc":"2.0","id":2,"method":"resources/unsubscribe","params":{"uri":"a:b"}}"#);
        assert_eq!(ended.kind, Kind::Subscription(RequestId::ours(2), "a:b".into(), Wish::End));
        for method in ["tools/call", "prompts/get", "whatever"] {
            assert_eq!(kind(method), Kind::Call(RequestId::ours(1)), "{method}");
        }
    }

    #[test]
    fn what_is_no_message_is_left_to_the_door() {
        for text in ["", "{", "[]", "3", r#"{"id":1}"#, r#"{"method":3}"#, r#"{"method":"x","id":null}"#] {
            assert_eq!(read(text).kind, Kind::Unreadable, "{text}");
        }
        for text in [
            r#"{"id":"callgate-1","result":{}}"#,
            r#"{"id":1,"error":{"code":-1}}"#,
            r#"{"method":"notifications/progress"}"#,
        ] {
            assert_eq!(read(text).kind, Kind::Untold, "{text}");
        }
    }

    #[test]
    fn a_cancelled_request_is_found_by_its_own_id() {
        let cancelled = |id: &str| {
            read(&format!(r#"{{"method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#)).kind
        };
        assert_eq!(cancelled("7"), Kind::Cancelled(RequestId::ours(7)));
        assert_ne!(cancelled("\"7\""), Kind::Cancelled(RequestId::ours(7)));
        assert_eq!(cancelled("null"), Kind::Untold);
    }

    #[test]
    fn a_modern_request_carries_the_headers_that_repeat_it() {
        let claim = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        let text = format!(
            r#"{{"id":"a","method":"tools/call","params":{{"name":"grüße","arguments":{{}},{claim}}}}}"#
        );
        let headers = read(&text).modern.unwrap();
        let value = |name: &HeaderName| headers.get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(value(&PROTOCOL_VERSION), "2026-07-28");
        assert_eq!(value(&METHOD), "tools/call");
        assert_eq!(value(&NAME), "=?base64?Z3LDvMOfZQ==?=");
        assert_eq!(read(r#"{"id":1,"method":"tools/list","params":{}}"#).modern, None);
    }
}
