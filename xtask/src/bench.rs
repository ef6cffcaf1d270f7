//! The bench pieces: a fast upstream, a bare proxy and a load generator, all on loopback only.
//!
//! Must never be slower than needed: they share the cores with the gateway, and a slow load generator would
//! flatter every ratio. Must never listen on, or connect to, anything but loopback.

pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod proxy;
pub(crate) mod seen;
pub(crate) mod serve;
pub(crate) mod upstream;
pub(crate) mod wire;
