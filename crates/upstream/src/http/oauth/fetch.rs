//! Fetches documents of OAuth: descriptions and tokens. Must never follow a redirect, reach an address that was not
//! checked, or read beyond its bounds; what a server names leads to the public internet, unless the operator named the
//! host.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use model::json::Json;
use model::limits::JsonLimits;
use rustls::ClientConfig;

use super::address::Address;
use super::fault::OauthFault;
use crate::http::dial::Dialer;
use crate::http::exchange::{Exchange, Pool};
use crate::http::target::{NamedBy, Target};

/// Most time for one document, connection included.
const WITHIN: Duration = Duration::from_secs(15);
/// The bounds on one document.
const LIMITS: JsonLimits =
    JsonLimits { bytes_max: 256 << 10, depth_max: 16, values_max: 10_000, number_chars_max: 32 };

/// Fetches for one server.
pub(super) struct Fetcher {
    tls: ClientConfig,
    /// Hosts that the operator named, in lower case.
    named: Vec<String>,
}

/// What is asked.
pub(super) enum Ask<'a> {
    Get,
    Post { content_type: &'static str, authorization: Option<HeaderValue>, body: &'a str },
}

/// What came back.
pub(super) struct Fetched {
    pub(super) status: StatusCode,
    /// The document; `None` when the body is none.
    pub(super) json: Option<Json>,
}

impl Fetched {
    /// The document of a success.
    pub(super) fn success(&self) -> Option<&Json> {
        self.json.as_ref().filter(|_| self.status.is_success())
    }
}

impl Fetcher {
    pub(super) const fn new(tls: ClientConfig, named: Vec<String>) -> Self {
        Self { tls, named }
    }

    /// Fetches one document.
    ///
    /// # Errors
    /// When there is no answer within the bounds, or it redirects.
    pub(super) async fn fetch(&self, address: &Address, ask: &Ask<'_>) -> Result<Fetched, OauthFault> {
        let at = |what: String| OauthFault::Fetch { address: address.as_str().to_owned(), what };
        match tokio::time::timeout(WITHIN, self.fetch_unbounded(address, ask)).await {
            Ok(Ok(fetched)) if fetched.status.is_redirection() => {
                Err(at("it redirects, which is never followed".to_owned()))
            }
            Ok(result) => result.map_err(at),
            Err(_) => Err(at(format!("no answer within {} s", WITHIN.as_secs()))),
        }
    }

    async fn fetch_unbounded(&self, address: &Address, ask: &Ask<'_>) -> Result<Fetched, String> {
        let named_by = match self.named.iter().any(|host| host == address.host()) {
            true => NamedBy::Operator,
            false => NamedBy::Server,
        };
        let target = Target::named(address.as_str(), false, named_by)?;
        let request = request(&target, ask).ok_or("it cannot be asked")?;
        let pool = Arc::new(Pool::new(Dialer::new(target, self.tls.clone())?));
        let mut exchange = Exchange::new(&pool, request);
        let status = exchange.head().await.map_err(|broken| broken.why)?.status;
        let mut body = BytesMut::new();
        while let Some(chunk) = exchange.chunk().await {
            let chunk = chunk.map_err(|broken| broken.why)?;
            if body.len() + chunk.len() > LIMITS.bytes_max {
                return Err(format!("its answer is larger than {} bytes", LIMITS.bytes_max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched { status, json: Json::parse(&body, &LIMITS).ok() })
    }
}

fn request(target: &Target, ask: &Ask<'_>) -> Option<Request<Full<Bytes>>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = target.path.parse().ok()?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(&target.authority).ok()?);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("callgate/", env!("CARGO_PKG_VERSION"))));
    if let Ask::Post { content_type, authorization, body } = ask {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        *request.method_mut() = Method::POST;
        *request.body_mut() = Full::new(Bytes::from((*body).to_owned()));
    }
    Some(request)
}
