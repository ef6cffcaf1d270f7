//! HTTP servers that behave, of both eras. Each test asserts what an agent or operator would notice, or what the
//! other side sees of us.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::denial::Reason;
use model::json::Json;
use ports::broker::Lease;
use ports::sealed::SecretText;
use ports::secret::Secret;
use ports::upstream::{Answer, Sent, UpstreamEvent, Upstreams as _};
use upstream::{ConfigError, Limits, ServerConfig, Transport, Upstreams};

use crate::peer::{Peer, Step, empty, error, json, legacy, modern, said, whole_events};
use crate::support::{agent, finish, rig, site, text};

fn with_bearer(mut config: ServerConfig, bearer: &str) -> ServerConfig {
    let Transport::Http(target) = &mut config.transport else { panic!() };
    target.bearer = Some(SecretText::known(Secret::new(bearer.to_owned())));
    config
}

#[tokio::test]
async fn a_stateless_server_is_found_out_and_called_over_one_connection() {
    let peer = Peer::start(modern(|seen| json(200, "", &said(seen, "hi")))).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    for _ in 0..20 {
        assert_eq!(text(&rig.say("echo", "x").await.unwrap()), "hi");
    }
    assert_eq!(peer.connections(), 1);
    let call = peer.asked("tools/call").pop().unwrap();
    assert_eq!(call.header("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!(call.header("mcp-method"), Some("tools/call"));
    assert_eq!(call.header("mcp-name"), Some("echo"));
    assert_eq!(call.header("mcp-session-id"), None);
    assert_eq!(call.header("authorization"), None);
    let meta = call.body.get("params").and_then(|p| p.get("_meta")).unwrap();
    let version = meta.get("io.modelcontextprotocol/protocolVersion").and_then(Json::as_str);
    assert_eq!(version, Some("2026-07-28"));
    assert!(peer.asked("initialize").is_empty());
}

#[tokio::test]
async fn annotated_arguments_are_mirrored_in_headers() {
    let peer = Peer::start(modern(|seen| json(200, "", &said(seen, "hi")))).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    rig.run(rig.call("query", r#"{"region":"日本語"}"#)).await.unwrap();
    let call = peer.asked("tools/call").pop().unwrap();
    assert_eq!(call.header("mcp-param-region"), Some("=?base64?5pel5pys6Kqe?="));
    let fault = rig.run(rig.call("bad-header", r#"{"n":1}"#)).await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamUnavailable, Sent::No));
    assert_eq!(peer.asked("tools/call").len(), 1);
}

#[tokio::test]
async fn a_legacy_server_gets_one_session_per_agent_and_each_is_ended() {
    let peer = Peer::start(legacy(|seen| json(200, "", &said(seen, "hi")))).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    rig.say("echo", "x").await.unwrap();
    rig.say("echo", "x").await.unwrap();
    let mut other = rig.call("echo", "{}");
    other.agent = agent("b");
    rig.run(other).await.unwrap();
    rig.upstreams.shutdown().await;
    let sessions: Vec<_> =
        peer.asked("tools/call").iter().map(|c| c.header("mcp-session-id").unwrap().to_owned()).collect();
    assert_eq!(sessions, ["session-2", "session-2", "session-3"]);
    assert_eq!(peer.asked("tools/call")[0].header("mcp-protocol-version"), Some("2025-11-25"));
    assert_eq!(peer.asked("notifications/initialized").len(), 3);
    assert_eq!(peer.asked("server/discover").len(), 1, "the verdict is remembered");
    assert_eq!(peer.all().iter().filter(|seen| seen.http_method == "DELETE").count(), 3);
}

#[tokio::test]
async fn events_bring_progress_then_the_answer_and_the_connection_serves_on() {
    let peer = Peer::start(legacy(|seen| {
        let note = |token: &str, step: u32| {
            let params = format!(r#"{{"progressToken":{token},"progress":{step}}}"#);
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{params}}}"#)
        };
        whole_events(&[note("\"other\"", 7), note(&seen.id(), 1), note(&seen.id(), 2), said(seen, "done")])
    }))
    .await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    for _ in 0..5 {
        let mut call = rig.call("echo", "{}");
        call.wants_progress = true;
        let (progress, answer) = finish(rig.open(call).await.unwrap()).await;
        let steps: Vec<_> = progress.iter().map(|step| step.progress.as_str()).collect();
        assert_eq!(steps, ["1", "2"]);
        assert_eq!(text(&answer.unwrap()), "done");
    }
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn a_question_of_the_server_is_answered_with_no() {
    let peer = Peer::start(legacy(|seen| {
        let ask = |id: &str, method: &str| format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"{method}"}}"#);
        whole_events(&[ask("p", "ping"), ask("s", "sampling/createMessage"), said(seen, "done")])
    }))
    .await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    assert_eq!(text(&rig.say("echo", "x").await.unwrap()), "done");
    let answered = peer.wait(|seen| seen.id() == "\"p\"").await;
    assert!(answered.body.get("result").is_some());
    let refused = peer.wait(|seen| seen.id() == "\"s\"").await;
    let code = refused.body.get("error").and_then(|e| e.get("code")).and_then(Json::as_i64);
    assert_eq!(code, Some(-32601));
    assert_eq!(refused.header("mcp-session-id"), Some("session-2"));
}

#[tokio::test]
async fn a_lease_is_sent_and_goes_before_the_configured_credential() {
    let peer = Peer::start(legacy(|seen| json(200, "", &said(seen, "hi")))).await;
    let rig = rig(with_bearer(site(peer.url.clone()), "operators"));
    rig.refresh().await.unwrap();
    let mut leased = rig.call("echo", "{}");
    leased.lease = Lease::Bearer(Secret::new("leased-7".to_owned()));
    rig.run(leased).await.unwrap();
    rig.say("echo", "x").await.unwrap();
    let sent: Vec<_> = peer
        .asked("tools/call")
        .iter()
        .map(|call| call.header("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(sent, ["Bearer leased-7", "Bearer operators"]);
    assert_eq!(peer.asked("initialize")[0].header("authorization"), Some("Bearer operators"));
}

#[tokio::test]
async fn a_refused_credential_is_told_without_it() {
    let peer = Peer::start(|_| json(401, "www-authenticate: Bearer\r\n", "{}")).await;
    let fault = rig(with_bearer(site(peer.url.clone()), "canary-1")).refresh().await.unwrap_err();
    assert_eq!(fault.reason, Reason::UpstreamUnavailable);
    assert!(fault.private.contains("401") && !fault.private.contains("canary-1"), "{fault}");
    assert!(peer.asked("initialize").is_empty(), "401 proves no era");
}

#[tokio::test]
async fn a_lost_session_is_renewed_once_and_the_tools_are_verified_again() {
    for status in [404, 400] {
        let peer = Peer::start(legacy(move |seen| match seen.header("mcp-session-id") {
            Some("session-2") => json(status, "", &error("null", -32000, "Session not found")),
            _ => json(200, "", &said(seen, "hi")),
        }))
        .await;
        let rig = rig(site(peer.url.clone()));
        rig.refresh().await.unwrap();
        assert_eq!(text(&rig.say("echo", "x").await.unwrap()), "hi");
        assert_eq!(peer.asked("tools/call").len(), 2);
        assert_eq!(rig.lists(), 3);
    }
}

#[tokio::test]
async fn a_session_that_stays_lost_is_no_endless_loop() {
    let peer = Peer::start(legacy(|_| empty(404, ""))).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let fault = rig.say("echo", "x").await.unwrap_err();
    assert_eq!(fault.reason, Reason::UpstreamUnavailable);
    assert_eq!(peer.asked("tools/call").len(), 2);
}

#[tokio::test]
async fn an_error_in_a_4xx_body_is_the_answer() {
    let peer = Peer::start(modern(|seen| json(400, "", &error(&seen.id(), -32602, "no such thing")))).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let Answer::Error { code, message, .. } = rig.say("echo", "x").await.unwrap() else { panic!() };
    assert_eq!((code, message.as_str()), (-32602, "no such thing"));
}

#[tokio::test]
async fn a_list_that_grew_old_is_asked_for_again() {
    let swapped = std::sync::Arc::new(AtomicBool::new(false));
    let now = std::sync::Arc::clone(&swapped);
    let base = modern(|seen| json(200, "", &said(seen, "hi")));
    let peer = Peer::start(move |seen| match seen.method() {
        "tools/list" if now.load(Ordering::SeqCst) => {
            let tools = r#"{"tools":[{"name":"echo","description":"new","inputSchema":{"type":"object"}}]}"#;
            json(200, "", &crate::peer::result(seen, tools))
        }
        _ => base(seen),
    })
    .await;
    let mut config = site(peer.url.clone());
    config.limits = Limits { list_age_min: Duration::ZERO, list_age_max: Duration::ZERO, ..config.limits };
    let rig = rig(config);
    rig.refresh().await.unwrap();
    let call = rig.call("echo", "{}");
    // Only a connection that has listed can have an old list.
    assert_eq!(rig.text(rig.call("echo", "{}")).await, "hi");
    swapped.store(true, Ordering::SeqCst);
    let fault = rig.run(call).await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::DefinitionChanged, Sent::No));
    assert_eq!(peer.asked("tools/call").len(), 1, "the first");
}

#[tokio::test]
async fn a_call_that_waits_for_its_connection_ends_with_its_agent() {
    let silent = std::sync::Arc::new(AtomicBool::new(false));
    let now = std::sync::Arc::clone(&silent);
    let base = modern(|seen| json(200, "", &said(seen, "hi")));
    let peer = Peer::start(move |seen| match now.load(Ordering::SeqCst) {
        true => vec![Step::Hang],
        false => base(seen),
    })
    .await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let (call, before) = (rig.call("echo", "{}"), peer.asked("server/discover").len());
    silent.store(true, Ordering::SeqCst);
    let removed = async {
        while peer.asked("server/discover").len() == before {
            tokio::task::yield_now().await;
        }
        rig.upstreams.forget(&agent("a")).await;
    };
    let (opened, ()) = tokio::join!(rig.open(call), removed);
    let fault = opened.err().unwrap();
    assert_eq!((fault.reason, fault.sent), (Reason::Revoked, Sent::No), "{}", fault.private);
}

#[tokio::test]
async fn cancelling_closes_a_stateless_response_and_tells_a_legacy_server() {
    let peer = Peer::start(modern(|_| vec![Step::Hang])).await;
    let one = rig(site(peer.url.clone()));
    one.refresh().await.unwrap();
    let mut stream = one.open(one.call("echo", "{}")).await.unwrap();
    tokio::select! {
        _ = stream.next() => panic!("nothing was answered"),
        _ = peer.wait(|seen| seen.method() == "tools/call") => {}
    }
    stream.cancel().await;
    let UpstreamEvent::Done(Err(fault)) = stream.next().await else { panic!() };
    assert_eq!((fault.reason, fault.sent), (Reason::Cancelled, Sent::Maybe));
    peer.wait_closed(1).await;

    let peer = Peer::start(legacy(|_| vec![Step::Hang])).await;
    let two = rig(site(peer.url.clone()));
    two.refresh().await.unwrap();
    let mut stream = two.open(two.call("echo", "{}")).await.unwrap();
    let call = tokio::select! {
        _ = stream.next() => panic!("nothing was answered"),
        call = peer.wait(|seen| seen.method() == "tools/call") => call,
    };
    drop(stream);
    let told = peer.wait(|seen| seen.method() == "notifications/cancelled").await;
    assert_eq!(told.body.get("params").and_then(|p| p.get("requestId")), call.body.get("id"));
}

#[tokio::test]
async fn a_call_cancelled_before_it_is_read_was_never_sent() {
    let peer = Peer::start(modern(|seen| json(200, "", &said(seen, "hi")))).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let mut stream = rig.open(rig.call("echo", "{}")).await.unwrap();
    stream.cancel().await;
    let UpstreamEvent::Done(Err(fault)) = stream.next().await else { panic!() };
    assert_eq!((fault.reason, fault.sent), (Reason::Cancelled, Sent::No));
    assert!(peer.asked("tools/call").is_empty());
}

#[tokio::test]
async fn all_that_is_wrong_with_a_configuration_is_told_at_once() {
    let metadata = site("http://169.254.169.254/mcp".to_owned());
    let mut no_file = site("https://localhost/mcp".to_owned());
    no_file.name = model::ids::ServerName::parse("t").unwrap();
    let Transport::Http(target) = &mut no_file.transport else { panic!() };
    target.ca_file = Some("/nonexistent/ca.pem".into());
    let heard: std::sync::Arc<dyn ports::definitions::DefinitionObserver> =
        std::sync::Arc::new(crate::support::Deaf);
    let sealed: std::sync::Arc<dyn ports::sealed::SealedSecrets> =
        std::sync::Arc::new(crate::support::Store::default());
    let tokens: std::sync::Arc<dyn ports::tokens::TokenStore> =
        std::sync::Arc::new(crate::support::Store::default());
    let stores = (&sealed, &tokens);
    let Err(errors) = Upstreams::new(vec![metadata, no_file], &heard, stores, "/nonexistent".into()) else {
        panic!()
    };
    assert!(matches!(&errors[..], [ConfigError::Url { .. }, ConfigError::Authorities { .. }]), "{errors:?}");
}
