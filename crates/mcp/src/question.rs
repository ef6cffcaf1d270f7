//! What a server asks of the client of an open call (MCP 2026-07-28, Client features; Multi round-trip requests), in the
//! words of either era.
//!
//! Must never pass on a member that no revision knows, nor a kind of question that was not declared to the server.

#[cfg(test)]
mod tests;

use model::client::ClientCapabilities as Can;
use model::json::{Json, RawJson};
use model::limits::JsonLimits;
use model::method::Method;

use crate::jsonrpc::{RpcError, code};
use crate::reply::UpstreamResult;
use crate::server_task;
use crate::shape::Object;
use crate::splice;
use crate::version::{Era, ProtocolVersion};
use crate::write::Writer;

/// Most questions of one round.
pub const QUESTIONS_MAX: usize = 32;
/// Longest key of a question.
pub(crate) const KEY_BYTES_MAX: usize = 256;
/// Longest state a stateless server is handed back.
const STATE_BYTES_MAX: usize = 64 << 10;

/// One question, its parameters cut to the members its method knows, each byte for byte.
#[derive(Clone, Debug)]
pub struct Asked {
    /// One of [`Method::QUESTIONS`].
    pub method: Method,
    /// Its parameters, an object; spans are of `params_raw`.
    pub params: Json,
    /// The same, raw.
    pub params_raw: RawJson,
}

/// What a stateless server wants before it goes on.
#[derive(Clone, Debug)]
pub struct InputRequired {
    /// Under keys of its own, none of them twice.
    pub questions: Vec<(Box<str>, Asked)>,
    /// To be sent back as it is.
    pub state: Option<RawJson>,
}

/// Why something is no question to a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QuestionFault {
    /// Unknown, or a kind that was not declared.
    #[error("it asks what no client of this call declared to answer")]
    NotDeclared,
    /// The kind was declared, but not this mode of it.
    #[error("it asks in a mode that was not declared")]
    Mode,
    /// Not the parameters of the method.
    #[error("its question has not the shape of one: {0}")]
    Shape(&'static str),
}

impl QuestionFault {
    /// What the server is told.
    #[must_use]
    pub fn error(self) -> RpcError {
        match self {
            Self::NotDeclared => RpcError::new(code::METHOD_NOT_FOUND, "Method not found"),
            Self::Mode => RpcError::new(code::INVALID_PARAMS, "The client did not declare this mode"),
            Self::Shape(_) => RpcError::new(code::INVALID_PARAMS, "Invalid params"),
        }
    }
}

/// What of a client's abilities servers of this revision know.
#[must_use]
pub fn known_to(version: ProtocolVersion, can: Can) -> Can {
    let can = if version.era() == Era::Modern { can } else { can.without(Can::SERVER_TASKS) };
    let late = Can::ELICIT_URL.with(Can::SAMPLING_TOOLS).with(Can::SAMPLING_CONTEXT);
    match version {
        ProtocolVersion::V2025_03_26 => can.without(late.with(Can::ELICIT_FORM)),
        ProtocolVersion::V2025_06_18 => can.without(late),
        ProtocolVersion::V2025_11_25 | ProtocolVersion::V2026_07_28 => can,
    }
}

/// The `ClientCapabilities` object.
pub(crate) fn write_capabilities(out: &mut Writer, can: Can) {
    let mut all = Object::with_capacity(96);
    let has = |one: Can| can.has(one);
    let pair = |out: &mut Writer, members: [(&str, bool); 2]| {
        let mut inner = Object::with_capacity(32);
        for (name, _) in members.into_iter().filter(|(_, declared)| *declared) {
            inner.member(name).raw("{}");
        }
        out.leaf(&inner.finish());
    };
    if has(Can::ELICIT_FORM) || has(Can::ELICIT_URL) {
        let modes = [("form", has(Can::ELICIT_FORM)), ("url", has(Can::ELICIT_URL))];
        pair(all.member("elicitation"), modes);
    }
    if has(Can::SAMPLING) {
        let modes = [("context", has(Can::SAMPLING_CONTEXT)), ("tools", has(Can::SAMPLING_TOOLS))];
        pair(all.member("sampling"), modes);
    }
    if has(Can::ROOTS) {
        all.member("roots").raw("{}");
    }
    if has(Can::SERVER_TASKS) {
        server_task::write_extension(all.member("extensions"));
    }
    out.leaf(&all.finish());
}

/// Reads a question. `can` is what was declared to the server.
///
/// # Errors
/// Why it is none that a client may see.
pub fn read(method: &str, params: Option<&RawJson>, can: Can) -> Result<Asked, QuestionFault> {
    let method = Method::parse_question(method).ok_or(QuestionFault::NotDeclared)?;
    let declared = match method {
        Method::Elicit => can.has(Can::ELICIT_FORM) || can.has(Can::ELICIT_URL),
        Method::Sample => can.has(Can::SAMPLING),
        _ => can.has(Can::ROOTS),
    };
    if !declared {
        return Err(QuestionFault::NotDeclared);
    }
    let (raw, tree) = match params {
        None => (RawJson::empty_object(), Json::Object(Vec::new())),
        Some(params) => reparsed(params.clone())?,
    };
    if !matches!(tree, Json::Object(_)) {
        return Err(QuestionFault::Shape("`params` is not an object"));
    }
    let (params_raw, params) = reparsed(cut(&raw, known(method, &tree, can)?))?;
    Ok(Asked { method, params, params_raw })
}

