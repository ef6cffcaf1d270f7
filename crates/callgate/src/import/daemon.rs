//! Stopping a daemon that has an older configuration. Must never signal a process of another user, nor one that does
//! not hold the admin socket.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process, test_kill_process};

use crate::credential;
use crate::exit::{Failure, NOT_PERMITTED, UNAVAILABLE};

/// Most time for open calls to reach their outcome.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

/// Asks the daemon of a state directory to end, and waits until it has. What started it may start it again.
pub(super) async fn stop(state: &Path) -> Result<(), Failure> {
    let gone = |error: std::io::Error| Failure::new(UNAVAILABLE, format!("the daemon: {error}"));
    let stream = tokio::net::UnixStream::connect(credential::socket(state)).await.map_err(gone)?;
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
    let ended = async {
        while test_kill_process(pid).is_ok() {
            tokio::time::sleep(LOOK).await;
        }
    };
    let late = |_| Failure::new(UNAVAILABLE, "the daemon did not end in time; run this again once it has");
    tokio::time::timeout(ENDS_WITHIN, ended).await.map_err(late)
}
