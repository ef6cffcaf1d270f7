//! The fast upstream against the load generator's own request bytes. Must never need a network.

use super::*;

fn upstream(era: Era) -> Upstream {
    Upstream { era, seen: Seen::new(true), sessions: RwLock::default(), minted: AtomicU64::new(1) }
}

async fn body(answer: Answer) -> (StatusCode, String) {
    let status = answer.status();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":"i7","method":"tools/call","params":{"name":"echo","arguments":{"text":"hé\n"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;

#[tokio::test]
async fn a_modern_call_is_echoed_with_its_result_type_and_seen() {
    let upstream = upstream(Era::Both);
    let (status, text) = body(upstream.modern(&serde_json::from_str(CALL).unwrap())).await;
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(value["id"], "i7");
    assert_eq!(value["result"]["resultType"], "complete");
    assert_eq!(value["result"]["content"][0]["text"], "hé\n");
    assert!(upstream.seen.json().contains(r#""calls":1"#));
}

#[tokio::test]
async fn a_legacy_call_needs_its_session() {
    let upstream = upstream(Era::Both);
    let call = serde_json::from_str(CALL).unwrap();
    let mut headers = HeaderMap::new();
    assert_eq!(body(upstream.legacy(&call, &headers)).await.0, StatusCode::BAD_REQUEST);
    headers.insert("mcp-session-id", HeaderValue::from_static("guess"));
    assert_eq!(body(upstream.legacy(&call, &headers)).await.0, StatusCode::NOT_FOUND);
    let session = upstream.initialize(&json!(0)).headers()["mcp-session-id"].clone();
    headers.insert("mcp-session-id", session);
    let (status, text) = body(upstream.legacy(&call, &headers)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!text.contains("resultType"), "{text}");
    assert_eq!(upstream.end_session(&headers), StatusCode::OK);
    assert_eq!(body(upstream.legacy(&call, &headers)).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn each_era_refuses_the_other() {
    let call = serde_json::from_str(CALL).unwrap();
    assert!(body(upstream(Era::Legacy).modern(&call)).await.1.contains("-32000"));
    assert!(body(upstream(Era::Modern).legacy(&call, &HeaderMap::new())).await.1.contains("-32022"));
}

#[tokio::test]
async fn both_eras_list_two_tools_and_sum_adds() {
    let upstream = upstream(Era::Both);
    let ask = |method: &str, params: Value| json!({"id": 1, "method": method, "params": params});
    let meta = json!({META_VERSION: MODERN});
    let (_, text) = body(upstream.modern(&ask("tools/list", json!({"_meta": meta})))).await;
    let listed: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 2);
    let params = json!({"name": "sum", "arguments": {"a": 2, "b": 3}, "_meta": meta});
    assert!(body(upstream.modern(&ask("tools/call", params))).await.1.contains(r#""text":"5""#));
    let wrong = json!({"name": "sum", "arguments": {"a": 2}, "_meta": meta});
    assert!(body(upstream.modern(&ask("tools/call", wrong))).await.1.contains("-32602"));
    assert!(upstream.seen.json().contains(r#""calls":1"#));
}
