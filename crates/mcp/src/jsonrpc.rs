//! JSON-RPC 2.0: ids, error codes, and the envelopes of what we send. Must never emit a code MCP has not defined.

use std::sync::Arc;

use bytes::Bytes;
use model::json::{Json, RawJson};

use crate::write::Writer;

/// The error codes of MCP 2026-07-28 (its Base Protocol). Application codes stay outside `-32768..=-32000`.
pub mod code {
    /// Not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// Not one JSON-RPC message.
    pub const INVALID_REQUEST: i64 = -32600;
    /// Unknown, removed, or not offered.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// Also: unknown tool, bad cursor, incomplete `_meta`.
    pub const INVALID_PARAMS: i64 = -32602;
    /// Our fault, or the upstream's.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// A mirrored header is missing, repeated, malformed, or differs from the body.
    pub const HEADER_MISMATCH: i64 = -32020;
    /// The request needs a capability the client did not declare.
    pub const MISSING_CAPABILITY: i64 = -32021;
    /// The revision is not served.
    pub const UNSUPPORTED_VERSION: i64 = -32022;
    /// Of our own, outside what JSON-RPC reserves: a method that is not a tool call was refused, and `data` says why.
    pub const DENIED: i64 = 403;
}

/// Longest string id, and most digits of a number id.
const ID_BYTES_MAX: usize = 256;

/// A request id: a string or an integer, never null. Equal when it means the same; an integer keeps its digits.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RequestId {
    /// A string, unescaped.
    Text(Arc<str>),
    /// An integer, as it was written.
    Integer(Arc<str>),
}

/// A progress token has the grammar of an id.
pub type ProgressToken = RequestId;

impl RequestId {
    /// One of our own.
    #[must_use]
    pub fn ours(number: u64) -> Self {
        Self::Integer(Arc::from(number.to_string()))
    }

    /// Reads a value that must be a string or an integer of at most 256 bytes.
    #[must_use]
    pub fn read(value: &Json) -> Option<Self> {
        match value {
            Json::String(text) if text.len() <= ID_BYTES_MAX => Some(Self::Text(Arc::from(&**text))),
            Json::Number(text) if is_integer(text) => Some(Self::Integer(Arc::from(&**text))),
            _ => None,
        }
    }

    /// The number, when this is one of ours.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Integer(text) => text.parse().ok(),
            Self::Text(_) => None,
        }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        match self {
            Self::Text(text) => out.string(text),
            Self::Integer(text) => out.raw(text.as_bytes()),
        };
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.len() <= ID_BYTES_MAX && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The `error` member of a response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RpcError {
    /// The code.
    pub code: i64,
    /// One line.
    pub message: String,
    /// More, when there is any.
    pub data: Option<RawJson>,
}

impl RpcError {
    /// Without data.
    #[must_use]
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The one answer for a tool that does not exist, is hidden or quarantined (promise 11).
    #[must_use]
    pub fn unknown_tool(name: &str) -> Self {
        Self::new(code::INVALID_PARAMS, format!("Unknown tool: {name}"))
    }
}

/// `{"jsonrpc":"2.0","id":…,"result":…}` with the result spliced.
#[must_use]
pub fn result_message(id: &RequestId, result: &RawJson) -> Bytes {
    let mut out = Writer::with_capacity(result.as_bytes().len() + 64);
    out.raw(r#"{"jsonrpc":"2.0","id":"#);
    id.write(&mut out);
    out.raw(r#","result":"#).leaf(result).raw("}");
    out.into_bytes()
}

/// `{"jsonrpc":"2.0","id":…,"error":…}`; the id is null when the request's could not be read.
#[must_use]
pub fn error_message(id: Option<&RequestId>, error: &RpcError) -> Bytes {
    let mut out = Writer::with_capacity(error.message.len() + 128);
    out.raw(r#"{"jsonrpc":"2.0","id":"#);
    match id {
        Some(id) => id.write(&mut out),
        None => drop(out.raw("null")),
    }
    out.raw(r#","error":{"code":"#).number(error.code).raw(r#","message":"#).string(&error.message);
    if let Some(data) = &error.data {
        out.raw(r#","data":"#).leaf(data);
    }
    out.raw("}}");
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use model::limits::JsonLimits;

    use super::*;

    fn id(text: &str) -> Option<RequestId> {
        RequestId::read(&Json::parse(text.as_bytes(), &JsonLimits::UPSTREAM).unwrap())
    }

    #[test]
    fn ids_are_strings_or_integers() {
        for good in ["1", "-1", "0", "\"a\"", "\"\"", "123456789012345678901234567890"] {
            assert!(id(good).is_some(), "{good}");
        }
        for bad in ["null", "1.0", "1e3", "1.5", "true", "[]", "{}"] {
            assert!(id(bad).is_none(), "{bad}");
        }
        assert!(id(&format!("\"{}\"", "x".repeat(257))).is_none());
    }

    #[test]
    fn ids_are_equal_by_meaning_and_kind() {
        assert_eq!(id(r#""a""#), id(r#""\u0061""#));
        assert_ne!(id("1"), id("\"1\""));
        assert_eq!(RequestId::ours(7).as_u64(), Some(7));
    }

    #[test]
    fn messages_echo_the_id_and_splice_the_leaf() {
        let leaf = RawJson::parse(Bytes::from_static(br#"{ "n": 1e400 }"#), &JsonLimits::REQUEST).unwrap().0;
        let message = result_message(&id(r#""q\"1""#).unwrap(), &leaf);
        assert_eq!(&message[..], br#"{"jsonrpc":"2.0","id":"q\"1","result":{ "n": 1e400 }}"#);
        let error = RpcError { data: Some(leaf), ..RpcError::unknown_tool("a\nb") };
        assert_eq!(
            &error_message(None, &error)[..],
            br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"Unknown tool: a\nb","data":{ "n": 1e400 }}}"#
        );
    }
}
