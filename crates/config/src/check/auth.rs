//! `[servers.NAME.auth]`. Must never let a secret go to an authorization server that the operator did not name.

use http::Uri;
use ports::sealed::SecretText;

use super::Surroundings;
use super::hosts::{Reach, is_host, is_loopback, reach};
use super::secrets::{self, Form, Place};
use crate::domain::Auth;
use crate::keys::Section;
use crate::problem::shown;
use crate::read::{Reader, Says, Table};

/// The grant without a person.
const OWN: &str = "client_credentials";

/// A client's secret.
const SECRET: Form = Form {
    want: "1 to 2048 visible ASCII characters and spaces",
    got: "a value with other characters, or too many",
    fits: is_printable,
};

/// A client's key.
const KEY: Form = Form {
    want: "a private key in PEM form",
    got: "something else (not shown)",
    fits: |text| text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----"),
};

pub(super) fn auth(
    reader: &mut Reader<'_>,
    server: &Table<'_, '_>,
    around: &Surroundings<'_>,
    headers: &[(String, SecretText)],
) -> Auth {
    let Some(table) = reader.inner(server, Section::Auth) else { return Auth::default() };
    reader.unknown_keys(&table);
    let bearer = server.has("bearer").map(|_| "bearer");
    let header = headers.iter().any(|(name, _)| name == "authorization");
    if let Some(other) = bearer.or(header.then_some("headers.Authorization")) {
        let got = format!("a second credential beside `{other}`");
        let says = Says { got: &got, want: "one of them", fix: "remove one" };
        reader.note(table.offset, &table.name, &says);
    }
    let auth = Auth {
        client_credentials: reader.choice(&table, "grant") == Some(OWN),
        client_id: text(reader, &table, "client_id", &ID),
        client_secret: secret(reader, &table, around, ("client_secret", &SECRET)),
        client_key: secret(reader, &table, around, ("client_key", &KEY)),
        key_for_token_endpoint: reader.choice(&table, "client_key_audience") == Some("token_endpoint"),
        issuer: text(reader, &table, "issuer", &ISSUER),
        hosts: texts(reader, &table, "hosts", &HOST),
        scopes: texts(reader, &table, "scopes", &SCOPE),
        redirect: text(reader, &table, "redirect", &REDIRECT),
    };
    complete(reader, &table, auth.client_credentials);
    auth
}

/// What belongs together is there together.
fn complete(reader: &mut Reader<'_>, table: &Table<'_, '_>, own: bool) {
    let proofs = [table.has("client_secret"), table.has("client_key")];
    if let [Some(_), Some(offset)] = proofs {
        let says =
            Says { got: "both `client_secret` and `client_key`", want: "one of them", fix: "remove one" };
        reader.note(offset, &table.key("client_key"), &says);
    }
    let grant = table.has("grant").filter(|_| own);
    let proof = proofs.into_iter().flatten().next();
    let mut missing = |name: &str, needed_by: Option<usize>, fix: &str| {
        if let (None, Some(offset)) = (table.has(name), needed_by) {
            let (got, want) = (format!("no `{name}`"), format!("`{name}` beside this"));
            reader.note(offset, &table.key(name), &Says { got: &got, want: &want, fix });
        }
    };
    missing("client_id", grant.or(proof), "write the id that Callgate was registered with");
    missing("issuer", grant.or(proof), "name the authorization server that may have this credential");
    if let (Some(offset), None) = (grant, proof) {
        let want = "`client_secret` or `client_key` with `client_credentials`";
        let fix = "add one, or use `authorization_code`, where a person logs in";
        reader.note(offset, &table.key("grant"), &Says { got: "neither", want, fix });
    }
}

/// What a text must look like.
struct Wants {
    want: &'static str,
    fix: &'static str,
    fits: fn(&str) -> bool,
}

const ID: Wants = Wants {
    want: "1 to 2048 visible ASCII characters and spaces",
    fix: "write it as the authorization server gave it",
    fits: is_printable,
};

const ISSUER: Wants = Wants {
    want: "an `https://` URL, or `http://` to this machine, without `?` and `#`",
    fix: "write it as the authorization server names itself, byte for byte",
    fits: |text| matches!(reach(text), Some(Reach::Tls | Reach::Loopback)) && !text.contains('?'),
};

const HOST: Wants = Wants {
    want: "a host name or address without scheme and port",
    fix: "write it like `\"login.corp.example\"`",
    fits: |text| is_host(text) && text.parse::<http::uri::Authority>().is_ok_and(|all| all.port().is_none()),
};

const SCOPE: Wants = Wants {
    want: "one scope: visible ASCII characters without spaces, quotes and backslashes",
    fix: "write each scope as an element of its own",
    fits: |text| {
        let fits = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        (1..=256).contains(&text.len()) && text.bytes().all(fits)
    },
};

const REDIRECT: Wants = Wants {
    want: "`http://127.0.0.1:PORT/PATH`",
    fix: "write a loopback address with a port, as it was registered",
    fits: |text| {
        let Ok(uri) = text.parse::<Uri>() else { return false };
        let port = uri.port_u16().is_some_and(|port| port != 0);
        let plain = reach(text) == Some(Reach::Loopback) && !text.contains('?');
        plain && port && uri.host().is_some_and(is_loopback)
    },
};

fn is_printable(text: &str) -> bool {
    (1..=2048).contains(&text.len()) && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

fn text(reader: &mut Reader<'_>, table: &Table<'_, '_>, name: &str, wants: &Wants) -> Option<String> {
    let given = reader.text(table, name)?;
    if (wants.fits)(&given.value) {
        return Some(given.value);
    }
    let got = shown(&given.value);
    reader.note(given.offset, &table.key(name), &Says { got: &got, want: wants.want, fix: wants.fix });
    None
}

fn texts(reader: &mut Reader<'_>, table: &Table<'_, '_>, name: &str, wants: &Wants) -> Vec<String> {
    let mut accepted = Vec::new();
    for given in reader.list(table, name).map(|list| list.value).unwrap_or_default() {
        if (wants.fits)(&given.value) {
            accepted.push(given.value);
        } else {
            let got = shown(&given.value);
            reader.note(
                given.offset,
                &table.key(name),
                &Says { got: &got, want: wants.want, fix: wants.fix },
            );
        }
    }
    accepted
}

fn secret(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    around: &Surroundings<'_>,
    (name, form): (&str, &Form),
) -> Option<SecretText> {
    let given = reader.text(table, name)?;
    let key = table.key(name);
    if !secrets::is_whole_reference(&given.value) {
        secrets::literal(reader, &key, given.offset);
        return None;
    }
    let text = secrets::value(reader, &key, &given, around)?;
    let value = crate::read::At { value: &text, offset: given.offset };
    secrets::check(reader, &value, &Place { key: &key, around, form });
    Some(text)
}
