//! Keeps a stateless server telling what is wanted on its lane, with one `subscriptions/listen` at a time (MCP 2026-07-28,
//! Subscriptions). Must never end the one that is there before the server granted the next.

use std::future::{Future, pending};

use model::denial::Reason;
use model::ids::ServerName;
use ports::upstream::{Answer, UpstreamFault};
use tokio::time::{Duration, timeout};

use super::ear::{Ear, Verdict, Wanted};
use crate::fault::maybe_sent;

/// Most time until the server acknowledges.
const GRANTED_WITHIN: Duration = Duration::from_secs(10);

/// What a server said to a `subscriptions/listen`.
pub(crate) enum Opened<S> {
    /// It tells from now on, of these URIs.
    Granted(S, Vec<Box<str>>),
    /// It refused.
    Refused(Answer),
}

/// Whoever can listen to a stateless server.
pub(crate) trait Teller: Send + Sync {
    /// What is told on; dropped, the server is told that nobody listens.
    type Stream: Send;
    /// The server.
    fn server(&self) -> &ServerName;
    /// Asks for it; resolves with the server's acknowledgement.
    fn open(
        &self,
        wanted: &Wanted,
    ) -> impl Future<Output = Result<Opened<Self::Stream>, UpstreamFault>> + Send;
    /// Resolves when it has ended. Safe to drop and call again.
    fn ended(&self, stream: &mut Self::Stream) -> impl Future<Output = ()> + Send;
}

/// Goes on until the server fails, or nobody listens.
pub(crate) async fn keep_listening<T: Teller>(ear: &Ear, teller: &T) {
    let mut changes = ear.watch();
    let (mut current, mut asked) = (None, None);
    while ear.is_wanted() {
        changes.mark_unchanged();
        let wanted = ear.wanted();
        if asked.as_ref() != Some(&wanted) {
            let opened = tokio::select! {
                opened = timeout(GRANTED_WITHIN, teller.open(&wanted)) => opened,
                () = lost(teller, &mut current) => return,
            };
            match opened.unwrap_or_else(|_| Err(late(teller.server()))) {
                Ok(Opened::Granted(stream, granted)) => {
                    // What was there before ends here.
                    current = Some((stream, granted));
                    ear.attend(true);
                }
                Ok(Opened::Refused(answer)) => settle(ear, &wanted, &Ok(Some(answer))),
                Err(fault) => {
                    settle(ear, &wanted, &Err(fault));
                    return;
                }
            }
            asked = Some(wanted.clone());
        }
        if let Some((_, granted)) = &current {
            for uri in &wanted.uris {
                let told = granted.contains(uri);
                ear.settle(uri, &Ok((!told).then(not_granted)));
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = lost(teller, &mut current) => return,
        }
    }
}

fn settle(ear: &Ear, wanted: &Wanted, verdict: &Verdict) {
    wanted.uris.iter().for_each(|uri| ear.settle(uri, verdict));
}

/// Never, when there is nothing to lose.
async fn lost<T: Teller>(teller: &T, current: &mut Option<(T::Stream, Vec<Box<str>>)>) {
    match current {
        Some((stream, _)) => teller.ended(stream).await,
        None => pending().await,
    }
}

fn late(server: &ServerName) -> UpstreamFault {
    maybe_sent(Reason::UpstreamTimeout, server, "it did not acknowledge a subscription in time")
}

fn not_granted() -> Answer {
    let message = "the server does not tell when this resource changes".to_owned();
    Answer::Error { code: mcp::jsonrpc::code::INVALID_PARAMS, message, data: None }
}
