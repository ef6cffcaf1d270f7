//! Single members of objects that were parsed strictly: read, replaced, taken away; all else stays byte for byte. Must
//! never re-write another leaf.

use model::json::{Json, RawJson};
use model::limits::JsonLimits;

use crate::shape::Object;
use crate::splice;
use crate::write::Writer;

/// A member of an object, raw.
#[must_use]
pub fn member(object: &RawJson, name: &str) -> Option<RawJson> {
    let text = object.as_bytes();
    let part = splice::members(object).into_iter().find(|part| part.name(text) == name)?;
    Some(RawJson::slice(text, &part.value))
}

/// The elements of an array that is a member of an object; none when it is no array.
#[must_use]
pub fn elements(object: &RawJson, name: &str) -> Vec<RawJson> {
    member(object, name).map(|array| splice::elements(&array)).unwrap_or_default()
}

/// The text of a leaf, when it is a string.
#[must_use]
pub fn text(leaf: &RawJson) -> Option<String> {
    match Json::parse(leaf.as_bytes(), &JsonLimits::UPSTREAM) {
        Ok(Json::String(text)) => Some(text.into_string()),
        _ => None,
    }
}

/// The leaf of a text.
#[must_use]
pub fn string(text: &str) -> RawJson {
    let mut out = Writer::with_capacity(text.len() + 2);
    out.string(text);
    out.into_json()
}

/// The object with this member: at its place, or behind all others.
#[must_use]
pub fn with(object: &RawJson, name: &str, value: &RawJson) -> RawJson {
    edited(object, name, Some(value))
}

/// The object without this member.
#[must_use]
pub fn without(object: &RawJson, name: &str) -> RawJson {
    edited(object, name, None)
}

/// The object with those of its members only whose names are wanted.
#[must_use]
pub fn only(object: &RawJson, wanted: impl Fn(&str) -> bool) -> RawJson {
    let text = object.as_bytes();
    let mut out = Object::with_capacity(text.len());
    for part in splice::members(object) {
        if wanted(&part.name(text)) {
            out.part(&part, text);
        }
    }
    out.finish()
}

fn edited(object: &RawJson, name: &str, value: Option<&RawJson>) -> RawJson {
    let text = object.as_bytes();
    let mut out = Object::with_capacity(text.len() + value.map_or(0, |value| value.as_bytes().len() + 16));
    let mut left = value;
    for part in splice::members(object) {
        if part.name(text) != name {
            out.part(&part, text);
        } else if let Some(value) = left.take() {
            out.member(name).leaf(value);
        }
    }
    if let Some(value) = left {
        out.member(name).leaf(value);
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> RawJson {
        RawJson::parse(text.as_bytes().to_vec().into(), &JsonLimits::REQUEST).unwrap().0
    }

    #[test]
    fn one_member_changes_and_all_else_keeps_its_bytes() {
        let object = raw(r#"{ "a" : 1.0e2,"\u0062":"x" , "c":[ 1 ]}"#);
        let value = string("\"\u{1}");
        assert_eq!(with(&object, "b", &value).as_str(), r#"{"a" : 1.0e2,"b":"\"\u0001","c":[ 1 ]}"#);
        assert_eq!(
            with(&object, "d", &value).as_str(),
            r#"{"a" : 1.0e2,"\u0062":"x","c":[ 1 ],"d":"\"\u0001"}"#
        );
        assert_eq!(without(&object, "b").as_str(), r#"{"a" : 1.0e2,"c":[ 1 ]}"#);
        assert_eq!(without(&raw(r#"{"b":1}"#), "b").as_str(), "{}");
        assert_eq!(with(&raw("{}"), "b", &raw("1")).as_str(), r#"{"b":1}"#);
        assert_eq!(only(&object, |name| name != "a").as_str(), r#"{"\u0062":"x","c":[ 1 ]}"#);
    }

    #[test]
    fn members_elements_and_texts_are_read_as_they_are() {
        let object = raw(r#"{"l":[1,{"a":2}],"\u0073":"\u00e9","n":7}"#);
        let elements: Vec<_> = elements(&object, "l").iter().map(|e| e.as_str().to_owned()).collect();
        assert_eq!(elements, ["1", r#"{"a":2}"#]);
        assert_eq!(member(&object, "s").and_then(|leaf| text(&leaf)).as_deref(), Some("\u{e9}"));
        assert_eq!(member(&object, "n").and_then(|leaf| text(&leaf)), None);
        assert!(member(&object, "x").is_none() && super::elements(&object, "s").is_empty());
    }
}
