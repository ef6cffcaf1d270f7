//! Servers of HTTP+SSE that hang, cut, flood and lie. No caller may wait for ever or be told a lie, nothing is sent
//! twice, and nothing goes to where the server has no say.

use std::time::Duration;

use model::denial::Reason;
use ports::upstream::{Forward, Sent, UpstreamEvent, UpstreamFault};
use upstream::{Era, Limits, ServerConfig};

use crate::old_peer::{OldPeer, Told, cut, endpoint, event, silent, stuck, written};
use crate::peer::{Peer, Seen, TOOLS, empty, result, said};
use crate::support::{Rig, able, rig, site, text};

fn careful(url: &str) -> Rig {
    let config = site(url.to_owned());
    let limits = Limits { message_bytes_max: 1 << 20, notifications_max: 100, ..config.limits };
    rig(ServerConfig { era: Era::Sse, limits, ..config })
}

/// The call fails so at once, was sent once, and the next call has a stream of its own.
async fn fails(call: impl Fn(&Seen) -> Told + Send + Sync + 'static, reason: Reason) -> UpstreamFault {
    let lies = move |seen: &Seen| if seen.tool() == "query" { call(seen) } else { event(&said(seen, "hi")) };
    let peer = OldPeer::start(lies).await;
    let rig = careful(&peer.url);
    rig.refresh().await.unwrap();
    rig.say("echo", "x").await.unwrap();
    let fault = rig.run(rig.call("query", r#"{"region":"secret-argument"}"#)).await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (reason, Sent::Maybe), "{fault}");
    assert!(!fault.private.contains("secret-argument"));
    assert_eq!(peer.asked("tools/call").iter().filter(|seen| seen.tool() == "query").count(), 1);
    assert_eq!(text(&rig.say("echo", "x").await.unwrap()), "hi");
    assert_eq!(peer.opened(), 3, "what lied is not trusted again");
    peer.wait_closed(2).await;
    fault
}

#[tokio::test]
async fn no_message_and_no_credential_goes_to_another_origin() {
    let evil = Peer::start(|_| empty(202, "")).await;
    for written in [evil.url.clone(), evil.url.replace("http:", ""), "https://127.0.0.1/m".to_owned()] {
        let peer = OldPeer::greeting(move |_| endpoint(&written), |_| silent()).await;
        for era in [Era::Sse, Era::Auto] {
            let rig = rig(ServerConfig { era, ..site(peer.url.clone()) });
            let fault = rig.refresh().await.unwrap_err();
            assert!(fault.private.contains("another origin"), "{fault}");
        }
    }
    assert_eq!(evil.connections(), 0);
}

#[tokio::test]
async fn a_stream_that_does_not_begin_with_its_endpoint_is_none() {
    let message = "data: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\n";
    for first in [message, "event: endpoint\ndata: \n\ndata: x\n\n", "event: endpoint\ndata: /a b\n\n"] {
        let peer = OldPeer::greeting(move |_| first.to_owned(), |_| silent()).await;
        let fault = careful(&peer.url).refresh().await.unwrap_err();
        assert_eq!(fault.sent, Sent::No, "{fault}");
        assert!(peer.all().iter().all(|seen| seen.http_method == "GET"), "nothing is posted anywhere");
        peer.wait_closed(1).await;
    }
    let peer = OldPeer::greeting(|_| String::new(), |_| silent()).await;
    let config = site(peer.url.clone());
    let limits = Limits { start: Duration::from_millis(300), ..config.limits };
    let fault = rig(ServerConfig { era: Era::Sse, limits, ..config }).refresh().await.unwrap_err();
    assert_eq!(fault.reason, Reason::UpstreamUnavailable, "{fault}");
    peer.wait_closed(1).await;
}

#[tokio::test]
async fn a_call_whose_stream_is_lost_is_unknown_at_once() {
    let fault = fails(|_| cut(), Reason::UpstreamViolation).await;
    assert!(fault.private.contains("stream ended"), "{fault}");
    // Also when the server takes the call first, and half of the answer is there.
    let peer = OldPeer::start(|seen| written(&format!("data: {}", said(seen, "hi")))).await;
    let rig = careful(&peer.url);
    rig.refresh().await.unwrap();
    let mut stream = rig.open(rig.call("echo", "{}")).await.unwrap();
    peer.wait(|seen| seen.method() == "tools/call").await;
    peer.end(2);
    let UpstreamEvent::Done(Err(fault)) = stream.next().await else { panic!() };
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamViolation, Sent::Maybe));
    assert_eq!(peer.asked("tools/call").len(), 1);
}

