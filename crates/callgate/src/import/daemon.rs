//! Stopping a daemon that has an older configuration. Must never signal a process of another user, nor one that does
//! not hold the admin socket.

use std::time::Duration;

use config::Config;
use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::credential;
use crate::exit::{Failure, NOT_PERMITTED, TRY_AGAIN, UNAVAILABLE};
use crate::remote::Operator;

/// Most time for open calls to reach their outcome.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

/// Asks the daemon to end, and waits until it has. What started it may start it again.
pub(super) async fn replaced(config: &Config) -> Result<Operator, Failure> {
    let gone = |error: std::io::Error| Failure::new(UNAVAILABLE, format!("the daemon: {error}"));
    let stream =
        tokio::net::UnixStream::connect(credential::socket(&config.store.path)).await.map_err(gone)?;
    let peer = stream.peer_cred().map_err(gone)?;
    drop(stream);
    let pid = peer.pid().and_then(Pid::from_raw).filter(|_| peer.uid() == geteuid().as_raw());
    let Some(pid) = pid else {
        return Err(Failure::new(
            NOT_PERMITTED,
            "the daemon is another user's; stop it there, then run this again",
        ));
    };
    kill_process(pid, Signal::TERM).map_err(|error| gone(error.into()))?;
    let late = |_| Failure::new(UNAVAILABLE, "the daemon did not end in time; run this again once it has");
    tokio::time::timeout(ENDS_WITHIN, reached(config, pid)).await.map_err(late)?
}

/// Whoever answers next: another daemon, or this process once the store is free.
async fn reached(config: &Config, old: Pid) -> Result<Operator, Failure> {
    loop {
        let answered = tokio::net::UnixStream::connect(credential::socket(&config.store.path)).await;
        let by = answered.and_then(|stream| stream.peer_cred()).ok().and_then(|peer| peer.pid());
        if by != Some(old.as_raw_nonzero().get()) {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    loop {
        match Operator::reach(config).await {
            Err(failure) if failure.code == TRY_AGAIN => tokio::time::sleep(LOOK).await,
            other => return other,
        }
    }
}
