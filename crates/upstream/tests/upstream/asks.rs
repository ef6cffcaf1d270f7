//! HTTP servers that ask before they answer, of both eras. Each test asserts what the client is asked, and what the
//! server is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model::client::{ClientCapabilities, LogLevel};
use model::denial::Reason;
use model::json::Json;
use model::method::Method;
use ports::sealed::SecretText;
use ports::secret::Secret;
use ports::upstream::{Answer, Forward, ResultStream, Sent, UpstreamEvent, Upstreams as _};
use upstream::Transport;

use crate::peer::{
    Peer, Reply, Seen, Step, TOOLS, error, events, json, legacy, modern, result, said, whole_events,
};
use crate::support::{Rig, able, agent, asks, finish, reply, rig, site, text};

const FORM: &str = r#"{"message":"Na\u006de?","requestedSchema":{ "type":"object" }}"#;

fn ask(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

fn able_call(rig: &Rig) -> Forward {
    Forward { client: able(), ..rig.call("echo", "{}") }
}

async fn opened(rig: &Rig) -> Box<dyn ResultStream> {
    rig.open(able_call(rig)).await.unwrap()
}

/// Says to the caller how the question was answered.
fn echo(call: &Seen, answer: &Seen) -> Vec<String> {
    let said_with = |answer: &str| answer.replace('\\', "\\\\").replace('"', "\\\"");
    vec![said(call, &said_with(&answer.text))]
}

/// One that asks this once, and tells how it was answered.
fn asking(questions: &'static [&'static str]) -> impl Fn(&Seen) -> Reply + Send + Sync {
    legacy(move |_| {
        let questions: Vec<String> = questions.iter().map(|&question| question.to_owned()).collect();
        [events(&questions), vec![Step::Answered("\"q\"", echo), crate::peer::end()]].concat()
    })
}

const ELICIT: &str = r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"Na\u006de?","requestedSchema":{ "type":"object" },"_meta":{}}}"#;
const ROOTS: &str = r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#;
const SAMPLE: &str =
    r#"{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{"messages":[],"maxTokens":9}}"#;

