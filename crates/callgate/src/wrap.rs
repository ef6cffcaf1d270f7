//! `callgate wrap`: a client's standard input and output, carried to the one local daemon. Must never open the store,
//! decide anything, or leave a request of the client without an answer.

mod daemon;
mod door;
mod environment;
mod hear;
mod lines;
mod message;
mod open;
mod reply;
mod session;
mod shim;
pub(crate) mod small;
mod target;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::cli;
use crate::exit::{Failure, INTERNAL, OK};
use lines::{Line, Output};
use message::Message;
use shim::Shim;

/// Time for open requests once the client is gone or we are told to stop.
const DRAIN: Duration = Duration::from_secs(2);
/// Time for what is still to be written, and for saying goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Requests carried at once; one more is refused.
const OPEN_MAX: usize = 256;

/// Runs on a thread and a runtime of its own: nothing of what serves is needed here.
pub(crate) fn run(config: &Path, wrap: &cli::Wrap) -> Result<u8, Failure> {
    small::begin_anew();
    let target = target::find(config, wrap)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(INTERNAL, format!("cannot start: {error}")))?;
    let code = runtime.block_on(carry(target));
    runtime.shutdown_background();
    code
}

async fn carry(target: target::Target) -> Result<u8, Failure> {
    let lines = lines::read(target.limits.bytes_max);
    let (output, mut unread) = Output::start();
    let shim = Arc::new(Shim::new(target, output));
    let mut open = JoinSet::new();
    let heard = Arc::clone(&shim);
    let hearing = tokio::spawn(async move { hear::listen(&heard).await });
    let end = until_the_end(&shim, lines, &mut unread, &mut open).await;
    hearing.abort();
    // What it holds of the output is given back before that is waited for.
    drop(hearing.await);
    if end? == End::Unread {
        return Ok(OK);
    }
    let all = async { while open.join_next().await.is_some() {} };
    // Who is cut off here has a client that left.
    drop(tokio::time::timeout(DRAIN, all).await);
    open.abort_all();
    while open.join_next().await.is_some() {}
    drop(tokio::time::timeout(GOODBYE, shim.goodbye()).await);
    drop(shim);
    drop(tokio::time::timeout(GOODBYE, unread).await);
    Ok(OK)
}

/// Why nothing more is carried.
#[derive(PartialEq, Eq)]
enum End {
    /// No more input, or a signal.
    Told,
    /// Nobody reads what is written.
    Unread,
}

async fn until_the_end(
    shim: &Arc<Shim>,
    mut lines: tokio::sync::mpsc::Receiver<Line>,
    unread: &mut oneshot::Receiver<()>,
    open: &mut JoinSet<()>,
) -> Result<End, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::new(INTERNAL, error.to_string()));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let mut still_here = tokio::time::interval(shim.still_here_every());
    still_here.reset();
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) => take(shim, line, open).await,
                None => return Ok(End::Told),
            },
            Some(_) = open.join_next(), if !open.is_empty() => {}
            _ = still_here.tick() => {
                let shim = Arc::clone(shim);
                open.spawn(async move { shim.still_here().await });
            }
            _ = terminate.recv() => return Ok(End::Told),
            _ = interrupt.recv() => return Ok(End::Told),
            _ = &mut *unread => return Ok(End::Unread),
        }
    }
}

async fn take(shim: &Arc<Shim>, line: Line, open: &mut JoinSet<()>) {
    let text = match line {
        Line::Whole(text) => text,
        Line::TooLong => return shim.too_long().await,
    };
    let message = Message::read(text, shim.limits());
    if open.len() >= OPEN_MAX && message.kind.id().is_some() {
        return shim.too_many(&message).await;
    }
    let turn = shim.turn(&message);
    let shim = Arc::clone(shim);
    open.spawn(async move { shim.carry(message, turn).await });
}
