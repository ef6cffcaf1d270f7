//! One HTTP server as configured: its connections, its credential, its era. Must never send a credential to
//! anything but this server, nor show one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use mcp::reply::Offers;
use mcp::version::ProtocolVersion;
use model::client::LogLevel;
use model::ids::ServerName;
use ports::secret::Secret;
use ports::tokens::TokenStore;
use tokio::time::Instant;

use super::dial::{Dialer, tls_config};
use super::exchange::{Exchange, Pool};
use super::filled::{Filled, same};
use super::oauth::{OauthClient, Parts, Token};
use super::response::Response;
use super::target::Target;
use crate::config::{ConfigError, Era, HttpTarget, Limits, ServerConfig};
use crate::guard::Guard;
use crate::speak;

/// A server found to be legacy is asked again after a day: it may have been upgraded.
const LEGACY_FOR: Duration = Duration::from_secs(24 * 3600);

/// How a server is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// Streamable HTTP of the stateless revisions.
    Stateless,
    /// Streamable HTTP with a session.
    Session,
    /// HTTP+SSE.
    Events,
}

/// A session with a server, or the way a stateless one is spoken to.
pub(super) struct Session {
    pub(super) version: ProtocolVersion,
    /// `Mcp-Session-Id`.
    pub(super) id: Option<HeaderValue>,
    /// What the server declared when it began.
    pub(super) offers: Offers,
    /// From which level on it logs, as far as it was told.
    pub(super) level: tokio::sync::Mutex<Option<LogLevel>>,
}

/// One configured HTTP server.
pub(crate) struct Site {
    pub(super) server: ServerName,
    pub(super) limits: Limits,
    pub(super) era: Era,
    pub(super) filled: Filled,
    /// Whether any of it comes from the sealed store, where it may be replaced.
    pub(super) sealed: bool,
    /// Its origin.
    pub(super) target: Target,
    guard: Arc<Guard>,
    pool: Arc<Pool>,
    path: Uri,
    base: HeaderMap,
    /// Where its tokens come from; `None` when it has another credential.
    pub(super) oauth: Option<Arc<OauthClient>>,
    verdict: Mutex<Option<(Way, Instant)>>,
}

impl Site {
    /// Checks the address and reads the authorities.
    ///
    /// # Errors
    /// What is wrong with the configuration, or with what was filled in.
    pub(super) fn new(
        (config, http): (&ServerConfig, &HttpTarget),
        filled: Filled,
        tokens: &Arc<dyn TokenStore>,
    ) -> Result<Self, ConfigError> {
        let bad_url = |problem| ConfigError::Url {
            server: config.name.clone(),
            url: http.url.as_written().chars().take(200).flat_map(char::escape_default).collect(),
            problem,
        };
        let target = Target::parse(filled.url.reveal(), http.allow_plain).map_err(bad_url)?;
        let tls = tls_config(http.ca_file.as_deref()).map_err(authorities(config, http))?;
        let mut base =
            base_headers(&target.authority).ok_or_else(|| bad_url("its host is not a valid name"))?;
        base.extend(filled.headers(&config.name)?);
        let path = target.path.parse().map_err(|_| bad_url("its path is not valid"))?;
        let oauth = filled.oauth.clone().and_then(|settings| {
            let (server, secrets, store) = (config.name.clone(), filled.secrets.clone(), Arc::clone(tokens));
            let parts = Parts { server, settings, secrets, tls: tls.clone(), store };
            OauthClient::new(filled.url.reveal(), parts)
        });
        let dialer = Dialer::new(target.clone(), tls).map_err(bad_url)?;
        Ok(Self {
            server: config.name.clone(),
            limits: config.limits,
            era: config.era,
            target,
            guard: Arc::new(Guard::of(&filled.secrets)),
            filled,
            sealed: !config.transport.sealed_names().is_empty(),
            pool: Arc::new(Pool::new(dialer)),
            path,
            base,
            oauth: oauth.map(Arc::new),
            verdict: Mutex::default(),
        })
    }

