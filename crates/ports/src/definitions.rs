//! What upstreams list, reported to the registry before a connection may serve a call.

use model::ids::ServerName;
use model::json::RawJson;

use crate::BoxFuture;
use crate::fault::Fault;

/// Hears what a server lists. Implemented by `admin`.
pub trait DefinitionObserver: Send + Sync {
    /// A connection to `server` listed exactly these tools, each element as it came. Resolves once the registry
    /// is durable and published; the connection serves calls only then.
    fn observed<'a>(
        &'a self,
        server: &'a ServerName,
        tools: Vec<RawJson>,
    ) -> BoxFuture<'a, Result<(), Fault>>;
}
