//! Strings and numbers of the parser. Must never let a control character, a bad escape or half a surrogate by.

use super::{JsonFault, JsonProblem, Parser};

impl Parser<'_> {
    /// The string whose opening quote stands here.
    pub(super) fn string(&mut self) -> Result<Box<str>, JsonFault> {
        self.at += 1;
        let start = self.at;
        self.skip_plain();
        if self.peek() == Some(b'"') {
            let text = self.text.get(start..self.at).unwrap_or_default();
            self.at += 1;
            return Ok(Box::from(text));
        }
        self.escaped(start).map(String::into_boxed_str)
    }

    /// Moves to the next quote, backslash or control character, or to the end.
    fn skip_plain(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (words, _) = rest.as_chunks::<8>();
        let plain = words.iter().take_while(|word| !has_special(u64::from_le_bytes(**word))).count() * 8;
        let tail = rest.get(plain..).unwrap_or_default();
        let special = tail.iter().position(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\');
        self.at += plain + special.unwrap_or(tail.len());
    }

    /// The slow way: the first special character is not the closing quote.
    fn escaped(&mut self, start: usize) -> Result<String, JsonFault> {
        let mut out = String::with_capacity((self.at - start) * 2);
        let mut plain_from = start;
        loop {
            out.push_str(self.text.get(plain_from..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return self.fail(JsonProblem::Syntax),
            }
            plain_from = self.at;
            self.skip_plain();
        }
    }

    /// The escape whose backslash stands here.
    fn escape(&mut self) -> Result<char, JsonFault> {
        let letter = self.bytes.get(self.at + 1).copied();
        let plain = match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return self.fail(JsonProblem::Syntax),
        };
        self.at += 2;
        Ok(plain)
    }

    /// `\uXXXX`, or a surrogate pair of two.
    fn unicode(&mut self) -> Result<char, JsonFault> {
        let high = self.hex(self.at + 2)?;
        if let Some(single) = char::from_u32(high) {
            self.at += 6;
            return Ok(single);
        }
        let paired = self.bytes.get(self.at + 6..self.at + 8) == Some(b"\\u");
        if high >= 0xDC00 || !paired {
            return self.fail(JsonProblem::LoneSurrogate);
        }
        let low = self.hex(self.at + 8)?;
        if !(0xDC00..=0xDFFF).contains(&low) {
            return self.fail(JsonProblem::LoneSurrogate);
        }
        match char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00)) {
            Some(joined) => {
                self.at += 12;
                Ok(joined)
            }
            None => self.fail(JsonProblem::LoneSurrogate),
        }
    }

    fn hex(&self, at: usize) -> Result<u32, JsonFault> {
        let digits = self.bytes.get(at..at + 4).unwrap_or_default();
        let value = digits
            .iter()
            .try_fold(0u32, |sum, digit| char::from(*digit).to_digit(16).map(|value| sum << 4 | value));
        match value {
            Some(value) if digits.len() == 4 => Ok(value),
            _ => self.fail(JsonProblem::Syntax),
        }
    }

    /// The number that begins here, as it is written.
    pub(super) fn number(&mut self) -> Result<Box<str>, JsonFault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading = self.peek();
        let whole = self.digits()?;
        if leading == Some(b'0') && whole > 1 {
            self.at = start;
            return self.fail(JsonProblem::Syntax);
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        if self.at - start > self.number_chars_max {
            self.at = start;
            return self.fail(JsonProblem::NumberTooLong);
        }
        Ok(Box::from(self.text.get(start..self.at).unwrap_or("0")))
    }

    /// One or more digits; how many.
    fn digits(&mut self) -> Result<usize, JsonFault> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        match self.at - start {
            0 => self.fail(JsonProblem::Syntax),
            count => Ok(count),
        }
    }
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Whether one of eight bytes is below 0x20, a quote or a backslash. A borrow only ever comes out of a byte that
/// is one of them, so the answer is exact for the word as a whole.
const fn has_special(word: u64) -> bool {
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = word ^ (ONES * b'"' as u64);
    let slash = word ^ (ONES * b'\\' as u64);
    let found = control | quote.wrapping_sub(ONES) & !quote | slash.wrapping_sub(ONES) & !slash;
    found & HIGHS != 0
}
