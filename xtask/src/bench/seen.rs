//! What the fast upstream received: counts always, markers when asked to keep them.
//!
//! Must never grow without bound.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

const MARKERS_MAX: usize = 1_000_000;

/// Counts and markers.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    calls: AtomicU64,
    open: AtomicU64,
    answering: AtomicU64,
    markers: Option<Mutex<Vec<String>>>,
}

/// One request that is being answered.
pub(crate) struct Answering<'a>(&'a Seen);

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.answering.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Seen {
    /// Keeps markers as well when `log`.
    pub(crate) fn new(log: bool) -> Self {
        Self { markers: log.then(Mutex::default), ..Self::default() }
    }

    /// A connection was opened.
    pub(crate) fn opened(&self) {
        self.open.fetch_add(1, Ordering::SeqCst);
    }

    /// A connection was closed.
    pub(crate) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    /// A request is being answered for as long as this is kept.
    pub(crate) fn answering(&self) -> Answering<'_> {
        self.answering.fetch_add(1, Ordering::SeqCst);
        Answering(self)
    }

    /// A call of a tool arrived with this argument.
    pub(crate) fn call(&self, argument: &str) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if let Some(markers) = &self.markers {
            let mut markers = markers.lock().unwrap_or_else(PoisonError::into_inner);
            if markers.len() < MARKERS_MAX {
                markers.push(argument.to_owned());
            }
        }
    }

    /// Everything as JSON: `calls`, `open` connections (the asking one among them), requests of MCP it is
    /// `answering`, `markers`.
    pub(crate) fn json(&self) -> String {
        let mut out = format!(
            r#"{{"calls":{},"open":{},"answering":{},"markers":["#,
            self.calls.load(Ordering::SeqCst),
            self.open.load(Ordering::SeqCst),
            self.answering.load(Ordering::SeqCst)
        );
        if let Some(markers) = &self.markers {
            let markers = markers.lock().unwrap_or_else(PoisonError::into_inner);
            for (position, marker) in markers.iter().enumerate() {
                let _ = write!(out, "{}{}", if position > 0 { "," } else { "" }, serde_json::json!(marker));
            }
        }
        out.push_str("]}");
        out
    }

    /// Starts again at zero; connections stay counted.
    pub(crate) fn reset(&self) {
        self.calls.store(0, Ordering::SeqCst);
        if let Some(markers) = &self.markers {
            markers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_listed_and_forgotten_on_reset() {
        let seen = Seen::new(true);
        seen.call("a\"b");
        seen.opened();
        assert_eq!(seen.json(), r#"{"calls":1,"open":1,"answering":0,"markers":["a\"b"]}"#);
        seen.reset();
        assert_eq!(seen.json(), r#"{"calls":0,"open":1,"answering":0,"markers":[]}"#);
    }
}
