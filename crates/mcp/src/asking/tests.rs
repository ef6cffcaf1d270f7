//! Questions as each era reads them, and that nothing of them is re-written.

use model::json::Json;
use model::limits::JsonLimits;
use proptest::prelude::*;

use super::*;

fn raw(text: &str) -> RawJson {
    RawJson::parse(Bytes::copy_from_slice(text.as_bytes()), &JsonLimits::UPSTREAM).unwrap().0
}

fn sent(method: Method, params: &RawJson) -> String {
    let id = RequestId::Text("id-1".into());
    String::from_utf8(request(&id, &Asked { key: "k", method, params }).to_vec()).unwrap()
}

#[test]
fn a_session_is_asked_by_a_request_of_ours() {
    assert_eq!(
        sent(Method::Sample, &raw(r#"{ "maxTokens":1e2 }"#)),
        r#"{"jsonrpc":"2.0","id":"id-1","method":"sampling/createMessage","params":{ "maxTokens":1e2 }}"#
    );
}

#[test]
fn a_page_to_open_has_a_name_in_a_session_and_none_without() {
    let unnamed = raw(r#"{"mode":"\u0075rl","url":"https://a.example/","message":"m"}"#);
    let named = raw(r#"{"mode":"url","url":"https://a.example/","message":"m","elicitationId":"e"}"#);
    assert!(sent(Method::Elicit, &unnamed).ends_with(r#""message":"m","elicitationId":"id-1"}}"#));
    assert!(sent(Method::Elicit, &named).contains(r#""elicitationId":"e"}"#));
    assert!(!sent(Method::Elicit, &raw(r#"{"mode":"form","message":"url"}"#)).contains("elicitationId"));
    let server = Implementation::new("callgate", "1");
    let asked = [Asked { key: "page", method: Method::Elicit, params: &named }];
    let result = input_required(&asked, None, &server);
    assert!(
        result.as_str().starts_with(
            r#"{"resultType":"input_required","inputRequests":{"page":{"method":"elicitation/create","params":{"mode":"url","url":"https://a.example/","message":"m"}}},"#
        ),
        "{}",
        result.as_str()
    );
}

#[test]
fn a_round_without_questions_has_a_state_only() {
    let result = input_required(&[], Some("state"), &Implementation::new("callgate", "1"));
    let tree = Json::parse(result.as_bytes(), &JsonLimits::REQUEST).unwrap();
    assert_eq!(tree.get("requestState").and_then(Json::as_str), Some("state"));
    assert!(tree.get("inputRequests").is_none());
}

#[test]
fn logs_are_spliced() {
    let message = log(LogLevel::Warning, Some(&raw(r#""db""#)), &raw(r#"{ "n": 1.0 }"#));
    assert_eq!(
        &message[..],
        br#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"warning","logger":"db","data":{ "n": 1.0 }}}"#
    );
    let over = cancelled(&RequestId::Text("q".into()));
    assert!(String::from_utf8_lossy(&over).contains(r#""params":{"requestId":"q""#));
}

#[test]
fn what_a_client_lacks_is_named_as_it_would_declare_it() {
    use ClientCapabilities as Can;
    for (lacking, data) in [
        (Can::ELICIT_URL, r#"{"elicitation":{"url":{}}}"#),
        (Can::SAMPLING.with(Can::ROOTS), r#"{"sampling":{},"roots":{}}"#),
        (Can::SAMPLING_TOOLS, r#"{"sampling":{"tools":{}}}"#),
        (Can::NONE, "{}"),
    ] {
        assert_eq!(required(lacking).as_str(), format!(r#"{{"requiredCapabilities":{data}}}"#));
    }
}

proptest! {
    #[test]
    fn any_key_and_any_state_are_read_back_as_they_were(key in "\\PC{1,40}", state in "\\PC{0,80}", n in any::<i64>()) {
        let params = raw(&format!(r#"{{"mode":"form","n":{n}}}"#));
        let asked = [Asked { key: &key, method: Method::Elicit, params: &params }];
        let result = input_required(&asked, Some(&state), &Implementation::new("callgate", "1"));
        let tree = Json::parse(result.as_bytes(), &JsonLimits::REQUEST).unwrap();
        prop_assert_eq!(tree.get("requestState").and_then(Json::as_str), Some(&*state));
        let request = tree.get("inputRequests").and_then(|all| all.get(&key)).unwrap();
        prop_assert_eq!(request.get("params").unwrap().canonical(), raw(params.as_str()).as_str().to_owned());
    }
}
