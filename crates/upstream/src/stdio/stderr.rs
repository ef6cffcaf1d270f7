//! A child's stderr: free-form text. Must never grow without bound, nor reach a log unescaped or with a
//! configured secret in it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use model::ids::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes kept of what a child wrote last.
const TAIL_BYTES: usize = 16 << 10;
/// Longest line that is logged; the rest of it is dropped.
const LINE_BYTES: usize = 2 << 10;
/// Lines that are logged per child and start; a child that floods is not worth more.
const LINES_LOGGED: u32 = 10_000;

/// The last 16 KiB of a child's stderr.
#[derive(Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let excess = kept.len().saturating_sub(TAIL_BYTES);
        kept.drain(..excess);
    }

    /// The last lines, escaped and without secrets, for an operator's log.
    pub(crate) fn last_lines(&self, count: usize, secrets: &[String]) -> String {
        let bytes: Vec<u8> = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let from = lines.len().saturating_sub(count);
        let last: Vec<_> = lines.iter().skip(from).map(|line| presentable(line, secrets)).collect();
        last.join(" | ")
    }
}

/// Reads stderr to its end, keeping the tail and logging lines.
pub(super) async fn drain(
    mut stderr: impl AsyncRead + Unpin,
    server: ServerName,
    tail: Tail,
    secrets: Arc<[String]>,
) {
    let mut line = Vec::new();
    let mut logged = 0;
    let mut chunk = vec![0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
        let bytes = chunk.get(..count).unwrap_or_default();
        tail.push(bytes);
        for byte in bytes {
            match byte {
                b'\n' if logged < LINES_LOGGED => {
                    logged += 1;
                    let text = presentable(&String::from_utf8_lossy(&line), &secrets);
                    tracing::debug!(server = %server, line = %text, "stderr");
                    line.clear();
                }
                b'\n' => line.clear(),
                _ if line.len() < LINE_BYTES => line.push(*byte),
                _ => {}
            }
        }
    }
}

/// A line as it may be logged: secrets replaced, control characters escaped.
fn presentable(line: &str, secrets: &[String]) -> String {
    let mut text = line.trim_end().to_owned();
    for secret in secrets {
        text = text.replace(secret.as_str(), "[secret]");
    }
    text.chars().flat_map(shown).collect()
}

fn shown(c: char) -> impl Iterator<Item = char> {
    let hidden = c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let escaped = hidden.then(|| c.escape_unicode());
    let plain = (!hidden).then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_is_bounded_and_the_last_lines_are_kept() {
        let tail = Tail::default();
        let mut text = "x".repeat(1 << 20).into_bytes();
        text.extend_from_slice(b"\nlast words\n");
        let server = ServerName::parse("s").unwrap();
        drain(&text[..], server, tail.clone(), Arc::from([])).await;
        assert!(tail.0.lock().unwrap().len() <= TAIL_BYTES);
        assert!(tail.last_lines(1, &[]).ends_with("last words"));
    }

    #[test]
    fn control_characters_and_secrets_do_not_reach_a_log() {
        let tail = Tail::default();
        tail.push("token hunter2-x \u{1b}[31mred\u{202e}\n".as_bytes());
        let shown = tail.last_lines(5, &["hunter2-x".to_owned()]);
        assert_eq!(shown, "token [secret] \\u{1b}[31mred\\u{202e}");
    }
}
