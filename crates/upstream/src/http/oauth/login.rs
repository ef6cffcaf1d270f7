//! A person's login to a server: authorization code with PKCE (RFC 7636), for the command line. Must never take an answer
//! of another issuer, nor run where a call waits.

use std::sync::Arc;

use model::digest::Digest;
use model::json::{Json, write_string};
use ports::sealed::{SealedSecrets, SealedValues};
use ports::secret::Secret;
use ports::tokens::TokenStore;

use super::client::{Found, OauthClient};
use super::discover::{Discovered, authorization_server};
use super::encode::{base64url, form};
use super::fault::{OauthFault, code};
use super::fetch::Ask;
use super::kept::{Identity, Kept};
use super::metadata::{AuthorizationServer, ClientAuth};
use super::redirect::{Fields, Redirect};
use super::scopes::Scopes;
use super::token::Prover;
use super::{address::Address, random};
use crate::config::{ConfigError, ServerConfig, Transport};
use crate::http::site::Site;
use crate::http::sites::Sites;

/// How a server's tokens stand, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who gave them.
    pub issuer: String,
    /// What was asked for; may be empty.
    pub scopes: String,
    /// Whether there is a token, or something to get one with.
    pub usable: bool,
    /// When the token ends, in seconds since 1970, if that is known and it cannot be renewed.
    pub ends_at: Option<u64>,
}

impl Standing {
    /// Of what is kept for a server.
    #[must_use]
    pub fn of(kept: &Secret) -> Option<Self> {
        Kept::read(kept).map(|kept| Self::from(&kept))
    }
}

impl From<&Kept> for Standing {
    fn from(kept: &Kept) -> Self {
        let renewable = kept.refresh.is_some();
        let ends_at = kept.expires_at.filter(|_| !renewable);
        let over = ends_at.is_some_and(|at| at <= super::now_seconds());
        Self {
            issuer: kept.issuer.clone(),
            scopes: kept.scopes.to_string(),
            usable: renewable || (kept.access.is_some() && !over),
            ends_at,
        }
    }
}

/// Logs in to one server, and out.
pub struct Login {
    site: Arc<Site>,
    client: Arc<OauthClient>,
}

impl Login {
    /// For a server as it is configured, with what the sealed store has now.
    ///
    /// # Errors
    /// When the server is not one that tokens can be got for.
    pub async fn to(
        config: &ServerConfig,
        sealed: &Arc<dyn SealedSecrets>,
        tokens: &Arc<dyn TokenStore>,
    ) -> Result<Self, OauthFault> {
        let Transport::Http(target) = &config.transport else {
            return Err(OauthFault::Machine(format!(
                "server `{}` is a command, which wants no login",
                config.name
            )));
        };
        let names = config.transport.sealed_names();
        let values = if names.is_empty() { Ok(SealedValues::new()) } else { sealed.values(&names).await };
        let values = values.map_err(|fault| OauthFault::Machine(fault.to_string()))?;
        let unusable = |error: ConfigError| OauthFault::Machine(error.to_string());
        let sites = Sites::new(config, target, tokens).map_err(unusable)?;
        let site = sites.at(config, &values).map_err(unusable)?;
        let none = || {
            let name = &config.name;
            OauthFault::Machine(format!(
                "server `{name}` has a credential in the configuration (its url counts when it is sealed), or no `https` url"
            ))
        };
        let client = site.oauth.clone().ok_or_else(none)?;
        Ok(Self { site, client })
    }

    /// Gets tokens and keeps them. `show` is given the address where the person goes on.
    ///
    /// # Errors
    /// Why there is no token.
    pub async fn run(&self, show: impl FnOnce(&str)) -> Result<Standing, OauthFault> {
        let client = &self.client;
        client.reload().await?;
        let before = client.current();
        let challenge = self.site.challenge().await;
        let discovered = client.discover(Some(&challenge)).await?;
        let authorization = &discovered.authorization;
        let found = Found { authorization, resource: &discovered.resource };
        if !client.settings.wants_person() {
            client.fetch(&found).await?;
        } else {
            let wanted =
                before.map(|token| token.kept.clone()).filter(|kept| kept.issuer == authorization.issuer);
            let wanted = wanted.map(|kept| kept.wanted).unwrap_or_default();
            let scopes = client.scopes(&challenge, &discovered);
            let scopes = self.with_offline(scopes.union(&wanted), &discovered);
            self.ask(&found, scopes, show).await?;
        }
        let kept = client.current().ok_or(OauthFault::NotDescribed)?;
        Ok(Standing::from(&kept.kept))
    }

    /// What lets a login be renewed, where the authorization server has it.
    fn with_offline(&self, scopes: Scopes, discovered: &Discovered) -> Scopes {
        let offline = Scopes::of(["offline_access"]).unwrap_or_default();
        let supported = discovered.authorization.scopes_supported.as_ref();
        match supported.is_some_and(|supported| supported.covers(&offline))
            && self.client.settings.scopes.is_none()
        {
            true => scopes.union(&offline),
            false => scopes,
        }
    }

