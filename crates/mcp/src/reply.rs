//! What an upstream server sent. Must never believe it: bounded, parsed strictly, ids matched only with ours.

#[cfg(test)]
mod tests;

use std::ops::Range;

use bytes::Bytes;
use model::client::{ClientCapabilities, LogLevel};
use model::json::{Json, JsonFault, Member, RawJson};
use model::limits::JsonLimits;
use model::method::Method;

use crate::jsonrpc::{RequestId, RpcError, code, error_message, result_message};
use crate::meta;
use crate::question::{self, Asked, QuestionFault};
use crate::server_task::{self, EXTENSION};
use crate::splice;

/// Longest URI taken.
pub(crate) const URI_BYTES_MAX: usize = 8192;
/// Longest error message kept.
const MESSAGE_BYTES_MAX: usize = 4096;

/// One message of an upstream.
#[derive(Clone, Debug)]
pub enum UpstreamMessage {
    /// The answer to a request.
    Response {
        /// Our id; `None` when the id is absent, null or none of ours could look like it.
        id: Option<u64>,
        /// The answer.
        outcome: Outcome,
    },
    /// A notification.
    Notification(UpstreamNotification),
    /// A request to us. It must be answered.
    Request(ServerRequest),
}

/// What a request came to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A result.
    Result(UpstreamResult),
    /// An error, its message cut to 4 KiB.
    Error(RpcError),
}

impl Outcome {
    /// What the server declares to offer; an error declares nothing, so that its tools are asked for.
    #[must_use]
    pub fn offers(&self) -> Offers {
        match self {
            Self::Result(result) => result.offers(),
            Self::Error(_) => Offers { tools: true, logging: false, methods: Vec::new() },
        }
    }
}

/// A result, raw and parsed.
#[derive(Clone, Debug)]
pub struct UpstreamResult {
    text: Bytes,
    raw: RawJson,
    tree: Json,
}

/// A notification.
#[derive(Clone, Debug)]
pub enum UpstreamNotification {
    /// `notifications/progress`.
    Progress(ProgressUpdate),
    /// `notifications/message`.
    Log(LogUpdate),
    /// `notifications/tools/list_changed`.
    ToolsChanged,
    /// What it says of its own accord, of resources and prompts.
    Announced(Announcement),
    /// `notifications/cancelled`: the upstream gave up a request of its own.
    Cancelled {
        /// Which.
        request: Option<RequestId>,
    },
    /// Anything else.
    Other,
}

/// What a server says of its own accord (MCP, Resources; Prompts; 2026-07-28, Subscriptions).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Announcement {
    /// `notifications/resources/updated`: what stands at this URI, or within it, changed.
    Updated(Box<str>),
    /// `notifications/resources/list_changed`.
    Resources,
    /// `notifications/prompts/list_changed`.
    Prompts,
    /// `notifications/subscriptions/acknowledged`.
    Granted {
        /// The id of our request.
        subscription: u64,
        /// The URIs it will tell of.
        uris: Vec<Box<str>>,
    },
}

/// Progress, numbers as they were written.
#[derive(Clone, Debug)]
pub struct ProgressUpdate {
    /// Our token.
    pub token: u64,
    /// How far: a number.
    pub progress: RawJson,
    /// Of how much: a number.
    pub total: Option<RawJson>,
    /// In words: a string.
    pub message: Option<RawJson>,
}

/// A log message, its texts as they were written.
#[derive(Clone, Debug)]
pub struct LogUpdate {
    /// How grave.
    pub level: LogLevel,
    /// Who logs: a string.
    pub logger: Option<RawJson>,
    /// What.
    pub data: RawJson,
}

/// A request of an upstream to us.
#[derive(Clone, Debug)]
pub struct ServerRequest {
    /// Its id.
    pub id: RequestId,
    /// Its method.
    pub method: Box<str>,
    params: Option<RawJson>,
}

impl ServerRequest {
    /// What it asks of the client whose call is served; `can` is what was declared to the server.
    ///
    /// # Errors
    /// Why the client may not be asked. [`Self::answer`] is for what is no question to it.
    pub fn question(&self, can: ClientCapabilities) -> Result<Asked, QuestionFault> {
        question::read(&self.method, self.params.as_ref(), can)
    }

    /// The client's answer.
    #[must_use]
    pub fn result(&self, result: &RawJson) -> Bytes {
        result_message(&self.id, result)
    }

