//! The scan against strings, comments, depth and length.

use proptest::prelude::*;

use super::*;

fn texts(text: &str) -> Vec<&str> {
    statements(text).unwrap().iter().map(|s| s.text.trim()).collect()
}

#[test]
fn statements_end_at_semicolons_outside_strings_and_comments() {
    assert_eq!(texts("a; b;"), ["a;", "b;"]);
    assert_eq!(texts("@id(\"x;y\\\"z;\") a; // c; d\n b"), ["@id(\"x;y\\\"z;\") a;", "// c; d\n b"]);
    assert_eq!(
        texts("// a comment may end with a carriage return\r forbid;"),
        ["// a comment may end with a carriage return\r forbid;"]
    );
    assert_eq!(texts(" // only a comment"), Vec::<&str>::new());
    assert_eq!(texts("a \"// no comment\" ; b;"), ["a \"// no comment\" ;", "b;"]);
}

#[test]
fn depth_length_and_operators_are_bounded_outside_strings() {
    let deep = |open: &str, n: usize| open.repeat(n);
    assert!(statements(&deep("(", NESTING_MAX)).is_ok());
    assert_eq!(statements(&deep("(", NESTING_MAX + 1)), Err(ScanFault::Nesting(NESTING_MAX)));
    assert!(matches!(statements(&deep("([{", 30)), Err(ScanFault::Nesting(_))));
    assert!(statements(&format!("\"{}\"", deep("(", 500))).is_ok());
    assert!(statements(&format!("// {}\na;", deep("(", 500))).is_ok());
    assert_eq!(statements(&" ".repeat(FILE_BYTES_MAX + 1)), Err(ScanFault::FileSize));
    for chain in ["true && ", "true || ", "a.b", "if a then b else ", "1 + ", "!", "a[\"b\"]"] {
        assert!(
            matches!(statements(&chain.repeat(OPERATORS_MAX + 1)), Err(ScanFault::Operators(_))),
            "{chain}"
        );
    }
    let many = format!("{};", "true && ".repeat(300)).repeat(5);
    assert!(statements(&many).is_ok(), "the bound is for one policy");
}

#[test]
fn positions_are_counted_in_characters() {
    assert_eq!(position("äö\nüx", "äö\nü".len()), (2, 2));
    assert_eq!(position("a", 99), (1, 2));
}

proptest! {
    #[test]
    fn no_text_makes_the_scan_panic_and_statements_cover_it_in_order(text in "[ -~\\n\\r\"\\\\;/(){}äß]{0,200}") {
        if let Ok(found) = statements(&text) {
            let mut end = 0;
            for statement in &found {
                prop_assert!(statement.offset >= end && statement.begins >= statement.offset);
                end = statement.offset + statement.text.len();
                prop_assert_eq!(&text[statement.offset..end], statement.text);
            }
        }
    }
}
