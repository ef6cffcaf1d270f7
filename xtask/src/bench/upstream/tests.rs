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
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
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
    let session = upstream.initialize("0").headers()["mcp-session-id"].clone();
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

#[test]
fn listed_tools_are_json() {
    serde_json::from_str::<serde_json::Value>(&format!("[{TOOLS}]")).unwrap();
}
