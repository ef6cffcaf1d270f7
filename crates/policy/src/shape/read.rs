//! Reading a JSON Schema (2020-12 or draft 7) into a shape. Must never follow a reference out of the document,
//! round in a circle, or past its budget.

use model::json::Json;

use super::{Record, Shape};

/// Properties read from one tool's schema, references expanded; what lies beyond is JSON text.
const FIELDS_MAX: usize = 512;
/// Records and sets within one another.
const DEPTH_MAX: usize = 8;
/// References followed for one property.
const REFERENCES_MAX: usize = 16;
/// Texts of one enumeration that are checked.
const ENUM_MAX: usize = 512;

/// The shape of a tool's arguments: its declared properties, whatever else the schema says.
pub(crate) fn read(input_schema: &Json) -> Record {
    let mut reader = Reader { root: input_schema, fields_left: FIELDS_MAX, trail: Vec::new() };
    reader.resolved(input_schema, |reader, schema| reader.record(schema, 0)).flatten().unwrap_or_default()
}

struct Reader<'a> {
    root: &'a Json,
    fields_left: usize,
    /// The references being expanded, to see circles.
    trail: Vec<&'a str>,
}

impl<'a> Reader<'a> {
    /// Follows `$ref` and reads what it points at; `None` when it leads nowhere, in a circle, or too far.
    fn resolved<T>(&mut self, schema: &'a Json, read: impl FnOnce(&mut Self, &'a Json) -> T) -> Option<T> {
        let before = self.trail.len();
        let mut target = schema;
        while let Some(reference) = target.get("$ref") {
            let next = reference.as_str().and_then(|r| Some((r, pointed_at(self.root, r)?)));
            let circle = next.is_some_and(|(reference, _)| self.trail.contains(&reference));
            match next {
                Some((reference, found)) if !circle && self.trail.len() < REFERENCES_MAX => {
                    self.trail.push(reference);
                    target = found;
                }
                _ => {
                    self.trail.truncate(before);
                    return None;
                }
            }
        }
        let answer = read(self, target);
        self.trail.truncate(before);
        Some(answer)
    }

    fn shape(&mut self, schema: &'a Json, depth: usize) -> Shape {
        self.resolved(schema, |reader, target| reader.plain(target, depth)).unwrap_or(Shape::Any)
    }

    fn plain(&mut self, schema: &'a Json, depth: usize) -> Shape {
        let composed = ["allOf", "not", "if", "dependentSchemas"].iter().any(|key| schema.get(key).is_some());
        if composed || !matches!(schema, Json::Object(_)) {
            return Shape::Any;
        }
        if let Some(choices) = schema.get("anyOf").or_else(|| schema.get("oneOf")) {
            return self.choice(schema, choices, depth);
        }
        match schema.get("type") {
            Some(Json::String(kind)) => self.typed(kind, schema, depth),
            Some(Json::Array(kinds)) => self.union(kinds, schema, depth),
            Some(_) => Shape::Any,
            None => texts(schema).map_or(Shape::Any, |texts| Shape::Text(Some(texts))),
        }
    }

    fn typed(&mut self, kind: &str, schema: &'a Json, depth: usize) -> Shape {
        match kind {
            "string" => text(schema),
            "integer" => Shape::Long,
            "boolean" => Shape::Bool,
            "number" => Shape::Number,
            "array" if depth < DEPTH_MAX => match schema
                .get("items")
                .map(|items| self.shape(items, depth + 1))
            {
                Some(Shape::Any | Shape::Number | Shape::Nullable(_) | Shape::List(_)) | None => Shape::Any,
                Some(item) => Shape::List(Box::new(item)),
            },
            "object" if depth < DEPTH_MAX => self.record(schema, depth + 1).map_or(Shape::Any, Shape::Record),
            _ => Shape::Any,
        }
    }

    /// `type: [X, "null"]`.
    fn union(&mut self, kinds: &'a [Json], schema: &'a Json, depth: usize) -> Shape {
        let mut others = kinds.iter().filter_map(Json::as_str).filter(|kind| *kind != "null");
        match (kinds.len(), others.next(), others.next()) {
            (1, Some(kind), None) => self.typed(kind, schema, depth),
            (2, Some(kind), None) => nullable(self.typed(kind, schema, depth)),
            _ => Shape::Any,
        }
    }

    /// `anyOf: [X, {"type": "null"}]` with nothing beside it that could change what X means.
    fn choice(&mut self, schema: &'a Json, choices: &'a Json, depth: usize) -> Shape {
        let beside =
            ["type", "properties", "items", "enum", "const"].iter().any(|key| schema.get(key).is_some());
        let Json::Array(choices) = choices else { return Shape::Any };
        let is_null = |choice: &&Json| choice.get("type").and_then(Json::as_str) == Some("null");
        let mut others = choices.iter().filter(|choice| !is_null(choice));
        match (beside, choices.len(), others.next(), others.next()) {
            (false, 2, Some(other), None) => nullable(self.shape(other, depth)),
            _ => Shape::Any,
        }
    }

    /// The declared properties; `None` when there are none or too many.
    fn record(&mut self, schema: &'a Json, depth: usize) -> Option<Record> {
        let Some(Json::Object(properties)) = schema.get("properties") else { return None };
        if properties.is_empty() {
            return None;
        }
        let required = match schema.get("required") {
            Some(Json::Array(names)) => names.as_slice(),
            _ => &[],
        };
        self.fields_left = self.fields_left.checked_sub(properties.len())?;
        let fields = properties
            .iter()
            .map(|property| {
                let needed = required.iter().any(|name| name.as_str() == Some(&property.name));
                (property.name.clone(), self.shape(&property.value, depth), needed)
            })
            .collect();
        Some(Record::new(fields))
    }
}

fn nullable(shape: Shape) -> Shape {
    match shape {
        Shape::Any => Shape::Any,
        Shape::Nullable(_) => shape,
        other => Shape::Nullable(Box::new(other)),
    }
}

fn text(schema: &Json) -> Shape {
    if schema.get("enum").is_some() || schema.get("const").is_some() {
        return Shape::Text(texts(schema));
    }
    match schema.get("format").and_then(Json::as_str) {
        Some("date-time") => Shape::Time,
        Some("ipv4" | "ipv6") => Shape::Address,
        _ => Shape::Text(None),
    }
}

/// The allowed texts, when `enum` or `const` allows texts only.
fn texts(schema: &Json) -> Option<Vec<Box<str>>> {
    let values = match (schema.get("enum"), schema.get("const")) {
        (Some(Json::Array(values)), None) if !values.is_empty() && values.len() <= ENUM_MAX => {
            values.as_slice()
        }
        (None, Some(value)) => std::slice::from_ref(value),
        _ => return None,
    };
    values.iter().map(|value| value.as_str().map(Box::from)).collect()
}

/// What a local reference (`#`, `#/a/b`) points at.
fn pointed_at<'a>(root: &'a Json, reference: &str) -> Option<&'a Json> {
    let pointer = reference.strip_prefix('#')?;
    if pointer.is_empty() {
        return Some(root);
    }
    pointer.strip_prefix('/')?.split('/').try_fold(root, |at, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        match at {
            Json::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => at.get(&step),
        }
    })
}
