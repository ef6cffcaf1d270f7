//! Accepting connections and ending them. Must never let one connection hold what others need: each is bounded in
//! headers and time, and their number is bounded.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::body::ReplyBody;
use crate::newcomers::{Newcomer, Newcomers};
use crate::stall::Unstalled;

/// Bounds on connections.
#[derive(Clone, Copy, Debug)]
pub struct ListenLimits {
    /// Connections open at once; more wait to be accepted.
    pub connections_max: usize,
    /// Time for the head of a request, from its first byte or from the end of the one before.
    pub head_within: Duration,
    /// Bytes of the head.
    pub head_bytes_max: usize,
    /// Connections that have not proven anybody yet; one more and the oldest of them is closed.
    pub newcomers_max: usize,
    /// Time a connection has to prove somebody.
    pub prove_within: Duration,
    /// Time a write may make no progress.
    pub stall_within: Duration,
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            head_within: Duration::from_secs(60),
            head_bytes_max: 64 << 10,
            newcomers_max: 256,
            prove_within: Duration::from_secs(10),
            stall_within: Duration::from_secs(30),
        }
    }
}

/// Becomes true once, when everything is to end.
pub type Shutdown = watch::Receiver<bool>;

/// Answers requests of one face.
pub trait Face: Send + Sync + 'static {
    /// Answers one request.
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<ReplyBody>> + Send;
}

/// The process at the other end of a local socket, as the system names it. Travels with requests as an extension,
/// which nothing that is sent can set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Peer {
    pub(crate) uid: u32,
    pub(crate) pid: Option<i32>,
}

/// Something that connections come in by.
trait Listen: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection, and who opened it when the system can tell.
    fn next(&self) -> impl Future<Output = std::io::Result<(Self::Stream, Option<Peer>)>> + Send;
}

impl Listen for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> std::io::Result<(TcpStream, Option<Peer>)> {
        let (stream, _) = self.accept().await?;
        // A small answer must not wait for the next one (Nagle).
        drop(stream.set_nodelay(true));
        Ok((stream, None))
    }
}

impl Listen for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> std::io::Result<(UnixStream, Option<Peer>)> {
        let (stream, _) = self.accept().await?;
        let peer = stream.peer_cred().ok().map(|peer| Peer { uid: peer.uid(), pid: peer.pid() });
        Ok((stream, peer))
    }
}

/// Serves a face on TCP until shutdown, then lets open requests end.
pub async fn serve_tcp<F: Face>(
    listener: TcpListener,
    face: Arc<F>,
    limits: ListenLimits,
    shutdown: Shutdown,
) {
    serve(listener, face, limits, shutdown).await;
}

/// Serves a face on a Unix socket until shutdown.
pub async fn serve_unix<F: Face>(
    listener: UnixListener,
    face: Arc<F>,
    limits: ListenLimits,
    shutdown: Shutdown,
) {
    serve(listener, face, limits, shutdown).await;
}

async fn serve<L: Listen, F: Face>(listener: L, face: Arc<F>, limits: ListenLimits, shutdown: Shutdown) {
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let newcomers = Newcomers::new(limits.newcomers_max.min(limits.connections_max.div_ceil(2)));
    let mut stop = shutdown.clone();
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.next().await)
        };
        let (slot, accepted) = tokio::select! {
            next = next => next,
            () = stopped(&mut stop) => break,
        };
        match (slot, accepted) {
            (Ok(slot), Ok((stream, peer))) => {
                let guest = Guest { newcomer: newcomers.enter(), peer, limits, shutdown: shutdown.clone() };
                spawn(stream, Arc::clone(&face), guest, slot);
            }
            (Err(_), _) => break,
            (Ok(_), Err(error)) => pause(&error).await,
        }
    }
    drain(&slots, limits.connections_max).await;
}

pub(crate) async fn stopped(shutdown: &mut Shutdown) {
    // A sender that is gone means the same as a stop.
    drop(shutdown.wait_for(|stop| *stop).await);
}

/// Out of descriptors or the like: others keep running, and this does not spin.
async fn pause(error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// Waits until every connection gave its slot back.
async fn drain(slots: &Arc<Semaphore>, connections_max: usize) {
    let all = u32::try_from(connections_max).unwrap_or(u32::MAX);
    drop(slots.acquire_many(all).await);
}

/// One connection and what binds it.
struct Guest {
    newcomer: Newcomer,
    peer: Option<Peer>,
    limits: ListenLimits,
    shutdown: Shutdown,
}

fn spawn<S, F>(stream: S, face: Arc<F>, guest: Guest, slot: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Face,
{
    tokio::spawn(async move {
        let newcomer = guest.newcomer.clone();
        connection(stream, face, guest).await;
        newcomer.settled();
        drop(slot);
    });
}

async fn connection<S, F>(stream: S, face: Arc<F>, guest: Guest)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Face,
{
    let Guest { newcomer, peer, limits, mut shutdown } = guest;
    let carried = newcomer.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let face = Arc::clone(&face);
        request.extensions_mut().insert(carried.clone());
        peer.map(|peer| request.extensions_mut().insert(peer));
        async move { Ok::<_, Infallible>(face.answer(request).await) }
    });
    let stream = Unstalled::new(stream, limits.stall_within);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_within)
        .max_buf_size(limits.head_bytes_max)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let expelled = async {
        tokio::select! {
            () = newcomer.told_to_leave() => return,
            () = tokio::time::sleep(limits.prove_within) => {}
        }
        if !newcomer.is_new() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = connection.as_mut() => return note(ended),
        () = expelled => return,
        () = stopped(&mut shutdown) => connection.as_mut().graceful_shutdown(),
    }
    // Who has proven nobody by now has nothing under way that is waited for.
    if !newcomer.is_new() {
        note(connection.await);
    }
}

/// The sender of this request is proven: its connection no longer has to make room.
pub(crate) fn settle<B>(request: &Request<B>) {
    if let Some(newcomer) = request.extensions().get::<Newcomer>() {
        newcomer.settled();
    }
}

fn note(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}
