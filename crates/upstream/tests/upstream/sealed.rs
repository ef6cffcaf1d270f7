//! Servers that want secrets of the sealed store: they get them when they are started, and agents never do.

use std::sync::Arc;

use model::denial::Reason;
use ports::sealed::SecretText;
use ports::upstream::{Sent, UpstreamFault};
use upstream::{ConfigError, ServerConfig, Transport};

use crate::peer::{Peer, Seen, empty, json, modern, said};
use crate::support::{Rig, Store, child, rig_with, site, text};

fn with(text: &str) -> SecretText {
    SecretText::with_references(text).unwrap()
}

/// A child with a secret in an argument and one in a variable; it says whether the argument is `EXPECTED` reversed.
fn sealed_child(expected: &str) -> ServerConfig {
    let mut config = child("sealed.py");
    let Transport::Stdio(command) = &mut config.transport else { panic!() };
    command.argv.push(with("--key=${sealed:child/key}"));
    command.env.push(("DSN".to_owned(), with("pg://app:${sealed:child/password}@db/app")));
    let expected: String = expected.chars().rev().collect();
    command.env.push(("EXPECTED".to_owned(), SecretText::plain(expected)));
    config
}

fn store(values: &[(&str, &str)]) -> Arc<Store> {
    let store = Arc::new(Store::default());
    for (name, value) in values {
        store.put(name, value);
    }
    store
}

#[track_caller]
fn is_unavailable(fault: &UpstreamFault, says: &str) {
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamUnavailable, Sent::No), "{fault}");
    assert!(fault.private.contains(says), "{}", fault.private);
}

#[tokio::test]
async fn a_child_gets_its_sealed_secrets_and_cannot_pass_them_on() {
    let store = store(&[("child/key", "argument-4711"), ("child/password", "variable-4711")]);
    let rig = rig_with(sealed_child("argument-4711"), store);
    rig.refresh().await.unwrap();
    assert_eq!(text(&rig.say("echo", "is it").await.unwrap()), "as expected");
    for leak in ["argument", "variable"] {
        let fault = rig.say("echo", leak).await.expect_err(leak);
        assert_eq!((fault.reason, fault.sent), (Reason::UpstreamViolation, Sent::Maybe), "{fault}");
        assert!(!fault.private.contains("4711"), "{fault}");
    }
}

#[tokio::test]
async fn a_missing_secret_makes_the_server_unavailable_until_it_is_put() {
    let store = store(&[("child/key", "argument-4711")]);
    let rig = rig_with(sealed_child("argument-4711"), Arc::clone(&store));
    let fault = rig.refresh().await.unwrap_err();
    is_unavailable(&fault, "there is no sealed secret `child/password`; `callgate seal put child/password`");
    store.put("child/password", "variable-4711");
    rig.refresh().await.unwrap();
    assert_eq!(text(&rig.say("echo", "is it").await.unwrap()), "as expected");
}

