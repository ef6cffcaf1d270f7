//! Pages of lists (MCP 2026-07-28, Pagination). Must never let an upstream's cursor pass as one of ours.

use model::json::{Json, RawJson};
use model::method::Method;

use crate::edit;

const CURSOR: &str = "cursor";
const NEXT: &str = "nextCursor";

/// Whether the answer to a method comes in pages.
#[must_use]
pub const fn is_list(method: Method) -> bool {
    matches!(method, Method::ListResources | Method::ListTemplates | Method::ListPrompts)
}

/// Where a list goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// It ends here.
    End,
    /// At this cursor, which may be empty.
    At(String),
    /// At something that is no text.
    Broken,
}

/// Where a page says that its list goes on. Some servers write `null` for the end.
#[must_use]
pub fn next(result: &RawJson) -> Next {
    match edit::member(result, NEXT) {
        None => Next::End,
        Some(leaf) if leaf.as_str() == "null" => Next::End,
        Some(leaf) => edit::text(&leaf).map_or(Next::Broken, Next::At),
    }
}

/// The page with this cursor of ours, or none, in place of the upstream's.
#[must_use]
pub fn with_next(result: &RawJson, cursor: Option<&str>) -> RawJson {
    match cursor {
        Some(cursor) => edit::with(result, NEXT, &edit::string(cursor)),
        None if edit::member(result, NEXT).is_some() => edit::without(result, NEXT),
        None => result.clone(),
    }
}

/// The cursor that a request for a page brings: a text, nothing, or something else.
///
/// # Errors
/// What is wrong with it, for the caller.
pub fn cursor(arguments: &Json) -> Result<Option<&str>, &'static str> {
    match arguments.get(CURSOR) {
        None => Ok(None),
        Some(Json::String(cursor)) => Ok(Some(cursor)),
        Some(_) => Err("`cursor` must be a string"),
    }
}

/// The parameters of a list from this cursor of the upstream's on.
#[must_use]
pub fn from(arguments: &RawJson, cursor: Option<&str>) -> RawJson {
    match cursor {
        Some(cursor) => edit::with(arguments, CURSOR, &edit::string(cursor)),
        None => edit::without(arguments, CURSOR),
    }
}

#[cfg(test)]
mod tests {
    use model::limits::JsonLimits;

    use super::*;

    fn raw(text: &str) -> RawJson {
        RawJson::parse(text.as_bytes().to_vec().into(), &JsonLimits::REQUEST).unwrap().0
    }

    #[test]
    fn the_end_is_told_from_an_empty_cursor_and_from_nonsense() {
        for (page, expected) in [
            (r#"{"prompts":[]}"#, Next::End),
            (r#"{"prompts":[],"nextCursor":null}"#, Next::End),
            (r#"{"prompts":[],"nextCursor":""}"#, Next::At(String::new())),
            (r#"{"prompts":[],"nextCursor":"\u00e9\n"}"#, Next::At("\u{e9}\n".to_owned())),
            (r#"{"prompts":[],"nextCursor":7}"#, Next::Broken),
        ] {
            assert_eq!(next(&raw(page)), expected, "{page}");
        }
    }

    #[test]
    fn only_the_cursor_of_a_page_changes() {
        let page = raw(r#"{"nextCursor":"2", "prompts" : [ {} ]}"#);
        assert_eq!(with_next(&page, Some("ours")).as_str(), r#"{"nextCursor":"ours","prompts" : [ {} ]}"#);
        assert_eq!(with_next(&page, None).as_str(), r#"{"prompts" : [ {} ]}"#);
        let last = raw(r#"{ "prompts" : [ {} ] }"#);
        assert_eq!(with_next(&last, None).as_str(), last.as_str());
        assert_eq!(from(&raw(r#"{"cursor":"ours"}"#), Some("")).as_str(), r#"{"cursor":""}"#);
        assert_eq!(from(&raw(r#"{"cursor":"ours"}"#), None).as_str(), "{}");
    }
}
