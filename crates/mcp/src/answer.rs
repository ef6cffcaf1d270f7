//! The results and notifications Callgate itself gives clients. Must never name a tool the caller may not know.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use model::denial::{Denial, Reason};
use model::ids::CallId;
use model::json::RawJson;
use model::method::Method;

use crate::fault::ProtocolFault;
use crate::implementation::Implementation;
use crate::jsonrpc::{ProgressToken, RequestId, RpcError, code};
use crate::meta;
use crate::server_task;
use crate::shape::{Cache, Object, own_result};
use crate::version::{Era, ProtocolVersion};
use crate::write::Writer;

/// The result of `initialize`.
#[must_use]
pub fn initialize(version: ProtocolVersion, server: &Implementation, methods: &[Method]) -> RawJson {
    let mut out = Object::with_capacity(256);
    out.member("protocolVersion").string(version.as_str());
    capabilities(out.member("capabilities"), methods, Era::Legacy);
    server.write(out.member("serverInfo"));
    out.finish()
}

/// The result of `server/discover`: modern revisions only, so that nobody sends a legacy one inline.
#[must_use]
pub fn discover(server: &Implementation, methods: &[Method], ttl_millis: u64) -> RawJson {
    let mut out = Object::with_capacity(256);
    let versions = out.member("supportedVersions").raw("[");
    for (position, version) in ProtocolVersion::MODERN.iter().enumerate() {
        versions.raw(if position > 0 { "," } else { "" }).string(version.as_str());
    }
    versions.raw("]");
    capabilities(out.member("capabilities"), methods, Era::Modern);
    own_result(Era::Modern, &out.finish(), server, Cache::Private(ttl_millis))
}

