//! Servers of HTTP+SSE that behave: found out, called, cancelled, ended. Each test asserts what an agent or operator
//! would notice, or what the other side sees of us.

use std::time::Duration;

use model::client::ClientCapabilities;
use model::denial::Reason;
use model::json::Json;
use ports::broker::Lease;
use ports::sealed::SecretText;
use ports::secret::Secret;
use ports::upstream::{Reply, Sent, UpstreamEvent, Upstreams as _};
use upstream::{Era, ServerConfig, Transport};

use crate::old_peer::{OldPeer, Told, event, refused, silent, written};
use crate::peer::{Peer, Seen, TOOLS, empty, result, said};
use crate::support::{agent, finish, raw, rig, site, text};

fn old(peer: &OldPeer) -> ServerConfig {
    ServerConfig { era: Era::Sse, ..site(peer.url.clone()) }
}

fn hi(seen: &Seen) -> Told {
    event(&said(seen, "hi"))
}

#[tokio::test]
async fn a_server_that_knows_only_the_old_transport_is_found_out_once() {
    let peer = OldPeer::start(hi).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    assert_eq!(text(&rig.say("echo", "x").await.unwrap()), "hi");
    let at_sse: Vec<_> = peer.all().into_iter().filter(|seen| seen.path == "/sse").collect();
    let asked: Vec<_> = at_sse.iter().map(|seen| (seen.http_method.as_str(), seen.method())).collect();
    // Once for the list, once for the agent; the second time it is known how.
    assert_eq!(asked, [("POST", "server/discover"), ("POST", "initialize"), ("GET", ""), ("GET", "")]);
    assert_eq!(at_sse.last().unwrap().header("accept"), Some("text/event-stream"));
    let call = peer.asked("tools/call").pop().unwrap();
    assert_eq!((call.path.as_str(), call.header("mcp-session-id")), ("/messages?s=2", None));
    assert_eq!(peer.asked("notifications/initialized").len(), 2);
}

#[tokio::test]
async fn a_server_said_to_be_old_is_not_asked_whether_it_is_new() {
    for era in [Era::Sse, Era::Legacy] {
        let peer = OldPeer::start(hi).await;
        let rig = rig(ServerConfig { era, ..site(peer.url.clone()) });
        rig.refresh().await.unwrap();
        assert!(peer.asked("server/discover").is_empty());
        let posted =
            peer.all().iter().filter(|seen| seen.path == "/sse" && seen.http_method == "POST").count();
        assert_eq!(posted, usize::from(era == Era::Legacy));
    }
}

#[tokio::test]
async fn an_address_without_any_endpoint_is_told_so() {
    let peer = Peer::start(|_| empty(404, "")).await;
    let rig = rig(site(peer.url.clone()));
    let fault = rig.refresh().await.unwrap_err();
    assert!(fault.private.contains("no MCP endpoint at this address"), "{fault}");
    assert_eq!(peer.all().iter().filter(|seen| seen.http_method == "GET").count(), 1);
}

#[tokio::test]
async fn each_agent_has_a_stream_of_its_own_which_ends_with_it() {
    let peer = OldPeer::start(hi).await;
    let rig = rig(old(&peer));
    rig.refresh().await.unwrap();
    peer.wait_closed(1).await;
    rig.say("echo", "x").await.unwrap();
    rig.say("echo", "x").await.unwrap();
    let mut other = rig.call("echo", "{}");
    other.agent = agent("b");
    rig.run(other).await.unwrap();
    let paths: Vec<_> = peer.asked("tools/call").into_iter().map(|call| call.path).collect();
    assert_eq!(paths, ["/messages?s=2", "/messages?s=2", "/messages?s=3"]);
    rig.upstreams.forget(&agent("a")).await;
    peer.wait_closed(2).await;
    rig.upstreams.shutdown().await;
    peer.wait_closed(3).await;
}

