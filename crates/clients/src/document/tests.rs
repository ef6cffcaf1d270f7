//! What is refused, and what editors accept.

use super::*;

fn parse(text: &str) -> Result<Document, DocumentFault> {
    Document::parse(text.as_bytes(), Format::Json)
}

#[test]
fn an_empty_file_has_no_servers() {
    for text in ["", " \n", "\u{feff}", "// nothing\n"] {
        assert!(parse(text).unwrap().get(&["mcpServers".to_owned()]).is_none(), "{text:?}");
    }
}

#[test]
fn what_is_no_json_is_refused_with_its_line() {
    for (text, line) in [("{\n\"a\": }", 2), ("{\"a\": 1,,}", 1), ("{} x", 1), ("{\n\n\"a\":1 \"b\":2}", 3)] {
        match parse(text).err() {
            Some(DocumentFault::Json { line: found, .. }) => assert_eq!(found, line, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    assert!(parse("{\"a\": 1, \"a\": 2}").is_err());
    assert!(parse("{ /* not closed").is_err());
    assert!(parse("{\"a\": \"not closed").is_err());
    assert_eq!(Document::parse(b"\xff", Format::Toml).err(), Some(DocumentFault::Encoding));
    let toml = Document::parse(b"a = 1\nb = \n", Format::Toml).err();
    assert_eq!(toml, Some(DocumentFault::Toml { line: 2 }));
}

#[test]
fn commas_and_comments_are_understood() {
    let text = "{ // c\n \"a\": [1, 2, /* x */ ], \"b\": \"// no /* comment\", }";
    let document = parse(text).unwrap();
    assert_eq!(document.tree().canonical(), "{\"a\":[1,2],\"b\":\"// no /* comment\"}");
}
