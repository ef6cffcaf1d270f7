//! Values of `Mcp-Name` and `Mcp-Param-*`: plain, or UTF-8 in Base64 between `=?base64?` and `?=` (MCP 2026-07-28,
//! Transports).
//!
//! Must never decode leniently: what is not exactly the sentinel is literal, what is and is broken is refused.

use std::borrow::Cow;

const OPEN: &str = "=?base64?";
const CLOSE: &str = "?=";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A value between the sentinels that is not canonical Base64 of UTF-8.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not well-formed: between `=?base64?` and `?=` must stand padded Base64 of UTF-8")]
pub struct HeaderFault;

/// Takes optional white space from both ends (RFC 9110 §5.5).
#[must_use]
pub fn trim(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

/// The header value for a text.
#[must_use]
pub fn encode(text: &str) -> Cow<'_, str> {
    let printable = text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    let sentinel = text.starts_with(OPEN) && text.ends_with(CLOSE);
    if printable && !sentinel && trim(text).len() == text.len() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{OPEN}{}{CLOSE}", encode_base64(text.as_bytes())))
}

/// The text of a header value that was trimmed.
///
/// # Errors
/// [`HeaderFault`] when the sentinel is there and what it holds is broken.
pub fn decode(value: &str) -> Result<Cow<'_, str>, HeaderFault> {
    match value.strip_prefix(OPEN).and_then(|rest| rest.strip_suffix(CLOSE)) {
        None => Ok(Cow::Borrowed(value)),
        Some(inner) => {
            let bytes = decode_base64(inner.as_bytes()).ok_or(HeaderFault)?;
            String::from_utf8(bytes).map(Cow::Owned).map_err(|_| HeaderFault)
        }
    }
}

fn encode_base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = (0..3).fold(0u32, |word, at| word << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let index = usize::try_from(word >> (18 - 6 * at) & 63).unwrap_or(0);
            let letter = ALPHABET.get(index).copied().unwrap_or(b'A');
            out.push(if at > group.len() { '=' } else { char::from(letter) });
        }
    }
    out
}

fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let (groups, rest) = text.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(groups.len() * 3);
    for (position, group) in groups.iter().enumerate() {
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        if padding > 2 || (padding > 0 && position + 1 < groups.len()) {
            return None;
        }
        let mut word = 0u32;
        for (at, byte) in group.iter().enumerate() {
            let value = if at + padding >= 4 { 0 } else { sextet(*byte)? };
            word = word << 6 | value;
        }
        let [_, bytes @ ..] = word.to_be_bytes();
        let (kept, dropped) = bytes.split_at_checked(3 - padding)?;
        if dropped.iter().any(|byte| *byte != 0) {
            return None;
        }
        out.extend_from_slice(kept);
    }
    Some(out)
}

fn sextet(byte: u8) -> Option<u32> {
    ALPHABET.iter().position(|letter| *letter == byte).and_then(|value| u32::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vectors_of_the_specification() {
        for (text, value) in [
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" us-west1", "=?base64?IHVzLXdlc3Qx?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
            ("日本語", "=?base64?5pel5pys6Kqe?="),
            ("us west 1", "us west 1"),
            ("", ""),
            ("a\t", "=?base64?YQk=?="),
        ] {
            assert_eq!(encode(text), value, "{text:?}");
            assert_eq!(decode(value).unwrap(), text, "{value:?}");
        }
    }

    #[test]
    fn what_is_not_the_full_sentinel_is_literal() {
        for literal in ["SGVsbG8=", "=?base64?SGVsbG8=", "=?BASE64?SGVsbG8=?=", "SGVsbG8=?=", "=?base64?="] {
            assert_eq!(decode(literal).unwrap(), literal);
        }
        assert_eq!(decode("=?base64??=").unwrap(), "");
    }

    #[test]
    fn broken_base64_is_refused() {
        for inner in [
            "SGVsbG8",
            "SGVsbG8==",
            "SGVsbG9=",
            "SGVs bG8=",
            "SGVsbG8-",
            "====",
            "A===",
            "SG==VsbG8=",
            "/w==",
        ] {
            assert_eq!(decode(&format!("=?base64?{inner}?=")), Err(HeaderFault), "{inner}");
        }
    }

    proptest! {
        #[test]
        fn every_text_round_trips_as_a_legal_value(text in any::<String>()) {
            let value = encode(&text);
            prop_assert!(value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
            prop_assert_eq!(trim(&value), &*value);
            prop_assert_eq!(decode(&value).unwrap(), text.as_str());
        }

        #[test]
        fn only_one_value_decodes_to_a_text(value in "=\\?base64\\?[A-Za-z0-9+/=]{0,12}\\?=") {
            if let Ok(text) = decode(&value) {
                prop_assert_eq!(format!("=?base64?{}?=", encode_base64(text.as_bytes())), value);
            }
        }
    }
}
