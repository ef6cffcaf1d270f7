//! Who is calling (PIP). Must never answer from anything but the presented credential and the directory.

use model::denial::Denial;
use model::ids::AgentId;
use model::principal::Principal;
use model::time::Micros;

use crate::BoxFuture;
use crate::secret::Secret;
use crate::snapshot::Snapshot;

/// What the connection presented.
#[derive(Clone)]
pub enum Presented {
    /// Nothing.
    Nothing,
    /// `Authorization: Bearer …` (RFC 6750).
    Bearer(Secret),
    /// A process of this machine over the agents' socket.
    LocalPeer(LocalPeer),
}

/// A process at the other end of a local socket. Only the name of the agent is its own claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPeer {
    /// The user it runs as, from the system.
    pub uid: u32,
    /// The process that opened the connection, from the system. For people who look: it proves nothing.
    pub pid: Option<i32>,
    /// The agent it wants to act as.
    pub claim: AgentId,
}

/// Verifies credentials.
pub trait Identity: Send + Sync {
    /// The principal behind a credential, judged by the directory in `snapshot` at `now`.
    ///
    /// Promises: takes the same time for an unknown key id and a wrong secret; every doubt is a denial
    /// (`unauthenticated` for nothing, `invalid_credential` for everything else).
    fn identify<'a>(
        &'a self,
        presented: &'a Presented,
        snapshot: &'a Snapshot,
        now: Micros,
    ) -> BoxFuture<'a, Result<Principal, Denial>>;
}