/// What this caller can ask here: tools, and what lies behind the methods that it may know.
fn capabilities(out: &mut Writer, methods: &[Method], era: Era) {
    // Whatever servers log during a call passes, if its client wants to hear of it.
    out.raw(r#"{"tools":{"listChanged":true},"logging":{}"#);
    let has = |method: Method| methods.contains(&method);
    if has(Method::ReadResource) {
        // A change of policy is one of the list, whatever the server tells.
        out.raw(match (has(Method::Subscribe), has(Method::ListResources)) {
            (true, true) => r#","resources":{"subscribe":true,"listChanged":true}"#,
            (true, false) => r#","resources":{"subscribe":true}"#,
            (false, true) => r#","resources":{"listChanged":true}"#,
            (false, false) => r#","resources":{}"#,
        });
    }
    if has(Method::GetPrompt) {
        let listed = has(Method::ListPrompts);
        out.raw(if listed { r#","prompts":{"listChanged":true}"# } else { r#","prompts":{}"# });
    }
    out.raw(if has(Method::Complete) { r#","completions":{}"# } else { "" });
    if era == Era::Modern && Method::ON_SERVER_TASKS.iter().all(|method| methods.contains(method)) {
        server_task::write_extension(out.raw(r#","extensions":"#));
    }
    out.raw("}");
}

/// The result of `tools/list`: definitions as [`crate::shape::tool`] gave them, the whole list in one page.
#[must_use]
pub fn tools(era: Era, tools: &[RawJson], server: &Implementation, ttl_millis: u64) -> RawJson {
    let bytes: usize = tools.iter().map(|tool| tool.as_bytes().len() + 1).sum();
    let mut out = Object::with_capacity(bytes + 32);
    let list = out.member("tools").raw("[");
    for (position, tool) in tools.iter().enumerate() {
        list.raw(if position > 0 { "," } else { "" }).leaf(tool);
    }
    list.raw("]");
    own_result(era, &out.finish(), server, Cache::Private(ttl_millis))
}

/// The result of `ping`.
#[must_use]
pub const fn empty() -> RawJson {
    RawJson::empty_object()
}

/// What was asked, and by whom it is answered.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// In which era.
    pub era: Era,
    /// Which method.
    pub method: Method,
    /// Who answers.
    pub server: &'a Implementation,
}

/// How a refused call is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// As a result the model can read and act on.
    Result(RawJson),
    /// As a protocol error.
    Error(RpcError),
}

/// The answer to a refused call. A tool: unknown and hidden ones get one and the same error, one the caller may know
/// about an `isError` result with the reason under [`meta::DENIAL`]. Another method: an error, and one that the caller
/// may not know of is none that there is.
#[must_use]
pub fn refusal(asked: &Asked<'_>, denial: &Denial, call: Option<CallId>) -> Refusal {
    let Asked { era, method, server } = *asked;
    if method != Method::CallTool {
        return Refusal::Error(refused_method(era, method.as_str(), denial, call));
    }
    match denial.reason {
        Reason::UnknownTool => Refusal::Error(RpcError::new(code::INVALID_PARAMS, &denial.public)),
        Reason::Malformed => Refusal::Error(RpcError::new(code::INVALID_PARAMS, &denial.public)),
        Reason::UnknownMethod => Refusal::Error(RpcError::new(code::METHOD_NOT_FOUND, &denial.public)),
        _ => Refusal::Result(denied(era, denial, call, server)),
    }
}

/// The error that a refused request other than `tools/call` is answered with.
#[must_use]
pub fn refused_method(era: Era, method: &str, denial: &Denial, call: Option<CallId>) -> RpcError {
    let code = match denial.reason {
        Reason::UnknownTool | Reason::UnknownMethod => {
            return ProtocolFault::method(era, method).error;
        }
        Reason::Malformed | Reason::InvalidArguments => code::INVALID_PARAMS,
        _ => code::DENIED,
    };
    let mut data = Object::with_capacity(160);
    write_denial(data.member(meta::DENIAL), denial, call);
    RpcError { code, message: denial.public.clone(), data: Some(data.finish()) }
}

fn write_denial(out: &mut Writer, denial: &Denial, call: Option<CallId>) {
    out.raw(r#"{"reason":"#).string(denial.reason.code());
    if let Some(call) = call {
        out.raw(r#","call":"#).string(&call.to_string());
    }
    if let Some((approval, until)) = denial.approval() {
        out.raw(r#","approval":"#).string(&approval.to_string());
        out.raw(r#","until":"#).string(&until.rfc3339());
    }
    out.raw("}");
}

fn denied(era: Era, denial: &Denial, call: Option<CallId>, server: &Implementation) -> RawJson {
    let mut out = Object::with_capacity(384);
    out.member("content").raw(r#"[{"type":"text","text":"#).string(&denial.public).raw("}]");
    out.member("isError").raw("true");
    let mut inner = Object::with_capacity(128);
    write_denial(inner.member(meta::DENIAL), denial, call);
    out.member("_meta").leaf(&inner.finish());
    own_result(era, &out.finish(), server, Cache::Never)
}

/// The full JSON-RPC message of a refusal.
#[must_use]
pub fn refusal_message(id: &RequestId, refusal: &Refusal) -> Bytes {
    match refusal {
        Refusal::Result(result) => crate::jsonrpc::result_message(id, result),
        Refusal::Error(error) => crate::jsonrpc::error_message(Some(id), error),
    }
}

/// `notifications/progress` under the client's own token.
#[must_use]
pub fn progress(
    token: &ProgressToken,
    progress: &RawJson,
    total: Option<&RawJson>,
    message: Option<&RawJson>,
) -> Bytes {
    let mut out = Writer::with_capacity(192);
    out.raw(r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"#);
    token.write(&mut out);
    out.raw(r#","progress":"#).leaf(progress);
    for (name, leaf) in [(r#","total":"#, total), (r#","message":"#, message)] {
        if let Some(leaf) = leaf {
            out.raw(name).leaf(leaf);
        }
    }
    out.raw("}}");
    out.into_bytes()
}
