//! A session of the older revisions, as the client opened it. Must never show the client that the daemon behind it
//! was another one for a while: what it opened is opened again.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use model::json::Json;
use model::limits::JsonLimits;
use tokio::sync::Notify;

use super::door::{Door, DoorFault};
use super::reply;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Subscriptions that are begun again: the daemon holds no more for one agent.
const SUBSCRIPTIONS_MAX: usize = 256;

/// What the client said to open its session, and what the daemon calls it now.
#[derive(Default)]
pub(super) struct Session {
    opening: Option<Bytes>,
    opened: Option<Bytes>,
    /// What it wants to hear of, as it said last.
    level: Option<Bytes>,
    /// What the client subscribed to, and how it asked.
    subscriptions: BTreeMap<Box<str>, Bytes>,
    headers: HeaderMap,
    /// Told whenever there is something to listen to, or something else.
    heard: Arc<Notify>,
}

impl Session {
    /// The headers of every message of it; none when there is no session.
    pub(super) fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    /// What a stream of it is opened with, once the client has what it needs to go on.
    pub(super) fn listenable(&self) -> Option<HeaderMap> {
        (self.opened.is_some() && self.is_open()).then(|| self.headers())
    }

    /// Resolves when [`Self::listenable`] may have changed.
    pub(super) fn heard(&self) -> Arc<Notify> {
        Arc::clone(&self.heard)
    }

    pub(super) fn is_open(&self) -> bool {
        !self.headers.is_empty()
    }

    /// The client opens one; what was open before is forgotten and returned.
    pub(super) fn begin(&mut self, opening: Bytes) -> HeaderMap {
        self.opening = Some(opening);
        (self.opened, self.level) = (None, None);
        self.subscriptions.clear();
        std::mem::take(&mut self.headers)
    }

    /// The client has what it needs to go on.
    pub(super) fn note_opened(&mut self, opened: Bytes) {
        self.opened = Some(opened);
        self.heard.notify_one();
    }

    /// The client says what it wants to hear of.
    pub(super) fn note_level(&mut self, level: Bytes) {
        self.level = Some(level);
    }

    /// The client says of what it wants to hear.
    pub(super) fn note_subscription(&mut self, uri: &str, asked: &Bytes) {
        if self.subscriptions.len() < SUBSCRIPTIONS_MAX {
            self.subscriptions.insert(Box::from(uri), asked.clone());
        }
    }

    /// It wants to hear of it no more.
    pub(super) fn end_subscription(&mut self, uri: &str) {
        self.subscriptions.remove(uri);
    }

    /// Keeps what the daemon answered to `initialize`.
    pub(super) fn keep(&mut self, head: &HeaderMap, body: &[u8], limits: &JsonLimits) {
        let Some(id) = head.get(SESSION) else { return };
        let tree = Json::parse(body, limits).ok();
        let version = tree.as_ref().and_then(|tree| tree.get("result")?.get("protocolVersion")?.as_str());
        self.headers = HeaderMap::from_iter([(SESSION, id.clone())]);
        if let Some(version) = version.and_then(|version| HeaderValue::from_str(version).ok()) {
            self.headers.insert(PROTOCOL_VERSION, version);
        }
    }

    /// Opens it again with the client's own words, unless somebody else did since `used` was.
    pub(super) async fn reopen(
        &mut self,
        used: &HeaderMap,
        door: &Door,
        limits: &JsonLimits,
    ) -> Result<(), DoorFault> {
        if self.headers.get(SESSION) != used.get(SESSION) {
            return Ok(());
        }
        let Some(opening) = self.opening.clone() else { return Ok(()) };
        let answer = door.post(opening, HeaderMap::new()).await?;
        let head = answer.response.headers().clone();
        let body = reply::whole(answer).await.map_err(|_| DoorFault::Lost)?;
        self.keep(&head, &body, limits);
        let opened = self.opened.clone();
        let again = opened.iter().chain(self.level.as_ref()).chain(self.subscriptions.values());
        for text in again {
            // What the daemon answers the client has been told before.
            drop(door.post(text.clone(), self.headers()).await?);
        }
        if opened.is_some() {
            self.heard.notify_one();
        }
        Ok(())
    }
}

/// Whether an answer says that there is no such session, so that nothing was done.
pub(super) fn is_unknown(status: StatusCode, sent: &HeaderMap) -> bool {
    status == StatusCode::NOT_FOUND && sent.contains_key(SESSION)
}
