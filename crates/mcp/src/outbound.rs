//! What we send upstream. Must never carry an id, token or envelope of a client: ids are ours, leaves are spliced.

mod subscribe;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use model::client::{ClientCapabilities, LogLevel};
use model::json::RawJson;
use model::method::Method;

use crate::header;
use crate::implementation::Implementation;
use crate::meta;
use crate::question::{known_to, write_capabilities};
use crate::splice;
use crate::version::ProtocolVersion;
use crate::write::Writer;

pub use subscribe::{Wanted, listen, subscribe, unsubscribe};

/// How an upstream is spoken to.
#[derive(Clone, Copy, Debug)]
pub enum Wire<'a> {
    /// With a session: nothing of us is in the requests.
    Legacy,
    /// Stateless: each request says who and what we are.
    Modern {
        /// The revision.
        version: ProtocolVersion,
        /// Who we are.
        client: &'a Implementation,
    },
}

/// A call to send.
#[derive(Clone, Copy, Debug)]
pub struct ToolRequest<'a> {
    /// The upstream's own name of the tool.
    pub name: &'a str,
    /// The arguments, or the parameters of another method, spliced byte for byte.
    pub arguments: &'a RawJson,
    /// Trace members for `_meta`; names other than [`meta::TRACE`] are left out.
    pub trace: &'a [(Box<str>, RawJson)],
    /// Our progress token, when progress is wanted.
    pub progress: Option<u64>,
    /// What a stateless server may ask of the client during this call.
    pub client: ClientCapabilities,
    /// From which level on a stateless server may log during this call.
    pub log: Option<LogLevel>,
    /// What a stateless server asked for first, when this is the same call again.
    pub again: Option<Again<'a>>,
}

/// What a call that is sent again brings (MCP 2026-07-28, Multi round-trip requests).
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    /// The answers by their keys; `None` when nothing was asked.
    pub responses: Option<&'a [(Box<str>, RawJson)]>,
    /// The state the server gave, as it wrote it.
    pub state: Option<&'a RawJson>,
}

