//! Servers that want tokens: who gets them, from whom, for how long, and where they do not go.

use std::sync::Arc;

use model::denial::Reason;
use ports::sealed::{SealedSecrets, SecretText};
use ports::secret::Secret;
use ports::tokens::TokenStore;
use ports::upstream::{Sent, UpstreamFault};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use upstream::{Grant, KeyAudience, Login, OauthConfig, OauthFault, ServerConfig, Standing, Transport};

use crate::authority::{Authority, Knobs, METADATA, RESOURCE, fields, location, redirects};
use crate::peer::{Peer, empty, json};
use crate::support::{Rig, Store, agent, rig_with, site, text};

fn origin(peer: &Peer) -> String {
    peer.url.strip_suffix("/mcp").unwrap().to_owned()
}

fn with(peer: &Peer, oauth: OauthConfig) -> ServerConfig {
    let mut config = site(peer.url.clone());
    let Transport::Http(http) = &mut config.transport else { panic!() };
    http.oauth = oauth;
    config
}

fn secret(text: &str) -> Option<SecretText> {
    Some(SecretText::known(Secret::new(text.to_owned())))
}

/// Callgate's own credentials.
fn own(peer: &Peer) -> OauthConfig {
    OauthConfig {
        grant: Grant::ClientCredentials,
        client_id: Some("gate".to_owned()),
        client_secret: secret("s3cret-s3cret"),
        issuer: Some(origin(peer)),
        ..OauthConfig::default()
    }
}

/// A server, and callgate with its own credentials in front of it.
async fn by_credentials(knobs: Knobs) -> (Arc<Authority>, Arc<Peer>, Rig) {
    let (authority, peer) = Authority::start(knobs).await;
    let rig = rig_with(with(&peer, own(&peer)), Arc::default());
    (authority, peer, rig)
}

fn tokens_asked(peer: &Peer) -> Vec<std::collections::BTreeMap<String, String>> {
    peer.all().iter().filter(|seen| seen.path == "/token").map(|seen| fields(&seen.text)).collect()
}

async fn said(rig: &Rig, what: &str) -> Result<String, UpstreamFault> {
    rig.say("echo", what).await.map(|answer| text(&answer))
}

/// A browser whose person says yes: follows the login to where it comes back to.
async fn browse(url: &str) {
    let head = get(url).await;
    let back = location(&head).unwrap_or_else(|| panic!("no redirect: {head}")).to_owned();
    get(&back).await;
}

async fn get(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (authority, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {authority}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

async fn login(config: &ServerConfig, store: &Arc<Store>) -> Result<Standing, OauthFault> {
    let sealed: Arc<dyn SealedSecrets> = Arc::<Store>::clone(store);
    let tokens: Arc<dyn TokenStore> = Arc::<Store>::clone(store);
    let login = Login::to(config, &sealed, &tokens).await?;
    let show = |url: &str| {
        let url = url.to_owned();
        tokio::spawn(async move { browse(&url).await });
    };
    login.run(show).await
}

async fn logout(config: &ServerConfig, store: &Arc<Store>) -> bool {
    let sealed: Arc<dyn SealedSecrets> = Arc::<Store>::clone(store);
    let tokens: Arc<dyn TokenStore> = Arc::<Store>::clone(store);
    Login::to(config, &sealed, &tokens).await.unwrap().out().await.unwrap()
}

#[track_caller]
fn wants_login(fault: &UpstreamFault) {
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamUnavailable, Sent::No), "{fault}");
    assert!(fault.private.contains("`callgate servers login s`"), "{}", fault.private);
}

