//! Which era a request belongs to, and whether its headers say what its body says (MCP 2026-07-28, Transports).
//!
//! Must never decide on a header: the body decides, headers are only compared with it.

#[cfg(test)]
mod tests;

use model::client::{ClientCapabilities, LogLevel};
use model::json::{Json, RawJson};

use crate::declared;
use crate::fault::ProtocolFault;
use crate::header;
use crate::inbound::{Inbound, InboundRequest};
use crate::meta;
use crate::version::{Era, ProtocolVersion};

/// The headers the classifier compares: for each, every value of that name, in the order received.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    /// `MCP-Protocol-Version`.
    pub protocol_version: &'a [&'a str],
    /// `Mcp-Method`.
    pub method: &'a [&'a str],
    /// `Mcp-Name`.
    pub name: &'a [&'a str],
    /// `Mcp-Session-Id`.
    pub session: &'a [&'a str],
}

/// The HTTP methods of the endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    /// One message.
    Post,
    /// A legacy session's stream from server to client.
    Get,
    /// Ends a legacy session.
    Delete,
}

impl Verb {
    /// Reads the HTTP method.
    ///
    /// # Errors
    /// 405 for every other.
    pub fn read(method: &str) -> Result<Self, ProtocolFault> {
        match method {
            "POST" => Ok(Self::Post),
            "GET" => Ok(Self::Get),
            "DELETE" => Ok(Self::Delete),
            _ => Err(ProtocolFault::http_method()),
        }
    }
}

/// Where a posted message goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Route<'a> {
    /// A modern request whose envelope and headers were checked. Read it with [`Era::Modern`].
    Modern(Envelope),
    /// A modern notification: 202, nothing else.
    ModernNotification,
    /// `initialize` of a client with sessions. Read it with [`Era::Legacy`].
    LegacyInitialize,
    /// Anything else of a client with sessions: request, notification or response.
    Legacy(Session<'a>),
}

impl Route<'_> {
    /// The era to read the message in.
    #[must_use]
    pub const fn era(&self) -> Era {
        match self {
            Self::Modern(_) | Self::ModernNotification => Era::Modern,
            Self::LegacyInitialize | Self::Legacy(_) => Era::Legacy,
        }
    }
}

/// What a modern request says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// Its revision.
    pub version: ProtocolVersion,
    /// What the client can do.
    pub capabilities: RawJson,
    /// What of that Callgate carries.
    pub client: ClientCapabilities,
    /// From which level on it wants log messages of this request.
    pub log: Option<LogLevel>,
    /// Who the client says it is. Never used for a decision.
    pub client_info: Option<RawJson>,
}

impl Envelope {
    /// Whether the client can be given upstream tasks.
    #[must_use]
    pub const fn declares_tasks(&self) -> bool {
        self.client.has(ClientCapabilities::SERVER_TASKS)
    }
}

/// The session a legacy message claims. Proves nothing about who sent it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session<'a> {
    /// `Mcp-Session-Id`: 1 to 256 visible ASCII characters.
    pub id: &'a str,
    /// The revision the header names; absent from the oldest clients.
    pub version: Option<ProtocolVersion>,
}

/// Decides where a posted message goes.
///
/// # Errors
/// [`ProtocolFault`] with the first thing wrong in the order of MCP (2026-07-28, Transports).
pub fn classify<'a>(headers: &Headers<'a>, message: &Inbound) -> Result<Route<'a>, ProtocolFault> {
    let outcome = match message {
        Inbound::Request(request) if message.claim().is_some() => modern(headers, request).map(Route::Modern),
        Inbound::Request(request) => unclaimed(headers, request),
        Inbound::Notification(_) if message.claim().is_some() => {
            single("MCP-Protocol-Version", headers.protocol_version).map(|_| Route::ModernNotification)
        }
        Inbound::Notification(_) => match named_version(headers)? {
            Named::Known(version) if version.era() == Era::Modern => Ok(Route::ModernNotification),
            _ => session(headers).map(Route::Legacy),
        },
        Inbound::Response(_) => match named_version(headers)? {
            Named::Known(version) if version.era() == Era::Modern => Err(ProtocolFault::invalid_request(
                "responses are not accepted: 2026-07-28 sends clients no requests",
            )),
            _ => session(headers).map(Route::Legacy),
        },
    };
    outcome.map_err(|fault| fault.with_id(message.request_id().cloned()))
}

/// The session of a GET or DELETE, or of a posted legacy message.
///
/// # Errors
/// 400 without a usable `Mcp-Session-Id`, or when the version header names an unknown or modern revision.
pub fn session<'a>(headers: &Headers<'a>) -> Result<Session<'a>, ProtocolFault> {
    let version = match named_version(headers)? {
        Named::Known(version) if version.era() == Era::Legacy => Some(version),
        Named::Known(version) => return Err(ProtocolFault::version(version.as_str())),
        Named::Unknown(name) => return Err(ProtocolFault::version(name)),
        Named::Nothing => None,
    };
    match headers.session {
        [] => Err(ProtocolFault::session_missing()),
        [id] if is_session_id(id) => Ok(Session { id, version }),
        _ => Err(ProtocolFault::invalid_request("`Mcp-Session-Id` must be one value of visible ASCII")),
    }
}

