//! The text forms of OAuth: forms, Base64. Must never let a value end the field it stands in.

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 for URLs, without padding (RFC 7515).
pub(super) fn base64url(bytes: &[u8]) -> String {
    base64(bytes, URL_SAFE)
}

/// Base64 with padding, for `Authorization: Basic`.
pub(super) fn base64_padded(bytes: &[u8]) -> String {
    let mut out = base64(bytes, STANDARD);
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}

fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..=chunk.len() {
            let six = bits >> (18 - 6 * at) & 0x3f;
            let letter = usize::try_from(six).ok().and_then(|six| alphabet.get(six)).copied();
            out.push(char::from(letter.unwrap_or(b'A')));
        }
    }
    out
}

/// One value of a form or a query (RFC 3986 §2.3: only unreserved characters stay).
pub(super) fn component(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&model::digest::hex(&[byte]).to_ascii_uppercase());
        }
    }
    out
}

/// A form, or the query of a URL.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| format!("{name}={}", component(value));
    fields.iter().map(field).collect::<Vec<_>>().join("&")
}

/// The fields of a query; `None` when one cannot be read or comes twice.
pub(super) fn read_form(text: &str) -> Option<Vec<(String, String)>> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for field in text.split('&').filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        let (name, value) = (read_component(name)?, read_component(value)?);
        if fields.iter().any(|(other, _)| *other == name) {
            return None;
        }
        fields.push((name, value));
    }
    Some(fields)
}

fn read_component(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                model::digest::unhex(&std::str::from_utf8(&digits).ok()?.to_ascii_lowercase())?
                    .first()
                    .copied()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn base64_is_that_of_its_standards() {
        for (bytes, url, padded) in [
            ("", "", ""),
            ("f", "Zg", "Zg=="),
            ("fo", "Zm8", "Zm8="),
            ("foo", "Zm9v", "Zm9v"),
            ("foob", "Zm9vYg", "Zm9vYg=="),
            ("???>>>", "Pz8_Pj4-", "Pz8/Pj4+"),
        ] {
            assert_eq!(
                (base64url(bytes.as_bytes()).as_str(), base64_padded(bytes.as_bytes()).as_str()),
                (url, padded)
            );
        }
    }

    #[test]
    fn a_query_with_a_field_twice_is_none() {
        assert_eq!(
            read_form("code=a%20b&state=c+d").unwrap(),
            [("code".to_owned(), "a b".to_owned()), ("state".to_owned(), "c d".to_owned())]
        );
        for none in ["a=1&a=2", "a=%", "a=%2", "a=%zz", "a=%ff", "a=%+1"] {
            assert!(read_form(none).is_none(), "{none}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(name in "[a-z]{1,8}", one: String, other: String) {
            let text = form(&[(&name, &one), ("zzzzzzzzz", &other)]);
            prop_assert!(text.is_ascii());
            prop_assert_eq!(read_form(&text), Some(vec![(name, one), ("zzzzzzzzz".to_owned(), other)]));
        }

        #[test]
        fn nothing_makes_reading_fall_over(text: String) {
            drop(read_form(&text));
        }
    }
}
