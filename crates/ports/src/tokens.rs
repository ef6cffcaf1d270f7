//! Tokens that Callgate got for upstream servers, sealed at rest. Must never be kept anywhere else, nor be read by
//! anything but the upstream adapter.

use model::ids::ServerName;

use crate::BoxFuture;
use crate::fault::Fault;
use crate::secret::Secret;

/// How the names of tokens begin in the sealed store; the server's name follows.
pub const PREFIX: &str = "oauth/";

/// The name of a server's tokens in the sealed store.
#[must_use]
pub fn sealed_name(server: &ServerName) -> String {
    format!("{PREFIX}{server}")
}

/// Tells one state of the store from another. Equal stamps mean that nothing was written in between.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp(pub u128);

/// One text for each server, in a form that the upstream adapter alone knows.
pub trait TokenStore: Send + Sync {
    /// Changes with every change of the store, by whichever process. Cheap: asked before each request.
    fn stamp(&self) -> Stamp;

    /// What is kept for a server.
    ///
    /// # Errors
    /// When the store cannot be read, in words for an operator.
    fn load<'a>(&'a self, server: &'a ServerName) -> BoxFuture<'a, Result<Option<Secret>, Fault>>;

    /// Keeps this in place of what was kept, durably.
    ///
    /// # Errors
    /// When the store cannot be written. What was kept is unchanged then.
    fn keep<'a>(&'a self, server: &'a ServerName, text: &'a Secret) -> BoxFuture<'a, Result<(), Fault>>;

    /// Forgets what is kept; false when there was nothing.
    ///
    /// # Errors
    /// When the store cannot be written. Nothing is changed then.
    fn forget<'a>(&'a self, server: &'a ServerName) -> BoxFuture<'a, Result<bool, Fault>>;
}