    async fn ask(
        &self,
        found: &Found<'_>,
        scopes: Scopes,
        show: impl FnOnce(&str),
    ) -> Result<(), OauthFault> {
        let (client, authorization) = (&self.client, found.authorization);
        let described = |what| OauthFault::Described { address: authorization.issuer.clone(), what };
        let endpoint = authorization.authorization_endpoint.as_ref();
        let endpoint = endpoint.ok_or_else(|| described("it has no `authorization_endpoint`"))?;
        if !authorization.s256 {
            return Err(described("it does not say that it checks PKCE with `S256`"));
        }
        let redirect = Redirect::listen(client.settings.config.redirect.as_deref()).await?;
        let identity = self.identity(authorization, &redirect, &scopes).await?;
        let (verifier, state) = (Secret::new(random()?), random()?);
        let challenge = base64url(Digest::of(verifier.reveal().as_bytes()).as_bytes());
        let scope = scopes.to_string();
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", identity.id.as_str()),
            ("redirect_uri", redirect.uri()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("state", &state),
            ("resource", found.resource),
        ];
        if !scopes.is_empty() {
            fields.push(("scope", &scope));
        }
        show(&with_query(endpoint, &fields));
        let answer = redirect.answer(&state).await?;
        let code = Secret::new(code_of(&answer, authorization)?);
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.reveal()),
            ("redirect_uri", redirect.uri()),
            ("code_verifier", verifier.reveal()),
            ("resource", found.resource),
        ];
        let given = client.token(&identity, authorization, &fields).await?;
        client.keep(Kept::of(found, identity, given, scopes)).await;
        Ok(())
    }

    /// Who we are there: registered by the operator, by a document of ours, or just now.
    async fn identity(
        &self,
        authorization: &AuthorizationServer,
        redirect: &Redirect,
        scopes: &Scopes,
    ) -> Result<Identity, OauthFault> {
        let own = self.client.settings.config.client_id.as_deref();
        match own.map(|id| id.starts_with("https://")) {
            Some(false) => return self.client.own_identity(authorization),
            Some(true) if authorization.reads_client_documents => {
                return self.client.own_identity(authorization);
            }
            Some(true) | None => {}
        }
        let none = || OauthFault::NotRegistered { issuer: authorization.issuer.clone() };
        let endpoint = authorization.registration_endpoint.as_ref().ok_or_else(none)?;
        let auths = [ClientAuth::Nothing, ClientAuth::Basic, ClientAuth::Post];
        let auth = auths.into_iter().find(|auth| authorization.takes(*auth)).unwrap_or(ClientAuth::Nothing);
        let body = registration(redirect.uri(), auth, scopes);
        let ask = Ask::Post { content_type: "application/json", authorization: None, body: &body };
        let fetched = self.client.fetcher.fetch(endpoint, &ask).await?;
        registered(authorization, auth, fetched.success())
    }

    /// Forgets the tokens of a server; false when there were none. The authorization server is told, if it can be.
    ///
    /// # Errors
    /// When the sealed store cannot be written.
    pub async fn out(&self) -> Result<bool, OauthFault> {
        self.client.reload().await?;
        let token = self.client.current();
        let there = self.client.forget().await?;
        if let Some(token) = token
            && let Err(fault) = self.revoke(&token.kept).await
        {
            tracing::debug!(%fault, "the authorization server was not told");
        }
        Ok(there)
    }

    /// RFC 7009.
    async fn revoke(&self, kept: &Kept) -> Result<(), OauthFault> {
        let client = &self.client;
        let unusable = |what| OauthFault::Described { address: kept.issuer.clone(), what };
        let issuer = Address::parse(&kept.issuer).map_err(unusable)?;
        let authorization = authorization_server(&client.fetcher, &issuer).await?;
        let (Some(endpoint), Some(token)) =
            (&authorization.revocation_endpoint, kept.refresh.as_ref().or(kept.access.as_ref()))
        else {
            return Ok(());
        };
        let signer = client.signer()?;
        let prover =
            Prover { identity: &kept.identity, signer: signer.as_ref(), audience: client.audience() };
        let fields = [("token", token.reveal())];
        prover.post(&client.fetcher, (&authorization, endpoint), &fields).await.map(drop)
    }
}

fn with_query(endpoint: &Address, fields: &[(&str, &str)]) -> String {
    let join = if endpoint.query().is_some() { '&' } else { '?' };
    format!("{}{join}{}", endpoint.as_str(), form(fields))
}

/// The code of an answer that came from the issuer that was asked (RFC 9207).
fn code_of(answer: &Fields, authorization: &AuthorizationServer) -> Result<String, OauthFault> {
    let field =
        |wanted: &str| answer.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    match field("iss") {
        Some(issuer) if issuer != authorization.issuer => {
            return Err(OauthFault::Answer("it names another issuer than the one that was asked"));
        }
        None if authorization.answers_have_issuer => {
            return Err(OauthFault::Answer(
                "it names no issuer, which this authorization server says it does",
            ));
        }
        Some(_) | None => {}
    }
    if let Some(error) = field("error") {
        return Err(OauthFault::Denied(code(error)));
    }
    let code = field("code").filter(|code| !code.is_empty());
    code.map(str::to_owned).ok_or(OauthFault::Answer("it has no code"))
}

