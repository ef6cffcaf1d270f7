//! What goes upstream is ours but for the leaves, and reads back as what was meant.

use model::client::ClientCapabilities as Can;
use model::json::Json;
use model::limits::JsonLimits;
use proptest::prelude::*;

use super::*;
use crate::inbound::{Inbound, parse_body};

fn us() -> Implementation {
    Implementation::new("callgate", "0.1.0")
}

fn raw(text: &str) -> RawJson {
    RawJson::parse(Bytes::copy_from_slice(text.as_bytes()), &JsonLimits::REQUEST).unwrap().0
}

fn text(message: &Bytes) -> &str {
    std::str::from_utf8(message).unwrap()
}

fn tool<'a>(name: &'a str, arguments: &'a RawJson) -> ToolRequest<'a> {
    let (trace, progress, client, log, again) = (&[], None, Can::NONE, None, None);
    ToolRequest { name, arguments, trace, progress, client, log, again }
}

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"callgate","version":"0.1.0"}"#;

#[test]
fn legacy_messages() {
    assert_eq!(
        text(&initialize(0, ProtocolVersion::V2025_11_25, &us(), Can::NONE)),
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"callgate","version":"0.1.0"}}}"#
    );
    assert_eq!(text(&initialized()), r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    assert_eq!(text(&ping(3)), r#"{"jsonrpc":"2.0","id":3,"method":"ping","params":{}}"#);
    assert_eq!(
        text(&list_tools(&Wire::Legacy, 1, None)),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#
    );
    assert_eq!(
        text(&list_tools(&Wire::Legacy, 1, Some("a\"b"))),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"a\"b"}}"#
    );
    assert_eq!(
        text(&cancelled(9, "client gone")),
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9,"reason":"client gone"}}"#
    );
}

#[test]
fn a_legacy_call_has_meta_only_when_there_is_something_to_say() {
    let arguments = raw(r#"{ "n": 9007199254740993, "d": 0.10 }"#);
    let asked = tool("t", &arguments);
    assert_eq!(
        text(&call(&Wire::Legacy, 7, Method::CallTool, &asked)),
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","arguments":{ "n": 9007199254740993, "d": 0.10 }}}"#
    );
    let trace = [("traceparent".into(), raw("\"00-a-b-01\"")), ("progressToken".into(), raw("1"))];
    let asked = ToolRequest { trace: &trace, progress: Some(4), ..asked };
    assert!(
        text(&call(&Wire::Legacy, 7, Method::CallTool, &asked))
            .ends_with(r#","_meta":{"progressToken":4,"traceparent":"00-a-b-01"}}}"#)
    );
}

#[test]
fn modern_messages_carry_the_envelope() {
    let client = us();
    let wire = Wire::Modern { version: ProtocolVersion::V2026_07_28, client: &client };
    assert_eq!(
        text(&discover(1, ProtocolVersion::V2026_07_28, &client)),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{{{META}}}}}}}"#)
    );
    assert_eq!(
        text(&list_tools(&wire, 2, Some(""))),
        format!(r#"{{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{{"cursor":"",{META}}}}}}}"#)
    );
    let arguments = RawJson::empty_object();
    let asked = ToolRequest { progress: Some(1), ..tool("t", &arguments) };
    assert_eq!(
        text(&call(&wire, 3, Method::CallTool, &asked)),
        format!(
            r#"{{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{{"name":"t","arguments":{{}},{META},"progressToken":1}}}}}}"#
        )
    );
}

