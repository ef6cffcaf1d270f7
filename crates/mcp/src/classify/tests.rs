//! The classifier, step by step, and the order of its checks (MCP 2026-07-28, Transports).

use bytes::Bytes;
use model::limits::JsonLimits;
use proptest::prelude::*;

use super::*;
use crate::inbound::parse_body;
use crate::jsonrpc::code;

const NONE: Headers<'static> = Headers { protocol_version: &[], method: &[], name: &[], session: &[] };
const MODERN: Headers<'static> =
    Headers { protocol_version: &["2026-07-28"], method: &["tools/list"], name: &[], session: &[] };

fn message(method: &str, params: &str) -> Inbound {
    inbound(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#))
}

fn inbound(text: &str) -> Inbound {
    parse_body(&Bytes::copy_from_slice(text.as_bytes()), &JsonLimits::REQUEST).unwrap()
}

fn claim(version: &str, more: &str) -> String {
    format!(
        r#"{{"_meta":{{"io.modelcontextprotocol/protocolVersion":{version},"io.modelcontextprotocol/clientCapabilities":{{"elicitation":{{}}}}}}{more}}}"#
    )
}

#[track_caller]
fn refused(headers: &Headers<'_>, message: &Inbound, status: u16, code: i64) -> ProtocolFault {
    let fault = classify(headers, message).unwrap_err();
    assert_eq!((fault.status, fault.error.code), (status, code), "{fault}");
    assert_eq!(fault.id.as_ref(), message.request_id());
    fault
}

#[test]
fn step_1_only_post_get_and_delete() {
    assert_eq!(Verb::read("POST"), Ok(Verb::Post));
    assert_eq!(Verb::read("GET"), Ok(Verb::Get));
    assert_eq!(Verb::read("DELETE"), Ok(Verb::Delete));
    for other in ["PUT", "OPTIONS", "HEAD", "post", "TRACE"] {
        assert_eq!(Verb::read(other).unwrap_err().status, 405, "{other}");
    }
}

#[test]
fn step_3_responses_belong_to_a_session() {
    let response = inbound(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    refused(&NONE, &response, 400, code::INVALID_REQUEST);
    refused(&MODERN, &response, 400, code::INVALID_REQUEST);
    let headers = Headers { session: &["s1"], ..NONE };
    assert_eq!(classify(&headers, &response), Ok(Route::Legacy(Session { id: "s1", version: None })));
}

#[test]
fn step_4_a_claim_makes_it_modern() {
    let route = classify(&MODERN, &message("tools/list", &claim("\"2026-07-28\"", ""))).unwrap();
    let Route::Modern(envelope) = &route else { panic!("{route:?}") };
    assert_eq!(envelope.version, ProtocolVersion::V2026_07_28);
    assert_eq!(envelope.capabilities.as_str(), r#"{"elicitation":{}}"#);
    assert_eq!((envelope.client_info.clone(), route.era()), (None, Era::Modern));
}

#[test]
fn step_4_a_bad_envelope_never_falls_back() {
    let session = Headers { session: &["s1"], ..NONE };
    for meta in [
        r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#,
        r#"{"io.modelcontextprotocol/protocolVersion":5,"io.modelcontextprotocol/clientCapabilities":{}}"#,
        r#"{"io.modelcontextprotocol/protocolVersion":null,"io.modelcontextprotocol/clientCapabilities":{}}"#,
        r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":[]}"#,
        r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":"x"}"#,
    ] {
        let request = message("tools/list", &format!(r#"{{"_meta":{meta}}}"#));
        refused(&session, &request, 400, code::INVALID_PARAMS);
        refused(&MODERN, &request, 400, code::INVALID_PARAMS);
    }
}

#[test]
fn step_4_versions_that_are_not_served_this_way() {
    for version in ["2025-11-25", "2099-01-01", "", "x\\\"y"] {
        let unescaped = version.replace("\\\"", "\"");
        let values = [unescaped.as_str()];
        let headers = Headers { protocol_version: &values, ..MODERN };
        let fault = refused(
            &headers,
            &message("tools/list", &claim(&format!("\"{version}\""), "")),
            400,
            code::UNSUPPORTED_VERSION,
        );
        let want = format!(r#"{{"supported":["2026-07-28"],"requested":"{version}"}}"#);
        assert_eq!(fault.data().unwrap().as_str(), want);
    }
}

#[test]
fn step_5_initialize() {
    let initialize = message("initialize", r#"{"protocolVersion":"2025-11-25"}"#);
    assert_eq!(classify(&NONE, &initialize), Ok(Route::LegacyInitialize));
    let legacy = Headers { protocol_version: &["2025-11-25"], ..NONE };
    assert_eq!(classify(&legacy, &initialize), Ok(Route::LegacyInitialize));
    refused(&MODERN, &initialize, 400, code::HEADER_MISMATCH);
    let headers = Headers { method: &["initialize"], ..MODERN };
    let request = message("initialize", &claim("\"2026-07-28\"", ""));
    assert!(matches!(classify(&headers, &request), Ok(Route::Modern(_))));
    let Inbound::Request(request) = request else { panic!() };
    let fault = request.read(Era::Modern).unwrap_err();
    assert_eq!((fault.status, fault.error.code), (404, code::METHOD_NOT_FOUND));
}

#[test]
fn step_6_requests_without_a_claim() {
    let list = message("tools/list", "{}");
    let fault = refused(&MODERN, &list, 400, code::INVALID_PARAMS);
    assert!(
        fault.error.message.contains("protocolVersion") && fault.error.message.contains("clientCapabilities")
    );
    let unknown = Headers { protocol_version: &["2024-01-01"], session: &["s1"], ..NONE };
    refused(&unknown, &list, 400, code::UNSUPPORTED_VERSION);
    refused(&NONE, &list, 400, code::INVALID_REQUEST);
    let legacy = Headers { protocol_version: &["2025-06-18"], session: &["s1"], ..NONE };
    let session = Session { id: "s1", version: Some(ProtocolVersion::V2025_06_18) };
    assert_eq!(classify(&legacy, &list), Ok(Route::Legacy(session)));
    for bad in [&["a b"][..], &[""], &["a", "a"], &["é"]] {
        refused(&Headers { session: bad, ..NONE }, &list, 400, code::INVALID_REQUEST);
    }
}

#[test]
fn step_7_notifications() {
    let cancelled =
        inbound(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    assert_eq!(classify(&MODERN, &cancelled), Ok(Route::ModernNotification));
    refused(&NONE, &cancelled, 400, code::INVALID_REQUEST);
    let headers = Headers { session: &["s1"], ..NONE };
    assert!(matches!(classify(&headers, &cancelled), Ok(Route::Legacy(_))));
    let claimed =
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/x","params":{}}}"#, claim("\"2026-07-28\"", ""));
    assert_eq!(classify(&NONE, &inbound(&claimed)), Ok(Route::ModernNotification));
}

#[test]
fn s38_headers_say_what_the_body_says() {
    let call = message("tools/call", &claim("\"2026-07-28\"", r#","name":"日本語""#));
    let good = Headers { method: &["tools/call"], name: &[" =?base64?5pel5pys6Kqe?=\t"], ..MODERN };
    assert!(matches!(classify(&good, &call), Ok(Route::Modern(_))));
    for headers in [
        Headers { protocol_version: &[], ..good },
        Headers { protocol_version: &["2025-11-25"], ..good },
        Headers { protocol_version: &["2026-07-28", "2026-07-28"], ..good },
        Headers { method: &[], ..good },
        Headers { method: &["Tools/call"], ..good },
        Headers { method: &["tools/list"], ..good },
        Headers { method: &["tools/call", "tools/call"], ..good },
        Headers { name: &[], ..good },
        Headers { name: &["other"], ..good },
        Headers { name: &["=?base64?5pel5pys6Kqe"], ..good },
        Headers { name: &["=?base64?5pel5pys6Kq?="], ..good },
        Headers { name: &["日本語", "日本語"], ..good },
    ] {
        refused(&headers, &call, 400, code::HEADER_MISMATCH);
    }
    for (method, member) in [("resources/read", "uri"), ("prompts/get", "name"), ("tasks/get", "taskId")] {
        let request = message(method, &claim("\"2026-07-28\"", &format!(r#","{member}":"v""#)));
        let methods = [method];
        let headers = Headers { method: &methods, ..MODERN };
        refused(&headers, &request, 400, code::HEADER_MISMATCH);
        assert!(classify(&Headers { name: &["v"], ..headers }, &request).is_ok());
    }
}

#[test]
fn a_mismatch_is_reported_before_an_unsupported_version_and_after_missing_keys() {
    let old = message("tools/list", &claim("\"2025-11-25\"", ""));
    refused(&MODERN, &old, 400, code::HEADER_MISMATCH);
    let keyless =
        message("tools/list", r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}}"#);
    refused(&MODERN, &keyless, 400, code::INVALID_PARAMS);
}

#[test]
fn a_session_of_a_get_or_delete() {
    assert_eq!(session(&NONE).unwrap_err().status, 400);
    assert_eq!(session(&Headers { session: &["s"], ..NONE }), Ok(Session { id: "s", version: None }));
    let modern = Headers { session: &["s"], ..MODERN };
    assert_eq!(session(&modern).unwrap_err().error.code, code::UNSUPPORTED_VERSION);
}

proptest! {
    #[test]
    fn any_headers_and_claims_never_panic_and_never_cross_eras(
        values in prop::collection::vec("[ -~é]{0,12}|2026-07-28|2025-11-25|tools/call|s1", 0..8),
        split in 0usize..8,
        claimed in prop::option::of("\"2026-07-28\"|\"2025-11-25\"|1|null"),
        method in "tools/call|initialize|ping|[a-z/]{0,6}",
    ) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let (left, right) = values.split_at(split.min(values.len()));
        let (version, method_values) = left.split_at(left.len() / 2);
        let (name, session) = right.split_at(right.len() / 2);
        let headers = Headers { protocol_version: version, method: method_values, name, session };
        let params = claimed.as_ref().map_or("{}".to_owned(), |version| claim(version, r#","name":"n""#));
        if let Ok(route) = classify(&headers, &message(&method, &params)) {
            prop_assert_eq!(route.era() == Era::Modern, claimed.is_some());
        }
    }

    #[test]
    fn a_session_is_one_value_of_visible_ascii_of_a_bounded_length(
        values in prop::collection::vec("[ -~é\t]{0,6}|[!-~]{250,260}", 0..3),
        version in prop::collection::vec("2025-11-25|2025-03-26|2026-07-28|[ -~]{0,6}", 0..3),
    ) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let version: Vec<&str> = version.iter().map(String::as_str).collect();
        let headers = Headers { session: &values, protocol_version: &version, ..NONE };
        match session(&headers) {
            Ok(found) => {
                prop_assert_eq!(&values, &[found.id]);
                prop_assert!(found.id.len() <= 256 && found.id.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(!found.id.is_empty() && version.len() <= 1 && version != ["2026-07-28"]);
            }
            Err(fault) => prop_assert_eq!(fault.status, 400),
        }
    }
}