fn is_session_id(id: &str) -> bool {
    (1..=256).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A request that claims no revision in its body.
fn unclaimed<'a>(headers: &Headers<'a>, request: &InboundRequest) -> Result<Route<'a>, ProtocolFault> {
    let initialize = &*request.method == "initialize";
    match named_version(headers)? {
        Named::Known(version) if version.era() == Era::Modern => Err(match initialize {
            true => ProtocolFault::header(format!(
                "Header mismatch: MCP-Protocol-Version is `{version}`, which has no `initialize`"
            )),
            false => missing_keys(request.params.get("_meta")),
        }),
        _ if initialize => Ok(Route::LegacyInitialize),
        _ => session(headers).map(Route::Legacy),
    }
}

/// A request that claims a revision in its body: keys, then headers, then the revision.
fn modern(headers: &Headers<'_>, request: &InboundRequest) -> Result<Envelope, ProtocolFault> {
    let meta = request.params.get("_meta").unwrap_or(&Json::Null);
    let raw = |key: &str| meta.member(key).map(|member| RawJson::slice(&request.text, &member.span));
    let (Some(claimed), Some(capabilities @ Json::Object(_))) =
        (meta.get(meta::PROTOCOL_VERSION).and_then(Json::as_str), meta.get(meta::CLIENT_CAPABILITIES))
    else {
        return Err(missing_keys(Some(meta)));
    };
    if meta.get(meta::CLIENT_INFO).is_some_and(|info| !matches!(info, Json::Object(_))) {
        return Err(ProtocolFault::envelope(format!("`_meta[\"{}\"]` must be an object", meta::CLIENT_INFO)));
    }
    let client = declared::capabilities(capabilities).map_err(|wrong| {
        ProtocolFault::envelope(format!("`_meta[\"{}\"]`: {wrong}", meta::CLIENT_CAPABILITIES))
    })?;
    let log = declared::log_level(meta.get(meta::LOG_LEVEL))
        .map_err(|wrong| ProtocolFault::envelope(format!("`_meta[\"{}\"]` {wrong}", meta::LOG_LEVEL)))?;
    equal("MCP-Protocol-Version", headers.protocol_version, claimed, Encoding::Plain)?;
    equal("Mcp-Method", headers.method, &request.method, Encoding::Plain)?;
    check_name(headers, request)?;
    match ProtocolVersion::parse(claimed) {
        Some(version) if version.era() == Era::Modern => Ok(Envelope {
            version,
            capabilities: raw(meta::CLIENT_CAPABILITIES).unwrap_or_else(RawJson::empty_object),
            client,
            log,
            client_info: raw(meta::CLIENT_INFO),
        }),
        _ => Err(ProtocolFault::version(claimed)),
    }
}

/// The member of `params` that `Mcp-Name` mirrors, by method (MCP 2026-07-28, Transports).
#[must_use]
pub fn named_by(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

fn check_name(headers: &Headers<'_>, request: &InboundRequest) -> Result<(), ProtocolFault> {
    let Some(member) = named_by(&request.method) else { return Ok(()) };
    match request.params.get(member).and_then(Json::as_str) {
        Some(name) => equal("Mcp-Name", headers.name, name, Encoding::Sentinel),
        // No string to compare with: the parameters are refused when they are read.
        None => single("Mcp-Name", headers.name).map(drop),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Plain,
    Sentinel,
}

fn equal(name: &str, values: &[&str], body: &str, encoding: Encoding) -> Result<(), ProtocolFault> {
    let Some(value) = single(name, values)? else {
        return Err(ProtocolFault::header(format!("Header mismatch: the {name} header is missing")));
    };
    let same = match encoding {
        Encoding::Plain => value == body,
        Encoding::Sentinel => {
            let malformed =
                |fault| ProtocolFault::header(format!("Header mismatch: the {name} header is {fault}"));
            header::decode(value).map_err(malformed)? == body
        }
    };
    match same {
        true => Ok(()),
        // What is called for can be what nobody else should read: it is not repeated, for this is recorded.
        false => {
            Err(ProtocolFault::header(format!("Header mismatch: the {name} header does not match the body")))
        }
    }
}

/// The one value, trimmed. Two are refused: readers of the first and of the last would disagree.
fn single<'a>(name: &str, values: &[&'a str]) -> Result<Option<&'a str>, ProtocolFault> {
    match values {
        [] => Ok(None),
        [value] => Ok(Some(header::trim(value))),
        _ => Err(ProtocolFault::header(format!("Header mismatch: the {name} header is repeated"))),
    }
}

enum Named<'a> {
    Nothing,
    Known(ProtocolVersion),
    Unknown(&'a str),
}

fn named_version<'a>(headers: &Headers<'a>) -> Result<Named<'a>, ProtocolFault> {
    Ok(match single("MCP-Protocol-Version", headers.protocol_version)? {
        None => Named::Nothing,
        Some(value) => ProtocolVersion::parse(value).map_or(Named::Unknown(value), Named::Known),
    })
}

fn missing_keys(meta: Option<&Json>) -> ProtocolFault {
    let has = |key: &str, fits: fn(&Json) -> bool| meta.and_then(|meta| meta.get(key)).is_some_and(fits);
    let version = has(meta::PROTOCOL_VERSION, |value| matches!(value, Json::String(_)));
    let capabilities = has(meta::CLIENT_CAPABILITIES, |value| matches!(value, Json::Object(_)));
    let keys = [
        (!version).then(|| format!("`{}` (a string)", meta::PROTOCOL_VERSION)),
        (!capabilities).then(|| format!("`{}` (an object)", meta::CLIENT_CAPABILITIES)),
    ];
    let keys: Vec<_> = keys.into_iter().flatten().collect();
    ProtocolFault::envelope(format!("`params._meta` lacks {}", keys.join(" and ")))
}
