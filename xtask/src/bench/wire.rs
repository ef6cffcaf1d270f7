//! Request bytes of the two wires, built once; a call only overwrites a fixed-width marker.
//!
//! Must never allocate per call. Facts: 2025-11-25 carries a session header, 2026-07-28 carries everything in
//! the request.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// Digits of a marker: fixed, so that patching never moves a byte.
const MARKER_DIGITS: usize = 16;
const SLOT: &str = "0000000000000000";
const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";
const META: &str = concat!(
    r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientCapabilities":{},"#,
    r#""io.modelcontextprotocol/clientInfo":{"name":"load","version":"1"}}"#
);

/// Which revision the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Wire {
    /// 2025-11-25: sessions.
    Legacy,
    /// 2026-07-28: every request stands alone.
    Modern,
}

impl Wire {
    /// The revision, as figures name it.
    pub(crate) const fn revision(self) -> &'static str {
        match self {
            Self::Legacy => LEGACY,
            Self::Modern => MODERN,
        }
    }
}

/// Where the calls go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Loopback address.
    pub(crate) addr: SocketAddr,
    /// Path, such as `/mcp` or `/mcp/fast`.
    pub(crate) path: String,
    /// Bearer key; sent to every target, so that all parse the same bytes.
    pub(crate) key: String,
}

impl Target {
    fn head(&self, body: &str, extra: &str) -> String {
        format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nAuthorization: Bearer {}\r\n{extra}\
             Content-Length: {}\r\n\r\n{body}",
            self.path,
            self.addr,
            self.key,
            body.len()
        )
    }

    /// The legacy handshake's first message.
    pub(crate) fn initialize(&self) -> String {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{LEGACY}","capabilities":{{}},"clientInfo":{{"name":"load","version":"1"}}}}}}"#
        );
        self.head(&body, "")
    }

    /// The legacy handshake's second message.
    pub(crate) fn initialized(&self, session: Option<&str>) -> String {
        self.head(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, &legacy_headers(session))
    }

    /// Ends a legacy session.
    pub(crate) fn end(&self, session: &str) -> String {
        format!(
            "DELETE {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{}Content-Length: 0\r\n\r\n",
            self.path,
            self.addr,
            self.key,
            legacy_headers(Some(session))
        )
    }

    /// A call of `echo` with a marker slot.
    pub(crate) fn echo(&self, wire: Wire, session: Option<&str>) -> Template {
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":"i{SLOT}","method":"tools/call","params":{{"name":"echo","arguments":{{"text":"m{SLOT}"}}"#
        );
        match wire {
            Wire::Legacy => Template::new(self.head(&format!("{call}}}}}"), &legacy_headers(session))),
            Wire::Modern => {
                Template::new(self.head(&format!("{call},{META}}}}}"), &modern_headers("tools/call", "echo")))
            }
        }
    }
}

fn legacy_headers(session: Option<&str>) -> String {
    let mut out = format!("MCP-Protocol-Version: {LEGACY}\r\n");
    if let Some(session) = session {
        let _ = write!(out, "Mcp-Session-Id: {session}\r\n");
    }
    out
}

fn modern_headers(method: &str, name: &str) -> String {
    format!("MCP-Protocol-Version: {MODERN}\r\nMcp-Method: {method}\r\nMcp-Name: {name}\r\n")
}

/// Request bytes with the places of the id and of the marker.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    slots: Vec<usize>,
}

impl Template {
    fn new(text: String) -> Self {
        let slots = text.match_indices(SLOT).map(|(at, _)| at).collect();
        Self { bytes: text.into_bytes(), slots }
    }

    /// Writes `number` into every slot; returns the request and the marker its answer must contain.
    pub(crate) fn with(&mut self, number: u64) -> (&[u8], [u8; MARKER_DIGITS + 1]) {
        let digits = hex(number);
        for at in &self.slots {
            if let Some(slot) = self.bytes.get_mut(*at..*at + MARKER_DIGITS) {
                slot.copy_from_slice(&digits);
            }
        }
        let mut marker = [b'm'; MARKER_DIGITS + 1];
        for (to, from) in marker.iter_mut().skip(1).zip(digits) {
            *to = from;
        }
        (&self.bytes, marker)
    }
}

fn hex(number: u64) -> [u8; MARKER_DIGITS] {
    let mut out = [b'0'; MARKER_DIGITS];
    for (position, digit) in out.iter_mut().rev().enumerate() {
        let nibble = (number >> (4 * position)) & 0xf;
        *digit = b"0123456789abcdef".get(usize::try_from(nibble).unwrap_or(0)).copied().unwrap_or(b'0');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target { addr: ([127, 0, 0, 1], 9).into(), path: "/mcp".to_owned(), key: "k".to_owned() }
    }

    #[test]
    fn a_marker_changes_id_and_argument_and_nothing_else() {
        for wire in [Wire::Legacy, Wire::Modern] {
            let mut template = target().echo(wire, Some("s"));
            let before = template.with(0).0.len();
            let (bytes, marker) = template.with(0xabc);
            let text = std::str::from_utf8(bytes).unwrap();
            assert_eq!(bytes.len(), before);
            assert_eq!(&marker, b"m0000000000000abc");
            assert!(text.contains(r#""id":"i0000000000000abc""#), "{text}");
            assert!(text.contains(r#""text":"m0000000000000abc""#), "{text}");
        }
    }

    #[test]
    fn bodies_are_json_of_the_announced_length() {
        for text in [
            target().initialize(),
            target().initialized(Some("s")),
            String::from_utf8(target().echo(Wire::Modern, None).with(1).0.to_vec()).unwrap(),
            String::from_utf8(target().echo(Wire::Legacy, None).with(1).0.to_vec()).unwrap(),
        ] {
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{text}");
            serde_json::from_str::<serde_json::Value>(body).unwrap();
        }
    }
}
