//! Keeps a server with sessions subscribed to what is wanted on its lane. Must never leave it subscribed to what nobody
//! wants any more while it can be told.

use std::collections::BTreeSet;
use std::future::Future;

use bytes::Bytes;
use mcp::outbound;
use mcp::reply::Outcome;
use model::denial::Reason;
use model::ids::ServerName;
use ports::upstream::{Answer, UpstreamFault};
use tokio::time::{Duration, timeout};

use super::ear::{Ear, Verdict};
use crate::fault::maybe_sent;

/// Most time for one answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Whoever can ask a server something beside calls.
pub(crate) trait Asker: Send + Sync {
    /// The server.
    fn server(&self) -> &ServerName;
    /// Sends a request and waits for its answer.
    fn ask(
        &self,
        message: impl Fn(u64) -> Bytes + Send + Sync,
    ) -> impl Future<Output = Result<Outcome, UpstreamFault>> + Send;
    /// An error that may be shown to who subscribes.
    fn refusal(&self, outcome: Outcome) -> Result<Answer, UpstreamFault>;
}

/// Goes on until the server fails, or nobody listens.
pub(crate) async fn keep_subscribed(ear: &Ear, asker: &impl Asker) {
    let mut changes = ear.watch();
    let mut made: BTreeSet<Box<str>> = BTreeSet::new();
    loop {
        changes.mark_unchanged();
        let wanted = ear.wanted().uris;
        let ended: Vec<Box<str>> = made.difference(&wanted).cloned().collect();
        for uri in ended {
            made.remove(&uri);
            // Best effort: what it says of it nevertheless reaches nobody.
            let _untold = in_time(asker, |id| outbound::unsubscribe(id, &uri)).await;
        }
        for uri in wanted {
            if made.contains(&uri) {
                ear.settle(&uri, &Ok(None));
                continue;
            }
            let waits = ear.waits_for(&uri);
            let verdict = subscribe(asker, &uri).await;
            ear.settle(&uri, &verdict);
            match verdict {
                Ok(None) => drop(made.insert(uri)),
                Ok(Some(_)) => {}
                // Whoever waited was told, and goes.
                Err(_) if waits => {}
                Err(fault) => {
                    tracing::debug!(server = %asker.server(), why = %fault.private, "not subscribed again");
                    return;
                }
            }
        }
        if !ear.is_wanted() && made.is_empty() {
            return;
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn subscribe(asker: &impl Asker, uri: &str) -> Verdict {
    match in_time(asker, |id| outbound::subscribe(id, uri)).await? {
        Outcome::Result(_) => Ok(None),
        refused @ Outcome::Error(_) => asker.refusal(refused).map(Some),
    }
}

async fn in_time(
    asker: &impl Asker,
    message: impl Fn(u64) -> Bytes + Send + Sync,
) -> Result<Outcome, UpstreamFault> {
    timeout(ANSWERED_WITHIN, asker.ask(message)).await.unwrap_or_else(|_| {
        let what = "it did not answer a subscription in time";
        Err(maybe_sent(Reason::UpstreamTimeout, asker.server(), what))
    })
}
