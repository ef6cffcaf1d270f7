//! Streams as clients open them: of sessions by GET, of the newest revision by `subscriptions/listen`.
//!
//! Must never open another in place of one that ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use tokio::task::JoinHandle;

use crate::bar::gateway::Gateway;
use crate::bench::client::Connection;
use crate::bench::load::shake_hands;
use crate::bench::wire::{Speaker, Target, Wire};

/// In the text of the notification that both revisions have.
const CHANGED: &[u8] = b"notifications/tools/list_changed";

#[derive(Default)]
struct Tally {
    alive: AtomicUsize,
    told: AtomicUsize,
    listening: AtomicBool,
}

/// Open streams; they close when this is dropped.
pub(super) struct Streams {
    tally: Arc<Tally>,
    tasks: Vec<JoinHandle<()>>,
}

impl Streams {
    /// Opens them one after the other, of each agent half on each wire.
    pub(super) async fn open(gateway: &Gateway, keys: &[String], count: usize) -> Result<Self, String> {
        let mut streams = Self { tally: Arc::default(), tasks: Vec::with_capacity(count) };
        let agents = keys.len().max(1);
        for (number, key) in keys.iter().cycle().take(count).enumerate() {
            let wire = if (number / agents).is_multiple_of(2) { Wire::Legacy } else { Wire::Modern };
            let target = Target { path: "/mcp".to_owned(), key: key.clone(), ..gateway.target(wire) };
            let (body, connection) = open_one(&target, wire).await?;
            streams.tally.alive.fetch_add(1, Ordering::SeqCst);
            streams.tasks.push(tokio::spawn(follow(body, connection, Arc::clone(&streams.tally))));
        }
        Ok(streams)
    }

    /// How many have not ended.
    pub(super) fn alive(&self) -> usize {
        self.tally.alive.load(Ordering::SeqCst)
    }

    /// From now on, each stream that is told of a change counts once.
    pub(super) fn listen_for_a_change(&self) {
        self.tally.listening.store(true, Ordering::SeqCst);
    }

    /// How many were told.
    pub(super) fn told(&self) -> usize {
        self.tally.told.load(Ordering::SeqCst)
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn open_one(target: &Target, wire: Wire) -> Result<(Incoming, Connection), String> {
    let mut speaker = Speaker::new(target, wire)?;
    let mut connection = Connection::open(target.addr).await?;
    if wire == Wire::Legacy {
        shake_hands(&mut speaker, &mut connection).await?;
    }
    connection.stream(speaker.listen("l1")?).await
}

async fn follow(mut body: Incoming, _connection: Connection, tally: Arc<Tally>) {
    let mut told = false;
    while let Some(Ok(frame)) = body.frame().await {
        let changed = frame.data_ref().is_some_and(says_changed);
        if changed && !told && tally.listening.load(Ordering::SeqCst) {
            told = true;
            tally.told.fetch_add(1, Ordering::SeqCst);
        }
    }
    tally.alive.fetch_sub(1, Ordering::SeqCst);
}

fn says_changed(data: &Bytes) -> bool {
    data.windows(CHANGED.len()).any(|window| window == CHANGED)
}
