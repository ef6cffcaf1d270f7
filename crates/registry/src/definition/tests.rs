//! Reading definitions: what is kept, what is refused, what the digest covers.

use proptest::prelude::*;

use super::*;
use crate::testing::{definition, raw};

fn fault(text: &str) -> DefinitionFault {
    Definition::parse(&raw(text)).unwrap_err()
}

#[test]
fn a_definition_is_kept_byte_for_byte() {
    let text = r#"{ "name":"a.b","title":null,"description":"d","inputSchema":{"type":"object","x":1.50},
        "annotations":{"title":"T","readOnlyHint":true,"openWorldHint":null},"_meta":{"k":1}}"#;
    let tool = definition(text);
    assert_eq!((tool.name().as_str(), tool.title(), tool.description()), ("a.b", Some("T"), Some("d")));
    assert_eq!(tool.raw().as_str(), text);
    assert_eq!(tool.hints(), Hints { read_only: Some(true), ..Hints::default() });
    assert_eq!(tool.input_schema().get("type").and_then(Json::as_str), Some("object"));
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    assert!(matches!(fault("[]"), DefinitionFault::Member { member: "", .. }));
    assert!(matches!(
        fault(r#"{"inputSchema":{"type":"object"}}"#),
        DefinitionFault::Member { member: "name", .. }
    ));
    for schema in ["null", "{}", "true", r#"{"type":["object"]}"#, r#"{"type":"string"}"#] {
        let text = format!(r#"{{"name":"a","inputSchema":{schema}}}"#);
        assert!(matches!(fault(&text), DefinitionFault::Member { member: "inputSchema", .. }), "{schema}");
    }
    let hint = r#"{"name":"a","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":"true"}}"#;
    assert_eq!(fault(hint).to_string(), "`readOnlyHint` of the definition must be true or false");
    for name in ["", "a b", "раypal", "a\\u200b", &"x".repeat(129)] {
        let text = format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#);
        assert!(matches!(fault(&text), DefinitionFault::Name(_)), "{name}");
    }
    let large =
        format!(r#"{{"name":"a","inputSchema":{{"type":"object"}},"d":"{}"}}"#, "x".repeat(128 << 10));
    assert!(matches!(fault(&large), DefinitionFault::Json(_)));
}

#[test]
fn the_digest_covers_everything_a_client_sees() {
    let base = r#"{"name":"a","description":"d","inputSchema":{"type":"object"}}"#;
    let digest = definition(base).digest();
    for changed in [
        r#"{"name":"b","description":"d","inputSchema":{"type":"object"}}"#,
        r#"{"name":"a","description":"d ","inputSchema":{"type":"object"}}"#,
        r#"{"name":"a","description":"d","inputSchema":{"type":"object","properties":{}}}"#,
        r#"{"name":"a","description":"d","inputSchema":{"type":"object"},"_meta":{}}"#,
        r#"{"name":"a","description":"d","inputSchema":{"type":"object"},"icons":[]}"#,
        r#"{"name":"a","description":"d","inputSchema":{"type":"object"},"annotations":{}}"#,
        r#"{"name":"a","description":"d","inputSchema":{"type":"object"},"title":null}"#,
    ] {
        assert_ne!(definition(changed).digest(), digest, "{changed}");
    }
    let moved = r#"{ "inputSchema": {"type":"obj\u0065ct"}, "description":"d", "name":"a" }"#;
    assert_eq!(definition(moved).digest(), digest);
    let named = definition(r#"{"name":"b","description":"d","inputSchema":{"type":"object"}}"#);
    assert_eq!(named.body_digest(), definition(base).body_digest());
}

proptest! {
    #[test]
    fn the_digest_does_not_depend_on_the_order_of_members(
        members in prop::collection::btree_map("[a-z]{1,4}", "[ -!#-\\[\\]-~]{0,8}", 0..8),
        seed in any::<prop::sample::Index>(),
    ) {
        let mut lines: Vec<String> = members.iter().map(|(k, v)| format!("\"x{k}\":\"{v}\"")).collect();
        lines.push(r#""name":"a""#.to_owned());
        lines.push(r#""inputSchema":{"type":"object","title":"t"}"#.to_owned());
        let first = definition(&format!("{{{}}}", lines.join(",")));
        let middle = seed.index(lines.len());
        lines.rotate_left(middle);
        lines.reverse();
        let text = format!("{{{}}}", lines.join(" , ")).replace(
            r#""type":"object","title":"t""#, r#""title":"t","type":"object""#);
        prop_assert_eq!(first.digest(), definition(&text).digest());
    }

    #[test]
    fn no_bytes_make_reading_panic(text in "\\PC{0,60}") {
        let tree = Json::String(text.into());
        let named = format!(r#"{{"name":{0},"description":{0},"inputSchema":{{"type":"object"}}}}"#, tree.canonical());
        let _ = Definition::parse(&raw(&named));
        let _ = Definition::parse(&raw(&tree.canonical()));
    }
}