    /// That there will be none.
    #[must_use]
    pub fn error(&self, error: &RpcError) -> Bytes {
        error_message(Some(&self.id), error)
    }

    /// The answer: `{}` to `ping`, `-32601` to everything else.
    #[must_use]
    pub fn answer(&self) -> Bytes {
        match &*self.method {
            "ping" => self.result(&RawJson::empty_object()),
            _ => self.error(&RpcError::new(code::METHOD_NOT_FOUND, "Method not found")),
        }
    }
}

/// How an upstream broke the protocol.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UpstreamViolation {
    /// Not JSON, or beyond a limit.
    #[error("the upstream's message was refused: {0}")]
    Json(#[from] JsonFault),
    /// Not one JSON-RPC 2.0 message.
    #[error("the upstream sent no JSON-RPC 2.0 message: {0}")]
    Shape(&'static str),
}

/// Reads one message.
///
/// # Errors
/// [`UpstreamViolation`] for what no client may believe.
pub fn read_message(text: &Bytes, limits: &JsonLimits) -> Result<UpstreamMessage, UpstreamViolation> {
    let Json::Object(members) = Json::parse(text, limits)? else {
        return Err(UpstreamViolation::Shape("not an object"));
    };
    let mut parts = Parts::default();
    for member in members {
        parts.take(member);
    }
    parts.into_message(text)
}

#[derive(Default)]
struct Parts {
    version: bool,
    id: Option<Json>,
    method: Option<Json>,
    params: Option<Member>,
    result: Option<Member>,
    error: Option<Member>,
}

impl Parts {
    fn take(&mut self, member: Member) {
        match &*member.name {
            "jsonrpc" => self.version = member.value.as_str() == Some("2.0"),
            "id" => self.id = Some(member.value),
            "method" => self.method = Some(member.value),
            "params" => self.params = Some(member),
            "result" => self.result = Some(member),
            "error" => self.error = Some(member),
            _ => {}
        }
    }

    fn into_message(self, text: &Bytes) -> Result<UpstreamMessage, UpstreamViolation> {
        if !self.version {
            return Err(UpstreamViolation::Shape("`jsonrpc` is not \"2.0\""));
        }
        match (self.method, self.result, self.error) {
            (Some(Json::String(method)), None, None) => match self.id {
                None => {
                    let params = self.params.map_or(Json::Null, |params| params.value);
                    Ok(UpstreamMessage::Notification(read_notification(&method, &params, text)))
                }
                Some(id) => {
                    let id =
                        RequestId::read(&id).ok_or(UpstreamViolation::Shape("a request with a bad `id`"))?;
                    let params = self.params.map(|params| RawJson::slice(text, &params.span));
                    Ok(UpstreamMessage::Request(ServerRequest { id, method, params }))
                }
            },
            (None, Some(result), None) => {
                if !matches!(result.value, Json::Object(_)) {
                    return Err(UpstreamViolation::Shape("`result` is not an object"));
                }
                let raw = RawJson::slice(text, &result.span);
                let result = UpstreamResult { text: text.clone(), raw, tree: result.value };
                Ok(UpstreamMessage::Response { id: ours(self.id), outcome: Outcome::Result(result) })
            }
            (None, None, Some(error)) => {
                let outcome = Outcome::Error(read_error(&error.value, text)?);
                Ok(UpstreamMessage::Response { id: ours(self.id), outcome })
            }
            _ => Err(UpstreamViolation::Shape("not exactly one of `method`, `result`, `error`")),
        }
    }
}

fn ours(id: Option<Json>) -> Option<u64> {
    RequestId::read(&id?)?.as_u64()
}

fn read_error(error: &Json, text: &Bytes) -> Result<RpcError, UpstreamViolation> {
    let code = error.get("code").and_then(Json::as_i64);
    let code = code.ok_or(UpstreamViolation::Shape("an error without an integer `code`"))?;
    let message = error.get("message").and_then(Json::as_str).unwrap_or_default();
    let message =
        message.get(..message.floor_char_boundary(MESSAGE_BYTES_MAX)).unwrap_or_default().to_owned();
    let data = error.member("data").map(|member| RawJson::slice(text, &member.span));
    Ok(RpcError { code, message, data })
}

fn read_notification(method: &str, params: &Json, text: &Bytes) -> UpstreamNotification {
    match method {
        "notifications/progress" => {
            read_progress(params, text).map_or(UpstreamNotification::Other, UpstreamNotification::Progress)
        }
        "notifications/message" => {
            read_log(params, text).map_or(UpstreamNotification::Other, UpstreamNotification::Log)
        }
        "notifications/tools/list_changed" => UpstreamNotification::ToolsChanged,
        "notifications/cancelled" => {
            UpstreamNotification::Cancelled { request: params.get("requestId").and_then(RequestId::read) }
        }
        _ => read_announcement(method, params)
            .map_or(UpstreamNotification::Other, UpstreamNotification::Announced),
    }
}

fn read_announcement(method: &str, params: &Json) -> Option<Announcement> {
    Some(match method {
        "notifications/resources/list_changed" => Announcement::Resources,
        "notifications/prompts/list_changed" => Announcement::Prompts,
        "notifications/resources/updated" => {
            let uri = params.get("uri")?.as_str().filter(|uri| uri.len() <= URI_BYTES_MAX)?;
            Announcement::Updated(Box::from(uri))
        }
        "notifications/subscriptions/acknowledged" => {
            let subscription = RequestId::read(params.get("_meta")?.get(meta::SUBSCRIPTION_ID)?)?;
            let uris = match params.get("notifications")?.get("resourceSubscriptions") {
                Some(Json::Array(uris)) => uris.iter().filter_map(Json::as_str).map(Box::from).collect(),
                _ => Vec::new(),
            };
            Announcement::Granted { subscription: subscription.as_u64()?, uris }
        }
        _ => return None,
    })
}

fn read_progress(params: &Json, text: &Bytes) -> Option<ProgressUpdate> {
    let cut = |name: &str, fits: fn(&Json) -> bool| {
        let member = params.member(name).filter(|member| fits(&member.value))?;
        Some(RawJson::slice(text, &member.span))
    };
    let number = |value: &Json| matches!(value, Json::Number(_));
    Some(ProgressUpdate {
        token: RequestId::read(params.get("progressToken")?)?.as_u64()?,
        progress: cut("progress", number)?,
        total: cut("total", number),
        message: cut("message", |value| matches!(value, Json::String(_))),
    })
}

fn read_log(params: &Json, text: &Bytes) -> Option<LogUpdate> {
    let cut = |member: &Member| RawJson::slice(text, &member.span);
    let logger = params.member("logger").filter(|member| matches!(member.value, Json::String(_)));
    Some(LogUpdate {
        level: LogLevel::parse(params.get("level")?.as_str()?)?,
        logger: logger.map(cut),
        data: params.member("data").map(cut)?,
    })
}

impl UpstreamResult {
    /// The result, untouched.
    #[must_use]
    pub const fn raw(&self) -> &RawJson {
        &self.raw
    }

    /// The result, parsed; spans are of the whole message, so cut with [`Self::member_raw`].
    #[must_use]
    pub const fn tree(&self) -> &Json {
        &self.tree
    }

    /// A member of the result, cut out.
    #[must_use]
    pub fn member_raw(&self, name: &str) -> Option<RawJson> {
        self.tree.member(name).map(|member| self.cut(&member.span))
    }

    /// What stands at a span of the tree.
    pub(crate) fn cut(&self, span: &Range<usize>) -> RawJson {
        RawJson::slice(&self.text, span)
    }

    /// What kind of result it is; an absent `resultType` means complete (MCP 2026-07-28, Base Protocol).
    #[must_use]
    pub fn kind(&self) -> ResultKind {
        match self.tree.get("resultType") {
            None => ResultKind::Complete,
            Some(kind) => match kind.as_str() {
                Some("complete") => ResultKind::Complete,
                Some("input_required") => ResultKind::InputRequired,
                Some("task") => ResultKind::Task,
                _ => ResultKind::Unknown,
            },
        }
    }

    /// `isError`.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.tree.get("isError") == Some(&Json::Bool(true))
    }

    /// Whether it has the shape of a result of this method: its list a list, its object an object. A result of
    /// `tools/call` may leave both `content` and `isError` out.
    #[must_use]
    pub fn has_shape(&self, method: Method) -> bool {
        let list = |name: &str| matches!(self.tree.get(name), Some(Json::Array(_)));
        match method {
            Method::CallTool => {
                let flag = self.tree.get("isError").is_none_or(|flag| matches!(flag, Json::Bool(_)));
                flag && (list("content") || self.tree.get("content").is_none())
            }
            Method::ListResources => list("resources"),
            Method::ListTemplates => list("resourceTemplates"),
            Method::ReadResource => list("contents"),
            Method::Subscribe => true,
            Method::ListPrompts => list("prompts"),
            Method::GetPrompt => list("messages"),
            Method::Complete => matches!(self.tree.get("completion"), Some(Json::Object(_))),
            Method::GetServerTask => server_task::is_state(&self.tree),
            // An acknowledgement, whatever else it holds.
            Method::UpdateServerTask | Method::CancelServerTask => true,
            // No server answers what servers ask.
            Method::Elicit | Method::Sample | Method::ListRoots => false,
        }
    }

    /// What the server declares to offer, in a result of `initialize` or `server/discover`.
    #[must_use]
    pub fn offers(&self) -> Offers {
        let capabilities = self.tree.get("capabilities");
        let has = |name: &str| capabilities.and_then(|all| all.get(name)).is_some();
        let tells = |name: &str, what: &str| {
            let capability = capabilities.and_then(|all| all.get(name)?.get(what));
            capability == Some(&Json::Bool(true))
        };
        // Extensions came with servers without sessions.
        let stateless = self.supported_versions().is_some();
        let extensions = capabilities.and_then(|all| all.get("extensions"));
        let extended = |name: &str| extensions.and_then(|all| all.get(name)).is_some();
        let behind = |method: &Method| match method {
            Method::CallTool | Method::Elicit | Method::Sample | Method::ListRoots => false,
            Method::GetServerTask | Method::UpdateServerTask | Method::CancelServerTask => {
                stateless && extended(EXTENSION)
            }
            Method::ListResources | Method::ListTemplates | Method::ReadResource => has("resources"),
            Method::Subscribe => tells("resources", "subscribe"),
            Method::ListPrompts | Method::GetPrompt => has("prompts"),
            Method::Complete => has("completions"),
        };
        let methods: Vec<_> = Method::BESIDE_TOOLS.into_iter().filter(behind).collect();
        // Servers that declare nothing at all are asked for tools.
        Offers { tools: has("tools") || methods.is_empty(), logging: has("logging"), methods }
    }

    /// `nextCursor`: another page follows. An empty cursor is a cursor.
    #[must_use]
    pub fn next_cursor(&self) -> Option<&str> {
        self.tree.get("nextCursor").and_then(Json::as_str)
    }

    /// The `tools` of a `tools/list` page, each cut out. `None` when there is no such array.
    #[must_use]
    pub fn tools(&self) -> Option<Vec<RawJson>> {
        match self.tree.get("tools") {
            Some(Json::Array(_)) => Some(splice::elements(&self.member_raw("tools")?)),
            _ => None,
        }
    }

    /// `protocolVersion` of an `initialize` result.
    #[must_use]
    pub fn protocol_version(&self) -> Option<&str> {
        self.tree.get("protocolVersion").and_then(Json::as_str)
    }

    /// `supportedVersions` of a `server/discover` result.
    #[must_use]
    pub fn supported_versions(&self) -> Option<Vec<&str>> {
        match self.tree.get("supportedVersions") {
            Some(Json::Array(versions)) => Some(versions.iter().filter_map(Json::as_str).collect()),
            _ => None,
        }
    }

    /// `capabilities`, raw.
    #[must_use]
    pub fn capabilities(&self) -> Option<RawJson> {
        self.member_raw("capabilities")
    }

    /// `ttlMs`; negative or absent means stale at once.
    #[must_use]
    pub fn ttl_millis(&self) -> u64 {
        let millis = self.tree.get("ttlMs").and_then(Json::as_i64).unwrap_or(0);
        u64::try_from(millis).unwrap_or(0)
    }
}

/// What a server declares to offer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Offers {
    /// Whether it has tools to list.
    pub tools: bool,
    /// Whether it takes `logging/setLevel`.
    pub logging: bool,
    /// The methods beside tools.
    pub methods: Vec<Method>,
}

/// `resultType`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResultKind {
    /// The answer.
    Complete,
    /// The server wants input first: [`UpstreamResult::input_required`].
    InputRequired,
    /// The server made a task of it. Never asked for, so a violation.
    Task,
    /// Anything else: invalid.
    Unknown,
}