#[tokio::test]
async fn a_server_that_wants_a_token_gets_one_for_itself_alone() {
    let (_, peer, rig) = by_credentials(Knobs::default()).await;
    rig.refresh().await.unwrap();
    assert_eq!(said(&rig, "hello").await.unwrap(), "hello");
    let asked = tokens_asked(&peer);
    assert_eq!(asked.len(), 1, "one token is enough");
    assert_eq!(asked[0]["resource"], peer.url);
    assert!(!asked[0].contains_key("scope"), "what its server offers is not ours to ask for");
    assert!(!asked[0].contains_key("client_secret"), "it went into the header");
    let calls = peer.asked("tools/call");
    assert_eq!(calls.first().unwrap().header("authorization"), Some("Bearer access-token-1"));
    for seen in peer.all().iter().filter(|seen| seen.path != "/mcp" && seen.path != "/token") {
        assert_eq!(seen.header("authorization"), None, "{}", seen.path);
    }
}

#[tokio::test]
async fn s05_a_token_does_not_come_back_to_an_agent() {
    let (_, _peer, rig) = by_credentials(Knobs::default()).await;
    rig.refresh().await.unwrap();
    let fault = said(&rig, "authorization").await.unwrap_err();
    assert_eq!(fault.reason, Reason::UpstreamViolation, "{fault}");
    assert!(!fault.private.contains("access-token"), "{fault}");
}

#[tokio::test]
async fn a_secret_is_sent_as_the_authorization_server_takes_it() {
    let post = METADATA.replace("\"none\",\"client_secret_basic\"", "\"client_secret_post\"");
    let (_, peer, rig) = by_credentials(Knobs { metadata: post, ..Knobs::default() }).await;
    rig.refresh().await.unwrap();
    assert_eq!(tokens_asked(&peer)[0]["client_secret"], "s3cret-s3cret");
}

