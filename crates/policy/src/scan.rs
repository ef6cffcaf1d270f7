//! A look at policy text before the parser sees it: splits statements, counts nesting and operators.
//!
//! Must never recurse, and must know strings and comments exactly as Cedar's lexer does: a parser fed with deep
//! text runs out of stack, which would end the process.

/// Bytes of one file.
pub(crate) const FILE_BYTES_MAX: usize = 64 << 10;
/// Open `(`, `[` and `{` at one point.
pub(crate) const NESTING_MAX: usize = 50;
/// What may deepen an expression by one, in one policy: `&&`, `||`, `.`, `[`, `if`, `!`, arithmetic.
pub(crate) const OPERATORS_MAX: usize = 512;

/// One policy's text, up to and with its `;`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    /// Its byte offset in the file.
    pub(crate) offset: usize,
    /// The text, comments in front of it included.
    pub(crate) text: &'a str,
    /// Offset of its first character that is neither white space nor comment, within the file.
    pub(crate) begins: usize,
}

/// What breaks a limit, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScanFault {
    /// The file is too large.
    #[error("the file is larger than {FILE_BYTES_MAX} bytes")]
    FileSize,
    /// Nested too deeply.
    #[error("brackets are nested deeper than {NESTING_MAX}")]
    Nesting(usize),
    /// Too many operators in one policy.
    #[error("one policy has more than {OPERATORS_MAX} operators")]
    Operators(usize),
}

impl ScanFault {
    /// Where.
    pub(crate) const fn offset(self) -> usize {
        match self {
            Self::FileSize => FILE_BYTES_MAX,
            Self::Nesting(at) | Self::Operators(at) => at,
        }
    }
}

/// Splits a file into statements. The last one may lack its `;`: the parser says so.
pub(crate) fn statements(text: &str) -> Result<Vec<Statement<'_>>, ScanFault> {
    if text.len() > FILE_BYTES_MAX {
        return Err(ScanFault::FileSize);
    }
    let mut scan = Scan::new(text.as_bytes());
    let mut found = Vec::new();
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if scan.step(at, byte)? {
            push(&mut found, text, from..at + 1, scan.begins.take());
            from = at + 1;
        }
    }
    push(&mut found, text, from..text.len(), scan.begins.take());
    Ok(found)
}

fn push<'a>(
    found: &mut Vec<Statement<'a>>,
    text: &'a str,
    range: std::ops::Range<usize>,
    begins: Option<usize>,
) {
    if let (Some(begins), Some(piece)) = (begins, text.get(range.clone())) {
        found.push(Statement { offset: range.start, text: piece, begins });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Code,
    Text,
    Escape,
    Comment,
}

struct Scan<'a> {
    bytes: &'a [u8],
    mode: Mode,
    depth: usize,
    /// Half operators: `&&` and `||` come as two bytes.
    halves: usize,
    begins: Option<usize>,
}

impl<'a> Scan<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, mode: Mode::Code, depth: 0, halves: 0, begins: None }
    }

    /// Takes one byte; true when it ends a statement.
    fn step(&mut self, at: usize, byte: u8) -> Result<bool, ScanFault> {
        self.mode = match (self.mode, byte) {
            (Mode::Comment, b'\n' | b'\r') | (Mode::Text, b'"') => Mode::Code,
            (Mode::Text, b'\\') => Mode::Escape,
            (Mode::Escape, _) => Mode::Text,
            (Mode::Code, b'/') if self.bytes.get(at + 1) == Some(&b'/') => Mode::Comment,
            (Mode::Code, _) => return self.code(at, byte),
            (mode, _) => mode,
        };
        Ok(false)
    }

    fn code(&mut self, at: usize, byte: u8) -> Result<bool, ScanFault> {
        if !byte.is_ascii_whitespace() && self.begins.is_none() {
            self.begins = Some(at);
        }
        match byte {
            b'"' => self.mode = Mode::Text,
            b'(' | b'[' | b'{' => self.depth += 1,
            b')' | b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            b'&' | b'|' => self.halves += 1,
            b'.' | b'+' | b'-' | b'*' | b'!' => self.halves += 2,
            b'i' if self.is_word_if(at) => self.halves += 2,
            b';' if self.depth == 0 => {
                self.halves = 0;
                return Ok(true);
            }
            _ => {}
        }
        if byte == b'[' {
            self.halves += 2;
        }
        if self.depth > NESTING_MAX {
            return Err(ScanFault::Nesting(at));
        }
        if self.halves > OPERATORS_MAX * 2 {
            return Err(ScanFault::Operators(at));
        }
        Ok(false)
    }

    fn is_word_if(&self, at: usize) -> bool {
        let word = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        self.bytes.get(at + 1) == Some(&b'f')
            && !word(self.bytes.get(at + 2))
            && !word(at.checked_sub(1).and_then(|before| self.bytes.get(before)))
    }
}

/// Line and column (in characters) of a byte offset, both from 1.
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(..end).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests;
