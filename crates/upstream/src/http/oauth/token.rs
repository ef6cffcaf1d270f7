//! The token endpoint: what is asked, and what is taken for a token. Must never send a secret of ours to any other
//! endpoint, nor keep an answer that is no bearer token.

use http::header::HeaderValue;
use model::json::Json;
use ports::secret::Secret;

use super::address::Address;
use super::encode::{base64_padded, component, form};
use super::fault::{OauthFault, code};
use super::fetch::{Ask, Fetched, Fetcher};
use super::kept::Identity;
use super::metadata::{AuthorizationServer, ClientAuth};
use super::sign::{Claims, Signer};

/// Longest token taken: it goes into a header.
const TOKEN_BYTES_MAX: usize = 16 << 10;
/// What is longer is taken for so long.
const SECONDS_MAX: i64 = 366 * 24 * 3600;

/// What was given.
pub(super) struct Given {
    pub(super) access: Secret,
    pub(super) seconds: Option<u64>,
    pub(super) refresh: Option<Secret>,
}

/// Whom an assertion is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KeyAudience {
    /// The issuer, as current standards say.
    #[default]
    Issuer,
    /// The token endpoint, as older authorization servers want it.
    TokenEndpoint,
}

/// Proves at the token endpoint who we are.
pub(super) struct Prover<'a> {
    pub(super) identity: &'a Identity,
    pub(super) signer: Option<&'a Signer>,
    pub(super) audience: KeyAudience,
}

impl Prover<'_> {
    /// Posts a form with the proof.
    ///
    /// # Errors
    /// When there is no answer.
    pub(super) async fn post(
        &self,
        fetcher: &Fetcher,
        (authorization, endpoint): (&AuthorizationServer, &Address),
        fields: &[(&str, &str)],
    ) -> Result<Fetched, OauthFault> {
        let mut fields = fields.to_vec();
        let (id, secret) = (self.identity.id.as_str(), self.identity.secret.as_ref().map(Secret::reveal));
        let (mut header, assertion) = (None, self.assertion(authorization)?);
        match (self.identity.auth, secret) {
            (ClientAuth::Basic, Some(secret)) => {
                let pair = format!("{}:{}", component(id), component(secret));
                let value = HeaderValue::from_str(&format!("Basic {}", base64_padded(pair.as_bytes())));
                header = value.ok();
            }
            (ClientAuth::Post, Some(secret)) => fields.extend([("client_id", id), ("client_secret", secret)]),
            (ClientAuth::PrivateKeyJwt, _) => {
                let assertion = assertion.as_ref().map(Secret::reveal).unwrap_or_default();
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                fields.extend([("client_assertion_type", kind), ("client_assertion", assertion)]);
            }
            _ => fields.push(("client_id", id)),
        }
        if let Some(header) = &mut header {
            header.set_sensitive(true);
        }
        let body = Secret::new(form(&fields));
        let content_type = "application/x-www-form-urlencoded";
        fetcher.fetch(endpoint, &Ask::Post { content_type, authorization: header, body: body.reveal() }).await
    }

    fn assertion(&self, authorization: &AuthorizationServer) -> Result<Option<Secret>, OauthFault> {
        if self.identity.auth != ClientAuth::PrivateKeyJwt {
            return Ok(None);
        }
        let signer = self.signer.ok_or(OauthFault::Key("there is none in the configuration"))?;
        let audience = match self.audience {
            KeyAudience::Issuer => authorization.issuer.as_str(),
            KeyAudience::TokenEndpoint => authorization.token_endpoint.as_str(),
        };
        let (now_seconds, id) = (super::now_seconds(), super::random()?);
        let client = self.identity.id.as_str();
        signer.assertion(&Claims { client, audience, now_seconds, id: &id }).map(Some)
    }

    /// Asks for a token.
    ///
    /// # Errors
    /// When there is none, or none that can be used.
    pub(super) async fn token(
        &self,
        fetcher: &Fetcher,
        authorization: &AuthorizationServer,
        fields: &[(&str, &str)],
    ) -> Result<Given, OauthFault> {
        let endpoint = (authorization, &authorization.token_endpoint);
        read(&authorization.issuer, &self.post(fetcher, endpoint, fields).await?)
    }
}