#[tokio::test]
async fn a_legacy_servers_question_is_asked_and_answered_under_its_own_id() {
    let peer = Peer::start(asking(&[ELICIT])).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let mut stream = opened(&rig).await;
    let questions = asks(&mut stream).await;
    assert_eq!((questions.len(), questions[0].method), (1, Method::Elicit));
    assert_eq!(questions[0].params_raw.as_str(), FORM);
    assert_eq!(questions[0].params.get("message").and_then(Json::as_str), Some("Name?"));
    reply(&mut stream, &[(&questions[0].key, Some(r#"{ "action":"accept","content":{"n":0.10} }"#))]).await;
    let answer = text(&finish(stream).await.1.unwrap());
    assert_eq!(answer, r#"{"jsonrpc":"2.0","id":"q","result":{ "action":"accept","content":{"n":0.10} }}"#);
    assert_eq!(peer.asked("tools/call").len(), 1, "never sent again");
    let answered = peer.wait(|seen| seen.id() == "\"q\"").await;
    assert_eq!(answered.header("mcp-session-id"), Some("session-2"));
}

#[tokio::test]
async fn a_refused_question_is_declined_or_an_error() {
    for (question, want) in [
        (&[ELICIT], r#""result":{"action":"decline"}"#),
        (&[SAMPLE], r#""error":{"code":-1,"#),
        (&[ROOTS], r#""error":{"code":-1,"#),
    ] {
        let peer = Peer::start(asking(question)).await;
        let rig = rig(site(peer.url.clone()));
        rig.refresh().await.unwrap();
        let mut stream = opened(&rig).await;
        let questions = asks(&mut stream).await;
        reply(&mut stream, &[(&questions[0].key, None)]).await;
        let answer = text(&finish(stream).await.1.unwrap());
        assert!(answer.contains(want), "{answer}");
    }
}

#[tokio::test]
async fn questions_wait_for_their_turn_while_other_events_pass() {
    const SECOND: &str = r#"{"jsonrpc":"2.0","id":"r","method":"roots/list"}"#;
    const LOG: &str =
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"x"}}"#;
    let peer = Peer::start(legacy(|_| {
        let three = [ROOTS, SECOND, LOG].map(str::to_owned);
        [events(&three), vec![Step::Answered("\"r\"", echo), crate::peer::end()]].concat()
    }))
    .await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let mut stream = rig.open(Forward { log: Some(LogLevel::Info), ..able_call(&rig) }).await.unwrap();
    let first = asks(&mut stream).await;
    assert!(matches!(stream.next().await, UpstreamEvent::Log(_)), "the second waits");
    reply(&mut stream, &[(&first[0].key, Some(r#"{"roots":[]}"#))]).await;
    let second = asks(&mut stream).await;
    assert_ne!(second[0].key, first[0].key);
    reply(&mut stream, &[(&second[0].key, Some(r#"{"roots":[ ]}"#))]).await;
    assert!(text(&finish(stream).await.1.unwrap()).contains(r#"{"roots":[ ]}"#));
}

#[tokio::test]
async fn the_server_is_told_exactly_what_the_client_can_and_asks_nothing_else() {
    let form_only = ClientCapabilities::ELICIT_FORM;
    let url = r#"{"mode":"url","message":"m","url":"https://a.example/"}"#;
    let peer = Peer::start(legacy(move |_| {
        let asked = [ask("\"u\"", "elicitation/create", url), ask("\"q\"", "roots/list", "{}")];
        [events(&asked), vec![Step::Answered("\"q\"", echo), crate::peer::end()]].concat()
    }))
    .await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let mut call = able_call(&rig);
    call.client = form_only;
    assert!(text(&rig.run(call).await.unwrap()).contains("-32601"));
    let told = peer.wait(|seen| seen.id() == "\"u\"").await;
    assert!(told.text.contains("-32602"), "{}", told.text);
    let declared: Vec<_> = peer
        .asked("initialize")
        .iter()
        .map(|one| one.body.get("params").and_then(|p| p.get("capabilities")).unwrap().canonical())
        .collect();
    assert_eq!(declared, ["{}", r#"{"elicitation":{"form":{}}}"#], "listing needs no client");
}

#[tokio::test]
async fn each_kind_of_client_has_a_session_of_its_own_and_all_end_with_the_agent() {
    let peer = Peer::start(legacy(|seen| json(200, "", &said(seen, "hi")))).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    for client in [ClientCapabilities::NONE, ClientCapabilities::ROOTS, able(), ClientCapabilities::ROOTS] {
        rig.run(Forward { client, ..rig.call("echo", "{}") }).await.unwrap();
    }
    let sessions: Vec<_> =
        peer.asked("tools/call").iter().map(|c| c.header("mcp-session-id").unwrap().to_owned()).collect();
    assert_eq!(sessions, ["session-2", "session-3", "session-4", "session-3"]);
    rig.upstreams.forget(&agent("a")).await;
    assert_eq!(peer.all().iter().filter(|seen| seen.http_method == "DELETE").count(), 4);
}

#[tokio::test]
async fn an_agent_has_few_sessions_however_many_kinds_of_clients_it_shows() {
    let peer = Peer::start(legacy(|seen| match seen.tool() {
        "query" => events(&[]),
        _ => json(200, "", &said(seen, "hi")),
    }))
    .await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let call = |tool, client| Forward { client, ..rig.call(tool, "{}") };
    let abilities = [
        ClientCapabilities::ROOTS,
        ClientCapabilities::SAMPLING,
        ClientCapabilities::ELICIT_FORM,
        ClientCapabilities::ELICIT_URL,
    ];
    let with = |kinds: Vec<ClientCapabilities>, one: ClientCapabilities| -> Vec<_> {
        kinds.iter().copied().chain(kinds.iter().map(|kind| kind.with(one))).collect()
    };
    let kinds = abilities.into_iter().fold(vec![ClientCapabilities::NONE], with);
    let one_more = ClientCapabilities::SAMPLING.with(ClientCapabilities::SAMPLING_TOOLS);
    let another = ClientCapabilities::SAMPLING.with(ClientCapabilities::SAMPLING_CONTEXT);
    for client in &kinds {
        rig.run(call("echo", *client)).await.unwrap();
    }
    rig.run(call("echo", kinds[0])).await.unwrap();
    rig.run(call("echo", one_more)).await.unwrap();
    let ended = peer
        .wait(|seen| seen.http_method == "DELETE" && seen.header("mcp-session-id") != Some("session-1"))
        .await;
    assert_eq!(ended.header("mcp-session-id"), Some("session-3"), "the one that was unused longest");
    let mut open = Vec::new();
    for client in [kinds[0], one_more].into_iter().chain(kinds[2..].iter().copied()) {
        open.push(rig.open(call("query", client)).await.unwrap());
    }
    let fault = rig.run(call("echo", another)).await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::LimitExceeded, Sent::No), "{fault}");
    let other = Forward { agent: agent("b"), ..call("echo", another) };
    assert_eq!(text(&rig.run(other).await.unwrap()), "hi");
    drop(open.pop());
    assert_eq!(text(&rig.run(call("echo", another)).await.unwrap()), "hi");
}

#[tokio::test]
async fn a_server_that_agents_share_is_told_of_no_client() {
    let peer = Peer::start(asking(&[ELICIT])).await;
    let mut config = site(peer.url.clone());
    config.shareable = true;
    let rig = rig(config);
    rig.refresh().await.unwrap();
    let (_, answer) = finish(opened(&rig).await).await;
    assert!(text(&answer.unwrap()).contains("-32601"));
    let declared =
        peer.asked("initialize")[0].body.get("params").and_then(|p| p.get("capabilities")).cloned();
    assert_eq!(declared, Some(Json::Object(Vec::new())));
}

#[tokio::test]
async fn what_a_hostile_server_asks_ends_the_call() {
    let many: Vec<String> = (0..20).map(|n| ask(&n.to_string(), "roots/list", "{}")).collect();
    let pings: Vec<String> = (0..65).map(|n| ask(&n.to_string(), "ping", "{}")).collect();
    let leak = r#"{"message":"canary-credential","requestedSchema":{}}"#.to_owned();
    let long = format!(r#"{{"message":"{}","requestedSchema":{{}}}}"#, "x".repeat(3000));
    let elicit = |params: &str| vec![ask("1", "elicitation/create", params)];
    for (asked, want) in [
        (many, Reason::UpstreamViolation),
        (pings, Reason::UpstreamViolation),
        (elicit(&leak), Reason::UpstreamViolation),
        (elicit(&long), Reason::LimitExceeded),
    ] {
        let peer = Peer::start(legacy(move |_| [events(&asked), vec![Step::Hang]].concat())).await;
        let mut config = site(peer.url.clone());
        let Transport::Http(target) = &mut config.transport else { panic!() };
        target.bearer = Some(SecretText::known(Secret::new("canary-credential".to_owned())));
        let rig = rig(config);
        rig.refresh().await.unwrap();
        let mut stream = rig.open(Forward { bytes_max: 2000, ..able_call(&rig) }).await.unwrap();
        let fault = loop {
            match stream.next().await {
                UpstreamEvent::Done(answer) => break answer.unwrap_err(),
                UpstreamEvent::Asks(questions) => {
                    assert!(!questions[0].params_raw.as_str().contains("canary"));
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((fault.reason, fault.sent), (want, Sent::Maybe), "{fault}");
        assert!(!fault.private.contains("canary"));
        peer.wait(|seen| seen.method() == "notifications/cancelled").await;
    }
}

#[tokio::test]
async fn a_question_nobody_answers_in_time_ends_the_call_and_the_server_is_told() {
    let peer = Peer::start(legacy(|_| [events(&[ELICIT.to_owned()]), vec![Step::Hang]].concat())).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let mut call = able_call(&rig);
    call.answer_within = Duration::from_millis(20);
    let mut stream = rig.open(call).await.unwrap();
    asks(&mut stream).await;
    let UpstreamEvent::Done(Err(fault)) = stream.next().await else { panic!() };
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamTimeout, Sent::Maybe));
    let told = peer.wait(|seen| seen.id() == "\"q\"").await;
    assert!(told.text.contains(r#""error":{"code":-1"#), "{}", told.text);
    peer.wait(|seen| seen.method() == "notifications/cancelled").await;
    // An answer that comes after the end goes nowhere.
    let before = peer.all().len();
    reply(&mut stream, &[("1", Some("{}"))]).await;
    assert_eq!(peer.all().len(), before);
}

#[tokio::test]
async fn the_clients_time_is_not_the_servers_and_the_servers_begins_anew() {
    let asks_of_echo = asking(&[ELICIT]);
    let peer = Peer::start(move |seen| match seen.tool() {
        "query" => json(200, "", &said(seen, "hi")),
        _ => asks_of_echo(seen),
    })
    .await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    // What follows is timed, so its session has begun before.
    rig.run(Forward { client: able(), ..rig.call("query", "{}") }).await.unwrap();
    let call = Forward { deadline: Duration::from_millis(900), ..able_call(&rig) };
    let mut stream = rig.open(call).await.unwrap();
    let questions = asks(&mut stream).await;
    let early = tokio::time::timeout(Duration::from_millis(1000), stream.next()).await;
    assert!(early.is_err(), "the client has longer than the server");
    reply(&mut stream, &[(&questions[0].key, Some("{}"))]).await;
    assert!(finish(stream).await.1.is_ok());
}

#[tokio::test]
async fn what_the_server_takes_back_is_not_asked() {
    const BACK: &str = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"r"}}"#;
    let peer = Peer::start(legacy(|_| {
        let messages = [ROOTS.to_owned(), ask("\"r\"", "roots/list", "{}"), BACK.to_owned()];
        [events(&messages), vec![Step::Answered("\"q\"", echo), crate::peer::end()]].concat()
    }))
    .await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let mut stream = opened(&rig).await;
    let first = asks(&mut stream).await;
    let quiet = tokio::time::timeout(Duration::from_millis(200), stream.next()).await;
    assert!(quiet.is_err());
    reply(&mut stream, &[(&first[0].key, Some("{}"))]).await;
    assert!(finish(stream).await.1.is_ok());
}

/// A stateless one that wants this of the first call, and tells of the second what it brought.
fn wanting(first: &'static str) -> impl Fn(&Seen) -> Reply + Send + Sync {
    let calls = AtomicUsize::new(0);
    modern(move |seen| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => json(200, "", &result(seen, first)),
        _ => json(200, "", &said(seen, "done")),
    })
}

#[tokio::test]
async fn a_stateless_server_gets_the_same_call_again_with_answers_and_its_state_to_the_byte() {
    let peer = Peer::start(wanting(
        r#"{"resultType":"input_required","inputRequests":{"e":{"method":"elicitation/create","params":{"message":"m","requestedSchema":{}}},"r":{"method":"roots/list","params":{}},"s":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}},"requestState":"a\u0062\/c"}"#,
    ))
    .await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let call = Forward { client: able(), ..rig.call("query", r#"{ "region":"eu" }"#) };
    let mut stream = rig.open(call).await.unwrap();
    let questions = asks(&mut stream).await;
    let keys: Vec<_> = questions.iter().map(|question| &*question.key).collect();
    assert_eq!(keys, ["e", "r", "s"]);
    reply(&mut stream, &[("e", None), ("r", Some(r#"{ "roots":[] }"#)), ("s", None), ("x", Some("{}"))])
        .await;
    assert_eq!(text(&finish(stream).await.1.unwrap()), "done");
    let calls = peer.asked("tools/call");
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0].id(), calls[1].id());
    let brought = r#""arguments":{ "region":"eu" },"inputResponses":{"e":{"action":"decline"},"r":{ "roots":[] }},"requestState":"a\u0062\/c","_meta":"#;
    assert!(calls[1].text.contains(brought), "{}", calls[1].text);
    for call in &calls {
        assert_eq!(call.header("mcp-param-region"), Some("eu"));
        assert_eq!(call.header("mcp-name"), Some("query"));
        let declared = r#""io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{},"url":{}},"sampling":{"context":{},"tools":{}},"roots":{}}"#;
        assert!(call.text.contains(declared), "{}", call.text);
    }
}

#[tokio::test]
async fn a_server_that_only_wants_to_be_called_again_is_not_at_once() {
    let peer = Peer::start(wanting(r#"{"resultType":"input_required","requestState":"s"}"#)).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let mut stream = opened(&rig).await;
    assert!(asks(&mut stream).await.is_empty());
    let since = std::time::Instant::now();
    reply(&mut stream, &[]).await;
    assert_eq!(text(&finish(stream).await.1.unwrap()), "done");
    assert!(since.elapsed() >= Duration::from_millis(250));
    let again = &peer.asked("tools/call")[1];
    assert!(again.text.contains(r#""requestState":"s""#) && !again.text.contains("inputResponses"));
}

#[tokio::test]
async fn nobody_is_sent_to_a_page_in_the_clear() {
    let peer = Peer::start(wanting(
        r#"{"resultType":"input_required","inputRequests":{"u":{"method":"elicitation/create","params":{"mode":"url","message":"m","url":"http://evil.example/"}}}}"#,
    ))
    .await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let mut stream = opened(&rig).await;
    assert!(asks(&mut stream).await.is_empty(), "declined without asking");
    reply(&mut stream, &[]).await;
    assert!(finish(stream).await.1.is_ok());
    assert!(peer.asked("tools/call")[1].text.contains(r#""inputResponses":{"u":{"action":"decline"}}"#));
}

#[tokio::test]
async fn a_stateless_server_that_asks_what_it_may_not_breaks_the_protocol() {
    let one = r#"{"method":"roots/list"}"#;
    let many: Vec<_> = (0..33).map(|n| format!(r#""{n}":{one}"#)).collect();
    for (wanted, can) in [
        (
            format!(r#"{{"resultType":"input_required","inputRequests":{{"a":{one}}}}}"#),
            ClientCapabilities::NONE,
        ),
        (format!(r#"{{"resultType":"input_required","inputRequests":{{{}}}}}"#, many.join(",")), able()),
        (r#"{"resultType":"input_required"}"#.to_owned(), able()),
        (format!(r#"{{"resultType":"input_required","requestState":"{}"}}"#, "x".repeat(70_000)), able()),
        (
            r#"{"resultType":"input_required","inputRequests":{"a":{"method":"tools/call"}}}"#.to_owned(),
            able(),
        ),
        (r#"{"resultType":"task","taskId":"t"}"#.to_owned(), able()),
    ] {
        let peer = Peer::start(modern(move |seen| json(200, "", &result(seen, &wanted)))).await;
        let rig = rig(site(peer.url.clone()));
        rig.refresh().await.unwrap();
        let fault = rig.run(Forward { client: can, ..rig.call("echo", "{}") }).await.unwrap_err();
        assert_eq!((fault.reason, fault.sent), (Reason::UpstreamViolation, Sent::Maybe), "{fault}");
    }
}

#[tokio::test]
async fn the_definition_is_compared_again_before_a_call_is_sent_again() {
    let listed = AtomicUsize::new(0);
    let base = wanting(r#"{"resultType":"input_required","requestState":"s"}"#);
    let peer = Peer::start(move |seen| match seen.method() {
        // Listed for discovery and for the agent; then it is another.
        "tools/list" if listed.fetch_add(1, Ordering::SeqCst) > 1 => {
            json(200, "", &result(seen, &TOOLS.replace("\"echo\",", "\"echo\",\"description\":\"new\",")))
        }
        "tools/call" => {
            let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
            let wants = r#"{"resultType":"input_required","requestState":"s"}"#;
            whole_events(&[changed.to_owned(), result(seen, wants)])
        }
        _ => base(seen),
    })
    .await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let mut stream = opened(&rig).await;
    asks(&mut stream).await;
    reply(&mut stream, &[]).await;
    let fault = finish(stream).await.1.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::DefinitionChanged, Sent::Maybe));
    assert_eq!(peer.asked("tools/call").len(), 1);
}

#[tokio::test]
async fn only_log_messages_that_were_asked_for_pass() {
    let peer = Peer::start(legacy(|seen| {
        let log = |level: &str| {
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","logger":"l","data":{{ "n":1e400 }}}}}}"#)
        };
        whole_events(&[log("info"), log("warning"), log("emergency"), log("loud"), said(seen, "done")])
    }))
    .await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    assert_eq!(text(&rig.say("echo", "x").await.unwrap()), "done", "nobody asked");
    let call = Forward { log: Some(LogLevel::Warning), ..rig.call("echo", "{}") };
    let mut stream = rig.open(call).await.unwrap();
    let mut levels = Vec::new();
    loop {
        match stream.next().await {
            UpstreamEvent::Log(message) => {
                assert_eq!(message.data.as_str(), r#"{ "n":1e400 }"#);
                levels.push(message.level);
            }
            UpstreamEvent::Done(Ok(Answer::Result { .. })) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(levels, [LogLevel::Warning, LogLevel::Emergency]);
    assert!(peer.asked("logging/setLevel").is_empty(), "it does not declare to take it");
}

#[tokio::test]
async fn a_session_is_told_the_lowest_level_wanted_so_far() {
    let base = legacy(|seen| json(200, "", &said(seen, "hi")));
    let peer = Peer::start(move |seen| match seen.method() {
        "initialize" => {
            let body = r#"{"protocolVersion":"2025-11-25","capabilities":{"logging":{},"tools":{}},"serverInfo":{"name":"l","version":"1"}}"#;
            json(200, "", &result(seen, body))
        }
        "logging/setLevel" => json(200, "", &error(&seen.id(), -32603, "no")),
        _ => base(seen),
    })
    .await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    for log in
        [None, Some(LogLevel::Error), Some(LogLevel::Info), Some(LogLevel::Error), Some(LogLevel::Info)]
    {
        rig.run(Forward { log, ..rig.call("echo", "{}") }).await.unwrap();
    }
    let level = |seen: &Seen| {
        seen.body.get("params").and_then(|p| p.get("level")).and_then(Json::as_str).unwrap().to_owned()
    };
    assert_eq!(peer.asked("logging/setLevel").iter().map(level).collect::<Vec<_>>(), ["error", "info"]);
}
