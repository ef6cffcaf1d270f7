//! Turns an upstream's result or tool definition into what a client of either era expects (MCP, Tools).
//!
//! Must never re-write a leaf: members are kept, dropped, or added whole. Nothing to change costs nothing.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use model::json::{Json, RawJson};
use model::limits::JsonLimits;

use crate::implementation::Implementation;
use crate::meta;
use crate::splice::{self, Part};
use crate::version::Era;
use crate::write::Writer;

/// What a modern client may cache of a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cache {
    /// Not a cacheable method.
    Never,
    /// A list filtered for this principal: private, for this many milliseconds.
    Private(u64),
}

/// Names under this prefix are ours: an upstream that sends one would speak in our name.
const OURS: &str = "dev.callgate/";

/// A result for a client. `result` was parsed strictly and is an object.
#[must_use]
pub fn result(era: Era, result: &RawJson, server: &Implementation, cache: Cache) -> RawJson {
    match era {
        Era::Modern => modern_result(result, server, cache),
        Era::Legacy => legacy_result(result),
    }
}

/// As [`result`] does for results made here, whose `_meta` may hold what is ours.
pub(crate) fn own_result(era: Era, own: &RawJson, server: &Implementation, cache: Cache) -> RawJson {
    match era {
        Era::Modern => write_modern(own, server, cache, Trust::Own),
        Era::Legacy => own.clone(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    Own,
    Upstream,
}

fn modern_result(result: &RawJson, server: &Implementation, cache: Cache) -> RawJson {
    write_modern(result, server, cache, Trust::Upstream)
}

fn write_modern(result: &RawJson, server: &Implementation, cache: Cache, trust: Trust) -> RawJson {
    let text = result.as_bytes();
    let parts = splice::members(result);
    let mut out = Object::with_capacity(text.len() + 256);
    if !parts.iter().any(|part| part.name(text) == "resultType") {
        out.member("resultType").raw(r#""complete""#);
    }
    let mut said = None;
    for part in &parts {
        match &*part.name(text) {
            "_meta" => said = Some(part),
            "ttlMs" | "cacheScope" if cache != Cache::Never => {}
            _ => out.part(part, text),
        }
    }
    if let Cache::Private(millis) = cache {
        out.member("ttlMs").number(millis);
        out.member("cacheScope").raw(r#""private""#);
    }
    let mut inner = Object::with_capacity(128);
    if let Some(part) = said {
        copy_meta(&mut inner, &RawJson::slice(text, &part.value), trust, &[meta::SERVER_INFO]);
    }
    server.write(inner.member(meta::SERVER_INFO));
    out.member("_meta").leaf(&inner.finish());
    out.finish()
}

/// What an upstream says beside an error, without what is ours; nothing when nothing is left.
pub(crate) fn without_ours(data: &RawJson) -> Option<RawJson> {
    let text = data.as_bytes();
    if !splice::members(data).iter().any(|part| part.name(text).starts_with(OURS)) {
        return Some(data.clone());
    }
    let mut out = Object::with_capacity(text.len());
    copy_meta(&mut out, data, Trust::Upstream, &[]);
    (!out.empty).then(|| out.finish())
}

/// Copies the members of a `_meta` object but those named, and, from an upstream, those that are ours.
fn copy_meta(out: &mut Object, from: &RawJson, trust: Trust, drop: &[&str]) {
    let text = from.as_bytes();
    for part in splice::members(from) {
        let name = part.name(text);
        let ours = trust == Trust::Upstream && name.starts_with(OURS);
        if !ours && !drop.contains(&&*name) {
            out.part(&part, text);
        }
    }
}

fn legacy_result(result: &RawJson) -> RawJson {
    let text = result.as_bytes();
    let parts = splice::members(result);
    let keep: Vec<Keep> = parts.iter().map(|part| legacy_member(part, text)).collect();
    if keep.iter().all(|keep| *keep == Keep::AsIs) {
        return result.clone();
    }
    let mut out = Object::with_capacity(text.len());
    let mut dropped = None;
    let mut content = false;
    for (part, keep) in parts.iter().zip(keep) {
        match keep {
            Keep::AsIs => {
                content |= part.name(text) == "content";
                out.part(part, text);
            }
            Keep::Cleaned => {
                let mut inner = Object::with_capacity(text.len());
                copy_meta(
                    &mut inner,
                    &RawJson::slice(text, &part.value),
                    Trust::Upstream,
                    &[meta::SERVER_INFO],
                );
                if !inner.empty {
                    out.member("_meta").leaf(&inner.finish());
                }
            }
            Keep::Structured => dropped = Some(RawJson::slice(text, &part.value)),
            Keep::EmptyContent | Keep::Drop => {}
        }
    }
    match (content, dropped) {
        (false, Some(value)) => {
            let text = out.member("content").raw(r#"[{"type":"text","text":"#).string(value.as_str());
            text.raw("}]");
        }
        (false, None) if parts.iter().any(|part| part.name(text) == "content") => {
            out.member("content").raw("[]");
        }
        _ => {}
    }
    out.finish()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    AsIs,
    Drop,
    /// `_meta` with something of ours in it, or a name for the server that answers: that is us.
    Cleaned,
    /// `structuredContent` that is no object: dropped, and said in words if nothing else says it.
    Structured,
    /// `content` without blocks.
    EmptyContent,
}

fn legacy_member(part: &Part, text: &Bytes) -> Keep {
    let first = text.get(part.value.start);
    match &*part.name(text) {
        "resultType" | "ttlMs" | "cacheScope" => Keep::Drop,
        "content" if splice::elements(&RawJson::slice(text, &part.value)).is_empty() => Keep::EmptyContent,
        "structuredContent" if first != Some(&b'{') => Keep::Structured,
        "_meta" => {
            let value = RawJson::slice(text, &part.value);
            let ours = |inner: &Part| {
                let name = inner.name(value.as_bytes());
                name.starts_with(OURS) || name == meta::SERVER_INFO
            };
            if splice::members(&value).iter().any(ours) { Keep::Cleaned } else { Keep::AsIs }
        }
        _ => Keep::AsIs,
    }
}

/// A tool definition for a client: under another name when given, and for a legacy client without an
/// `outputSchema` it could not read. `tool` was parsed strictly and is an object.
#[must_use]
pub fn tool(era: Era, tool: &RawJson, name: Option<&str>) -> RawJson {
    let text = tool.as_bytes();
    let parts = splice::members(tool);
    let hidden = |part: &Part| {
        era == Era::Legacy && part.name(text) == "outputSchema" && !is_object_schema(text, part)
    };
    if name.is_none() && !parts.iter().any(hidden) {
        return tool.clone();
    }
    let mut out = Object::with_capacity(text.len() + 32);
    for part in &parts {
        match (&*part.name(text), name) {
            ("name", Some(name)) => drop(out.member("name").string(name)),
            _ if hidden(part) => {}
            _ => out.part(part, text),
        }
    }
    out.finish()
}

fn is_object_schema(text: &Bytes, part: &Part) -> bool {
    let schema = text.get(part.value.clone()).unwrap_or_default();
    let schema = Json::parse(schema, &JsonLimits::UPSTREAM);
    schema.is_ok_and(|schema| schema.get("type").and_then(Json::as_str) == Some("object"))
}

/// An object being written member by member.
pub(crate) struct Object {
    out: Writer,
    empty: bool,
}

impl Object {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        let mut out = Writer::with_capacity(bytes);
        out.raw("{");
        Self { out, empty: true }
    }

    fn comma(&mut self) {
        if !self.empty {
            self.out.raw(",");
        }
        self.empty = false;
    }

    /// Begins a member; its value is written next.
    pub(crate) fn member(&mut self, name: &str) -> &mut Writer {
        self.comma();
        self.out.string(name).raw(":")
    }

    /// A member as it was written.
    pub(crate) fn part(&mut self, part: &Part, text: &Bytes) {
        self.comma();
        self.out.raw(part.text(text));
    }

    pub(crate) fn finish(mut self) -> RawJson {
        self.out.raw("}");
        self.out.into_json()
    }
}
