//! What a server may ask, and what of it a client sees.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::reply::{Outcome, UpstreamMessage, read_message};

fn raw(text: &str) -> RawJson {
    RawJson::parse(Bytes::copy_from_slice(text.as_bytes()), &JsonLimits::UPSTREAM).unwrap().0
}

fn all() -> Can {
    let all = [Can::ELICIT_FORM, Can::ELICIT_URL, Can::SAMPLING, Can::SAMPLING_TOOLS, Can::ROOTS];
    all.into_iter().fold(Can::SAMPLING_CONTEXT, Can::with)
}

fn asked(method: &str, params: &str, can: Can) -> Result<String, QuestionFault> {
    read(method, Some(&raw(params)), can).map(|asked| {
        assert_eq!(asked.method.as_str(), method);
        assert_eq!(asked.params, Json::parse(asked.params_raw.as_bytes(), &JsonLimits::UPSTREAM).unwrap());
        asked.params_raw.as_str().to_owned()
    })
}

const FORM: &str = r#"{"message":"Name?","requestedSchema":{"type":"object"}}"#;
const URL: &str = r#"{"mode":"url","message":"Go","url":"https://a.example/","elicitationId":"e"}"#;
const SAMPLE: &str = r#"{"messages":[],"maxTokens":5}"#;

