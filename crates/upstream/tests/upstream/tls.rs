//! TLS with a real handshake on loopback. The key in `tests/tls` is of this test alone; that of its authority
//! was thrown away.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::denial::Reason;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig as TlsConfig, ServerConnection, StreamOwned};
use upstream::{Era, ServerConfig, Transport};

use crate::support::{rig, site};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

/// Answers `server/discover` and `tools/list` to each connection, then closes it. Returns the port.
fn tls_server() -> u16 {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = vec![CertificateDer::from_pem_file(file("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = TlsConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that does not like the certificate leaves in the middle.
            let _left = answer(stream.unwrap(), &config);
        }
    });
    port
}

fn answer(stream: TcpStream, config: &Arc<TlsConfig>) -> std::io::Result<()> {
    let connection = ServerConnection::new(Arc::clone(config)).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"t","inputSchema":{"type":"object"}}]}}"#,
    ] {
        let mut request = Vec::new();
        while !request.ends_with(b"}}}}") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            request.extend_from_slice(&byte);
        }
        let head = "HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length:";
        write!(stream, "{head} {}\r\n\r\n{body}", body.len())?;
        stream.flush()?;
    }
    Ok(())
}

fn over_tls(host: &str, port: u16, ca: Option<PathBuf>) -> ServerConfig {
    let mut config = site(format!("https://{host}:{port}/mcp"));
    config.era = Era::Modern;
    let Transport::Http(target) = &mut config.transport else { panic!() };
    target.ca_file = ca;
    config
}

#[tokio::test]
async fn a_certificate_of_a_configured_authority_for_the_configured_name_is_taken() {
    let rig = rig(over_tls("localhost", tls_server(), Some(file("ca.pem"))));
    rig.refresh().await.unwrap();
    assert_eq!(rig.newest().len(), 1);
}

#[tokio::test]
async fn a_certificate_of_nobodys_authority_or_for_another_name_is_refused() {
    let port = tls_server();
    for config in [over_tls("localhost", port, None), over_tls("127.0.0.1", port, Some(file("ca.pem")))] {
        let fault = rig(config).refresh().await.unwrap_err();
        assert_eq!(fault.reason, Reason::UpstreamUnavailable);
        assert!(fault.private.contains("certificate"), "{fault}");
    }
}
