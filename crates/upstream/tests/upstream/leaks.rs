//! Servers that say what they were given. No agent may read a credential of ours, wherever it was written.

use model::denial::Reason;
use ports::broker::Lease;
use ports::sealed::SecretText;
use ports::secret::Secret;
use ports::upstream::{Answer, Sent, UpstreamFault, Upstreams as _};
use upstream::{ServerConfig, Transport};

use crate::peer::{Peer, Seen, TOOLS, empty, error, json, legacy, modern, result, said, whole_events};
use crate::support::{Rig, agent, child, finish, rig, site, text};

const SECRET: &str = "canary/\"\u{e9}\"-4711";

fn leaking_child() -> ServerConfig {
    let mut config = child("leaks.py");
    let Transport::Stdio(command) = &mut config.transport else { panic!() };
    let known = |text: &str| SecretText::known(Secret::new(text.to_owned()));
    for (name, value) in
        [("TOKEN", known(SECRET)), ("SHORT", known("true")), ("PLAIN", SecretText::plain("production"))]
    {
        command.env.push((name.to_owned(), value));
    }
    config
}

#[track_caller]
fn is_kept_back(answer: Result<Answer, UpstreamFault>, secret: &str) {
    let fault = answer.expect_err("it was let through");
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamViolation, Sent::Maybe), "{fault}");
    assert!(fault.private.contains("held a credential of callgate's"), "{fault}");
    assert!(!fault.private.contains(secret));
}

#[tokio::test]
async fn a_child_cannot_pass_on_its_credential() {
    let rig = rig(leaking_child());
    rig.refresh().await.unwrap();
    for how in ["result", "base64", "key", "error", "data"] {
        is_kept_back(rig.say("echo", how).await, SECRET);
    }
    let mut call = rig.call("echo", r#"{"text":"progress"}"#);
    call.wants_progress = true;
    let (progress, answer) = finish(rig.open(call).await.unwrap()).await;
    assert!(progress.is_empty());
    is_kept_back(answer, SECRET);
    // What is short or was written into the configuration as it is can be said, by the same child.
    assert_eq!(text(&rig.say("echo", "plain").await.unwrap()), "productiontrue");
}

#[tokio::test]
async fn a_tool_that_names_a_credential_is_not_listed() {
    let rig = rig(leaking_child());
    rig.refresh().await.unwrap();
    let listed = rig.newest();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert!(listed[0].as_str().contains("echo"));
}

#[tokio::test]
async fn an_errors_data_is_bounded() {
    let rig = rig(leaking_child());
    rig.refresh().await.unwrap();
    let Answer::Error { code, data, .. } = rig.say("echo", "large").await.unwrap() else { panic!() };
    assert_eq!((code, data), (1, None));
}

fn with_bearer(url: String) -> ServerConfig {
    let mut config = site(url);
    let Transport::Http(http) = &mut config.transport else { panic!() };
    http.bearer = Some(SecretText::known(Secret::new("operators-bearer".to_owned())));
    config
}

fn sent(seen: &Seen) -> String {
    seen.header("authorization").unwrap().to_owned()
}

fn ask(rig: &Rig, lease: Option<&str>) -> ports::upstream::Forward {
    let mut call = rig.call("echo", "{}");
    call.wants_progress = true;
    if let Some(lease) = lease {
        call.lease = Lease::Bearer(Secret::new(lease.to_owned()));
    }
    call
}

#[tokio::test]
async fn a_server_that_echoes_its_request_is_not_let_through() {
    type Echo = fn(&Seen) -> crate::peer::Reply;
    let echoes: [Echo; 4] = [
        |seen| json(200, "", &said(seen, &sent(seen))),
        |seen| json(200, "", &error(&seen.id(), -32000, &sent(seen))),
        |seen| json(400, "", &error(&seen.id(), -32000, &sent(seen))),
        |seen| {
            let (id, header) = (seen.id(), sent(seen));
            let params = format!(r#"{{"progressToken":{id},"progress":1,"message":"{header}"}}"#);
            let progress =
                format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{params}}}"#);
            whole_events(&[progress, said(seen, "hi")])
        },
    ];
    for echo in echoes {
        let peer = Peer::start(modern(echo)).await;
        let rig = rig(with_bearer(peer.url.clone()));
        rig.refresh().await.unwrap();
        for (lease, secret) in [
            (None, "operators-bearer"),
            (Some("operators-bearer"), "operators-bearer"),
            (Some("leased-for-a-call"), "leased-for-a-call"),
        ] {
            let (progress, answer) = finish(rig.open(ask(&rig, lease)).await.unwrap()).await;
            assert!(progress.is_empty());
            is_kept_back(answer, secret);
        }
    }
}

#[tokio::test]
async fn a_lease_does_not_let_the_operators_credential_through() {
    let peer = Peer::start(modern(|seen| json(200, "", &said(seen, "operators-bearer")))).await;
    let rig = rig(with_bearer(peer.url.clone()));
    rig.refresh().await.unwrap();
    is_kept_back(rig.run(ask(&rig, Some("leased-for-a-call"))).await, "operators-bearer");
}

#[tokio::test]
async fn a_tool_that_echoes_a_header_is_not_listed() {
    let base = modern(|seen| json(200, "", &said(seen, "hi")));
    let peer = Peer::start(move |seen| match seen.method() {
        "tools/list" => json(200, "", &result(seen, &TOOLS.replace("query", &sent(seen)))),
        _ => base(seen),
    })
    .await;
    let rig = rig(with_bearer(peer.url.clone()));
    rig.refresh().await.unwrap();
    assert_eq!(rig.newest().len(), 2);
    assert_eq!(text(&rig.run(ask(&rig, None)).await.unwrap()), "hi");
}

#[tokio::test]
async fn no_session_is_begun_for_an_agent_that_was_removed() {
    let peer = Peer::start(legacy(|_| empty(404, ""))).await;
    let rig = rig(with_bearer(peer.url.clone()));
    rig.refresh().await.unwrap();
    let mut stream = rig.open(ask(&rig, None)).await.unwrap();
    let begun = peer.asked("initialize").len();
    rig.upstreams.forget(&agent("a")).await;
    let ports::upstream::UpstreamEvent::Done(Err(fault)) = stream.next().await else { panic!() };
    assert_eq!((fault.reason, fault.sent), (Reason::Revoked, Sent::No), "{fault}");
    assert_eq!(peer.asked("initialize").len(), begun);
}
