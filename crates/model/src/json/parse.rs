//! The strict one-pass parser. Must never recurse past the depth limit nor panic on any bytes.
//!
//! Invariant: what it accepts, every conforming parser reads the same way (RFC 8259; facts S34, S37).

mod text;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use super::{Json, JsonFault, JsonProblem, Member};
use crate::limits::JsonLimits;

/// Whatever the limits say, the stack is never asked for more nesting than this.
const DEPTH_CEILING: usize = 192;

/// Objects up to this size are checked for duplicate names pair by pair, larger ones by hashing.
const PAIRWISE_MAX: usize = 16;

pub(super) fn parse(text: &[u8], limits: &JsonLimits) -> Result<Json, JsonFault> {
    if text.len() > limits.bytes_max {
        return Err(JsonFault { offset: limits.bytes_max, problem: JsonProblem::TooLarge });
    }
    let text = std::str::from_utf8(text)
        .map_err(|fault| JsonFault { offset: fault.valid_up_to(), problem: JsonProblem::Encoding })?;
    if text.starts_with('\u{feff}') {
        return Err(JsonFault { offset: 0, problem: JsonProblem::Encoding });
    }
    let mut parser = Parser {
        text,
        bytes: text.as_bytes(),
        at: 0,
        values_left: limits.values_max,
        depth_left: limits.depth_max.min(DEPTH_CEILING),
        number_chars_max: limits.number_chars_max,
    };
    parser.skip_space();
    let value = parser.value()?;
    parser.skip_space();
    match parser.peek() {
        None => Ok(value),
        Some(_) => parser.fail(JsonProblem::TrailingBytes),
    }
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    values_left: usize,
    depth_left: usize,
    number_chars_max: usize,
}

impl Parser<'_> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    #[cold]
    fn fail<T>(&self, problem: JsonProblem) -> Result<T, JsonFault> {
        Err(JsonFault { offset: self.at, problem })
    }

    /// The value that begins right here.
    fn value(&mut self) -> Result<Json, JsonFault> {
        match self.values_left.checked_sub(1) {
            Some(left) => self.values_left = left,
            None => return self.fail(JsonProblem::TooMany),
        }
        match self.peek() {
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'-' | b'0'..=b'9') => Ok(Json::Number(self.number()?)),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => self.fail(JsonProblem::Syntax),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, JsonFault> {
        match self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            true => {
                self.at += word.len();
                Ok(value)
            }
            false => self.fail(JsonProblem::Syntax),
        }
    }

    fn open(&mut self) -> Result<(), JsonFault> {
        match self.depth_left.checked_sub(1) {
            Some(left) => self.depth_left = left,
            None => return self.fail(JsonProblem::TooDeep),
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn close(&mut self) {
        self.depth_left += 1;
        self.at += 1;
    }

    /// After a member or element: true when another follows, false when `end` closed the list.
    fn more(&mut self, end: u8) -> Result<bool, JsonFault> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.skip_space();
                Ok(true)
            }
            Some(byte) if byte == end => {
                self.close();
                Ok(false)
            }
            _ => self.fail(JsonProblem::Syntax),
        }
    }

    fn array(&mut self) -> Result<Json, JsonFault> {
        self.open()?;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.close();
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            if !self.more(b']')? {
                return Ok(Json::Array(items));
            }
        }
    }

    fn object(&mut self) -> Result<Json, JsonFault> {
        self.open()?;
        let mut members = Vec::new();
        if self.peek() == Some(b'}') {
            self.close();
            return Ok(Json::Object(members));
        }
        loop {
            let member = self.member(&members)?;
            members.push(member);
            if !self.more(b'}')? {
                break;
            }
        }
        if members.len() > PAIRWISE_MAX {
            refuse_duplicates(&members)?;
        }
        Ok(Json::Object(members))
    }

    fn member(&mut self, earlier: &[Member]) -> Result<Member, JsonFault> {
        let named_at = self.at;
        if self.peek() != Some(b'"') {
            return self.fail(JsonProblem::Syntax);
        }
        let name = self.string()?;
        if earlier.len() < PAIRWISE_MAX && earlier.iter().any(|member| member.name == name) {
            return Err(JsonFault { offset: named_at, problem: JsonProblem::DuplicateName });
        }
        self.skip_space();
        if self.peek() != Some(b':') {
            return self.fail(JsonProblem::Syntax);
        }
        self.at += 1;
        self.skip_space();
        let start = self.at;
        let value = self.value()?;
        Ok(Member { name, span: start..self.at, value })
    }
}

/// For objects too large to compare pair by pair. The offset is that of the repeated member's value.
fn refuse_duplicates(members: &[Member]) -> Result<(), JsonFault> {
    let mut seen = HashSet::with_capacity(members.len());
    match members.iter().find(|member| !seen.insert(&*member.name)) {
        None => Ok(()),
        Some(again) => Err(JsonFault { offset: again.span.start, problem: JsonProblem::DuplicateName }),
    }
}
