//! `x-mcp-header`: parameters mirrored as HTTP headers (MCP 2026-07-28, Transports). Must never guess at an invalid one.

use std::collections::HashSet;

use model::json::Json;

use crate::schema::subschemas;

/// The keyword.
pub const KEYWORD: &str = "x-mcp-header";

/// One parameter that is sent as a header too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderParameter {
    /// Member names from the arguments' root.
    pub path: Vec<String>,
    /// The part of the header name behind `Mcp-Param-`.
    pub header: String,
}

/// All of a schema.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HeaderParameters {
    /// Those that keep the rules.
    pub valid: Vec<HeaderParameter>,
    /// JSON Pointers to those that break them. A client must not use a tool that has one.
    pub invalid: Vec<String>,
}

impl HeaderParameters {
    /// Finds them in an `inputSchema`.
    #[must_use]
    pub fn of(schema: &Json) -> Self {
        let mut found = Self::default();
        let mut seen = HashSet::new();
        let mut open: Vec<(&Json, Option<Vec<String>>, String)> =
            vec![(schema, Some(Vec::new()), String::new())];
        while let Some((schema, path, at)) = open.pop() {
            if let Some(value) = schema.get(KEYWORD) {
                let mut unique = |name: &str| seen.insert(name.to_ascii_lowercase());
                match (valid(value, schema), &path) {
                    (Some(name), Some(path)) if !path.is_empty() && unique(name) => {
                        found.valid.push(HeaderParameter { path: path.clone(), header: name.to_owned() });
                    }
                    _ => found.invalid.push(format!("{at}/{KEYWORD}")),
                }
            }
            for step in subschemas(schema).into_iter().rev() {
                let path = path.as_ref().filter(|_| step.keyword == "properties").zip(step.key);
                let path = path.map(|(path, key)| path.iter().cloned().chain([key.to_owned()]).collect());
                open.push((step.schema, path, step.pointer(&at)));
            }
        }
        found
    }
}

fn valid<'a>(value: &'a Json, schema: &Json) -> Option<&'a str> {
    let name = value.as_str().filter(|name| is_token(name))?;
    let kind = schema.get("type").and_then(Json::as_str)?;
    matches!(kind, "string" | "integer" | "boolean").then_some(name)
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.len() <= 128 && text.bytes().all(token)
}

#[cfg(test)]
mod tests {
    use model::limits::JsonLimits;

    use super::*;

    fn of(text: &str) -> HeaderParameters {
        HeaderParameters::of(&Json::parse(text.as_bytes(), &JsonLimits::REQUEST).unwrap())
    }

    #[test]
    fn parameters_reached_through_properties_alone_are_valid() {
        let found = of(r#"{"type":"object","properties":{"a":{"type":"object","properties":
            {"b":{"type":"integer","x-mcp-header":"Deep"}}},"r":{"type":"string","x-mcp-header":"Region"}}}"#);
        assert!(found.invalid.is_empty());
        let names: Vec<_> = found.valid.iter().map(|p| (p.path.join("."), p.header.as_str())).collect();
        assert_eq!(names, [("a.b".to_owned(), "Deep"), ("r".to_owned(), "Region")]);
    }

    #[test]
    fn everything_else_is_invalid() {
        for bad in [
            r#"{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":""}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"a b"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":7}}}"#,
            r#"{"properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}}"#,
            r#"{"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]}"#,
            r#"{"type":"string","x-mcp-header":"A"}"#,
        ] {
            let found = of(bad);
            assert_eq!((found.valid.len(), found.invalid.len()), (0, 1), "{bad}");
        }
        let twice = of(r#"{"properties":{"a":{"type":"string","x-mcp-header":"X"},
            "b":{"type":"string","x-mcp-header":"x"}}}"#);
        assert_eq!((twice.valid.len(), twice.invalid), (1, vec!["/properties/b/x-mcp-header".to_owned()]));
    }
}
