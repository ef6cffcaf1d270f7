//! Servers that make tasks of calls (extension `io.modelcontextprotocol/tasks`). Each test asserts what the server is told
//! and what is believed of what it says.

use model::client::ClientCapabilities as Can;
use model::denial::Reason;
use model::method::Method;
use model::tool::{PinnedTool, Risk, ToolRef};
use ports::upstream::{Answer, Forward, UpstreamFault};

use crate::peer::{Peer, Reply, Seen, TOOLS, error, json, modern, result};
use crate::support::{Rig, able, name, raw, rig, site};

const NEW: &str = r#"{"resultType":"task","taskId":"t/1","status":"working","createdAt":"2026-11-21T10:00:00Z","lastUpdatedAt":"2026-11-21T10:00:00Z","ttlMs":null}"#;

/// A stateless server with the extension.
fn tasked(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> impl Fn(&Seen) -> Reply + Send + Sync {
    move |seen| match seen.method() {
        "server/discover" => json(
            200,
            "",
            &result(
                seen,
                r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}}"#,
            ),
        ),
        "tools/list" => json(200, "", &result(seen, TOOLS)),
        "tools/call" | "tasks/get" => answer(seen),
        _ => json(404, "", &error(&seen.id(), -32601, "Method not found")),
    }
}

fn can() -> Can {
    able().with(Can::SERVER_TASKS)
}

fn made(rig: &Rig) -> Forward {
    Forward { client: can(), ..rig.call("echo", "{}") }
}

/// A look after a task.
fn look(rig: &Rig, client: Can) -> Forward {
    let tool = ToolRef { server: name(), tool: Method::GetServerTask.operation().unwrap() };
    let definition = registry::operation::definition(Method::GetServerTask).unwrap().digest();
    let tool = PinnedTool { name: tool, definition, risk: Risk::Read };
    let arguments = raw(r#"{"taskId":"t/1"}"#);
    Forward { tool, arguments, client, server_task: Some(can()), ..rig.call("echo", "{}") }
}

async fn run(
    answer: &'static str,
    forward: impl Fn(&Rig) -> Forward,
) -> (Result<Answer, UpstreamFault>, Seen) {
    let peer = Peer::start(tasked(move |seen| json(200, "", &result(seen, answer)))).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let answer = rig.run(forward(&rig)).await;
    let seen = peer.wait(|seen| ["tools/call", "tasks/get"].contains(&seen.method())).await;
    (answer, seen)
}

#[tokio::test]
async fn a_task_is_taken_from_a_server_that_was_told_so() {
    let (answer, seen) = run(NEW, made).await;
    let Ok(Answer::ServerTask { result, id, asks }) = answer else { panic!("{answer:?}") };
    assert_eq!((result.as_str(), &*id, asks.len()), (NEW, "t/1", 0));
    assert!(seen.text.contains(r#""extensions":{"io.modelcontextprotocol/tasks":{}}}"#), "{}", seen.text);
}

#[tokio::test]
async fn a_task_that_nobody_offered_to_take_or_that_is_none_breaks_the_protocol() {
    let untold = |rig: &Rig| Forward { client: able(), ..rig.call("echo", "{}") };
    let (answer, seen) = run(NEW, untold).await;
    assert_eq!(answer.unwrap_err().reason, Reason::UpstreamViolation);
    assert!(!seen.text.contains("extensions"), "{}", seen.text);
    for wrong in [
        r#"{"resultType":"task","taskId":"t/1"}"#,
        r#"{"resultType":"task","taskId":"","status":"working","createdAt":"2026-11-21T10:00:00Z","lastUpdatedAt":"2026-11-21T10:00:00Z","ttlMs":1}"#,
        r#"{"resultType":"task","taskId":"t","status":"completed","createdAt":"2026-11-21T10:00:00Z","lastUpdatedAt":"2026-11-21T10:00:00Z","ttlMs":1,"result":{}}"#,
    ] {
        assert_eq!(run(wrong, made).await.0.unwrap_err().reason, Reason::UpstreamViolation, "{wrong}");
    }
}

#[tokio::test]
async fn a_server_is_asked_about_its_task_by_its_own_name_and_answers_about_no_other() {
    const STATE: &str = r#"{"resultType":"complete","taskId":"t/1","status":"input_required","createdAt":"2026-11-21T10:00:00Z","lastUpdatedAt":"2026-11-21T10:00:00Z","ttlMs":5,"inputRequests":{"r":{"method":"roots/list"},"p":{"method":"elicitation/create","params":{"mode":"url","message":"m","url":"http://evil.example/"}}}}"#;
    let (answer, seen) = run(STATE, |rig| look(rig, can())).await;
    let Ok(Answer::ServerTask { id, asks, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!(seen.header("mcp-name"), Some("t/1"));
    let keys: Vec<_> = asks.iter().map(|asked| (&*asked.key, asked.method)).collect();
    assert_eq!(
        (&*id, keys),
        ("t/1", vec![("r", Method::ListRoots)]),
        "nobody is sent to a page in the clear"
    );

    let (answer, _) = run(STATE, |rig| look(rig, Can::SERVER_TASKS)).await;
    assert!(
        matches!(answer, Ok(Answer::ServerTask { asks, .. }) if asks.is_empty()),
        "nobody declared to answer"
    );

    for wrong in [
        r#"{"resultType":"complete","taskId":"t/2","status":"working","createdAt":"2026-11-21T10:00:00Z","lastUpdatedAt":"2026-11-21T10:00:00Z","ttlMs":5}"#,
        r#"{"resultType":"complete","taskId":"t/1","status":"working","createdAt":"2026-11-21T10:00:00Z","lastUpdatedAt":"2026-11-21T10:00:00Z","ttlMs":5,"inputRequests":{}}"#,
        r#"{"resultType":"complete","content":[]}"#,
        NEW,
    ] {
        let (answer, _) = run(wrong, |rig| look(rig, can())).await;
        assert_eq!(answer.unwrap_err().reason, Reason::UpstreamViolation, "{wrong}");
    }
}

#[tokio::test]
async fn a_look_goes_where_the_task_was_made_whatever_the_client_can_answer_now() {
    let peer = Peer::start(tasked(|seen| json(200, "", &result(seen, NEW)))).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let discoveries = || peer.asked("server/discover").len();
    drop(rig.run(made(&rig)).await);
    let connected = discoveries();
    drop(rig.run(look(&rig, Can::SERVER_TASKS)).await);
    assert_eq!(discoveries(), connected, "on the same connection");
    drop(rig.run(Forward { server_task: None, ..look(&rig, Can::SERVER_TASKS) }).await);
    assert_eq!(discoveries(), connected + 1, "as a call with other abilities is not");
}

#[tokio::test]
async fn a_server_without_the_extension_has_no_methods_about_tasks() {
    let peer = Peer::start(modern(|seen| json(200, "", &result(seen, NEW)))).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let fault = rig.run(look(&rig, can())).await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::DefinitionChanged, ports::upstream::Sent::No));
    assert_eq!(peer.asked("tasks/get").len(), 0);
}
