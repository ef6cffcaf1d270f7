//! The requests and notifications Callgate carries, typed. Must never carry one that is not listed here, nor
//! read a malformed one as another.

#[cfg(test)]
mod tests;

use model::call::{CallMeta, Endpoint, ToolCall};
use model::client::{ClientCapabilities, LogLevel};
use model::json::{Json, Member, RawJson};
use model::method::Method;

use crate::declared;
use crate::fault::ProtocolFault;
use crate::inbound::{InboundNotification, InboundRequest};
use crate::jsonrpc::{ProgressToken, RequestId};
use crate::meta;
use crate::reply::URI_BYTES_MAX;
use crate::retry::Retry;
use crate::shape::Object;
use crate::version::Era;

/// Longest tool name a client may write, whatever it means.
const NAME_BYTES_MAX: usize = 256;
/// Most URIs one request subscribes to.
const URIS_MAX: usize = 64;
/// Longest cursor.
const CURSOR_BYTES_MAX: usize = 4096;

/// A request of a known method with its parameters checked.
#[derive(Clone, Debug)]
pub enum ClientRequest {
    /// `initialize`, legacy only.
    Initialize(Initialize),
    /// `ping`, legacy only.
    Ping,
    /// `server/discover`, modern only.
    Discover,
    /// `tools/list`.
    ListTools {
        /// Where to go on.
        cursor: Option<String>,
    },
    /// `subscriptions/listen`, modern only.
    Listen(Listen),
    /// `resources/unsubscribe`, legacy only. Nothing is asked of an upstream: what was subscribed to ends.
    Unsubscribe {
        /// What the client subscribed to.
        uri: Box<str>,
    },
    /// `logging/setLevel`, legacy only.
    SetLogLevel(LogLevel),
    /// What an upstream answers: `tools/call`, and the methods beside it.
    Call(Box<Call>),
}

/// What a client wants to hear of (MCP 2026-07-28, Subscriptions).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Listen {
    /// `toolsListChanged`.
    pub tools: bool,
    /// `promptsListChanged`.
    pub prompts: bool,
    /// `resourcesListChanged`.
    pub resources: bool,
    /// `resourceSubscriptions`, each once.
    pub uris: Vec<Box<str>>,
    /// It named tasks.
    pub tasks: bool,
}

/// The parameters of `initialize`.
#[derive(Clone, Debug)]
pub struct Initialize {
    /// The revision the client asks for; [`crate::version::ProtocolVersion::negotiate`] answers it.
    pub protocol_version: String,
    /// What the client can do, of what Callgate carries.
    pub client: ClientCapabilities,
    /// Who the client says it is. Never used for a decision.
    pub client_info: Option<RawJson>,
}

/// A request for an upstream.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which.
    pub method: Method,
    /// Of `tools/call`: the tool's name as written, at most 256 bytes. Else empty.
    pub name: String,
    /// The arguments of the tool, or the parameters of the method that are known; always an object.
    pub arguments: Json,
    /// The same, each leaf byte for byte.
    pub arguments_raw: RawJson,
    /// What else may go upstream.
    pub meta: CallMeta,
    /// What the client wants progress reported under. Stays at the edge.
    pub progress_token: Option<ProgressToken>,
    /// What the client brings to a call that was suspended. No part of the arguments.
    pub retry: Retry,
}

impl Call {
    /// The call as the path takes it, and the token that stays here.
    #[must_use]
    pub fn into_call(self, endpoint: Endpoint) -> (ToolCall, Option<ProgressToken>) {
        let call = ToolCall {
            endpoint,
            method: self.method,
            name: self.name,
            arguments: self.arguments,
            arguments_raw: self.arguments_raw,
            meta: self.meta,
        };
        (call, self.progress_token)
    }
}

/// A notification of a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientNotification {
    /// `notifications/initialized`.
    Initialized,
    /// `notifications/cancelled`.
    Cancelled {
        /// The request to cancel.
        request: RequestId,
    },
    /// `notifications/progress`: about a request of ours, and there are none.
    Progress,
    /// Anything else: accepted and dropped, as JSON-RPC says.
    Other,
}

impl InboundNotification {
    /// Types it. One with malformed parameters is [`ClientNotification::Other`].
    #[must_use]
    pub fn read(&self) -> ClientNotification {
        match &*self.method {
            "notifications/initialized" => ClientNotification::Initialized,
            "notifications/cancelled" => match self.params.get("requestId").and_then(RequestId::read) {
                Some(request) => ClientNotification::Cancelled { request },
                None => ClientNotification::Other,
            },
            "notifications/progress" => ClientNotification::Progress,
            _ => ClientNotification::Other,
        }
    }
}

