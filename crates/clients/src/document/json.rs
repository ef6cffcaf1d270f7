//! JSON with comments. Must never move a byte: what is not JSON becomes spaces, so every place stays where it was.

use std::ops::Range;

use model::json::{Json, write_string};

use super::{DocumentFault, LIMITS, json_fault, line_end};
use crate::entry::ShimEntry;

/// The value of a text. One with nothing in it is an empty object, as editors take it.
pub(super) fn tree(text: &str) -> Result<Json, DocumentFault> {
    let strict = strict(text);
    if strict.iter().all(u8::is_ascii_whitespace) {
        return Ok(Json::Object(Vec::new()));
    }
    Json::parse(&strict, &LIMITS).map_err(|fault| json_fault(text, &fault))
}

/// The same text with spaces for a byte order mark, comments, and commas before a closing bracket.
fn strict(text: &str) -> Vec<u8> {
    let mut out = text.as_bytes().to_vec();
    let mut at = 0;
    if text.starts_with('\u{feff}') {
        blank(&mut out, 0..3);
        at = 3;
    }
    let mut comma = None;
    while let Some(byte) = out.get(at).copied() {
        let next = out.get(at + 1).copied();
        let end = match (byte, next) {
            (b'"', _) => string_end(&out, at),
            (b'/', Some(b'/')) => blanked(&mut out, at, line_comment_end),
            (b'/', Some(b'*')) => blanked(&mut out, at, block_comment_end),
            _ => at + 1,
        };
        match byte {
            b',' => comma = Some(at),
            b'}' | b']' => {
                if let Some(comma) = comma.take() {
                    blank(&mut out, comma..comma + 1);
                }
            }
            b'/' => {}
            byte if byte.is_ascii_whitespace() => {}
            _ => comma = None,
        }
        at = end;
    }
    out
}

fn blank(bytes: &mut [u8], range: Range<usize>) {
    for byte in bytes.get_mut(range).unwrap_or_default() {
        if !matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

fn blanked(bytes: &mut [u8], at: usize, end: fn(&[u8], usize) -> Option<usize>) -> usize {
    match end(bytes, at) {
        Some(end) => {
            blank(bytes, at..end);
            end
        }
        // Not closed: left as it is, so that the strict reader refuses it.
        None => bytes.len(),
    }
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn line_comment_end(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    Some(start + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()))
}

fn block_comment_end(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start + 2..)?;
    rest.windows(2).position(|pair| pair == b"*/").map(|found| start + 2 + found + 2)
}

/// An entry as the file around it is written: on one line if the old one was, else indented as the old one.
pub(super) fn render(text: &str, old: &Range<usize>, entry: &ShimEntry) -> String {
    let members = entry.members();
    let old_text = text.get(old.clone()).unwrap_or_default();
    if !old_text.contains('\n') {
        let members: Vec<String> = members.iter().map(|(name, value)| pair(name, value)).collect();
        return format!("{{ {} }}", members.join(", "));
    }
    let line_start = text.get(..old.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line = text.get(line_start..).unwrap_or_default();
    let outer = indent_of(line);
    let inner = old_text.lines().skip(1).find(|line| !line.trim().is_empty()).map_or("", indent_of);
    let inner = if inner.len() > outer.len() && inner.starts_with(outer) {
        inner.to_owned()
    } else {
        format!("{outer}  ")
    };
    let end = line_end(text);
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{inner}{}", pair(name, value))).collect();
    format!("{{{end}{}{end}{outer}}}", members.join(&format!(",{end}")))
}

fn pair(name: &str, value: &Json) -> String {
    let mut out = String::new();
    write_string(&mut out, name);
    out.push_str(": ");
    value_text(&mut out, value);
    out
}

/// On one line, with a space after each comma.
fn value_text(out: &mut String, value: &Json) {
    match value {
        Json::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                out.push_str(if position == 0 { "" } else { ", " });
                value_text(out, item);
            }
            out.push(']');
        }
        other => out.push_str(&other.canonical()),
    }
}

fn indent_of(line: &str) -> &str {
    let length = line.len() - line.trim_start_matches([' ', '\t']).len();
    line.get(..length).unwrap_or_default()
}
