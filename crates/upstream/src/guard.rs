//! Finds the credentials a connection was given in what its server says. Must never show one, nor let it pass to
//! an agent as it is, escaped for JSON (also JSON within JSON), or in base64.
//!
//! This is for servers that echo: requests, environments, errors of their libraries. A server that is bent on
//! giving its credential away can write it in a way nobody finds.

use model::json::RawJson;
use ports::secret::Secret;
use ports::upstream::{Answer, UpstreamFault};

use crate::credentials;
use crate::fault::leaked;

/// Shorter values are not looked for: they are found by chance.
const SECRET_BYTES_MIN: usize = 8;
/// JSON within JSON within JSON: how often escapes are taken away.
const ESCAPES_MAX: usize = 3;

/// What may not come back. Without credentials it looks at nothing. No `Debug`: it holds them.
#[derive(Clone, Default)]
pub(crate) struct Guard {
    needles: Vec<String>,
}

impl Guard {
    pub(crate) fn of<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut needles = Vec::new();
        for secret in secrets {
            for part in credentials::of(secret.reveal()) {
                if part.len() >= SECRET_BYTES_MIN {
                    needles.extend(base64_forms(part.as_bytes()));
                    needles.push(part);
                }
            }
        }
        needles.sort_unstable();
        needles.dedup();
        Self { needles }
    }

    /// Whether a text holds a credential.
    pub(crate) fn finds(&self, text: &str) -> bool {
        if self.needles.is_empty() {
            return false;
        }
        if self.finds_plainly(text) {
            return true;
        }
        let mut plainer = String::new();
        for round in 0..ESCAPES_MAX {
            let escaped = if round == 0 { text } else { &plainer };
            if !escaped.contains('\\') {
                return false;
            }
            plainer = unescaped(escaped);
            if self.finds_plainly(&plainer) {
                return true;
            }
        }
        false
    }

    fn finds_plainly(&self, text: &str) -> bool {
        self.needles.iter().any(|needle| text.contains(needle.as_str()))
    }

    fn finds_in(&self, json: Option<&RawJson>) -> bool {
        json.is_some_and(|json| self.finds(json.as_str()))
    }

    /// The answer, if it holds no credential.
    pub(crate) fn pass(
        &self,
        server: &model::ids::ServerName,
        answer: Answer,
    ) -> Result<Answer, UpstreamFault> {
        let found = match &answer {
            Answer::Result { result, .. } | Answer::ServerTask { result, .. } => self.finds_in(Some(result)),
            Answer::Error { message, data, .. } => self.finds(message) || self.finds_in(data.as_ref()),
        };
        if found { Err(leaked(server)) } else { Ok(answer) }
    }
}

/// The text with the escapes of JSON strings taken away once, wherever they are.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        rest = take_escape(after, &mut out);
    }
    out.push_str(rest);
    out
}

/// Reads on after a backslash; what is left then.
fn take_escape<'a>(after: &'a str, out: &mut String) -> &'a str {
    let mut chars = after.chars();
    let (c, rest) = match chars.next() {
        None => ('\\', ""),
        Some('u') => utf16(chars.as_str()).unwrap_or(('u', chars.as_str())),
        Some('b') => ('\u{8}', chars.as_str()),
        Some('f') => ('\u{c}', chars.as_str()),
        Some('n') => ('\n', chars.as_str()),
        Some('r') => ('\r', chars.as_str()),
        Some('t') => ('\t', chars.as_str()),
        Some(itself) => (itself, chars.as_str()),
    };
    out.push(c);
    rest
}

/// One character written as four hexadecimal digits, or as two halves of so many.
fn utf16(text: &str) -> Option<(char, &str)> {
    let (first, rest) = unit(text)?;
    if let Some(c) = char::from_u32(first.into()) {
        return Some((c, rest));
    }
    let (second, rest) = unit(rest.strip_prefix("\\u")?)?;
    let c = char::decode_utf16([first, second]).next()?.ok()?;
    Some((c, rest))
}

fn unit(text: &str) -> Option<(u16, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = u16::from_str_radix(digits, 16).ok()?;
    hexadecimal.then_some((value, rest))
}

/// What of the base64 of any text with the secret in it depends on the secret alone: at each of three
/// positions, in both alphabets.
fn base64_forms(secret: &[u8]) -> Vec<String> {
    let mut out = Vec::with_capacity(6);
    for before in 0..3 {
        let bytes: Vec<u8> = std::iter::repeat_n(0, before).chain(secret.iter().copied()).collect();
        // A character has six bits; those at either end have bits of what is around.
        let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        let standard: String = (first..last).map(|at| base64_character(&bytes, at)).collect();
        out.push(standard.replace('+', "-").replace('/', "_"));
        out.push(standard);
    }
    out
}

/// The character for the six bits from bit `6 * at` on.
fn base64_character(bytes: &[u8], at: usize) -> char {
    let byte = |at: usize| u16::from(bytes.get(at).copied().unwrap_or_default());
    let bit = at * 6;
    let two = byte(bit / 8) << 8 | byte(bit / 8 + 1);
    let six = u8::try_from(two >> (10 - bit % 8) & 0x3f).unwrap_or_default();
    match six {
        0..26 => char::from(b'A' + six),
        26..52 => char::from(b'a' + six - 26),
        52..62 => char::from(b'0' + six - 52),
        62 => '+',
        _ => '/',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(secret: &str) -> Guard {
        Guard::of([&Secret::new(secret.to_owned())])
    }

    #[test]
    fn a_credential_is_found_however_json_writes_it() {
        let secret = "s3cr/t\"\\\u{e9}\u{1f511}";
        let mut written = quoted(secret);
        for _ in 0..ESCAPES_MAX {
            assert!(guard(secret).finds(&format!("{{\"a\":[1,{written}]}}")), "{written}");
            written = quoted(&written);
        }
        for other in [r#""s3cr\/t\"\\\u00e9\uD83D\udd11""#, r#""\u00733cr/t\u0022\u005c\u00E9\ud83d\uDD11""#]
        {
            assert!(guard(secret).finds(other), "{other}");
        }
        for none in [r#""s3cr/t\"\\""#, r"\u", r"\ud83d\u0041", r"\uzzzz \", "", r"\u+123 \ud83d"] {
            assert!(!guard(secret).finds(none), "{none}");
        }
    }

    #[test]
    fn a_credential_is_found_in_base64_wherever_it_stands() {
        // `user:hunter2-hunter2`, `xx:...` and `x:...` with what follows; the last in the other alphabet.
        let found = guard("hunter2-hunter2");
        for text in
            ["dXNlcjpodW50ZXIyLWh1bnRlcjI=", "eHg6aHVudGVyMi1odW50ZXIyIQ==", "eDpodW50ZXIyLWh1bnRlcjI/Pz8"]
        {
            assert!(found.finds(text), "{text}");
        }
        assert!(!found.finds("dXNlcjpodW50ZXIz"));
        let odd = guard("\u{3fb}\u{3ff}~~~~??>>");
        assert!(odd.finds("z7vPv35+fn4/Pz4+"), "{:?}", odd.needles);
        assert!(odd.finds("z7vPv35-fn4_Pz4-"));
    }

    #[test]
    fn short_values_are_not_looked_for() {
        assert!(guard("trueish").needles.is_empty());
        assert!(!guard("true").finds("true"));
        assert!(!Guard::default().finds("anything"));
    }

    fn quoted(text: &str) -> String {
        let mut out = String::new();
        model::json::write_string(&mut out, text);
        out
    }
}
