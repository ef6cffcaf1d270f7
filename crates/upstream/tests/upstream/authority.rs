//! An authorization server and the MCP server it protects, on one loopback port. Must never give a token to who has not
//! proved itself as the standards say: what it lets through is what the tests rely on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use model::digest::Digest;

use crate::peer::{Peer, Reply, Seen, Step, empty, json, modern, said};

/// What it does otherwise than usual. `{O}` in a text is its own origin.
#[derive(Clone)]
pub(crate) struct Knobs {
    /// The protected resource's description.
    pub(crate) resource: String,
    /// The authorization server's description.
    pub(crate) metadata: String,
    /// How long a token is good.
    pub(crate) seconds: u64,
    /// What calls need.
    pub(crate) call_scope: &'static str,
    /// Who a login's answer says it is from.
    pub(crate) iss: Option<String>,
    /// The answers of these paths, in place of all.
    pub(crate) instead: BTreeMap<&'static str, Reply>,
}

pub(crate) const RESOURCE: &str =
    r#"{"resource":"{O}/mcp","authorization_servers":["{O}"],"scopes_supported":["mcp:all"]}"#;
pub(crate) const METADATA: &str = r#"{"issuer":"{O}","authorization_endpoint":"{O}/authorize","token_endpoint":"{O}/token",
"registration_endpoint":"{O}/register","revocation_endpoint":"{O}/revoke","code_challenge_methods_supported":["S256"],
"token_endpoint_auth_methods_supported":["none","client_secret_basic","private_key_jwt"]}"#;

impl Default for Knobs {
    fn default() -> Self {
        Self {
            resource: RESOURCE.to_owned(),
            metadata: METADATA.to_owned(),
            seconds: 3600,
            call_scope: "",
            iss: None,
            instead: BTreeMap::new(),
        }
    }
}

#[derive(Default)]
struct State {
    count: u32,
    /// Token → its scopes.
    access: BTreeMap<String, String>,
    refresh: BTreeMap<String, String>,
    /// Code → challenge, redirect and scopes.
    codes: BTreeMap<String, [String; 3]>,
}

/// Both servers.
pub(crate) struct Authority {
    state: Mutex<State>,
    pub(crate) knobs: Mutex<Knobs>,
}

impl Authority {
    pub(crate) async fn start(knobs: Knobs) -> (Arc<Self>, Arc<Peer>) {
        let own = Arc::new(Self { state: Mutex::default(), knobs: Mutex::new(knobs) });
        let behave = Arc::clone(&own);
        let mcp = modern(|seen| json(200, "", &said(seen, &shown(seen))));
        let peer = Peer::start(move |seen| behave.answer(seen, &mcp)).await;
        (own, peer)
    }

    /// Takes no token any more that it gave.
    pub(crate) fn end_tokens(&self) {
        self.state.lock().unwrap().access.clear();
    }

    /// Nor anything that renews them.
    pub(crate) fn end_everything(&self) {
        let mut state = self.state.lock().unwrap();
        state.access.clear();
        state.refresh.clear();
    }

