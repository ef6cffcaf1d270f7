//! Where a server of the old transport wants its messages. Must never lead to another origin: what is sent there
//! carries a credential that was given to this one.

use http::Uri;

use crate::http::target::Target;

/// Longest endpoint taken.
const BYTES_MAX: usize = 4096;

/// The endpoint as a path of the same origin.
///
/// # Errors
/// What is wrong with it, for an operator.
pub(super) fn endpoint(base: &Target, text: &[u8]) -> Result<Uri, &'static str> {
    let visible = |byte: &u8| (0x21..=0x7e).contains(byte) && !matches!(byte, b'#' | b'\\');
    let text = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| visible(&byte)));
    let text = text.filter(|text| (1..=BYTES_MAX).contains(&text.len()));
    let text = text.ok_or("it names an endpoint for its messages that is no address")?;
    let path = match absolute(base, text) {
        Some(url) => same_origin(base, &url)?,
        None => relative(base, text),
    };
    path.parse().map_err(|_| "it names an endpoint for its messages that is no address")
}

/// The endpoint with its scheme, if it names a host.
fn absolute(base: &Target, text: &str) -> Option<String> {
    if text.starts_with("//") {
        let scheme = if base.tls { "https" } else { "http" };
        return Some(format!("{scheme}:{text}"));
    }
    let first = text.split(['/', '?']).next().unwrap_or_default();
    first.contains(':').then(|| text.to_owned())
}

fn same_origin(base: &Target, url: &str) -> Result<String, &'static str> {
    const ELSEWHERE: &str = "it wants its messages at another origin than its own, which is never done; its own \
                             configuration can name the address that is used for it here";
    let there = Target::parse(url, base.allow_plain).map_err(|_| ELSEWHERE)?;
    let same =
        there.tls == base.tls && there.port == base.port && there.host.eq_ignore_ascii_case(&base.host);
    if same { Ok(there.path) } else { Err(ELSEWHERE) }
}

fn relative(base: &Target, text: &str) -> String {
    if text.starts_with('/') {
        return text.to_owned();
    }
    let path = base.path.split('?').next().unwrap_or_default();
    if text.starts_with('?') {
        return format!("{path}{text}");
    }
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    format!("{directory}/{text}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(base: &str, text: &str) -> Result<String, &'static str> {
        let base = Target::parse(base, true).unwrap();
        endpoint(&base, text.as_bytes()).map(|uri| uri.to_string())
    }

    #[test]
    fn an_endpoint_of_the_same_origin_is_taken_however_it_is_written() {
        let base = "https://h.test/a/sse?key=1";
        for (text, path) in [
            ("/messages?sessionId=1", "/messages?sessionId=1"),
            ("messages/?session_id=1", "/a/messages/?session_id=1"),
            ("?s=1", "/a/sse?s=1"),
            ("https://h.test/m?s=1", "/m?s=1"),
            ("https://H.test:443/m", "/m"),
            ("//h.test/m", "/m"),
        ] {
            assert_eq!(at(base, text).as_deref(), Ok(path), "{text}");
        }
        assert_eq!(at("http://[::1]:3001/sse", "http://[::1]:3001/m").as_deref(), Ok("/m"));
    }

    #[test]
    fn no_server_leads_its_messages_and_our_credential_elsewhere() {
        let base = "https://h.test/sse";
        for text in [
            "https://evil.test/m",
            "//evil.test/m",
            "http://h.test/m",
            "https://h.test:8443/m",
            "https://h.test.evil.test/m",
            "https://h.test@evil.test/m",
            "https://u:p@h.test/m",
            "ftp://h.test/m",
            "javascript:alert(1)",
            "h.test:443/m",
            "\\\\evil.test/m",
            "/\\evil.test/m",
            "/m#f",
            "/m HTTP/1.1",
            "/m\r\nHost: evil.test",
            "",
        ] {
            assert!(at(base, text).is_err(), "{text}");
        }
        assert!(at(base, &format!("/{}", "m".repeat(BYTES_MAX))).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_a_path_or_refused(text in prop::collection::vec(any::<u8>(), 0..80)) {
            let base = Target::parse("https://h.test/a/sse", false).unwrap();
            if let Ok(uri) = endpoint(&base, &text) {
                prop_assert!(uri.host().is_none() && uri.scheme().is_none() && uri.path().starts_with('/'));
            }
        }
    }
}
