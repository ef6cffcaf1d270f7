//! TOML: values, and where an entry's lines stand. Must never take a line of another entry for one of this.

use std::ops::Range;

use model::json::{Json, Member};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::statements::{Statement, What, statements};
use super::{DocumentFault, Form, Spot, line, line_end};
use crate::entry::ShimEntry;
use crate::gate::{toml_key, toml_string};

/// What stands before the keys of an entry that has lines of its own.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Lead {
    /// Nothing: the entry is a value.
    None,
    /// A header line.
    Header(String),
    /// Names before each key, with their dots and the indentation.
    Dotted(String),
}

/// The value of a text.
pub(super) fn tree(text: &str) -> Result<Json, DocumentFault> {
    let plain = text.strip_prefix('\u{feff}').unwrap_or(text);
    let table = DeTable::parse(plain).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        DocumentFault::Toml { line: line(plain, offset) }
    })?;
    Ok(object(table.get_ref()))
}

fn object(table: &DeTable<'_>) -> Json {
    let members = table.iter().map(|(name, value)| Member {
        name: name.get_ref().as_ref().into(),
        span: value.span(),
        value: json(value),
    });
    Json::Object(members.collect())
}

fn json(value: &Spanned<DeValue<'_>>) -> Json {
    match value.get_ref() {
        DeValue::String(text) => Json::String(text.as_ref().into()),
        DeValue::Integer(number) if number.radix() == 10 => Json::Number(number.as_str().into()),
        DeValue::Integer(number) => Json::String(format!("{}:{}", number.radix(), number.as_str()).into()),
        DeValue::Float(number) => Json::Number(number.as_str().into()),
        DeValue::Boolean(flag) => Json::Bool(*flag),
        DeValue::Datetime(time) => Json::String(time.to_string().into()),
        DeValue::Array(items) => Json::Array(items.iter().map(json).collect()),
        DeValue::Table(table) => object(table),
    }
}

/// Where the entry at a path stands; `None` when it is written in a way that is not understood.
pub(super) fn spot(text: &str, at: &[String]) -> Option<Spot> {
    let all = statements(text);
    let within = |statement: &Statement| statement.path.starts_with(at);
    if all.iter().any(|one| within(one) && one.what == What::ArrayHeader) {
        return None;
    }
    let inline = all.iter().find_map(|one| match &one.what {
        What::Pair { value, .. } if at.starts_with(&one.path) => Some((one, value.clone())),
        _ => None,
    });
    if let Some((statement, value)) = inline {
        let rest = at.get(statement.path.len()..)?;
        let range = if rest.is_empty() { value } else { inside(text, &value, rest)? };
        return Some(Spot { form: Form::Value, ranges: vec![range], lead: Lead::None });
    }
    let first = all.iter().find(|one| within(one))?;
    let lead = lead(text, first, at)?;
    Some(Spot { form: Form::Lines, ranges: groups(&all, at), lead })
}

/// A value inside an inline table.
fn inside(text: &str, table: &Range<usize>, path: &[String]) -> Option<Range<usize>> {
    // Parsed in its place, so that the spans are the file's.
    let head = "v=";
    let copy = format!("{head}{}", text.get(table.clone())?);
    let parsed = DeTable::parse(&copy).ok()?;
    let mut value = parsed.get_ref().get("v")?;
    for name in path {
        value = value.get_ref().as_table()?.get(name.as_str())?;
    }
    let span = value.span();
    value.get_ref().as_table()?;
    let shift = |offset: usize| Some(offset.checked_sub(head.len())? + table.start);
    let range = shift(span.start)?..shift(span.end)?;
    // Dotted keys inside an inline table have no value of their own to replace.
    text.get(range.clone()).filter(|value| value.starts_with('{') && value.ends_with('}'))?;
    Some(range)
}

/// Neighbouring statements of the entry, each group with the comments between them.
fn groups(all: &[Statement], at: &[String]) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut open = false;
    for statement in all {
        let within = statement.path.starts_with(at);
        match groups.last_mut() {
            Some(last) if within && open => last.end = statement.lines.end,
            _ if within => groups.push(statement.lines.clone()),
            _ => {}
        }
        open = within;
    }
    groups
}

fn lead(text: &str, first: &Statement, at: &[String]) -> Option<Lead> {
    let names = |from: usize| -> String {
        let names: Vec<String> = at.iter().skip(from).map(|name| toml_key(name)).collect();
        names.join(".")
    };
    let lines = text.get(first.lines.clone())?;
    let indent: String = lines.chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
    match first.what {
        What::Header => Some(Lead::Header(format!("{indent}[{}]", names(0)))),
        What::Pair { above, .. } if above < at.len() => {
            Some(Lead::Dotted(format!("{indent}{}.", names(above))))
        }
        // Keys below a header that is itself inside the entry, which did not come first.
        _ => None,
    }
}

/// The entry's text in the form of the old one.
pub(super) fn render(text: &str, spot: &Spot, entry: &ShimEntry) -> String {
    let end = line_end(text);
    let pairs = entry.members();
    let lines = |prefix: &str| -> String {
        let lines = pairs.iter().map(|(name, value)| format!("{prefix}{name} = {}{end}", value_text(value)));
        lines.collect()
    };
    let rendered = match &spot.lead {
        Lead::None => {
            let pairs: Vec<String> =
                pairs.iter().map(|(name, value)| format!("{name} = {}", value_text(value))).collect();
            return format!("{{ {} }}", pairs.join(", "));
        }
        Lead::Header(header) => {
            let indent: String = header.chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
            format!("{header}{end}{}", lines(&indent))
        }
        Lead::Dotted(prefix) => lines(prefix),
    };
    // A file that ends without a line end goes on doing so.
    let last = spot.ranges.last().and_then(|range| text.get(range.clone()));
    if spot.ranges.len() == 1 && last.is_some_and(|last| !last.ends_with('\n')) {
        return rendered.trim_end_matches(['\n', '\r']).to_owned();
    }
    rendered
}

fn value_text(value: &Json) -> String {
    match value {
        Json::String(text) => toml_string(text),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(value_text).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.canonical(),
    }
}
