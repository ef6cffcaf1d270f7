//! The tokens of one server: taken from the sealed store, renewed ahead of their end, got anew when they are refused.
//! Must never have two renewals under way at once, nor end one half-way because a call ended.

mod keep;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use model::ids::ServerName;
use ports::secret::Secret;
use ports::tokens::{Stamp, TokenStore};
use ports::upstream::UpstreamFault;
use rustls::ClientConfig;
use tokio::time::Instant;

use super::address::Address;
use super::challenge::Challenge;
use super::discover::{Discovered, authorization_server, discover};
use super::fault::OauthFault;
use super::fetch::Fetcher;
use super::kept::{Identity, Kept};
use super::metadata::{AuthorizationServer, ClientAuth};
use super::scopes::Scopes;
use super::settings::Settings;
use super::sign::Signer;
use super::token::{Given, Prover};
use crate::config::KeyAudience;
use crate::fault::unavailable;
use crate::guard::Guard;

/// Of one request.
const UNAUTHORIZED_MAX: u32 = 1;
/// Of one request: each time more scopes are asked for.
const INSUFFICIENT_MAX: u32 = 3;
/// A renewal that failed while the token is still good is tried again after this.
const PAUSE: Duration = Duration::from_secs(10);

/// What is kept, ready for requests. No `Debug`.
pub(crate) struct Token {
    pub(super) kept: Kept,
    pub(crate) header: Option<HeaderValue>,
    /// What may not come back to a request with it.
    pub(crate) guard: Arc<Guard>,
}

/// A response of 401 or 403.
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) challenge: Challenge,
    /// What the request was sent with.
    pub(crate) token: Option<Arc<Token>>,
}

/// How often one request was refused, and sent again with another token.
#[derive(Default)]
pub(crate) struct Answers {
    /// 401: a token that was just got and is not taken either is no accident.
    unauthorized: u32,
    /// 403 `insufficient_scope`.
    insufficient: u32,
}

impl Answers {
    /// Whether another token may help once more.
    pub(crate) fn take(&mut self, refused: &Refused) -> bool {
        let (count, max) = match refused.status {
            StatusCode::UNAUTHORIZED => (&mut self.unauthorized, UNAUTHORIZED_MAX),
            _ if refused.challenge.insufficient => (&mut self.insufficient, INSUFFICIENT_MAX),
            _ => return false,
        };
        *count += 1;
        *count <= max
    }
}

#[derive(Default)]
struct State {
    seen: Option<Stamp>,
    token: Option<Arc<Token>>,
    not_before: Option<Instant>,
    /// What the last flight came to, when it failed.
    failed: Option<(Instant, OauthFault)>,
}

/// The OAuth client of one server.
pub(crate) struct OauthClient {
    pub(super) server: ServerName,
    pub(super) address: Address,
    pub(super) settings: Settings,
    pub(super) fetcher: Fetcher,
    pub(super) store: Arc<dyn TokenStore>,
    /// What the guard looks for besides the token.
    secrets: Vec<Secret>,
    state: Mutex<State>,
    one_flight: tokio::sync::Mutex<()>,
}

/// What a client is made of.
pub(in crate::http) struct Parts {
    pub(in crate::http) server: ServerName,
    pub(in crate::http) settings: Settings,
    pub(in crate::http) secrets: Vec<Secret>,
    pub(in crate::http) tls: ClientConfig,
    pub(in crate::http) store: Arc<dyn TokenStore>,
}

