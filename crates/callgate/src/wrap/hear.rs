//! What the daemon says unasked: the stream of the client's session, as lines. Must never start a daemon, nor keep the
//! client's own messages waiting.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use mcp::announce::{self, List};

use super::door::DoorFault;
use super::reply;
use super::shim::Shim;

/// Between two tries to open it, ...
const AGAIN: Duration = Duration::from_secs(2);
/// ... and when the agent has as many streams open as it may.
const MUCH_LATER: Duration = Duration::from_secs(300);

/// Listens for as long as the shim runs.
pub(super) async fn listen(shim: &Shim) {
    let heard = shim.session().lock().await.heard();
    let mut before: Option<HeaderMap> = None;
    loop {
        let Some(headers) = shim.session().lock().await.listenable() else {
            heard.notified().await;
            continue;
        };
        if before.as_ref().is_some_and(|before| *before != headers) {
            // Another daemon: what it shows may be other than what the client was shown last.
            shim.output().put(&announce::changed(List::Tools, None)).await;
        }
        before = Some(headers.clone());
        match once(shim, headers).await {
            Some(pause) => tokio::time::sleep(pause).await,
            // The session is opened again when the client has something to say.
            None => heard.notified().await,
        }
    }
}

/// One stream to its end, and how long to wait for the next. None when the daemon does not know the session, or opens no
/// streams.
async fn once(shim: &Shim, headers: HeaderMap) -> Option<Duration> {
    let answer = match shim.door().listen(headers).await {
        Ok(answer) => answer,
        Err(DoorFault::Away | DoorFault::Lost | DoorFault::Silent(_)) => return Some(AGAIN),
        Err(DoorFault::Unusable(_)) => return None,
    };
    if !reply::is_stream(&answer) {
        return (answer.response.status() == StatusCode::TOO_MANY_REQUESTS).then_some(MUCH_LATER);
    }
    // However it ends, it is opened again.
    drop(reply::stream(answer, shim.output()).await);
    Some(AGAIN)
}
