//! Upstream servers. Must never be reached but with a permit, an intent receipt and a lease: `call` alone opens.

use std::time::Duration;

use model::client::{ClientCapabilities, LogLevel};
use model::denial::Reason;
use model::ids::{AgentId, CallId, ServerName};
use model::json::{Json, RawJson};
use model::method::Method;
use model::tool::PinnedTool;

use crate::BoxFuture;
use crate::broker::Lease;
use crate::changes::{Changes, Listening, Subscribed};

/// One permitted call on its way.
pub struct Forward {
    /// The call.
    pub call: CallId,
    /// Whose state an upstream that is not shareable may touch: one child or session per agent.
    pub agent: AgentId,
    /// The tool at the definition that was decided on. The adapter compares `definition` with what the very
    /// connection it will use has listed, and sends nothing when they differ.
    pub tool: PinnedTool,
    /// The arguments, byte for byte as the client sent them.
    pub arguments: RawJson,
    /// `_meta` members to pass on: trace context.
    pub trace: Vec<(Box<str>, RawJson)>,
    /// Whether to ask for progress.
    pub wants_progress: bool,
    /// What the server is told that it may ask of the client. Never declared on a connection that agents share.
    pub client: ClientCapabilities,
    /// Of a request about an upstream task: what the server was told when it made the task. It goes to the same connection.
    pub server_task: Option<ClientCapabilities>,
    /// From which level on log messages of this call are wanted.
    pub log: Option<LogLevel>,
    /// The credential.
    pub lease: Lease,
    /// Most time for the whole call, and again from each answer of the client on.
    pub deadline: Duration,
    /// Most time for the client to answer what the server asks. Then the call ends.
    pub answer_within: Duration,
    /// Most bytes of all events together.
    pub bytes_max: usize,
}

/// What an upstream answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A JSON-RPC result of `tools/call`, untouched.
    Result {
        /// The `result` member.
        result: RawJson,
        /// Its `isError`.
        is_error: bool,
    },
    /// A result that says how an upstream task stands: one that was made of a tool call, or that was asked about.
    ServerTask {
        /// The `result` member, untouched.
        result: RawJson,
        /// The server's own id of the task; once the call is over, what its client calls it.
        id: Box<str>,
        /// What the task asks the client; once the call is over, what of it the client may be shown.
        asks: Vec<Question>,
    },
    /// A JSON-RPC error.
    Error {
        /// Its code.
        code: i64,
        /// Its message, at most 4 KiB.
        message: String,
        /// Its data, when there is any.
        data: Option<RawJson>,
    },
}

/// Whether the upstream may have acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Certainly nothing was sent.
    No,
    /// Something was, or may have been.
    Maybe,
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{private}")]
pub struct UpstreamFault {
    /// Whether the upstream may have acted.
    pub sent: Sent,
    /// The stable code: `upstream_unavailable`, `upstream_timeout`, `upstream_violation`,
    /// `definition_changed`, `cancelled`, `revoked`, `limit_exceeded`.
    pub reason: Reason,
    /// For operators. Holds no credential and no argument.
    pub private: String,
}

/// One thing that came back.
#[derive(Clone, Debug)]
pub enum UpstreamEvent {
    /// `notifications/progress`: its `params` without the token.
    Progress(Progress),
    /// `notifications/message`, at least as grave as was asked for.
    Log(LogMessage),
    /// The server asks before it goes on. Until [`ResultStream::answer`] nothing is asked again, though other events may
    /// follow, the last one included. Empty: it only wants to be called again (MCP 2026-07-28, Multi round-trip requests).
    Asks(Vec<Question>),
    /// The last event.
    Done(Result<Answer, UpstreamFault>),
}

/// Progress of a call (MCP, Progress), numbers as they were written.
#[derive(Clone, Debug)]
pub struct Progress {
    /// How far.
    pub progress: RawJson,
    /// Of how much.
    pub total: Option<RawJson>,
    /// In words.
    pub message: Option<RawJson>,
}

/// A log message (MCP, Logging).
#[derive(Clone, Debug)]
pub struct LogMessage {
    /// How grave.
    pub level: LogLevel,
    /// Who logs, a string.
    pub logger: Option<RawJson>,
    /// What.
    pub data: RawJson,
}

/// One request of a server to the client of a call.
#[derive(Clone, Debug)]
pub struct Question {
    /// What the server calls it; unlike the others that it asks at once. Ours where a server with sessions asks.
    pub key: Box<str>,
    /// One of [`Method::QUESTIONS`], and one the client can answer.
    pub method: Method,
    /// Its parameters, an object, without `_meta`.
    pub params: Json,
    /// The same, each leaf byte for byte.
    pub params_raw: RawJson,
}

/// What came of one question.
#[derive(Clone, Debug)]
pub struct Reply {
    /// [`Question::key`].
    pub key: Box<str>,
    /// The client's result, an object. `None`: refused, or the client did not answer.
    pub result: Option<RawJson>,
}

/// The events of one call: any number of others, then exactly one [`UpstreamEvent::Done`].
pub trait ResultStream: Send {
    /// The next event. After `Done` it is not called again. Ends by itself at the deadline. Safe to drop
    /// and call again.
    fn next(&mut self) -> BoxFuture<'_, UpstreamEvent>;
    /// Answers what was asked last, every question of it, and gives the call its time anew: the call goes on at the
    /// server that asked, and is never sent a second time but as that server's protocol says. Never waits for an answer.
    fn answer(&mut self, replies: Vec<Reply>) -> BoxFuture<'_, ()>;
    /// Tells the upstream to stop (MCP, Cancellation). Best effort, never waits for an answer.
    fn cancel(&mut self) -> BoxFuture<'_, ()>;
}

/// The upstream servers of the configuration.
pub trait Upstreams: Send + Sync {
    /// Sends one call. A fault with [`Sent::No`] means nothing left this process.
    fn open(&self, forward: Forward) -> BoxFuture<'_, Result<Box<dyn ResultStream>, UpstreamFault>>;
    /// Begins one permitted subscription: the argument `uri` says to what. It is begun anew with each connection of the
    /// agent's, without being asked for again. A fault with [`Sent::No`] means nothing left this process.
    fn subscribe(&self, forward: Forward) -> BoxFuture<'_, Result<Subscribed, UpstreamFault>>;
    /// Hears which lists change, on the connections that the agent's calls have begun or will begin: begins none itself.
    fn listen(&self, listening: Listening) -> BoxFuture<'_, Result<Box<dyn Changes>, UpstreamFault>>;
    /// Lists a server's tools now and reports them to the definition observer.
    fn refresh<'a>(&'a self, server: &'a ServerName) -> BoxFuture<'a, Result<(), UpstreamFault>>;
    /// Ends what an agent holds: its children and sessions.
    fn forget<'a>(&'a self, agent: &'a AgentId) -> BoxFuture<'a, ()>;
    /// Ends everything: children are stopped, sessions closed.
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}
