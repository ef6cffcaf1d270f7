//! Opaque texts that a client is given and brings back: request states, cursors, ids of tasks. Must never be enough by
//! themselves: whoever brings one is identified and decided on as without it.

use model::call::Endpoint;
use model::digest::Digest;
use model::ids::AgentId;
use model::method::Method;
use model::time::Micros;

use crate::fault::Fault;

/// Most bytes of a payload.
pub const PAYLOAD_BYTES_MAX: usize = 4 << 10;

/// What a handle is for. A handle of one kind is none of another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Kind {
    /// Where a suspended call goes on. Good in the process that sealed it only.
    RequestState,
    /// Where a list goes on. Survives a restart.
    Cursor,
    /// A task of an upstream. Survives a restart.
    Task,
}

/// What a handle is bound to: opening it needs exactly the same.
#[derive(Clone, Copy)]
pub struct Bound<'a> {
    /// What it is for.
    pub kind: Kind,
    /// To whom it was given.
    pub agent: &'a AgentId,
    /// At which door.
    pub endpoint: &'a Endpoint,
    /// For which method.
    pub method: Method,
    /// Of whatever else has to be the same: canonical arguments, the server.
    pub digest: &'a Digest,
}

/// Seals and opens handles.
pub trait Handles: Send + Sync {
    /// An opaque text of printable ASCII without spaces, good until `expires`. No two are alike.
    ///
    /// # Errors
    /// [`Fault`] when the payload is longer than [`PAYLOAD_BYTES_MAX`], or the system gives no randomness.
    fn seal(&self, bound: &Bound<'_>, payload: &[u8], expires: Micros) -> Result<String, Fault>;
    /// The payload of a text that was sealed for exactly this and has not expired at `now`. `None` says nothing
    /// about why; any text may be asked for.
    fn open(&self, bound: &Bound<'_>, text: &str, now: Micros) -> Option<Vec<u8>>;
}
