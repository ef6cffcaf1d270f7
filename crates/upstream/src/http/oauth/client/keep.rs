//! What a client has, in memory and in the sealed store. Must never use what was kept for another server, issuer or
//! registration than those of the configuration.

use std::sync::Arc;

use http::HeaderValue;

use super::super::address::Address;
use super::super::fault::OauthFault;
use super::super::kept::Kept;
use super::{OauthClient, State, Token};
use crate::guard::Guard;
use crate::http::filled::same;

/// A token is renewed so long before its end, or at three quarters of its life.
const AHEAD_SECONDS: u64 = 60;

impl OauthClient {
    /// Reads what is kept, if the store has changed.
    pub(in crate::http::oauth) async fn reload(&self) -> Result<(), OauthFault> {
        let stamp = self.store.stamp();
        if self.state().seen == Some(stamp) {
            return Ok(());
        }
        let text = self.store.load(&self.server).await;
        let text = text.map_err(|fault| OauthFault::Machine(fault.to_string()))?;
        let kept = text.as_ref().and_then(Kept::read).filter(|kept| self.is_ours(kept));
        let token = kept.map(|kept| Arc::new(self.ready_made(kept)));
        let mut state = self.state();
        // The same as before stays the same, so that who used it knows it again.
        if !alike(state.token.as_deref(), token.as_deref()) {
            state.token = token;
        }
        state.seen = Some(stamp);
        Ok(())
    }

    /// Whether tokens that were kept are for this server, as it is configured now.
    fn is_ours(&self, kept: &Kept) -> bool {
        let config = &self.settings.config;
        Address::parse(&kept.resource).is_ok_and(|resource| resource.holds(&self.address))
            && config.issuer.as_ref().is_none_or(|issuer| *issuer == kept.issuer)
            && config
                .client_id
                .as_ref()
                .is_none_or(|id| *id == kept.identity.id || id.starts_with("https://"))
            && (self.settings.wants_person() || kept.refresh.is_none())
    }

    pub(super) fn is_current(&self, token: Option<&Arc<Token>>) -> bool {
        alike(self.state().token.as_deref(), token.map(Arc::as_ref))
    }

    pub(super) fn ready_made(&self, kept: Kept) -> Token {
        let header = kept.access.as_ref().and_then(|access| {
            let mut header = HeaderValue::from_str(&format!("Bearer {}", access.reveal())).ok()?;
            header.set_sensitive(true);
            Some(header)
        });
        let guard = Arc::new(Guard::of(self.secrets.iter().chain(&kept.access).chain(&kept.refresh)));
        Token { kept, header, guard }
    }

    /// Keeps it in place of what it was made from. When that was replaced or removed meanwhile, by another login or a
    /// logout, the new one is not kept: what is there counts.
    pub(super) async fn replace(&self, before: &Kept, next: Kept) -> Result<(), OauthFault> {
        let there = self.store.load(&self.server).await;
        let there = there.map_err(|fault| OauthFault::Machine(fault.to_string()))?;
        if there.is_some_and(|there| same(&there, &before.write())) {
            self.keep(next).await;
            return Ok(());
        }
        self.state().seen = None;
        self.reload().await
    }

    /// Keeps it, and uses it from now on.
    pub(in crate::http::oauth) async fn keep(&self, kept: Kept) {
        let text = kept.write();
        let token = Arc::new(self.ready_made(kept));
        let seen = match self.store.keep(&self.server, &text).await {
            Ok(()) => None,
            Err(fault) => {
                tracing::warn!(server = %self.server, %fault, "its token is not kept: it is lost when callgate ends");
                Some(self.store.stamp())
            }
        };
        let mut state = self.state();
        *state = State { seen, token: Some(token), ..State::default() };
    }

    /// Forgets tokens that are not taken any more; who we are stays known.
    pub(super) async fn drop_tokens(&self, kept: Option<&Kept>) -> Result<(), OauthFault> {
        match kept {
            Some(kept) => {
                self.replace(kept, Kept { access: None, refresh: None, ..kept.clone() }).await?;
            }
            None => drop(self.forget().await?),
        }
        Ok(())
    }

    pub(in crate::http::oauth) async fn forget(&self) -> Result<bool, OauthFault> {
        let forgotten = self.store.forget(&self.server).await;
        let there = forgotten.map_err(|fault| OauthFault::Machine(fault.to_string()))?;
        *self.state() = State::default();
        Ok(there)
    }
}

impl Token {
    /// Whether it should be renewed.
    pub(super) fn is_due(&self, now: u64) -> bool {
        let Some(until) = self.kept.expires_at.filter(|_| self.header.is_some()) else { return false };
        let ahead = AHEAD_SECONDS.min(until.saturating_sub(self.kept.got_at) / 4);
        // A clock that was set back tells nothing.
        now.saturating_add(ahead) >= until || now.saturating_add(AHEAD_SECONDS) < self.kept.got_at
    }

    pub(super) fn is_over(&self, now: u64) -> bool {
        self.kept.expires_at.is_some_and(|until| now >= until)
    }
}

/// Whether both are the same token, told in the same time for all.
fn alike(one: Option<&Token>, other: Option<&Token>) -> bool {
    match (one.map(|token| &token.kept), other.map(|token| &token.kept)) {
        (None, None) => true,
        (Some(one), Some(other)) => same(&one.write(), &other.write()),
        _ => false,
    }
}
