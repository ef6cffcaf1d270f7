//! Cursors of upstream lists, as clients get them: sealed for one agent, door and method (ADR 0023). Must never show a
//! client a server's own cursor, nor send a server anything but its own.

use std::sync::Arc;

use call::Door;
use mcp::fault::ProtocolFault;
use mcp::jsonrpc::{RpcError, code};
use mcp::page::{self, Next};
use model::call::{Endpoint, ToolCall};
use model::digest::Digest;
use model::ids::{AgentId, ServerName};
use model::json::RawJson;
use model::limits::JsonLimits;
use model::method::Method;
use ports::fault::Fault;
use ports::handles::{Bound, Kind};

/// How long a cursor is good. Those of servers rarely live longer.
const GOOD_SECONDS: i64 = 24 * 60 * 60;

/// Where lists of servers go on.
pub(super) type Positions = Vec<(ServerName, String)>;

/// What the cursors of one request are bound to.
pub(super) struct Cursors {
    door: Arc<Door>,
    agent: AgentId,
    endpoint: Endpoint,
    method: Method,
}

impl Cursors {
    /// Of the pages that a call asks for; `None` when its answer has none.
    pub(super) fn of(door: &Arc<Door>, agent: &AgentId, call: &ToolCall) -> Option<Self> {
        let (door, agent, endpoint) = (Arc::clone(door), agent.clone(), call.endpoint.clone());
        page::is_list(call.method).then_some(Self { door, agent, endpoint, method: call.method })
    }

    /// Where the list that a call asks for begins: `None` at its beginning.
    pub(super) fn begin(&self, call: &ToolCall) -> Result<Option<Positions>, ProtocolFault> {
        let Some(text) = page::cursor(&call.arguments).map_err(ProtocolFault::params)? else {
            return Ok(None);
        };
        let opened =
            self.open(text).ok_or_else(|| ProtocolFault::params("`cursor` was not given by this server"));
        opened.map(Some)
    }

    fn open(&self, text: &str) -> Option<Positions> {
        let ports = self.door.ports();
        let payload = self.bound(&purpose(), |bound| ports.handles.open(bound, text, ports.clock.now()))?;
        read(&payload)
    }

    /// The text for a client.
    pub(super) fn seal(&self, positions: &[(ServerName, String)]) -> Result<String, Fault> {
        let ports = self.door.ports();
        let expires = ports.clock.now().plus_seconds(GOOD_SECONDS);
        let payload = written(positions);
        self.bound(&purpose(), |bound| ports.handles.seal(bound, &payload, expires))
    }

    fn bound<T>(&self, digest: &Digest, with: impl FnOnce(&Bound<'_>) -> T) -> T {
        let Self { agent, endpoint, method, .. } = self;
        with(&Bound { kind: Kind::Cursor, agent, endpoint, method: *method, digest })
    }

    /// A page of this server for the client.
    pub(super) fn page(&self, server: &ServerName, result: &RawJson) -> Result<RawJson, RpcError> {
        match page::next(result) {
            Next::End => Ok(page::with_next(result, None)),
            Next::At(cursor) => match self.seal(&[(server.clone(), cursor)]) {
                Ok(text) => Ok(page::with_next(result, Some(&text))),
                Err(fault) => Err(broken(server, &fault.to_string())),
            },
            Next::Broken => Err(broken(server, "it is no text")),
        }
    }
}

/// The end of a list must not look like its end when it is none.
fn broken(server: &ServerName, why: &str) -> RpcError {
    tracing::warn!(%server, why, "the cursor of a list cannot be carried");
    RpcError::new(code::INTERNAL_ERROR, "the list goes on, but the server's `nextCursor` cannot be carried")
}

/// All that such a list can be asked for is where to go on.
fn purpose() -> Digest {
    Digest::of_parts("callgate/cursor/v1", &[])
}

/// The call, with the server's own cursor in place of the client's.
pub(super) fn from(call: ToolCall, cursor: Option<&str>) -> Option<ToolCall> {
    let raw = page::from(&call.arguments_raw, cursor);
    with_arguments(call, &raw)
}

/// The call with other arguments; `None` when they are beyond the bounds of a request.
pub(super) fn with_arguments(call: ToolCall, raw: &RawJson) -> Option<ToolCall> {
    let (arguments_raw, arguments) = RawJson::parse(raw.as_bytes().clone(), &JsonLimits::REQUEST).ok()?;
    Some(ToolCall { arguments, arguments_raw, ..call })
}

/// Each name and cursor with its length before it.
fn written(positions: &[(ServerName, String)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (server, cursor) in positions {
        for text in [server.as_str(), cursor] {
            out.extend_from_slice(&(text.len() as u64).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

fn read(mut bytes: &[u8]) -> Option<Positions> {
    let mut positions = Vec::new();
    while !bytes.is_empty() {
        let server = ServerName::parse(take(&mut bytes)?).ok()?;
        positions.push((server, take(&mut bytes)?.to_owned()));
    }
    Some(positions)
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let (text, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back_and_nothing_else_is_read_as_some() {
        let name = |name: &str| ServerName::parse(name).unwrap();
        let positions = vec![(name("git"), String::new()), (name("notes"), "\u{e9}=2".to_owned())];
        let bytes = written(&positions);
        assert_eq!(read(&bytes), Some(positions));
        assert_eq!(read(&[]), Some(Vec::new()));
        assert!((1..bytes.len()).all(|end| read(&bytes[..end]).is_none_or(|read| read.len() == 1)));
        assert_eq!(read(&[0xff; 9]), None);
    }
}