#[test]
fn known_members_pass_byte_for_byte_and_no_others() {
    let text = r#"{ "_meta":{"x":1}, "message" : "a\u0062", "url":"https://evil.example", "requestedSchema":{ "n":1e400 },"task":{} }"#;
    let want = r#"{"message" : "a\u0062","requestedSchema":{ "n":1e400 }}"#;
    assert_eq!(asked("elicitation/create", text, all()).unwrap(), want);
    assert_eq!(asked("elicitation/create", URL, all()).unwrap(), URL);
    let text = r#"{"maxTokens":5,"messages":[{"role":"user"}],"x":1,"temperature":0.10}"#;
    let want = r#"{"maxTokens":5,"messages":[{"role":"user"}],"temperature":0.10}"#;
    assert_eq!(asked("sampling/createMessage", text, all()).unwrap(), want);
    assert_eq!(asked("roots/list", r#"{"cursor":"c"}"#, all()).unwrap(), "{}");
    assert_eq!(read("roots/list", None, all()).unwrap().params_raw.as_str(), "{}");
}

#[test]
fn only_what_was_declared_is_asked() {
    let kinds = [
        ("elicitation/create", FORM, Can::ELICIT_FORM),
        ("elicitation/create", URL, Can::ELICIT_URL),
        ("sampling/createMessage", SAMPLE, Can::SAMPLING),
        ("roots/list", "{}", Can::ROOTS),
    ];
    for (method, params, can) in kinds {
        assert!(asked(method, params, can).is_ok(), "{method}");
        assert!(asked(method, params, all().without(can)).is_err(), "{method}");
        assert_eq!(asked(method, params, Can::NONE), Err(QuestionFault::NotDeclared), "{method}");
    }
    assert_eq!(asked("elicitation/create", URL, Can::ELICIT_FORM), Err(QuestionFault::Mode));
    assert_eq!(asked("elicitation/create", FORM, Can::ELICIT_URL), Err(QuestionFault::Mode));
    for tools in [r#""tools":[]"#, r#""toolChoice":{}"#] {
        let text = format!(r#"{{"messages":[],"maxTokens":5,{tools}}}"#);
        assert!(asked("sampling/createMessage", &text, all()).unwrap().contains(tools));
        assert_eq!(asked("sampling/createMessage", &text, Can::SAMPLING), Err(QuestionFault::Mode));
    }
    for (method, code) in [("ping", -32601), ("tools/call", -32601), ("tasks/get", -32601)] {
        assert_eq!(asked(method, "{}", all()).unwrap_err().error().code, code, "{method}");
    }
}

#[test]
fn context_of_other_servers_is_asked_for_only_where_it_was_declared() {
    let text = |value: &str| format!(r#"{{"includeContext":"{value}","messages":[],"maxTokens":5}}"#);
    let sent = |value: &str, can| asked("sampling/createMessage", &text(value), can).unwrap();
    assert_eq!(sent("allServers", all()), text("allServers"));
    assert_eq!(sent("none", Can::SAMPLING), text("none"));
    assert_eq!(sent("allServers", Can::SAMPLING), SAMPLE);
}

#[test]
fn what_has_not_the_shape_of_a_question_is_told_so() {
    for (method, params) in [
        ("elicitation/create", "{}"),
        ("elicitation/create", r#"{"message":5,"requestedSchema":{}}"#),
        ("elicitation/create", r#"{"message":"m"}"#),
        ("elicitation/create", r#"{"message":"m","requestedSchema":[]}"#),
        ("elicitation/create", r#"{"mode":"url","message":"m"}"#),
        ("sampling/createMessage", "{}"),
        ("sampling/createMessage", r#"{"messages":{},"maxTokens":5}"#),
        ("sampling/createMessage", r#"{"messages":[],"maxTokens":"5"}"#),
        ("roots/list", "[]"),
        ("roots/list", "5"),
    ] {
        let fault = asked(method, params, all()).unwrap_err();
        assert!(matches!(fault, QuestionFault::Shape(_)), "{method} {params}: {fault:?}");
        assert_eq!(fault.error().code, -32602);
    }
    let odd = r#"{"mode":"voice","message":"m","requestedSchema":{}}"#;
    assert_eq!(asked("elicitation/create", odd, all()), Err(QuestionFault::Mode));
}

fn required(text: &str) -> Result<InputRequired, QuestionFault> {
    let text = format!(r#"{{"jsonrpc":"2.0","id":5,"result":{text}}}"#);
    match read_message(&Bytes::from(text), &JsonLimits::UPSTREAM).unwrap() {
        UpstreamMessage::Response { outcome: Outcome::Result(result), .. } => result.input_required(all()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_stateless_server_wants_first_is_read_with_its_state_to_the_byte() {
    let text = format!(
        r#"{{"resultType":"input_required","inputRequests":{{"b":{{"method":"roots/list"}},"a":{{"method":"elicitation/create","params":{FORM}}}}},"requestState": "s\u0074" }}"#
    );
    let wanted = required(&text).unwrap();
    let keys: Vec<_> =
        wanted.questions.iter().map(|(key, asked)| (&**key, asked.params_raw.as_str())).collect();
    assert_eq!(keys, [("b", "{}"), ("a", FORM)]);
    assert_eq!(wanted.state.unwrap().as_str(), r#""s\u0074""#);
    let only_state = required(r#"{"requestState":""}"#).unwrap();
    assert!(only_state.questions.is_empty() && only_state.state.is_some());
}

#[test]
fn a_round_that_is_none_is_a_violation() {
    let one = r#"{"method":"roots/list"}"#;
    let many: Vec<_> = (0..=QUESTIONS_MAX).map(|n| format!(r#""{n}":{one}"#)).collect();
    for text in [
        "{}".to_owned(),
        r#"{"inputRequests":{}}"#.to_owned(),
        r#"{"inputRequests":[],"requestState":"s"}"#.to_owned(),
        r#"{"inputRequests":null,"requestState":"s"}"#.to_owned(),
        r#"{"requestState":5}"#.to_owned(),
        r#"{"requestState":null}"#.to_owned(),
        format!(r#"{{"requestState":"{}"}}"#, "x".repeat(STATE_BYTES_MAX)),
        format!(r#"{{"inputRequests":{{{}}}}}"#, many.join(",")),
        format!(r#"{{"inputRequests":{{"{}":{one}}}}}"#, "k".repeat(257)),
        r#"{"inputRequests":{"a":{}}}"#.to_owned(),
        r#"{"inputRequests":{"a":5}}"#.to_owned(),
        r#"{"inputRequests":{"a":{"method":"ping"}}}"#.to_owned(),
        r#"{"inputRequests":{"a":{"method":"roots/list","params":[]}}}"#.to_owned(),
    ] {
        assert!(required(&text).is_err(), "{text}");
    }
    let twice =
        format!(r#"{{"jsonrpc":"2.0","id":5,"result":{{"inputRequests":{{"a":{one},"\u0061":{one}}}}}}}"#);
    assert!(read_message(&Bytes::from(twice), &JsonLimits::UPSTREAM).is_err(), "one key twice");
}

proptest! {
    #[test]
    fn no_parameters_panic_and_what_passes_is_part_of_what_was_sent(
        names in prop::collection::vec("(mode|message|requestedSchema|url|messages|maxTokens|tools|x)", 0..6),
        values in prop::collection::vec("(\"form\"|\"url\"|\\{ \\}|\\[\\]|5|null|\"a\\\\n\")", 6),
        method in "(elicitation/create|sampling/createMessage|roots/list)",
        bits in any::<[bool; 6]>(),
    ) {
        let kinds = [Can::ELICIT_FORM, Can::ELICIT_URL, Can::SAMPLING, Can::SAMPLING_TOOLS, Can::SAMPLING_CONTEXT, Can::ROOTS];
        let can = kinds.into_iter().zip(bits).filter(|(_, on)| *on).fold(Can::NONE, |all, (one, _)| all.with(one));
        let members: Vec<_> = names.iter().zip(&values).map(|(name, value)| format!("\"{name}\": {value}")).collect();
        if let Ok((params, _)) = RawJson::parse(Bytes::from(format!("{{{}}}", members.join(" , "))), &JsonLimits::UPSTREAM)
            && let Ok(asked) = read(&method, Some(&params), can)
        {
            let Json::Object(kept) = &asked.params else { panic!() };
            let text = asked.params_raw.as_str();
            for member in kept {
                let written = format!("\"{}\": {}", member.name, &text[member.span.clone()]);
                prop_assert!(members.contains(&written), "{}", written);
            }
        }
    }

    #[test]
    fn any_round_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = br#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list","params":{}}},"requestState":"s"}}"#.to_vec();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(UpstreamMessage::Response { outcome: Outcome::Result(result), .. }) =
            read_message(&Bytes::from(text), &JsonLimits::UPSTREAM)
        {
            drop(result.input_required(all()));
        }
    }
}
