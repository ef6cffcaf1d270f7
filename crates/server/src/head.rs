//! What the head of a request must satisfy before its body is read. Must never let a browser page of another
//! origin in, nor a body whose length two readers could disagree on.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, Request, Version};
use model::ids::AgentId;
use ports::identity::{LocalPeer, Presented};
use ports::secret::Secret;

use crate::listen::Peer;
use crate::reply::{self, Reply};

/// The agent a local process wants to act as. Means nothing on a connection whose peer the system does not name.
pub(crate) const AGENT: HeaderName = HeaderName::from_static("callgate-agent");

/// Longest credential that is looked at.
const CREDENTIAL_BYTES_MAX: usize = 8192;

/// Which hosts and origins may speak to this face.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    /// Values of `Host`, with or without port. Loopback names are always allowed.
    pub hosts: Vec<String>,
    /// Values of `Origin`.
    pub origins: Vec<String>,
}

/// Host, Origin and framing (facts: S41, S43, S44).
pub(crate) fn check<B>(request: &Request<B>, allowed: &Allowed) -> Result<(), Box<Reply>> {
    let headers = request.headers();
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err(Box::new(reply::refusal(411, "length_required", "send `Content-Length`, not chunks")));
    }
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or(""),
        (None, _) if request.version() == Version::HTTP_10 => "localhost",
        _ => "",
    };
    // An absolute request target outranks `Host` (RFC 9112 §3.2.2), so both must be ours.
    let target = request.uri().authority().map(http::uri::Authority::as_str);
    if !host_allowed(host, allowed) || target.is_some_and(|target| !host_allowed(target, allowed)) {
        return Err(Box::new(reply::refusal(403, "host_not_allowed", "this `Host` is not served here")));
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => Ok(()),
        (Some(origin), None) if origin_allowed(origin.to_str().unwrap_or(""), allowed) => Ok(()),
        _ => Err(Box::new(reply::refusal(403, "origin_not_allowed", "this `Origin` may not call here"))),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

fn is_loopback_name(host: &str) -> bool {
    matches!(without_port(host), "localhost" | "127.0.0.1" | "[::1]")
}

fn host_allowed(host: &str, allowed: &Allowed) -> bool {
    let known =
        |name: &String| name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(without_port(host));
    is_loopback_name(host) || allowed.hosts.iter().any(known)
}

fn origin_allowed(origin: &str, allowed: &Allowed) -> bool {
    let local = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    local.is_some_and(is_loopback_name) || allowed.origins.iter().any(|known| known == origin)
}

/// The one bearer credential of a request. Anything else that claims to be one is presented as invalid.
pub(crate) fn presented(headers: &HeaderMap) -> Presented {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (first, second) = (values.next(), values.next());
    let Some(first) = first else { return Presented::Nothing };
    let token = match (first.to_str(), second) {
        (Ok(value), None) if value.len() <= CREDENTIAL_BYTES_MAX => match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => "",
        },
        _ => "",
    };
    Presented::Bearer(Secret::new(token.to_owned()))
}

/// What a request to the agents' face presents. On a local socket the system says who the peer is and
/// [`AGENT`] which agent it wants to be; elsewhere that header is not looked at. Two proofs at once, or a name that
/// is none, are presented as invalid.
pub(crate) fn presented_by_agent<B>(request: &Request<B>) -> Presented {
    let headers = request.headers();
    let bearer = presented(headers);
    let Some(peer) = request.extensions().get::<Peer>() else { return bearer };
    let mut claims = headers.get_all(AGENT).iter();
    let claim = match (claims.next(), claims.next(), &bearer) {
        (None, ..) => return bearer,
        (Some(claim), None, Presented::Nothing) => {
            claim.to_str().ok().and_then(|name| AgentId::parse(name).ok())
        }
        _ => None,
    };
    match claim {
        Some(claim) => Presented::LocalPeer(LocalPeer { uid: peer.uid, pid: peer.pid, claim }),
        None => Presented::Bearer(Secret::new(String::new())),
    }
}

/// True when the body is declared as JSON.
pub(crate) fn sends_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(value), None) => {
            let essence = value.split(';').next().unwrap_or("").trim();
            essence.eq_ignore_ascii_case("application/json")
        }
        _ => false,
    }
}

/// What the client can take as an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Accepts {
    pub(crate) json: bool,
    pub(crate) events: bool,
}

/// Reads `Accept`; without one everything is taken (RFC 9110 §12.5.1).
pub(crate) fn accepts(headers: &HeaderMap) -> Accepts {
    let mut accepts = Accepts { json: false, events: false };
    let mut any = false;
    for value in headers.get_all(ACCEPT) {
        any = true;
        for part in value.to_str().unwrap_or("").split(',') {
            match part.split(';').next().unwrap_or("").trim() {
                "*/*" => accepts = Accepts { json: true, events: true },
                "application/json" | "application/*" => accepts.json = true,
                "text/event-stream" | "text/*" => accepts.events = true,
                _ => {}
            }
        }
    }
    if any { accepts } else { Accepts { json: true, events: true } }
}

