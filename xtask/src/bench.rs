//! The bench pieces: a fast upstream, a bare proxy and a load generator, all on loopback only.
//!
//! They do what a client and a server of MCP do on a normal HTTP library, parse and build JSON, and nothing else: they
//! share the cores with the gateway, so what they waste flatters every ratio, and what they leave out is not MCP.
//! Must never do work only to be slower; must never listen on, or connect to, anything but loopback.

pub(crate) mod client;
pub(crate) mod load;
pub(crate) mod proxy;
pub(crate) mod seen;
pub(crate) mod serve;
pub(crate) mod upstream;
pub(crate) mod wire;
