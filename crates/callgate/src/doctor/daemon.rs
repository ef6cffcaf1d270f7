//! Whether a daemon answers, on each of its sockets, and that it is ours. Must never send it a credential.

use std::path::Path;
use std::time::Duration;

use config::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::finding::Findings;
use crate::credential;

const WITHIN: Duration = Duration::from_secs(3);

pub(super) async fn look(found: &mut Findings, config: &Config) {
    let state = &config.store.path;
    let operators = peer(&credential::socket(state)).await;
    let locals = peer(&credential::agents_socket(state)).await;
    let ready = ready(config.listen.address).await;
    let own = rustix::process::geteuid().as_raw();
    let Some(owner) = operators else {
        if ready {
            let text = format!(
                "something answers at {}, and it is not the daemon of this state directory",
                config.listen.address
            );
            found.warning("daemon", text, "stop it, or change `[listen] address`");
        } else {
            found.note(
                "daemon",
                "none is running: `callgate up` starts it, and connected clients start it when they need it",
            );
        }
        return;
    };
    if owner != own && owner != 0 {
        let text = format!("the admin socket is answered by a process of user {owner}");
        found.problem("daemon", text, "find out who uses the state directory; nothing was sent to it");
        return;
    }
    match locals {
        Some(_) => found.ok("daemon", "running; answers operators and local agents"),
        None => found.problem(
            "daemon",
            "running, and its socket for local agents does not answer",
            "start `callgate up` again",
        ),
    }
    if ready {
        found.ok("daemon", format!("ready at http://{}/mcp", config.listen.address));
    } else {
        let text = format!(
            "not ready at {}: started on demand for local clients only, or the address is taken",
            config.listen.address
        );
        found.note("daemon", text);
    }
}

/// The user whose process answers a socket.
async fn peer(path: &Path) -> Option<u32> {
    let stream = tokio::time::timeout(WITHIN, UnixStream::connect(path)).await.ok()?.ok()?;
    stream.peer_cred().ok().map(|peer| peer.uid())
}

/// Whether Callgate answers there that it can decide and record calls.
async fn ready(mut address: std::net::SocketAddr) -> bool {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    let asking = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = [0u8; 12];
        stream.read_exact(&mut answer).await.ok()?;
        Some(&answer == b"HTTP/1.1 200")
    };
    tokio::time::timeout(WITHIN, asking).await.ok().flatten().unwrap_or(false)
}