#[tokio::test]
async fn many_calls_share_the_stream_and_each_gets_its_own_answer() {
    let peer = OldPeer::start(|seen| {
        let asked = seen.body.get("params").and_then(|p| p.get("arguments")).and_then(|a| a.get("text"));
        event(&said(seen, asked.and_then(Json::as_str).unwrap()))
    })
    .await;
    let rig = rig(old(&peer));
    rig.refresh().await.unwrap();
    let mut open = Vec::new();
    for n in 0..20 {
        let call = rig.call("echo", &format!(r#"{{"text":"n{n}"}}"#));
        open.push((n, rig.open(call).await.unwrap()));
    }
    while let Some((n, stream)) = open.pop() {
        assert_eq!(text(&finish(stream).await.1.unwrap()), format!("n{n}"));
    }
    assert_eq!(peer.opened(), 2);
}

#[tokio::test]
async fn progress_passes_and_other_notifications_do_not() {
    let peer = OldPeer::start(|seen| {
        let step = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{},"progress":1}}}}"#,
            seen.id()
        );
        let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}"#;
        let answer = said(seen, "hi");
        written(&format!(": still here\n\ndata: {step}\n\nevent: other\ndata: x\n\ndata: {log}\n\ndata: {answer}\n\n"))
    })
    .await;
    let rig = rig(old(&peer));
    rig.refresh().await.unwrap();
    let mut call = rig.call("echo", "{}");
    call.wants_progress = true;
    let (progress, answer) = finish(rig.open(call).await.unwrap()).await;
    assert_eq!((progress.len(), text(&answer.unwrap()).as_str()), (1, "hi"));
}

#[tokio::test]
async fn pings_are_answered_and_what_is_not_carried_is_refused() {
    let peer = OldPeer::start(hi).await;
    let rig = rig(old(&peer));
    rig.refresh().await.unwrap();
    rig.say("echo", "x").await.unwrap();
    peer.push(2, "data: {\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}\n\n");
    let pong = peer.wait(|seen| seen.id() == "\"p\"").await;
    assert_eq!((pong.path.as_str(), pong.body.get("result").is_some()), ("/messages?s=2", true));
    peer.push(2, "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"x/unknown\"}\n\n");
    let no = peer.wait(|seen| seen.id() == "7" && seen.method().is_empty()).await;
    assert_eq!(no.body.get("error").and_then(|e| e.get("code")).and_then(Json::as_i64), Some(-32601));
    rig.say("echo", "x").await.unwrap();
    assert_eq!(peer.opened(), 2);
}