impl InboundRequest {
    /// Types it, for the era it was classified as.
    ///
    /// # Errors
    /// `-32601` for a method that is unknown, removed in this era, or not carried; `-32602` for wrong parameters.
    pub fn read(self, era: Era) -> Result<(RequestId, ClientRequest), ProtocolFault> {
        let Self { id, method, params, text } = self;
        let parameters = Parameters { members: params, text };
        let outcome = match (&*method, era) {
            ("tools/list", _) => parameters.list_tools(),
            ("initialize", Era::Legacy) => parameters.initialize(),
            ("ping", Era::Legacy) => Ok(ClientRequest::Ping),
            ("logging/setLevel", Era::Legacy) => parameters.log_level(),
            ("server/discover", Era::Modern) => Ok(ClientRequest::Discover),
            ("subscriptions/listen", Era::Modern) => parameters.listen().map(ClientRequest::Listen),
            ("resources/unsubscribe", Era::Legacy) => parameters.unsubscribe(),
            // Part of `subscriptions/listen` since.
            ("resources/subscribe", Era::Modern) => {
                return Err(ProtocolFault::method(era, &method).with_id(Some(id)));
            }
            _ => match Method::parse(&method) {
                // Those of 2025-11-25 are others, under the same names.
                Some(method) if era == Era::Legacy && method.is_on_server_task() => {
                    return Err(ProtocolFault::method(era, method.as_str()).with_id(Some(id)));
                }
                Some(Method::CallTool) => parameters.call_tool(era),
                Some(method) => parameters.beside_tools(era, method),
                None => return Err(ProtocolFault::method(era, &method).with_id(Some(id))),
            }
            .map(|call| ClientRequest::Call(Box::new(call))),
        };
        match outcome {
            Ok(request) => Ok((id, request)),
            Err(message) => Err(ProtocolFault::params(message).with_id(Some(id))),
        }
    }
}

struct Parameters {
    members: Json,
    text: bytes::Bytes,
}

impl Parameters {
    fn call_tool(mut self, era: Era) -> Result<Call, String> {
        let name = match self.members.get("name") {
            Some(Json::String(name)) if name.len() <= NAME_BYTES_MAX => name.to_string(),
            Some(Json::String(_)) => return Err(format!("`name` is longer than {NAME_BYTES_MAX} bytes")),
            other => return Err(wrong("name", "a string", other)),
        };
        let retry = Retry::read(era, Method::CallTool, &self.members, &self.text)?;
        let (meta, progress_token) = self.call_meta()?;
        let (arguments, arguments_raw) = match self.take("arguments") {
            None => (Json::Object(Vec::new()), RawJson::empty_object()),
            Some(Member { value: value @ Json::Object(_), span, .. }) => {
                (value, RawJson::slice(&self.text, &span))
            }
            Some(other) => return Err(wrong("arguments", "an object", Some(&other.value))),
        };
        Ok(Call { method: Method::CallTool, name, arguments, arguments_raw, meta, progress_token, retry })
    }

    /// Takes the parameters that the method is known to have. Others are not carried: nobody could decide on them.
    fn beside_tools(self, era: Era, method: Method) -> Result<Call, String> {
        let retry = Retry::read(era, method, &self.members, &self.text)?;
        let (meta, progress_token) = self.call_meta()?;
        let (mut arguments, mut raw) = (Vec::new(), Object::with_capacity(128));
        if let Json::Object(members) = self.members {
            for member in members.into_iter().filter(|member| carried(method).contains(&&*member.name)) {
                raw.member(&member.name).leaf(&RawJson::slice(&self.text, &member.span));
                arguments.push(member);
            }
        }
        let (name, arguments, arguments_raw) = (String::new(), Json::Object(arguments), raw.finish());
        Ok(Call { method, name, arguments, arguments_raw, meta, progress_token, retry })
    }

    fn call_meta(&self) -> Result<(CallMeta, Option<ProgressToken>), String> {
        let Some(meta) = self.members.get("_meta") else { return Ok((CallMeta::default(), None)) };
        let token = match meta.get(meta::PROGRESS_TOKEN) {
            None => None,
            Some(value) => match RequestId::read(value) {
                Some(token) => Some(token),
                None => return Err(wrong("_meta.progressToken", "a string or an integer", Some(value))),
            },
        };
        let trace = meta::trace(meta, &self.text);
        Ok((CallMeta { wants_progress: token.is_some(), trace, ..CallMeta::default() }, token))
    }

    fn list_tools(self) -> Result<ClientRequest, String> {
        match self.members.get("cursor") {
            None => Ok(ClientRequest::ListTools { cursor: None }),
            Some(Json::String(cursor)) if cursor.len() <= CURSOR_BYTES_MAX => {
                Ok(ClientRequest::ListTools { cursor: Some(cursor.to_string()) })
            }
            other => Err(wrong("cursor", "a cursor this server gave", other)),
        }
    }

