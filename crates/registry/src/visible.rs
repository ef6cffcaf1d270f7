//! Text from servers made safe to look at. Must never let a character hide from, or move before, a reader.

mod diff;
mod hidden;

use model::json::{Json, write_string};

pub use diff::{DefinitionDiff, DiffLine, diff};
pub use hidden::{Hidden, kind_of};

/// The text with everything a reader would not see written as `\u{…}`. Line ends and tabs stay.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if kind_of(c).is_some() {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// One line of at most `max` characters, everything hidden made visible, line ends as `\n`.
#[must_use]
pub fn shortened(text: &str, max: usize) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count >= max {
            out.push('…');
            break;
        }
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if kind_of(c).is_some() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// A definition for a person: members sorted, one per line, two spaces a level, everything hidden made visible.
#[must_use]
pub fn pretty(json: &Json) -> String {
    let mut out = String::new();
    write_pretty(&mut out, json, 0);
    out
}

fn write_pretty(out: &mut String, json: &Json, level: usize) {
    match json {
        Json::Array(items) if !items.is_empty() => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                new_line(out, position, level + 1);
                write_pretty(out, item, level + 1);
            }
            new_line(out, 0, level);
            out.push(']');
        }
        Json::Object(members) if !members.is_empty() => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|left, right| left.name.encode_utf16().cmp(right.name.encode_utf16()));
            out.push('{');
            for (position, member) in sorted.into_iter().enumerate() {
                new_line(out, position, level + 1);
                write_visible_string(out, &member.name);
                out.push_str(": ");
                write_pretty(out, &member.value, level + 1);
            }
            new_line(out, 0, level);
            out.push('}');
        }
        Json::String(text) => write_visible_string(out, text),
        other => out.push_str(&other.canonical()),
    }
}

fn new_line(out: &mut String, position: usize, level: usize) {
    if position > 0 {
        out.push(',');
    }
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", level));
}

/// As JSON, but what is hidden is `\u{…}`, which JSON does not know: nobody takes it for the server's own text.
fn write_visible_string(out: &mut String, text: &str) {
    let mut quoted = String::new();
    write_string(&mut quoted, text);
    out.push_str(&visible(&quoted));
}

#[cfg(test)]
mod tests;