#[tokio::test]
async fn a_question_reaches_the_call_and_its_answer_goes_where_the_call_went() {
    let peer = OldPeer::start(|_| {
        let params =
            r#"{"messages":[{"role":"user","content":{"type":"text","text":"sure?"}}],"maxTokens":9}"#;
        event(&format!(r#"{{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{params}}}"#))
    })
    .await;
    let rig = rig(old(&peer));
    rig.refresh().await.unwrap();
    let mut call = rig.call("echo", "{}");
    call.client = ClientCapabilities::SAMPLING;
    let mut stream = rig.open(call).await.unwrap();
    let UpstreamEvent::Asks(questions) = stream.next().await else { panic!("no question") };
    let said_by_model = r#"{"role":"assistant","model":"m","content":{"type":"text","text":"no"}}"#;
    let result = Some(raw(said_by_model));
    stream.answer(vec![Reply { key: questions[0].key.clone(), result }]).await;
    let answered = peer.wait(|seen| seen.id() == "\"q\"").await;
    assert!(answered.text.contains(said_by_model));
    let asked = peer.asked("tools/call").pop().unwrap();
    assert_eq!(answered.path, asked.path);
    peer.push(2, &format!("data: {}\n\n", said(&asked, "as you like")));
    assert_eq!(text(&finish(stream).await.1.unwrap()), "as you like");
    assert_eq!(peer.asked("tools/call").len(), 1);
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_there_and_its_late_answer_is_nobodys() {
    let peer = OldPeer::start(|seen| if seen.tool() == "query" { silent() } else { hi(seen) }).await;
    let rig = rig(old(&peer));
    rig.refresh().await.unwrap();
    let mut stream = rig.open(rig.call("query", "{}")).await.unwrap();
    let asked = peer.wait(|seen| seen.tool() == "query").await;
    stream.cancel().await;
    let UpstreamEvent::Done(Err(fault)) = stream.next().await else { panic!() };
    assert_eq!((fault.reason, fault.sent), (Reason::Cancelled, Sent::Maybe));
    let told = peer.wait(|seen| seen.method() == "notifications/cancelled").await;
    let which = told.body.get("params").and_then(|p| p.get("requestId")).unwrap();
    assert_eq!((which.canonical(), told.path), (asked.id(), asked.path.clone()));
    peer.push(2, &format!("data: {}\n\n", said(&asked, "late")));
    assert_eq!(text(&rig.say("echo", "x").await.unwrap()), "hi");
    assert_eq!(peer.opened(), 2, "a cancelled call costs no connection");
}

#[tokio::test]
async fn a_call_without_an_answer_ends_in_time_and_is_cancelled() {
    let peer = OldPeer::start(|_| silent()).await;
    let rig = rig(old(&peer));
    rig.refresh().await.unwrap();
    let mut call = rig.call("echo", "{}");
    call.deadline = Duration::from_millis(300);
    let fault = rig.run(call).await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamTimeout, Sent::Maybe));
    peer.wait(|seen| seen.method() == "notifications/cancelled").await;
    assert_eq!(peer.asked("tools/call").len(), 1);
}

#[tokio::test]
async fn announced_changes_are_listed_before_the_next_call() {
    let peer = OldPeer::behaving(
        |stream| crate::old_peer::endpoint(&format!("/messages?s={stream}")),
        |seen| match seen.method() {
            "initialize" => event(&result(
                seen,
                r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}}}"#,
            )),
            "tools/list" if seen.id() == "2" => event(&result(seen, TOOLS)),
            "tools/list" => event(&result(seen, &TOOLS.replace("echo", "echo2"))),
            "tools/call" => hi(seen),
            _ => silent(),
        },
    )
    .await;
    let rig = rig(ServerConfig { shareable: true, ..old(&peer) });
    rig.refresh().await.unwrap();
    let call = rig.call("echo", "{}");
    peer.push(1, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n");
    rig.listed(2).await;
    let fault = rig.run(call).await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::DefinitionChanged, Sent::No));
    assert!(peer.asked("tools/call").is_empty());
}

#[tokio::test]
async fn credentials_go_with_every_request_and_never_come_back() {
    let peer = OldPeer::start(|seen| event(&said(seen, "you are planted-own-bearer"))).await;
    let mut config = old(&peer);
    let Transport::Http(target) = &mut config.transport else { panic!() };
    target.bearer = Some(SecretText::known(Secret::new("planted-own-bearer".to_owned())));
    let rig = rig(config);
    rig.refresh().await.unwrap();
    for lease in [Lease::NoCredentialNeeded, Lease::Bearer(Secret::new("planted-lease-bearer".to_owned()))] {
        let mut call = rig.call("echo", "{}");
        call.lease = lease;
        let fault = rig.run(call).await.unwrap_err();
        assert_eq!(fault.reason, Reason::UpstreamViolation);
        assert!(!fault.private.contains("planted"));
    }
    let own = "Bearer planted-own-bearer";
    assert!(peer.all().iter().all(|seen| seen.header("authorization").is_some()));
    assert_eq!(peer.all()[0].header("authorization"), Some(own));
    assert_eq!(peer.asked("tools/call")[1].header("authorization"), Some("Bearer planted-lease-bearer"));
}

#[tokio::test]
async fn a_session_the_server_forgot_is_begun_anew_for_the_next_call_only() {
    let peer = OldPeer::start(|seen| if seen.path.ends_with("=2") { refused(404) } else { hi(seen) }).await;
    let rig = rig(old(&peer));
    rig.refresh().await.unwrap();
    let fault = rig.say("echo", "x").await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamUnavailable, Sent::Maybe));
    assert_eq!(peer.asked("tools/call").len(), 1, "it is not sent again");
    assert_eq!(text(&rig.say("echo", "x").await.unwrap()), "hi");
    assert_eq!(peer.opened(), 3);
}
