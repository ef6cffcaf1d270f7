//! Addresses cut into what may be shown and what must be sealed: who, query and fragment are never shown.

use super::{Hidden, Part, Parts, joined};
use crate::credential::looks_like_credential;

struct Pieces<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    host: &'a str,
    path: &'a str,
    /// With its `?` or `#`.
    rest: &'a str,
}

fn pieces(text: &str) -> Option<Pieces<'_>> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at_checked(end)?;
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let (path, rest) = behind.split_at_checked(behind.find(['?', '#']).unwrap_or(behind.len()))?;
    Some(Pieces { scheme, user, host, path, rest })
}

/// An address in a command line.
pub(super) fn of_text(text: &str) -> Parts {
    let Some(pieces) = pieces(text) else { return vec![Part::Secret(Hidden::new(text.to_owned()))] };
    let mut out = Out(Vec::new());
    if looks_like_credential(pieces.scheme) || looks_like_credential(pieces.host) || text.contains("${") {
        return vec![Part::Secret(Hidden::new(text.to_owned()))];
    }
    out.plain(pieces.scheme);
    out.plain("://");
    if let Some(user) = pieces.user {
        out.secret(user);
        out.plain("@");
    }
    out.tail(&pieces);
    out.0
}

/// The address of a server, and what its user part becomes: a header, as clients send it.
pub(super) fn of_server(written: &Parts) -> (Parts, Option<Hidden>) {
    let text = joined(written);
    // A fragment never leaves a client.
    let text = text.split_once('#').map_or(text.as_str(), |(before, _)| before).to_owned();
    let whole = || (vec![Part::Secret(Hidden::new(text.clone()))], None);
    let Some(pieces) = pieces(&text) else { return whole() };
    if looks_like_credential(pieces.host) || text.contains("${") {
        return whole();
    }
    let mut out = Out(Vec::new());
    out.plain(pieces.scheme);
    out.plain("://");
    out.tail(&pieces);
    let basic = pieces.user.map(|user| Hidden::new(format!("Basic {}", base64(&unescaped(user)))));
    let shown: String = out.0.iter().filter_map(Part::shown).collect();
    let brought = written.iter().any(|part| match part {
        Part::Secret(secret) => !secret.reveal().is_empty() && shown.contains(secret.reveal()),
        Part::Plain(_) => false,
    });
    if !brought {
        return (out.0, basic);
    }
    let after_scheme = text.split_once("://").map_or("", |(_, rest)| rest);
    let host = after_scheme.rsplit_once('@').map_or(after_scheme, |(_, host)| host);
    let parts =
        vec![Part::Plain(format!("{}://", pieces.scheme)), Part::Secret(Hidden::new(host.to_owned()))];
    (parts, basic)
}

impl Part {
    fn shown(&self) -> Option<&str> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Secret(_) => None,
        }
    }
}

struct Out(Parts);

impl Out {
    fn plain(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Part::Plain(last)) => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.0.push(Part::Plain(text.to_owned())),
        }
    }

    fn secret(&mut self, text: &str) {
        if !text.is_empty() {
            self.0.push(Part::Secret(Hidden::new(text.to_owned())));
        }
    }

    /// Host, path, query and fragment.
    fn tail(&mut self, pieces: &Pieces<'_>) {
        self.plain(pieces.host);
        for (position, segment) in pieces.path.split('/').enumerate() {
            if position > 0 {
                self.plain("/");
            }
            if looks_like_credential(segment) { self.secret(segment) } else { self.plain(segment) }
        }
        if let (Some(mark), Some(rest)) = (pieces.rest.get(..1), pieces.rest.get(1..)) {
            self.plain(mark);
            self.secret(rest);
        }
    }
}

/// `%XX` → its byte. Texts that then are not UTF-8 stay as written.
fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let hex = text.get(at + 1..at + 3).filter(|_| *byte == b'%');
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let byte = |position: usize| u32::from(chunk.get(position).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4 {
            let digit = (bits >> (18 - 6 * position)) & 63;
            let digit = DIGITS.get(digit as usize).copied().unwrap_or(b'A');
            out.push(if position > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        for (text, wanted) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("ann:pw", "YW5uOnB3")]
        {
            assert_eq!(base64(text), wanted);
        }
        assert_eq!(unescaped("a%3Ab%zz"), "a:b%zz");
    }
}
