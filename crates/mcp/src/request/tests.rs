//! Which methods are carried in which era, and what of their parameters is believed.

use bytes::Bytes;
use model::limits::JsonLimits;
use proptest::prelude::*;

use super::*;
use crate::inbound::{Inbound, parse_body};
use crate::jsonrpc::code;

fn inbound(method: &str, params: &str) -> Inbound {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    parse_body(&Bytes::from(text), &JsonLimits::REQUEST).unwrap()
}

fn read(era: Era, method: &str, params: &str) -> Result<ClientRequest, ProtocolFault> {
    let Inbound::Request(request) = inbound(method, params) else { panic!() };
    request.read(era).map(|(id, request)| {
        assert_eq!(id, RequestId::ours(1));
        request
    })
}

fn call(params: &str) -> Result<Call, ProtocolFault> {
    match read(Era::Legacy, "tools/call", params)? {
        ClientRequest::Call(call) => Ok(*call),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_keeps_its_leaves_byte_for_byte() {
    let call = call(
        r#"{"name":"sql","arguments":{ "n": 9007199254740993, "d":0.10 },
            "_meta":{"progressToken":"p1","traceparent":"00-aa-bb-01","baggage":7,"com.example/x":1}}"#,
    )
    .unwrap();
    assert_eq!(call.name, "sql");
    assert_eq!(call.arguments_raw.as_str(), r#"{ "n": 9007199254740993, "d":0.10 }"#);
    assert_eq!(call.arguments.canonical(), r#"{"d":0.10,"n":9007199254740993}"#);
    assert_eq!(call.progress_token, Some(RequestId::Text("p1".into())));
    assert!(call.meta.wants_progress);
    let trace: Vec<_> = call.meta.trace.iter().map(|(name, value)| (&**name, value.as_str())).collect();
    assert_eq!(trace, [("traceparent", "\"00-aa-bb-01\"")]);
    let (call, token) = call.into_call(Endpoint::All);
    assert_eq!((call.name.as_str(), token.is_some()), ("sql", true));
}

#[test]
fn methods_beside_tools_carry_the_parameters_they_are_known_to_have() {
    let given = r#"{"uri":"a:\u00e9","x":1,"_meta":{"progressToken":3},"name":"n","arguments":{"d":"0"},"cursor":"c",
        "ref":{"type":"ref/prompt","name":"n"},"argument":{"name":"a","value":""},"context":{}}"#;
    for (method, carried) in [
        (Method::ListResources, r#"{"cursor":"c"}"#),
        (Method::ListTemplates, r#"{"cursor":"c"}"#),
        (Method::ReadResource, r#"{"uri":"a:\u00e9"}"#),
        (Method::ListPrompts, r#"{"cursor":"c"}"#),
        (Method::GetPrompt, r#"{"name":"n","arguments":{"d":"0"}}"#),
        (
            Method::Complete,
            r#"{"ref":{"type":"ref/prompt","name":"n"},"argument":{"name":"a","value":""},"context":{}}"#,
        ),
    ] {
        for era in [Era::Legacy, Era::Modern] {
            let Ok(ClientRequest::Call(call)) = read(era, method.as_str(), given) else {
                panic!("{method:?}")
            };
            assert_eq!((call.method, call.name.as_str()), (method, ""));
            assert_eq!(call.arguments_raw.as_str(), carried);
            let (_, parsed) = RawJson::parse(Bytes::from(carried), &JsonLimits::REQUEST).unwrap();
            assert_eq!(call.arguments.canonical(), parsed.canonical(), "what is decided on is what is sent");
            assert!(call.meta.wants_progress);
        }
    }
}

#[test]
fn absent_arguments_are_the_empty_object() {
    let call = call(r#"{"name":"now"}"#).unwrap();
    assert_eq!((call.arguments_raw.as_str(), call.arguments.canonical().as_str()), ("{}", "{}"));
    assert_eq!((call.progress_token, call.meta.wants_progress), (None, false));
}

#[test]
fn s39_malformed_calls_are_errors_and_nothing_else() {
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(257));
    for params in [
        "{}",
        r#"{"name":5}"#,
        r#"{"name":null}"#,
        r#"{"name":["a"]}"#,
        r#"{"name":"a","arguments":"str"}"#,
        r#"{"name":"a","arguments":null}"#,
        r#"{"name":"a","arguments":[1]}"#,
        r#"{"name":"a","_meta":{"progressToken":null}}"#,
        r#"{"name":"a","_meta":{"progressToken":1.5}}"#,
        &long,
    ] {
        let fault = call(params).expect_err(params);
        assert_eq!((fault.status, fault.error.code), (200, code::INVALID_PARAMS), "{params}");
        assert_eq!(fault.id, Some(RequestId::ours(1)));
    }
    call(&format!(r#"{{"name":"{}"}}"#, "x".repeat(256))).unwrap();
}

fn retry(era: Era, method: &str, params: &str) -> Result<(Retry, String), ProtocolFault> {
    match read(era, method, params)? {
        ClientRequest::Call(call) => Ok((call.retry, call.arguments_raw.as_str().to_owned())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers_of_the_client_are_no_arguments_of_the_call() {
    let round = r#""requestState":"s","inputResponses":{"a":{ "action":"decline" },"b":{}}"#;
    for (method, own, carried) in [
        ("tools/call", r#""name":"t","arguments":{"x":1}"#, r#"{"x":1}"#),
        ("resources/read", r#""uri":"a:b""#, r#"{"uri":"a:b"}"#),
        ("prompts/get", r#""name":"p""#, r#"{"name":"p"}"#),
    ] {
        let params = format!("{{{own},{round}}}");
        let (asked, arguments) = retry(Era::Modern, method, &params).unwrap();
        assert_eq!((asked.state.as_deref(), arguments.as_str()), (Some("s"), carried), "{method}");
        let responses: Vec<_> = asked.responses.iter().map(|(key, value)| (&**key, value.as_str())).collect();
        assert_eq!(responses, [("a", r#"{ "action":"decline" }"#), ("b", "{}")]);
        let (asked, arguments) = retry(Era::Legacy, method, &params).unwrap();
        assert_eq!((asked.state.is_some(), asked.responses.len(), arguments.as_str()), (false, 0, carried));
    }
}

#[test]
fn s29_a_request_state_that_no_call_can_have_is_refused() {
    let many: Vec<_> = (0..33).map(|number| format!(r#""k{number}":{{}}"#)).collect();
    for (method, round) in [
        ("completion/complete", r#""requestState":"x""#.to_owned()),
        ("resources/list", r#""requestState":"x""#.to_owned()),
        ("tools/call", r#""requestState":7"#.to_owned()),
        ("tools/call", format!(r#""requestState":"{}""#, "x".repeat(8193))),
        ("tools/call", r#""inputResponses":[]"#.to_owned()),
        ("tools/call", r#""inputResponses":{"a":"accept"}"#.to_owned()),
        ("tools/call", format!(r#""inputResponses":{{"{}":{{}}}}"#, "k".repeat(1025))),
        ("tools/call", format!(r#""inputResponses":{{{}}}"#, many.join(","))),
    ] {
        let fault = retry(Era::Modern, method, &format!(r#"{{"name":"a",{round}}}"#)).expect_err(&round);
        assert_eq!((fault.status, fault.error.code), (200, code::INVALID_PARAMS), "{method} {round}");
    }
}

proptest! {
    #[test]
    fn whatever_is_answered_the_call_stays_the_same(
        state in proptest::option::of("\\PC{0,64}"),
        keys in proptest::collection::btree_set("[a-z]{1,8}", 0..40),
    ) {
        let keys: Vec<_> = keys.iter().map(|key| format!(r#""{key}":{{"action":"cancel"}}"#)).collect();
        let mut params = format!(r#"{{"name":"t","arguments":{{"n":1}},"inputResponses":{{{}}}"#, keys.join(","));
        if let Some(state) = &state {
            params.push_str(r#","requestState":"#);
            model::json::write_string(&mut params, state);
        }
        params.push('}');
        match retry(Era::Modern, "tools/call", &params) {
            Ok((asked, arguments)) => {
                prop_assert_eq!(arguments, r#"{"n":1}"#);
                prop_assert_eq!(asked.state.as_deref(), state.as_deref());
                prop_assert_eq!(asked.responses.len(), keys.len());
            }
            Err(_) => prop_assert!(keys.len() > 32),
        }
    }
}

#[test]
fn a_session_has_a_log_level() {
    let level = |era, params| match read(era, "logging/setLevel", params) {
        Ok(ClientRequest::SetLogLevel(level)) => Ok(level),
        Ok(other) => panic!("{other:?}"),
        Err(fault) => Err(fault.error.code),
    };
    assert_eq!(level(Era::Legacy, r#"{"level":"error"}"#), Ok(LogLevel::Error));
    for wrong in ["{}", r#"{"level":"loud"}"#, r#"{"level":3}"#] {
        assert_eq!(level(Era::Legacy, wrong), Err(code::INVALID_PARAMS), "{wrong}");
    }
    assert_eq!(level(Era::Modern, r#"{"level":"error"}"#), Err(code::METHOD_NOT_FOUND));
}

#[test]
fn s42_methods_are_carried_only_in_their_era() {
    let modern = [
        "tools/list",
        "server/discover",
        "resources/list",
        "prompts/get",
        "completion/complete",
        "tasks/get",
    ];
    let legacy = ["tools/list", "ping", "resources/read", "prompts/list", "resources/subscribe"];
    let never =
        ["initialize ", "Ping", "resources/Subscribe", "prompts/Get", "tasks/list", "tasks/result", ""];
    for method in modern {
        assert!(read(Era::Modern, method, "{}").is_ok(), "{method}");
    }
    for method in legacy {
        assert!(read(Era::Legacy, method, "{}").is_ok(), "{method}");
    }
    for (era, method) in never
        .iter()
        .flat_map(|method| [(Era::Modern, *method), (Era::Legacy, *method)])
        .chain([(Era::Modern, "ping"), (Era::Modern, "initialize"), (Era::Legacy, "server/discover")])
        .chain([(Era::Modern, "resources/subscribe"), (Era::Modern, "resources/unsubscribe")])
        .chain(Method::ON_SERVER_TASKS.map(|method| (Era::Legacy, method.as_str())))
    {
        let fault = read(era, method, "{}").expect_err(method);
        let status = if era == Era::Modern { 404 } else { 200 };
        assert_eq!((fault.status, fault.error.code), (status, code::METHOD_NOT_FOUND), "{method}");
        assert_eq!(fault.reason(), model::denial::Reason::UnknownMethod);
    }
}

#[test]
fn lists_take_a_cursor() {
    let cursor = |params: &str| match read(Era::Modern, "tools/list", params) {
        Ok(ClientRequest::ListTools { cursor }) => Ok(cursor),
        Ok(other) => panic!("{other:?}"),
        Err(fault) => Err(fault.error.code),
    };
    assert_eq!(cursor("{}"), Ok(None));
    assert_eq!(cursor(r#"{"cursor":""}"#), Ok(Some(String::new())));
    assert_eq!(cursor(r#"{"cursor":3}"#), Err(code::INVALID_PARAMS));
}

#[test]
fn initialize_says_who_and_which_revision() {
    let params = r#"{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"c","version":"1"}}"#;
    let Ok(ClientRequest::Initialize(initialize)) = read(Era::Legacy, "initialize", params) else { panic!() };
    assert_eq!(initialize.protocol_version, "2025-11-25");
    assert_eq!(initialize.client, ClientCapabilities::ROOTS);
    assert_eq!(initialize.client_info.unwrap().as_str(), r#"{"name":"c","version":"1"}"#);
    for bad in [
        "{}",
        r#"{"protocolVersion":1}"#,
        r#"{"protocolVersion":"x","capabilities":[]}"#,
        r#"{"protocolVersion":"x","capabilities":{"sampling":1}}"#,
    ] {
        assert!(read(Era::Legacy, "initialize", bad).is_err(), "{bad}");
    }
}

#[test]
fn notifications_are_typed_and_never_errors() {
    let read = |method: &str, params: &str| {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
        match parse_body(&Bytes::from(text), &JsonLimits::REQUEST).unwrap() {
            Inbound::Notification(notification) => notification.read(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(read("notifications/initialized", "{}"), ClientNotification::Initialized);
    let cancelled = read("notifications/cancelled", r#"{"requestId":"a","reason":"x"}"#);
    assert_eq!(cancelled, ClientNotification::Cancelled { request: RequestId::Text("a".into()) });
    assert_eq!(read("notifications/cancelled", "{}"), ClientNotification::Other);
    assert_eq!(read("notifications/progress", "{}"), ClientNotification::Progress);
    assert_eq!(read("tools/call", "{}"), ClientNotification::Other);
}

#[test]
fn a_subscription_names_what_it_wants_in_the_right_types() {
    let listen = |params: &str| match read(Era::Modern, "subscriptions/listen", params) {
        Ok(ClientRequest::Listen(wanted)) => Ok(wanted),
        Ok(other) => panic!("{other:?}"),
        Err(fault) => Err(fault.error.code),
    };
    assert_eq!(listen(r#"{"notifications":{}}"#), Ok(Listen::default()));
    let all = r#"{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":false,
        "resourceSubscriptions":["a:b","a:c","a:b"],"taskIds":["t"],"later":7}}"#;
    let uris = vec![Box::from("a:b"), Box::from("a:c")];
    let wanted = Listen { tools: true, prompts: true, resources: false, uris, tasks: true };
    assert_eq!(listen(all), Ok(wanted));
    let many = |count| {
        let uris: Vec<_> = (0..count).map(|number| format!("\"a:{number}\"")).collect();
        format!(r#"{{"notifications":{{"resourceSubscriptions":[{}]}}}}"#, uris.join(","))
    };
    assert_eq!(listen(&many(64)).unwrap().uris.len(), 64);
    assert_eq!(listen(&many(65)), Err(code::INVALID_PARAMS));
    for wrong in [
        "{}",
        r#"{"notifications":true}"#,
        r#"{"notifications":{"toolsListChanged":"yes"}}"#,
        r#"{"notifications":{"promptsListChanged":1}}"#,
        r#"{"notifications":{"resourceSubscriptions":[1]}}"#,
        r#"{"notifications":{"taskIds":"t"}}"#,
    ] {
        assert_eq!(listen(wrong), Err(code::INVALID_PARAMS), "{wrong}");
    }
    assert!(read(Era::Legacy, "subscriptions/listen", all).is_err(), "sessions have streams of their own");
}

#[test]
fn subscribing_is_a_method_of_its_own_where_there_are_sessions() {
    let uri = r#"{"uri":"a:b","extra":1}"#;
    let Ok(ClientRequest::Call(call)) = read(Era::Legacy, "resources/subscribe", uri) else { panic!() };
    assert_eq!((call.method, call.arguments_raw.as_str()), (Method::Subscribe, r#"{"uri":"a:b"}"#));
    let ended = read(Era::Legacy, "resources/unsubscribe", uri).unwrap();
    assert!(matches!(ended, ClientRequest::Unsubscribe { uri } if *uri == *"a:b"));
    for wrong in ["{}", r#"{"uri":1}"#] {
        let fault = read(Era::Legacy, "resources/unsubscribe", wrong).unwrap_err();
        assert_eq!(fault.error.code, code::INVALID_PARAMS);
    }
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let fault = read(Era::Modern, method, uri).unwrap_err();
        assert_eq!((fault.error.code, fault.status), (code::METHOD_NOT_FOUND, 404), "{method}");
    }
}
