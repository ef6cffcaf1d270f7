//! Every text of a definition, and what hides in it. Must never skip a text: names and values alike.

use model::json::Json;

use crate::schema::push_step;
use crate::visible::kind_of;

/// Blank characters in a row that push text out of sight.
const BLANKS_MAX: usize = 120;

/// Every string and member name below `json`, with its JSON Pointer.
pub(super) fn texts<'a>(json: &'a Json, visit: &mut impl FnMut(&str, &'a str)) {
    walk(json, &mut String::new(), visit);
}

fn walk<'a>(json: &'a Json, at: &mut String, visit: &mut impl FnMut(&str, &'a str)) {
    let length = at.len();
    match json {
        Json::String(text) => visit(at, text),
        Json::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                push_step(at, &position.to_string());
                walk(item, at, visit);
                at.truncate(length);
            }
        }
        Json::Object(members) => {
            for member in members {
                push_step(at, &member.name);
                visit(at, &member.name);
                walk(&member.value, at, visit);
                at.truncate(length);
            }
        }
        _ => {}
    }
}

/// What stands around the first thing a reader would not see.
pub(super) fn hidden(text: &str) -> Option<&str> {
    let mut before = ' ';
    let mut blanks = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let after = chars.peek().map_or(' ', |(_, c)| *c);
        blanks = if c.is_whitespace() { blanks + 1 } else { 0 };
        if blanks > BLANKS_MAX || (kind_of(c).is_some() && !harmless(before, c, after)) {
            return Some(around(text, at));
        }
        before = c;
    }
    None
}

/// Line ends of Windows, emoji sequences, and the joiners that Arabic and Indic scripts are written with.
fn harmless(before: char, c: char, after: char) -> bool {
    let emoji = |c: char| matches!(c, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}' | '\u{fe0f}');
    let joined_script = |c: char| matches!(c, '\u{600}'..='\u{6ff}' | '\u{900}'..='\u{dff}');
    match c {
        '\r' => after == '\n',
        '\u{fe0e}' | '\u{fe0f}' => {
            emoji(before) && before != c
                || matches!(before, '0'..='9' | '#' | '*' | '©' | '®' | '‼' | 'ℹ' | '™')
        }
        '\u{200d}' => (emoji(before) && emoji(after)) || (joined_script(before) && joined_script(after)),
        '\u{200c}' => joined_script(before) && joined_script(after),
        _ => false,
    }
}

/// Up to 40 bytes on both sides.
pub(super) fn around(text: &str, at: usize) -> &str {
    let from = (0..=at.saturating_sub(40)).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let to = (at + 40..text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(text.len());
    text.get(from..to).unwrap_or(text)
}
