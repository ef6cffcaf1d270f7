//! A minimal HTTP/1.1 response reader: content-length and chunked, one answer at a time, buffers reused.
//!
//! Must never read past its bounds; must never accept an answer it did not see whole.

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

const ANSWER_BYTES_MAX: usize = 8 << 20;
const READ_BYTES: usize = 16 << 10;

/// One whole answer.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    /// Status code.
    pub(crate) status: u16,
    /// `Mcp-Session-Id`, when the answer set one.
    pub(crate) session: Option<String>,
    /// The body, chunks joined.
    pub(crate) body: &'a [u8],
}

/// Reads answers from one connection.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    buffer: Vec<u8>,
    body: Vec<u8>,
}

enum Length {
    Fixed(usize),
    Chunked,
}

struct Head {
    status: u16,
    session: Option<String>,
    length: Length,
    end: usize,
}

impl Reader {
    /// Reads one answer; the connection must have no other in flight.
    pub(crate) async fn answer(&mut self, stream: &mut TcpStream) -> Result<Answer<'_>, String> {
        self.buffer.clear();
        let head = loop {
            self.more(stream).await?;
            if let Some(head) = head(&self.buffer)? {
                break head;
            }
        };
        match head.length {
            Length::Fixed(length) => {
                let end = head.end + length.min(ANSWER_BYTES_MAX);
                while self.buffer.len() < end {
                    self.more(stream).await?;
                }
                let body = self.buffer.get(head.end..end).unwrap_or_default();
                Ok(Answer { status: head.status, session: head.session, body })
            }
            Length::Chunked => {
                while !dechunk(self.buffer.get(head.end..).unwrap_or_default(), &mut self.body)? {
                    self.more(stream).await?;
                }
                Ok(Answer { status: head.status, session: head.session, body: &self.body })
            }
        }
    }

    async fn more(&mut self, stream: &mut TcpStream) -> Result<(), String> {
        if self.buffer.len() > ANSWER_BYTES_MAX {
            return Err("the answer is larger than 8 MiB".to_owned());
        }
        self.buffer.reserve(READ_BYTES);
        match stream.read_buf(&mut self.buffer).await {
            Ok(0) => Err("the connection was closed before the answer was whole".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("cannot read the answer: {error}")),
        }
    }
}

fn head(buffer: &[u8]) -> Result<Option<Head>, String> {
    let Some(end) = find(buffer, b"\r\n\r\n") else { return Ok(None) };
    let text = buffer.get(..end).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let mut lines = text.ok_or("the answer's head is not text")?.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line.get(9..12).and_then(|code| code.parse().ok());
    let status: u16 = status.ok_or_else(|| format!("not a status line: `{status_line}`"))?;
    let mut length = Length::Fixed(0);
    let mut session = None;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Length::Fixed(value.parse().map_err(|_| format!("not a length: `{value}`"))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            length = Length::Chunked;
        } else if name.eq_ignore_ascii_case("mcp-session-id") {
            session = Some(value.to_owned());
        }
    }
    Ok(Some(Head { status, session, length, end: end + 4 }))
}

/// Joins the chunks seen so far into `body`; true once the last chunk was seen.
fn dechunk(mut rest: &[u8], body: &mut Vec<u8>) -> Result<bool, String> {
    body.clear();
    loop {
        let Some(line_end) = find(rest, b"\r\n") else { return Ok(false) };
        let line = rest.get(..line_end).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let size = line.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| format!("not a chunk size: `{size}`"))?;
        if size > ANSWER_BYTES_MAX {
            return Err("a chunk is larger than 8 MiB".to_owned());
        }
        let start = line_end + 2;
        let Some(after) = rest.get(start + size + 2..) else { return Ok(false) };
        if size == 0 {
            return Ok(true);
        }
        body.extend_from_slice(rest.get(start..start + size).unwrap_or_default());
        rest = after;
    }
}

/// Where `needle` starts.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    loop {
        let rest = haystack.get(from..)?;
        let at = from + rest.iter().position(|byte| *byte == first)?;
        if haystack.get(at..)?.starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_only_when_whole() {
        assert!(head(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n").unwrap().is_none());
        let seen =
            head(b"HTTP/1.1 404 X\r\ncontent-length: 2\r\nMCP-Session-Id: s1\r\n\r\nhi").unwrap().unwrap();
        assert_eq!((seen.status, seen.session.as_deref()), (404, Some("s1")));
        assert!(matches!(seen.length, Length::Fixed(2)));
        assert!(head(b"nonsense\r\n\r\n").is_err());
    }

    #[test]
    fn chunks_are_joined_and_a_missing_end_is_seen() {
        let mut body = Vec::new();
        assert!(!dechunk(b"3\r\nabc\r\n", &mut body).unwrap());
        assert!(dechunk(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", &mut body).unwrap());
        assert_eq!(body, b"abcde");
        assert!(dechunk(b"zz\r\n", &mut body).is_err());
    }

    #[test]
    fn find_agrees_with_windows() {
        for (haystack, needle) in [("aaab", "ab"), ("abc", "x"), ("mmm1", "m1"), ("", "a")] {
            let slow = haystack.as_bytes().windows(needle.len()).position(|w| w == needle.as_bytes());
            assert_eq!(find(haystack.as_bytes(), needle.as_bytes()), slow);
        }
    }
}
