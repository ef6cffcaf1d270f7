//! The traits between the path of a call and the world, and the promise each makes. The floor of ring 1.
//!
//! Must never contain behaviour: an adapter lives in ring 2, a use case in `call` or `admin`. There is no
//! optional port: what is absent has an adapter that says no.

pub mod approvals;
pub mod broker;
pub mod changes;
pub mod clock;
pub mod control;
pub mod definitions;
pub mod fault;
pub mod handles;
pub mod identity;
pub mod record;
pub mod revocation;
pub mod sealed;
pub mod snapshot;
pub mod tokens;
pub mod upstream;

pub use model::secret;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A boxed future: ports are object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Everything the path of a call reaches the world through.
#[derive(Clone)]
pub struct Ports {
    /// Who is calling.
    pub identity: Arc<dyn identity::Identity>,
    /// What decisions are made from.
    pub snapshots: Arc<dyn snapshot::Snapshots>,
    /// The durable record.
    pub record: Arc<dyn record::Record>,
    /// Evidence of approvals.
    pub approvals: Arc<dyn approvals::Approvals>,
    /// Upstream credentials.
    pub broker: Arc<dyn broker::Broker>,
    /// Opaque texts for clients.
    pub handles: Arc<dyn handles::Handles>,
    /// Upstream servers.
    pub upstreams: Arc<dyn upstream::Upstreams>,
    /// Time.
    pub clock: Arc<dyn clock::Clock>,
    /// Randomness.
    pub entropy: Arc<dyn clock::Entropy>,
    /// Where supervised calls run.
    pub spawner: Arc<dyn clock::Spawner>,
}
