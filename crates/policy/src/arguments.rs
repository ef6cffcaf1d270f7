//! Arguments to Cedar values, by shape. Must never interpret what a caller wrote as anything but data: no JSON
//! of theirs reaches Cedar's own JSON reader, so its escapes for entities and extensions mean nothing here.

use cedar_policy::RestrictedExpression as Value;
use model::json::{Json, write_string};

use crate::reads::Reads;
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
    /// What is not declared, if anything and if it is read: the JSON pointers, and the canonical text of an object of
    /// pointer to value.
    pub(crate) undeclared: Option<Value>,
    /// True when no required argument is missing, at any depth: then the values are as the Cedar schema says.
    pub(crate) complete: bool,
    /// True when some value can turn out to be none once Cedar reads it: a date that does not exist.
    pub(crate) unsettled: bool,
}

/// Converts the arguments of one call, keeping what is read. All of them are checked, whatever is read.
pub(crate) fn convert(shape: &Record, arguments: &Json, reads: &Reads) -> Result<Converted, ArgumentFault> {
    let Json::Object(_) = arguments else { return Err(ArgumentFault::NotAnObject(arguments.kind())) };
    if arguments.depth() > DEPTH_MAX {
        return Err(ArgumentFault::TooDeep);
    }
    let mut walk = Walk {
        reads,
        keeping: true,
        complete: true,
        unsettled: false,
        path: Vec::new(),
        undeclared: Vec::new(),
    };
    let args = walk.record(shape, arguments)?.map_or_else(|| record(Vec::new()), Ok)?;
    let Walk { complete, unsettled, undeclared, .. } = walk;
    let undeclared = if undeclared.is_empty() { None } else { Some(undeclared_value(undeclared)?) };
    Ok(Converted { args, undeclared, complete, unsettled })
}

fn undeclared_value(mut members: Vec<(String, &Json)>) -> Result<Value, ArgumentFault> {
    members.sort_by(|left, right| left.0.cmp(&right.0));
    let text = object_text(&members);
    let names = members.into_iter().map(|(name, _)| Value::new_string(name));
    record(vec![("names".to_owned(), Value::new_set(names)), ("json".to_owned(), Value::new_string(text))])
}

fn record(pairs: Pairs) -> Result<Value, ArgumentFault> {
    Value::new_record(pairs).map_err(|error| ArgumentFault::Cedar(error.to_string()))
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
    reads: &'a Reads,
    /// False inside a value that nobody reads: it is checked and not made.
    keeping: bool,
    complete: bool,
    unsettled: bool,
    path: Vec<Step<'a>>,
    undeclared: Vec<(String, &'a Json)>,
}

/// One step from a value to a value in it.
#[derive(Clone, Copy)]
enum Step<'a> {
    Member(&'a str),
    Item(usize),
}

type Pairs = Vec<(String, Value)>;

impl<'a> Walk<'a> {
    fn record(&mut self, shape: &Record, value: &'a Json) -> Result<Option<Value>, ArgumentFault> {
        let Json::Object(members) = value else { return Err(self.misfit("an object")) };
        let mut pairs: Pairs = Vec::new();
        let mut required = 0;
        for member in members {
            self.path.push(Step::Member(&member.name));
            match shape.field(&member.name) {
                Some(field) => {
                    required += usize::from(field.required);
                    if field.shape.has_json() && self.keeps(&field.json) {
                        pairs.push((field.json.to_string(), Value::new_string(member.value.canonical())));
                    }
                    self.field(field, &field.shape, &member.value, &mut pairs)?;
                }
                None if self.reads.member("undeclared") => {
                    self.undeclared.push((self.pointer(), &member.value));
                }
                None => {}
            }
            self.path.pop();
        }
        self.complete &= required == shape.required;
        if self.keeping { record(pairs).map(Some) } else { Ok(None) }
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
                for (name, bound) in [(&field.floor, floor), (&field.ceil, ceil)] {
                    if self.keeps(name) {
                        pairs.push((name.to_string(), Value::new_long(bound)));
                    }
                }
                Ok(())
            }
            _ => {
                let keeping = self.keeps(&field.name) || field.unsettled;
                let outside = std::mem::replace(&mut self.keeping, keeping);
                let made = self.typed(shape, value)?;
                self.keeping = outside;
                pairs.extend(made.map(|made| (field.name.to_string(), made)));
                Ok(())
            }
        }
    }

    /// The value, if it is kept.
    fn typed(&mut self, shape: &Shape, value: &'a Json) -> Result<Option<Value>, ArgumentFault> {
        let keeping = self.keeping;
        match (shape, value) {
            (Shape::Text(allowed), Json::String(text)) => match allowed {
                Some(allowed) if !allowed.contains(text) => Err(self.misfit("one of the declared texts")),
                _ => Ok(keeping.then(|| Value::new_string(text.to_string()))),
            },
            (Shape::Long, Json::Number(text)) => crate::number::whole(text)
                .map(|number| keeping.then(|| Value::new_long(number)))
                .ok_or_else(|| self.misfit("a whole number of 64 bits")),
            (Shape::Bool, Json::Bool(value)) => Ok(keeping.then(|| Value::new_bool(*value))),
            (Shape::Time, Json::String(text)) => {
                self.unsettled = true;
                crate::instant::from_rfc3339(text)
                    .map(|instant| Some(Value::new_datetime(instant)))
                    .ok_or_else(|| self.misfit("an RFC 3339 date and time"))
            }
            (Shape::Address, Json::String(text)) => {
                self.unsettled = true;
                match text.parse::<core::net::IpAddr>() {
                    Ok(address) => Ok(Some(Value::new_ip(address_text(address)))),
                    Err(_) => Err(self.misfit("an IP address")),
                }
            }
            (Shape::List(element), Json::Array(items)) => self.list(element, items),
            (Shape::Record(record), Json::Object(_)) => self.record(record, value),
            _ => Err(self.misfit(wanted(shape))),
        }
    }

    fn list(&mut self, element: &Shape, items: &'a [Json]) -> Result<Option<Value>, ArgumentFault> {
        let mut values = Vec::new();
        for (position, item) in items.iter().enumerate() {
            self.path.push(Step::Item(position));
            values.extend(self.typed(element, item)?);
            self.path.pop();
        }
        Ok(self.keeping.then(|| Value::new_set(values)))
    }

    /// True when an attribute of this name is to be made at this place: all or none within an argument.
    fn keeps(&self, name: &str) -> bool {
        if self.path.len() > 1 { self.keeping } else { self.reads.argument(name) }
    }

    /// Where the walk is, as a JSON pointer (RFC 6901 §3).
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.path {
            pointer.push('/');
            match step {
                Step::Member(name) => pointer.push_str(&name.replace('~', "~0").replace('/', "~1")),
                Step::Item(position) => pointer.push_str(&position.to_string()),
            }
        }
        pointer
    }

    fn misfit(&self, wanted: &'static str) -> ArgumentFault {
        ArgumentFault::Misfit { pointer: self.pointer(), wanted }
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
