//! What servers say of their own accord. Each test asserts what an agent would hear, or what the server sees of us.

use std::sync::Arc;
use std::time::Duration;

use model::client::ClientCapabilities;
use model::denial::Reason;
use model::method::Method;
use model::tool::{PinnedTool, Risk, ToolRef};
use ports::changes::{Change, Changes, Listening, Subscribed};
use ports::sealed::SecretText;
use ports::upstream::{Answer, Forward, Sent, UpstreamFault, Upstreams as _};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;
use upstream::{Limits, ServerConfig, Transport};

use crate::peer::{Peer, Reply, Seen, Step, empty, error, events, json, result, said, whole_events};
use crate::support::{Rig, agent, child, name, raw, rig, site, text};

fn told(modern: bool) -> ServerConfig {
    let mut config = child("told.py");
    let Transport::Stdio(command) = &mut config.transport else { panic!() };
    command.argv.extend(modern.then(|| SecretText::plain("modern")));
    config
}

fn subscription(rig: &Rig, uri: &str) -> Forward {
    let definition = registry::operation::definition(Method::Subscribe).unwrap().digest();
    let tool = ToolRef { server: name(), tool: Method::Subscribe.operation().unwrap() };
    let tool = PinnedTool { name: tool, definition, risk: Risk::Write };
    Forward { arguments: raw(&format!(r#"{{"uri":"{uri}"}}"#)), ..rig.call_with(tool) }
}

async fn subscribe(rig: &Rig, uri: &str) -> Box<dyn Changes> {
    match rig.upstreams.subscribe(subscription(rig, uri)).await.unwrap() {
        Subscribed::To(changes) => changes,
        Subscribed::Refused(answer) => panic!("{answer:?}"),
    }
}

async fn listen(rig: &Rig, whose: &str) -> Box<dyn Changes> {
    let (server, client) = (name(), ClientCapabilities::NONE);
    let listening = Listening { server, agent: agent(whose), client, prompts: true, resources: false };
    rig.upstreams.listen(listening).await.unwrap()
}

fn updated(uri: &str) -> Option<Change> {
    Some(Change::Updated(Box::from(uri)))
}

/// What it hears next, at once: whatever a server says before it answers is heard when its answer is.
async fn now(changes: &mut Box<dyn Changes>) -> Option<Change> {
    timeout(Duration::from_millis(1), changes.next()).await.ok().flatten()
}

async fn asked(rig: &Rig) -> String {
    text(&rig.say("asked", "").await.unwrap())
}

#[tokio::test]
async fn an_agent_hears_of_what_it_subscribed_to_and_of_nothing_else() {
    for modern in [false, true] {
        let rig = rig(told(modern));
        rig.refresh().await.unwrap();
        let mut folder = subscribe(&rig, "a:/f").await;
        let mut other = subscribe(&rig, "a:/g").await;
        for uri in ["a:/f", "a:/f", "a:/f/x", "a:/h", "prompts/list_changed"] {
            rig.say("say", uri).await.unwrap();
        }
        assert_eq!(folder.next().await, updated("a:/f"), "modern: {modern}");
        assert_eq!(folder.next().await, updated("a:/f/x"));
        assert_eq!(now(&mut folder).await, None);
        assert_eq!(now(&mut other).await, None);
    }
}

#[tokio::test]
async fn one_agents_subscription_is_not_heard_by_another() {
    for shareable in [false, true] {
        let mut config = told(false);
        config.shareable = shareable;
        let rig = rig(config);
        rig.refresh().await.unwrap();
        let mut hers = subscribe(&rig, "a:/f").await;
        let his = Forward { agent: agent("b"), ..subscription(&rig, "a:/g") };
        let Subscribed::To(mut his) = rig.upstreams.subscribe(his).await.unwrap() else { panic!() };
        rig.say("say", "a:/g").await.unwrap();
        assert_eq!(now(&mut hers).await, None, "shareable: {shareable}");
        assert_eq!(now(&mut his).await, if shareable { updated("a:/g") } else { None });
    }
}

#[tokio::test]
async fn a_server_is_asked_once_for_all_and_told_when_the_last_has_gone() {
    let rig = rig(told(false));
    rig.refresh().await.unwrap();
    let first = subscribe(&rig, "a:b").await;
    let second = subscribe(&rig, "a:b").await;
    let other = subscribe(&rig, "a:c").await;
    assert_eq!(asked(&rig).await, r#"[["subscribe", "a:b"], ["subscribe", "a:c"]]"#);
    drop(first);
    drop(other);
    let both = r#"[["subscribe", "a:b"], ["subscribe", "a:c"], ["unsubscribe", "a:c"]]"#;
    until(&rig, both).await;
    drop(second);
    until(&rig, &both.replace("]]", r#"], ["unsubscribe", "a:b"]]"#)).await;
}

#[tokio::test]
async fn a_stateless_child_has_one_subscription_of_all_that_is_wanted() {
    let rig = rig(told(true));
    rig.refresh().await.unwrap();
    let first = subscribe(&rig, "a:b").await;
    let mut second = subscribe(&rig, "a:c").await;
    let one = r#"["listen", {"toolsListChanged": true, "resourceSubscriptions": ["a:b"]}]"#;
    let two = r#"["listen", {"toolsListChanged": true, "resourceSubscriptions": ["a:b", "a:c"]}], ["ended"]"#;
    until(&rig, &format!("[{one}, {two}]")).await;
    drop(first);
    let three = r#"["listen", {"toolsListChanged": true, "resourceSubscriptions": ["a:c"]}], ["ended"]"#;
    until(&rig, &format!("[{one}, {two}, {three}]")).await;
    rig.say("say", "a:c").await.unwrap();
    assert_eq!(second.next().await, updated("a:c"));
    drop(second);
    until(&rig, &format!(r#"[{one}, {two}, {three}, ["ended"]]"#)).await;
}

/// Asks until the server says so: it is told beside calls.
async fn until(rig: &Rig, expected: &str) {
    let mut said = String::new();
    for _ in 0..1000 {
        said = asked(rig).await;
        if said == expected {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{said}\nis not {expected}");
}

#[tokio::test]
async fn what_a_server_refuses_is_refused_and_leaves_nothing() {
    for modern in [false, true] {
        let rig = rig(told(modern));
        rig.refresh().await.unwrap();
        let refused = rig.upstreams.subscribe(subscription(&rig, "none:x")).await.unwrap();
        let Subscribed::Refused(Answer::Error { code, .. }) = refused else { panic!("modern: {modern}") };
        assert_eq!(code, -32602);
        let mut changes = subscribe(&rig, "a:b").await;
        rig.say("say", "a:b").await.unwrap();
        assert_eq!(changes.next().await, updated("a:b"));
    }
}

#[tokio::test]
async fn a_definition_that_was_not_decided_on_is_not_subscribed_to() {
    let rig = rig(told(false));
    rig.refresh().await.unwrap();
    let mut wrong = subscription(&rig, "a:b");
    wrong.tool.definition = rig.tool("say").definition;
    let fault = rig.upstreams.subscribe(wrong).await.err().unwrap();
    assert_eq!((fault.reason, fault.sent), (Reason::DefinitionChanged, Sent::No));
    assert_eq!(asked(&rig).await, "[]");
    let rig = crate::support::rig(child("good.py"));
    rig.refresh().await.unwrap();
    let fault = rig.upstreams.subscribe(subscription(&rig, "a:b")).await.err().unwrap();
    assert_eq!(fault.reason, Reason::DefinitionChanged, "it declares no subscriptions");
}

#[tokio::test]
async fn a_child_that_died_is_subscribed_to_again_and_what_was_missed_is_told() {
    for modern in [false, true] {
        let mut config = told(modern);
        config.limits = Limits { backoff_first: Duration::from_millis(5), ..config.limits };
        let rig = rig(config);
        rig.refresh().await.unwrap();
        let mut changes = subscribe(&rig, "a:b").await;
        rig.say("die", "").await.unwrap_err();
        assert_eq!(changes.next().await, updated("a:b"), "modern: {modern}");
        while !asked(&rig).await.contains("a:b") {}
        rig.say("say", "a:b").await.unwrap();
        assert_eq!(changes.next().await, updated("a:b"));
    }
}

#[tokio::test]
async fn lists_are_heard_from_the_first_call_on_and_start_nothing() {
    for modern in [false, true] {
        let rig = rig(told(modern));
        rig.refresh().await.unwrap();
        let mut prompts = listen(&rig, "a").await;
        let mut hers = listen(&rig, "b").await;
        assert!(!rig.work_dir.join("s/agent-a").exists(), "a child was started");
        rig.say("say", "resources/list_changed").await.unwrap();
        assert_eq!(now(&mut prompts).await, None, "not wanted");
        rig.say("say", "prompts/list_changed").await.unwrap();
        assert_eq!(prompts.next().await, Some(Change::Prompts), "modern: {modern}");
        assert_eq!(now(&mut hers).await, None, "of another agent's child");
    }
}

#[tokio::test]
async fn an_agent_that_is_forgotten_hears_nothing_more() {
    let rig = rig(told(false));
    rig.refresh().await.unwrap();
    let mut changes = subscribe(&rig, "a:b").await;
    let mut lists = listen(&rig, "a").await;
    rig.upstreams.forget(&agent("a")).await;
    assert_eq!((changes.next().await, lists.next().await), (None, None));
    let mut again = subscribe(&rig, "a:b").await;
    rig.upstreams.shutdown().await;
    assert_eq!(again.next().await, None);
}

type Voice = Arc<Mutex<mpsc::UnboundedReceiver<String>>>;

const OFFERS: &str =
    r#""capabilities":{"tools":{},"resources":{"subscribe":true},"prompts":{"listChanged":true}}"#;

fn updates(uri: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"{uri}"}}}}"#)
}

/// A server with sessions, whose stream says what comes out of the channel; of each session once.
fn with_stream(
    voice: Voice,
    knows: impl Fn(&str) -> bool + Send + Sync,
) -> impl Fn(&Seen) -> Reply + Send + Sync {
    let legacy = crate::peer::legacy(|seen| json(200, "", &said(seen, "hi")));
    move |seen| match (seen.http_method.as_str(), seen.method()) {
        ("POST", "initialize") => {
            let mut reply = legacy(seen);
            if let Some(Step::Write(bytes)) = reply.first_mut() {
                let whole = String::from_utf8(std::mem::take(bytes)).unwrap();
                let (head, _) = whole.split_once("\r\n\r\n").unwrap();
                let body = format!(
                    r#"{{"protocolVersion":"2025-11-25",{OFFERS},"serverInfo":{{"name":"l","version":"1"}}}}"#
                );
                let own = whole_events(&[result(seen, &body)]);
                let Some(Step::Write(own)) = own.first() else { panic!() };
                let own = String::from_utf8(own.clone()).unwrap();
                let (_, body) = own.split_once("\r\n\r\n").unwrap();
                *bytes = format!("{head}\r\n\r\n{body}").into_bytes();
            }
            reply
        }
        (_, method) if !method.is_empty() && !knows(seen.header("mcp-session-id").unwrap_or_default()) => {
            json(404, "", &error("null", -32001, "Session not found"))
        }
        ("GET", _) if !knows(seen.header("mcp-session-id").unwrap()) => empty(404, ""),
        ("GET", _) => [events(&[]), vec![Step::Relay(Arc::clone(&voice))]].concat(),
        ("POST", "resources/subscribe" | "resources/unsubscribe") => json(200, "", &result(seen, "{}")),
        _ => legacy(seen),
    }
}

#[tokio::test]
async fn the_stream_of_a_session_is_heard_and_the_server_is_told_when_nobody_listens() {
    let (say, voice) = mpsc::unbounded_channel();
    let peer = Peer::start(with_stream(Arc::new(Mutex::new(voice)), |_| true)).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let mut changes = subscribe(&rig, "a:b").await;
    let get = peer.wait(|seen| seen.http_method == "GET").await;
    assert_eq!(get.header("mcp-session-id"), Some("session-2"), "the agent's own session");
    assert!(get.header("accept").unwrap().contains("text/event-stream"));
    say.send(updates("a:other")).unwrap();
    say.send(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#.to_owned()).unwrap();
    say.send(updates("a:b")).unwrap();
    assert_eq!(changes.next().await, updated("a:b"));
    assert_eq!(now(&mut changes).await, None);
    peer.wait(|seen| seen.id() == r#""p""# && seen.method().is_empty()).await;
    drop(changes);
    let ended = peer.wait(|seen| seen.method() == "resources/unsubscribe").await;
    assert_eq!(ended.header("mcp-session-id"), Some("session-2"));
    assert_eq!(peer.asked("resources/subscribe").len(), 1);
}

#[tokio::test]
async fn a_server_without_a_stream_is_subscribed_to_and_heard_on_its_calls() {
    let peer = Peer::start({
        let (_, voice) = mpsc::unbounded_channel();
        let with_stream = with_stream(Arc::new(Mutex::new(voice)), |_| true);
        move |seen: &Seen| match (seen.http_method.as_str(), seen.method()) {
            ("GET", _) => empty(405, ""),
            (_, "tools/call") => whole_events(&[updates("a:b"), said(seen, "hi")]),
            _ => with_stream(seen),
        }
    })
    .await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let mut changes = subscribe(&rig, "a:b").await;
    rig.say("echo", "x").await.unwrap();
    assert_eq!(changes.next().await, updated("a:b"));
}

#[tokio::test]
async fn a_session_that_is_lost_is_begun_again_with_what_was_subscribed_to() {
    let known = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (_say, voice) = mpsc::unbounded_channel();
    let lost = Arc::clone(&known);
    let knows = move |session: &str| {
        let number: usize = session.strip_prefix("session-").and_then(|n| n.parse().ok()).unwrap_or(0);
        number > lost.load(std::sync::atomic::Ordering::SeqCst)
    };
    let peer = Peer::start(with_stream(Arc::new(Mutex::new(voice)), knows)).await;
    let mut config = site(peer.url.clone());
    config.limits = Limits { backoff_first: Duration::from_millis(5), ..config.limits };
    let rig = rig(config);
    rig.refresh().await.unwrap();
    let mut changes = subscribe(&rig, "a:b").await;
    known.store(2, std::sync::atomic::Ordering::SeqCst);
    rig.say("echo", "x").await.unwrap();
    assert_eq!(changes.next().await, updated("a:b"), "it may have changed meanwhile");
    let again = peer.wait(|seen| {
        seen.method() == "resources/subscribe" && seen.header("mcp-session-id") == Some("session-3")
    });
    again.await;
}

#[tokio::test]
async fn a_stateless_server_is_listened_to_with_one_request_at_a_time() {
    let (say, voice) = mpsc::unbounded_channel();
    let voice: Voice = Arc::new(Mutex::new(voice));
    let peer = Peer::start(move |seen: &Seen| match seen.method() {
        "server/discover" => {
            json(200, "", &result(seen, &format!(r#"{{"supportedVersions":["2026-07-28"],{OFFERS}}}"#)))
        }
        "subscriptions/listen" => {
            let filter = seen.body.get("params").and_then(|p| p.get("notifications")).unwrap().canonical();
            let granted = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{}}},"notifications":{filter}}}}}"#,
                seen.id()
            );
            [events(&[granted]), vec![Step::Relay(Arc::clone(&voice))]].concat()
        }
        _ => crate::peer::modern(|seen| json(200, "", &said(seen, "hi")))(seen),
    })
    .await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let mut first = subscribe(&rig, "a:b").await;
    let mut second = subscribe(&rig, "a:c").await;
    let asked = peer.asked("subscriptions/listen");
    assert_eq!(asked[0].header("mcp-method"), Some("subscriptions/listen"));
    let filters: Vec<_> = asked
        .iter()
        .map(|seen| seen.body.get("params").and_then(|p| p.get("notifications")).unwrap().canonical())
        .collect();
    assert_eq!(
        filters,
        [
            r#"{"resourceSubscriptions":["a:b"],"toolsListChanged":true}"#,
            r#"{"resourceSubscriptions":["a:b","a:c"],"toolsListChanged":true}"#
        ]
    );
    peer.wait_closed(1).await;
    say.send(updates("a:c")).unwrap();
    assert_eq!(second.next().await, updated("a:c"));
    assert_eq!(now(&mut first).await, None);
    drop((first, second));
    peer.wait_closed(2).await;
}

#[tokio::test]
async fn what_holds_a_credential_of_ours_is_not_told() {
    let (say, voice) = mpsc::unbounded_channel();
    let peer = Peer::start(with_stream(Arc::new(Mutex::new(voice)), |_| true)).await;
    let mut config = site(peer.url.clone());
    let Transport::Http(target) = &mut config.transport else { panic!() };
    target.bearer = Some(SecretText::known(ports::secret::Secret::new("top-secret-token".to_owned())));
    let rig = rig(config);
    rig.refresh().await.unwrap();
    let mut changes = subscribe(&rig, "a:/").await;
    say.send(updates("a:/top-secret-token")).unwrap();
    say.send(updates("a:/fine")).unwrap();
    assert_eq!(changes.next().await, updated("a:/fine"));
    assert_eq!(now(&mut changes).await, None);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_said_to_be_so() {
    // An address where nobody listens any more.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let rig = rig(site(format!("http://{address}/mcp")));
    let fault: UpstreamFault = rig.upstreams.subscribe(subscription(&rig, "a:b")).await.err().unwrap();
    assert_eq!(fault.reason, Reason::UpstreamUnavailable);
}
