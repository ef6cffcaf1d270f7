//! What callers are told about wrong arguments, and what hostile schemas cannot do.

use std::fmt::Write as _;

use model::limits::JsonLimits;
use proptest::prelude::*;

use super::*;

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes(), &JsonLimits::UPSTREAM).unwrap()
}

fn compile(text: &str) -> Result<ArgumentSchema, SchemaFault> {
    ArgumentSchema::compile(&json(text))
}

fn faults(schema: &str, args: &str) -> Vec<String> {
    let found = compile(schema).unwrap().check(&json(args)).err().unwrap_or_default();
    let mut found: Vec<String> = found.iter().map(ToString::to_string).collect();
    found.sort();
    found
}

const ISSUE: &str = r#"{"type":"object","required":["title"],"additionalProperties":false,"properties":{
    "title":{"type":"string","minLength":1,"maxLength":10},
    "labels":{"type":"array","maxItems":2,"items":{"enum":["bug","idea"]}},
    "count":{"type":"integer","minimum":1,"maximum":9007199254740993},
    "note":{"anyOf":[{"type":"string"},{"type":"null"}]},
    "who":{"type":"object","properties":{"a/b":{"type":"string","pattern":"^[a-z]+$"}}}}}"#;

#[test]
fn arguments_that_fit_pass() {
    assert!(
        faults(ISSUE, r#"{"title":"x","labels":["bug"],"count":3,"note":null,"who":{"a/b":"c"}}"#).is_empty()
    );
}

#[test]
fn a_fault_says_where_and_what_is_expected() {
    let found = faults(
        ISSUE,
        r#"{"labels":["x",1,"bug"],"count":1.5,"note":7,"who":{"a/b":"S3CRET"},"extra":"S3CRET"}"#,
    );
    assert_eq!(
        found,
        [
            r#"`/count`: must be of type integer"#,
            r#"`/extra`: is not a parameter of this tool"#,
            r#"`/labels/0`: must be one of "bug", "idea""#,
            r#"`/labels/1`: must be one of "bug", "idea""#,
            r#"`/labels`: must have at most 2 items"#,
            r#"`/note`: must be of type string or null"#,
            r#"`/title`: is required"#,
            r#"`/who/a~1b`: must match the pattern `^[a-z]+$`"#,
        ]
    );
}

#[test]
fn arguments_that_are_no_object_are_refused() {
    assert_eq!(faults(ISSUE, "[]"), ["``: must be of type object"]);
}

#[test]
fn at_most_eight_faults_are_told() {
    let args: Vec<String> = (0..40).map(|i| format!(r#""x{i}":1"#)).collect();
    assert_eq!(faults(ISSUE, &format!("{{{}}}", args.join(","))).len(), FAULTS_MAX);
}

#[test]
fn numbers_are_compared_exactly_or_refused() {
    let with = |number: &str| faults(ISSUE, &format!(r#"{{"title":"x","count":{number}}}"#));
    assert!(with("9007199254740993").is_empty());
    assert_eq!(with("9007199254740994"), ["`/count`: must be at most 9007199254740993"]);
    assert!(with("2.0").is_empty());
    for number in ["9007199254740993.0", "1e400", "340282366920938463463374607431768211456"] {
        assert_eq!(
            with(number),
            ["`/count`: is a number too large or too precise to be checked exactly"],
            "{number}"
        );
    }
    let schema = r#"{"type":"object","properties":{"n":{"maximum":0.10000000000000000001}}}"#;
    assert_eq!(compile(schema).unwrap_err(), SchemaFault::Number { at: "/properties/n/maximum".into() });
}

#[test]
fn the_dialect_is_honoured() {
    let old = r#"{"$schema":"http://json-schema.org/draft-04/schema#","type":"object",
        "properties":{"n":{"maximum":3,"exclusiveMaximum":true}}}"#;
    assert_eq!(faults(old, r#"{"n":3}"#).len(), 1);
    let seven = r##"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object",
        "definitions":{"p":{"type":"string"}},"properties":{"a":{"$ref":"#/definitions/p"}}}"##;
    assert_eq!(faults(seven, r#"{"a":1}"#), ["`/a`: must be of type string"]);
    let unknown = r#"{"$schema":"https://example.com/mine","type":"object"}"#;
    assert_eq!(compile(unknown).unwrap_err(), SchemaFault::Dialect { at: "/$schema".into() });
}

#[test]
fn references_stay_inside() {
    for remote in ["https://example.com/s", "file:///etc/passwd", "other.json#/a", "//h/x", "urn:x"] {
        let schema = format!(r#"{{"type":"object","properties":{{"a":{{"$ref":"{remote}"}}}}}}"#);
        assert_eq!(
            compile(&schema).unwrap_err(),
            SchemaFault::RemoteReference { at: "/properties/a/$ref".into() },
            "{remote}"
        );
    }
    let anchor =
        r##"{"type":"object","properties":{"a":{"$ref":"#x"}},"$defs":{"x":{"$anchor":"x","type":"null"}}}"##;
    assert_eq!(faults(anchor, r#"{"a":1}"#), ["`/a`: must be of type null"]);
    let data =
        r#"{"type":"object","properties":{"$ref":{"type":"string","default":{"$ref":"https://e.com"}}}}"#;
    assert!(faults(data, r#"{"$ref":"x"}"#).is_empty());
    for (bad, at) in [("#/nothing", "/$ref"), ("#nothing", "/$ref")] {
        let schema = format!(r#"{{"type":"object","$ref":"{bad}"}}"#);
        assert_eq!(compile(&schema).unwrap_err(), SchemaFault::Unresolved { at: at.into() });
    }
    let embedded = r#"{"type":"object","$defs":{"x":{"$id":"https://example.com/x","type":"null"}}}"#;
    assert_eq!(compile(embedded).unwrap_err(), SchemaFault::EmbeddedResource { at: "/$defs/x".into() });
}

#[test]
fn recursion_through_the_value_works() {
    let tree = r##"{"type":"object","properties":{"v":{"type":"integer"},"next":{"$ref":"#"}}}"##;
    assert!(faults(tree, r#"{"v":1,"next":{"v":2,"next":{"v":3}}}"#).is_empty());
    assert_eq!(faults(tree, r#"{"next":{"next":{"v":"x"}}}"#), ["`/next/next/v`: must be of type integer"]);
}

#[test]
fn recursion_without_end_is_refused() {
    for endless in [
        r##"{"type":"object","$ref":"#"}"##,
        r##"{"type":"object","allOf":[{"$ref":"#/$defs/a"}],
            "$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"not":{"$ref":"#/$defs/a"}}}}"##,
    ] {
        assert!(matches!(compile(endless), Err(SchemaFault::Endless { .. })), "{endless}");
    }
}

#[test]
fn schemas_that_explode_are_refused() {
    let mut doubling = r##"{"type":"object","$ref":"#/$defs/d0","$defs":{"##.to_owned();
    for i in 0..25 {
        let next = i + 1;
        write!(
            doubling,
            r##""d{i}":{{"allOf":[{{"$ref":"#/$defs/d{next}"}},{{"$ref":"#/$defs/d{next}"}}]}},"##
        )
        .unwrap();
    }
    doubling.push_str(r#""d25":{}}}"#);
    assert!(compile(&doubling).is_err());

    let many: Vec<String> = (0..SUBSCHEMAS_MAX).map(|i| format!(r#""p{i}":{{}}"#)).collect();
    let many = format!(r#"{{"type":"object","properties":{{{}}}}}"#, many.join(","));
    assert!(matches!(compile(&many), Err(SchemaFault::TooLarge { what: "subschemas", .. })));
}

#[test]
fn schemas_that_double_at_each_level_of_the_value_cost_a_bounded_time() {
    let schema = r##"{"type":"object","properties":{"a":{"anyOf":[{"$ref":"#","required":["x"]},{"$ref":"#","required":["y"]}]}}}"##;
    let deep = format!("{}{{}}{}", r#"{"a":"#.repeat(30), "}".repeat(30));
    assert_eq!(faults(schema, &deep), ["``: is too large to be checked against this tool's schema"]);

    let mut wide = r##"{"type":"object","$ref":"#/$defs/d0","$defs":{"##.to_owned();
    for i in 0..24 {
        let next = i + 1;
        write!(wide, r##""d{i}":{{"properties":{{"a":{{"$ref":"#/$defs/d{next}"}},"b":{{"$ref":"#/$defs/d{next}"}}}}}},"##).unwrap();
    }
    wide.push_str(r#""d24":{"type":"null"}}}"#);
    assert!(compile(&wide).is_ok_and(|schema| schema.check(&json(r#"{"a":{"b":{"a":1}}}"#)).is_ok()));
}

#[test]
fn deep_arguments_meet_the_longest_chain_without_harm() {
    let mut schema = r##"{"type":"object","$ref":"#/$defs/d0","$defs":{"##.to_owned();
    for i in 0..14 {
        write!(schema, r##""d{i}":{{"allOf":[{{"$ref":"#/$defs/d{}"}}]}},"##, i + 1).unwrap();
    }
    schema.push_str(r##""d14":{"properties":{"a":{"$ref":"#/$defs/d0"}}}}}"##);
    let schema = compile(&schema).unwrap();
    let deep = |n: usize| json(&format!("{}1{}", r#"{"a":"#.repeat(n), "}".repeat(n)));
    assert!(schema.check(&deep(32)).is_ok());
    assert!(schema.check(&deep(33)).is_err());
}

#[test]
fn patterns_with_look_around_work_and_cannot_run_away() {
    let email = r#"{"type":"object","properties":{"e":{"type":"string","pattern":"^(?!\\.)(?!.*\\.\\.)[a-z.]+@[a-z.]+$"}}}"#;
    assert!(faults(email, r#"{"e":"a.b@c.d"}"#).is_empty());
    assert_eq!(faults(email, r#"{"e":"a..b@c.d"}"#).len(), 1);
    let evil = compile(r#"{"type":"object","properties":{"e":{"pattern":"^(?=(a+)+\\1$)(a+)+$"}}}"#).unwrap();
    let text = "a".repeat(4000) + "!";
    assert!(evil.check(&json(&format!(r#"{{"e":"{text}"}}"#))).is_err());
    let long = "a".repeat(9000);
    assert!(evil.check(&json(&format!(r#"{{"e":"{long}"}}"#))).is_err());
    assert!(matches!(
        compile(r#"{"type":"object","properties":{"e":{"pattern":"("}}}"#),
        Err(SchemaFault::Invalid { .. })
    ));
}

#[test]
fn many_wrong_items_are_not_listed_one_by_one() {
    let schema = r#"{"type":"object","properties":{"a":{"type":"array","items":{"type":"string"}}}}"#;
    let args = format!(r#"{{"a":[{}0]}}"#, "0,".repeat(50_000));
    assert_eq!(faults(schema, &args), ["``: does not fit this tool's schema, and is too large to say where"]);
}

#[test]
fn schemas_that_are_none_are_refused() {
    assert_eq!(compile("true").unwrap_err(), SchemaFault::NotAnObject);
    assert_eq!(compile(r#"{"type":"array"}"#).unwrap_err(), SchemaFault::NotAnObject);
    assert!(matches!(compile(r#"{"type":"object","required":"x"}"#), Err(SchemaFault::Invalid { .. })));
}

fn small_json() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("type"),
        Just("properties"),
        Just("items"),
        Just("anyOf"),
        Just("$ref"),
        Just("not"),
        Just("required"),
        Just("pattern"),
        Just("enum"),
        Just("unevaluatedProperties"),
        Just("if"),
        Just("minimum")
    ];
    let leaf = prop_oneof![
        Just("\"object\"".to_owned()),
        Just("\"#\"".to_owned()),
        Just("\"#/properties/type\"".to_owned()),
        Just("\"(a|b)*\"".to_owned()),
        Just("1".to_owned()),
        Just("true".to_owned()),
        Just("[\"type\"]".to_owned())
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::btree_map(key.clone(), inner.clone(), 0..4).prop_map(|members| {
                let members: Vec<String> = members.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
                format!("{{{}}}", members.join(","))
            }),
            prop::collection::vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(","))),
        ]
    })
}

proptest! {
    #[test]
    fn any_schema_and_any_arguments_end(properties in small_json(), args in small_json()) {
        let schema = format!(r#"{{"type":"object","properties":{{"type":{properties},"items":{properties}}}}}"#);
        if let Ok(schema) = compile(&schema) {
            let found = schema.check(&json(&args)).err().unwrap_or_default();
            prop_assert!(found.len() <= FAULTS_MAX);
        }
    }

    #[test]
    fn no_value_is_ever_echoed(secret in "[a-z]{6}[0-9]{6}") {
        let args = format!(r#"{{"title":{{"x":"{secret}"}},"labels":["{secret}"],"count":"{secret}",
            "note":["{secret}"],"who":{{"a/b":"{secret}"}}}}"#);
        let found = faults(ISSUE, &args);
        prop_assert!(!found.is_empty() && found.iter().all(|line| !line.contains(&secret)));
    }
}
