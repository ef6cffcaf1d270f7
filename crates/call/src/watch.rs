//! Telling a client that listens when it would be shown other tools. Must never tell more than that, nor go on for a
//! caller whose credential has ended.

use std::sync::Arc;

use model::call::Endpoint;
use model::denial::Denial;
use model::digest::Digest;

use crate::driver::Door;
use crate::identified::Caller;

/// What one caller is shown at one endpoint, and whether that changed.
pub struct Watch {
    door: Arc<Door>,
    caller: Caller,
    endpoint: Endpoint,
    shown: Digest,
}

impl Watch {
    /// Begins with what the caller was last shown, or else with what it would be shown now.
    ///
    /// # Errors
    /// `indeterminate` when what it is shown cannot be told.
    pub fn new(
        door: Arc<Door>,
        caller: Caller,
        endpoint: Endpoint,
        shown: Option<Digest>,
    ) -> Result<Self, Denial> {
        let shown = match shown {
            Some(shown) => shown,
            None => door.shown(&caller, &endpoint)?,
        };
        Ok(Self { door, caller, endpoint, shown })
    }

    /// What it was last told of.
    #[must_use]
    pub const fn shown(&self) -> Digest {
        self.shown
    }

    /// Resolves when the caller would be shown something else. Safe to drop and call again.
    ///
    /// # Errors
    /// When its credential is one no longer.
    pub async fn changed(&mut self) -> Result<(), Denial> {
        loop {
            let shown = self.door.shown(&self.caller, &self.endpoint)?;
            if shown != self.shown {
                self.shown = shown;
                return Ok(());
            }
            self.door.ports.snapshots.moved(self.caller.snapshot.epoch).await;
            self.verify().await?;
        }
    }

    /// Verifies the credential again, for it may end by its time alone.
    ///
    /// # Errors
    /// When it is one no longer.
    pub async fn verify(&mut self) -> Result<(), Denial> {
        self.caller = self.caller.refresh(&self.door.ports).await?;
        Ok(())
    }
}
