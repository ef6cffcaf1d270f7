//! What Callgate says itself, in both eras.

use model::json::Json;
use model::limits::JsonLimits;
use model::time::Micros;

use super::*;

fn us() -> Implementation {
    Implementation::new("callgate", "1")
}

fn asked(era: Era, method: Method) -> Asked<'static> {
    static US: std::sync::LazyLock<Implementation> = std::sync::LazyLock::new(us);
    Asked { era, method, server: &US }
}

fn parse(json: &RawJson) -> Json {
    Json::parse(json.as_bytes(), &JsonLimits::REQUEST).unwrap()
}

const SERVER: &str = r#""_meta":{"io.modelcontextprotocol/serverInfo":{"name":"callgate","version":"1"}}"#;

#[test]
fn handshakes() {
    assert_eq!(
        initialize(ProtocolVersion::V2025_06_18, &us(), &Method::BESIDE_TOOLS).as_str(),
        r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"logging":{},"resources":{"subscribe":true,"listChanged":true},"prompts":{"listChanged":true},"completions":{}},"serverInfo":{"name":"callgate","version":"1"}}"#
    );
    assert_eq!(
        discover(&us(), &[Method::ListPrompts], 0).as_str(),
        format!(
            r#"{{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{{"tools":{{"listChanged":true}},"logging":{{}}}},"ttlMs":0,"cacheScope":"private",{SERVER}}}"#
        )
    );
}

#[test]
fn what_a_caller_may_not_know_of_is_not_declared() {
    use Method::{GetPrompt, ListResources, ReadResource, Subscribe};
    for (methods, declared) in [
        (&[ReadResource, Subscribe][..], r#","resources":{"subscribe":true}}"#),
        (&[ReadResource, ListResources], r#","resources":{"listChanged":true}}"#),
        (&[ReadResource], r#","resources":{}}"#),
        (&[Subscribe, ListResources], "}"),
        (&[GetPrompt], r#","prompts":{}}"#),
    ] {
        let all = format!(r#""capabilities":{{"tools":{{"listChanged":true}},"logging":{{}}{declared},"#);
        let result = initialize(ProtocolVersion::V2025_11_25, &us(), methods);
        assert!(result.as_str().contains(&all), "{methods:?}: {}", result.as_str());
    }
}

#[test]
fn lists() {
    let list = [RawJson::empty_object(), RawJson::empty_object()];
    assert_eq!(tools(Era::Legacy, &list, &us(), 5).as_str(), r#"{"tools":[{},{}]}"#);
    assert_eq!(
        tools(Era::Modern, &[], &us(), 5).as_str(),
        format!(r#"{{"resultType":"complete","tools":[],"ttlMs":5,"cacheScope":"private",{SERVER}}}"#)
    );
}

#[test]
fn a_refused_call_is_a_result_the_model_can_read() {
    let denial = Denial::new(Reason::PolicyDenied, "not this \"path\"").with_private("secret-private-text");
    let call = CallId::new(Micros(0), [1; 10]);
    for era in [Era::Legacy, Era::Modern] {
        let Refusal::Result(result) = refusal(&asked(era, Method::CallTool), &denial, Some(call)) else {
            panic!()
        };
        let tree = parse(&result);
        assert_eq!(tree.get("isError"), Some(&Json::Bool(true)));
        let machine = tree.get("_meta").unwrap().get(meta::DENIAL).unwrap();
        assert_eq!(machine.canonical(), format!(r#"{{"call":"{call}","reason":"policy_denied"}}"#));
        assert!(result.as_str().contains(r#"[{"type":"text","text":"not this \"path\""}]"#));
        assert!(!result.as_str().contains("secret-private-text"));
        assert_eq!(tree.get("resultType").is_some(), era == Era::Modern);
    }
}

#[test]
fn a_call_that_waits_for_a_person_says_for_which_approval_and_until_when() {
    let call = CallId::new(Micros(0), [1; 10]);
    let approval = model::approval::ApprovalId::of(call);
    let denial = Denial::new(Reason::ApprovalRequired, "waiting").with_approval(approval, Micros(0));
    let Refusal::Result(result) = refusal(&asked(Era::Modern, Method::CallTool), &denial, Some(call)) else {
        panic!()
    };
    let machine = parse(&result).get("_meta").unwrap().get(meta::DENIAL).unwrap().canonical();
    assert_eq!(
        machine,
        format!(
            r#"{{"approval":"{approval}","call":"{call}","reason":"approval_required","until":"1970-01-01T00:00:00.000000Z"}}"#
        )
    );
}

#[test]
fn unknown_and_hidden_tools_get_one_and_the_same_answer() {
    let (id, call) = (RequestId::ours(1), CallId::new(Micros(5), [2; 10]));
    let unknown = Denial::unknown_tool("x");
    let hidden = Denial::unknown_tool("x").with_private("hidden by policy");
    let answer = |denial: &Denial, call| {
        refusal_message(&id, &refusal(&asked(Era::Modern, Method::CallTool), denial, call))
    };
    assert_eq!(answer(&unknown, None), answer(&hidden, Some(call)));
    assert_eq!(
        answer(&unknown, None),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Unknown tool: x"}}"#
    );
}

#[test]
fn a_refused_method_is_an_error_and_a_hidden_one_is_none_that_there_is() {
    let call = CallId::new(Micros(5), [2; 10]);
    let error = |denial: &Denial| {
        let answer = refusal(&asked(Era::Legacy, Method::ReadResource), denial, Some(call));
        let Refusal::Error(error) = answer else { panic!("{answer:?}") };
        (error.code, error.message, error.data.map(|data| data.as_str().to_owned()))
    };
    let denied =
        error(&Denial::new(Reason::PolicyDenied, "not this one").with_private("secret-private-text"));
    let data = format!(r#"{{"dev.callgate/denial":{{"reason":"policy_denied","call":"{call}"}}}}"#);
    assert_eq!(denied, (code::DENIED, "not this one".to_owned(), Some(data)));
    let hidden = error(&Denial::unknown_tool("").with_private("hidden by policy"));
    assert_eq!(hidden, (code::METHOD_NOT_FOUND, "Method not found: resources/read".to_owned(), None));
    assert_eq!(error(&Denial::new(Reason::InvalidArguments, "/uri")).0, code::INVALID_PARAMS);
}

#[test]
fn progress_is_reported_under_the_clients_own_token() {
    let number = RawJson::parse(Bytes::from_static(b"0.50"), &JsonLimits::REQUEST).unwrap().0;
    let token = RequestId::Text("p\"1".into());
    assert_eq!(
        progress(&token, &number, Some(&number), None),
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p\"1","progress":0.50,"total":0.50}}"#
    );
}