#[test]
fn methods_beside_tools_are_sent_with_their_parameters_at_the_top() {
    let client = us();
    let modern = Wire::Modern { version: ProtocolVersion::V2026_07_28, client: &client };
    let sent = |wire: &Wire<'_>, method, parameters: &str, progress| {
        let parameters = raw(parameters);
        let request = ToolRequest { progress, ..tool("", &parameters) };
        String::from_utf8(call(wire, 4, method, &request).to_vec()).unwrap()
    };
    assert_eq!(
        sent(&Wire::Legacy, Method::ReadResource, r#" { "uri":"a:b" } "#, None),
        r#"{"jsonrpc":"2.0","id":4,"method":"resources/read","params":{"uri":"a:b"}}"#
    );
    assert_eq!(
        sent(&Wire::Legacy, Method::ListPrompts, "{ }", Some(4)),
        r#"{"jsonrpc":"2.0","id":4,"method":"prompts/list","params":{"_meta":{"progressToken":4}}}"#
    );
    assert_eq!(
        sent(&modern, Method::GetPrompt, r#"{"name":"n"}"#, None),
        format!(r#"{{"jsonrpc":"2.0","id":4,"method":"prompts/get","params":{{"name":"n",{META}}}}}}}"#)
    );
}

#[test]
fn a_client_is_declared_as_the_revision_writes_it() {
    let all = [
        Can::ELICIT_FORM,
        Can::ELICIT_URL,
        Can::SAMPLING,
        Can::SAMPLING_TOOLS,
        Can::SAMPLING_CONTEXT,
        Can::ROOTS,
    ];
    let all = all.into_iter().fold(Can::NONE, Can::with);
    let declared = |version, can| {
        let text = String::from_utf8(initialize(0, version, &us(), can).to_vec()).unwrap();
        let (_, from) = text.split_once(r#""capabilities":"#).unwrap();
        from.split_once(r#","clientInfo""#).unwrap().0.to_owned()
    };
    let whole = r#"{"elicitation":{"form":{},"url":{}},"sampling":{"context":{},"tools":{}},"roots":{}}"#;
    assert_eq!(declared(ProtocolVersion::V2025_11_25, all), whole);
    let older = r#"{"elicitation":{"form":{}},"sampling":{},"roots":{}}"#;
    assert_eq!(declared(ProtocolVersion::V2025_06_18, all), older);
    assert_eq!(declared(ProtocolVersion::V2025_03_26, all), r#"{"sampling":{},"roots":{}}"#);
    assert_eq!(declared(ProtocolVersion::V2025_11_25, Can::ROOTS), r#"{"roots":{}}"#);
    let client = us();
    let wire = Wire::Modern { version: ProtocolVersion::V2026_07_28, client: &client };
    let arguments = RawJson::empty_object();
    let asked = ToolRequest { client: all, log: Some(LogLevel::Notice), ..tool("t", &arguments) };
    let sent = call(&wire, 1, Method::CallTool, &asked);
    assert!(text(&sent).contains(&format!(r#""io.modelcontextprotocol/clientCapabilities":{whole}"#)));
    assert!(text(&sent).contains(r#""io.modelcontextprotocol/logLevel":"notice""#));
    assert!(!text(&call(&Wire::Legacy, 1, Method::CallTool, &asked)).contains("_meta"));
    assert_eq!(
        text(&set_level(3, LogLevel::Info)),
        r#"{"jsonrpc":"2.0","id":3,"method":"logging/setLevel","params":{"level":"info"}}"#
    );
}

#[test]
fn a_call_is_sent_again_with_answers_and_state_as_they_came() {
    let state = raw(r#""a\u0062\/c""#);
    let responses =
        [("k\"1".into(), raw(r#"{ "action" : "accept","content":{"n":0.10} }"#)), ("r".into(), raw("{}"))];
    let params = raw(r#"{"uri":"a:b"}"#);
    let sent = |method, params: &RawJson, again| {
        let request = ToolRequest { again: Some(again), ..tool("t", params) };
        String::from_utf8(call(&Wire::Legacy, 4, method, &request).to_vec()).unwrap()
    };
    let both = Again { responses: Some(&responses), state: Some(&state) };
    assert_eq!(
        sent(Method::ReadResource, &params, both),
        r#"{"jsonrpc":"2.0","id":4,"method":"resources/read","params":{"uri":"a:b","inputResponses":{"k\"1":{ "action" : "accept","content":{"n":0.10} },"r":{}},"requestState":"a\u0062\/c"}}"#
    );
    let only_state = Again { responses: None, state: Some(&state) };
    let empty = RawJson::empty_object();
    assert!(
        sent(Method::CallTool, &empty, only_state)
            .ends_with(r#""arguments":{},"requestState":"a\u0062\/c"}}"#)
    );
    assert!(
        sent(Method::GetPrompt, &empty, only_state).ends_with(r#""params":{"requestState":"a\u0062\/c"}}"#)
    );
    let none = Again { responses: Some(&[]), state: None };
    assert!(sent(Method::GetPrompt, &empty, none).ends_with(r#""params":{"inputResponses":{}}}"#));
}

#[test]
fn modern_headers_mirror_the_body() {
    let version = ProtocolVersion::V2026_07_28;
    let headers = headers(version, "tools/call", Some("日本語"));
    let want = [
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "=?base64?5pel5pys6Kqe?="),
    ];
    assert_eq!(headers.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>(), want);
    assert_eq!(super::headers(version, "tools/list", None).len(), 2);
}

proptest! {
    #[test]
    fn what_is_sent_passes_our_own_door_unchanged(
        name in ".{0,40}",
        value in any::<String>(),
        number in "-?[1-9][0-9]{0,30}",
        token in prop::option::of(any::<u64>()),
    ) {
        let mut quoted = String::new();
        model::json::write_string(&mut quoted, &value);
        let arguments = raw(&format!(r#"{{ "v" : {quoted}, "n":{number} }}"#));
        let client = us();
        let version = ProtocolVersion::V2026_07_28;
        let asked = ToolRequest { progress: token, ..tool(&name, &arguments) };
        let body = call(&Wire::Modern { version, client: &client }, 5, Method::CallTool, &asked);
        let message = parse_body(&body, &JsonLimits::REQUEST).unwrap();
        let headers = headers(version, "tools/call", Some(&name));
        let values: Vec<[&str; 1]> = headers.iter().map(|(_, value)| [value.as_str()]).collect();
        let seen = crate::classify::Headers {
            protocol_version: &values[0],
            method: &values[1],
            name: &values[2],
            session: &[],
        };
        let route = crate::classify::classify(&seen, &message).unwrap();
        prop_assert!(matches!(route, crate::classify::Route::Modern(_)));
        let Inbound::Request(request) = message else { panic!() };
        let (_, request) = request.read(route.era()).unwrap();
        let crate::request::ClientRequest::Call(read) = request else { panic!() };
        prop_assert_eq!(&read.name, &name);
        prop_assert_eq!(read.arguments_raw.as_str(), arguments.as_str());
        prop_assert_eq!(read.arguments.get("v").and_then(Json::as_str), Some(value.as_str()));
        prop_assert_eq!(read.progress_token.and_then(|token| token.as_u64()), token);
    }
}
