//! Arguments to Cedar values, by shape. Must never interpret what a caller wrote as anything but data: no JSON
//! of theirs reaches Cedar's own JSON reader, so its escapes for entities and extensions mean nothing here.

use cedar_policy::RestrictedExpression as Value;
use model::json::{Json, write_string};

use crate::shape::{Field, Record, Shape};

/// Nesting of arguments that is decided upon.
pub(crate) const DEPTH_MAX: usize = 32;

/// Why arguments have no Cedar value. Always a deny.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArgumentFault {
    /// Not an object.
    #[error("the arguments are {0}, not an object")]
    NotAnObject(&'static str),
    /// Nested too deeply.
    #[error("the arguments are nested deeper than {DEPTH_MAX}")]
    TooDeep,
    /// The value is not of the declared kind, or not one Cedar can hold exactly.
    #[error("argument `{pointer}` is not {wanted}")]
    Misfit {
        /// Where, as a JSON pointer.
        pointer: String,
        /// What was declared.
        wanted: &'static str,
    },
    /// Cedar refused a value.
    #[error("argument values are not representable: {0}")]
    Cedar(String),
}

/// The arguments as Cedar sees them.
#[derive(Debug)]
pub(crate) struct Converted {
    /// The record of declared arguments.
    pub(crate) args: Value,
    /// What is not declared, if anything: the JSON pointers, and the canonical text of an object of pointer to
    /// value.
    pub(crate) undeclared: Option<Value>,
}

/// Converts the arguments of one call.
pub(crate) fn convert(shape: &Record, arguments: &Json) -> Result<Converted, ArgumentFault> {
    let Json::Object(_) = arguments else { return Err(ArgumentFault::NotAnObject(arguments.kind())) };
    if arguments.depth() > DEPTH_MAX {
        return Err(ArgumentFault::TooDeep);
    }
    let mut walk = Walk { pointer: String::new(), undeclared: Vec::new() };
    let args = walk.record(shape, arguments)?;
    let undeclared = if walk.undeclared.is_empty() { None } else { Some(undeclared(walk.undeclared)?) };
    Ok(Converted { args, undeclared })
}

fn undeclared(mut members: Vec<(String, &Json)>) -> Result<Value, ArgumentFault> {
    members.sort_by(|left, right| left.0.cmp(&right.0));
    let text = object_text(&members);
    let names = members.into_iter().map(|(name, _)| Value::new_string(name));
    Value::new_record([
        ("names".to_owned(), Value::new_set(names)),
        ("json".to_owned(), Value::new_string(text)),
    ])
    .map_err(|error| ArgumentFault::Cedar(error.to_string()))
}

fn object_text(members: &[(String, &Json)]) -> String {
    let mut out = String::from("{");
    for (position, (pointer, value)) in members.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        write_string(&mut out, pointer);
        out.push(':');
        out.push_str(&value.canonical());
    }
    out.push('}');
    out
}

struct Walk<'a> {
    pointer: String,
    undeclared: Vec<(String, &'a Json)>,
}

type Pairs = Vec<(String, Value)>;

impl<'a> Walk<'a> {
    fn record(&mut self, shape: &Record, value: &'a Json) -> Result<Value, ArgumentFault> {
        let Json::Object(members) = value else { return Err(self.misfit("an object")) };
        let mut pairs: Pairs = Vec::with_capacity(members.len());
        for member in members {
            let before = self.pointer.len();
            self.step(&member.name);
            match shape.field(&member.name) {
                Some(field) => {
                    if field.shape.has_json() {
                        pairs.push((field.json.to_string(), Value::new_string(member.value.canonical())));
                    }
                    self.field(field, &field.shape, &member.value, &mut pairs)?;
                }
                None => self.undeclared.push((self.pointer.clone(), &member.value)),
            }
            self.pointer.truncate(before);
        }
        Value::new_record(pairs).map_err(|error| ArgumentFault::Cedar(error.to_string()))
    }

