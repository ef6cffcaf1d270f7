//! How the operator wants tokens to be got, with secrets filled in. Must never show one.

use model::ids::ServerName;
use ports::sealed::{SealedValues, SecretText};
use ports::secret::Secret;

use super::scopes::Scopes;
use crate::config::{ConfigError, Grant, OauthConfig};
use crate::http::filled::same;

/// The `auth` table of a server. No `Debug`: it holds secrets.
#[derive(Clone)]
pub(in crate::http) struct Settings {
    pub(super) config: OauthConfig,
    pub(super) secret: Option<Secret>,
    pub(super) key: Option<Secret>,
    /// All that is ever asked for, when the operator says so.
    pub(super) scopes: Option<Scopes>,
}

impl Settings {
    /// With the values that the sealed store has now.
    ///
    /// # Errors
    /// When one is missing, or a scope is none.
    pub(in crate::http) fn of(
        server: &ServerName,
        config: &OauthConfig,
        values: &SealedValues,
    ) -> Result<Self, ConfigError> {
        let fill = |text: &Option<SecretText>| match text.as_ref().map(|text| text.fill(values)).transpose() {
            Ok(filled) => Ok(filled.map(|filled| filled.text)),
            Err(missing) => Err(ConfigError::Missing { server: server.clone(), missing }),
        };
        let scopes = Scopes::of(config.scopes.iter().map(String::as_str));
        let scopes = scopes.ok_or_else(|| ConfigError::Scopes(server.clone()))?;
        Ok(Self {
            secret: fill(&config.client_secret)?,
            key: fill(&config.client_key)?,
            scopes: Some(scopes).filter(|scopes| !scopes.is_empty()),
            config: config.clone(),
        })
    }

    /// What of it may not come back from the server.
    pub(in crate::http) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.secret.iter()
    }

    /// Whether another reading came to the same secrets.
    pub(in crate::http) fn same(&self, other: &Self) -> bool {
        let alike = |one: &Option<Secret>, other: &Option<Secret>| match (one, other) {
            (Some(one), Some(other)) => same(one, other),
            (None, None) => true,
            _ => false,
        };
        alike(&self.secret, &other.secret) && alike(&self.key, &other.key)
    }

    /// Whether a person has to log in.
    pub(super) fn wants_person(&self) -> bool {
        self.config.grant == Grant::AuthorizationCode
    }
}