#[tokio::test]
async fn a_child_that_is_started_later_gets_the_new_value() {
    let store = store(&[("child/key", "first-value"), ("child/password", "variable-4711")]);
    let rig = rig_with(sealed_child("second-value"), Arc::clone(&store));
    rig.refresh().await.unwrap();
    assert_eq!(text(&rig.say("echo", "is it").await.unwrap()), "something else");
    store.put("child/key", "second-value");
    let mut call = rig.call("echo", r#"{"text":"is it"}"#);
    call.agent = crate::support::agent("b");
    assert_eq!(rig.text(call).await, "as expected");
    assert_eq!(
        text(&rig.say("echo", "is it").await.unwrap()),
        "something else",
        "the running child has its own"
    );
}

fn sealed_site(url: &str) -> ServerConfig {
    let mut config = site(String::new());
    let Transport::Http(http) = &mut config.transport else { panic!() };
    http.url = with(&format!("{url}?key=${{sealed:site/url}}"));
    http.bearer = Some(with("${sealed:site/bearer}"));
    http.headers = vec![
        ("x-org".to_owned(), SecretText::plain("acme-corporation")),
        ("x-key".to_owned(), with("Key ${sealed:site/header}")),
    ];
    config
}

const SITE: [(&str, &str); 3] =
    [("site/url", "url-secret"), ("site/bearer", "bearer-secret"), ("site/header", "header-secret")];

/// Says what the argument names.
fn echo(seen: &Seen) -> crate::peer::Reply {
    let argument = seen.body.get("params").and_then(|params| params.get("arguments"));
    let wanted = argument.and_then(|argument| argument.get("text")).and_then(|text| text.as_str()).unwrap();
    let text = match wanted {
        "url" => "my key is url-secret".to_owned(),
        "nothing" => "hello".to_owned(),
        header => seen.header(header).unwrap_or("none").to_owned(),
    };
    json(200, "", &said(seen, &text))
}

async fn said_by(rig: &Rig, what: &str) -> Result<String, UpstreamFault> {
    rig.say("echo", what).await.map(|answer| text(&answer))
}

#[tokio::test]
async fn a_site_gets_its_headers_and_cannot_pass_them_on() {
    let peer = Peer::start(modern(echo)).await;
    let rig = rig_with(sealed_site(&peer.url), store(&SITE));
    rig.refresh().await.unwrap();
    assert_eq!(said_by(&rig, "nothing").await.unwrap(), "hello");
    assert_eq!(said_by(&rig, "x-org").await.unwrap(), "acme-corporation", "that is no secret");
    for leak in ["url", "authorization", "x-key"] {
        let fault = said_by(&rig, leak).await.expect_err(leak);
        assert_eq!((fault.reason, fault.sent), (Reason::UpstreamViolation, Sent::Maybe), "{leak}: {fault}");
    }
    let calls = peer.asked("tools/call");
    let seen = calls.first().unwrap();
    assert_eq!(seen.header("authorization"), Some("Bearer bearer-secret"));
    assert_eq!(seen.header("x-key"), Some("Key header-secret"));
    assert_eq!(seen.header("mcp-protocol-version"), Some("2026-07-28"));
}

#[tokio::test]
async fn a_site_without_its_secrets_is_unavailable_and_told_without_them() {
    let peer = Peer::start(modern(echo)).await;
    let store = store(&[("site/url", "q z"), ("site/bearer", "two words"), ("site/header", "line\nend")]);
    let rig = rig_with(sealed_site(&peer.url), Arc::clone(&store));
    for (put, says) in [
        (("site/bearer", "bearer-secret"), "has a bearer that cannot be sent"),
        (("site/url", "url-secret"), "it is not a url"),
        (("site/header", "header-secret"), "has a header `x-key` that cannot be sent"),
    ] {
        let fault = rig.refresh().await.unwrap_err();
        is_unavailable(&fault, says);
        assert!(!fault.private.contains("q z") && !fault.private.contains("two words"), "{fault}");
        store.put(put.0, put.1);
    }
    rig.refresh().await.unwrap();
    assert_eq!(said_by(&rig, "nothing").await.unwrap(), "hello");
    // A connection that is begun later has the new value.
    store.put("site/bearer", "another-secret");
    rig.refresh().await.unwrap();
    let lists = peer.asked("tools/list");
    assert_eq!(lists.last().unwrap().header("authorization"), Some("Bearer another-secret"));
}

#[tokio::test]
async fn a_bearer_that_is_refused_is_read_anew_for_the_next_call() {
    let peer = Peer::start(modern(|seen| match seen.header("authorization") {
        Some("Bearer bearer-secret") if seen.body.get("params").is_some_and(|p| p.get("name").is_some()) => {
            empty(401, "")
        }
        _ => json(200, "", &said(seen, "hello")),
    }))
    .await;
    let store = store(&SITE);
    let rig = rig_with(sealed_site(&peer.url), Arc::clone(&store));
    rig.refresh().await.unwrap();
    let fault = said_by(&rig, "nothing").await.unwrap_err();
    assert!(fault.private.contains("401"), "{fault}");
    store.put("site/bearer", "renewed-secret");
    assert_eq!(said_by(&rig, "nothing").await.unwrap(), "hello");
}

#[tokio::test]
async fn what_needs_no_sealed_secret_is_checked_at_once() {
    let heard: Arc<dyn ports::definitions::DefinitionObserver> = Arc::new(crate::support::Deaf);
    let sealed: Arc<dyn ports::sealed::SealedSecrets> = store(&[]);
    let tokens: Arc<dyn ports::tokens::TokenStore> = store(&[]);
    let mut config = site("http://127.0.0.1:1/mcp".to_owned());
    let Transport::Http(http) = &mut config.transport else { panic!() };
    http.headers = vec![("x-a".to_owned(), SecretText::plain("line\nend"))];
    let errors = upstream::Upstreams::new(vec![config], &heard, (&sealed, &tokens), "/nonexistent".into())
        .err()
        .unwrap();
    assert!(matches!(&errors[..], [ConfigError::Header { .. }]), "{errors:?}");
}
