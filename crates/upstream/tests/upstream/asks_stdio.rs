//! Children that ask before they answer, of both eras, and children that log. Each test asserts what the client is asked,
//! and what the child is told.

use std::time::Duration;

use model::client::{ClientCapabilities, LogLevel};
use model::denial::Reason;
use model::json::Json;
use model::method::Method;
use ports::sealed::SecretText;
use ports::secret::Secret;
use ports::upstream::{Forward, ResultStream, Sent, UpstreamEvent};
use upstream::Transport;

use crate::support::{Rig, able, asks, child, finish, raw, reply, rig, text, tree};

async fn ready(file: &str) -> Rig {
    let rig = rig(child(file));
    rig.refresh().await.unwrap();
    rig
}

fn call(rig: &Rig, tool: &str) -> Forward {
    Forward { client: able(), ..rig.call(tool, "{}") }
}

async fn opened(rig: &Rig, tool: &str) -> Box<dyn ResultStream> {
    rig.open(call(rig, tool)).await.unwrap()
}

async fn ended(mut stream: Box<dyn ResultStream>) -> (Reason, Sent) {
    loop {
        match stream.next().await {
            UpstreamEvent::Done(answer) => {
                let fault = answer.unwrap_err();
                return (fault.reason, fault.sent);
            }
            UpstreamEvent::Asks(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_childs_question_is_asked_and_answered_under_its_own_id() {
    let rig = ready("asks.py").await;
    let mut stream = opened(&rig, "elicit").await;
    let questions = asks(&mut stream).await;
    assert_eq!((questions.len(), questions[0].method), (1, Method::Elicit));
    assert!(questions[0].params.get("_meta").is_none());
    reply(&mut stream, &[(&questions[0].key, Some(r#"{"action":"accept","content":{"n":1}}"#))]).await;
    let answer = tree(&raw(&text(&finish(stream).await.1.unwrap())));
    assert_eq!(answer.get("id").and_then(Json::as_str), Some("q"));
    assert_eq!(
        answer.get("result").map(Json::canonical).unwrap(),
        r#"{"action":"accept","content":{"n":1}}"#
    );
}

#[tokio::test]
async fn a_refused_question_is_declined() {
    let rig = ready("asks.py").await;
    let mut stream = opened(&rig, "elicit").await;
    let questions = asks(&mut stream).await;
    reply(&mut stream, &[(&questions[0].key, None)]).await;
    assert!(text(&finish(stream).await.1.unwrap()).contains(r#""action": "decline""#));
}

#[tokio::test]
async fn a_child_is_told_exactly_what_its_client_can() {
    let rig = ready("asks.py").await;
    for (client, want) in [
        (ClientCapabilities::NONE, "{}"),
        (ClientCapabilities::SAMPLING, r#"{"sampling": {}}"#),
        (
            ClientCapabilities::ELICIT_URL.with(ClientCapabilities::ROOTS),
            r#"{"elicitation": {"url": {}}, "roots": {}}"#,
        ),
    ] {
        assert_eq!(rig.text(Forward { client, ..rig.call("declared", "{}") }).await, want);
    }
    let names: Vec<_> =
        std::fs::read_dir(rig.work_dir.join("s")).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "a directory of its own for each, and for the list: {names:?}");
    let plain = Forward { client: ClientCapabilities::SAMPLING, ..rig.call("elicit", "{}") };
    assert!(rig.text(plain).await.contains("-32601"), "what was not declared is not asked");
}

#[tokio::test]
async fn a_question_without_a_call_is_refused() {
    let rig = ready("asks.py").await;
    assert_eq!(rig.text(call(&rig, "later")).await, "done");
    let mut heard = String::new();
    while !heard.contains("alone") {
        heard = rig.text(call(&rig, "told")).await;
    }
    assert!(heard.contains("-32601"), "{heard}");
}

#[tokio::test]
async fn a_child_that_agents_share_asks_nobody() {
    let mut config = child("asks.py");
    config.shareable = true;
    let rig = rig(config);
    rig.refresh().await.unwrap();
    assert_eq!(rig.text(call(&rig, "declared")).await, "{}");
    assert!(rig.text(call(&rig, "elicit")).await.contains("-32601"));
    let logging = Forward { log: Some(LogLevel::Debug), ..call(&rig, "log") };
    let (_, answer) = finish(rig.open(logging).await.unwrap()).await;
    assert_eq!(text(&answer.unwrap()), "done", "nor does anybody hear what it logs");
}

#[tokio::test]
async fn a_flood_of_questions_or_a_credential_in_one_ends_the_call_alone() {
    let mut config = child("asks.py");
    let Transport::Stdio(command) = &mut config.transport else { panic!() };
    let secret = SecretText::known(Secret::new("canary-credential".to_owned()));
    command.env.push(("SECRET".to_owned(), secret));
    let rig = rig(config);
    rig.refresh().await.unwrap();
    for tool in ["flood", "leak"] {
        assert_eq!(ended(opened(&rig, tool).await).await, (Reason::UpstreamViolation, Sent::Maybe), "{tool}");
    }
    assert!(rig.text(call(&rig, "declared")).await.contains("roots"), "the child serves on");
}

#[tokio::test]
async fn a_question_nobody_answers_in_time_ends_the_call_and_the_child_is_told() {
    let rig = ready("asks.py").await;
    let mut stream =
        rig.open(Forward { answer_within: Duration::from_millis(20), ..call(&rig, "hang") }).await.unwrap();
    asks(&mut stream).await;
    assert_eq!(ended(stream).await, (Reason::UpstreamTimeout, Sent::Maybe));
    let heard = rig.text(call(&rig, "told")).await;
    assert!(heard.contains(r#""code": -1"#), "{heard}");
}

#[tokio::test]
async fn what_a_child_takes_back_is_not_asked() {
    let rig = ready("asks.py").await;
    let mut stream = opened(&rig, "withdraw").await;
    let first = asks(&mut stream).await;
    let quiet = tokio::time::timeout(Duration::from_millis(200), stream.next()).await;
    assert!(quiet.is_err());
    reply(&mut stream, &[(&first[0].key, Some("{}"))]).await;
    assert!(finish(stream).await.1.is_ok());
}

#[tokio::test]
async fn a_stateless_child_gets_the_same_call_again_with_answers_and_its_state_to_the_byte() {
    let rig = ready("modern_asks.py").await;
    let mut stream = opened(&rig, "ask").await;
    let questions = asks(&mut stream).await;
    let keys: Vec<_> = questions.iter().map(|question| &*question.key).collect();
    assert_eq!(keys, ["e", "r"]);
    reply(&mut stream, &[("e", None), ("r", Some(r#"{ "roots":[] }"#))]).await;
    let line = text(&finish(stream).await.1.unwrap());
    let brought = r#""arguments":{},"inputResponses":{"e":{"action":"decline"},"r":{ "roots":[] }},"requestState":"a\u0062\/c","_meta":"#;
    assert!(line.contains(brought), "{line}");
    assert!(line.contains(r#"clientCapabilities":{"elicitation":{"form":{},"url":{}}"#), "{line}");
}

#[tokio::test]
async fn a_stateless_child_that_asks_nothing_is_called_again_and_one_that_may_not_ask_is_not() {
    let rig = ready("modern_asks.py").await;
    let mut stream = opened(&rig, "again").await;
    assert!(asks(&mut stream).await.is_empty());
    reply(&mut stream, &[]).await;
    let line = text(&finish(stream).await.1.unwrap());
    assert!(line.contains(r#""requestState":"s""#) && !line.contains("inputResponses"), "{line}");
    let fault = rig.run(rig.call("ask", "{}")).await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamViolation, Sent::Maybe));
    let mut late =
        rig.open(Forward { answer_within: Duration::from_millis(20), ..call(&rig, "ask") }).await.unwrap();
    asks(&mut late).await;
    assert_eq!(ended(late).await, (Reason::UpstreamTimeout, Sent::Maybe));
}

#[tokio::test]
async fn a_child_logs_from_the_lowest_level_wanted_and_each_call_hears_its_own() {
    let rig = ready("asks.py").await;
    assert_eq!(rig.text(call(&rig, "log")).await, "done", "nobody asked");
    for (log, want) in [
        (LogLevel::Warning, &["\"warning\"", "\"alert\""][..]),
        (LogLevel::Debug, &["\"debug\"", "\"warning\"", "\"alert\""]),
        (LogLevel::Alert, &["\"alert\""]),
    ] {
        let mut stream = rig.open(Forward { log: Some(log), ..call(&rig, "log") }).await.unwrap();
        let mut heard = Vec::new();
        while let UpstreamEvent::Log(message) = stream.next().await {
            heard.push(message.data.as_str().to_owned());
        }
        assert_eq!(heard, want);
    }
    assert_eq!(rig.text(call(&rig, "levels")).await, r#"["warning", "debug"]"#);
}
