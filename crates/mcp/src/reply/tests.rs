//! What an upstream may say, and what is a violation.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<UpstreamMessage, UpstreamViolation> {
    read_message(&Bytes::copy_from_slice(text.as_bytes()), &JsonLimits::UPSTREAM)
}

#[track_caller]
fn result(text: &str) -> UpstreamResult {
    match read(&format!(r#"{{"jsonrpc":"2.0","id":5,"result":{text}}}"#)).unwrap() {
        UpstreamMessage::Response { id: Some(5), outcome: Outcome::Result(result) } => result,
        other => panic!("{other:?}"),
    }
}

fn notification(text: &str) -> UpstreamNotification {
    match read(text).unwrap() {
        UpstreamMessage::Notification(notification) => notification,
        other => panic!("{other:?}"),
    }
}

#[test]
fn results_are_kept_raw_and_can_be_looked_into() {
    let call = result(r#"{ "content":[], "isError":true, "n":1e400 }"#);
    assert_eq!(call.raw().as_str(), r#"{ "content":[], "isError":true, "n":1e400 }"#);
    assert!(call.is_error() && call.kind() == ResultKind::Complete);
    assert!(!result(r#"{"isError":"true"}"#).is_error());
    assert_eq!(call.member_raw("n").unwrap().as_str(), "1e400");
}

#[test]
fn lists_give_each_definition_as_it_was_written() {
    let list = result(r#"{"tools":[ {"name":"a", "x":[1,2]},{"name":"b"} ],"nextCursor":"","ttlMs":-5}"#);
    let tools = list.tools().unwrap();
    let tools: Vec<_> = tools.iter().map(RawJson::as_str).collect();
    assert_eq!(tools, [r#"{"name":"a", "x":[1,2]}"#, r#"{"name":"b"}"#]);
    assert_eq!((list.next_cursor(), list.ttl_millis()), (Some(""), 0));
    assert!(result("{}").tools().is_none() && result(r#"{"tools":{}}"#).tools().is_none());
    assert_eq!(result(r#"{"tools":[]}"#).tools().unwrap().len(), 0);
}

#[test]
fn handshakes_can_be_looked_into() {
    let initialize =
        result(r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s"}}"#);
    assert_eq!(initialize.protocol_version(), Some("2025-11-25"));
    assert_eq!(initialize.capabilities().unwrap().as_str(), r#"{"tools":{}}"#);
    let discover = result(r#"{"supportedVersions":["2026-07-28",3],"ttlMs":3600000}"#);
    assert_eq!(discover.supported_versions().unwrap(), ["2026-07-28"]);
    assert_eq!(discover.ttl_millis(), 3_600_000);
}

#[test]
fn result_types() {
    for (text, kind) in [
        ("{}", ResultKind::Complete),
        (r#"{"resultType":"complete"}"#, ResultKind::Complete),
        (r#"{"resultType":"input_required"}"#, ResultKind::InputRequired),
        (r#"{"resultType":"task"}"#, ResultKind::Task),
        (r#"{"resultType":"else"}"#, ResultKind::Unknown),
        (r#"{"resultType":""}"#, ResultKind::Unknown),
        (r#"{"resultType":null}"#, ResultKind::Unknown),
    ] {
        assert_eq!(result(text).kind(), kind, "{text}");
    }
}

#[test]
fn errors_keep_code_and_data_and_are_cut() {
    let long = "é".repeat(4000);
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":-32000,"message":"{long}","data":{{"a":1}}}}}}"#
    );
    let Ok(UpstreamMessage::Response { id: Some(1), outcome: Outcome::Error(error) }) = read(&text) else {
        panic!()
    };
    assert_eq!((error.code, error.message.len()), (-32000, 4096));
    assert_eq!(error.data.unwrap().as_str(), r#"{"a":1}"#);
}

#[test]
fn ids_that_are_not_ours_match_nothing() {
    for id in ["\"5\"", "null", "-5", "5.0", "99999999999999999999999", "true"] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        assert!(matches!(read(&text), Ok(UpstreamMessage::Response { id: None, .. })), "{id}");
    }
    assert!(matches!(
        read(r#"{"jsonrpc":"2.0","error":{"code":1,"message":""}}"#),
        Ok(UpstreamMessage::Response { id: None, .. })
    ));
}

#[test]
fn notifications() {
    let progress = notification(
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":3,"progress":0.50,"total":1,"message":"m"}}"#,
    );
    let UpstreamNotification::Progress(progress) = progress else { panic!() };
    assert_eq!((progress.token, progress.progress.as_str()), (3, "0.50"));
    assert_eq!((progress.total.unwrap().as_str(), progress.message.unwrap().as_str()), ("1", "\"m\""));
    for params in
        ["{}", r#"{"progressToken":"a","progress":1}"#, r#"{"progressToken":1,"progress":"1"}"#, "[]"]
    {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{params}}}"#);
        assert!(matches!(notification(&text), UpstreamNotification::Other), "{params}");
    }
    assert!(matches!(
        notification(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#),
        UpstreamNotification::ToolsChanged
    ));
}

#[test]
fn log_messages_keep_their_texts_and_need_a_known_level_and_data() {
    let log = |params: &str| {
        notification(&format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{params}}}"#))
    };
    let UpstreamNotification::Log(message) = log(r#"{"level":"alert","logger":"db","data":{ "n":1e400 }}"#)
    else {
        panic!()
    };
    assert_eq!((message.level, message.data.as_str()), (LogLevel::Alert, r#"{ "n":1e400 }"#));
    assert_eq!(message.logger.unwrap().as_str(), "\"db\"");
    assert!(
        matches!(log(r#"{"level":"info","logger":5,"data":1}"#), UpstreamNotification::Log(m) if m.logger.is_none())
    );
    for bad in ["{}", r#"{"level":"info"}"#, r#"{"level":"loud","data":1}"#, r#"{"level":1,"data":1}"#, "[]"]
    {
        assert!(matches!(log(bad), UpstreamNotification::Other), "{bad}");
    }
}

#[test]
fn what_a_server_declares_is_read() {
    let offers = result(r#"{"capabilities":{"logging":{},"prompts":{}}}"#).offers();
    assert!(offers.logging && !offers.tools, "{offers:?}");
    assert!(!result(r#"{"capabilities":{"tools":{}}}"#).offers().logging);
    let extended =
        r#""capabilities":{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{},"x/y":{}}}"#;
    let stateless = format!(r#"{{"supportedVersions":["2026-07-28"],{extended}}}"#);
    assert_eq!(result(&stateless).offers().methods, Method::ON_SERVER_TASKS);
    let session = format!(r#"{{"protocolVersion":"2025-11-25",{extended}}}"#);
    assert_eq!(result(&session).offers().methods, [], "the tasks of that revision are others");
}

#[test]
fn every_server_request_gets_an_answer() {
    for (method, want) in [
        ("ping", r#"{"jsonrpc":"2.0","id":"srv-9","result":{}}"#),
        (
            "sampling/createMessage",
            r#"{"jsonrpc":"2.0","id":"srv-9","error":{"code":-32601,"message":"Method not found"}}"#,
        ),
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":"srv-9","method":"{method}","params":{{}}}}"#);
        let Ok(UpstreamMessage::Request(request)) = read(&text) else { panic!() };
        assert_eq!(request.answer(), want);
    }
}

#[test]
fn lies_are_violations() {
    for text in [
        "",
        "not json",
        "[]",
        "{}",
        r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#,
        r#"{"id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":5}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"message":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1.5}}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#,
        r#"{"jsonrpc":"2.0","method":5}"#,
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn a_result_of_another_shape_is_told_apart() {
    for (result, good) in [
        (r#"{"content":[],"isError":false}"#, true),
        (r#"{"structuredContent":5}"#, true),
        (r#"{"content":"text"}"#, false),
        (r#"{"content":[],"isError":"maybe"}"#, false),
        (r#"{"content":null}"#, false),
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        let Ok(UpstreamMessage::Response { outcome: Outcome::Result(result), .. }) = read(&text) else {
            panic!("{text}");
        };
        assert_eq!(result.has_shape(Method::CallTool), good, "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        drop(read_message(&Bytes::from(bytes), &JsonLimits::UPSTREAM));
    }

    #[test]
    fn mutated_messages_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}],"resultType":"complete","isError":false}}"#.to_vec();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(UpstreamMessage::Response { outcome: Outcome::Result(result), .. }) =
            read_message(&Bytes::from(text), &JsonLimits::UPSTREAM)
        {
            drop((result.tools(), result.kind(), result.is_error()));
        }
    }
}

#[test]
fn a_server_announces_what_it_may_and_no_more_is_read() {
    let heard = |method: &str, params: &str| {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{params}}}"#);
        match read_message(&Bytes::from(text), &JsonLimits::UPSTREAM).unwrap() {
            UpstreamMessage::Notification(UpstreamNotification::Announced(said)) => Some(said),
            UpstreamMessage::Notification(UpstreamNotification::Other) => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(heard("prompts/list_changed", "{}"), Some(Announcement::Prompts));
    assert_eq!(heard("resources/list_changed", "{}"), Some(Announcement::Resources));
    let updated = heard("resources/updated", r#"{"uri":"a:b","title":"x","contents":[]}"#);
    assert_eq!(updated, Some(Announcement::Updated("a:b".into())));
    assert_eq!(heard("resources/updated", r#"{"uri":7}"#), None);
    let long = format!(r#"{{"uri":"{}"}}"#, "x".repeat(URI_BYTES_MAX + 1));
    assert_eq!(heard("resources/updated", &long), None);
    let granted = r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":7},"notifications":{"resourceSubscriptions":["a:b"]}}"#;
    let expected = Announcement::Granted { subscription: 7, uris: vec!["a:b".into()] };
    assert_eq!(heard("subscriptions/acknowledged", granted), Some(expected));
    assert_eq!(heard("subscriptions/acknowledged", r#"{"notifications":{}}"#), None, "of no request");
}
