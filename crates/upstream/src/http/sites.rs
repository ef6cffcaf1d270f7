//! The site of one HTTP server, as its secrets are when a connection is begun. Must never reach a server with a secret
//! that is missing, nor drop connections while its secrets stay what they are.

use std::sync::{Arc, Mutex, PoisonError};

use ports::sealed::SealedValues;
use ports::tokens::TokenStore;

use super::dial::tls_config;
use super::filled::Filled;
use super::site::{Site, authorities};
use crate::config::{ConfigError, HttpTarget, ServerConfig};

/// The current site, if there is one yet.
pub(crate) struct Sites {
    target: HttpTarget,
    tokens: Arc<dyn TokenStore>,
    current: Mutex<Option<Arc<Site>>>,
}

impl Sites {
    /// Checks what can be checked before the sealed store is read.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub(crate) fn new(
        config: &ServerConfig,
        target: &HttpTarget,
        tokens: &Arc<dyn TokenStore>,
    ) -> Result<Self, ConfigError> {
        let sites = Self { target: target.clone(), tokens: Arc::clone(tokens), current: Mutex::default() };
        if config.transport.sealed_names().is_empty() {
            sites.at(config, &SealedValues::new())?;
        } else {
            tls_config(target.ca_file.as_deref()).map_err(authorities(config, target))?;
        }
        Ok(sites)
    }

    /// The site with these values: the one that is, unless they changed.
    ///
    /// # Errors
    /// When a value is missing or cannot be used.
    pub(crate) fn at(&self, config: &ServerConfig, values: &SealedValues) -> Result<Arc<Site>, ConfigError> {
        let filled = Filled::of(&config.name, &self.target, values)?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match current.as_ref().filter(|site| site.filled.same(&filled)) {
            Some(site) => Ok(Arc::clone(site)),
            None => {
                let site = Arc::new(Site::new((config, &self.target), filled, &self.tokens)?);
                Ok(Arc::clone(current.insert(site)))
            }
        }
    }
}