#[tokio::test]
async fn a_key_proves_callgate_without_leaving_it() {
    let (_, peer) = Authority::start(Knobs::default()).await;
    let key = include_str!("../../src/http/oauth/testdata/ed25519.pem");
    let oauth = OauthConfig {
        client_secret: None,
        client_key: secret(key),
        key_audience: KeyAudience::TokenEndpoint,
        ..own(&peer)
    };
    let rig = rig_with(with(&peer, oauth), Arc::default());
    rig.refresh().await.unwrap();
    let asked = tokens_asked(&peer);
    assert_eq!(asked[0]["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert_eq!(asked[0]["client_assertion"].split('.').count(), 3);
}

#[tokio::test]
async fn a_refused_token_is_dropped_and_got_anew_once() {
    let (authority, peer, rig) = by_credentials(Knobs::default()).await;
    rig.refresh().await.unwrap();
    assert_eq!(said(&rig, "hello").await.unwrap(), "hello");
    authority.end_tokens();
    assert_eq!(said(&rig, "hello").await.unwrap(), "hello");
    assert_eq!(tokens_asked(&peer).len(), 2);
    // A server that takes none at all is not asked for ever.
    authority.knobs.lock().unwrap().instead.insert("/mcp", empty(401, ""));
    let before = tokens_asked(&peer).len();
    let fault = said(&rig, "hello").await.unwrap_err();
    assert!(fault.private.contains("401"), "{fault}");
    // Once for the call, once for the list before it is sent again.
    assert!(tokens_asked(&peer).len() - before <= 2);
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_by_one_flight() {
    let (authority, peer) = Authority::start(Knobs { seconds: 0, ..Knobs::default() }).await;
    let (config, store) = (with(&peer, OauthConfig::default()), Arc::new(Store::default()));
    login(&config, &store).await.unwrap();
    authority.knobs.lock().unwrap().seconds = 3600;
    let rig = Arc::new(rig_with(config, store));
    let lists = (0..8).map(|_| {
        let rig = Arc::clone(&rig);
        tokio::spawn(async move { rig.refresh().await })
    });
    for list in lists.collect::<Vec<_>>() {
        list.await.unwrap().unwrap();
    }
    let mut calls = Vec::new();
    for number in 0..8 {
        let (rig, mut call) = (Arc::clone(&rig), rig.call("echo", "{}"));
        call.agent = agent(&format!("a{number}"));
        calls.push(tokio::spawn(async move { rig.text(call).await }));
    }
    for call in calls {
        assert_eq!(call.await.unwrap(), "hello");
    }
    let grants: Vec<String> = tokens_asked(&peer).iter().map(|asked| asked["grant_type"].clone()).collect();
    assert_eq!(grants, ["authorization_code", "refresh_token"]);
}

#[tokio::test]
async fn no_server_chooses_scopes_for_our_own_credentials() {
    let (authority, peer, rig) = by_credentials(Knobs { call_scope: "git:write", ..Knobs::default() }).await;
    rig.refresh().await.unwrap();
    let fault = said(&rig, "hello").await.unwrap_err();
    assert!(fault.private.contains("wants the scopes `git:write`, which `scopes` does not name"), "{fault}");
    assert_eq!(tokens_asked(&peer).len(), 1);
    // Nor when it refuses the token as such.
    let challenge = empty(401, "www-authenticate: Bearer scope=\"git:write\"\r\n");
    authority.knobs.lock().unwrap().instead.insert("/mcp", challenge);
    said(&rig, "hello").await.unwrap_err();
    let asked = tokens_asked(&peer);
    assert!(asked.len() > 1 && asked.iter().all(|asked| !asked.contains_key("scope")), "{asked:?}");
}

#[tokio::test]
async fn scopes_of_the_configuration_are_never_exceeded() {
    let (_, peer) = Authority::start(Knobs { call_scope: "git:write", ..Knobs::default() }).await;
    let oauth = OauthConfig { scopes: vec!["git:read".to_owned()], ..own(&peer) };
    let rig = rig_with(with(&peer, oauth), Arc::default());
    rig.refresh().await.unwrap();
    let fault = said(&rig, "hello").await.unwrap_err();
    assert!(fault.private.contains("which `scopes` does not name"), "{fault}");
    assert!(tokens_asked(&peer).iter().all(|asked| asked["scope"] == "git:read"));
}

#[tokio::test]
async fn a_person_logs_in_and_out_while_callgate_runs() {
    let (authority, peer) = Authority::start(Knobs::default()).await;
    let (config, store) = (with(&peer, OauthConfig::default()), Arc::new(Store::default()));
    let rig = rig_with(config.clone(), Arc::clone(&store));
    wants_login(&rig.refresh().await.unwrap_err());
    assert!(tokens_asked(&peer).is_empty(), "nobody was asked for anything");

    let standing = login(&config, &store).await.unwrap();
    assert_eq!((standing.issuer, standing.usable), (origin(&peer), true));
    rig.refresh().await.unwrap();
    assert_eq!(said(&rig, "hello").await.unwrap(), "hello");
    authority.end_tokens();
    assert_eq!(said(&rig, "hello").await.unwrap(), "hello", "renewed");

    assert!(logout(&config, &store).await);
    assert!(store.0.lock().unwrap().is_empty(), "nothing is left");
    let fault = said(&rig, "hello").await.unwrap_err();
    assert!(fault.private.contains("`callgate servers login s`"), "{fault}");
    wants_login(&rig.refresh().await.unwrap_err());
    assert!(!logout(&config, &store).await);
    assert!(peer.all().iter().any(|seen| seen.path == "/revoke"), "the other side was told");
}

#[tokio::test]
async fn a_login_ends_the_pause_of_a_server_that_could_not_be_used() {
    let (authority, peer) = Authority::start(Knobs::default()).await;
    let (config, store) = (with(&peer, OauthConfig::default()), Arc::new(Store::default()));
    login(&config, &store).await.unwrap();
    let rig = rig_with(config.clone(), Arc::clone(&store));
    rig.refresh().await.unwrap();
    authority.end_everything();
    assert!(logout(&config, &store).await);
    let call = || {
        let mut call = rig.call("echo", "{}");
        call.agent = agent("b");
        rig.run(call)
    };
    // Each failure doubles the pause, until it is longer than a call waits.
    let paused = loop {
        let fault = call().await.unwrap_err();
        if !fault.private.contains("login") {
            break fault;
        }
    };
    assert!(paused.private.contains("next attempt in"), "{paused}");
    login(&config, &store).await.unwrap();
    assert_eq!(text(&call().await.unwrap()), "hello");
}

#[tokio::test]
async fn a_login_that_is_not_taken_any_more_is_told_and_forgotten() {
    let (authority, peer) = Authority::start(Knobs::default()).await;
    let (config, store) = (with(&peer, OauthConfig::default()), Arc::new(Store::default()));
    login(&config, &store).await.unwrap();
    let rig = rig_with(config, Arc::clone(&store));
    rig.refresh().await.unwrap();
    authority.end_everything();
    wants_login(&said(&rig, "hello").await.unwrap_err());
    let kept = format!("{:?}", store.0.lock().unwrap());
    assert!(!kept.contains("access-token") && !kept.contains("refresh-token"), "{kept}");
    let before = tokens_asked(&peer).len();
    wants_login(&said(&rig, "hello").await.unwrap_err());
    assert_eq!(tokens_asked(&peer).len(), before, "what was refused is not tried again");
}

#[tokio::test]
async fn a_login_asks_for_what_a_call_was_refused_for() {
    let (_, peer) = Authority::start(Knobs { call_scope: "git:write", ..Knobs::default() }).await;
    let (config, store) = (with(&peer, OauthConfig::default()), Arc::new(Store::default()));
    login(&config, &store).await.unwrap();
    let rig = rig_with(config.clone(), Arc::clone(&store));
    rig.refresh().await.unwrap();
    wants_login(&said(&rig, "hello").await.unwrap_err());
    let writes = store.writes();
    wants_login(&said(&rig, "hello").await.unwrap_err());
    assert_eq!(store.writes(), writes, "the same again is not written again");
    assert_eq!(login(&config, &store).await.unwrap().scopes, "mcp:all git:write");
    assert_eq!(said(&rig, "hello").await.unwrap(), "hello");
}

#[tokio::test]
async fn s15_an_answer_that_names_another_issuer_gets_no_token() {
    for (iss, advertised) in [(Some("https://evil.example"), false), (Some("{O}/"), true), (None, true)] {
        let more = format!(",\"authorization_response_iss_parameter_supported\":{advertised}}}");
        let metadata = METADATA.trim_end_matches('}').to_owned() + &more;
        let knobs = Knobs { iss: iss.map(str::to_owned), metadata, ..Knobs::default() };
        let (_, peer) = Authority::start(knobs).await;
        let store = Arc::new(Store::default());
        let fault = login(&with(&peer, OauthConfig::default()), &store).await.unwrap_err();
        assert!(matches!(fault, OauthFault::Answer(_)), "{iss:?}: {fault}");
        assert!(tokens_asked(&peer).is_empty() && store.0.lock().unwrap().is_empty());
    }
    let (_, peer) = Authority::start(Knobs { iss: Some("{O}".to_owned()), ..Knobs::default() }).await;
    login(&with(&peer, OauthConfig::default()), &Arc::default()).await.unwrap();
}

#[tokio::test]
async fn descriptions_that_do_not_fit_get_no_token() {
    let resource = |text: &str| Knobs { resource: text.to_owned(), ..Knobs::default() };
    let metadata = |text: String| Knobs { metadata: text, ..Knobs::default() };
    for (knobs, says) in [
        (
            resource(&RESOURCE.replace("{O}/mcp", "https://evil.example/mcp")),
            "its `resource` is not this server",
        ),
        (resource("{}"), "it has no `resource`"),
        (resource("no json"), "it is no JSON"),
        (metadata(METADATA.replace("\"issuer\":\"{O}\"", "\"issuer\":\"{O}/\"")), "its `issuer` is another"),
        (metadata(METADATA.replace("[\"S256\"]", "[\"plain\"]")), "PKCE"),
        (metadata(METADATA.replace("\"code_challenge_methods_supported\":[\"S256\"],", "")), "PKCE"),
        (metadata(METADATA.replace("{O}/token", "http://as.example/token")), "no https url"),
        (metadata("x".repeat(300 << 10)), "larger than"),
    ] {
        let (_, peer) = Authority::start(knobs).await;
        let fault = login(&with(&peer, OauthConfig::default()), &Arc::default()).await.unwrap_err();
        assert!(fault.to_string().contains(says), "{says}: {fault}");
        assert!(tokens_asked(&peer).is_empty(), "{says}");
    }
}

#[tokio::test]
async fn s17_what_a_server_names_leads_into_no_private_network() {
    for named in [
        "https://10.0.0.7",
        "https://127.0.0.2",
        "https://[::1]",
        "https://169.254.169.254",
        "https://100.64.0.1",
        "https://[fd00:ec2::254]",
        "https://[::ffff:10.0.0.7]",
        "https://[64:ff9b::a00:7]",
        "https://[2002:a00:7::1]",
        "https://192.168.1.1",
        "https://172.16.0.1",
        "https://0.0.0.0",
        "https://224.0.0.1",
        "https://localhost",
    ] {
        let resource = RESOURCE.replace("[\"{O}\"]", &format!("[\"{named}\"]"));
        let (_, peer) = Authority::start(Knobs { resource, ..Knobs::default() }).await;
        let fault = login(&with(&peer, OauthConfig::default()), &Arc::default()).await.unwrap_err();
        let told = fault.to_string();
        assert!(told.contains("private network") || told.contains("never connected to"), "{named}: {told}");
        assert!(tokens_asked(&peer).is_empty(), "{named}");
    }
}

#[tokio::test]
async fn s17_a_host_that_the_operator_names_may_be_private() {
    let (_, own_authority) = Authority::start(Knobs::default()).await;
    let named = origin(&own_authority).replace("127.0.0.1", "localhost");
    let resource = RESOURCE.replace("[\"{O}\"]", &format!("[\"{named}\"]"));
    let (_, peer) = Authority::start(Knobs { resource, ..Knobs::default() }).await;
    let fault = login(&with(&peer, OauthConfig::default()), &Arc::default()).await.unwrap_err();
    assert!(fault.to_string().contains("private network"), "{fault}");
    assert_eq!(own_authority.connections(), 0, "it was not even connected to");
    for oauth in [
        OauthConfig { hosts: vec!["LocalHost".to_owned()], ..OauthConfig::default() },
        OauthConfig { issuer: Some(named.clone()), ..OauthConfig::default() },
    ] {
        login(&with(&peer, oauth), &Arc::default()).await.unwrap();
    }
}

#[tokio::test]
async fn s19_redirects_are_followed_nowhere_and_carry_no_secret() {
    let (_, elsewhere) = Authority::start(Knobs::default()).await;
    for path in
        ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server", "/token"]
    {
        let instead = [(path, redirects(&format!("{}{path}", origin(&elsewhere))))].into();
        let (_, _peer, rig) = by_credentials(Knobs { instead, ..Knobs::default() }).await;
        let fault = rig.refresh().await.unwrap_err();
        assert!(fault.private.contains("it redirects, which is never followed"), "{path}: {fault}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_secret_goes_to_the_named_issuer_only() {
    let (_, evil) = Authority::start(Knobs::default()).await;
    let resource = RESOURCE.replace("[\"{O}\"]", &format!("[\"{}\"]", origin(&evil)));
    let (authority, peer, rig) = by_credentials(Knobs { resource, ..Knobs::default() }).await;
    let fault = rig.refresh().await.unwrap_err();
    assert!(fault.private.contains("names other authorization servers than `issuer`"), "{fault}");
    assert_eq!(evil.connections(), 0);
    authority.knobs.lock().unwrap().resource = RESOURCE.to_owned();
    rig.refresh().await.unwrap();
    assert_eq!(tokens_asked(&peer).len(), 1);
}

#[tokio::test]
async fn a_secret_address_is_told_to_nobody_who_gives_tokens() {
    let (_, peer) = Authority::start(Knobs::default()).await;
    let mut config = with(&peer, OauthConfig::default());
    let Transport::Http(http) = &mut config.transport else { panic!() };
    http.url = SecretText::with_references(&format!("{}?key=${{sealed:key}}", peer.url)).unwrap();
    let store = Arc::new(Store::default());
    store.put("key", "secret-4711");
    let fault = rig_with(config.clone(), Arc::clone(&store)).refresh().await.unwrap_err();
    assert!(fault.private.contains("401"), "{fault}");
    let fault = login(&config, &store).await.unwrap_err();
    assert!(fault.to_string().contains("has a credential in the configuration"), "{fault}");
    assert!(peer.all().iter().all(|seen| seen.path == "/mcp?key=secret-4711"));
}

#[tokio::test]
async fn tokens_of_one_issuer_are_not_used_for_another() {
    let (_, second) = Authority::start(Knobs::default()).await;
    let (authority, peer) = Authority::start(Knobs::default()).await;
    let (config, store) = (with(&peer, OauthConfig::default()), Arc::new(Store::default()));
    login(&config, &store).await.unwrap();
    let rig = rig_with(config.clone(), Arc::clone(&store));
    rig.refresh().await.unwrap();
    authority.end_tokens();
    let moved = RESOURCE.replace("[\"{O}\"]", &format!("[\"{}\"]", origin(&second)));
    authority.knobs.lock().unwrap().resource = moved;
    wants_login(&said(&rig, "hello").await.unwrap_err());
    assert!(tokens_asked(&second).is_empty() && tokens_asked(&peer).len() == 1);
    assert!(store.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_refusal_of_the_token_endpoint_is_told_by_its_code() {
    let (_, peer) = Authority::start(Knobs::default()).await;
    let oauth = OauthConfig { client_secret: secret("wrong-secret"), ..own(&peer) };
    let rig = rig_with(with(&peer, oauth), Arc::default());
    let fault = rig.refresh().await.unwrap_err();
    assert_eq!(fault.sent, Sent::No);
    assert!(fault.private.contains("gives no token: invalid_client"), "{fault}");
    assert!(!fault.private.contains("secret words") && !fault.private.contains("wrong-secret"), "{fault}");
}

#[tokio::test]
async fn a_server_without_a_description_is_its_own_authorization_server() {
    let instead = [
        ("/.well-known/oauth-protected-resource/mcp", empty(404, "")),
        ("/.well-known/oauth-protected-resource", empty(404, "")),
        ("/mcp", empty(401, "")),
    ];
    let (authority, peer) = Authority::start(Knobs { instead: instead.into(), ..Knobs::default() }).await;
    let (config, store) = (with(&peer, OauthConfig::default()), Arc::new(Store::default()));
    login(&config, &store).await.unwrap();
    authority.knobs.lock().unwrap().instead.remove("/mcp");
    let rig = rig_with(config, store);
    rig.refresh().await.unwrap();
    assert_eq!(said(&rig, "hello").await.unwrap(), "hello");
}

#[tokio::test]
async fn a_server_that_cannot_be_described_now_is_not_taken_for_one_without() {
    let instead = [("/.well-known/oauth-authorization-server", json(503, "", "{}"))];
    let (_, _peer, rig) = by_credentials(Knobs { instead: instead.into(), ..Knobs::default() }).await;
    let fault = rig.refresh().await.unwrap_err();
    assert!(fault.private.contains("503"), "{fault}");
}
