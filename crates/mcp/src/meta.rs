//! The `_meta` keys of MCP (2026-07-28, Base Protocol) and what of them may pass. Must never let a key through that
//! is not listed.

use bytes::Bytes;
use model::json::{Json, RawJson};

/// The revision a request speaks. Its presence makes a request modern.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// What the client can do, per request.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Who the client says it is. Never used for a decision.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// Which log messages the client wants with this request.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Who the server says it is, on results.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// The listen request a notification belongs to.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
/// What progress is reported under.
pub const PROGRESS_TOKEN: &str = "progressToken";
/// W3C trace context: the members that pass from client to upstream.
pub const TRACE: [&str; 3] = ["traceparent", "tracestate", "baggage"];
/// Where Callgate says why it refused: `{"reason":code,"call":id}`.
pub const DENIAL: &str = "dev.callgate/denial";
/// Which server an item of a merged list is of.
pub const SERVER: &str = "dev.callgate/server";
/// Whose part of a merged list is missing: `[{"server":name,"reason":code}]`.
pub const LEFT_OUT: &str = "dev.callgate/left_out";

/// Every known key, for [`crate::hygiene`].
pub(crate) const KNOWN: [&str; 11] = [
    PROTOCOL_VERSION,
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    LOG_LEVEL,
    SERVER_INFO,
    SUBSCRIPTION_ID,
    PROGRESS_TOKEN,
    "traceparent",
    "tracestate",
    "baggage",
    "io.modelcontextprotocol/related-task",
];

/// Longest trace member: the limit W3C gives `baggage`. A longer one is dropped, as W3C says.
const TRACE_BYTES_MAX: usize = 8192;

/// The trace members of a `_meta` object, raw; those that are not short strings are left out.
pub(crate) fn trace(meta: &Json, text: &Bytes) -> Vec<(Box<str>, RawJson)> {
    let member = |key: &&str| {
        let member = meta.member(key)?;
        let usable = member.value.as_str().is_some_and(|value| value.len() <= TRACE_BYTES_MAX);
        usable.then(|| (Box::from(*key), RawJson::slice(text, &member.span)))
    };
    TRACE.iter().filter_map(member).collect()
}