/// All values of one header as text; one that is not ASCII text becomes empty and so never matches.
pub(crate) fn all<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::new(());
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        request
    }

    fn status(headers: &[(&str, &str)]) -> u16 {
        let allowed =
            Allowed { hosts: vec!["gate.example".into()], origins: vec!["https://a.example".into()] };
        check(&request(headers), &allowed).map_or_else(|reply| reply.status().as_u16(), |()| 200)
    }

    #[test]
    fn only_own_hosts_and_origins_come_in() {
        assert_eq!(status(&[("host", "127.0.0.1:8787")]), 200);
        assert_eq!(status(&[("host", "[::1]:8787")]), 200);
        assert_eq!(status(&[("host", "GATE.example:443")]), 200);
        assert_eq!(status(&[("host", "evil.example")]), 403);
        assert_eq!(status(&[("host", "127.0.0.1.evil.example")]), 403);
        assert_eq!(status(&[]), 403);
        assert_eq!(status(&[("host", "localhost"), ("host", "localhost")]), 403);
        assert_eq!(status(&[("host", "localhost"), ("origin", "http://localhost:3000")]), 200);
        assert_eq!(status(&[("host", "localhost"), ("origin", "https://a.example")]), 200);
        assert_eq!(status(&[("host", "localhost"), ("origin", "http://evil.example")]), 403);
        assert_eq!(status(&[("host", "localhost"), ("origin", "null")]), 403);
    }

    #[test]
    fn an_absolute_target_must_be_ours_too() {
        let mut request = request(&[("host", "localhost")]);
        *request.uri_mut() = "http://evil.example/mcp".parse().unwrap();
        let refused = check(&request, &Allowed::default()).unwrap_err();
        assert_eq!(refused.status().as_u16(), 403);
    }

    #[test]
    fn chunked_requests_are_refused_so_that_lengths_cannot_disagree() {
        assert_eq!(status(&[("host", "localhost"), ("transfer-encoding", "chunked")]), 411);
    }

    #[test]
    fn two_credentials_are_no_credential() {
        let both = request(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]);
        assert!(matches!(presented(both.headers()), Presented::Bearer(secret) if secret.reveal().is_empty()));
        let none = request(&[]);
        assert!(matches!(presented(none.headers()), Presented::Nothing));
        let one = request(&[("authorization", "bearer  x ")]);
        assert!(matches!(presented(one.headers()), Presented::Bearer(secret) if secret.reveal() == "x"));
    }

    fn claimed(headers: &[(&str, &str)], peer: Option<Peer>) -> Presented {
        let mut request = request(headers);
        peer.map(|peer| request.extensions_mut().insert(peer));
        presented_by_agent(&request)
    }

    #[test]
    fn a_claim_counts_only_beside_a_peer_the_system_named() {
        let peer = Peer { uid: 1000, pid: Some(7) };
        let claim = [("callgate-agent", "ada")];
        assert!(matches!(claimed(&claim, None), Presented::Nothing));
        let local = LocalPeer { uid: 1000, pid: Some(7), claim: AgentId::parse("ada").unwrap() };
        assert!(matches!(claimed(&claim, Some(peer)), Presented::LocalPeer(found) if found == local));
        assert!(matches!(claimed(&[], Some(peer)), Presented::Nothing));
        let bearer = [("authorization", "Bearer x")];
        assert!(matches!(claimed(&bearer, Some(peer)), Presented::Bearer(secret) if secret.reveal() == "x"));
    }

    #[test]
    fn a_doubtful_claim_is_an_invalid_credential() {
        let peer = Some(Peer { uid: 1000, pid: None });
        for doubtful in [
            &[("callgate-agent", "ada"), ("callgate-agent", "ada")][..],
            &[("callgate-agent", "ada"), ("authorization", "Bearer x")],
            &[("callgate-agent", "")],
            &[("callgate-agent", "Ada Lovelace")],
        ] {
            let found = claimed(doubtful, peer);
            assert!(matches!(found, Presented::Bearer(secret) if secret.reveal().is_empty()), "{doubtful:?}");
        }
    }

    #[test]
    fn accept_and_content_type_are_read_by_their_essence() {
        let both = request(&[("accept", "application/json, text/event-stream;q=0.5")]);
        assert_eq!(accepts(both.headers()), Accepts { json: true, events: true });
        let only = request(&[("accept", "text/event-stream")]);
        assert_eq!(accepts(only.headers()), Accepts { json: false, events: true });
        assert!(sends_json(request(&[("content-type", "Application/JSON; charset=utf-8")]).headers()));
        assert!(!sends_json(request(&[("content-type", "text/plain")]).headers()));
    }
}
