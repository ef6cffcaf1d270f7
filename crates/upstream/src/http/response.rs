//! A response read message by message, JSON or events. Must never hold more than its bound, nor take a redirect
//! for an answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use mcp::reply::{UpstreamMessage, read_message};
use mcp::sse::SseDecoder;
use model::limits::JsonLimits;

use super::exchange::{Broken, Exchange};
use super::oauth::{Challenge, Refused, Token};

/// How long the end of an answered response is waited for.
const FINISH: Duration = Duration::from_millis(500);
/// Most bytes read of a refusal.
const REFUSAL_BYTES: usize = 64 << 10;
/// What an envelope adds to a result at most: ids, member names, event fields.
const ENVELOPE_BYTES: usize = 64 << 10;

/// One thing a response holds.
#[derive(Debug)]
pub(super) enum Part {
    /// A message of a successful response.
    Message(Box<UpstreamMessage>),
    /// Another status, with the message of its body when it has one.
    Refused(StatusCode, Option<Box<UpstreamMessage>>),
    /// Nothing more.
    End,
}

/// Why a response cannot be read on.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// The connection broke.
    Broken(Broken),
    /// The server broke the protocol.
    Violation(String),
    /// More bytes than allowed.
    TooLarge,
}

enum Mode {
    Head,
    Whole(Gathered, Option<StatusCode>),
    Events(SseDecoder),
    /// Nothing in it is read, but its end.
    Skipped,
    Over,
}

/// A body that is one JSON text. One chunk is kept as it came, without a copy.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    more: BytesMut,
}

impl Gathered {
    fn push(&mut self, chunk: Bytes) {
        if self.first.is_empty() && self.more.is_empty() {
            self.first = chunk;
            return;
        }
        let first = std::mem::take(&mut self.first);
        self.more.extend_from_slice(&first);
        self.more.extend_from_slice(&chunk);
    }

    fn take(&mut self) -> Bytes {
        let more = std::mem::take(&mut self.more);
        if more.is_empty() { std::mem::take(&mut self.first) } else { more.freeze() }
    }
}

/// A response on its way.
pub(super) struct Response {
    exchange: Exchange,
    mode: Mode,
    limits: JsonLimits,
    bytes_left: usize,
    session: Option<HeaderValue>,
    token: Option<Arc<Token>>,
    challenge: Option<Challenge>,
}

impl Response {
    /// Of a request that is not sent yet.
    pub(super) const fn new(exchange: Exchange, limits: JsonLimits, bytes_max: usize) -> Self {
        let bytes_left = bytes_max.saturating_add(ENVELOPE_BYTES);
        Self { exchange, mode: Mode::Head, limits, bytes_left, session: None, token: None, challenge: None }
    }

    /// To a request with this token.
    pub(super) fn sent_with(self, token: Option<Arc<Token>>) -> Self {
        Self { token, ..self }
    }

    /// What a response of 401 or 403 wants, once its head was read.
    pub(super) fn refused(&mut self, status: StatusCode) -> Option<Refused> {
        let challenge = self.challenge.take()?;
        Some(Refused { status, challenge, token: self.token.clone() })
    }

    /// Whether any byte of the request may have left.
    pub(super) const fn begun(&self) -> bool {
        self.exchange.begun()
    }

    /// `Mcp-Session-Id` of the head.
    pub(super) const fn session(&self) -> Option<&HeaderValue> {
        self.session.as_ref()
    }

    /// Resolves when the head is there. Safe to drop and call again.
    pub(super) async fn opened(&mut self) -> Result<(), Unreadable> {
        if matches!(self.mode, Mode::Head) {
            let head = self.exchange.head().await.map_err(Unreadable::Broken)?;
            self.mode = self.read_head(&head)?;
        }
        Ok(())
    }

    /// The next part. Safe to drop and call again.
    pub(super) async fn next(&mut self) -> Result<Part, Unreadable> {
        self.opened().await?;
        loop {
            if let Mode::Events(events) = &mut self.mode
                && let Some(event) = events.next_event()
            {
                return self.message(&event.data);
            }
            if matches!(self.mode, Mode::Over) {
                return Ok(Part::End);
            }
            match self.exchange.chunk().await {
                None => return self.ended(),
                Some(chunk) => self.take_chunk(chunk.map_err(Unreadable::Broken)?)?,
            }
        }
    }

    /// The answer was read. What is left of the response, if anything, is its end: then its connection can
    /// serve again.
    pub(super) fn finish(self) {
        let mut exchange = self.exchange;
        if exchange.at_end() {
            return;
        }
        tokio::spawn(async move {
            // More than an end is not waited for: the connection is closed.
            let _given_up = tokio::time::timeout(FINISH, exchange.chunk()).await;
        });
    }

    fn read_head(&mut self, head: &Parts) -> Result<Mode, Unreadable> {
        if !head.status.is_success() {
            self.bytes_left = self.bytes_left.min(REFUSAL_BYTES);
            if matches!(head.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                self.challenge = Some(Challenge::of(&head.headers));
            }
            return Ok(Mode::Whole(Gathered::default(), Some(head.status)));
        }
        self.session = head.headers.get("mcp-session-id").cloned();
        let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: usize| length > self.bytes_left) {
            return Err(Unreadable::TooLarge);
        }
        match media_type(&head.headers).as_deref() {
            Some("application/json") => Ok(Mode::Whole(Gathered::default(), None)),
            Some("text/event-stream") => Ok(Mode::Events(SseDecoder::new(self.limits.bytes_max))),
            // 202, and what some servers answer to notifications; an answer is never in there.
            _ => Ok(Mode::Skipped),
        }
    }

    fn take_chunk(&mut self, chunk: Bytes) -> Result<(), Unreadable> {
        self.bytes_left = self.bytes_left.checked_sub(chunk.len()).ok_or(Unreadable::TooLarge)?;
        match &mut self.mode {
            Mode::Whole(gathered, _) => gathered.push(chunk),
            Mode::Events(events) => {
                events.push(&chunk).map_err(|e| Unreadable::Violation(e.to_string()))?;
            }
            Mode::Head | Mode::Skipped | Mode::Over => {}
        }
        Ok(())
    }

    /// The body is over.
    fn ended(&mut self) -> Result<Part, Unreadable> {
        match std::mem::replace(&mut self.mode, Mode::Over) {
            Mode::Whole(mut gathered, Some(status)) => {
                let message = read_message(&gathered.take(), &self.limits).ok().map(Box::new);
                Ok(Part::Refused(status, message))
            }
            Mode::Whole(mut gathered, None) => match gathered.take() {
                // Some servers name a type for the answer to a notification, and send nothing.
                text if text.is_empty() => Ok(Part::End),
                text => self.message(&text),
            },
            Mode::Head | Mode::Events(_) | Mode::Skipped | Mode::Over => Ok(Part::End),
        }
    }

    fn message(&self, text: &Bytes) -> Result<Part, Unreadable> {
        match read_message(text, &self.limits) {
            Ok(message) => Ok(Part::Message(Box::new(message))),
            Err(violation) => Err(Unreadable::Violation(violation.to_string())),
        }
    }
}

/// `Content-Type` without its parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(|kind| kind.trim().to_ascii_lowercase())
}
