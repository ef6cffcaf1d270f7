//! A command line cut into what may be shown and what must be sealed. Must never trust a flag to be harmless because
//! the next one is.

use super::{Around, Hidden, Part, Parts, joined, value, variable};
use crate::credential::{looks_like_credential, name_of_credential};

/// Program and arguments.
pub(super) fn split(written: &[Parts], around: &Around<'_>) -> Vec<Parts> {
    let texts: Vec<String> = written.iter().map(|parts| joined(parts)).collect();
    let mut out = Vec::new();
    for (position, parts) in written.iter().enumerate() {
        let text = texts.get(position).map_or("", String::as_str);
        if position == 0 {
            // A program is never a secret: it is shown, and started, as it is written.
            out.push(vec![Part::Plain(text.to_owned())]);
            continue;
        }
        let before = position.checked_sub(1).and_then(|before| texts.get(before)).map(String::as_str);
        out.push(argument(before, parts, text, around));
    }
    out
}

fn argument(before: Option<&str>, parts: &Parts, text: &str, around: &Around<'_>) -> Parts {
    let split = by_text(before, text, around);
    // A secret that a variable brought must be covered whatever the text looks like.
    let brought = parts.iter().filter_map(|part| match part {
        Part::Secret(secret) => Some(secret.reveal()),
        Part::Plain(_) => None,
    });
    let shown: String = split
        .iter()
        .filter_map(|part| match part {
            Part::Plain(text) => Some(text.as_str()),
            Part::Secret(_) => None,
        })
        .collect();
    let mut uncovered = brought.filter(|secret| !secret.is_empty()).peekable();
    if uncovered.peek().is_none() || uncovered.all(|secret| !shown.contains(secret)) {
        return split;
    }
    rejoined(parts)
}

/// The parts as the variables made them, each plain one looked at by itself.
fn rejoined(parts: &Parts) -> Parts {
    let again = |part: &Part| match part {
        Part::Plain(text) if looks_like_credential(text) => vec![Part::Secret(Hidden::new(text.clone()))],
        other => vec![other.clone()],
    };
    parts.iter().flat_map(again).collect()
}

fn by_text(before: Option<&str>, text: &str, around: &Around<'_>) -> Parts {
    match before {
        Some("-e" | "--env") => return assignment(text, around),
        Some("-H" | "--header") => return header_line(text),
        Some(flag) if is_flag(flag) && !text.starts_with('-') && name_of_credential(flag) => {
            return value(Some(flag), text);
        }
        _ => {}
    }
    for flag in ["--env=", "-e="] {
        if let Some(rest) = text.strip_prefix(flag) {
            return after(flag, assignment(rest, around));
        }
    }
    if let Some(rest) = text.strip_prefix("--header=") {
        return after("--header=", header_line(rest));
    }
    let named = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    if let Some((name, rest)) = text.split_once('=')
        && named(name)
    {
        return after(&format!("{name}="), value(Some(name), rest));
    }
    let document = text.starts_with(['{', '[']) && name_of_credential(text);
    if document { vec![Part::Secret(Hidden::new(text.to_owned()))] } else { header_line(text) }
}

fn is_flag(text: &str) -> bool {
    text.starts_with('-') && !text.contains('=')
}

/// `NAME=value` that becomes a variable of a container: as secret as a variable here.
fn assignment(text: &str, around: &Around<'_>) -> Parts {
    match text.split_once('=') {
        Some((name, rest)) => {
            after(&format!("{name}="), variable(name, vec![Part::Plain(rest.to_owned())], around))
        }
        None => value(None, text),
    }
}

/// `Name: value` if it is one with a credential, else any value.
fn header_line(text: &str) -> Parts {
    if let Some((name, rest)) = text.split_once(':')
        && name_of_credential(name)
        && !name.contains([' ', '/', '@'])
        && !rest.starts_with("//")
        && !rest.is_empty()
    {
        return after(&format!("{name}:"), vec![Part::Secret(Hidden::new(rest.to_owned()))]);
    }
    value(None, text)
}

fn after(lead: &str, rest: Parts) -> Parts {
    let mut parts = vec![Part::Plain(lead.to_owned())];
    for part in rest {
        match (parts.last_mut(), part) {
            (Some(Part::Plain(last)), Part::Plain(text)) => last.push_str(&text),
            (_, part) => parts.push(part),
        }
    }
    parts
}