#[tokio::test]
async fn answers_to_what_was_never_asked_end_the_session() {
    for lie in [
        r#"{"jsonrpc":"2.0","id":4242,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":"1","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#,
    ] {
        fails(move |_| event(lie), Reason::UpstreamViolation).await;
    }
}

#[tokio::test]
async fn what_is_not_a_message_ends_the_session() {
    for lie in ["<html>", "[]", "{\"jsonrpc\":\"2.0\"", r#"{"jsonrpc":"2.0","id":1,"id":1,"result":{}}"#] {
        fails(move |_| event(lie), Reason::UpstreamViolation).await;
    }
}

#[tokio::test]
async fn an_endpoint_that_moves_in_the_middle_of_a_session_ends_it() {
    for again in ["/messages?s=1", "/messages?s=2", "http://127.0.0.1:9/m"] {
        let fault = fails(move |_| written(&endpoint(again)), Reason::UpstreamViolation).await;
        assert!(fault.private.contains("another endpoint"), "{fault}");
    }
}

#[tokio::test]
async fn floods_end_the_session() {
    let log = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n";
    fails(move |_| written(&log.repeat(2_000)), Reason::UpstreamViolation).await;
    let question = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n\n";
    fails(move |_| written(&question.repeat(2_000)), Reason::UpstreamViolation).await;
    fails(|_| written(&"event: x\ndata: y\n\n".repeat(2_000)), Reason::UpstreamViolation).await;
    fails(|_| written(&":\n".repeat(2_000_000)), Reason::UpstreamViolation).await;
    fails(|_| written(&"x".repeat(1_100_000)), Reason::UpstreamViolation).await;
}

#[tokio::test]
async fn a_flood_of_progress_ends_its_call_and_no_other() {
    let peer = OldPeer::start(|seen| {
        let step = format!(
            "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":{},\"progress\":1}}}}\n\n",
            seen.id()
        );
        if seen.tool() == "query" { written(&step.repeat(200)) } else { event(&said(seen, "hi")) }
    })
    .await;
    let rig = careful(&peer.url);
    rig.refresh().await.unwrap();
    let mut call = rig.call("query", "{}");
    call.wants_progress = true;
    let fault = rig.run(call).await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamViolation, Sent::Maybe), "{fault}");
    peer.wait(|seen| seen.method() == "notifications/cancelled").await;
    assert_eq!(text(&rig.say("echo", "x").await.unwrap()), "hi");
    assert_eq!(peer.opened(), 2);
}

#[tokio::test]
async fn questions_whose_answers_are_not_taken_open_no_connections_without_end() {
    let question =
        "data: {\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"elicitation/create\",\"params\":{}}\n\n";
    let behave = move |seen: &Seen| match seen.method() {
        "initialize" => event(&result(
            seen,
            r#"{"protocolVersion":"2024-11-05","capabilities":{"tools":{}},"serverInfo":{"name":"o","version":"1"}}"#,
        )),
        "tools/list" => event(&result(seen, TOOLS)),
        "tools/call" if seen.tool() == "query" => written(&question.repeat(30)),
        "tools/call" => event(&said(seen, "hi")),
        "" => stuck(),
        _ => silent(),
    };
    let peer = OldPeer::behaving(|stream| endpoint(&format!("/messages?s={stream}")), behave).await;
    let rig = careful(&peer.url);
    rig.refresh().await.unwrap();
    let able = |tool| Forward { client: able(), ..rig.call(tool, "{}") };
    let fault = rig.run(able("query")).await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamViolation, Sent::Maybe), "{fault}");
    assert!(fault.private.contains("asks more than is carried"), "{fault}");
    peer.wait(|seen| seen.method() == "notifications/cancelled").await;
    assert_eq!(text(&rig.run(able("echo")).await.unwrap()), "hi", "it serves on");
    let answers = peer.all().iter().filter(|seen| seen.id() == "\"q\"").count();
    assert!(answers <= 16, "{answers} at once");
}

#[tokio::test]
async fn an_answer_beyond_what_the_call_may_return_is_refused() {
    let peer = OldPeer::start(|seen| event(&said(seen, &"x".repeat(100_000)))).await;
    let rig = careful(&peer.url);
    rig.refresh().await.unwrap();
    let mut call = rig.call("echo", "{}");
    call.bytes_max = 10_000;
    let fault = rig.run(call).await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::LimitExceeded, Sent::Maybe));
}