    fn listen(self) -> Result<Listen, String> {
        let filter = match self.members.get("notifications") {
            Some(filter @ Json::Object(_)) => filter,
            other => return Err(wrong("notifications", "an object", other)),
        };
        let flag = |name: &str| match filter.get(name) {
            None => Ok(false),
            Some(Json::Bool(wanted)) => Ok(*wanted),
            other => Err(wrong(&format!("notifications.{name}"), "true or false", other)),
        };
        let list = |name: &str| match filter.get(name) {
            None => Ok(false),
            Some(Json::Array(items)) if items.iter().all(|item| item.as_str().is_some()) => Ok(true),
            other => Err(wrong(&format!("notifications.{name}"), "a list of strings", other)),
        };
        Ok(Listen {
            tools: flag("toolsListChanged")?,
            prompts: flag("promptsListChanged")?,
            resources: flag("resourcesListChanged")?,
            uris: uris(filter.get("resourceSubscriptions"))?,
            tasks: list("taskIds")?,
        })
    }

    fn unsubscribe(self) -> Result<ClientRequest, String> {
        match self.members.get("uri") {
            Some(Json::String(uri)) if uri.len() <= URI_BYTES_MAX => {
                Ok(ClientRequest::Unsubscribe { uri: uri.clone() })
            }
            other => Err(wrong("uri", &format!("a URI of at most {URI_BYTES_MAX} bytes"), other)),
        }
    }

    fn log_level(self) -> Result<ClientRequest, String> {
        let level = declared::log_level(self.members.get("level"))
            .map_err(|wrong| format!("`params.level` {wrong}"))?;
        level.map(ClientRequest::SetLogLevel).ok_or_else(|| "`params.level` is missing".to_owned())
    }

    fn initialize(self) -> Result<ClientRequest, String> {
        let protocol_version = match self.members.get("protocolVersion") {
            Some(Json::String(version)) => version.to_string(),
            other => return Err(wrong("protocolVersion", "a string", other)),
        };
        let object = |name: &str| match self.members.member(name) {
            None => Ok(None),
            Some(member) if matches!(member.value, Json::Object(_)) => {
                Ok(Some(RawJson::slice(&self.text, &member.span)))
            }
            Some(member) => Err(wrong(name, "an object", Some(&member.value))),
        };
        let client = match self.members.get("capabilities") {
            None => ClientCapabilities::NONE,
            Some(declared) => {
                declared::capabilities(declared).map_err(|wrong| format!("`params.capabilities`: {wrong}"))?
            }
        };
        Ok(ClientRequest::Initialize(Initialize {
            protocol_version,
            client,
            client_info: object("clientInfo")?,
        }))
    }

    fn take(&mut self, name: &str) -> Option<Member> {
        let Json::Object(members) = &mut self.members else { return None };
        let at = members.iter().position(|member| &*member.name == name)?;
        Some(members.swap_remove(at))
    }
}

fn uris(listed: Option<&Json>) -> Result<Vec<Box<str>>, String> {
    const NAME: &str = "notifications.resourceSubscriptions";
    let refuse = || {
        let wanted = format!("a list of at most {URIS_MAX} URIs of at most {URI_BYTES_MAX} bytes");
        Err(wrong(NAME, &wanted, listed))
    };
    let items = match listed {
        None => return Ok(Vec::new()),
        Some(Json::Array(items)) if items.len() <= URIS_MAX => items,
        Some(_) => return refuse(),
    };
    let mut uris: Vec<Box<str>> = Vec::with_capacity(items.len());
    for item in items {
        match item.as_str().filter(|uri| uri.len() <= URI_BYTES_MAX) {
            Some(uri) if uris.iter().any(|known| **known == *uri) => {}
            Some(uri) => uris.push(Box::from(uri)),
            None => return refuse(),
        }
    }
    Ok(uris)
}

/// The parameters of a method (MCP 2026-07-28, Schema Reference), but `_meta`.
const fn carried(method: Method) -> &'static [&'static str] {
    match method {
        Method::CallTool => &["name", "arguments"],
        Method::ListResources | Method::ListTemplates | Method::ListPrompts => &["cursor"],
        Method::ReadResource | Method::Subscribe => &["uri"],
        Method::GetPrompt => &["name", "arguments"],
        Method::Complete => &["ref", "argument", "context"],
        Method::GetServerTask | Method::CancelServerTask => &["taskId"],
        Method::UpdateServerTask => &["taskId", "inputResponses"],
        Method::Elicit | Method::Sample | Method::ListRoots => &[],
    }
}

pub(crate) fn wrong(name: &str, wanted: &str, found: Option<&Json>) -> String {
    let found = found.map_or("nothing", Json::kind);
    format!("`params.{name}` must be {wanted}, found {found}")
}
