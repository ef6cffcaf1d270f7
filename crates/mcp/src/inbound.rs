//! What a client sent, as one JSON-RPC message of known shape. Must never take a batch, nor a message whose names
//! another parser could read differently.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use model::json::{Json, Member, RawJson};
use model::limits::JsonLimits;

use crate::fault::{ProtocolFault, short};
use crate::hygiene::{self, Place};
use crate::jsonrpc::RequestId;
use crate::meta;

/// Longest method name.
const METHOD_BYTES_MAX: usize = 128;

/// One message of a client.
#[derive(Clone, Debug)]
pub enum Inbound {
    /// Wants an answer.
    Request(InboundRequest),
    /// Wants none.
    Notification(InboundNotification),
    /// Answers a request of ours.
    Response(InboundResponse),
}

/// A request: method and parameters, nothing typed yet. [`InboundRequest::read`] types it.
#[derive(Clone, Debug)]
pub struct InboundRequest {
    /// The id to answer under.
    pub id: RequestId,
    /// The method, at most 128 bytes.
    pub method: Box<str>,
    pub(crate) params: Json,
    pub(crate) text: Bytes,
}

/// A notification.
#[derive(Clone, Debug)]
pub struct InboundNotification {
    /// The method, at most 128 bytes.
    pub method: Box<str>,
    pub(crate) params: Json,
}

/// A response of a client to a request of ours.
#[derive(Clone, Debug)]
pub struct InboundResponse {
    /// The id it claims to answer.
    pub id: RequestId,
    /// The result, an object, byte for byte. `None`: an error.
    pub result: Option<RawJson>,
}

impl Inbound {
    /// The parameters; an empty object when there are none.
    #[must_use]
    pub(crate) const fn params(&self) -> Option<&Json> {
        match self {
            Self::Request(request) => Some(&request.params),
            Self::Notification(notification) => Some(&notification.params),
            Self::Response(_) => None,
        }
    }

    /// The id, when it is a request.
    #[must_use]
    pub fn request_id(&self) -> Option<&RequestId> {
        match self {
            Self::Request(request) => Some(&request.id),
            Self::Notification(_) | Self::Response(_) => None,
        }
    }

    /// The revision the message claims in `_meta`, whatever type the claim has.
    #[must_use]
    pub(crate) fn claim(&self) -> Option<&Json> {
        self.params()?.get("_meta")?.get(meta::PROTOCOL_VERSION)
    }
}

/// Reads one message.
///
/// # Errors
/// [`ProtocolFault`]: not JSON, beyond a limit, a batch, no JSON-RPC 2.0 message, or names that could be
/// mistaken for protocol names.
pub fn parse_body(text: &Bytes, limits: &JsonLimits) -> Result<Inbound, ProtocolFault> {
    let tree = Json::parse(text, limits).map_err(|fault| ProtocolFault::json(&fault))?;
    let envelope = Envelope::read(tree)?;
    let id = envelope.readable_id();
    envelope.into_message(text).map_err(|message| ProtocolFault::invalid_request(message).with_id(id))
}

/// The known members of a message; unknown ones are dropped.
#[derive(Default)]
struct Envelope {
    version: Option<Json>,
    id: Option<Json>,
    method: Option<Json>,
    params: Option<Json>,
    result: Option<Member>,
    error: bool,
    problem: Option<String>,
}

impl Envelope {
    fn read(tree: Json) -> Result<Self, ProtocolFault> {
        let problem = hygiene::check(Place::Envelope, &tree).err();
        let members = match tree {
            Json::Object(members) => members,
            Json::Array(_) => {
                return Err(ProtocolFault::invalid_request(
                    "batches are not accepted: send one message per POST",
                ));
            }
            other => {
                let message = format!("the body must be one JSON-RPC object, found {}", other.kind());
                return Err(ProtocolFault::invalid_request(message));
            }
        };
        let mut envelope = Self { problem, ..Self::default() };
        for member in members {
            envelope.take(member);
        }
        Ok(envelope)
    }

    fn take(&mut self, member: Member) {
        match &*member.name {
            "jsonrpc" => self.version = Some(member.value),
            "id" => self.id = Some(member.value),
            "method" => self.method = Some(member.value),
            "params" => self.params = Some(member.value),
            "result" => self.result = Some(member),
            "error" => self.error = true,
            _ => {}
        }
    }

    fn readable_id(&self) -> Option<RequestId> {
        self.id.as_ref().and_then(RequestId::read)
    }

    fn into_message(self, text: &Bytes) -> Result<Inbound, String> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        if self.version.as_ref().and_then(Json::as_str) != Some("2.0") {
            return Err("`jsonrpc` must be \"2.0\"".into());
        }
        let id = match &self.id {
            None => None,
            Some(id) => Some(RequestId::read(id).ok_or_else(|| bad_id(id))?),
        };
        let outcome = self.result.is_some() || self.error;
        match (self.method, outcome, id) {
            (None, true, Some(id)) => {
                let result = read_outcome(self.result, self.error, text)?;
                Ok(Inbound::Response(InboundResponse { id, result }))
            }
            (None, _, _) => Err("`method` is missing".into()),
            (Some(_), true, _) => Err("a message has either `method` or `result` or `error`".into()),
            (Some(method), false, id) => {
                let (method, params) = (read_method(method)?, read_params(self.params)?);
                Ok(match id {
                    Some(id) => Inbound::Request(InboundRequest { id, method, params, text: text.clone() }),
                    None => Inbound::Notification(InboundNotification { method, params }),
                })
            }
        }
    }
}

/// A result that is an object; nothing, when it is an error.
fn read_outcome(result: Option<Member>, error: bool, text: &Bytes) -> Result<Option<RawJson>, String> {
    match (result, error) {
        (Some(_), true) => Err("a response has either `result` or `error`".into()),
        (Some(Member { value: Json::Object(_), span, .. }), false) => Ok(Some(RawJson::slice(text, &span))),
        (Some(other), false) => Err(format!("`result` must be an object, found {}", other.value.kind())),
        (None, _) => Ok(None),
    }
}

fn bad_id(id: &Json) -> String {
    format!("`id` must be a string or an integer of at most 256 bytes, found {}", id.kind())
}

fn read_method(method: Json) -> Result<Box<str>, String> {
    match method {
        Json::String(method) if method.len() <= METHOD_BYTES_MAX => Ok(method),
        Json::String(method) => Err(format!("`method` is too long: `{}`…", short(&method))),
        other => Err(format!("`method` must be a string, found {}", other.kind())),
    }
}

fn read_params(params: Option<Json>) -> Result<Json, String> {
    let params = params.unwrap_or(Json::Object(Vec::new()));
    if !matches!(params, Json::Object(_)) {
        return Err(format!("`params` must be an object, found {}", params.kind()));
    }
    hygiene::check(Place::Params, &params)?;
    match params.get("_meta") {
        None => {}
        Some(meta @ Json::Object(_)) => hygiene::check(Place::Meta, meta)?,
        Some(other) => return Err(format!("`params._meta` must be an object, found {}", other.kind())),
    }
    Ok(params)
}
