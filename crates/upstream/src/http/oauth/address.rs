//! Addresses that OAuth speaks of, checked before anything is dialled. Must never be one in the clear beyond this
//! machine, nor one with a credential in it.

use http::Uri;
use http::uri::Scheme;

/// Longest address.
const BYTES_MAX: usize = 2048;

/// An absolute `https` address, or `http` to a loopback host. It is kept as it was written: identifiers are compared
/// byte for byte (RFC 8414 §3.3, RFC 9207 §2.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Address {
    text: String,
    /// In lower case, without brackets.
    host: String,
    /// Scheme, host and port, in lower case.
    origin: String,
    path: String,
    query: Option<String>,
}

impl Address {
    /// Checks an address.
    ///
    /// # Errors
    /// What is wrong with it, for an operator.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > BYTES_MAX {
            return Err("it is longer than 2048 bytes");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['#', '\\', '"', '<', '>']) {
            return Err("it is no plain url, or has a fragment");
        }
        let uri: Uri = text.parse().map_err(|_| "it is no url")?;
        let authority = uri.authority().ok_or("it names no host")?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() || authority.as_str().contains('@') {
            return Err("it names no host, or a user with it");
        }
        let (scheme, standard) = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => ("https", 443),
            Some(scheme) if *scheme == Scheme::HTTP && is_loopback(&host) => ("http", 80),
            _ => return Err("it must begin with `https://`"),
        };
        let named = authority.host().to_ascii_lowercase();
        let origin = match authority.port_u16() {
            Some(port) if port != standard => format!("{scheme}://{named}:{port}"),
            _ => format!("{scheme}://{named}"),
        };
        let (path, query) = (uri.path().to_owned(), uri.query().map(str::to_owned));
        Ok(Self { text: text.to_owned(), host, origin, path, query })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The path, without `/` at its end; empty for the root.
    pub(super) fn path(&self) -> &str {
        self.path.trim_end_matches('/')
    }

    pub(super) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// As an identifier of what tokens are for (RFC 8707): scheme and host in lower case, no `/` at its end.
    pub(super) fn resource(&self) -> String {
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{}{query}", self.origin, self.path())
    }

    /// Whether something at that address is at this one or below it.
    pub(super) fn holds(&self, other: &Self) -> bool {
        let below = other.path().strip_prefix(self.path());
        let at_or_below = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let queries = self.query.is_none() || (self.query == other.query && self.path() == other.path());
        self.origin == other.origin && at_or_below && queries
    }
}

/// Whether a host, in lower case, is this machine by name.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s18_only_encrypted_addresses_or_this_machine() {
        for good in [
            "https://a.example/x",
            "https://A.example:8443/x?y=1",
            "http://127.0.0.1:1/x",
            "http://localhost:9/",
            "http://[::1]:9/",
        ] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example/x",
            "http://10.0.0.1/",
            "ftp://a/",
            "https://",
            "/x",
            "",
            "https://u:p@a/",
            "https://a/#x",
            "https://a/ b",
            "https://a\\@b/",
            "javascript:alert(1)",
            "http://localhost.example/",
            "https://a/\u{e9}",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
        assert!(Address::parse(&format!("https://a/{}", "x".repeat(2048))).is_err());
    }

    #[test]
    fn a_resource_is_told_by_origin_and_path() {
        let at = |text| Address::parse(text).unwrap();
        assert_eq!(at("HTTPS://A.Example:443/MCP/").resource(), "https://a.example/MCP");
        assert_eq!(at("https://a.example/").resource(), "https://a.example");
        assert_eq!(at("https://[::1]:8443/x?y=1").resource(), "https://[::1]:8443/x?y=1");
        let server = at("https://a.example/mcp/git");
        for holds in [
            "https://a.example",
            "https://a.example/",
            "https://a.example/mcp/",
            "https://a.example:443/mcp/git",
        ] {
            assert!(at(holds).holds(&server), "{holds}");
        }
        for not in [
            "https://a.example/mcp/gi",
            "https://a.example/mcp/git/x",
            "https://b.example",
            "https://a.example:444/",
            "https://a.example/MCP",
            "https://a.example/mcp/git?x",
        ] {
            assert!(!at(not).holds(&server), "{not}");
        }
    }
}
