//! Standard input and output, a line at a time. Must never mix two lines, nor keep one that has no end.

use std::io::{BufRead, Read as _, Write as _};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// Lines that wait on either side.
const WAITING: usize = 64;

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line without its end.
    Whole(Bytes),
    /// A line longer than allowed was skipped.
    TooLong,
}

/// Reads lines until the end of input, in a thread of its own: a terminal or a pipe cannot be waited for otherwise.
pub(super) fn read(bytes_max: usize) -> mpsc::Receiver<Line> {
    let (sender, lines) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        while let Ok(Some(line)) = next(&mut input, bytes_max) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// The next line that is not blank; the last one may lack its end.
fn next(input: &mut impl BufRead, bytes_max: usize) -> std::io::Result<Option<Line>> {
    loop {
        let mut line = Vec::new();
        let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
        if input.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') && line.len() > bytes_max {
            skip(input)?;
            return Ok(Some(Line::TooLong));
        }
        let whole = line.trim_ascii();
        if !whole.is_empty() {
            return Ok(Some(Line::Whole(Bytes::copy_from_slice(whole))));
        }
    }
}

/// To the end of the line, keeping nothing.
fn skip(input: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let (used, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(used);
        if ended {
            return Ok(());
        }
    }
}

/// The one writer of standard output.
#[derive(Clone)]
pub(super) struct Output(mpsc::Sender<Bytes>);

impl Output {
    /// The writer, and what resolves when nobody reads any more, or all was written.
    pub(super) fn start() -> (Self, oneshot::Receiver<()>) {
        let (sender, mut lines) = mpsc::channel::<Bytes>(WAITING);
        let (ended, end) = oneshot::channel();
        std::thread::spawn(move || {
            let mut output = std::io::stdout().lock();
            while let Some(line) = lines.blocking_recv() {
                if output.write_all(&line).and_then(|()| output.flush()).is_err() {
                    break;
                }
            }
            // Nobody may be left to hear it.
            let _heard = ended.send(());
        });
        (Self(sender), end)
    }

    /// Writes one message as one line. When the client is gone there is nobody to tell.
    pub(super) async fn put(&self, message: &[u8]) {
        drop(self.0.send(mcp::line::encode(message)).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8], bytes_max: usize) -> Vec<Line> {
        let mut input = std::io::BufReader::with_capacity(4, input);
        std::iter::from_fn(|| next(&mut input, bytes_max).unwrap()).collect()
    }

    fn whole(text: &'static str) -> Line {
        Line::Whole(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn lines_are_whole_and_blank_ones_are_none() {
        assert_eq!(all(b"one\r\n\n  \ntwo\nlast", 5), [whole("one"), whole("two"), whole("last")]);
        assert_eq!(all(b"", 5), []);
    }

    #[test]
    fn a_line_without_end_is_skipped_to_its_end_and_the_next_is_read() {
        assert_eq!(all(b"123456789\nnext\n", 5), [Line::TooLong, whole("next")]);
        assert_eq!(all(b"12345\n", 5), [whole("12345")]);
        assert_eq!(all(b"123456", 5), [Line::TooLong]);
    }
}
