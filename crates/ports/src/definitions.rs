//! What upstreams offer, reported to the registry before a connection may serve a call.

use model::ids::ServerName;
use model::json::RawJson;
use model::method::Method;

use crate::BoxFuture;
use crate::fault::Fault;

/// What one connection found a server to offer.
#[derive(Clone, Debug, Default)]
pub struct Offered {
    /// The elements of its `tools/list`, as they came.
    pub tools: Vec<RawJson>,
    /// The methods beside tools that its capabilities declare.
    pub methods: Vec<Method>,
}

/// Hears what a server offers. Implemented by `admin`.
pub trait DefinitionObserver: Send + Sync {
    /// A connection to `server` found exactly this. Resolves once the registry is durable and published; the
    /// connection serves calls only then.
    fn observed<'a>(&'a self, server: &'a ServerName, offered: Offered) -> BoxFuture<'a, Result<(), Fault>>;
}
