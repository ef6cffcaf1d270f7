//! What Callgate tells a client that listens (MCP, Resources; Prompts; 2026-07-28, Subscriptions). Must never hold anything
//! of what changed but its URI.

#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::jsonrpc::RequestId;
use crate::meta;
use crate::request::Listen;
use crate::write::Writer;

/// What a client asks for anew when it changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum List {
    /// `tools/list`.
    Tools,
    /// `prompts/list`.
    Prompts,
    /// `resources/list` and `resources/templates/list`.
    Resources,
}

/// `notifications/…/list_changed`, on a session's stream or for a subscription.
#[must_use]
pub fn changed(list: List, subscription: Option<&RequestId>) -> Bytes {
    let mut out = Writer::with_capacity(160);
    out.raw(r#"{"jsonrpc":"2.0","method":"notifications/"#);
    out.raw(match list {
        List::Tools => "tools",
        List::Prompts => "prompts",
        List::Resources => "resources",
    });
    out.raw(r#"/list_changed""#);
    if let Some(id) = subscription {
        about(out.raw(r#","params":{"#), id).raw("}");
    }
    out.raw("}");
    out.into_bytes()
}

/// `notifications/resources/updated`, on a session's stream or for a subscription.
#[must_use]
pub fn updated(uri: &str, subscription: Option<&RequestId>) -> Bytes {
    let mut out = Writer::with_capacity(uri.len() + 192);
    out.raw(r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"#);
    if let Some(id) = subscription {
        about(&mut out, id).raw(",");
    }
    out.raw(r#""uri":"#).string(uri).raw("}}");
    out.into_bytes()
}

/// `notifications/subscriptions/acknowledged`: what of it is granted.
#[must_use]
pub fn acknowledged(id: &RequestId, granted: &Listen) -> Bytes {
    let mut out = Writer::with_capacity(224);
    out.raw(r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"#);
    about(&mut out, id).raw(r#","notifications":{"#);
    let mut comma = "";
    for (name, wanted) in [
        (r#""toolsListChanged":true"#, granted.tools),
        (r#""promptsListChanged":true"#, granted.prompts),
        (r#""resourcesListChanged":true"#, granted.resources),
    ] {
        if wanted {
            out.raw(comma).raw(name);
            comma = ",";
        }
    }
    if !granted.uris.is_empty() {
        out.raw(comma).raw(r#""resourceSubscriptions":["#);
        for (position, uri) in granted.uris.iter().enumerate() {
            out.raw(if position > 0 { "," } else { "" }).string(uri);
        }
        out.raw("]");
    }
    out.raw("}}}");
    out.into_bytes()
}

/// The result of `subscriptions/listen`, when it ends from this side.
#[must_use]
pub fn listened(id: &RequestId) -> Bytes {
    let mut out = Writer::with_capacity(128);
    about(out.raw(r#"{"resultType":"complete","#), id).raw("}");
    crate::jsonrpc::result_message(id, &out.into_json())
}

/// `_meta` that names the subscription, the id as the client wrote it.
fn about<'a>(out: &'a mut Writer, id: &RequestId) -> &'a mut Writer {
    out.raw(r#""_meta":{"#).string(meta::SUBSCRIPTION_ID).raw(":");
    id.write(out);
    out.raw("}")
}
