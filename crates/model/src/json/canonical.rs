//! The canonical writer. Must never change the value of anything: what it writes parses back to the same tree.

use std::cmp::Ordering;

use super::{Json, Member};

pub(super) fn write(json: &Json) -> String {
    let mut out = String::with_capacity(256);
    write_value(&mut out, json);
    out
}

fn write_value(out: &mut String, json: &Json) {
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Number(text) => out.push_str(text),
        Json::String(text) => write_string(out, text),
        Json::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Json::Object(members) if members.is_sorted_by(|left, right| order(left, right).is_le()) => {
            write_members(out, members.iter());
        }
        Json::Object(members) => {
            let mut sorted: Vec<&Member> = members.iter().collect();
            sorted.sort_unstable_by(|left, right| order(left, right));
            write_members(out, sorted.into_iter());
        }
    }
}

/// By UTF-16 code units (RFC 8785 §3.2.3); for ASCII that is the order of the bytes.
fn order(left: &Member, right: &Member) -> Ordering {
    match left.name.is_ascii() && right.name.is_ascii() {
        true => left.name.cmp(&right.name),
        false => left.name.encode_utf16().cmp(right.name.encode_utf16()),
    }
}

fn write_members<'a>(out: &mut String, members: impl Iterator<Item = &'a Member>) {
    out.push('{');
    for (position, member) in members.enumerate() {
        if position > 0 {
            out.push(',');
        }
        write_string(out, &member.name);
        out.push(':');
        write_value(out, &member.value);
    }
    out.push('}');
}

pub(super) fn write_string(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    out.push('"');
    let mut rest = text;
    // All characters to escape are ASCII, so a byte's position is a character's.
    while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = tail.chars();
        match chars.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\u{8}') => out.push_str("\\b"),
            Some('\t') => out.push_str("\\t"),
            Some('\n') => out.push_str("\\n"),
            Some('\u{c}') => out.push_str("\\f"),
            Some('\r') => out.push_str("\\r"),
            // Writing to a String cannot fail.
            Some(control) => drop(write!(out, "\\u{:04x}", u32::from(control))),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}
