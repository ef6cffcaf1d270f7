//! JSON-RPC and MCP messages of every supported revision: bytes in, messages out. Ring 0, part of the PEP's edge.
//!
//! Must never do I/O nor decide whether a call is allowed, and never pass an envelope on: every message that
//! leaves is written here from parsed parts, with raw leaves (arguments, results) spliced byte for byte.

pub mod announce;
pub mod answer;
pub mod asking;
pub mod classify;
pub mod declared;
pub mod edit;
pub mod fault;
pub mod header;
mod hygiene;
pub mod implementation;
pub mod inbound;
pub mod jsonrpc;
pub mod line;
pub mod merge;
pub mod meta;
pub mod outbound;
pub mod page;
pub mod param_header;
pub mod probe;
pub mod question;
pub mod relay;
pub mod reply;
pub mod request;
pub mod retry;
pub mod server_task;
pub mod shape;
mod splice;
pub mod sse;
pub mod template;
pub mod version;
mod write;
