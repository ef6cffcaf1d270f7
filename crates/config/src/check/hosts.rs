//! Origins, hosts and URLs. Must never accept a wildcard, nor a URL that carries a credential.

use http::Uri;
use http::uri::Authority;

use crate::problem::shown;
use crate::read::{At, Reader, Says, Table};

/// `listen.allowed_origins`, lower-case.
pub(super) fn origins(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Vec<String> {
    let says = Wants {
        want: "an origin: `scheme://host` or `scheme://host:port`, no path, no wildcard",
        fix: "write it as the browser sends it, such as `\"https://app.example.com\"`",
    };
    each(reader, table, "allowed_origins", &says, |text| {
        let (scheme, host) = text.split_once("://")?;
        let named = scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        (named && is_host(host)).then(|| text.to_ascii_lowercase())
    })
}

/// `listen.allowed_hosts`, lower-case.
pub(super) fn hosts(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Vec<String> {
    let says = Wants {
        want: "`host` or `host:port`, no scheme, no wildcard",
        fix: "write it as clients send it, such as `\"gate.example.com\"`",
    };
    each(reader, table, "allowed_hosts", &says, |text| is_host(text).then(|| text.to_ascii_lowercase()))
}

struct Wants {
    want: &'static str,
    fix: &'static str,
}

fn each(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    name: &str,
    wants: &Wants,
    accept: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut accepted = Vec::new();
    for At { value, offset } in reader.list(table, name).map(|list| list.value).unwrap_or_default() {
        match accept(&value) {
            Some(text) => accepted.push(text),
            None => {
                let says = Says { got: &shown(&value), want: wants.want, fix: wants.fix };
                reader.note(offset, &table.key(name), &says);
            }
        }
    }
    accepted
}

/// A host with an optional port and nothing else.
pub(super) fn is_host(text: &str) -> bool {
    let Ok(authority) = text.parse::<Authority>() else {
        return false;
    };
    let host = authority.host();
    let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b));
    let port = text.get(host.len()..).unwrap_or("@");
    plain && !host.is_empty() && (port.is_empty() || authority.port_u16().is_some())
}

/// How a URL reaches its server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reach {
    /// `https`.
    Tls,
    /// `http` to this machine.
    Loopback,
    /// `http` to another machine.
    Plaintext,
}

/// Reads an upstream's URL; `None` when it is not one, or carries a credential or a fragment.
pub(super) fn reach(text: &str) -> Option<Reach> {
    if text.len() > 2048 || text.contains('#') {
        return None;
    }
    let uri: Uri = text.parse().ok()?;
    let authority = uri.authority()?.as_str();
    if !is_host(authority) {
        return None;
    }
    match uri.scheme_str()? {
        "https" => Some(Reach::Tls),
        "http" if is_loopback(uri.host()?) => Some(Reach::Loopback),
        "http" => Some(Reach::Plaintext),
        _ => None,
    }
}

pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_apart_by_how_safe_the_way_is() {
        for (url, expected) in [
            ("https://mcp.example.com/mcp", Some(Reach::Tls)),
            ("http://127.0.0.1:9000/mcp", Some(Reach::Loopback)),
            ("http://[::1]:9000/mcp", Some(Reach::Loopback)),
            ("http://localhost/mcp", Some(Reach::Loopback)),
            ("http://10.0.0.1/mcp", Some(Reach::Plaintext)),
            ("https://user:pass@example.com/", None),
            ("https://example.com/#x", None),
            ("ftp://example.com/", None),
            ("/mcp", None),
            ("", None),
        ] {
            assert_eq!(reach(url), expected, "{url}");
        }
    }

    #[test]
    fn hosts_have_no_wildcard_credential_or_path() {
        for good in ["example.com", "example.com:443", "[::1]:8787", "localhost"] {
            assert!(is_host(good), "{good}");
        }
        for bad in ["*", "*.example.com", "a@b", "a/b", "", "a:b", "a:", "a b", "http://a"] {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