    /// How it is spoken to, as far as that is known.
    pub(super) fn known_way(&self) -> Option<Way> {
        let verdict = *self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        let young = |(way, since): &(Way, Instant)| *way == Way::Stateless || since.elapsed() < LEGACY_FOR;
        let found = verdict.filter(young).map(|(way, _)| way);
        match self.era {
            Era::Legacy => Some(found.unwrap_or(Way::Session)),
            Era::Modern => Some(Way::Stateless),
            Era::Sse => Some(Way::Events),
            Era::Auto => found,
        }
    }

    /// Remembers what a probe showed; nothing when a server that was found to be modern failed.
    pub(super) fn remember(&self, way: Option<Way>) {
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = way.map(|way| (way, Instant::now()));
    }

    /// What may not come back to a request with this credential.
    pub(super) fn guard(&self, credential: Option<&Secret>) -> Arc<Guard> {
        let token = self.oauth.as_ref().and_then(|oauth| oauth.current());
        match (credential, &self.filled.bearer) {
            (None, _) => token.map_or_else(|| Arc::clone(&self.guard), |token| Arc::clone(&token.guard)),
            (Some(leased), Some(own)) if same(leased, own) => Arc::clone(&self.guard),
            (Some(leased), _) => Arc::new(Guard::of(self.filled.secrets.iter().chain([leased]))),
        }
    }

    /// A request, ready to be sent.
    pub(super) fn request(
        &self,
        method: Method,
        headers: &[(HeaderName, HeaderValue)],
        credential: Option<&Secret>,
        body: Bytes,
    ) -> Request<Full<Bytes>> {
        self.request_to(&self.path, (method, headers), credential, body)
    }

    /// A request to another path of the site.
    pub(super) fn request_to(
        &self,
        path: &Uri,
        (method, headers): (Method, &[(HeaderName, HeaderValue)]),
        credential: Option<&Secret>,
        body: Bytes,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.clone();
        let out = request.headers_mut();
        out.clone_from(&self.base);
        for (name, value) in headers {
            out.insert(name, value.clone());
        }
        let bearer = credential.or(self.filled.bearer.as_ref());
        if let Some(value) = bearer.and_then(authorization) {
            out.insert(AUTHORIZATION, value);
        } else if let Some(token) = self.oauth.as_ref().and_then(|oauth| oauth.current()) {
            out.extend(token.header.clone().map(|value| (AUTHORIZATION, value)));
            request.extensions_mut().insert(token);
        }
        request
    }

    /// Sends a request when it is first polled.
    pub(super) fn exchange(&self, request: Request<Full<Bytes>>) -> Exchange {
        Exchange::new(&self.pool, request)
    }

    /// Sends a request when it is first read.
    pub(super) fn send(&self, request: Request<Full<Bytes>>, bytes_max: usize) -> Response {
        let token = request.extensions().get::<Arc<Token>>().cloned();
        Response::new(self.exchange(request), speak::message_limits(&self.limits), bytes_max).sent_with(token)
    }
}

impl Session {
    pub(super) fn new(version: ProtocolVersion, id: Option<HeaderValue>, offers: Offers) -> Self {
        Self { version, id, offers, level: tokio::sync::Mutex::default() }
    }

    /// What goes into the head of every request of the session.
    pub(super) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let version = HeaderValue::from_static(self.version.as_str());
        let mut out = vec![(HeaderName::from_static("mcp-protocol-version"), version)];
        if let Some(id) = &self.id {
            out.push((HeaderName::from_static("mcp-session-id"), id.clone()));
        }
        out
    }
}

/// Headers of our own making; those that are none are left out, which the server will say.
pub(super) fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
}

/// For `map_err`: what is wrong with the certificate authorities.
pub(super) fn authorities(
    config: &ServerConfig,
    http: &HttpTarget,
) -> impl FnOnce(String) -> ConfigError + use<> {
    let (server, file) = (config.name.clone(), http.ca_file.clone());
    move |problem| match file {
        Some(file) => ConfigError::Authorities { server, file: file.display().to_string(), problem },
        None => ConfigError::Tls(problem),
    }
}

fn authorization(secret: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.reveal())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn base_headers(authority: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_str(authority).ok()?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("callgate/", env!("CARGO_PKG_VERSION"))));
    Some(headers)
}
