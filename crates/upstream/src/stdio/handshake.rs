//! The first words with a child: which era does it speak? Must never serve a call before this is settled.
//!
//! `Auto` asks `initialize` first and `server/discover` when that is refused with an error. Asking `discover`
//! first needs a throw-away process, since some older servers exit on any other first message; every server
//! of both eras answers `initialize`, and one that speaks only the modern era refuses it with an error.

use mcp::outbound;
use mcp::probe::{Verdict, judge};
use mcp::reply::{Offers, Outcome};
use mcp::version::ProtocolVersion;
use ports::upstream::UpstreamFault;

use super::StdioConnection;
use crate::config::Era;
use crate::fault::unavailable;
use crate::speak::{client, legacy_version};

impl StdioConnection {
    pub(super) async fn handshake(&self, era: Era) -> Result<(ProtocolVersion, Offers), UpstreamFault> {
        if era == Era::Modern {
            return self.discover().await;
        }
        let outcome = self
            .ask(|id| outbound::initialize(id, ProtocolVersion::LATEST_LEGACY, client(), self.client))
            .await?;
        match outcome {
            Outcome::Result(result) => {
                let version = legacy_version(&self.server, &result)?;
                self.outbox.send(outbound::initialized()).await.map_err(|_| self.gone())?;
                Ok((version, result.offers()))
            }
            Outcome::Error(_) if era == Era::Auto => self.discover().await,
            Outcome::Error(error) => {
                Err(unavailable(&self.server, format!("it refuses `initialize` with error {}", error.code)))
            }
        }
    }

    async fn discover(&self) -> Result<(ProtocolVersion, Offers), UpstreamFault> {
        let outcome = self.ask(|id| outbound::discover(id, ProtocolVersion::LATEST, client())).await?;
        match judge(&outcome, None) {
            Verdict::Modern(version) => Ok((version, outcome.offers())),
            Verdict::Incompatible => {
                Err(unavailable(&self.server, "it speaks only revisions that we do not speak"))
            }
            Verdict::Legacy => {
                Err(unavailable(&self.server, "it answers neither `initialize` nor `server/discover`"))
            }
        }
    }
}
