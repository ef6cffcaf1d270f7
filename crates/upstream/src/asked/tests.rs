//! One question at a time, and only what the client said goes back.

use std::sync::Arc;

use mcp::reply::{UpstreamMessage, read_message};
use model::limits::JsonLimits;
use ports::secret::Secret;

use super::*;
use crate::guard::Guard;

const ALL: [ClientCapabilities; 4] = [
    ClientCapabilities::ELICIT_FORM,
    ClientCapabilities::ELICIT_URL,
    ClientCapabilities::SAMPLING,
    ClientCapabilities::ROOTS,
];

fn all() -> ClientCapabilities {
    ALL.into_iter().fold(ClientCapabilities::NONE, ClientCapabilities::with)
}

fn server() -> ServerName {
    ServerName::parse("s").unwrap()
}

fn measure() -> Measure {
    Measure::new(Arc::new(Guard::of([&Secret::new("canary-credential".to_owned())])), 10_000)
}

fn request(id: &str, method: &str, params: &str) -> ServerRequest {
    let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
    match read_message(&Bytes::from(text), &JsonLimits::UPSTREAM).unwrap() {
        UpstreamMessage::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

fn take(asked: &mut Asked, id: &str, method: &str, params: &str) -> Result<Option<String>, Unfit> {
    asked.take((&server(), all()), request(id, method, params), &mut measure()).map(|took| match took {
        Took::Answer(answer) => Some(String::from_utf8(answer.to_vec()).unwrap()),
        Took::Waits => None,
    })
}

fn tell(asked: &mut Asked, result: Option<&str>) -> Option<String> {
    let result =
        result.map(|text| RawJson::parse(Bytes::from(text.to_owned()), &JsonLimits::UPSTREAM).unwrap().0);
    match asked.answered(vec![Reply { key: "any".into(), result }]) {
        Next::Tell(told) => told.map(|told| String::from_utf8(told.to_vec()).unwrap()),
        other => panic!("{other:?}"),
    }
}

const FORM: &str = r#"{"message":"m","requestedSchema":{}}"#;

#[test]
fn one_question_is_asked_at_a_time_and_answered_under_the_servers_own_id() {
    let mut asked = Asked::default();
    assert_eq!(take(&mut asked, "\"e\"", "elicitation/create", FORM), Ok(None));
    assert_eq!(take(&mut asked, "7", "roots/list", "{}"), Ok(None));
    let first = asked.next_question().unwrap();
    assert_eq!((first.method, first.params_raw.as_str()), (Method::Elicit, FORM));
    assert!(asked.next_question().is_none(), "the first is open");
    let told = tell(&mut asked, Some(r#"{ "action":"accept" }"#)).unwrap();
    assert_eq!(told, r#"{"jsonrpc":"2.0","id":"e","result":{ "action":"accept" }}"#);
    let second = asked.next_question().unwrap();
    assert!(second.method == Method::ListRoots && second.key != first.key);
    assert!(tell(&mut asked, None).unwrap().contains(r#""id":7,"error":{"code":-1,"#));
    assert!(matches!(asked.answered(Vec::new()), Next::Nothing));
}

#[test]
fn a_refused_elicitation_is_declined() {
    let mut asked = Asked::default();
    take(&mut asked, "1", "elicitation/create", FORM).unwrap();
    asked.next_question().unwrap();
    assert_eq!(tell(&mut asked, None).unwrap(), r#"{"jsonrpc":"2.0","id":1,"result":{"action":"decline"}}"#);
}

#[test]
fn what_is_no_question_is_answered_at_once() {
    let mut asked = Asked::default();
    let answered = |asked: &mut Asked, method, params| take(asked, "1", method, params).unwrap().unwrap();
    assert!(answered(&mut asked, "ping", "{}").contains(r#""result":{}"#));
    assert!(answered(&mut asked, "tools/call", "{}").contains("-32601"));
    let tools = r#"{"messages":[],"maxTokens":1,"tools":[]}"#;
    assert!(answered(&mut asked, "sampling/createMessage", tools).contains("-32602"));
    assert!(answered(&mut asked, "elicitation/create", "{}").contains("-32602"));
    assert!(asked.next_question().is_none());
}

#[test]
fn nobody_is_sent_to_a_page_in_the_clear_or_with_a_name_in_front() {
    for (url, good) in [
        ("https://login.example/x?y=1#z", true),
        ("HTTPS://login.example", true),
        ("http://127.0.0.1:9/x", true),
        ("http://[::1]/x", true),
        ("http://localhost:8080/x", true),
        ("http://login.example/x", false),
        ("http://localhost.evil.example/", false),
        ("https://bank.example@evil.example/", false),
        ("javascript:alert(1)", false),
        ("file:///etc/passwd", false),
        ("data:text/html,x", false),
        ("https://", false),
        ("https:///x", false),
        ("//evil.example", false),
        ("", false),
        ("https://a.example/ b", false),
    ] {
        let params = format!(r#"{{"mode":"url","message":"m","url":"{url}"}}"#);
        let answered = take(&mut Asked::default(), "1", "elicitation/create", &params).unwrap();
        assert_eq!(answered.is_none(), good, "{url}: {answered:?}");
        assert!(answered.is_none_or(|answer| answer.contains("decline")), "{url}");
    }
}

#[test]
fn a_flood_a_leak_and_too_many_bytes_end_the_call() {
    let mut asked = Asked::default();
    for _ in 0..WAITING_MAX {
        take(&mut asked, "1", "roots/list", "{}").unwrap();
    }
    assert!(matches!(take(&mut asked, "1", "roots/list", "{}"), Err(Unfit::Wrong(_))));
    let mut asked = Asked::default();
    let leak = r#"{"message":"canary-credential","requestedSchema":{}}"#;
    assert_eq!(take(&mut asked, "1", "elicitation/create", leak), Err(Unfit::Leaks));
    let long = format!(r#"{{"message":"{}","requestedSchema":{{}}}}"#, "x".repeat(10_000));
    assert_eq!(take(&mut asked, "1", "elicitation/create", &long), Err(Unfit::TooLarge));
}

#[test]
fn what_the_server_withdraws_is_neither_asked_nor_answered() {
    let mut asked = Asked::default();
    for id in ["1", "2", "3"] {
        take(&mut asked, id, "roots/list", "{}").unwrap();
    }
    asked.next_question().unwrap();
    asked.withdrawn(&RequestId::ours(1));
    asked.withdrawn(&RequestId::ours(2));
    assert!(asked.next_question().is_none(), "the client still has it before it");
    assert_eq!(tell(&mut asked, Some("{}")), None);
    asked.next_question().unwrap();
    assert!(tell(&mut asked, Some("{}")).unwrap().contains(r#""id":3"#));
}

#[test]
fn the_end_of_a_call_answers_what_is_open() {
    let mut asked = Asked::default();
    for id in ["1", "2"] {
        take(&mut asked, id, "roots/list", "{}").unwrap();
    }
    asked.next_question().unwrap();
    let told = asked.given_up();
    assert_eq!(told.len(), 2);
    assert!(
        told.iter().all(|message| std::str::from_utf8(message).unwrap().contains(r#""error":{"code":-1"#))
    );
    assert!(asked.given_up().is_empty() && !asked.open());
}

fn input(text: &str) -> InputRequired {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{text}}}"#);
    match read_message(&Bytes::from(text), &JsonLimits::UPSTREAM).unwrap() {
        UpstreamMessage::Response { outcome: mcp::reply::Outcome::Result(result), .. } => {
            result.input_required(all()).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

fn retried(
    asked: &mut Asked,
    replies: &[(&str, Option<&str>)],
) -> (Option<Vec<(String, String)>>, Option<String>) {
    let reply = |(key, text): &(&str, Option<&str>)| Reply {
        key: Box::from(*key),
        result: text
            .map(|text| RawJson::parse(Bytes::from(text.to_owned()), &JsonLimits::UPSTREAM).unwrap().0),
    };
    let Next::Again(retry) = asked.answered(replies.iter().map(reply).collect()) else { panic!() };
    let wire = retry.wire();
    let text = |raw: &RawJson| raw.as_str().to_owned();
    let responses =
        wire.responses.map(|all| all.iter().map(|(key, raw)| (key.to_string(), text(raw))).collect());
    (responses, wire.state.map(text))
}

#[test]
fn a_stateless_server_gets_the_keys_that_were_answered_and_its_state() {
    let mut asked = Asked::default();
    let wanted = input(
        r#"{"inputRequests":{"e":{"method":"elicitation/create","params":{"message":"m","requestedSchema":{}}},"u":{"method":"elicitation/create","params":{"mode":"url","message":"m","url":"http://evil.example"}},"r":{"method":"roots/list"},"s":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}},"requestState":"a\u0062"}"#,
    );
    let questions = asked.require(&server(), wanted, &mut measure()).unwrap();
    let keys: Vec<_> = questions.iter().map(|question| &*question.key).collect();
    assert_eq!(keys, ["e", "r", "s"], "the page is declined here");
    let (responses, state) =
        retried(&mut asked, &[("r", Some(r#"{"roots":[ ]}"#)), ("e", None), ("x", Some("{}"))]);
    let pair = |key: &str, text: &str| (key.to_owned(), text.to_owned());
    let declined = r#"{"action":"decline"}"#;
    assert_eq!(responses.unwrap(), [pair("u", declined), pair("e", declined), pair("r", r#"{"roots":[ ]}"#)]);
    assert_eq!(state.unwrap(), r#""a\u0062""#);
}

#[test]
fn a_server_that_asks_nothing_gets_its_state_alone() {
    let mut asked = Asked::default();
    assert!(asked.require(&server(), input(r#"{"requestState":"s"}"#), &mut measure()).unwrap().is_empty());
    assert!(asked.open());
    assert_eq!(retried(&mut asked, &[]), (None, Some("\"s\"".to_owned())));
    assert!(matches!(asked.answered(Vec::new()), Next::Nothing));
}