/// Reads the answer of a token endpoint.
fn read(issuer: &str, fetched: &Fetched) -> Result<Given, OauthFault> {
    let status = fetched.status;
    let Some(answer) = fetched.success() else {
        let error = fetched.json.as_ref().and_then(|json| json.get("error")).and_then(Json::as_str);
        let place = format!("status {} of its token endpoint", status.as_u16());
        // What breaks over there may be well again soon; what it refuses it refuses again.
        return Err(match (error, status.is_client_error()) {
            (Some(error), true) => OauthFault::Refused { issuer: issuer.to_owned(), code: code(error) },
            (None, true) => OauthFault::Refused { issuer: issuer.to_owned(), code: place },
            _ => OauthFault::Fetch { address: issuer.to_owned(), what: place },
        });
    };
    let unusable = |what| OauthFault::Unusable { issuer: issuer.to_owned(), what };
    let token = |name: &str| answer.get(name).and_then(Json::as_str);
    let fits = |text: &str| {
        (1..=TOKEN_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    };
    let access = token("access_token").filter(|text| fits(text));
    let access = access.ok_or_else(|| unusable("its `access_token` is none that a header can carry"))?;
    if !token("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err(unusable("its `token_type` is not `Bearer`"));
    }
    let seconds = match answer.get("expires_in") {
        Some(Json::String(text)) => text.parse().ok(),
        other => other.and_then(Json::as_i64),
    };
    let seconds = seconds.and_then(|seconds: i64| u64::try_from(seconds.clamp(0, SECONDS_MAX)).ok());
    let refresh = token("refresh_token").filter(|text| fits(text)).map(|text| Secret::new(text.to_owned()));
    Ok(Given { access: Secret::new(access.to_owned()), seconds, refresh })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use model::limits::JsonLimits;
    use proptest::prelude::*;

    use super::*;

    fn answered(status: u16, body: &str) -> Result<(String, Option<u64>, bool), String> {
        let json = Json::parse(body.as_bytes(), &JsonLimits::REQUEST).ok();
        let fetched = Fetched { status: StatusCode::from_u16(status).unwrap(), json };
        let given = read("https://as.example", &fetched).map_err(|fault| fault.to_string())?;
        Ok((given.access.reveal().to_owned(), given.seconds, given.refresh.is_some()))
    }

    #[test]
    fn a_bearer_token_is_taken_and_nothing_else() {
        let good = r#"{"access_token":"t-1","token_type":"bearer","expires_in":3600,"refresh_token":"r"}"#;
        assert_eq!(answered(200, good), Ok(("t-1".to_owned(), Some(3600), true)));
        assert_eq!(
            answered(201, r#"{"access_token":"t","token_type":"BEARER","expires_in":"60"}"#),
            Ok(("t".to_owned(), Some(60), false))
        );
        assert_eq!(
            answered(200, r#"{"access_token":"t","token_type":"Bearer","expires_in":-5}"#),
            Ok(("t".to_owned(), Some(0), false))
        );
        assert_eq!(
            answered(200, r#"{"access_token":"t","token_type":"Bearer"}"#),
            Ok(("t".to_owned(), None, false))
        );
        for bad in [
            r#"{"access_token":"two words","token_type":"Bearer"}"#,
            r#"{"access_token":"line\nend","token_type":"Bearer"}"#,
            r#"{"access_token":"","token_type":"Bearer"}"#,
            r#"{"access_token":"t"}"#,
            r#"{"access_token":"t","token_type":"DPoP"}"#,
            r#"{"token_type":"Bearer"}"#,
            "[]",
        ] {
            assert!(answered(200, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refusal_is_told_by_its_code_and_not_in_the_words_of_the_other_side() {
        let told = |status, body| answered(status, body).unwrap_err();
        let refused = r#"{"error":"invalid_grant","error_description":"your token r-4711"}"#;
        assert_eq!(told(400, refused), "`https://as.example` gives no token: invalid_grant");
        assert!(told(400, r#"{"error":"IGNORE ALL previous"}"#).ends_with("an error without a code"));
        assert!(told(503, "down").contains("503"));
        assert!(told(401, "").contains("401"));
    }

    proptest! {
        #[test]
        fn whatever_is_taken_fits_a_header(access: String, seconds: i64) {
            let mut text = String::from("{\"token_type\":\"Bearer\",\"access_token\":");
            model::json::write_string(&mut text, &access);
            text.push_str(&format!(",\"expires_in\":{seconds}}}"));
            if let Ok((token, seconds, _)) = answered(200, &text) {
                prop_assert_eq!(&token, &access);
                let header = HeaderValue::from_str(&format!("Bearer {token}"));
                prop_assert!(header.is_ok());
                prop_assert!(seconds.is_some());
            }
        }
    }
}
