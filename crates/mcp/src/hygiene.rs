//! Refuses names that another parser could take for a protocol name (facts S35). Must never rename: it refuses.

use model::json::Json;

use crate::fault::short;
use crate::meta;

const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// The names in `params` that any method we know of reads.
const PARAMS: [&str; 18] = [
    "_meta",
    "name",
    "arguments",
    "inputResponses",
    "requestState",
    "task",
    "cursor",
    "uri",
    "taskId",
    "protocolVersion",
    "capabilities",
    "clientInfo",
    "requestId",
    "reason",
    "progressToken",
    "progress",
    "notifications",
    "level",
];

/// Where a name was found.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Envelope,
    Params,
    Meta,
}

impl Place {
    const fn known(self) -> &'static [&'static str] {
        match self {
            Self::Envelope => &ENVELOPE,
            Self::Params => &PARAMS,
            Self::Meta => &meta::KNOWN,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Envelope => "the envelope",
            Self::Params => "`params`",
            Self::Meta => "`_meta`",
        }
    }
}

/// Checks the member names of one object; anything but an object has none.
pub(crate) fn check(place: Place, object: &Json) -> Result<(), String> {
    let Json::Object(members) = object else { return Ok(()) };
    match members.iter().find(|member| suspicious(&member.name, place.known())) {
        None => Ok(()),
        Some(member) => Err(format!(
            "the name `{}` in {} could be mistaken for a protocol name; remove it or spell it exactly",
            short(&member.name),
            place.name()
        )),
    }
}

fn suspicious(name: &str, known: &[&str]) -> bool {
    if known.contains(&name) {
        return false;
    }
    if name.chars().any(char::is_control) {
        return true;
    }
    if name.is_ascii() {
        let name = name.trim();
        return known.iter().any(|known| known.eq_ignore_ascii_case(name));
    }
    let folded = fold(name);
    known.iter().any(|known| known.to_ascii_lowercase() == folded)
}

/// Case, width, accents and invisible characters taken away.
fn fold(name: &str) -> String {
    let visible = name.chars().filter(|c| !is_invisible(*c) && !c.is_whitespace()).map(narrow);
    let upper: String = visible.flat_map(char::to_uppercase).collect();
    // Lower-casing last maps what has no upper case of its own (`K`, the Kelvin sign); accents may fall out of it.
    upper.chars().flat_map(char::to_lowercase).filter(|c| !is_invisible(*c)).collect()
}

/// Full-width forms to ASCII.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        other => other,
    }
}

/// Combining marks and characters that are not shown.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_of_protocol_names_are_suspicious() {
        for name in [
            "Name",
            "NAME",
            "naMe",
            "name\0",
            "\u{1}name",
            "name\u{200b}",
            "nam\u{435}\u{7f}",
            " name",
            "name ",
            "argument\u{17f}",
            "ARGUMENT\u{17f}",
            "tas\u{212a}",
            "ｎame",
            "ur\u{131}",
            "ur\u{130}",
            "na\u{301}me",
            "na\u{feff}me",
            "\u{e006e}name",
            "_META",
            "x\0",
        ] {
            assert!(suspicious(name, &PARAMS), "{name:?}");
        }
        for name in [
            "Io.modelcontextprotocol/protocolVersion",
            "io.modelcontextprotocol/ProtocolVersion",
            "ProgressToken",
        ] {
            assert!(suspicious(name, &meta::KNOWN), "{name:?}");
        }
    }

    #[test]
    fn exact_and_foreign_names_pass() {
        for name in ["name", "names", "nom", "com.example/name", "größe", "名前", ""] {
            assert!(!suspicious(name, &PARAMS), "{name:?}");
        }
    }
}
