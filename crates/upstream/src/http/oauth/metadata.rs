//! What servers say of themselves: protected resources (RFC 9728) and authorization servers (RFC 8414). Must never take
//! the description of one for another's.

use model::json::Json;

use super::address::Address;
use super::scopes::Scopes;

/// Most elements of a list that is looked at.
const LIST_MAX: usize = 100;

/// What a protected resource says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ProtectedResource {
    /// What tokens are to be for, as it was written.
    pub(super) resource: String,
    /// Issuers, in its order.
    pub(super) authorization_servers: Vec<Address>,
    pub(super) scopes_supported: Option<Scopes>,
}

impl ProtectedResource {
    /// Reads the description of the server at an address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(document: &Json, server: &Address) -> Result<Self, &'static str> {
        let resource = document.get("resource").and_then(Json::as_str).ok_or("it has no `resource`")?;
        let described = Address::parse(resource).map_err(|_| "its `resource` is no https url")?;
        if !described.holds(server) {
            return Err("its `resource` is not this server");
        }
        let issuers = texts(document, "authorization_servers").unwrap_or_default();
        let issuers: Vec<Address> =
            issuers.into_iter().filter_map(|issuer| Address::parse(issuer).ok()).collect();
        if issuers.is_empty() {
            return Err("it names no authorization server by an https url");
        }
        let scopes_supported = texts(document, "scopes_supported").and_then(Scopes::of);
        Ok(Self { resource: resource.to_owned(), authorization_servers: issuers, scopes_supported })
    }

    /// Where a server's description may be: for its path, then for its whole origin.
    pub(super) fn places(server: &Address) -> Vec<String> {
        let root = format!("{}/.well-known/oauth-protected-resource", server.origin());
        let path = server.path();
        let mut places = vec![format!("{root}{path}")];
        if !path.is_empty() {
            places.push(root);
        }
        places
    }
}

/// How a client proves itself at the token endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ClientAuth {
    Nothing,
    Basic,
    Post,
    PrivateKeyJwt,
}

impl ClientAuth {
    /// By its registered name.
    pub(super) fn of(name: &str) -> Option<Self> {
        [Self::Nothing, Self::Basic, Self::Post, Self::PrivateKeyJwt]
            .into_iter()
            .find(|auth| auth.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }
}

/// What an authorization server says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct AuthorizationServer {
    /// As it was written: compared byte for byte.
    pub(super) issuer: String,
    pub(super) token_endpoint: Address,
    pub(super) authorization_endpoint: Option<Address>,
    pub(super) registration_endpoint: Option<Address>,
    pub(super) revocation_endpoint: Option<Address>,
    pub(super) scopes_supported: Option<Scopes>,
    /// Whether it checks PKCE with S256.
    pub(super) s256: bool,
    /// Whether its answers name their issuer (RFC 9207).
    pub(super) answers_have_issuer: bool,
    /// Whether it reads client ids that are addresses.
    pub(super) reads_client_documents: bool,
    auths: Option<Vec<String>>,
}

impl AuthorizationServer {
    /// Reads the description of an issuer.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(document: &Json, issuer: &str) -> Result<Self, &'static str> {
        if document.get("issuer").and_then(Json::as_str) != Some(issuer) {
            return Err("its `issuer` is another than the one it was asked as");
        }
        let endpoint = |name: &str| match document.get(name) {
            None | Some(Json::Null) => Ok(None),
            Some(value) => value.as_str().and_then(|text| Address::parse(text).ok()).map(Some).ok_or(()),
        };
        let wrong = |()| "one of its endpoints is no https url";
        let token_endpoint =
            endpoint("token_endpoint").map_err(wrong)?.ok_or("it has no `token_endpoint`")?;
        let flag = |name: &str| matches!(document.get(name), Some(Json::Bool(true)));
        let methods = texts(document, "code_challenge_methods_supported");
        Ok(Self {
            issuer: issuer.to_owned(),
            token_endpoint,
            authorization_endpoint: endpoint("authorization_endpoint").map_err(wrong)?,
            registration_endpoint: endpoint("registration_endpoint").map_err(wrong)?,
            revocation_endpoint: endpoint("revocation_endpoint").unwrap_or_default(),
            scopes_supported: texts(document, "scopes_supported").and_then(Scopes::of),
            s256: methods.is_some_and(|methods| methods.contains(&"S256")),
            answers_have_issuer: flag("authorization_response_iss_parameter_supported"),
            reads_client_documents: flag("client_id_metadata_document_supported"),
            auths: texts(document, "token_endpoint_auth_methods_supported")
                .map(|auths| auths.into_iter().map(str::to_owned).collect()),
        })
    }

    /// Whether a client may prove itself so; what is not said is `client_secret_basic` (RFC 8414 §2).
    pub(super) fn takes(&self, auth: ClientAuth) -> bool {
        match &self.auths {
            Some(auths) => auths.iter().any(|name| name == auth.name()),
            None => auth == ClientAuth::Basic,
        }
    }

    /// Where an issuer's description may be (RFC 8414 §3, §5; OpenID Connect Discovery).
    pub(super) fn places(issuer: &Address) -> Vec<String> {
        let (origin, path) = (issuer.origin(), issuer.path());
        let mut places = vec![
            format!("{origin}/.well-known/oauth-authorization-server{path}"),
            format!("{origin}/.well-known/openid-configuration{path}"),
        ];
        if !path.is_empty() {
            places.push(format!("{origin}{path}/.well-known/openid-configuration"));
        }
        places
    }
}

