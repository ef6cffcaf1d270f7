//! Where schemas stand inside a schema, by keyword. Must never take data (`enum`, `default`, `const`) for a schema.

use std::fmt::Write as _;

use model::json::{Json, Member};

/// Keywords whose value is a map from names to schemas.
pub(super) const MAPS: &[&str] =
    &["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];
/// Keywords whose value is a list of schemas.
pub(super) const LISTS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems", "items"];
/// Keywords whose value is a schema.
pub(super) const SINGLES: &[&str] = &[
    "items",
    "additionalItems",
    "unevaluatedItems",
    "contains",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "contentSchema",
];

/// One schema inside a schema.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The keyword it stands under.
    pub keyword: &'a str,
    /// Its name under the keyword, when the keyword holds a map.
    pub key: Option<&'a str>,
    /// Its position under the keyword, when the keyword holds a list.
    pub position: Option<usize>,
    /// The schema.
    pub schema: &'a Json,
}

impl Step<'_> {
    /// Its JSON Pointer, behind that of the schema it stands in.
    #[must_use]
    pub fn pointer(&self, base: &str) -> String {
        let mut out = base.to_owned();
        push_step(&mut out, self.keyword);
        if let Some(key) = self.key {
            push_step(&mut out, key);
        }
        if let Some(position) = self.position {
            push_step(&mut out, &position.to_string());
        }
        out
    }
}

/// The schemas that stand directly in `schema`.
#[must_use]
pub fn subschemas<'a>(schema: &'a Json) -> Vec<Step<'a>> {
    let Json::Object(members) = schema else { return Vec::new() };
    let mut found = Vec::new();
    for member in members {
        let keyword = &*member.name;
        match &member.value {
            Json::Object(inner) if MAPS.contains(&keyword) => {
                let step =
                    |m: &'a Member| Step { keyword, key: Some(&m.name), position: None, schema: &m.value };
                found.extend(inner.iter().map(step));
            }
            Json::Array(items) if LISTS.contains(&keyword) => {
                let step = |(i, schema)| Step { keyword, key: None, position: Some(i), schema };
                found.extend(items.iter().enumerate().map(step));
            }
            schema if SINGLES.contains(&keyword) => {
                found.push(Step { keyword, key: None, position: None, schema });
            }
            _ => {}
        }
    }
    found
}

/// One property that the arguments may have, at any depth.
#[derive(Clone, Copy, Debug)]
pub struct Property<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its schema.
    pub schema: &'a Json,
}

/// Every property the schema names, at any depth, definitions included.
#[must_use]
pub fn properties(schema: &Json) -> Vec<Property<'_>> {
    let mut found = Vec::new();
    let mut open = vec![schema];
    while let Some(schema) = open.pop() {
        for step in subschemas(schema) {
            if let ("properties", Some(name)) = (step.keyword, step.key) {
                found.push(Property { name, schema: step.schema });
            }
            open.push(step.schema);
        }
    }
    found
}

/// Adds one step to a JSON Pointer (RFC 6901 §3).
pub(crate) fn push_step(pointer: &mut String, step: &str) {
    pointer.push('/');
    for c in step.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            // Writing to a String cannot fail.
            c => drop(pointer.write_char(c)),
        }
    }
}