    fn field(
        &mut self,
        field: &Field,
        shape: &Shape,
        value: &'a Json,
        pairs: &mut Pairs,
    ) -> Result<(), ArgumentFault> {
        match (shape, value) {
            (Shape::Any, _) | (Shape::Nullable(_), Json::Null) => Ok(()),
            (Shape::Nullable(inner), _) => self.field(field, inner, value, pairs),
            (Shape::Number, _) => {
                let bounds = match value {
                    Json::Number(text) => crate::number::bounds(text),
                    _ => None,
                };
                let (floor, ceil) = bounds.ok_or_else(|| self.misfit("a number"))?;
                pairs.push((field.floor.to_string(), Value::new_long(floor)));
                pairs.push((field.ceil.to_string(), Value::new_long(ceil)));
                Ok(())
            }
            _ => {
                pairs.push((field.name.to_string(), self.typed(shape, value)?));
                Ok(())
            }
        }
    }

    fn typed(&mut self, shape: &Shape, value: &'a Json) -> Result<Value, ArgumentFault> {
        match (shape, value) {
            (Shape::Text(allowed), Json::String(text)) => match allowed {
                Some(allowed) if !allowed.contains(text) => Err(self.misfit("one of the declared texts")),
                _ => Ok(Value::new_string(text.to_string())),
            },
            (Shape::Long, Json::Number(text)) => crate::number::whole(text)
                .map(Value::new_long)
                .ok_or_else(|| self.misfit("a whole number of 64 bits")),
            (Shape::Bool, Json::Bool(value)) => Ok(Value::new_bool(*value)),
            (Shape::Time, Json::String(text)) => crate::instant::from_rfc3339(text)
                .map(Value::new_datetime)
                .ok_or_else(|| self.misfit("an RFC 3339 date and time")),
            (Shape::Address, Json::String(text)) => match text.parse::<core::net::IpAddr>() {
                Ok(address) => Ok(Value::new_ip(address_text(address))),
                Err(_) => Err(self.misfit("an IP address")),
            },
            (Shape::List(element), Json::Array(items)) => self.list(element, items),
            (Shape::Record(record), Json::Object(_)) => self.record(record, value),
            _ => Err(self.misfit(wanted(shape))),
        }
    }

    fn list(&mut self, element: &Shape, items: &'a [Json]) -> Result<Value, ArgumentFault> {
        let mut values = Vec::with_capacity(items.len());
        for (position, item) in items.iter().enumerate() {
            let before = self.pointer.len();
            self.step(&position.to_string());
            values.push(self.typed(element, item)?);
            self.pointer.truncate(before);
        }
        Ok(Value::new_set(values))
    }

    /// Adds one reference token (RFC 6901 §3).
    fn step(&mut self, name: &str) {
        self.pointer.push('/');
        for c in name.chars() {
            match c {
                '~' => self.pointer.push_str("~0"),
                '/' => self.pointer.push_str("~1"),
                other => self.pointer.push(other),
            }
        }
    }

    fn misfit(&self, wanted: &'static str) -> ArgumentFault {
        ArgumentFault::Misfit { pointer: self.pointer.clone(), wanted }
    }
}

/// The address without an embedded dotted part, which Cedar does not read.
fn address_text(address: core::net::IpAddr) -> String {
    match address {
        core::net::IpAddr::V4(address) => address.to_string(),
        core::net::IpAddr::V6(address) => {
            let groups: Vec<String> = address.segments().iter().map(|group| format!("{group:x}")).collect();
            groups.join(":")
        }
    }
}

const fn wanted(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text(_) => "a string",
        Shape::Long => "a whole number of 64 bits",
        Shape::Bool => "a boolean",
        Shape::Time => "an RFC 3339 date and time",
        Shape::Address => "an IP address",
        Shape::Number => "a number",
        Shape::List(_) => "an array",
        Shape::Record(_) => "an object",
        Shape::Nullable(_) | Shape::Any => "what the schema declares",
    }
}