/// `initialize`, declaring what of these abilities the revision knows.
#[must_use]
pub fn initialize(
    id: u64,
    version: ProtocolVersion,
    client: &Implementation,
    can: ClientCapabilities,
) -> Bytes {
    let mut out = request(id, "initialize");
    out.raw(r#"{"protocolVersion":"#).string(version.as_str()).raw(r#","capabilities":"#);
    write_capabilities(&mut out, known_to(version, can));
    client.write(out.raw(r#","clientInfo":"#));
    finish(out.raw("}").take())
}

/// `notifications/initialized`.
#[must_use]
pub fn initialized() -> Bytes {
    Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
}

/// `server/discover`.
#[must_use]
pub fn discover(id: u64, version: ProtocolVersion, client: &Implementation) -> Bytes {
    let mut out = request(id, "server/discover");
    out.raw("{");
    write_meta(&mut out, Separator::First, &Wire::Modern { version, client }, None);
    finish(out.raw("}").take())
}

/// `ping`, legacy only.
#[must_use]
pub fn ping(id: u64) -> Bytes {
    finish(request(id, "ping").raw("{}").take())
}

/// `logging/setLevel`, legacy only.
#[must_use]
pub fn set_level(id: u64, level: LogLevel) -> Bytes {
    let mut out = request(id, "logging/setLevel");
    finish(out.raw(r#"{"level":"#).string(level.as_str()).raw("}").take())
}

/// `tools/list`.
#[must_use]
pub fn list_tools(wire: &Wire<'_>, id: u64, cursor: Option<&str>) -> Bytes {
    let mut out = request(id, "tools/list");
    out.raw("{");
    let mut separator = Separator::First;
    if let Some(cursor) = cursor {
        out.raw(r#""cursor":"#).string(cursor);
        separator = Separator::Comma;
    }
    write_meta(&mut out, separator, wire, None);
    finish(out.raw("}").take())
}

/// A call, whatever its method.
#[must_use]
pub fn call(wire: &Wire<'_>, id: u64, method: Method, request: &ToolRequest<'_>) -> Bytes {
    match method {
        Method::CallTool => call_tool(wire, id, request),
        method => call_method(wire, id, method, request),
    }
}

fn call_tool(wire: &Wire<'_>, id: u64, call: &ToolRequest<'_>) -> Bytes {
    let mut out = Writer::with_capacity(call.arguments.as_bytes().len() + call.name.len() + 384);
    begin(&mut out, id, "tools/call");
    out.raw(r#"{"name":"#).string(call.name).raw(r#","arguments":"#).leaf(call.arguments);
    write_again(&mut out, Separator::Comma, call.again);
    write_meta(&mut out, Separator::Comma, wire, Some(call));
    finish(out.raw("}").take())
}

/// The parameters are those of the method itself.
fn call_method(wire: &Wire<'_>, id: u64, method: Method, request: &ToolRequest<'_>) -> Bytes {
    let mut out = Writer::with_capacity(request.arguments.as_bytes().len() + 384);
    begin(&mut out, id, method.as_str());
    let inner = splice::inner(request.arguments);
    out.raw("{").raw(inner);
    let separator = if inner.is_empty() { Separator::First } else { Separator::Comma };
    let separator = write_again(&mut out, separator, request.again);
    write_meta(&mut out, separator, wire, Some(request));
    finish(out.raw("}").take())
}

/// `notifications/cancelled` for one of our requests.
#[must_use]
pub fn cancelled(id: u64, reason: &str) -> Bytes {
    let mut out = Writer::with_capacity(128);
    out.raw(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"#);
    out.number(id).raw(r#","reason":"#).string(reason).raw("}}");
    out.into_bytes()
}

/// The MCP headers of a modern request over HTTP: version, method, and the name with its encoding. The
/// `Mcp-Param-*` headers of a tool come from [`crate::param_header::ParamHeaders::write`].
#[must_use]
pub fn headers(
    version: ProtocolVersion,
    method: &'static str,
    name: Option<&str>,
) -> Vec<(&'static str, String)> {
    let mut headers =
        vec![("MCP-Protocol-Version", version.as_str().to_owned()), ("Mcp-Method", method.to_owned())];
    if let Some(name) = name {
        headers.push(("Mcp-Name", header::encode(name).into_owned()));
    }
    headers
}

fn request(id: u64, method: &str) -> Writer {
    let mut out = Writer::with_capacity(384);
    begin(&mut out, id, method);
    out
}

fn begin(out: &mut Writer, id: u64, method: &str) {
    out.raw(r#"{"jsonrpc":"2.0","id":"#).number(id).raw(r#","method":"#).string(method).raw(r#","params":"#);
}

fn finish(mut out: Writer) -> Bytes {
    out.raw("}");
    out.into_bytes()
}

#[derive(Clone, Copy)]
enum Separator {
    First,
    Comma,
}

impl Separator {
    const fn text(self) -> &'static str {
        match self {
            Self::First => "",
            Self::Comma => ",",
        }
    }
}

/// What the call brings when it is sent again. What stands between it and what follows.
fn write_again(out: &mut Writer, mut separator: Separator, again: Option<Again<'_>>) -> Separator {
    if let Some(responses) = again.and_then(|again| again.responses) {
        out.raw(separator.text()).raw(r#""inputResponses":{"#);
        let mut between = Separator::First;
        for (key, response) in responses {
            out.raw(between.text()).string(key).raw(":").leaf(response);
            between = Separator::Comma;
        }
        out.raw("}");
        separator = Separator::Comma;
    }
    if let Some(state) = again.and_then(|again| again.state) {
        out.raw(separator.text()).raw(r#""requestState":"#).leaf(state);
        separator = Separator::Comma;
    }
    separator
}

/// `"_meta":{…}`, when there is anything to say in it.
fn write_meta(out: &mut Writer, separator: Separator, wire: &Wire<'_>, call: Option<&ToolRequest<'_>>) {
    let mut parts = Writer::default();
    if let Wire::Modern { version, client } = wire {
        parts.raw(",").string(meta::PROTOCOL_VERSION).raw(":").string(version.as_str());
        let can = call.map_or(ClientCapabilities::NONE, |call| call.client);
        write_capabilities(parts.raw(",").string(meta::CLIENT_CAPABILITIES).raw(":"), can);
        client.write(parts.raw(",").string(meta::CLIENT_INFO).raw(":"));
        if let Some(level) = call.and_then(|call| call.log) {
            parts.raw(",").string(meta::LOG_LEVEL).raw(":").string(level.as_str());
        }
    }
    if let Some(token) = call.and_then(|call| call.progress) {
        parts.raw(",").string(meta::PROGRESS_TOKEN).raw(":").number(token);
    }
    let trace = call.map_or(&[][..], |call| call.trace);
    for known in meta::TRACE {
        if let Some((name, value)) = trace.iter().find(|(name, _)| **name == *known) {
            parts.raw(",").string(name).raw(":").leaf(value);
        }
    }
    let parts = parts.into_bytes();
    if let Some(members) = parts.strip_prefix(b",") {
        out.raw(separator.text()).raw(r#""_meta":{"#).raw(members).raw("}");
    }
}