    fn answer(&self, seen: &Seen, mcp: &impl Fn(&Seen) -> Reply) -> Reply {
        let origin = format!("http://{}", seen.header("host").unwrap());
        let knobs = self.knobs.lock().unwrap().clone();
        let fill = |text: &str| text.replace("{O}", &origin);
        let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        if let Some(reply) = knobs.instead.get(path) {
            return reply.clone();
        }
        match path {
            "/mcp" => self.protected(seen, &origin, &knobs, mcp),
            "/.well-known/oauth-protected-resource/mcp" => json(200, "", &fill(&knobs.resource)),
            "/.well-known/oauth-authorization-server" => json(200, "", &fill(&knobs.metadata)),
            "/authorize" => self.authorize(&fields(query), knobs.iss.as_deref().map(fill).as_deref()),
            "/register" => json(201, "", r#"{"client_id":"registered-1"}"#),
            "/token" => self.token(seen, &knobs),
            "/revoke" => {
                let mut state = self.state.lock().unwrap();
                state.refresh.remove(fields(&seen.text).get("token").unwrap());
                empty(200, "")
            }
            _ => empty(404, ""),
        }
    }

    fn protected(&self, seen: &Seen, origin: &str, knobs: &Knobs, mcp: &impl Fn(&Seen) -> Reply) -> Reply {
        let token = seen.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let state = self.state.lock().unwrap();
        let described = format!("resource_metadata=\"{origin}/.well-known/oauth-protected-resource/mcp\"");
        match token.and_then(|token| state.access.get(token)) {
            None => empty(401, &format!("www-authenticate: Bearer {described}\r\n")),
            Some(scopes) if seen.method() == "tools/call" && !scopes.contains(knobs.call_scope) => {
                let scope = knobs.call_scope;
                let head = format!(
                    "www-authenticate: Bearer error=\"insufficient_scope\", scope=\"{scope}\", {described}\r\n"
                );
                empty(403, &head)
            }
            Some(_) => mcp(seen),
        }
    }

    fn authorize(&self, fields: &BTreeMap<String, String>, iss: Option<&str>) -> Reply {
        assert_eq!(
            (fields["response_type"].as_str(), fields["code_challenge_method"].as_str()),
            ("code", "S256")
        );
        assert!(fields["resource"].ends_with("/mcp"), "RFC 8707");
        let mut state = self.state.lock().unwrap();
        state.count += 1;
        let code = format!("code-{}", state.count);
        let redirect = fields["redirect_uri"].clone();
        let scopes = fields.get("scope").cloned().unwrap_or_default();
        let iss = iss.map(|iss| format!("&iss={iss}")).unwrap_or_default();
        let to = format!("{redirect}?code={code}&state={}{iss}", fields["state"]);
        state.codes.insert(code, [fields["code_challenge"].clone(), redirect, scopes]);
        empty(302, &format!("location: {to}\r\n"))
    }

    fn token(&self, seen: &Seen, knobs: &Knobs) -> Reply {
        let fields = fields(&seen.text);
        assert!(fields["resource"].ends_with("/mcp"), "RFC 8707");
        let mut state = self.state.lock().unwrap();
        let refused = |code: &str| {
            json(400, "", &format!(r#"{{"error":"{code}","error_description":"secret words"}}"#))
        };
        let (scopes, renewable) = match fields["grant_type"].as_str() {
            "client_credentials" if proved(seen, &fields) => {
                (fields.get("scope").cloned().unwrap_or_default(), false)
            }
            "authorization_code" => match state.codes.remove(&fields["code"]) {
                Some([challenge, redirect, scopes])
                    if challenge == s256(&fields["code_verifier"]) && redirect == fields["redirect_uri"] =>
                {
                    (scopes, true)
                }
                _ => return refused("invalid_grant"),
            },
            "refresh_token" => match state.refresh.remove(&fields["refresh_token"]) {
                Some(scopes) => (scopes, true),
                None => return refused("invalid_grant"),
            },
            _ => return refused("invalid_client"),
        };
        state.count += 1;
        let (access, refresh) =
            (format!("access-token-{}", state.count), format!("refresh-token-{}", state.count));
        state.access.insert(access.clone(), scopes.clone());
        let mut more = String::new();
        if renewable {
            state.refresh.insert(refresh.clone(), scopes);
            more = format!(r#","refresh_token":"{refresh}""#);
        }
        let seconds = knobs.seconds;
        json(
            200,
            "",
            &format!(r#"{{"access_token":"{access}","token_type":"Bearer","expires_in":{seconds}{more}}}"#),
        )
    }
}

/// What the argument names.
fn shown(seen: &Seen) -> String {
    let text = seen.body.get("params").and_then(|params| params.get("arguments")?.get("text")?.as_str());
    match text {
        Some("authorization") => seen.header("authorization").unwrap_or_default().to_owned(),
        _ => "hello".to_owned(),
    }
}

/// `gate` with `s3cret-s3cret`, or an assertion of three parts.
fn proved(seen: &Seen, fields: &BTreeMap<String, String>) -> bool {
    let basic = seen.header("authorization") == Some("Basic Z2F0ZTpzM2NyZXQtczNjcmV0");
    let post = fields.get("client_secret").is_some_and(|secret| secret == "s3cret-s3cret");
    let signed = fields.get("client_assertion").is_some_and(|assertion| assertion.split('.').count() == 3);
    basic || post || signed
}

/// The address of a redirect.
pub(crate) fn location(head: &str) -> Option<&str> {
    head.lines().find_map(|line| line.strip_prefix("location: "))
}

pub(crate) fn fields(text: &str) -> BTreeMap<String, String> {
    let field = |field: &str| {
        let (name, value) = field.split_once('=').unwrap();
        (name.to_owned(), unescaped(value))
    };
    text.split('&').filter(|field| !field.is_empty()).map(field).collect()
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        out.push(u8::from_str_radix(digits, 16).unwrap());
        out.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(out).unwrap()
}

fn s256(verifier: &str) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digest = Digest::of(verifier.as_bytes());
    let bits: String = digest.as_bytes().iter().map(|byte| format!("{byte:08b}")).collect();
    let six = |chunk: &[u8]| {
        usize::from_str_radix(&format!("{:0<6}", std::str::from_utf8(chunk).unwrap()), 2).unwrap()
    };
    bits.as_bytes().chunks(6).map(|chunk| char::from(alphabet[six(chunk)])).collect()
}

/// A reply as bytes, for `instead`.
pub(crate) fn redirects(to: &str) -> Reply {
    vec![Step::Write(format!("HTTP/1.1 307 X\r\ncontent-length: 0\r\nlocation: {to}\r\n\r\n").into_bytes())]
}
