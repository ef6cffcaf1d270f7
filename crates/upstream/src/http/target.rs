//! Where an HTTP upstream is, checked. Must never reach a metadata or link-local address, whatever a name
//! resolves to, nor send anything in the clear beyond this machine unless the operator said so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;
use http::uri::Scheme;

use super::public::is_public;

/// Who named an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NamedBy {
    /// The operator, in the configuration.
    Operator,
    /// A server: then it may lead to the public internet only.
    Server,
}

/// A checked address.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Whether TLS is spoken.
    pub(crate) tls: bool,
    /// Host name or address, without brackets.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
    /// Value of `Host`.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
    /// Whether clear text may leave this machine.
    pub(crate) allow_plain: bool,
    /// Who named it.
    pub(crate) named_by: NamedBy,
}

impl Target {
    /// Checks a url.
    ///
    /// # Errors
    /// What is wrong with it, for an operator.
    pub(crate) fn parse(url: &str, allow_plain: bool) -> Result<Self, &'static str> {
        Self::named(url, allow_plain, NamedBy::Operator)
    }

    /// Checks a url that somebody named.
    ///
    /// # Errors
    /// What is wrong with it, for an operator.
    pub(crate) fn named(url: &str, allow_plain: bool, named_by: NamedBy) -> Result<Self, &'static str> {
        if url.contains('#') {
            return Err("it has a fragment (`#...`); remove it");
        }
        let uri: Uri = url.parse().map_err(|_| "it is not a url")?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err("it must begin with `https://` or `http://`"),
        };
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("it has a user or password in it; use a credential instead");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err("it names no host");
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let target = Self { tls, host, port, authority: authority.to_string(), path, allow_plain, named_by };
        if let Ok(address) = target.host.parse() {
            target.permits(address)?;
        }
        Ok(target)
    }

    /// Whether this address of the target may be connected to.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn permits(&self, address: IpAddr) -> Result<(), &'static str> {
        let address = address.to_canonical();
        if is_forbidden(address) {
            return Err(
                "it leads to a link-local, metadata or unspecified address, which is never connected to",
            );
        }
        if self.named_by == NamedBy::Server && !is_public(address) {
            return Err(
                "a server named it, and it leads into a private network; if that is right, name its host in the \
                 `auth` table of the server",
            );
        }
        if !self.tls && !self.allow_plain && !address.is_loopback() {
            return Err(
                "it is not encrypted and leads beyond this machine; use `https://` or allow plain http",
            );
        }
        Ok(())
    }
}

/// Link-local (cloud metadata at 169.254.169.254), unspecified, multicast and broadcast addresses, and the
/// metadata addresses some clouds have outside the link-local range.
fn is_forbidden(address: IpAddr) -> bool {
    const METADATA_V4: [Ipv4Addr; 3] =
        [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
    const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);
    match address {
        IpAddr::V4(v4) => {
            v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
                || METADATA_V4.contains(&v4)
        }
        IpAddr::V6(v6) => {
            let embedded = embedded_v4(v6).is_some_and(|v4| is_forbidden(IpAddr::V4(v4)));
            v6.is_unicast_link_local()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6 == METADATA_V6
                || is_translated_locally(v6)
                || embedded
        }
    }
}

/// In 64:ff9b:1::/48 (RFC 8215) only the network knows where the IPv4 address stands.
const fn is_translated_locally(v6: Ipv6Addr) -> bool {
    matches!(v6.segments(), [0x64, 0xff9b, 1, ..])
}

/// The IPv4 address inside NAT64 (64:ff9b::/96), 6to4 (2002::/16), IPv4-compatible and IPv4-translated addresses
/// (::ffff:0:0:0/96).
fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = v6.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match (a, b, c, d, e, f) {
        (0x64, 0xff9b, 0, 0, 0, 0) => Some(join(high, low)),
        (0x2002, ..) => Some(join(b, c)),
        (0, 0, 0, 0, 0xffff, 0) => Some(join(high, low)),
        (0, 0, 0, 0, 0, 0) if high != 0 => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_addresses_are_refused_however_they_are_written() {
        let urls = [
            "http://169.254.169.254/latest",
            "https://169.254.0.1/",
            "https://[::ffff:169.254.169.254]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://[2002:a9fe:a9fe::1]/",
            "https://[::a9fe:a9fe]/",
            "https://[fe80::1]/",
            "https://[fd00:ec2::254]/",
            "https://0.0.0.0/",
            "https://100.100.100.200/",
        ];
        for url in urls {
            assert!(Target::parse(url, true).is_err(), "{url}");
        }
    }

    #[test]
    fn s17_translated_addresses_lead_nowhere_that_plain_ones_do_not() {
        for url in [
            "https://[64:ff9b:1::a9fe:a9fe]/",
            "https://[64:ff9b:1:a9fe:a9:fe00::]/",
            "https://[::ffff:0:a9fe:a9fe]/",
            "https://[::ffff:0:0]/",
            "https://192.0.0.192/",
            "https://[::ffff:192.0.0.192]/",
            "https://224.0.0.1/",
            "https://[ff02::1]/",
            "https://255.255.255.255/",
        ] {
            assert!(Target::parse(url, true).is_err(), "{url}");
        }
        // A private network is reached where the operator wrote its address, and encrypted.
        for url in ["https://10.0.0.7/", "https://[fd12:3456::1]/", "https://[64:ff9b::a00:7]/"] {
            assert!(Target::parse(url, false).is_ok(), "{url}");
        }
    }

    #[test]
    fn only_http_without_credentials_in_the_url() {
        for url in ["ftp://h/", "file:///etc/passwd", "/mcp", "http://u:p@h/", "https://h/#f", "", "unix:/x"]
        {
            assert!(Target::parse(url, true).is_err(), "{url}");
        }
        let target = Target::parse("https://example.test/mcp?a=b", false).unwrap();
        assert_eq!((target.port, target.path.as_str(), target.tls), (443, "/mcp?a=b", true));
    }

    #[test]
    fn clear_text_stays_on_this_machine() {
        assert!(Target::parse("http://127.0.0.1:3000/mcp", false).is_ok());
        assert!(Target::parse("http://[::1]:3000/mcp", false).is_ok());
        assert!(Target::parse("http://10.0.0.7/mcp", false).is_err());
        assert!(Target::parse("http://10.0.0.7/mcp", true).is_ok());
        let named = Target::parse("http://internal.test/mcp", false).unwrap();
        assert!(named.permits("10.0.0.7".parse().unwrap()).is_err());
        assert!(named.permits("127.0.0.1".parse().unwrap()).is_ok());
    }
}
