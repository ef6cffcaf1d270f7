//! The OAuth client towards one server (ADR 0026): how its tokens are got, kept and renewed. Must never hand a token to
//! anything but requests to that server, use one of another issuer, or ask a person for anything during a call.

mod address;
mod challenge;
mod client;
mod discover;
mod encode;
mod fault;
mod fetch;
mod kept;
mod login;
mod metadata;
mod redirect;
mod scopes;
mod settings;
mod sign;
mod token;

use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) use self::challenge::Challenge;
pub(super) use self::client::Parts;
pub(crate) use self::client::{Answers, OauthClient, Refused, Token};
pub use self::fault::OauthFault;
pub use self::login::{Login, Standing};
pub use self::redirect::is_redirect;
pub(super) use self::settings::Settings;
pub use self::token::KeyAudience;

/// Whether a text is one scope.
#[must_use]
pub fn is_scope(text: &str) -> bool {
    !text.contains(' ') && !text.is_empty() && scopes::Scopes::parse(text).is_some()
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// 256 random bits, as text that URLs and headers carry.
fn random() -> Result<String, OauthFault> {
    let mut bytes = [0; 32];
    let filled = rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| OauthFault::Machine("the system gives no randomness".to_owned()))?;
    Ok(encode::base64url(&bytes))
}
