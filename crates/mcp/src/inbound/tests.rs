//! What the envelope takes and refuses: what parsers read differently, S34 to S40 of
//! docs/threats/mcp-requirements.md.

use proptest::prelude::*;

use super::*;
use crate::jsonrpc::code;

fn parse(text: impl AsRef<[u8]>) -> Result<Inbound, ProtocolFault> {
    parse_body(&Bytes::copy_from_slice(text.as_ref()), &JsonLimits::REQUEST)
}

#[track_caller]
fn refused(text: impl AsRef<[u8]>, status: u16, code: i64) -> ProtocolFault {
    let shown = String::from_utf8_lossy(text.as_ref()).into_owned();
    let fault = parse(text).expect_err(&shown);
    assert_eq!((fault.status, fault.error.code), (status, code), "{shown}: {fault}");
    Json::parse(&fault.message(), &JsonLimits::REQUEST).unwrap();
    fault
}

#[test]
fn the_three_kinds_are_told_apart() {
    let request = parse(r#"{"jsonrpc":"2.0","id":"a","method":"m","params":{"x":1},"vendor":2}"#).unwrap();
    let Inbound::Request(request) = request else { panic!() };
    assert_eq!((&*request.method, request.id), ("m", RequestId::Text("a".into())));
    assert!(matches!(parse(r#"{"jsonrpc":"2.0","method":"m"}"#), Ok(Inbound::Notification(_))));
    assert!(matches!(parse(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), Ok(Inbound::Response(_))));
    assert!(matches!(parse(r#"{"jsonrpc":"2.0","id":1,"error":{}}"#), Ok(Inbound::Response(_))));
}

#[test]
fn a_response_is_an_object_or_an_error() {
    let result = |text: &str| match parse(text) {
        Ok(Inbound::Response(response)) => response.result.map(|result| result.as_str().to_owned()),
        other => panic!("{other:?}"),
    };
    let text = r#"{"jsonrpc":"2.0","id":"q","result":{ "action":"accept" }}"#;
    assert_eq!(result(text).as_deref(), Some(r#"{ "action":"accept" }"#));
    assert_eq!(result(r#"{"jsonrpc":"2.0","id":"q","error":{"code":-1,"message":"no"}}"#), None);
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"result":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":[]}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
        r#"{"jsonrpc":"2.0","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
    ] {
        refused(text, 400, code::INVALID_REQUEST);
    }
}

#[test]
fn s34_duplicate_names_anywhere() {
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","name":"evil"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","\u006eame":"evil"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"p":1,"p":2}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"k":[{"x":1,"x":1}]}}}"#,
    ] {
        refused(text, 400, code::INVALID_REQUEST);
    }
}

#[test]
fn s35_names_that_look_like_protocol_names() {
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","Method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","Params":{"name":"evil"}}"#,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"param\u{17f}\":{\"name\":\"evil\"}}",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Name":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name\u0000":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","ARGUMENTS":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_Meta":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"ProgressToken":1}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"io.modelcontextprotocol/protocolversion":"2026-07-28"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"x\u0007":1}}}"#,
    ] {
        refused(text, 400, code::INVALID_REQUEST);
    }
    // Arguments are the tool's own: any name is theirs.
    parse(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"Name":1,"name":2,"a\u0000":3}}}"#).unwrap();
}

#[test]
fn s37_texts_two_parsers_could_read_differently() {
    refused(b"\xef\xbb\xbf{}", 400, code::PARSE_ERROR);
    refused(b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}", 400, code::PARSE_ERROR);
    refused(r#"{"jsonrpc":"2.0","method":"\ud800"}"#, 400, code::PARSE_ERROR);
    refused(r#"{"jsonrpc":"2.0","method":"m"} {}"#, 400, code::PARSE_ERROR);
    refused(r#"{"jsonrpc":"2.0","method":"m""#, 400, code::PARSE_ERROR);
    refused("", 400, code::PARSE_ERROR);
    let deep =
        format!(r#"{{"jsonrpc":"2.0","method":"m","params":{{"a":{}{}}}}}"#, "[".repeat(90), "]".repeat(90));
    refused(deep, 400, code::INVALID_REQUEST);
    refused(format!(r#"{{"jsonrpc":"2.0","id":{}}}"#, "1".repeat(99)), 400, code::INVALID_REQUEST);
    refused(vec![b' '; JsonLimits::REQUEST.bytes_max + 1], 413, code::INVALID_REQUEST);
}

#[test]
fn s39_shapes_that_are_no_request() {
    for text in [
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":5}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["a"]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":[]}}"#,
        "\"ping\"",
        "17",
        "null",
    ] {
        refused(text, 400, code::INVALID_REQUEST);
    }
    refused(
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "m".repeat(129)),
        400,
        code::INVALID_REQUEST,
    );
}

#[test]
fn s40_batches() {
    refused(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, 400, code::INVALID_REQUEST);
    refused("[]", 400, code::INVALID_REQUEST);
}

#[test]
fn a_readable_id_is_answered_under() {
    let fault = refused(
        r#"{"jsonrpc":"2.0","id":"q","method":"tools/call","params":[]}"#,
        400,
        code::INVALID_REQUEST,
    );
    assert_eq!(fault.id, Some(RequestId::Text("q".into())));
    assert_eq!(refused("{", 400, code::PARSE_ERROR).id, None);
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        drop(parse(bytes));
    }

    #[test]
    fn mutated_messages_never_panic_and_faults_are_answerable(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let text = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"k":[1,null]},"_meta":{"progressToken":"p"}}}"#;
        let mut text = text.to_vec();
        let at = at.index(text.len());
        text[at] = byte;
        if let Err(fault) = parse(text) {
            prop_assert!(Json::parse(&fault.message(), &JsonLimits::REQUEST).is_ok());
        }
    }
}