/// The members that pass, once what the method needs is found to be there.
fn known(method: Method, params: &Json, can: Can) -> Result<&'static [&'static str], QuestionFault> {
    const FORM: [&str; 3] = ["mode", "message", "requestedSchema"];
    const URL: [&str; 4] = ["mode", "message", "url", "elicitationId"];
    let text = |name: &str| params.get(name).and_then(Json::as_str);
    match method {
        Method::Elicit => {
            if text("message").is_none() {
                return Err(QuestionFault::Shape("`message` is not a string"));
            }
            let form = matches!(params.get("requestedSchema"), Some(Json::Object(_)));
            match params.get("mode").map(Json::as_str) {
                None | Some(Some("form")) if !can.has(Can::ELICIT_FORM) => Err(QuestionFault::Mode),
                None | Some(Some("form")) if form => Ok(&FORM),
                None | Some(Some("form")) => Err(QuestionFault::Shape("`requestedSchema` is not an object")),
                Some(Some("url")) if !can.has(Can::ELICIT_URL) => Err(QuestionFault::Mode),
                Some(Some("url")) if text("url").is_some() => Ok(&URL),
                Some(Some("url")) => Err(QuestionFault::Shape("`url` is not a string")),
                Some(_) => Err(QuestionFault::Mode),
            }
        }
        Method::Sample => known_of_sampling(params, can),
        _ => Ok(&[]),
    }
}

fn known_of_sampling(params: &Json, can: Can) -> Result<&'static [&'static str], QuestionFault> {
    // What depends on what was declared stands first.
    const SAMPLE: [&str; 10] = [
        "includeContext",
        "messages",
        "modelPreferences",
        "systemPrompt",
        "maxTokens",
        "temperature",
        "stopSequences",
        "metadata",
        "tools",
        "toolChoice",
    ];
    let has = |name: &str| params.get(name).is_some();
    if (has("tools") || has("toolChoice")) && !can.has(Can::SAMPLING_TOOLS) {
        return Err(QuestionFault::Mode);
    }
    if !matches!(params.get("messages"), Some(Json::Array(_))) {
        return Err(QuestionFault::Shape("`messages` is not a list"));
    }
    if params.get("maxTokens").and_then(Json::as_i64).is_none() {
        return Err(QuestionFault::Shape("`maxTokens` is not an integer"));
    }
    // Without it, no context is what a client takes it for.
    let passes =
        can.has(Can::SAMPLING_CONTEXT) || params.get("includeContext").and_then(Json::as_str) == Some("none");
    Ok(if passes { &SAMPLE } else { SAMPLE.split_first().map_or(&[], |(_, rest)| rest) })
}

fn cut(params: &RawJson, known: &[&str]) -> RawJson {
    let text = params.as_bytes();
    let mut out = Object::with_capacity(text.len());
    for part in splice::members(params) {
        if known.contains(&&*part.name(text)) {
            out.part(&part, text);
        }
    }
    out.finish()
}

/// What is part of a message that was read is within every limit of it.
fn reparsed(raw: RawJson) -> Result<(RawJson, Json), QuestionFault> {
    let limits = JsonLimits { bytes_max: raw.as_bytes().len(), ..JsonLimits::UPSTREAM };
    let tree = Json::parse(raw.as_bytes(), &limits);
    tree.map(|tree| (raw, tree)).map_err(|_| QuestionFault::Shape("`params` cannot be read"))
}

impl UpstreamResult {
    /// What it wants first, of a result that is [`crate::reply::ResultKind::InputRequired`].
    ///
    /// # Errors
    /// What no client of a call that declared `can` may be asked.
    pub fn input_required(&self, can: Can) -> Result<InputRequired, QuestionFault> {
        let state = match self.tree().get("requestState") {
            None => None,
            Some(Json::String(_)) => self.member_raw("requestState"),
            Some(_) => return Err(QuestionFault::Shape("`requestState` is not a string")),
        };
        if state.as_ref().is_some_and(|state| state.as_bytes().len() > STATE_BYTES_MAX) {
            return Err(QuestionFault::Shape("`requestState` is larger than 64 KiB"));
        }
        let asked: &[_] = match self.tree().get("inputRequests") {
            None => &[],
            Some(Json::Object(members)) => members,
            Some(_) => return Err(QuestionFault::Shape("`inputRequests` is not an object")),
        };
        if asked.len() > QUESTIONS_MAX || asked.iter().any(|member| member.name.len() > KEY_BYTES_MAX) {
            return Err(QuestionFault::Shape("too many questions, or a key that is too long"));
        }
        if asked.is_empty() && state.is_none() {
            return Err(QuestionFault::Shape("neither `inputRequests` nor `requestState`"));
        }
        let question = |member: &model::json::Member| {
            let method = member.value.get("method").and_then(Json::as_str);
            let method = method.ok_or(QuestionFault::Shape("a question without `method`"))?;
            let params = member.value.member("params").map(|params| self.cut(&params.span));
            Ok((member.name.clone(), read(method, params.as_ref(), can)?))
        };
        Ok(InputRequired { questions: asked.iter().map(question).collect::<Result<_, _>>()?, state })
    }
}