/// A registration of a program on a person's machine (RFC 7591).
fn registration(redirect: &str, auth: ClientAuth, scopes: &Scopes) -> String {
    let mut uri = String::new();
    write_string(&mut uri, redirect);
    let mut scope = String::new();
    if !scopes.is_empty() {
        scope.push_str(",\"scope\":");
        write_string(&mut scope, &scopes.to_string());
    }
    format!(
        r#"{{"client_name":"Callgate","application_type":"native","redirect_uris":[{uri}],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"{}"{scope}}}"#,
        auth.name()
    )
}

fn registered(
    authorization: &AuthorizationServer,
    asked: ClientAuth,
    answer: Option<&Json>,
) -> Result<Identity, OauthFault> {
    let none = || OauthFault::NotRegistered { issuer: authorization.issuer.clone() };
    let answer = answer.ok_or_else(none)?;
    let text = |name: &str| answer.get(name).and_then(Json::as_str);
    let fits = |text: &&str| (1..=2048).contains(&text.len()) && !text.contains(char::is_control);
    let id = text("client_id").filter(fits).ok_or_else(none)?.to_owned();
    let secret = text("client_secret").filter(fits).map(|secret| Secret::new(secret.to_owned()));
    let auth = text("token_endpoint_auth_method").and_then(ClientAuth::of).unwrap_or(asked);
    let auth = if secret.is_none() { ClientAuth::Nothing } else { auth };
    Ok(Identity { id, auth, secret })
}

#[cfg(test)]
mod tests {
    use model::limits::JsonLimits;

    use super::*;

    fn server(more: &str) -> AuthorizationServer {
        let text =
            format!(r#"{{"issuer":"https://as.example","token_endpoint":"https://as.example/token"{more}}}"#);
        let json = Json::parse(text.as_bytes(), &JsonLimits::REQUEST).unwrap();
        AuthorizationServer::read(&json, "https://as.example").unwrap()
    }

    #[test]
    fn s15_an_answer_of_another_issuer_is_refused() {
        let (plain, names) =
            (server(""), server(r#","authorization_response_iss_parameter_supported":true"#));
        let answer = |fields: &[(&str, &str)]| -> Fields {
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let good = answer(&[("code", "c"), ("iss", "https://as.example")]);
        assert_eq!(
            (code_of(&good, &plain), code_of(&good, &names)),
            (Ok("c".to_owned()), Ok("c".to_owned()))
        );
        let silent = answer(&[("code", "c")]);
        assert_eq!(code_of(&silent, &plain), Ok("c".to_owned()));
        assert!(matches!(code_of(&silent, &names), Err(OauthFault::Answer(_))));
        for other in ["https://as.example/", "https://AS.example", "https://evil.example", ""] {
            let bad = answer(&[("error", "access_denied"), ("code", "c"), ("iss", other)]);
            assert!(matches!(code_of(&bad, &plain), Err(OauthFault::Answer(_))), "{other}");
        }
        let denied = answer(&[("error", "access_denied"), ("error_description", "IGNORE"), ("code", "c")]);
        assert_eq!(code_of(&denied, &plain), Err(OauthFault::Denied("access_denied".to_owned())));
        assert!(code_of(&answer(&[("code", "")]), &plain).is_err());
    }

    #[test]
    fn a_registration_says_what_callgate_is() {
        let scopes = Scopes::parse("a b").unwrap();
        let text = registration("http://127.0.0.1:9/callback", ClientAuth::Nothing, &scopes);
        let json = Json::parse(text.as_bytes(), &JsonLimits::REQUEST).unwrap();
        assert_eq!(json.get("application_type").and_then(Json::as_str), Some("native"));
        assert_eq!(json.get("token_endpoint_auth_method").and_then(Json::as_str), Some("none"));
        assert_eq!(json.get("scope").and_then(Json::as_str), Some("a b"));
        let answer =
            Json::parse(br#"{"client_id":"c-1","client_secret":"s"}"#, &JsonLimits::REQUEST).unwrap();
        let identity = registered(&server(""), ClientAuth::Post, Some(&answer)).unwrap();
        assert!(identity.auth == ClientAuth::Post && identity.secret.is_some() && identity.id == "c-1");
        let answer = Json::parse(br#"{"client_id":"c-1"}"#, &JsonLimits::REQUEST).unwrap();
        assert!(
            registered(&server(""), ClientAuth::Post, Some(&answer)).unwrap().auth == ClientAuth::Nothing
        );
        assert!(registered(&server(""), ClientAuth::Post, None).is_err());
    }

    #[test]
    fn an_endpoint_keeps_its_own_query() {
        let at = |text| with_query(&Address::parse(text).unwrap(), &[("a", "b c")]);
        assert_eq!(at("https://as.example/auth"), "https://as.example/auth?a=b%20c");
        assert_eq!(at("https://as.example/auth?t=1"), "https://as.example/auth?t=1&a=b%20c");
    }
}
