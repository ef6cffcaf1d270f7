//! `[servers.NAME.headers]`. Must never accept a header that steers the connection or the protocol, nor a credential
//! that is written down.

use http::{HeaderName, HeaderValue};
use ports::sealed::SecretText;

use super::Surroundings;
use super::secrets::{self, Form, Place};
use crate::problem::shown;
use crate::read::{At, Reader, Says, Table};

/// Most headers of one server.
const HEADERS_MAX: usize = 64;
/// Most bytes of a value: servers refuse heads that are larger as a whole.
const VALUE_BYTES_MAX: usize = 8 << 10;

/// A header's value.
const VALUE: Form = Form {
    want: "1 to 8192 bytes of visible ASCII characters and spaces, as a header can carry",
    got: "a value with other characters, or too many",
    fits: |text| {
        let length = (1..=VALUE_BYTES_MAX).contains(&text.len());
        length && text.trim() == text && HeaderValue::from_str(text).is_ok()
    },
};

/// Headers of the connection, of the message, and of MCP over HTTP: Callgate writes them, or nobody does.
const OWN: [&str; 20] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
];

pub(super) fn headers(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    around: &Surroundings<'_>,
) -> Vec<(String, SecretText)> {
    let mut headers: Vec<(String, SecretText)> = Vec::new();
    let given = reader.map(table, "headers");
    if let Some((name, _)) = given.get(HEADERS_MAX) {
        let (got, want) = (format!("{} headers", given.len()), format!("at most {HEADERS_MAX}"));
        reader.note(name.offset, &table.key("headers"), &Says { got: &got, want: &want, fix: "remove some" });
    }
    for (name, value) in &given {
        let key = format!("{}.{}", table.key("headers"), name.value);
        let Some(header) = header(reader, table, &key, name) else { continue };
        if headers.iter().any(|(other, _)| other == header.as_str()) {
            let want = "each header once; upper and lower case are one";
            reader.note(name.offset, &key, &Says { got: &shown(&name.value), want, fix: "remove one" });
            continue;
        }
        if carries_a_credential(header.as_str()) && !value.value.contains("${") {
            secrets::literal(reader, &key, value.offset);
            continue;
        }
        if let Some(text) = secrets::value(reader, &key, value, around) {
            let place = Place { key: &key, around, form: &VALUE };
            secrets::check(reader, &At { value: &text, offset: value.offset }, &place);
            headers.push((header.as_str().to_owned(), text));
        }
    }
    headers
}

/// The name, if a configuration may set it; noted and `None` otherwise.
fn header(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    key: &str,
    name: &At<String>,
) -> Option<HeaderName> {
    let parsed = HeaderName::from_bytes(name.value.as_bytes()).ok().filter(|_| name.value.len() <= 128);
    let Some(header) = parsed else {
        let want = "the name of a header: 1 to 128 of `A-Z a-z 0-9 -` and few other signs";
        reader.note(name.offset, key, &Says { got: &shown(&name.value), want, fix: "rename it" });
        return None;
    };
    if OWN.contains(&header.as_str()) || header.as_str().starts_with("mcp-") {
        let want = "a header that neither HTTP nor MCP uses for itself";
        let says = Says { got: &shown(&name.value), want, fix: "remove it; callgate writes what is needed" };
        reader.note(name.offset, key, &says);
        return None;
    }
    if header == http::header::AUTHORIZATION && table.has("bearer").is_some() {
        let got = "a second credential beside `bearer`";
        let says = Says { got, want: "one of them", fix: "remove `bearer` or this header" };
        reader.note(name.offset, key, &says);
        return None;
    }
    Some(header)
}

/// Whether the name (in lower case) says that the value is a credential.
fn carries_a_credential(name: &str) -> bool {
    const WORDS: [&str; 8] =
        ["authorization", "auth", "cookie", "token", "secret", "password", "apikey", "credential"];
    name.split(['-', '_']).any(|word| WORDS.contains(&word)) || name.replace('_', "-").contains("api-key")
}
