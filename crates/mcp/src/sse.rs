//! Server-sent events, read and written (WHATWG HTML §9.2). Must never hold more than one event beyond its limit.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::Bytes;

use crate::line::push_one_line;

/// One event with data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SseEvent {
    /// `event:`, when given. `message` and nothing mean the same.
    pub event: Option<String>,
    /// Its lines, joined with line feeds. Never empty: events without data are skipped.
    pub data: Bytes,
}

/// An event longer than allowed. The stream cannot be read on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an event is longer than {bytes_max} bytes")]
pub struct EventTooLong {
    /// The limit.
    pub bytes_max: usize,
}

/// Cuts a byte stream into events.
#[derive(Debug)]
pub struct SseDecoder {
    line: Vec<u8>,
    data: Vec<u8>,
    event: Option<String>,
    last_id: Option<String>,
    retry_millis: Option<u64>,
    ready: VecDeque<SseEvent>,
    /// The last line ended in a carriage return: a line feed right after belongs to it.
    after_return: bool,
    begun: bool,
    bytes_max: usize,
}

impl SseDecoder {
    /// For events whose fields are together at most `bytes_max` bytes.
    #[must_use]
    pub const fn new(bytes_max: usize) -> Self {
        Self {
            line: Vec::new(),
            data: Vec::new(),
            event: None,
            last_id: None,
            retry_millis: None,
            ready: VecDeque::new(),
            after_return: false,
            begun: false,
            bytes_max,
        }
    }

    /// Adds what was read.
    ///
    /// # Errors
    /// [`EventTooLong`]: drop the stream.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), EventTooLong> {
        let mut rest = chunk;
        if self.after_return && !rest.is_empty() {
            self.after_return = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (head, tail) = rest.split_at(end);
            self.extend(head)?;
            rest = match tail {
                [b'\r', b'\n', more @ ..] => more,
                [b'\r'] => {
                    self.after_return = true;
                    &[]
                }
                [_, more @ ..] => more,
                [] => &[],
            };
            self.end_line();
        }
        self.extend(rest)
    }

    /// The next whole event.
    #[must_use]
    pub fn next_event(&mut self) -> Option<SseEvent> {
        self.ready.pop_front()
    }

    /// The last `id:` seen, for resuming a legacy stream.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// The last `retry:` seen, in milliseconds.
    #[must_use]
    pub const fn retry_millis(&self) -> Option<u64> {
        self.retry_millis
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), EventTooLong> {
        let held = self.line.len() + self.data.len() + self.event.as_ref().map_or(0, String::len);
        if held + bytes.len() > self.bytes_max {
            return Err(EventTooLong { bytes_max: self.bytes_max });
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        let text = match (self.begun, line.strip_prefix(b"\xef\xbb\xbf")) {
            (false, Some(rest)) => rest,
            _ => &line,
        };
        self.begun = true;
        match text.first() {
            None => self.end_event(),
            Some(b':') => {}
            Some(_) => {
                let colon = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
                let (field, value) = text.split_at(colon);
                let value = value.strip_prefix(b":").unwrap_or(value);
                self.field(field, value.strip_prefix(b" ").unwrap_or(value));
            }
        }
        line.clear();
        self.line = line;
    }

    fn field(&mut self, field: &[u8], value: &[u8]) {
        let text = || String::from_utf8_lossy(value).into_owned();
        match field {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => self.event = Some(text()),
            b"id" if !value.contains(&0) => self.last_id = Some(text()),
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                self.retry_millis = text().parse().ok().or(self.retry_millis);
            }
            _ => {}
        }
    }

    fn end_event(&mut self) {
        let mut data = std::mem::take(&mut self.data);
        let event = self.event.take();
        data.pop();
        if !data.is_empty() {
            self.ready.push_back(SseEvent { event, data: Bytes::from(data) });
        }
    }
}

/// A comment that keeps an idle stream open.
pub const KEEP_ALIVE: &[u8] = b":\r\n\r\n";

/// One JSON message as an event. Line ends between its tokens become spaces.
#[must_use]
pub fn encode(message: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(message.len() + 32);
    out.extend_from_slice(b"event: message\ndata: ");
    push_one_line(&mut out, message);
    out.extend_from_slice(b"\n\n");
    Bytes::from(out)
}
