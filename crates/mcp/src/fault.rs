//! What a client did wrong on the protocol level, ready to be answered. Must never quote more of the input than
//! a short, escaped piece.

use bytes::Bytes;
use model::client::ClientCapabilities;
use model::denial::Reason;
use model::json::{JsonFault, JsonProblem, RawJson};

use crate::asking;
use crate::jsonrpc::{RequestId, RpcError, code, error_message};
use crate::server_task::EXTENSION;
use crate::version::{Era, ProtocolVersion};
use crate::write::Writer;

/// A refusal on the protocol level: a JSON-RPC error and the HTTP status it travels under (MCP 2026-07-28, Transports).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", error.message)]
pub struct ProtocolFault {
    /// The HTTP status.
    pub status: u16,
    /// The request's id, when it could be read.
    pub id: Option<RequestId>,
    /// The error. Its message is safe for the caller.
    pub error: RpcError,
}

impl ProtocolFault {
    fn new(status: u16, code: i64, message: impl Into<String>) -> Self {
        Self { status, id: None, error: RpcError::new(code, message) }
    }

    /// The body to answer with.
    #[must_use]
    pub fn message(&self) -> Bytes {
        error_message(self.id.as_ref(), &self.error)
    }

    /// The stable code for the record.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self.error.code {
            code::METHOD_NOT_FOUND => Reason::UnknownMethod,
            _ => Reason::Malformed,
        }
    }

    /// Adds the id to answer under.
    #[must_use]
    pub fn with_id(mut self, id: Option<RequestId>) -> Self {
        self.id = id;
        self
    }

    /// The body is not JSON, or breaks a limit.
    #[must_use]
    pub fn json(fault: &JsonFault) -> Self {
        let message = format!("the body was refused: {fault}");
        match fault.problem {
            JsonProblem::Encoding
            | JsonProblem::Syntax
            | JsonProblem::LoneSurrogate
            | JsonProblem::TrailingBytes => Self::new(400, code::PARSE_ERROR, message),
            JsonProblem::TooLarge => Self::new(413, code::INVALID_REQUEST, message),
            JsonProblem::DuplicateName
            | JsonProblem::TooDeep
            | JsonProblem::TooMany
            | JsonProblem::NumberTooLong => Self::new(400, code::INVALID_REQUEST, message),
        }
    }

    /// Not one well-formed JSON-RPC message.
    #[must_use]
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(400, code::INVALID_REQUEST, message)
    }

    /// The `_meta` envelope is missing or incomplete.
    #[must_use]
    pub fn envelope(message: impl Into<String>) -> Self {
        Self::new(400, code::INVALID_PARAMS, message)
    }

    /// The parameters of a known method are wrong. In band: status 200, which MCP leaves open.
    #[must_use]
    pub fn params(message: impl Into<String>) -> Self {
        Self::new(200, code::INVALID_PARAMS, message)
    }

    /// A header is missing, repeated, malformed, or differs from the body.
    #[must_use]
    pub fn header(message: impl Into<String>) -> Self {
        Self::new(400, code::HEADER_MISMATCH, message)
    }

    /// The revision is not served this way; `data` names those that are, modern ones only.
    #[must_use]
    pub fn version(requested: &str) -> Self {
        let mut out = Writer::with_capacity(96);
        out.raw(r#"{"supported":["#);
        for (position, version) in ProtocolVersion::MODERN.iter().enumerate() {
            out.raw(if position > 0 { "," } else { "" }).string(version.as_str());
        }
        out.raw(r#"],"requested":"#).string(&short(requested)).raw("}");
        let mut fault = Self::new(400, code::UNSUPPORTED_VERSION, "Unsupported protocol version");
        fault.error.data = Some(out.into_json());
        fault
    }

    /// A method that is unknown, removed, or not carried.
    #[must_use]
    pub fn method(era: Era, method: &str) -> Self {
        let status = match era {
            Era::Modern => 404,
            Era::Legacy => 200,
        };
        Self::new(status, code::METHOD_NOT_FOUND, format!("Method not found: {}", short(method)))
    }

    /// A request that names an upstream task, by a client that does not declare the extension.
    #[must_use]
    pub fn tasks_undeclared() -> Self {
        let text = format!("this request names a task: declare the extension `{EXTENSION}` with it");
        let mut fault = Self::new(400, code::MISSING_CAPABILITY, text);
        fault.error.data = Some(asking::required(ClientCapabilities::SERVER_TASKS));
        fault
    }

    /// A legacy message without `Mcp-Session-Id`.
    #[must_use]
    pub fn session_missing() -> Self {
        Self::new(
            400,
            code::INVALID_REQUEST,
            "no `Mcp-Session-Id` header: send `initialize` first, or the `_meta` envelope of 2026-07-28",
        )
    }

    /// A legacy request with a session id that is unknown, ended, or another principal's: one answer for all.
    #[must_use]
    pub fn session_unknown() -> Self {
        Self::new(404, code::INVALID_REQUEST, "unknown session: send `initialize` again")
    }

    /// An HTTP method that is not served. The answer also needs `Allow`.
    #[must_use]
    pub fn http_method() -> Self {
        Self::new(405, code::INVALID_REQUEST, "this endpoint takes POST, and GET and DELETE with a session")
    }

    /// The error's data, raw.
    #[must_use]
    pub const fn data(&self) -> Option<&RawJson> {
        self.error.data.as_ref()
    }
}

/// At most 64 characters, controls escaped.
pub(crate) fn short(text: &str) -> String {
    text.chars()
        .take(64)
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}