impl OauthClient {
    /// For a server at this address; `None` where tokens would travel in the clear.
    pub(in crate::http) fn new(url: &str, parts: Parts) -> Option<Self> {
        let address = Address::parse(url).ok()?;
        let Parts { server, settings, secrets, tls, store } = parts;
        let issuer = settings.config.issuer.as_deref().and_then(|issuer| Address::parse(issuer).ok());
        let hosts = settings.config.hosts.iter().map(|host| host.to_ascii_lowercase());
        let named = [&address].into_iter().chain(&issuer).map(|named| named.host().to_owned()).chain(hosts);
        let fetcher = Fetcher::new(tls, named.collect());
        let one_flight = tokio::sync::Mutex::new(());
        Some(Self { server, address, settings, fetcher, store, secrets, state: Mutex::default(), one_flight })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What requests are sent with now.
    pub(crate) fn current(&self) -> Option<Arc<Token>> {
        self.state().token.clone()
    }

    /// Sees to it that the token of the next request is as good as can be told, or that there is none.
    ///
    /// # Errors
    /// When only a person can go on, in words for an operator.
    pub(crate) async fn ready(self: &Arc<Self>) -> Result<(), UpstreamFault> {
        self.reload().await.map_err(|fault| unavailable(&self.server, fault))?;
        let Some(token) = self.current() else { return Ok(()) };
        let (now, waits) =
            (super::now_seconds(), self.state().not_before.is_some_and(|at| at > Instant::now()));
        if !token.is_due(now) || (waits && !token.is_over(now)) {
            return Ok(());
        }
        let own = Arc::clone(self);
        let renewal = async move { own.fly(own.renew_ahead(&token)).await };
        self.apart(renewal).await
    }

    /// Answers a refusal: `Ok` when the request may be sent again with what there is now.
    ///
    /// # Errors
    /// When there is no other token, in words for an operator.
    pub(crate) async fn answer(self: &Arc<Self>, refused: Refused) -> Result<(), UpstreamFault> {
        let own = Arc::clone(self);
        let answering = async move { own.fly(own.get_another(&refused)).await };
        self.apart(answering).await
    }

    /// Runs to its end, also when nobody waits any more: what the authorization server gave is kept.
    async fn apart(
        &self,
        work: impl Future<Output = Result<(), OauthFault>> + Send + 'static,
    ) -> Result<(), UpstreamFault> {
        match tokio::spawn(work).await {
            Ok(result) => result.map_err(|fault| unavailable(&self.server, fault)),
            Err(_) => Err(unavailable(&self.server, "getting its token was interrupted; try again")),
        }
    }

    /// Waits for its turn. Who waited for a flight that failed has its answer: each would fly for nothing.
    async fn fly(
        &self,
        flight: impl Future<Output = Result<(), OauthFault>> + Send,
    ) -> Result<(), OauthFault> {
        let asked = Instant::now();
        let _turn = self.one_flight.lock().await;
        let failed = self.state().failed.clone().filter(|(at, _)| *at > asked);
        if let Some((_, fault)) = failed {
            return Err(fault);
        }
        let result = flight.await;
        self.state().failed = result.as_ref().err().map(|fault| (Instant::now(), fault.clone()));
        result
    }

    async fn renew_ahead(&self, token: &Arc<Token>) -> Result<(), OauthFault> {
        self.reload().await?;
        if !self.is_current(Some(token)) {
            return Ok(());
        }
        let renewed = self.renew_by_issuer(token).await;
        match renewed {
            Err(fault) if !token.is_over(super::now_seconds()) => {
                tracing::warn!(server = %self.server, %fault, "its token could not be renewed ahead of its end");
                self.state().not_before = Some(Instant::now() + PAUSE);
                Ok(())
            }
            other => other,
        }
    }

    /// Renews at the issuer that gave what we have, which is described anew.
    async fn renew_by_issuer(&self, token: &Token) -> Result<(), OauthFault> {
        let kept = &token.kept;
        if kept.refresh.is_none() && self.settings.wants_person() {
            return Err(self.login("its login has ended"));
        }
        let issuer = Address::parse(&kept.issuer)
            .map_err(|what| OauthFault::Described { address: kept.issuer.clone(), what })?;
        let authorization = authorization_server(&self.fetcher, &issuer).await?;
        let found = Found { authorization: &authorization, resource: &kept.resource };
        self.renew(kept, &found).await
    }

    async fn get_another(&self, refused: &Refused) -> Result<(), OauthFault> {
        self.reload().await?;
        let current = self.current();
        let used = refused.token.as_ref();
        if !self.is_current(used) && current.as_ref().is_some_and(|token| token.header.is_some()) {
            return Ok(());
        }
        let kept = current.as_ref().map(|token| &token.kept);
        if refused.status == StatusCode::FORBIDDEN {
            return self.step_up(kept, &refused.challenge).await;
        }
        let hopeful = kept.is_some_and(|kept| kept.access.is_some() || kept.refresh.is_some());
        if !hopeful && self.settings.wants_person() {
            return Err(self.login("it wants a login (401)"));
        }
        let discovered = self.discover(Some(&refused.challenge)).await?;
        // Another issuer: what we have is not for it.
        let kept = kept.filter(|kept| kept.issuer == discovered.authorization.issuer);
        let found = Found { authorization: &discovered.authorization, resource: &discovered.resource };
        match kept {
            Some(kept) => self.renew(kept, &found).await,
            None if self.settings.wants_person() => {
                self.drop_tokens(None).await?;
                Err(self.login("it has moved to another authorization server"))
            }
            None => self.fetch(&found).await,
        }
    }

    /// The token is good and not enough: a person has to log in for everything asked so far and for this. Our own
    /// credentials are not lent to what a server says it wants.
    async fn step_up(&self, kept: Option<&Kept>, challenge: &Challenge) -> Result<(), OauthFault> {
        let asked = kept.map(|kept| kept.scopes.clone()).unwrap_or_default();
        let all = asked.union(challenge.scopes.as_ref().unwrap_or(&asked));
        if asked.covers(&all) {
            return Err(OauthFault::Machine(
                "its token has all that it asked for, and it forbids this (403)".to_owned(),
            ));
        }
        if self.settings.scopes.is_some() || !self.settings.wants_person() {
            return Err(OauthFault::Machine(format!(
                "it wants the scopes `{all}`, which `scopes` does not name"
            )));
        }
        // Each refusal is told; what is kept changes only with what is wanted.
        if let Some(kept) = kept.filter(|kept| !kept.wanted.covers(&all)) {
            self.replace(kept, Kept { wanted: all, ..kept.clone() }).await?;
        }
        Err(self.login("it wants more scopes than its login has"))
    }

    /// By the refresh token, or with our own credentials.
    async fn renew(&self, kept: &Kept, found: &Found<'_>) -> Result<(), OauthFault> {
        if let Some(refresh) = &kept.refresh {
            match self.refresh(kept, refresh, found).await {
                Ok(()) => return Ok(()),
                Err(fault) if !fault.is_final() => return Err(fault),
                Err(fault) => {
                    tracing::info!(server = %self.server, %fault, "its refresh token is not taken any more")
                }
            }
        }
        if !self.settings.wants_person() {
            return self.fetch(found).await;
        }
        self.drop_tokens(Some(kept)).await?;
        Err(self.login("its login is not taken any more"))
    }

    async fn refresh(&self, kept: &Kept, refresh: &Secret, found: &Found<'_>) -> Result<(), OauthFault> {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.reveal()),
            ("resource", found.resource),
        ];
        let given = self.token(&kept.identity, found.authorization, &fields).await?;
        let refresh = given.refresh.clone().or_else(|| Some(refresh.clone()));
        let mut next = kept.with(given);
        next.refresh = refresh;
        self.replace(kept, next).await
    }

