//! A whole list: what is taken, what is reported.

use super::*;
use crate::testing::raw;

fn named(name: &str) -> RawJson {
    raw(&format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#))
}

#[test]
fn nothing_is_dropped_silently() {
    let listing =
        Listing::read(&[named("a"), named("b\\u200b"), named("c"), named("a"), raw("7"), named("d")], &[]);
    let taken: Vec<_> = listing.definitions.iter().map(|d| d.name().as_str()).collect();
    assert_eq!(taken, ["c", "d"]);
    let refused: Vec<_> = listing.refused.iter().map(|r| (r.position, r.name.as_str())).collect();
    assert_eq!(refused, [(0, "a"), (1, "b\\u{200b}"), (3, "a"), (4, "")]);
    assert_eq!(listing.refused[0].fault, DefinitionFault::DuplicateName);
}

#[test]
fn a_list_has_an_end() {
    let many: Vec<RawJson> = (0..TOOLS_LISTED_MAX + 50).map(|i| named(&format!("t{i}"))).collect();
    let listing = Listing::read(&many, &[]);
    assert_eq!((listing.definitions.len(), listing.refused.len()), (TOOLS_LISTED_MAX, 1));
}

#[test]
fn no_server_lists_a_tool_under_the_name_of_an_operation() {
    let listing = Listing::read(&[named("mcp:resources/read"), named("a")], &[Method::ReadResource]);
    let ours = operation::definition(Method::ReadResource).unwrap();
    let names: Vec<_> = listing.definitions.iter().map(|definition| definition.name().as_str()).collect();
    assert_eq!(names, ["mcp:resources/read", "a"]);
    assert_eq!(listing.definitions[0], ours, "the definition is ours");
    assert_eq!(listing.refused.len(), 1);
    assert_eq!(listing.refused[0].fault, DefinitionFault::ReservedName);
    let undeclared = Listing::read(&[named("mcp:resources/read")], &[]);
    assert!(undeclared.definitions.is_empty(), "nor by itself");
}
