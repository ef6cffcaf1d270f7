//! Any schema and any arguments: a decision, never a panic, and never an entity that the caller wrote.

use proptest::prelude::*;

use super::*;

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just("in".to_owned()),
        Just("a_json".to_owned()),
        Just("__entity".to_owned()),
        Just("__extn".to_owned()),
        Just("type".to_owned()),
        Just("id".to_owned()),
        "[a-z$._~/-]{0,6}",
    ]
}

pub(super) fn members(value: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    proptest::collection::btree_map(name(), value, 0..4).prop_map(|members| {
        let members: Vec<String> = members
            .iter()
            .map(|(name, value)| format!("{}:{value}", serde_json::to_string(name).unwrap()))
            .collect();
        format!("{{{}}}", members.join(","))
    })
}

pub(super) fn schema() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just(r#"{"type":"string"}"#.to_owned()),
        Just(r#"{"type":"integer"}"#.to_owned()),
        Just(r#"{"type":"number"}"#.to_owned()),
        Just(r#"{"type":"boolean"}"#.to_owned()),
        Just(r#"{"type":["string","null"]}"#.to_owned()),
        Just(r#"{"enum":["x","y"]}"#.to_owned()),
        Just(r#"{"type":"string","format":"date-time"}"#.to_owned()),
        Just(r#"{"type":"string","format":"ipv4"}"#.to_owned()),
        Just("true".to_owned()),
        Just("{}".to_owned()),
        Just(r##"{"$ref":"#"}"##.to_owned()),
        Just(r##"{"$ref":"#/properties/a"}"##.to_owned()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|items| format!(r#"{{"type":"array","items":{items}}}"#)),
            inner.clone().prop_map(|one| format!(r#"{{"anyOf":[{one},{{"type":"null"}}]}}"#)),
            members(inner.boxed())
                .prop_map(|properties| format!(r#"{{"type":"object","properties":{properties}}}"#)),
        ]
    })
    .boxed()
}

pub(super) fn value() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("\"x\"".to_owned()),
        Just("\"10.0.0.1\"".to_owned()),
        Just("\"2026-11-21T09:00:00Z\"".to_owned()),
        Just("9223372036854775808".to_owned()),
        Just("1.5".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        "[ -!#-\\[\\]-~]{0,8}".prop_map(|text| format!("\"{text}\"")),
        Just(r#"{"__entity":{"type":"Callgate::AgentGroup","id":"known"}}"#.to_owned()),
        Just(r#"{"__extn":{"fn":"ip","arg":"10.0.0.1"}}"#.to_owned()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            members(inner.boxed()),
        ]
    })
    .boxed()
}

/// A value that fits the schema, as far as this crate types it.
pub(super) fn conforming(schema: &serde_json::Value, seed: u64) -> serde_json::Value {
    use serde_json::{Value, json};
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    match (kind, schema.get("format"), schema.get("enum"), schema.get("anyOf")) {
        ("string", Some(format), _, _) if format == "date-time" => json!("2026-01-02T03:04:05.6Z"),
        ("string", Some(_), _, _) => json!("192.0.2.1"),
        ("string", None, _, _) => json!(format!("s{seed}")),
        ("integer", ..) => json!(i64::MIN + i64::try_from(seed % 1000).unwrap()),
        ("number", ..) => json!(1.25),
        ("boolean", ..) => json!(seed.is_multiple_of(2)),
        ("array", ..) => json!([conforming(&schema["items"], seed), conforming(&schema["items"], seed + 1)]),
        ("object", ..) => {
            let members = schema["properties"].as_object().unwrap();
            Value::Object(
                members.iter().map(|(name, schema)| (name.clone(), conforming(schema, seed))).collect(),
            )
        }
        (_, _, Some(_), _) => json!("y"),
        (_, _, _, Some(choices)) if seed.is_multiple_of(2) => conforming(&choices[0], seed),
        _ => Value::Null,
    }
}

const ANY: &str = r#"@id("any") permit (principal, action in Callgate::Action::"call", resource);"#;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_schema_and_arguments_end_in_a_decision(properties in members(schema()), arguments in members(value())) {
        let input = format!(r#"{{"type":"object","properties":{properties}}}"#);
        let world = World::new().server("s", "x").tool("s__t", Risk::Write, &input);
        let decision = world.ask(ANY, "s__t", &arguments);
        prop_assert!(["permit", "error"].contains(&word(&decision).0), "{decision:?}");
    }

    #[test]
    fn arguments_that_fit_their_schema_are_decided(properties in members(schema()), seed in 0u64..1000) {
        let input = format!(r#"{{"type":"object","properties":{properties}}}"#);
        let world = World::new().server("s", "x").tool("s__t", Risk::Write, &input);
        let arguments = conforming(&serde_json::from_str(&input).unwrap(), seed).to_string();
        let decision = world.ask(ANY, "s__t", &arguments);
        if !input.contains("$ref") {
            prop_assert_eq!(word(&decision), ("permit", vec!["any"]), "{} {} {:?}", input, arguments, decision);
        }
    }
}
