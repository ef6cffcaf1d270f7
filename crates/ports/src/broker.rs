//! Upstream credentials, minted for a permit (PIP). Must never hand one to anything but the upstream adapter.

use model::denial::Denial;
use model::ids::{CallId, ServerName, TaskId};

use crate::BoxFuture;
use crate::secret::Secret;

/// For whom a lease is asked.
#[derive(Clone, Debug)]
pub struct LeaseRequest {
    /// The call.
    pub call: CallId,
    /// Its task: the lease ends with it.
    pub task: TaskId,
    /// The upstream it is for.
    pub server: ServerName,
}

/// A short credential for one upstream. No `Debug`: it may hold a secret.
pub enum Lease {
    /// This upstream asks for none (or got its own at start, from the operator).
    NoCredentialNeeded,
    /// `Authorization: Bearer …` for this upstream only.
    Bearer(Secret),
}

/// Mints and takes back.
pub trait Broker: Send + Sync {
    /// A lease for one permitted call.
    fn lease<'a>(&'a self, request: &'a LeaseRequest) -> BoxFuture<'a, Result<Lease, Denial>>;
    /// The call ended: what was minted for it is given back.
    fn release<'a>(&'a self, request: &'a LeaseRequest) -> BoxFuture<'a, ()>;
}