/// The texts of a list; `None` when it is no list of texts.
fn texts<'a>(document: &'a Json, name: &str) -> Option<Vec<&'a str>> {
    let Some(Json::Array(items)) = document.get(name) else { return None };
    let texts: Vec<&str> = items.iter().take(LIST_MAX).filter_map(Json::as_str).collect();
    (texts.len() == items.len()).then_some(texts)
}

#[cfg(test)]
mod tests {
    use model::limits::JsonLimits;
    use proptest::prelude::*;

    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes(), &JsonLimits::REQUEST).unwrap()
    }

    fn at(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn a_description_is_of_this_server_or_of_what_holds_it() {
        let server = at("https://a.example/mcp/git");
        let read = |resource: &str| {
            let document = json(&format!(
                r#"{{"resource":"{resource}","authorization_servers":["https://as.example/t1"]}}"#
            ));
            ProtectedResource::read(&document, &server).map(|described| described.resource)
        };
        for good in [
            "https://a.example/mcp/git",
            "https://a.example/mcp/git/",
            "https://a.example",
            "https://A.EXAMPLE/mcp",
        ] {
            assert_eq!(read(good), Ok(good.to_owned()));
        }
        for bad in [
            "https://evil.example/mcp/git",
            "https://a.example/mcp/other",
            "https://a.example:1/mcp/git",
            "http://a.example/mcp/git",
            "a",
            "",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        for none in [
            r#"{"resource":"https://a.example"}"#,
            r#"{"resource":"https://a.example","authorization_servers":[]}"#,
            r#"{"resource":"https://a.example","authorization_servers":["http://as.example"]}"#,
            "{}",
            "[]",
        ] {
            assert!(ProtectedResource::read(&json(none), &server).is_err(), "{none}");
        }
    }

    #[test]
    fn descriptions_are_looked_for_where_the_standards_say() {
        assert_eq!(
            ProtectedResource::places(&at("https://a.example/mcp/git")),
            [
                "https://a.example/.well-known/oauth-protected-resource/mcp/git",
                "https://a.example/.well-known/oauth-protected-resource"
            ]
        );
        assert_eq!(
            ProtectedResource::places(&at("https://a.example/")),
            ["https://a.example/.well-known/oauth-protected-resource"]
        );
        assert_eq!(
            AuthorizationServer::places(&at("https://as.example/t1")),
            [
                "https://as.example/.well-known/oauth-authorization-server/t1",
                "https://as.example/.well-known/openid-configuration/t1",
                "https://as.example/t1/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            AuthorizationServer::places(&at("https://as.example")),
            [
                "https://as.example/.well-known/oauth-authorization-server",
                "https://as.example/.well-known/openid-configuration"
            ]
        );
    }

    #[test]
    fn an_issuer_is_taken_for_itself_byte_for_byte() {
        let document = |issuer: &str| {
            json(&format!(r#"{{"issuer":"{issuer}","token_endpoint":"https://as.example/token"}}"#))
        };
        let read = |issuer: &str| AuthorizationServer::read(&document(issuer), "https://as.example/t1");
        let read_as_is = read("https://as.example/t1").unwrap();
        assert!(!read_as_is.s256 && !read_as_is.answers_have_issuer && read_as_is.takes(ClientAuth::Basic));
        assert!(!read_as_is.takes(ClientAuth::Post));
        for other in [
            "https://as.example/t1/",
            "https://as.example/t2",
            "https://AS.example/t1",
            "https://as.example",
            "",
        ] {
            assert!(read(other).is_err(), "{other}");
        }
        let full = json(
            r#"{"issuer":"https://as.example","token_endpoint":"https://as.example/token","authorization_endpoint":"https://as.example/auth",
            "code_challenge_methods_supported":["plain","S256"],"token_endpoint_auth_methods_supported":["none"],
            "authorization_response_iss_parameter_supported":true,"client_id_metadata_document_supported":true}"#,
        );
        let full = AuthorizationServer::read(&full, "https://as.example").unwrap();
        assert!(full.s256 && full.answers_have_issuer && full.reads_client_documents);
        assert!(full.takes(ClientAuth::Nothing) && !full.takes(ClientAuth::Basic));
        for bad in [
            r#"{"issuer":"https://as.example"}"#,
            r#"{"issuer":"https://as.example","token_endpoint":"http://as.example/token"}"#,
            r#"{"issuer":"https://as.example","token_endpoint":"https://as.example/token","authorization_endpoint":"javascript:alert(1)"}"#,
            r#"{"issuer":"https://as.example","token_endpoint":7}"#,
        ] {
            assert!(AuthorizationServer::read(&json(bad), "https://as.example").is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_reading_fall_over(resource: String, issuer: String, list in prop::collection::vec("[ -~]{0,20}", 0..4)) {
            let mut text = String::from("{\"resource\":");
            model::json::write_string(&mut text, &resource);
            text.push_str(",\"issuer\":");
            model::json::write_string(&mut text, &issuer);
            text.push_str(",\"authorization_servers\":[");
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                model::json::write_string(&mut text, item);
            }
            text.push_str("]}");
            let document = json(&text);
            drop(ProtectedResource::read(&document, &at("https://a.example/mcp")));
            drop(AuthorizationServer::read(&document, &issuer));
        }
    }
}
