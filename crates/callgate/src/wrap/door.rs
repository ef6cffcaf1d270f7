//! One exchange with the daemon over the agents' socket. Must never speak to a process of another user, nor send an
//! exchange twice by itself.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

const AGENT: HeaderName = HeaderName::from_static("callgate-agent");

/// Time for a sign of life.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// How often a daemon that is waited for is asked for one, ...
const LOOK: Duration = Duration::from_secs(7);
/// ... and how often in a row it may owe it when its process is stopped: that is noticed within 30 s, however long the call
/// may take that is waited for.
const MISSES_MAX: u64 = 3;
/// One that runs may only be slow, or so busy that nobody else is let in: what is under way is not given up for that until
/// this many, some six minutes.
const HANGS_AFTER: u64 = 40;
// Each miss, and finding out which process it is.
const _: () =
    assert!(MISSES_MAX * (LOOK.as_secs() + ANSWERS_WITHIN.as_secs()) + ANSWERS_WITHIN.as_secs() < 30);

/// The way to one server through the daemon, as one agent.
pub(super) struct Door {
    pub(super) socket: PathBuf,
    /// `/mcp/NAME`.
    pub(super) path: String,
    pub(super) agent: HeaderValue,
}

/// Why there was no answer.
#[derive(Debug)]
pub(super) enum DoorFault {
    /// Nobody is there. Nothing was sent.
    Away,
    /// It went away after something may have been sent.
    Lost,
    /// It is there and gives no sign of life. What was sent may still happen.
    Silent(Option<i32>),
    /// It cannot be used. Nothing was sent.
    Unusable(String),
}

/// An answer that began. Dropping it closes the connection, which takes a request of the stateless revision back.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    _connection: Connection,
}

/// The task that moves the bytes of one connection.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Door {
    /// Whether the daemon is there and answers. That one can connect says less: who is ending still lets connections
    /// in for a moment, and drops them.
    pub(super) async fn answers(&self) -> bool {
        let asked = self.exchange(Method::GET, "/healthz", Bytes::new(), HeaderMap::new());
        matches!(tokio::time::timeout(ANSWERS_WITHIN, asked).await, Ok(Ok(_)))
    }

    /// Does something with the daemon, for as long as it gives signs of life.
    pub(super) async fn watched<T>(
        &self,
        doing: impl Future<Output = Result<T, DoorFault>>,
    ) -> Result<T, DoorFault> {
        tokio::select! {
            done = doing => done,
            process = self.silence() => Err(DoorFault::Silent(process)),
        }
    }

    /// Resolves once the daemon owes several signs of life; with its process, if that can be told.
    async fn silence(&self) -> Option<i32> {
        let mut misses = 0;
        loop {
            tokio::time::sleep(LOOK).await;
            misses = if self.answers().await { 0 } else { misses + 1 };
            if misses < MISSES_MAX {
                continue;
            }
            let process = self.process().await;
            if misses >= HANGS_AFTER || process.is_some_and(is_stopped) {
                return process;
            }
        }
    }

    /// Whose socket it is.
    async fn process(&self) -> Option<i32> {
        let stream = tokio::time::timeout(ANSWERS_WITHIN, self.connect()).await.ok()?.ok()?;
        stream.peer_cred().ok()?.pid()
    }

    /// Posts one message.
    pub(super) async fn post(&self, text: Bytes, headers: HeaderMap) -> Result<Answer, DoorFault> {
        self.exchange(Method::POST, &self.path, text, headers).await
    }

    /// Opens the stream of a session.
    pub(super) async fn listen(&self, headers: HeaderMap) -> Result<Answer, DoorFault> {
        self.exchange(Method::GET, &self.path, Bytes::new(), headers).await
    }

    /// Ends a session.
    pub(super) async fn delete(&self, headers: HeaderMap) -> Result<Answer, DoorFault> {
        self.exchange(Method::DELETE, &self.path, Bytes::new(), headers).await
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        text: Bytes,
        headers: HeaderMap,
    ) -> Result<Answer, DoorFault> {
        let stream = self.connect().await?;
        let lost = |_: hyper::Error| DoorFault::Lost;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
        // Its error is the request's error too.
        let driving = Connection(tokio::spawn(async move { drop(connection.await) }));
        let mut request = Request::new(Full::new(text));
        *request.method_mut() = method;
        let unusable = |error: http::uri::InvalidUri| DoorFault::Unusable(error.to_string());
        *request.uri_mut() = path.parse().map_err(unusable)?;
        *request.headers_mut() = headers;
        let own = [
            (HOST, HeaderValue::from_static("localhost")),
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (ACCEPT, HeaderValue::from_static("application/json, text/event-stream")),
            (AGENT, self.agent.clone()),
        ];
        request.headers_mut().extend(own);
        let response = sender.send_request(request).await.map_err(lost)?;
        Ok(Answer { response, _connection: driving })
    }

    async fn connect(&self) -> Result<UnixStream, DoorFault> {
        use std::io::ErrorKind::{ConnectionRefused, NotFound, WouldBlock};
        let stream = match UnixStream::connect(&self.socket).await {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused | WouldBlock) => {
                return Err(DoorFault::Away);
            }
            Err(error) => {
                let text = format!("cannot open `{}`: {error}", self.socket.display());
                return Err(DoorFault::Unusable(text));
            }
        };
        let peer = stream.peer_cred().map(|peer| peer.uid()).ok();
        let own = rustix::process::geteuid().as_raw();
        if is_ours(peer, own) {
            return Ok(stream);
        }
        let text = "the agents' socket is answered by another user's process; nothing was sent";
        Err(DoorFault::Unusable(text.to_owned()))
    }
}

/// Whether a process is stopped, by a signal or by who traces it (proc(5), `stat`). One that cannot be told is not.
pub(super) fn is_stopped(process: i32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{process}/stat"));
    state.is_ok_and(|text| text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['T', 't'])))
}

/// Whether the process that answers is this user's, or the system's. One that cannot be told is not.
fn is_ours(peer: Option<u32>, own: u32) -> bool {
    peer.is_some_and(|peer| peer == own || peer == 0)
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn only_this_users_process_or_the_systems_is_spoken_to() {
        assert!(is_ours(Some(1000), 1000) && is_ours(Some(0), 1000) && is_ours(Some(0), 0));
        assert!(!is_ours(Some(1001), 1000) && !is_ours(Some(1000), 0) && !is_ours(None, 1000));
    }
}
