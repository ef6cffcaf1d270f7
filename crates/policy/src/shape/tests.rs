//! Schemas as tools really write them, and as nobody should.

use model::json::Json;
use model::limits::JsonLimits;

use super::*;

fn shape(property: &str) -> Shape {
    let text = format!(
        r##"{{"type":"object","properties":{{"x":{property}}},"$defs":{{
            "Money":{{"type":"object","properties":{{"amount":{{"type":"integer"}}}}}},
            "Node":{{"type":"object","properties":{{"next":{{"$ref":"#/$defs/Node"}},"v":{{"type":"string"}}}}}},
            "A":{{"$ref":"#/$defs/B"}},"B":{{"$ref":"#/$defs/A"}}}},
            "definitions":{{"a/b":{{"type":"boolean"}}}}}}"##
    );
    let schema = Json::parse(text.as_bytes(), &JsonLimits::UPSTREAM).unwrap();
    read(&schema).field("x").unwrap().shape.clone()
}

#[test]
fn plain_types_are_typed_and_the_rest_is_json_text() {
    let texts = |texts: &[&str]| Shape::Text(Some(texts.iter().map(|text| Box::from(*text)).collect()));
    let list = |shape| Shape::List(Box::new(shape));
    let nullable = |shape| Shape::Nullable(Box::new(shape));
    let cases = [
        (r#"{"type":"string"}"#, Shape::Text(None)),
        (r#"{"type":["string"]}"#, Shape::Text(None)),
        (r#"{"type":"string","format":"date-time"}"#, Shape::Time),
        (r#"{"type":"string","format":"ipv6"}"#, Shape::Address),
        (r#"{"type":"string","format":"uri"}"#, Shape::Text(None)),
        (r#"{"enum":["a","b"]}"#, texts(&["a", "b"])),
        (r#"{"type":"string","const":"a"}"#, texts(&["a"])),
        (r#"{"enum":["a",1]}"#, Shape::Any),
        (r#"{"type":"integer"}"#, Shape::Long),
        (r#"{"type":"number"}"#, Shape::Number),
        (r#"{"type":"boolean"}"#, Shape::Bool),
        (r#"{"type":"array","items":{"type":"string"}}"#, list(Shape::Text(None))),
        (r#"{"type":"array"}"#, Shape::Any),
        (r#"{"type":"array","items":{"type":"number"}}"#, Shape::Any),
        (r#"{"type":"object"}"#, Shape::Any),
        (r#"{"type":"object","additionalProperties":{"type":"string"}}"#, Shape::Any),
        (r#"{"type":["string","null"]}"#, nullable(Shape::Text(None))),
        (r#"{"anyOf":[{"type":"integer"},{"type":"null"}],"default":null}"#, nullable(Shape::Long)),
        (r#"{"anyOf":[{"type":"integer"},{"type":"string"}]}"#, Shape::Any),
        (r#"{"type":["string","integer"]}"#, Shape::Any),
        (r#"{"allOf":[{"type":"string"}]}"#, Shape::Any),
        (r#"{"type":"string","not":{"const":"x"}}"#, Shape::Any),
        ("true", Shape::Any),
        ("{}", Shape::Any),
        ("7", Shape::Any),
        (r##"{"$ref":"#/definitions/a~1b"}"##, Shape::Bool),
        (r##"{"$ref":"#/$defs/missing"}"##, Shape::Any),
        (r##"{"$ref":"#/$defs/A"}"##, Shape::Any),
        (r##"{"$ref":"https://example.com/schema"}"##, Shape::Any),
        (r##"{"$ref":7}"##, Shape::Any),
    ];
    for (property, expected) in cases {
        assert_eq!(shape(property), expected, "{property}");
    }
}

#[test]
fn references_expand_until_they_come_round() {
    assert!(matches!(shape(r##"{"$ref":"#/$defs/Money"}"##), Shape::Record(_)));
    let Shape::Record(node) = shape(r##"{"$ref":"#/$defs/Node"}"##) else { panic!("not a record") };
    assert_eq!(node.field("next").unwrap().shape, Shape::Any);
    assert_eq!(node.field("v").unwrap().shape, Shape::Text(None));
}

#[test]
fn expansion_has_a_budget() {
    // Each level refers to the next ten times: 10^7 properties if nobody counted.
    let mut definitions = String::new();
    for level in 0..7 {
        let refs: Vec<String> = (0..10)
            .map(|n| {
                format!(
                    r##""p{n}":{{"type":"object","properties":{{"q":{{"$ref":"#/$defs/L{}"}}}}}}"##,
                    level + 1
                )
            })
            .collect();
        definitions
            .push_str(&format!(r#""L{level}":{{"type":"object","properties":{{{}}}}},"#, refs.join(",")));
    }
    let text = format!(
        r##"{{"type":"object","properties":{{"x":{{"$ref":"#/$defs/L0"}}}},"$defs":{{{definitions}"L7":{{"type":"string"}}}}}}"##
    );
    let schema = Json::parse(text.as_bytes(), &JsonLimits::UPSTREAM).unwrap();
    fn count(record: &Record) -> usize {
        record
            .fields
            .iter()
            .map(|f| {
                1 + match &f.shape {
                    Shape::Record(inner) => count(inner),
                    _ => 0,
                }
            })
            .sum()
    }
    assert!(count(&read(&schema)) <= 512);
}

#[test]
fn derived_attributes_never_take_a_declared_name() {
    let properties = vec![
        (Box::from("x"), Shape::Number, true),
        (Box::from("x_json"), Shape::Text(None), true),
        (Box::from("x_floor"), Shape::Long, true),
        (Box::from("x_json_json"), Shape::Any, true),
    ];
    let record = Record::new(properties);
    let mut names: Vec<&str> = Vec::new();
    for field in &record.fields {
        names.extend([&*field.name, &*field.json, &*field.floor, &*field.ceil]);
    }
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn odd_top_levels_have_no_declared_arguments() {
    for text in [
        "true",
        "[]",
        "{}",
        r#"{"anyOf":[{"type":"object"}]}"#,
        r#"{"properties":[]}"#,
        r#"{"properties":{}}"#,
    ] {
        let schema = Json::parse(text.as_bytes(), &JsonLimits::UPSTREAM).unwrap();
        assert!(read(&schema).fields.is_empty(), "{text}");
    }
}
