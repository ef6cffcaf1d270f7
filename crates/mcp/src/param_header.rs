//! `x-mcp-header`: arguments mirrored as `Mcp-Param-*` headers (MCP 2026-07-28, Transports). Must never trust a
//! header: it is only ever compared with the body.

#[cfg(test)]
mod tests;

use model::json::{Json, Member};

use crate::fault::{ProtocolFault, short};
use crate::header;

const ANNOTATION: &str = "x-mcp-header";
const PREFIX: &str = "Mcp-Param-";
/// 2^53 − 1.
const INTEGER_MAX: i64 = 9_007_199_254_740_991;

/// The mirrored parameters of one tool.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ParamHeaders(Vec<ParamHeader>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct ParamHeader {
    /// Property names from the root of the arguments.
    path: Vec<Box<str>>,
    /// The header with its prefix.
    header: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    String,
    Integer,
    Boolean,
}

/// Why a tool's annotations are refused. A client must not use such a tool over HTTP.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AnnotationFault {
    /// Not a non-empty token (RFC 9110 §5.6.2).
    #[error("`x-mcp-header` is not a header name: `{0}`")]
    Name(String),
    /// The same header for two parameters.
    #[error("`x-mcp-header` names `{0}` twice")]
    Repeated(String),
    /// The parameter is not a string, integer or boolean.
    #[error("`x-mcp-header: {0}` stands on a parameter that is no string, integer or boolean")]
    Type(String),
    /// Somewhere no value can be found by its path alone.
    #[error("`x-mcp-header` stands where it is not reached through `properties` alone")]
    Place,
}

/// An argument that cannot be mirrored: another type than the schema says, or an integer beyond 2^53 − 1.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the argument mirrored as `{0}` does not fit its type")]
pub struct Unmirrorable(String);

impl ParamHeaders {
    /// Reads the annotations of an `inputSchema`.
    ///
    /// # Errors
    /// [`AnnotationFault`]: the tool must be dropped (over HTTP).
    pub fn of_schema(schema: &Json) -> Result<Self, AnnotationFault> {
        if schema.get(ANNOTATION).is_some() {
            return Err(AnnotationFault::Place);
        }
        let mut found = Self::default();
        found.walk(schema, &mut Vec::new())?;
        Ok(found)
    }

    /// True when nothing is mirrored.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn walk(&mut self, schema: &Json, path: &mut Vec<Box<str>>) -> Result<(), AnnotationFault> {
        let Json::Object(keywords) = schema else { return Ok(()) };
        for keyword in keywords {
            match (&*keyword.name, &keyword.value) {
                ("properties", Json::Object(properties)) => self.properties(properties, path)?,
                (name, value) if HOLDS_SCHEMAS.contains(&name) => refuse_inside(value, Holds::OneOrList)?,
                (name, value) if HOLDS_NAMED_SCHEMAS.contains(&name) => refuse_inside(value, Holds::Named)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn properties(&mut self, properties: &[Member], path: &mut Vec<Box<str>>) -> Result<(), AnnotationFault> {
        for property in properties {
            path.push(property.name.clone());
            if let Some(annotation) = property.value.get(ANNOTATION) {
                self.annotate(annotation, &property.value, path)?;
            }
            self.walk(&property.value, path)?;
            path.pop();
        }
        Ok(())
    }

    fn annotate(&mut self, name: &Json, schema: &Json, path: &[Box<str>]) -> Result<(), AnnotationFault> {
        let name = match name {
            Json::String(name) if is_token(name) => name,
            other => return Err(AnnotationFault::Name(short(&other.canonical()))),
        };
        let kind = match schema.get("type").and_then(Json::as_str) {
            Some("string") => Kind::String,
            Some("integer") => Kind::Integer,
            Some("boolean") => Kind::Boolean,
            _ => return Err(AnnotationFault::Type(name.to_string())),
        };
        let header = format!("{PREFIX}{name}");
        if self.0.iter().any(|other| other.header.eq_ignore_ascii_case(&header)) {
            return Err(AnnotationFault::Repeated(name.to_string()));
        }
        self.0.push(ParamHeader { path: path.to_vec(), header, kind });
        Ok(())
    }

    /// The headers to send with these arguments.
    ///
    /// # Errors
    /// [`Unmirrorable`]: the call must not be sent.
    pub fn write(&self, arguments: &Json) -> Result<Vec<(String, String)>, Unmirrorable> {
        let mut headers = Vec::new();
        for param in &self.0 {
            if let Some(value) = param.value(arguments) {
                let text = param.text(value).ok_or_else(|| Unmirrorable(param.header.clone()))?;
                headers.push((param.header.clone(), header::encode(&text).into_owned()));
            }
        }
        Ok(headers)
    }

    /// Compares the headers of a modern `tools/call` with its arguments. `headers` are all of the request's, or
    /// at least all whose name begins with `Mcp-Param-`, each line by itself.
    ///
    /// # Errors
    /// `-32020` when one is missing, repeated, malformed, unexpected, or says something else.
    pub fn check(&self, arguments: &Json, headers: &[(&str, &str)]) -> Result<(), ProtocolFault> {
        for param in &self.0 {
            let named = |(name, _): &&(&str, &str)| name.eq_ignore_ascii_case(&param.header);
            let mut values = headers.iter().filter(named).map(|(_, value)| header::trim(value));
            let (first, second) = (values.next(), values.next());
            let problem = match (first, second, param.value(arguments)) {
                (_, Some(_), _) => "is repeated",
                (None, None, None) => continue,
                (None, None, Some(_)) => "is missing",
                (Some(_), None, None) => "has no value in the body",
                (Some(header), None, Some(value)) => match header::decode(header) {
                    Ok(header) if param.says(&header, value) => continue,
                    Ok(_) => "does not match the body",
                    Err(_) => "is malformed",
                },
            };
            return Err(ProtocolFault::header(format!(
                "Header mismatch: the {} header {problem}",
                param.header
            )));
        }
        Ok(())
    }
}

impl ParamHeader {
    /// The argument, unless absent or null.
    fn value<'a>(&self, arguments: &'a Json) -> Option<&'a Json> {
        let found = self.path.iter().try_fold(arguments, |value, name| value.get(name));
        found.filter(|value| !matches!(value, Json::Null))
    }

