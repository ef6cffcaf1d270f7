//! The faces: MCP for agents over HTTP, and the admin API for operators over a Unix socket. Ring 2, PEP edge.
//!
//! Must never decide anything: it turns messages into calls of the door or of administration and back. The two
//! faces share no route and no credential (promise 12).

pub mod agents;
mod body;
mod head;
pub mod listen;
mod newcomers;
pub mod operator;
mod reply;
mod stall;

pub use agents::{AgentFace, FaceSettings};
pub use body::ReplyBody;
pub use listen::{Face, ListenLimits, Shutdown, serve_tcp, serve_unix};
pub use operator::{Daemon, OperatorFace, PolicyFiles, authority::OperatorAuthority};
