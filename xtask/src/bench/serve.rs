//! One HTTP/1.1 accept loop for the upstream and the proxy.
//!
//! Must never listen beyond loopback, and ends by itself: a forgotten bench server does not stay.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::bench::client::loopback;

/// Where to listen, how long at most.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Listen {
    /// Loopback address; port 0 takes a free one, which is printed
    #[arg(long, default_value = "127.0.0.1:0")]
    addr: SocketAddr,
    /// Ends after this many seconds
    #[arg(long, default_value_t = 3600)]
    seconds_max: u64,
    /// Worker threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// Listens and serves each connection with what `service` makes; prints `listening ADDR` once ready.
pub(crate) fn serve<S, B>(listen: Listen, service: impl Fn() -> S) -> Result<(), String>
where
    S: HttpService<Incoming, ResBody = B> + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    loopback(listen.addr)?;
    let threads = listen.threads.clamp(1, 8);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the runtime: {error}"))?;
    let limit = Duration::from_secs(listen.seconds_max);
    runtime.block_on(async {
        match tokio::time::timeout(limit, accept(listen.addr, service)).await {
            Ok(result) => result,
            Err(_) => Ok(()),
        }
    })
}

async fn accept<S, B>(addr: SocketAddr, service: impl Fn() -> S) -> Result<(), String>
where
    S: HttpService<Incoming, ResBody = B> + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let listener =
        TcpListener::bind(addr).await.map_err(|error| format!("cannot listen on `{addr}`: {error}"))?;
    let local = listener.local_addr().map_err(|error| format!("cannot read the address: {error}"))?;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "listening {local}");
    let _ = out.flush();
    drop(out);
    loop {
        let (stream, _) = listener.accept().await.map_err(|error| format!("cannot accept: {error}"))?;
        let _ = stream.set_nodelay(true);
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service());
        tokio::spawn(async move {
            let _ = connection.await;
        });
    }
}