    /// With our own credentials (RFC 6749 §4.4): only for the scopes that the operator says.
    pub(super) async fn fetch(&self, found: &Found<'_>) -> Result<(), OauthFault> {
        let scopes = self.settings.scopes.clone().unwrap_or_default();
        let identity = self.own_identity(found.authorization)?;
        let scope = scopes.to_string();
        let mut fields = vec![("grant_type", "client_credentials"), ("resource", found.resource)];
        if !scopes.is_empty() {
            fields.push(("scope", &scope));
        }
        let mut given = self.token(&identity, found.authorization, &fields).await?;
        // Our own credentials are always as good.
        given.refresh = None;
        self.keep(Kept::of(found, identity, given, scopes)).await;
        Ok(())
    }

    /// Asks the token endpoint.
    pub(super) async fn token(
        &self,
        identity: &Identity,
        authorization: &AuthorizationServer,
        fields: &[(&str, &str)],
    ) -> Result<Given, OauthFault> {
        let signer = self.signer()?;
        let prover = Prover { identity, signer: signer.as_ref(), audience: self.audience() };
        prover.token(&self.fetcher, authorization, fields).await
    }

    pub(super) fn signer(&self) -> Result<Option<Signer>, OauthFault> {
        self.settings.key.as_ref().map(Signer::read).transpose()
    }

    pub(super) const fn audience(&self) -> KeyAudience {
        self.settings.config.key_audience
    }

    /// Who we are by the configuration.
    pub(super) fn own_identity(&self, authorization: &AuthorizationServer) -> Result<Identity, OauthFault> {
        let none = || OauthFault::NotRegistered { issuer: authorization.issuer.clone() };
        let id = self.settings.config.client_id.clone().ok_or_else(none)?;
        let secret = self.settings.secret.clone();
        let auth = match (&self.settings.key, &secret) {
            (Some(_), _) => ClientAuth::PrivateKeyJwt,
            (None, Some(_))
                if !authorization.takes(ClientAuth::Basic) && authorization.takes(ClientAuth::Post) =>
            {
                ClientAuth::Post
            }
            (None, Some(_)) => ClientAuth::Basic,
            (None, None) => ClientAuth::Nothing,
        };
        Ok(Identity { id, auth, secret })
    }

    pub(super) async fn discover(&self, challenge: Option<&Challenge>) -> Result<Discovered, OauthFault> {
        discover(&self.fetcher, &self.address, challenge, self.settings.config.issuer.as_deref()).await
    }

    /// What a login asks for: what the operator says, else what the challenge says, else what the server says it has.
    pub(super) fn scopes(&self, challenge: &Challenge, discovered: &Discovered) -> Scopes {
        let challenged = challenge.scopes.clone();
        let chosen =
            self.settings.scopes.clone().or(challenged).or_else(|| discovered.scopes_supported.clone());
        chosen.unwrap_or_default()
    }

    pub(super) fn login(&self, why: &'static str) -> OauthFault {
        OauthFault::Login { server: self.server.to_string(), why }
    }
}

/// An authorization server, and what a token of it is to be for.
pub(super) struct Found<'a> {
    pub(super) authorization: &'a AuthorizationServer,
    pub(super) resource: &'a str,
}

impl Kept {
    pub(super) fn of(found: &Found<'_>, identity: Identity, given: Given, scopes: Scopes) -> Self {
        let got_at = super::now_seconds();
        Self {
            issuer: found.authorization.issuer.clone(),
            resource: found.resource.to_owned(),
            identity,
            access: Some(given.access),
            got_at,
            expires_at: given.seconds.map(|seconds| got_at.saturating_add(seconds)),
            refresh: given.refresh,
            scopes,
            wanted: Scopes::default(),
        }
    }

    /// With another token.
    fn with(&self, given: Given) -> Self {
        let got_at = super::now_seconds();
        let expires_at = given.seconds.map(|seconds| got_at.saturating_add(seconds));
        Self { access: Some(given.access), got_at, expires_at, refresh: given.refresh, ..self.clone() }
    }
}

#[cfg(test)]
mod tests;
