//! What the parser accepts, what it refuses, and that it agrees with an independent parser.

use proptest::prelude::*;

use super::*;
use crate::json::RawJson;

const LIMITS: JsonLimits =
    JsonLimits { bytes_max: 1 << 16, depth_max: 64, values_max: 20_000, number_chars_max: 64 };

fn parse_text(text: &str) -> Result<Json, JsonFault> {
    parse(text.as_bytes(), &LIMITS)
}

#[track_caller]
fn refused(text: impl AsRef<[u8]>, problem: JsonProblem) {
    let got = parse(text.as_ref(), &LIMITS);
    assert_eq!(got.unwrap_err().problem, problem, "{}", String::from_utf8_lossy(text.as_ref()));
}

#[track_caller]
fn accepted(text: &str) -> Json {
    parse_text(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

/// The same value without spans.
fn bare(json: &Json) -> Json {
    match json {
        Json::Array(items) => Json::Array(items.iter().map(bare).collect()),
        Json::Object(members) => {
            let mut members: Vec<Member> = members
                .iter()
                .map(|m| Member { name: m.name.clone(), span: 0..0, value: bare(&m.value) })
                .collect();
            members.sort_by(|a, b| a.name.cmp(&b.name));
            Json::Object(members)
        }
        other => other.clone(),
    }
}

#[test]
fn numbers_keep_their_text() {
    for text in ["0", "-0", "9007199254740993", "1e400", "0.10", "-1.5E+07", "123456789012345678901234567890"]
    {
        assert_eq!(accepted(text), Json::Number(text.into()));
    }
    let call = accepted(r#"{"a":9007199254740993,"b":0.1000}"#);
    assert_eq!(call.canonical(), r#"{"a":9007199254740993,"b":0.1000}"#);
}

#[test]
fn broken_numbers_are_refused() {
    for text in ["01", "-", "-a", "+1", "1.", ".5", "1e", "1e+", "00", "-01", "0x1", "NaN", "Infinity"] {
        assert!(parse_text(text).is_err(), "{}", text);
        assert!(parse_text(&format!("[{text}]")).is_err(), "[{text}]");
    }
    refused("9".repeat(65), JsonProblem::NumberTooLong);
    accepted(&"9".repeat(64));
}

#[test]
fn strings_are_unescaped_once() {
    let text = r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é😀""#;
    assert_eq!(accepted(text).as_str(), Some("a\"\\/\u{8}\u{c}\n\r\té😀é😀"));
    assert_eq!(accepted(r#""\\u0041""#).as_str(), Some("\\u0041"));
    assert_eq!(accepted(r#""\u0000""#).as_str(), Some("\0"));
}

#[test]
fn broken_strings_are_refused() {
    for text in ["\"", "\"a", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\u+123\"", "'a'", "\"\\\""] {
        refused(text, JsonProblem::Syntax);
    }
    for control in 0u8..0x20 {
        refused([b'"', control, b'"'], JsonProblem::Syntax);
        refused([b"\"abcdefghijk".as_slice(), &[control], b"lmnopqrstuvwx\""].concat(), JsonProblem::Syntax);
    }
}

#[test]
fn lone_surrogates_are_refused() {
    for text in [r#""\ud800""#, r#""\udc00""#, r#""\ud800\ud800""#, r#""\udc00\ud800""#, r#""\ud800x""#] {
        refused(text, JsonProblem::LoneSurrogate);
    }
    refused(r#"{"\udfff":1}"#, JsonProblem::LoneSurrogate);
    refused(r#""\ud800\u00""#, JsonProblem::Syntax);
}

#[test]
fn other_encodings_are_refused() {
    refused(b"\xef\xbb\xbf{}", JsonProblem::Encoding);
    refused(b"\"\xff\"", JsonProblem::Encoding);
    refused(b"\"\xc0\x80\"", JsonProblem::Encoding);
    refused(b"\"\xed\xa0\x80\"", JsonProblem::Encoding);
    refused(b"\xfe\xff\0{\0}", JsonProblem::Encoding);
    refused(b"{\0}\0", JsonProblem::Syntax);
    refused("[\u{feff}]", JsonProblem::Syntax);
    assert_eq!(accepted("\"\u{feff}\"").as_str(), Some("\u{feff}"));
}

#[test]
fn one_value_and_nothing_else() {
    for text in ["{}{}", "{} x", "1 2", "null\0", "[]]", "true,"] {
        refused(text, JsonProblem::TrailingBytes);
    }
    for text in [
        "",
        " ",
        "[",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{,}",
        "[,1]",
        "{\"a\"}",
        "{a:1}",
        "{1:1}",
        "tru",
        "nul",
        "// x\n1",
        "[1 2]",
        "{\"a\" 1}",
        "\u{a0}1",
        "\u{b}1",
        "]",
        "}",
        "{]",
        "[}",
    ] {
        refused(text, JsonProblem::Syntax);
    }
    accepted(" \t\r\n[ 1 , { \"a\" : null } ] \n");
}

#[test]
fn duplicate_names_are_refused_at_any_size() {
    refused(r#"{"a":1,"a":1}"#, JsonProblem::DuplicateName);
    refused(r#"{"name":"safe","\u006eame":"evil"}"#, JsonProblem::DuplicateName);
    refused(r#"[{"x":{"":0,"":0}}]"#, JsonProblem::DuplicateName);
    accepted(r#"{"a":1,"A":1,"a\u0000":1}"#);
    for size in [15, 16, 17, 18, 40] {
        let names = |last: usize| {
            let members: Vec<_> = (0..size).chain([last]).map(|n| format!("\"k{n}\":{n}")).collect();
            format!("{{{}}}", members.join(","))
        };
        accepted(&names(size));
        refused(names(0), JsonProblem::DuplicateName);
        refused(names(size - 1), JsonProblem::DuplicateName);
    }
}

#[test]
fn limits_hold_exactly() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(accepted(&nested(64)).depth(), 64);
    refused(nested(65), JsonProblem::TooDeep);
    refused("[".repeat(60_000), JsonProblem::TooDeep);
    refused("{\"a\":".repeat(10_000), JsonProblem::TooDeep);
    let flat = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
    accepted(&flat(20_000));
    refused(flat(20_001), JsonProblem::TooMany);
    accepted(&format!("\"{}\"", "a".repeat((1 << 16) - 2)));
    refused(format!("\"{}\"", "a".repeat((1 << 16) - 1)), JsonProblem::TooLarge);
    let no_depth = JsonLimits { depth_max: 0, ..LIMITS };
    assert!(parse(b"1", &no_depth).is_ok() && parse(b"[]", &no_depth).is_err());
}

#[test]
fn limits_without_bound_still_bound_the_stack() {
    let boundless = JsonLimits {
        bytes_max: usize::MAX,
        depth_max: usize::MAX,
        values_max: usize::MAX,
        number_chars_max: usize::MAX,
    };
    let deep = "[{\"a\":".repeat(1_000_000);
    let small_stack = std::thread::Builder::new().stack_size(512 << 10);
    let outcome = small_stack.spawn(move || parse(deep.as_bytes(), &boundless)).unwrap().join().unwrap();
    assert_eq!(outcome.unwrap_err().problem, JsonProblem::TooDeep);
}

#[test]
fn spans_cut_out_exactly_the_value() {
    let text = r#" {"a" : { "b":[1, 2 ] } , "c":"\u0041é" }"#;
    let tree = accepted(text);
    assert_eq!(&text[tree.member("a").unwrap().span.clone()], r#"{ "b":[1, 2 ] }"#);
    assert_eq!(&text[tree.member("c").unwrap().span.clone()], r#""\u0041é""#);
    let inner = tree.get("a").unwrap().member("b").unwrap();
    assert_eq!(&text[inner.span.clone()], "[1, 2 ]");
    let bytes = bytes::Bytes::from_static(br#"{"x":[true]}"#);
    let (_, tree) = RawJson::parse(bytes.clone(), &LIMITS).unwrap();
    assert_eq!(RawJson::slice(&bytes, &tree.member("x").unwrap().span).as_str(), "[true]");
}

#[test]
fn faults_say_where() {
    let fault = parse_text(r#"{"a":1,"b":tru}"#).unwrap_err();
    assert_eq!((fault.offset, fault.problem), (11, JsonProblem::Syntax));
    assert_eq!(fault.to_string(), "not valid JSON at byte 11");
}

#[test]
fn canonical_sorts_by_utf16_and_escapes_least() {
    let text = "{\"\u{fb33}\":1,\"\u{1f600}\":2,\"€\":3,\"\\r\":4,\"1\":5,\"\\u0080\":6,\"ö\":7}";
    let want = "{\"\\r\":4,\"1\":5,\"\u{80}\":6,\"ö\":7,\"€\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}";
    assert_eq!(accepted(text).canonical(), want);
    assert_eq!(
        accepted(r#""\u001f\u007f\/\"\\\b\f\n\r\t""#).canonical(),
        "\"\\u001f\u{7f}/\\\"\\\\\\b\\f\\n\\r\\t\""
    );
}

/// Random JSON text of the given nesting, with free white space and escapes.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?",
        any_string(),
    ];
    leaf.prop_recursive(5, 60, 24, |inner| {
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..8), "[ \n\t\r]{0,2}")
                .prop_map(|(items, space)| format!("[{space}{}{space}]", items.join(&format!("{space},")))),
            (prop::collection::btree_map(".{0,6}", inner, 0..24), "[ \n\t\r]{0,2}").prop_map(
                |(members, space)| {
                    let members: Vec<_> = members
                        .iter()
                        .map(|(name, value)| format!("{}{space}:{value}", quoted(name)))
                        .collect();
                    format!("{{{}{space}}}", members.join(&format!(",{space}")))
                }
            ),
        ]
    })
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    crate::json::write_string(&mut out, text);
    out
}

fn any_string() -> impl Strategy<Value = String> {
    (prop::collection::vec(any::<char>(), 0..20), any::<bool>()).prop_map(|(chars, escaped)| {
        let text: String = chars.iter().collect();
        if !escaped {
            return quoted(&text);
        }
        let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        format!("\"{units}\"")
    })
}

fn same(ours: &Json, theirs: &serde_json::Value) -> bool {
    match (ours, theirs) {
        (Json::Null, serde_json::Value::Null) => true,
        (Json::Bool(left), serde_json::Value::Bool(right)) => left == right,
        (Json::String(left), serde_json::Value::String(right)) => **left == **right,
        (Json::Number(left), serde_json::Value::Number(right)) => {
            // The other parser may be one unit in the last place off.
            let (left, right) = (left.parse::<f64>().unwrap(), right.as_f64().unwrap());
            (left - right).abs() <= left.abs() * 1e-14
        }
        (Json::Array(left), serde_json::Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Json::Object(left), serde_json::Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|m| right.get(&*m.name).is_some_and(|right| same(&m.value, right)))
        }
        _ => false,
    }
}

fn spans_hold(text: &str, json: &Json) -> bool {
    match json {
        Json::Array(items) => items.iter().all(|item| spans_hold(text, item)),
        Json::Object(members) => members.iter().all(|m| {
            let again = text.get(m.span.clone()).and_then(|cut| parse_text(cut).ok());
            again.is_some_and(|again| bare(&again) == bare(&m.value)) && spans_hold(text, &m.value)
        }),
        _ => true,
    }
}

proptest! {
    #[test]
    fn agrees_with_another_parser_on_valid_json(text in any_json()) {
        let ours = parse_text(&text).unwrap();
        let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert!(same(&ours, &theirs), "{}", text);
        prop_assert!(spans_hold(&text, &ours), "{}", text);
    }

    #[test]
    fn canonical_means_the_same_and_is_stable(text in any_json()) {
        let tree = parse_text(&text).unwrap();
        let canonical = tree.canonical();
        let again = parse_text(&canonical).unwrap();
        prop_assert_eq!(bare(&tree), bare(&again));
        prop_assert_eq!(again.canonical(), canonical);
    }

    #[test]
    fn any_bytes_never_panic_and_nothing_is_accepted_that_another_parser_refuses(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        if parse(&bytes, &LIMITS).is_ok() {
            prop_assert!(serde_json::from_slice::<&serde_json::value::RawValue>(&bytes).is_ok());
        }
    }

    #[test]
    fn json_like_noise_is_judged_as_by_another_parser(text in "[\\[\\]{}:,\"\\\\0-9a-fu.eE+ -]{0,24}") {
        let ours = parse_text(&text);
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        match ours {
            Ok(_) => prop_assert!(theirs.is_ok() || out_of_range(&theirs), "{}", text),
            Err(fault) if fault.problem == JsonProblem::DuplicateName => prop_assert!(theirs.is_ok()),
            Err(_) => prop_assert!(theirs.is_err(), "{}", text),
        }
    }

    #[test]
    fn mutated_json_never_panics(text in any_json(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(tree) = parse(&bytes, &LIMITS) {
            prop_assert!(parse_text(&tree.canonical()).is_ok());
        }
        drop(parse(&bytes[..at], &LIMITS));
    }

    #[test]
    fn a_repeated_name_is_always_refused(
        names in prop::collection::btree_set(".{0,5}", 1..40),
        which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        escaped in any::<bool>(),
    ) {
        let names: Vec<String> = names.into_iter().collect();
        let again = &names[which.index(names.len())];
        let mut members: Vec<String> = names.iter().map(|name| format!("{}:1", quoted(name))).collect();
        let object = format!("{{{}}}", members.join(","));
        prop_assert!(parse_text(&object).is_ok(), "{}", object);
        let units: String = again.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let repeated = if escaped { format!("\"{units}\":2") } else { format!("{}:2", quoted(again)) };
        members.insert(place.index(members.len() + 1), repeated);
        let fault = parse_text(&format!("{{{}}}", members.join(","))).unwrap_err();
        prop_assert_eq!(fault.problem, JsonProblem::DuplicateName);
    }
}

/// The other parser refuses numbers it cannot hold as a double; ours keeps their text.
fn out_of_range(outcome: &Result<serde_json::Value, serde_json::Error>) -> bool {
    outcome.as_ref().is_err_and(|fault| fault.to_string().contains("number out of range"))
}
