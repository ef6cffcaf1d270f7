//! What is kept of a server's tokens, as one text in the sealed store. Must never be written anywhere else, nor be read
//! as the tokens of another server or issuer.

use model::json::{Json, write_string};
use model::limits::JsonLimits;
use ports::secret::Secret;

use super::metadata::ClientAuth;
use super::scopes::Scopes;

/// The form of the text.
const VERSION: i64 = 1;
const LIMITS: JsonLimits =
    JsonLimits { bytes_max: 64 << 10, depth_max: 2, values_max: 64, number_chars_max: 20 };

/// Who we are at an authorization server.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) id: String,
    pub(super) auth: ClientAuth,
    pub(super) secret: Option<Secret>,
}

/// Tokens, and what is needed to renew them. No `Debug`.
#[derive(Clone)]
pub(super) struct Kept {
    /// Who gave them: they go to no other.
    pub(super) issuer: String,
    /// What they are for.
    pub(super) resource: String,
    pub(super) identity: Identity,
    pub(super) access: Option<Secret>,
    /// Seconds since 1970.
    pub(super) got_at: u64,
    /// Seconds since 1970, when it is known.
    pub(super) expires_at: Option<u64>,
    pub(super) refresh: Option<Secret>,
    /// What was asked for.
    pub(super) scopes: Scopes,
    /// What a refused request wanted besides: the next login asks for it.
    pub(super) wanted: Scopes,
}

impl Kept {
    /// The text to keep.
    pub(super) fn write(&self) -> Secret {
        let mut text = Text(format!("{{\"v\":{VERSION}"));
        text.field("issuer", Some(&self.issuer));
        text.field("resource", Some(&self.resource));
        text.field("client_id", Some(&self.identity.id));
        text.field("client_auth", Some(self.identity.auth.name()));
        text.field("client_secret", self.identity.secret.as_ref().map(Secret::reveal));
        text.field("access_token", self.access.as_ref().map(Secret::reveal));
        text.field("refresh_token", self.refresh.as_ref().map(Secret::reveal));
        text.field("scope", Some(&self.scopes.to_string()));
        text.field("wanted", Some(&self.wanted.to_string()));
        text.field("got_at", Some(&self.got_at.to_string()));
        text.field("expires_at", self.expires_at.map(|at| at.to_string()).as_deref());
        text.0.push('}');
        Secret::new(text.0)
    }

    /// Reads what was kept; `None` when it is something else.
    pub(super) fn read(text: &Secret) -> Option<Self> {
        let json = Json::parse(text.reveal().as_bytes(), &LIMITS).ok()?;
        if json.get("v").and_then(Json::as_i64) != Some(VERSION) {
            return None;
        }
        let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
        let secret = |name: &str| text(name).map(Secret::new);
        let scopes = |name: &str| Scopes::parse(&text(name).unwrap_or_default());
        Some(Self {
            issuer: text("issuer")?,
            resource: text("resource")?,
            identity: Identity {
                id: text("client_id")?,
                auth: ClientAuth::of(&text("client_auth")?)?,
                secret: secret("client_secret"),
            },
            access: secret("access_token"),
            got_at: text("got_at")?.parse().ok()?,
            expires_at: text("expires_at").map(|at| at.parse()).transpose().ok()?,
            refresh: secret("refresh_token"),
            scopes: scopes("scope")?,
            wanted: scopes("wanted")?,
        })
    }
}

struct Text(String);

impl Text {
    fn field(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.0.push(',');
            write_string(&mut self.0, name);
            self.0.push(':');
            write_string(&mut self.0, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn other_texts_are_nothing_that_was_kept() {
        for none in ["", "{}", "[]", r#"{"v":2}"#, r#"{"v":1,"issuer":"a"}"#, "null"] {
            assert!(Kept::read(&secret(none)).is_none(), "{none}");
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_is_read_back(issuer: String, id: String, access: Option<String>, refresh: Option<String>, got_at: u64, expires_at: Option<u64>) {
            let kept = Kept {
                issuer: issuer.clone(),
                resource: "https://a.example/mcp".to_owned(),
                identity: Identity { id: id.clone(), auth: ClientAuth::Post, secret: Some(secret("s\"e\\c")) },
                access: access.clone().map(Secret::new),
                got_at,
                expires_at,
                refresh: refresh.clone().map(Secret::new),
                scopes: Scopes::parse("a b").unwrap(),
                wanted: Scopes::default(),
            };
            let read = Kept::read(&kept.write()).unwrap();
            prop_assert_eq!((read.issuer, read.identity.id, read.got_at, read.expires_at), (issuer, id, got_at, expires_at));
            prop_assert_eq!(read.access.map(|token| token.reveal().to_owned()), access);
            prop_assert_eq!(read.refresh.map(|token| token.reveal().to_owned()), refresh);
            prop_assert_eq!(read.identity.secret.map(|token| token.reveal().to_owned()), Some("s\"e\\c".to_owned()));
            prop_assert_eq!(read.scopes.to_string(), "a b");
            prop_assert!(read.identity.auth == ClientAuth::Post);
        }

        #[test]
        fn nothing_makes_reading_fall_over(text: String) {
            drop(Kept::read(&Secret::new(text)));
        }
    }
}
