//! The stream of events on which a server of the old transport answers. Must never hold more than one event beyond its
//! bound, nor read on without end where nothing is said.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode, Uri};
use mcp::reply::read_message;
use mcp::sse::{SseDecoder, SseEvent};
use ports::secret::Secret;
use ports::upstream::UpstreamFault;

use super::SseConnection;
use super::endpoint::endpoint;
use crate::carrier;
use crate::conduct::{Conduct, Flood};
use crate::fault::{unavailable, violation};
use crate::http::exchange::Exchange;
use crate::http::handshake::Stopped;
use crate::http::oauth::{Challenge, Refused, Token};
use crate::http::response::media_type;
use crate::http::site::Site;
use crate::speak;
use crate::table::Settled;

/// Most time until a server has said where it wants its messages.
const ENDPOINT: Duration = Duration::from_secs(10);
/// What the server calls the event that says so.
const ENDPOINT_EVENT: &str = "endpoint";

/// An open stream.
pub(crate) struct Events {
    exchange: Exchange,
    decoder: SseDecoder,
    bytes_max: usize,
    /// Bytes read since the last event.
    unheard: usize,
}

/// A stream whose server has said where it wants its messages.
pub(in crate::http) struct Opened {
    pub(super) events: Events,
    pub(super) endpoint: Uri,
}

/// Why there is no such stream.
pub(in crate::http) enum NotOpened {
    /// There is nothing of this transport at the address.
    Absent(UpstreamFault),
    /// There is, or it cannot be told.
    Stopped(Stopped),
}

impl Opened {
    /// Opens the stream of a site and reads its first event.
    pub(in crate::http) async fn at(site: &Site, credential: Option<&Secret>) -> Result<Self, NotOpened> {
        let accept = (ACCEPT, HeaderValue::from_static("text/event-stream"));
        let mut request = site.request(Method::GET, &[accept], credential, Bytes::new());
        request.headers_mut().remove(CONTENT_TYPE);
        let token = request.extensions().get::<Arc<Token>>().cloned();
        match tokio::time::timeout(ENDPOINT, Self::read(site, site.exchange(request), token)).await {
            Ok(result) => result,
            Err(_) => {
                let what = "its event stream does not say where it wants its messages";
                Err(NotOpened::Absent(unavailable(&site.server, what)))
            }
        }
    }

    async fn read(site: &Site, mut exchange: Exchange, token: Option<Arc<Token>>) -> Result<Self, NotOpened> {
        let server = &site.server;
        let broken = |why: String| NotOpened::Stopped(unavailable(server, why).into());
        let head = exchange.head().await.map_err(|e| broken(e.why))?;
        match head.status {
            StatusCode::OK => {}
            status @ (StatusCode::BAD_REQUEST
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_ACCEPTABLE) => return Err(NotOpened::Absent(site.refused(status))),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                let refused = Refused { status, challenge: Challenge::of(&head.headers), token };
                let stopped = Stopped::Refused(Box::new(refused), site.refused(status));
                return Err(NotOpened::Stopped(stopped));
            }
            status => return Err(NotOpened::Stopped(site.refused(status).into())),
        }
        if media_type(&head.headers).as_deref() != Some("text/event-stream") {
            let what = "it answers with something else than a stream of events";
            return Err(NotOpened::Absent(unavailable(server, what)));
        }
        let bytes_max = site.limits.message_bytes_max;
        let decoder = SseDecoder::new(bytes_max);
        let mut events = Self::events(exchange, decoder, bytes_max);
        let first = events.next().await.map_err(broken)?;
        let first = first.filter(|event| event.event.as_deref() == Some(ENDPOINT_EVENT));
        let Some(first) = first else {
            let what = "its event stream does not begin with where it wants its messages";
            return Err(NotOpened::Absent(unavailable(server, what)));
        };
        let endpoint = endpoint(&site.target, &first.data)
            .map_err(|why| NotOpened::Stopped(violation(server, why).into()))?;
        Ok(Self { events, endpoint })
    }

    const fn events(exchange: Exchange, decoder: SseDecoder, bytes_max: usize) -> Events {
        Events { exchange, decoder, bytes_max, unheard: 0 }
    }
}

impl Events {
    /// The next event; `None` at the end. Safe to drop and call again.
    async fn next(&mut self) -> Result<Option<SseEvent>, String> {
        loop {
            if let Some(event) = self.decoder.next_event() {
                self.unheard = 0;
                return Ok(Some(event));
            }
            let Some(chunk) = self.exchange.chunk().await else { return Ok(None) };
            let chunk = chunk.map_err(|broken| broken.why)?;
            self.unheard = self.unheard.saturating_add(chunk.len());
            // Twice, since an event's bound does not count what frames its lines.
            if self.unheard > self.bytes_max.saturating_mul(2) {
                return Err("its event stream floods us with what is no event".to_owned());
            }
            self.decoder.push(&chunk).map_err(|e| e.to_string())?;
        }
    }
}

/// Reads events until the stream ends or cannot be trusted any more.
pub(super) async fn read(connection: Weak<SseConnection>, mut events: Events) {
    let mut conduct = Conduct::new();
    loop {
        let next = events.next().await;
        let Some(connection) = connection.upgrade() else { return };
        let taken = match next {
            Ok(Some(event)) => take(&connection, &event, &mut conduct),
            Ok(None) => Err("its event stream ended".to_owned()),
            Err(why) => Err(why),
        };
        if let Err(why) = taken {
            return connection.condemn(&why);
        }
    }
}

/// One event. Nobody can tell whose answer was lost with what cannot be read, so that ends the connection.
fn take(connection: &Arc<SseConnection>, event: &SseEvent, conduct: &mut Conduct) -> Result<(), String> {
    let flood = |Flood| "it floods us with notifications".to_owned();
    match event.event.as_deref() {
        None | Some("message") => {}
        Some(ENDPOINT_EVENT) => return Err("it names another endpoint in the middle of a session".to_owned()),
        Some(_) => return conduct.count(connection.site.limits.notifications_max).map_err(flood),
    }
    let limits = speak::message_limits(&connection.site.limits);
    let message = read_message(&event.data, &limits).map_err(|e| e.to_string())?;
    match carrier::take(connection, message, conduct).map_err(flood)? {
        Some(Settled::Never) => Err("it answers under an id that is not ours".to_owned()),
        Some(Settled::Yes | Settled::Late) | None => Ok(()),
    }
}
