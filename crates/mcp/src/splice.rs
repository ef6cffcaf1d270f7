//! Walks the top level of a text that was parsed strictly, without building a tree. Must never be used on a text
//! that was not: it trusts the grammar.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use model::json::{Json, RawJson};
use model::limits::JsonLimits;

/// One member of the object at the top, as byte ranges of its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    /// The name with its quotes.
    name: Range<usize>,
    /// The value.
    pub(crate) value: Range<usize>,
}

/// The members of the object `json` is; none when it is no object.
pub(crate) fn members(json: &RawJson) -> Vec<Part> {
    let text = json.as_bytes();
    items(text, b'{')
        .filter_map(|item| {
            let colon = value_end(text, item.start);
            let value = skip_space(text, skip_space(text, colon) + 1);
            (value <= item.end).then_some(Part { name: item.start..colon, value: value..item.end })
        })
        .collect()
}

/// The elements of the array `json` is, each cut out; none when it is no array.
pub(crate) fn elements(json: &RawJson) -> Vec<RawJson> {
    let text = json.as_bytes();
    items(text, b'[').map(|item| RawJson::slice(text, &item)).collect()
}

/// What stands between the braces of the object `json` is; empty when it is no object or has no members.
pub(crate) fn inner(json: &RawJson) -> &[u8] {
    let text = json.as_bytes().trim_ascii();
    let inner = text.strip_prefix(b"{").and_then(|text| text.strip_suffix(b"}"));
    inner.unwrap_or_default().trim_ascii()
}

impl Part {
    /// The name, escapes undone.
    pub(crate) fn name<'a>(&self, text: &'a Bytes) -> Cow<'a, str> {
        let quoted = text.get(self.name.clone()).unwrap_or_default();
        let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        match std::str::from_utf8(inner) {
            Ok(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
            _ => match Json::parse(quoted, &JsonLimits::UPSTREAM) {
                Ok(Json::String(name)) => Cow::Owned(name.into_string()),
                _ => Cow::Borrowed(""),
            },
        }
    }

    /// Name, colon and value as they were written.
    pub(crate) fn text<'a>(&self, text: &'a Bytes) -> &'a [u8] {
        text.get(self.name.start..self.value.end).unwrap_or_default()
    }
}

/// The comma-separated items of the list that opens the text, from first to last byte of each.
fn items(text: &Bytes, open: u8) -> impl Iterator<Item = Range<usize>> {
    let mut at = skip_space(text, 0);
    let list = text.get(at) == Some(&open);
    at = skip_space(text, at + 1);
    std::iter::from_fn(move || {
        let start = at;
        if !list || matches!(text.get(start), None | Some(b']' | b'}')) {
            return None;
        }
        let mut end = start;
        // An item of an object is name, colon, value; of an array, a value.
        loop {
            let piece = value_end(text, end);
            let next = skip_space(text, piece);
            if text.get(next) == Some(&b':') {
                end = skip_space(text, next + 1);
                continue;
            }
            at = match text.get(next) {
                Some(b',') => skip_space(text, next + 1),
                _ => next,
            };
            return (piece > start).then_some(start..piece);
        }
    })
}

fn skip_space(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count()
}

/// Where the value that begins at `start` ends.
fn value_end(text: &[u8], start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    match rest.first() {
        Some(b'"') => start + string_length(rest),
        Some(b'{' | b'[') => start + nested_length(rest),
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b':' | b' ' | b'\n' | b'\r' | b'\t');
            start + rest.iter().position(ends).unwrap_or(rest.len())
        }
    }
}

/// Length of the string that opens `rest`, quotes included.
fn string_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = rest.get(at..).and_then(|r| r.iter().position(|b| *b == b'"' || *b == b'\\')) {
        at += found + 1;
        match rest.get(at - 1) {
            Some(b'\\') => at += 1,
            _ => return at,
        }
    }
    rest.len()
}

/// Length of the object or array that opens `rest`.
fn nested_length(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0usize);
    while let Some(byte) = rest.get(at) {
        match byte {
            b'"' => {
                at += string_length(rest.get(at..).unwrap_or_default());
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(text: &str) -> RawJson {
        RawJson::parse(Bytes::copy_from_slice(text.as_bytes()), &JsonLimits::UPSTREAM).unwrap().0
    }

    #[test]
    fn members_and_elements_are_cut_exactly() {
        let json = raw(r#" { "a" : [1, {"x":"}\"]"}] ,"\u0062":"\\", "c":-1.5e3 , "d":{} } "#);
        let text = json.as_bytes();
        let parts = members(&json);
        let cut: Vec<_> = parts.iter().map(|p| std::str::from_utf8(p.text(text)).unwrap()).collect();
        assert_eq!(cut, [r#""a" : [1, {"x":"}\"]"}]"#, r#""\u0062":"\\""#, r#""c":-1.5e3"#, r#""d":{}"#]);
        let names: Vec<_> = parts.iter().map(|part| part.name(text)).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        let items = elements(&raw(r#"[ 1 ,"a,b" , [2,3],{"k":[]},null]"#));
        let items: Vec<_> = items.iter().map(|item| item.as_str().to_owned()).collect();
        assert_eq!(items, ["1", "\"a,b\"", "[2,3]", r#"{"k":[]}"#, "null"]);
    }

    #[test]
    fn other_kinds_have_neither() {
        for text in ["{}", "[]", "1", "\"{}\"", "null", "[ ]", "{ }"] {
            assert!(members(&raw(text)).is_empty() && elements(&raw(text)).is_empty(), "{text}");
        }
        assert!(members(&raw("[1]")).is_empty() && elements(&raw(r#"{"a":1}"#)).is_empty());
    }

    proptest! {
        #[test]
        fn agrees_with_the_parser(text in "[\\[\\]{}:,\"\\\\0-9a-b -]{0,20}", wrap in "[\\[{]") {
            let text = if wrap == "[" { format!("[{text}]") } else { format!("{{{text}}}") };
            if let Ok((json, tree)) = RawJson::parse(Bytes::from(text), &JsonLimits::REQUEST) {
                match tree {
                    Json::Object(want) => {
                        let got: Vec<_> = members(&json).into_iter().map(|part| part.value).collect();
                        let want: Vec<_> = want.into_iter().map(|member| member.span).collect();
                        prop_assert_eq!(got, want);
                    }
                    Json::Array(want) => {
                        let got: Vec<_> = elements(&json)
                            .iter()
                            .map(|item| Json::parse(item.as_bytes(), &JsonLimits::REQUEST).unwrap().canonical())
                            .collect();
                        let want: Vec<_> = want.iter().map(Json::canonical).collect();
                        prop_assert_eq!(got, want);
                    }
                    _ => {}
                }
            }
        }

        #[test]
        fn never_panics_on_any_text(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let bytes = Bytes::from(bytes);
            let json = RawJson::slice(&bytes, &(0..bytes.len()));
            drop((members(&json), elements(&json)));
        }
    }
}
