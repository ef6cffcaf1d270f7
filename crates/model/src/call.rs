//! One request to use a tool, bounded and canonical. Must never carry the client's envelope, only its leaves.

use crate::client::{ClientCapabilities, LogLevel};
use crate::digest::Digest;
use crate::ids::ServerName;
use crate::json::{Json, RawJson};
use crate::method::Method;
use crate::tool::{PinnedTool, ToolRef};

/// Which door the request came to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Endpoint {
    /// `/mcp`: every server, tools named `server__tool`.
    All,
    /// `/mcp/{server}`: one server, its own tool names.
    Server(ServerName),
}

/// A request as the edge parsed it. The tool is a name still: nothing is looked up yet.
#[derive(Clone, Debug)]
pub struct ToolCall {
    /// Which door.
    pub endpoint: Endpoint,
    /// What is asked.
    pub method: Method,
    /// Of `tools/call`: the name as the client wrote it, at most 256 bytes, any characters. Of other methods: the server
    /// that is asked, where the door is that of all; else empty.
    pub name: String,
    /// The arguments, parsed. Always an object. Of other methods: their parameters.
    pub arguments: Json,
    /// The same, its leaves byte for byte, to be spliced upstream.
    pub arguments_raw: RawJson,
    /// What else goes upstream with it.
    pub meta: CallMeta,
}

/// What comes with a request beside its arguments: what the client can do, what it wants to hear, trace context.
#[derive(Clone, Debug, Default)]
pub struct CallMeta {
    /// True when the client asked for progress. Its token stays at the edge; upstream gets one of ours.
    pub wants_progress: bool,
    /// Members to splice into the upstream `_meta`, raw: `traceparent`, `tracestate`, `baggage`.
    pub trace: Vec<(Box<str>, RawJson)>,
    /// What the server may ask of the client while the call is open.
    pub client: ClientCapabilities,
    /// From which level on the client wants log messages of this call; none, when it did not ask for any.
    pub log: Option<LogLevel>,
    /// The upstream task that it is about.
    pub server_task: Option<Box<ServerTask>>,
}

/// What a server made of a tool call that takes its time (extension `io.modelcontextprotocol/tasks`), as the handle tells
/// that its client brought. No [`crate::task::Task`]. It permits nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerTask {
    /// The tool that was called.
    pub tool: ToolRef,
    /// The definition at which the call was decided.
    pub definition: Digest,
    /// What the server was told of the client's abilities.
    pub client: ClientCapabilities,
    /// What the client calls it.
    pub handle: Box<str>,
}

/// Identifies what an approval can be bound to: tool definition and arguments, nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct CallDigest(pub Digest);

impl CallDigest {
    /// Over the pinned tool and the canonical arguments.
    #[must_use]
    pub fn of(tool: &PinnedTool, canonical_arguments: &str) -> Self {
        let parts: [&[u8]; 4] = [
            tool.name.server.as_str().as_bytes(),
            tool.name.tool.as_str().as_bytes(),
            tool.definition.as_bytes(),
            canonical_arguments.as_bytes(),
        ];
        Self(Digest::of_parts("callgate/call/v1", &parts))
    }
}
