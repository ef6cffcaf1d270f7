//! An HTTP server's address, bearer and headers with their secrets filled in. Must never show one, nor let a value
//! through that no header can carry.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use model::bytes_eq::constant_time_eq;
use model::ids::ServerName;
use ports::sealed::{SealedValues, SecretText};
use ports::secret::Secret;

use super::oauth::Settings;
use crate::config::{ConfigError, HttpTarget};

/// What requests are made of.
pub(super) struct Filled {
    pub(super) url: Secret,
    pub(super) bearer: Option<Secret>,
    headers: Vec<(String, Secret)>,
    /// How tokens are got; `None` when there is another credential.
    pub(super) oauth: Option<Settings>,
    /// What of it is secret.
    pub(super) secrets: Vec<Secret>,
}

impl Filled {
    /// With the values that the sealed store has now.
    ///
    /// # Errors
    /// When one is missing, or cannot be sent.
    pub(super) fn of(
        server: &ServerName,
        target: &HttpTarget,
        values: &SealedValues,
    ) -> Result<Self, ConfigError> {
        let mut secrets = Vec::new();
        let mut fill = |text: &SecretText| match text.fill(values) {
            Ok(filled) => {
                secrets.extend(filled.secrets);
                Ok(filled.text)
            }
            Err(missing) => Err(ConfigError::Missing { server: server.clone(), missing }),
        };
        let url = fill(&target.url)?;
        let bearer = target.bearer.as_ref().map(&mut fill).transpose()?;
        let mut headers = Vec::new();
        for (name, text) in &target.headers {
            headers.push((name.clone(), fill(text)?));
        }
        // However it was written: a bearer is a credential.
        secrets.extend(bearer.clone());
        if bearer.as_ref().is_some_and(|bearer| !bearer.reveal().bytes().all(|b| b.is_ascii_graphic())) {
            return Err(ConfigError::Bearer(server.clone()));
        }
        let authorization = headers.iter().any(|(name, _)| name == AUTHORIZATION.as_str());
        // What a token is for is told to others: an address that is secret is a credential itself.
        let credential = bearer.is_some() || authorization || target.url.as_plain().is_none();
        let oauth = if credential { None } else { Some(Settings::of(server, &target.oauth, values)?) };
        secrets.extend(oauth.iter().flat_map(Settings::secrets).cloned());
        Ok(Self { url, bearer, headers, oauth, secrets })
    }

    /// The headers, to be sent with every request.
    ///
    /// # Errors
    /// When one is no header.
    pub(super) fn headers(&self, server: &ServerName) -> Result<HeaderMap, ConfigError> {
        let mut out = HeaderMap::new();
        for (name, value) in &self.headers {
            let unusable = || ConfigError::Header { server: server.clone(), name: name.clone() };
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
            let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| unusable())?;
            value.set_sensitive(true);
            out.insert(header, value);
        }
        Ok(out)
    }

    /// Whether another reading came to the same.
    pub(super) fn same(&self, other: &Self) -> bool {
        let bearers = match (&self.bearer, &other.bearer) {
            (Some(one), Some(other)) => same(one, other),
            (None, None) => true,
            _ => false,
        };
        let header = |((one, own), (other, theirs)): (&(String, Secret), &(String, Secret))| {
            one == other && same(own, theirs)
        };
        let oauth = match (&self.oauth, &other.oauth) {
            (Some(one), Some(other)) => one.same(other),
            (None, None) => true,
            _ => false,
        };
        bearers
            && oauth
            && same(&self.url, &other.url)
            && self.headers.len() == other.headers.len()
            && self.headers.iter().zip(&other.headers).all(header)
    }
}

/// Whether two secrets are one, told in the same time for all.
pub(super) fn same(one: &Secret, other: &Secret) -> bool {
    constant_time_eq(one.reveal().as_bytes(), other.reveal().as_bytes())
}
