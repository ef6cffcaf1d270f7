//! Opens connections to one HTTP upstream. Must never connect to an address that was not checked: the name is
//! resolved here, and exactly the checked address is dialled.

use std::future::Future as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::service::Service as _;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;

use super::target::Target;

/// Most time for one connection, TLS handshake included.
const CONNECT: Duration = Duration::from_secs(10);
/// Most bytes of a response head; hyper refuses less than 8 KiB.
const HEAD_BYTES: usize = 64 << 10;

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A connection to the upstream, both halves. Whoever holds it drives it: there is no task behind it.
pub(super) struct Link {
    pub(super) sender: http1::SendRequest<Full<Bytes>>,
    driver: Pin<Box<http1::Connection<Stream, Full<Bytes>>>>,
    over: bool,
}

impl Link {
    /// Reads and writes what can be. False once the connection is closed. What goes wrong is told by the
    /// request or body that it happens to.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) -> bool {
        self.over = self.over || self.driver.as_mut().poll(cx).is_ready();
        !self.over
    }
}

/// Opens connections.
pub(crate) struct Dialer {
    target: Target,
    connector: TowerToHyperService<HttpsConnector<HttpConnector>>,
}

impl Dialer {
    /// For one target.
    ///
    /// # Errors
    /// When the host is no name a certificate can be for.
    pub(crate) fn new(target: Target, tls: ClientConfig) -> Result<Self, &'static str> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        // The dialled address is an IP; the certificate must still be for the configured host.
        let name = ServerName::try_from(target.host.clone()).map_err(|_| "its host is not a valid name")?;
        let https = https.with_server_name_resolver(FixedServerNameResolver::new(name));
        let connector = TowerToHyperService::new(https.enable_http1().wrap_connector(tcp));
        Ok(Self { target, connector })
    }

    /// A new connection.
    ///
    /// # Errors
    /// In words: nothing was sent.
    pub(super) async fn dial(&self) -> Result<Link, String> {
        match tokio::time::timeout(CONNECT, self.dial_any()).await {
            Ok(result) => result,
            Err(_) => Err(format!("no connection within {} s", CONNECT.as_secs())),
        }
    }

    async fn dial_any(&self) -> Result<Link, String> {
        let host = (self.target.host.as_str(), self.target.port);
        let addresses = tokio::net::lookup_host(host)
            .await
            .map_err(|e| format!("host `{}` cannot be resolved: {e}", self.target.host))?;
        let mut why = format!("host `{}` has no address", self.target.host);
        for address in addresses {
            match self.dial_one(address).await {
                Ok(link) => return Ok(link),
                Err(e) => why = e,
            }
        }
        Err(why)
    }

    async fn dial_one(&self, address: SocketAddr) -> Result<Link, String> {
        self.target.permits(address.ip()).map_err(|e| format!("address {} refused: {e}", address.ip()))?;
        let failed = |e: &dyn std::fmt::Display| format!("cannot connect to {address}: {e}");
        let uri = self.address_uri(address).map_err(|e| failed(&e))?;
        let stream = self.connector.call(uri).await.map_err(|e| failed(&e))?;
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES)
            .max_headers(100)
            .handshake(stream)
            .await
            .map_err(|e| failed(&e))?;
        Ok(Link { sender, driver: Box::pin(driver), over: false })
    }

    fn address_uri(&self, address: SocketAddr) -> Result<Uri, http::Error> {
        let authority = match address.ip() {
            IpAddr::V4(ip) => format!("{ip}:{}", address.port()),
            IpAddr::V6(ip) => format!("[{ip}]:{}", address.port()),
        };
        let scheme = if self.target.tls { "https" } else { "http" };
        Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build()
    }
}

/// TLS with the public authorities, and those of a PEM file.
///
/// # Errors
/// In words, when the file or the provider cannot be used.
pub(crate) fn tls_config(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = ca_file {
        let certificates = CertificateDer::pem_file_iter(file).map_err(|e| e.to_string())?;
        let mut found = 0;
        for certificate in certificates {
            roots.add(certificate.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
            found += 1;
        }
        if found == 0 {
            return Err("it holds no certificate in PEM form".to_owned());
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialer(url: &str, allow_plain: bool) -> Dialer {
        Dialer::new(Target::parse(url, allow_plain).unwrap(), tls_config(None).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn s20_the_address_that_was_checked_is_the_one_that_is_dialled() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Nobody could resolve this name another time, nor is it this port.
        let dialer = dialer("http://no-such-host.invalid:9/mcp", false);
        assert!(dialer.dial_one(address).await.is_ok());
        assert!(listener.accept().await.is_ok());
    }

    #[tokio::test]
    async fn s20_whatever_a_name_resolves_to_is_checked_before_it_is_dialled() {
        let plain = dialer("http://internal.test/mcp", true);
        let careful = dialer("http://internal.test/mcp", false);
        for (dialer, address) in [
            (&plain, "169.254.169.254:80"),
            (&plain, "[::ffff:169.254.169.254]:80"),
            (&plain, "[fd00:ec2::254]:80"),
            (&plain, "0.0.0.0:80"),
            (&careful, "10.0.0.7:80"),
            (&careful, "[fd12:3456::1]:80"),
        ] {
            let refused = dialer.dial_one(address.parse().unwrap()).await.err().unwrap();
            assert!(refused.contains("refused: it "), "{address}: {refused}");
        }
    }
}
