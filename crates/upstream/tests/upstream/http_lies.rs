//! HTTP servers that hang, cut, flood and lie. No caller may wait for ever or be told a lie, and nothing is sent
//! twice.

use std::sync::Arc;
use std::time::Duration;

use model::denial::Reason;
use ports::upstream::{Sent, UpstreamFault};
use upstream::Limits;

use crate::peer::{Peer, Reply, Seen, Step, end, events, json, legacy, modern, said};
use crate::support::{Rig, rig, site, text};

async fn lying(call: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Arc<Peer>, Rig) {
    let peer = Peer::start(modern(call)).await;
    let mut config = site(peer.url.clone());
    config.limits = Limits { message_bytes_max: 1 << 20, notifications_max: 500, ..config.limits };
    let rig = rig(config);
    rig.refresh().await.unwrap();
    (peer, rig)
}

/// The call fails so, was sent once, and the next list still works.
async fn fails(call: impl Fn(&Seen) -> Reply + Send + Sync + 'static, reason: Reason) -> UpstreamFault {
    let (peer, rig) = lying(call).await;
    let fault = rig.say("echo", "secret-argument").await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (reason, Sent::Maybe), "{fault}");
    assert!(!fault.private.contains("secret-argument"));
    assert_eq!(peer.asked("tools/call").len(), 1, "a call is never sent twice");
    rig.refresh().await.unwrap();
    fault
}

#[tokio::test]
async fn answers_under_another_id_are_refused() {
    let body = r#"{"jsonrpc":"2.0","id":4242,"result":{}}"#;
    fails(|_| json(200, "", body), Reason::UpstreamViolation).await;
    fails(|_| events(&[body.to_owned()]), Reason::UpstreamViolation).await;
    fails(|_| json(200, "", r#"{"jsonrpc":"2.0","result":{}}"#), Reason::UpstreamViolation).await;
}

#[tokio::test]
async fn what_is_not_a_message_is_refused() {
    for body in ["", "<html>", "[]", "{\"jsonrpc\":\"2.0\"", r#"{"jsonrpc":"2.0","id":1,"id":1,"result":{}}"#]
    {
        fails(move |_| json(200, "", body), Reason::UpstreamViolation).await;
    }
    let bytes = b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 3\r\n\r\n\"\xff\"";
    fails(|_| vec![Step::Write(bytes.to_vec())], Reason::UpstreamViolation).await;
}

#[tokio::test]
async fn results_of_kinds_that_were_not_offered_are_refused() {
    for kind in ["input_required", "task", "x"] {
        let body = format!(r#"{{"resultType":"{kind}"}}"#);
        fails(move |seen| json(200, "", &crate::peer::result(seen, &body)), Reason::UpstreamViolation).await;
    }
}

#[tokio::test]
async fn a_response_that_is_cut_is_no_answer() {
    fails(|_| vec![Step::Close], Reason::UpstreamViolation).await;
    let half = b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"jsonrpc\"";
    fails(|_| vec![Step::Write(half.to_vec()), Step::Close], Reason::UpstreamViolation).await;
    let cut = |_: &Seen| {
        let mut reply = events(&[r#"{"jsonrpc":"2.0","method":"notifications/x"}"#.to_owned()]);
        reply.push(Step::Close);
        reply
    };
    fails(cut, Reason::UpstreamViolation).await;
    let ended = |_: &Seen| {
        let mut reply = events(&[]);
        reply.push(end());
        reply
    };
    fails(ended, Reason::UpstreamViolation).await;
    fails(|_| crate::peer::empty(202, ""), Reason::UpstreamViolation).await;
}

#[tokio::test]
async fn two_framings_of_one_body_are_refused() {
    let both = |seen: &Seen| {
        let body = said(seen, "hi");
        let head = format!(
            "HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: {0}\r\ncontent-length: 5\r\n\r\n",
            body.len()
        );
        vec![Step::Write([head.as_bytes(), body.as_bytes()].concat()), Step::Close]
    };
    fails(both, Reason::UpstreamViolation).await;
}

#[tokio::test]
async fn bodies_beyond_the_bound_are_refused_announced_or_not() {
    let announced = |_: &Seen| json(200, "", &"x".repeat(10_000_000));
    fails(announced, Reason::LimitExceeded).await;
    let endless = |_: &Seen| {
        let mut reply = vec![Step::Write(
            b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
                .to_vec(),
        )];
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        reply.extend(std::iter::repeat_n(Step::Write(chunk.into_bytes()), 160));
        reply
    };
    fails(endless, Reason::LimitExceeded).await;
}

#[tokio::test]
async fn an_event_beyond_the_bound_is_refused() {
    let line = |_: &Seen| {
        let mut reply = events(&["x".repeat(1_100_000)]);
        reply.push(Step::Hang);
        reply
    };
    let (_peer, rig) = lying(line).await;
    let fault = rig.say("echo", "x").await.unwrap_err();
    assert!(matches!(fault.reason, Reason::UpstreamViolation | Reason::LimitExceeded), "{fault}");
}

#[tokio::test]
async fn a_flood_of_notifications_is_refused() {
    let flood = |_: &Seen| {
        let mut reply = events(&vec![r#"{"jsonrpc":"2.0","method":"notifications/x"}"#.to_owned(); 501]);
        reply.push(Step::Hang);
        reply
    };
    fails(flood, Reason::UpstreamViolation).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Peer::start(modern(|seen| json(200, "", &said(seen, "stolen")))).await;
    let location = format!("location: {}\r\n", elsewhere.url);
    let fault = fails(move |_| crate::peer::empty(307, &location), Reason::UpstreamUnavailable).await;
    assert!(fault.private.contains("redirect"), "{fault}");
    assert!(elsewhere.all().is_empty());
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_at_the_deadline() {
    let (peer, rig) = lying(|_| vec![Step::Hang]).await;
    rig.refresh().await.unwrap();
    let mut call = rig.call("echo", "{}");
    call.deadline = Duration::from_millis(300);
    let fault = rig.run(call).await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamTimeout, Sent::Maybe));
    assert_eq!(peer.asked("tools/call").len(), 1);
}

#[tokio::test]
async fn a_server_that_is_down_was_certainly_not_reached() {
    let (peer, rig) = lying(|seen| json(200, "connection: close\r\n", &said(seen, "hi"))).await;
    assert_eq!(text(&rig.say("echo", "x").await.unwrap()), "hi");
    drop(peer);
    // The listener is gone once the task behind it is; until then a connection may be accepted and dropped.
    let fault = loop {
        tokio::task::yield_now().await;
        let fault = rig.say("echo", "x").await.unwrap_err();
        if fault.sent == Sent::No {
            break fault;
        }
    };
    assert_eq!(fault.reason, Reason::UpstreamUnavailable);
}

#[tokio::test]
async fn one_callers_trouble_is_not_anothers() {
    let behave = |seen: &Seen| match seen.tool() {
        "echo" => json(200, "", &said(seen, "hi")),
        _ => vec![Step::Close],
    };
    let peer = Peer::start(legacy(behave)).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let (good, bad, again) = tokio::join!(rig.say("echo", "1"), rig.say("query", "2"), rig.say("echo", "3"));
    assert_eq!(text(&good.unwrap()), "hi");
    assert_eq!(bad.unwrap_err().reason, Reason::UpstreamViolation);
    assert_eq!(text(&again.unwrap()), "hi");
}