    fn text(&self, value: &Json) -> Option<String> {
        match (self.kind, value) {
            (Kind::String, Json::String(text)) => Some(text.to_string()),
            (Kind::Integer, Json::Number(text)) => integer(text).map(|number| number.to_string()),
            (Kind::Boolean, Json::Bool(value)) => Some(value.to_string()),
            _ => None,
        }
    }

    fn says(&self, header: &str, value: &Json) -> bool {
        match (self.kind, value) {
            (Kind::Integer, Json::Number(text)) => {
                let (said, meant) = (integer(header), integer(text));
                said.is_some() && said == meant
            }
            _ => self.text(value).as_deref() == Some(header),
        }
    }
}

/// A number's text as an integer within ±(2^53 − 1): `42`, `42.0` and `4.2e1` are the same.
fn integer(text: &str) -> Option<i64> {
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return None;
    }
    let whole = match text.parse::<i64>() {
        Ok(whole) => whole,
        Err(_) => exact(text.parse::<f64>().ok()?)?,
    };
    (-INTEGER_MAX..=INTEGER_MAX).contains(&whole).then_some(whole)
}

/// The integer a double is, if it is one that doubles hold exactly.
fn exact(number: f64) -> Option<i64> {
    if number.fract() != 0.0 || number.abs() > 9_007_199_254_740_991.0 {
        return None;
    }
    format!("{number:.0}").parse().ok()
}

fn is_token(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token)
}

/// Keywords whose value is a schema or a list of schemas.
const HOLDS_SCHEMAS: [&str; 16] = [
    "items",
    "prefixItems",
    "additionalItems",
    "contains",
    "additionalProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
    "propertyNames",
    "contentSchema",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
];

/// Keywords whose value maps names to schemas.
const HOLDS_NAMED_SCHEMAS: [&str; 5] =
    ["$defs", "definitions", "patternProperties", "dependentSchemas", "dependencies"];

#[derive(Clone, Copy)]
enum Holds {
    OneOrList,
    Named,
}

/// Refuses an annotation anywhere in schemas that arguments do not reach by path.
fn refuse_inside(value: &Json, holds: Holds) -> Result<(), AnnotationFault> {
    match (holds, value) {
        (Holds::Named, Json::Object(named)) => {
            named.iter().try_for_each(|member| refuse_inside(&member.value, Holds::OneOrList))
        }
        (Holds::OneOrList, Json::Array(list)) => {
            list.iter().try_for_each(|schema| refuse_inside(schema, Holds::OneOrList))
        }
        (Holds::OneOrList, Json::Object(keywords)) => keywords.iter().try_for_each(|keyword| {
            let name = &*keyword.name;
            if name == ANNOTATION {
                return Err(AnnotationFault::Place);
            }
            match name {
                "properties" => refuse_inside(&keyword.value, Holds::Named),
                _ if HOLDS_NAMED_SCHEMAS.contains(&name) => refuse_inside(&keyword.value, Holds::Named),
                _ if HOLDS_SCHEMAS.contains(&name) => refuse_inside(&keyword.value, Holds::OneOrList),
                _ => Ok(()),
            }
        }),
        _ => Ok(()),
    }
}
