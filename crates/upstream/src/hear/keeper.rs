//! Sees to it that a lane's server is listened to for as long as anybody wants it. Must never begin a connection but for
//! a subscription, nor try again without a pause.

use std::sync::Arc;

use tokio::time::{Duration, Instant};

use super::ear::Ear;
use crate::connection::Connection;
use crate::lane::LaneKey;
use crate::server::Server;

/// Who was listened to for so long did not fail at once.
const LONG: Duration = Duration::from_secs(60);

/// Runs until nobody listens on the lane.
pub(super) async fn keep(server: Arc<Server>, key: LaneKey, ear: Arc<Ear>) {
    let (first, most) = (server.config.limits.backoff_first, server.config.limits.backoff_max);
    let mut pause = first;
    let mut before = false;
    while !ear.unkeep() {
        let Some(connection) = connection(&server, &key, &ear).await else {
            rest(&ear, pause).await;
            pause = pause.saturating_mul(2).min(most);
            continue;
        };
        let began = Instant::now();
        if std::mem::replace(&mut before, true) {
            ear.miss();
        }
        attend(&server, &key, &ear, &connection).await;
        ear.attend(false);
        pause = if began.elapsed() >= LONG { first } else { pause };
        rest(&ear, pause).await;
        pause = pause.saturating_mul(2).min(most);
    }
}

/// The lane's connection. For a subscription it is begun when there is none; who listens to lists waits for one.
async fn connection(server: &Arc<Server>, key: &LaneKey, ear: &Ear) -> Option<Arc<Connection>> {
    let (mut changes, mut begun) = (ear.watch(), server.begun());
    loop {
        if let Some(live) = server.live(key) {
            return Some(live);
        }
        if !ear.is_wanted() {
            return None;
        }
        if !ear.wanted().uris.is_empty() {
            let credential = ear.credential();
            return match server.connection(key, credential.as_ref()).await {
                Ok(connection) => Some(connection),
                Err(fault) => {
                    ear.fail(&fault);
                    None
                }
            };
        }
        tokio::select! {
            _ = changes.changed() => {}
            _ = begun.changed() => {}
        }
    }
}

/// Listens until the connection serves no more, another took its place, or nobody wants it.
async fn attend(server: &Arc<Server>, key: &LaneKey, ear: &Arc<Ear>, connection: &Arc<Connection>) {
    let mut begun = server.begun();
    let replaced = async {
        while server.live(key).is_none_or(|live| Arc::ptr_eq(&live, connection)) {
            if begun.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = connection.attend(ear) => {}
        () = replaced => {}
    }
}

/// A pause, cut short when nobody listens any more or somebody waits for an answer.
async fn rest(ear: &Ear, pause: Duration) {
    let mut changes = ear.watch();
    let unwanted = async { while ear.is_wanted() && !ear.is_awaited() && changes.changed().await.is_ok() {} };
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = unwanted => {}
    }
}
