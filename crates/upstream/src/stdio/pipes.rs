//! A child's stdin and stdout. Must never believe a line: what is no message of ours to read is counted, and too
//! much of it, or one broken message, ends the child.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use mcp::line::{self, LineDecoder};
use mcp::reply::{UpstreamViolation, read_message};
use model::limits::JsonLimits;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::ChildStdin;
use tokio::sync::{mpsc, watch};

use super::StdioConnection;
use crate::carrier;
use crate::conduct::{Conduct, Flood};
use crate::speak;
use crate::table::Settled;

/// Bytes written at once.
const WRITE_BYTES: usize = 64 << 10;
/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;
const FLOODS: &str = "its child floods us with notifications";

/// Writes messages until the connection is dropped or stops, then closes stdin.
pub(super) async fn write(
    mut stdin: ChildStdin,
    mut inbox: mpsc::Receiver<Bytes>,
    mut stopping: watch::Receiver<bool>,
) {
    let all = async {
        while let Some(message) = inbox.recv().await {
            let mut lines = line::encode(&message).to_vec();
            while let Some(more) = (lines.len() < WRITE_BYTES).then(|| inbox.try_recv().ok()).flatten() {
                lines.extend_from_slice(&line::encode(&more));
            }
            if stdin.write_all(&lines).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = all => {}
        _ = stopping.wait_for(|stop| *stop) => {}
    }
}

/// Reads messages until stdout ends or cannot be trusted any more.
pub(super) async fn read(connection: Weak<StdioConnection>, mut stdout: impl AsyncRead + Unpin) {
    let Some(limits) = connection.upgrade().map(|connection| connection.limits) else { return };
    let mut lines = LineDecoder::new(limits.message_bytes_max);
    let mut conduct = Conduct::new();
    let mut chunk = vec![0; READ_BYTES];
    loop {
        let read = stdout.read(&mut chunk).await;
        let Some(connection) = connection.upgrade() else { return };
        let Ok(count @ 1..) = read else { return connection.condemn("its child closed its output") };
        lines.push(chunk.get(..count).unwrap_or_default());
        if let Err(why) = take_lines(&connection, &mut lines, &mut conduct) {
            return connection.condemn(&why);
        }
    }
}

fn take_lines(
    connection: &Arc<StdioConnection>,
    lines: &mut LineDecoder,
    conduct: &mut Conduct,
) -> Result<(), String> {
    let limits = speak::message_limits(&connection.limits);
    while let Some(line) =
        lines.next_line().map_err(|e| format!("its child writes what cannot be read: {e}"))?
    {
        take_line(connection, &line, &limits, conduct)?;
        if conduct.strikes() >= connection.limits.strikes_max {
            return Err("its child writes too many lines that are no messages".to_owned());
        }
    }
    Ok(())
}

fn take_line(
    connection: &Arc<StdioConnection>,
    line: &Bytes,
    limits: &JsonLimits,
    conduct: &mut Conduct,
) -> Result<(), String> {
    match read_message(line, limits) {
        Ok(message) => {
            match carrier::take(connection, message, conduct).map_err(|Flood| FLOODS.to_owned())? {
                Some(Settled::Yes) => conduct.good(),
                Some(Settled::Never) => conduct.bad(),
                Some(Settled::Late) | None => {}
            }
        }
        // A message that is broken: whose answer it was cannot be told.
        Err(UpstreamViolation::Json(fault)) if line.starts_with(b"{") => {
            return Err(format!("its child wrote a broken message: {fault}"));
        }
        // Text some server prints where it should not.
        Err(_) => conduct.bad(),
    }
    Ok(())
}
