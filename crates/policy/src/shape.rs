//! JSON Schema read as a shape that Cedar can type. Must never refuse a tool: what has no shape is JSON text.

mod read;

pub(crate) use read::read;

/// The shape of one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `string`; with an enumeration the list of allowed texts.
    Text(Option<Vec<Box<str>>>),
    /// `integer`.
    Long,
    /// `boolean`.
    Bool,
    /// `string` with `format: date-time`.
    Time,
    /// `string` with `format: ipv4` or `ipv6`.
    Address,
    /// `number`: text, and its floor and ceiling, which compare exactly with whole numbers.
    Number,
    /// `array` of something typed. Cedar's sets know neither order nor repetition, so the text goes along.
    List(Box<Shape>),
    /// `object` with declared properties.
    Record(Record),
    /// The shape, or null.
    Nullable(Box<Shape>),
    /// Anything else: canonical JSON text.
    Any,
}

/// The declared properties of an object, in order of name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) fields: Vec<Field>,
    /// How many of them are required.
    pub(crate) required: usize,
}

/// One declared property and the Cedar attributes that stand for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// The property's name, which is also the name of its typed attribute.
    pub(crate) name: Box<str>,
    /// Its shape.
    pub(crate) shape: Shape,
    /// True when the schema requires it.
    pub(crate) required: bool,
    /// True when a value that fits the shape can turn out to be none once Cedar reads it.
    pub(crate) unsettled: bool,
    /// The attribute that holds canonical JSON text, when the shape has one.
    pub(crate) json: Box<str>,
    /// The attribute that holds the floor of a number.
    pub(crate) floor: Box<str>,
    /// The attribute that holds the ceiling of a number.
    pub(crate) ceil: Box<str>,
}

impl Record {
    /// Names the attributes so that none is used twice: a derived name that is taken grows by its suffix again.
    pub(crate) fn new(mut properties: Vec<(Box<str>, Shape, bool)>) -> Self {
        properties.sort_by(|left, right| left.0.cmp(&right.0));
        let mut taken: std::collections::BTreeSet<Box<str>> =
            properties.iter().map(|(name, _, _)| name.clone()).collect();
        let fields: Vec<Field> = properties
            .into_iter()
            .map(|(name, shape, required)| {
                let [json, floor, ceil] = ["_json", "_floor", "_ceil"].map(|s| free(&mut taken, &name, s));
                Field { name, required, unsettled: shape.unsettled(), shape, json, floor, ceil }
            })
            .collect();
        let required = fields.iter().filter(|field| field.required).count();
        Self { fields, required }
    }

    /// The field of that property.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        let at = self.fields.binary_search_by(|field| (*field.name).cmp(name)).ok()?;
        self.fields.get(at)
    }
}

fn free(taken: &mut std::collections::BTreeSet<Box<str>>, name: &str, suffix: &str) -> Box<str> {
    let mut candidate = format!("{name}{suffix}");
    while taken.contains(candidate.as_str()) {
        candidate.push_str(suffix);
    }
    let candidate: Box<str> = candidate.into();
    taken.insert(candidate.clone());
    candidate
}

impl Shape {
    /// True when the property's own name is an attribute.
    pub(crate) fn has_typed(&self) -> bool {
        match self {
            Self::Nullable(inner) => inner.has_typed(),
            Self::Number | Self::Any => false,
            _ => true,
        }
    }

    /// True when the attribute with JSON text exists.
    pub(crate) const fn has_json(&self) -> bool {
        matches!(self, Self::Number | Self::List(_) | Self::Nullable(_) | Self::Any)
    }

    /// True when Cedar has the last word on a value, in it or at any depth.
    fn unsettled(&self) -> bool {
        match self {
            Self::Time | Self::Address => true,
            Self::List(inner) | Self::Nullable(inner) => inner.unsettled(),
            Self::Record(record) => record.fields.iter().any(|field| field.unsettled),
            Self::Text(_) | Self::Long | Self::Bool | Self::Number | Self::Any => false,
        }
    }

    /// True when floor and ceiling exist.
    pub(crate) fn has_bounds(&self) -> bool {
        match self {
            Self::Nullable(inner) => inner.has_bounds(),
            Self::Number => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
