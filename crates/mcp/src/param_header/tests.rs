//! Which annotations hold, what they make of arguments, and that headers are compared exactly.

use model::limits::JsonLimits;
use proptest::prelude::*;

use super::*;
use crate::jsonrpc::code;

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes(), &JsonLimits::REQUEST).unwrap()
}

fn of(properties: &str) -> Result<ParamHeaders, AnnotationFault> {
    ParamHeaders::of_schema(&json(&format!(r#"{{"type":"object","properties":{properties}}}"#)))
}

fn region() -> ParamHeaders {
    of(r#"{"region":{"type":"string","x-mcp-header":"Region"},
           "page":{"type":"object","properties":{"size":{"type":"integer","x-mcp-header":"Size"}}},
           "dry":{"type":"boolean","x-mcp-header":"Method"},"query":{"type":"string"}}"#)
    .unwrap()
}

fn written(arguments: &str) -> Vec<(String, String)> {
    region().write(&json(arguments)).unwrap()
}

#[test]
fn arguments_become_headers() {
    let headers = written(r#"{"region":" us-west1","page":{"size":42.0},"dry":false,"query":"x"}"#);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        headers,
        [
            ("Mcp-Param-Region", "=?base64?IHVzLXdlc3Qx?="),
            ("Mcp-Param-Size", "42"),
            ("Mcp-Param-Method", "false")
        ]
    );
    assert!(written(r#"{"region":null,"page":7}"#).is_empty());
    assert_eq!(written(r#"{"region":""}"#), [("Mcp-Param-Region".to_owned(), String::new())]);
}

#[test]
fn arguments_of_another_type_cannot_be_mirrored() {
    for arguments in [
        r#"{"region":5}"#,
        r#"{"page":{"size":1.5}}"#,
        r#"{"page":{"size":9007199254740992}}"#,
        r#"{"page":{"size":1e400}}"#,
        r#"{"dry":"true"}"#,
    ] {
        assert!(region().write(&json(arguments)).is_err(), "{arguments}");
    }
}

#[test]
fn s53_invalid_annotations_are_reported() {
    use AnnotationFault as F;
    let name = |name: &str| F::Name(name.to_owned());
    for (properties, want) in [
        (r#"{"a":{"type":"string","x-mcp-header":""}}"#, name("\"\"")),
        (r#"{"a":{"type":"string","x-mcp-header":"a b"}}"#, name("\"a b\"")),
        (r#"{"a":{"type":"string","x-mcp-header":"é"}}"#, name("\"é\"")),
        (r#"{"a":{"type":"string","x-mcp-header":"a:b"}}"#, name("\"a:b\"")),
        (r#"{"a":{"type":"string","x-mcp-header":"a\r\nb"}}"#, name("\"a\\r\\nb\"")),
        (r#"{"a":{"type":"string","x-mcp-header":true}}"#, name("true")),
        (r#"{"a":{"type":"number","x-mcp-header":"A"}}"#, F::Type("A".into())),
        (r#"{"a":{"type":["string","null"],"x-mcp-header":"A"}}"#, F::Type("A".into())),
        (r#"{"a":{"x-mcp-header":"A"}}"#, F::Type("A".into())),
        (r#"{"a":{"type":"object","x-mcp-header":"A"}}"#, F::Type("A".into())),
        (
            r#"{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}"#,
            F::Repeated("a".into()),
        ),
        (r#"{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}"#, F::Place),
        (r#"{"a":{"oneOf":[{"type":"string","x-mcp-header":"A"}]}}"#, F::Place),
        (r#"{"a":{"not":{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}}}"#, F::Place),
        (r#"{"a":{"$defs":{"d":{"type":"string","x-mcp-header":"A"}}}}"#, F::Place),
    ] {
        assert_eq!(of(properties), Err(want), "{properties}");
    }
    let root = r#"{"type":"object","x-mcp-header":"A"}"#;
    assert_eq!(ParamHeaders::of_schema(&json(root)), Err(F::Place));
    for place in ["if", "then", "else", "allOf", "anyOf"] {
        let inner = r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}"#;
        let value = if place.ends_with("Of") { format!("[{inner}]") } else { inner.to_owned() };
        let schema = format!(r#"{{"type":"object","{place}":{value}}}"#);
        assert_eq!(ParamHeaders::of_schema(&json(&schema)), Err(F::Place), "{place}");
    }
}

#[test]
fn data_and_property_names_are_no_annotations() {
    assert!(of(r#"{"x-mcp-header":{"type":"string"}}"#).unwrap().is_empty());
    assert!(
        of(r#"{"a":{"default":{"x-mcp-header":"A"},"enum":[{"x-mcp-header":"A"}]}}"#).unwrap().is_empty()
    );
    assert!(of(r#"{"a":{"items":{"properties":{"x-mcp-header":{"type":"string"}}}}}"#).unwrap().is_empty());
    assert!(ParamHeaders::of_schema(&json("true")).unwrap().is_empty());
}

#[test]
fn what_is_written_is_accepted_and_nothing_else() {
    let arguments = json(r#"{"region":"日本語","page":{"size":42.0},"dry":true}"#);
    let headers = region().write(&arguments).unwrap();
    let good: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(region().check(&arguments, &good), Ok(()));
    let replaced = |at: usize, value: (&'static str, &'static str)| {
        let mut headers = good.clone();
        headers[at] = value;
        headers
    };
    assert_eq!(region().check(&arguments, &replaced(1, ("mcp-param-SIZE", " 4.2e1 "))), Ok(()));
    let mut extra = good.clone();
    extra.push(("Mcp-Param-Foreign", "x"));
    assert_eq!(region().check(&arguments, &extra), Ok(()));
    extra.push(("mcp-param-region", "x"));
    for headers in [
        extra,
        good[1..].to_vec(),
        replaced(0, ("Mcp-Param-Region", "us")),
        replaced(0, ("Mcp-Param-Region", "=?base64?!?=")),
        replaced(1, ("Mcp-Param-Size", "43")),
        replaced(1, ("Mcp-Param-Size", "+42")),
        replaced(2, ("Mcp-Param-Method", "True")),
    ] {
        let fault = region().check(&arguments, &headers).unwrap_err();
        assert_eq!((fault.status, fault.error.code), (400, code::HEADER_MISMATCH), "{headers:?}");
    }
    let fault = region().check(&json("{}"), &[("Mcp-Param-Region", "us")]).unwrap_err();
    assert_eq!(fault.error.code, code::HEADER_MISMATCH);
}

proptest! {
    #[test]
    fn headers_hold_for_the_arguments_they_were_written_from_and_for_no_others(
        region in "[ -~é\\n]{0,12}", size in -1_000_000_i64..1_000_000, dry: bool,
        other in "[ -~é\\n]{0,12}", claimed in "[ -~]{0,16}",
    ) {
        let text = |region: &str| {
            format!(r#"{{"region":{},"page":{{"size":{size}}},"dry":{dry}}}"#, quoted(region))
        };
        let (headers, arguments) = (written(&text(&region)), json(&text(&region)));
        let lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        prop_assert_eq!(region_check(&arguments, &lines), true);
        prop_assert_eq!(region_check(&json(&text(&other)), &lines), other == region);
        let mut forged = lines.clone();
        forged[0].1 = &claimed;
        let says_the_same = header::decode(header::trim(&claimed)).is_ok_and(|claimed| claimed == region);
        prop_assert_eq!(region_check(&arguments, &forged), says_the_same);
        forged.push(lines[0]);
        prop_assert!(!region_check(&arguments, &forged));
        prop_assert!(!region_check(&arguments, &lines[1..]));
    }
}

fn region_check(arguments: &Json, lines: &[(&str, &str)]) -> bool {
    region().check(arguments, lines).is_ok()
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}
