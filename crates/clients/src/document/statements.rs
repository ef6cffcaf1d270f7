//! TOML cut into headers and pairs with their places. Must never be used on text that is not valid TOML: it checks
//! nothing itself.

use std::ops::Range;

/// A header or a pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Statement {
    /// Whole lines, without blank lines and comments around.
    pub(super) lines: Range<usize>,
    /// The names from the top of the file.
    pub(super) path: Vec<String>,
    /// What it is.
    pub(super) what: What,
}

/// What a statement is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// `[a.b]`
    Header,
    /// `[[a.b]]`
    ArrayHeader,
    /// `a.b = value`: how many of the path's names the header above gives, and where the value stands.
    Pair {
        /// Names that were not written here.
        above: usize,
        /// The value.
        value: Range<usize>,
    },
}

/// All statements in order.
pub(super) fn statements(text: &str) -> Vec<Statement> {
    let mut cut = Cut { text, at: if text.starts_with('\u{feff}') { 3 } else { 0 }, above: Vec::new() };
    let mut found = Vec::new();
    loop {
        cut.skip_blank();
        if cut.at >= text.len() {
            return found;
        }
        let before = cut.at;
        found.push(cut.statement());
        if cut.at == before {
            return found;
        }
    }
}

struct Cut<'a> {
    text: &'a str,
    at: usize,
    above: Vec<String>,
}

impl Cut<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn starts(&self, with: &str) -> bool {
        self.text.get(self.at..).is_some_and(|rest| rest.starts_with(with))
    }

    fn skip_spaces(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn skip_line(&mut self) {
        while let Some(byte) = self.byte() {
            self.at += 1;
            if byte == b'\n' {
                return;
            }
        }
    }

    /// Blank lines and comments.
    fn skip_blank(&mut self) {
        loop {
            let line = self.at;
            self.skip_spaces();
            match self.byte() {
                Some(b'#') => self.skip_line(),
                Some(b'\n' | b'\r') => self.at += 1,
                _ => {
                    self.at = if self.byte().is_none() { self.at } else { line };
                    return;
                }
            }
        }
    }

    /// `at` is at the start of its line.
    fn statement(&mut self) -> Statement {
        let start = self.at;
        self.skip_spaces();
        let (path, what) = if self.byte() == Some(b'[') { self.header() } else { self.pair() };
        self.skip_line();
        Statement { lines: start..self.at, path, what }
    }

    fn header(&mut self) -> (Vec<String>, What) {
        let array = self.starts("[[");
        self.at += if array { 2 } else { 1 };
        let path = self.key();
        self.above.clone_from(&path);
        (path, if array { What::ArrayHeader } else { What::Header })
    }

    fn pair(&mut self) -> (Vec<String>, What) {
        let above = self.above.len();
        let mut path = self.above.clone();
        path.extend(self.key());
        self.at += 1;
        self.skip_spaces();
        let start = self.at;
        self.value();
        (path, What::Pair { above, value: start..self.at })
    }

    /// Dotted names up to `=` or `]`.
    fn key(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        loop {
            self.skip_spaces();
            match self.byte() {
                Some(quote @ (b'"' | b'\'')) => {
                    let start = self.at;
                    self.string();
                    let written = self.text.get(start..self.at).unwrap_or_default();
                    names.push(unquoted(written, quote));
                }
                Some(b'.') => self.at += 1,
                Some(b'=' | b']') | None => return names,
                Some(_) => {
                    let start = self.at;
                    while self.byte().is_some_and(|b| !matches!(b, b'.' | b'=' | b']' | b' ' | b'\t' | b'\n'))
                    {
                        self.at += 1;
                    }
                    names.push(self.text.get(start..self.at).unwrap_or_default().to_owned());
                    if self.at == start {
                        return names;
                    }
                }
            }
        }
    }

    /// `at` is at a quote; afterwards behind the closing one.
    fn string(&mut self) {
        let triple = ["\"\"\"", "'''"].into_iter().find(|quotes| self.starts(quotes));
        let Some(quote) = self.byte() else { return };
        let closing = triple.map_or(1, str::len);
        self.at += closing;
        while let Some(byte) = self.byte() {
            match byte {
                b'\\' if quote == b'"' => self.at += 2,
                byte if byte == quote && triple.is_none_or(|quotes| self.starts(quotes)) => {
                    self.at += closing;
                    // Up to two more quotes belong to the text of a long string.
                    while triple.is_some() && self.byte() == Some(quote) {
                        self.at += 1;
                    }
                    return;
                }
                _ => self.at += 1,
            }
        }
        self.at = self.text.len();
    }

    /// A value: up to the end of its line, its brackets or its quotes.
    fn value(&mut self) {
        let mut depth = 0usize;
        let mut end = self.at;
        while let Some(byte) = self.byte() {
            match byte {
                b'"' | b'\'' => self.string(),
                b'#' if depth > 0 => self.skip_line(),
                b'#' => break,
                b'\n' | b'\r' if depth == 0 => break,
                b'[' | b'{' => {
                    depth += 1;
                    self.at += 1;
                }
                b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                _ => self.at += 1,
            }
            if depth == 0 && !matches!(byte, b' ' | b'\t') {
                end = self.at;
            }
        }
        self.at = end;
    }
}

/// A quoted name's text.
fn unquoted(written: &str, quote: u8) -> String {
    let inner = written.get(1..written.len().saturating_sub(1)).unwrap_or_default();
    if quote == b'\'' || !inner.contains('\\') {
        return inner.to_owned();
    }
    let pair = format!("{written} = 0");
    let parsed = toml::de::DeTable::parse(&pair).ok();
    let name = parsed.and_then(|table| table.get_ref().keys().next().map(|key| key.get_ref().to_string()));
    name.unwrap_or_else(|| inner.to_owned())
}
