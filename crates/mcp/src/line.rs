//! The line codec of stdio: one message per line. Must never hold more than one over-long line's worth of bytes.

use bytes::{Buf as _, Bytes, BytesMut};

/// A line longer than allowed. The stream cannot be read on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a line is longer than {bytes_max} bytes")]
pub struct LineTooLong {
    /// The limit.
    pub bytes_max: usize,
}

/// Cuts a byte stream into lines.
#[derive(Debug)]
pub struct LineDecoder {
    buffer: BytesMut,
    /// How much of the buffer holds no line end.
    scanned: usize,
    bytes_max: usize,
}

impl LineDecoder {
    /// For lines of at most `bytes_max` bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), scanned: 0, bytes_max }
    }

    /// Adds what was read. Take all lines out before adding more.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole line that is not blank, without its end.
    ///
    /// # Errors
    /// [`LineTooLong`], now and on every later call.
    pub fn next_line(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        loop {
            let fresh = self.buffer.get(self.scanned..).unwrap_or_default();
            let Some(found) = fresh.iter().position(|byte| *byte == b'\n') else {
                self.scanned = self.buffer.len();
                return if self.scanned > self.bytes_max { Err(self.too_long()) } else { Ok(None) };
            };
            let length = self.scanned + found;
            if length > self.bytes_max {
                return Err(self.too_long());
            }
            let line = self.buffer.split_to(length).freeze();
            self.buffer.advance(1);
            self.scanned = 0;
            let line = line.strip_suffix(b"\r").map_or_else(|| line.clone(), |kept| line.slice_ref(kept));
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    const fn too_long(&self) -> LineTooLong {
        LineTooLong { bytes_max: self.bytes_max }
    }
}

/// A message as one line. Line ends in JSON text are white space between tokens (inside a string they are
/// escaped), so they become spaces.
#[must_use]
pub fn encode(message: &[u8]) -> Bytes {
    let mut line = Vec::with_capacity(message.len() + 1);
    push_one_line(&mut line, message);
    line.push(b'\n');
    Bytes::from(line)
}

pub(crate) fn push_one_line(out: &mut Vec<u8>, message: &[u8]) {
    let start = out.len();
    out.extend_from_slice(message);
    for byte in out.iter_mut().skip(start).filter(|byte| matches!(**byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
}

#[cfg(test)]
mod tests {
    use model::json::Json;
    use model::limits::JsonLimits;
    use proptest::prelude::*;

    use super::*;

    fn all(decoder: &mut LineDecoder) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = decoder.next_line().unwrap() {
            lines.push(String::from_utf8(line.to_vec()).unwrap());
        }
        lines
    }

    #[test]
    fn lines_are_cut_wherever_chunks_end() {
        let mut decoder = LineDecoder::new(64);
        decoder.push(b"{\"a\":1}\r\n\n  \n{\"b\"");
        assert_eq!(all(&mut decoder), ["{\"a\":1}"]);
        decoder.push(b":2}");
        assert!(all(&mut decoder).is_empty());
        decoder.push(b"\n3\n4\n5");
        assert_eq!(all(&mut decoder), ["{\"b\":2}", "3", "4"]);
    }

    #[test]
    fn an_endless_line_is_refused_with_and_without_its_end() {
        let mut decoder = LineDecoder::new(8);
        decoder.push(b"12345678");
        assert_eq!(decoder.next_line(), Ok(None));
        decoder.push(b"9");
        assert_eq!(decoder.next_line(), Err(LineTooLong { bytes_max: 8 }));
        let mut decoder = LineDecoder::new(8);
        decoder.push(b"12345678\n123456789\n1\n");
        assert_eq!(decoder.next_line(), Ok(Some(Bytes::from_static(b"12345678"))));
        assert!(decoder.next_line().is_err() && decoder.next_line().is_err());
    }

    #[test]
    fn a_message_written_over_several_lines_is_sent_as_one() {
        let pretty = b"{\r\n  \"a\": \"x\\ny\",\n  \"b\": [1,\n2]\n}";
        let line = encode(pretty);
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let limits = JsonLimits::REQUEST;
        let (before, after) = (Json::parse(pretty, &limits).unwrap(), Json::parse(&line, &limits).unwrap());
        assert_eq!(before.canonical(), after.canonical());
    }

    proptest! {
        #[test]
        fn chunking_changes_nothing(text in "[a-c\n]{0,60}", cut in prop::collection::vec(0usize..60, 0..5)) {
            let want: Vec<&str> = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'))
                .filter(|line| !line.is_empty()).collect();
            let mut decoder = LineDecoder::new(100);
            let mut cuts: Vec<usize> = cut.into_iter().map(|at| at.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let mut got = Vec::new();
            for pair in cuts.windows(2) {
                decoder.push(&text.as_bytes()[pair[0]..pair[1]]);
                got.extend(all(&mut decoder));
            }
            prop_assert_eq!(got, want);
        }
    }
}
