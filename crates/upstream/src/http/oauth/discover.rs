//! From a server's challenge to the authorization server that gives tokens for it. Must never go on with a description
//! that does not name what it was asked for.

use http::StatusCode;

use super::address::Address;
use super::challenge::Challenge;
use super::fault::OauthFault;
use super::fetch::{Ask, Fetcher};
use super::metadata::{AuthorizationServer, ProtectedResource};
use super::scopes::Scopes;

/// Where tokens for a server come from.
pub(super) struct Discovered {
    /// What tokens are to be for (RFC 8707).
    pub(super) resource: String,
    pub(super) authorization: AuthorizationServer,
    /// What the server says it has, to be asked for when its challenge names nothing.
    pub(super) scopes_supported: Option<Scopes>,
}

/// Finds where tokens for a server come from. With `issuer`, from no other.
///
/// # Errors
/// When the server says nowhere, or what is said cannot be trusted.
pub(super) async fn discover(
    fetcher: &Fetcher,
    server: &Address,
    challenge: Option<&Challenge>,
    issuer: Option<&str>,
) -> Result<Discovered, OauthFault> {
    let described = resource(fetcher, server, challenge).await?;
    let (resource, issuers, scopes_supported) = match described {
        Some(described) => (described.resource, described.authorization_servers, described.scopes_supported),
        // Servers of 2025-03-26 are their own authorization servers.
        None => {
            let own = issuer.unwrap_or(server.origin());
            (server.resource(), Address::parse(own).ok().into_iter().collect(), None)
        }
    };
    let chosen = match issuer {
        Some(wanted) => issuers.iter().find(|issuer| issuer.as_str() == wanted),
        None => issuers.first(),
    };
    let other = || OauthFault::OtherIssuer { issuer: issuer.unwrap_or_default().to_owned() };
    let authorization = authorization_server(fetcher, chosen.ok_or_else(other)?).await?;
    Ok(Discovered { resource, authorization, scopes_supported })
}

/// The server's description of itself; `None` when it has none.
async fn resource(
    fetcher: &Fetcher,
    server: &Address,
    challenge: Option<&Challenge>,
) -> Result<Option<ProtectedResource>, OauthFault> {
    let named = challenge.and_then(|challenge| challenge.resource_metadata.as_deref());
    let places = named.map_or_else(|| ProtectedResource::places(server), |named| vec![named.to_owned()]);
    for place in places {
        let at = parse(&place)?;
        let fetched = fetcher.fetch(&at, &Ask::Get).await?;
        match fetched.success() {
            Some(document) => {
                let read = ProtectedResource::read(document, server);
                return read.map(Some).map_err(|what| OauthFault::Described { address: place, what });
            }
            None if named.is_none() && is_absent(fetched.status) => {}
            None => return Err(unusable(place, fetched.status)),
        }
    }
    Ok(None)
}

/// The description of an issuer.
///
/// # Errors
/// When it has none, or names another issuer.
pub(super) async fn authorization_server(
    fetcher: &Fetcher,
    issuer: &Address,
) -> Result<AuthorizationServer, OauthFault> {
    for place in AuthorizationServer::places(issuer) {
        let fetched = fetcher.fetch(&parse(&place)?, &Ask::Get).await?;
        match fetched.success() {
            Some(document) => {
                let read = AuthorizationServer::read(document, issuer.as_str());
                return read.map_err(|what| OauthFault::Described { address: place, what });
            }
            None if is_absent(fetched.status) => {}
            None => return Err(unusable(place, fetched.status)),
        }
    }
    Err(OauthFault::NotDescribed)
}

fn parse(place: &str) -> Result<Address, OauthFault> {
    let shown = || place.chars().take(200).flat_map(char::escape_default).collect();
    Address::parse(place).map_err(|what| OauthFault::Described { address: shown(), what })
}

/// There is no such document. A fault of the other side is no absence: another document may then be an attack.
fn is_absent(status: StatusCode) -> bool {
    status.is_client_error()
}

fn unusable(address: String, status: StatusCode) -> OauthFault {
    let what = match status.is_success() {
        true => "it is no JSON object in its bounds".to_owned(),
        false => format!("it answers {}", status.as_u16()),
    };
    OauthFault::Fetch { address, what }
}
