//! The validator's findings in words. Must never hold a value of the arguments, only where and what is expected.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use super::ArgumentFault;
use super::walk::push_step;
use crate::visible::shortened;

const PATH_CHARS_MAX: usize = 200;
const EXPECTED_CHARS_MAX: usize = 160;

/// Adds what one finding says.
pub(super) fn describe(found: &mut Vec<ArgumentFault>, error: &ValidationError<'_>) {
    let at = error.instance_path().as_str();
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            for name in unexpected.iter().take(super::FAULTS_MAX) {
                let mut path = at.to_owned();
                push_step(&mut path, name);
                add(found, &path, "is not a parameter of this tool".to_owned());
            }
        }
        Kind::Required { property } => {
            let mut path = at.to_owned();
            push_step(&mut path, property.as_str().unwrap_or_default());
            add(found, &path, "is required".to_owned());
        }
        kind => add(found, at, expectation(kind)),
    }
}

fn add(found: &mut Vec<ArgumentFault>, path: &str, problem: String) {
    let fault = ArgumentFault { path: shortened(path, PATH_CHARS_MAX), problem };
    if !found.contains(&fault) {
        found.push(fault);
    }
}

fn expectation(kind: &Kind) -> String {
    match kind {
        Kind::Type { kind } => format!("must be of type {}", types(kind)),
        Kind::Enum { options } => format!("must be one of {}", list(options)),
        Kind::Constant { expected_value } => format!("must be {}", short(expected_value)),
        Kind::Minimum { limit } => format!("must be at least {}", short(limit)),
        Kind::Maximum { limit } => format!("must be at most {}", short(limit)),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {}", short(limit)),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {}", short(limit)),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::AdditionalItems { limit } => format!("must have at most {limit} items"),
        Kind::MinProperties { limit } => format!("must have at least {limit} members"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} members"),
        Kind::Pattern { pattern } => {
            format!("must match the pattern `{}`", shortened(pattern, EXPECTED_CHARS_MAX))
        }
        Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
            "could not be checked against its pattern".to_owned()
        }
        Kind::UniqueItems => "must not have the same item twice".to_owned(),
        Kind::Contains => "lacks an item the schema asks for".to_owned(),
        Kind::UnevaluatedItems { .. } => "has more items than the schema allows".to_owned(),
        Kind::PropertyNames { .. } => "has a member name the schema does not allow".to_owned(),
        Kind::FalseSchema => "is not allowed here".to_owned(),
        Kind::Not { .. } => "is of a form the schema excludes".to_owned(),
        Kind::OneOfMultipleValid { .. } => {
            "fits several alternatives where exactly one is asked for".to_owned()
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => alternatives(context),
        _ => "does not fit the schema".to_owned(),
    }
}

/// `anyOf` of plain types reads as one list of types; anything else only as so many alternatives.
fn alternatives(context: &[Vec<ValidationError<'static>>]) -> String {
    let one_type = |branch: &Vec<ValidationError<'static>>| match branch.as_slice() {
        [only] => match only.kind() {
            Kind::Type { kind } => Some((only.instance_path().as_str().to_owned(), types(kind))),
            _ => None,
        },
        _ => None,
    };
    let found: Option<Vec<(String, String)>> = context.iter().map(one_type).collect();
    match found {
        Some(found)
            if found.windows(2).all(|pair| pair.first().map(|p| &p.0) == pair.last().map(|p| &p.0)) =>
        {
            let words: Vec<String> = found.into_iter().map(|(_, word)| word).collect();
            format!("must be of type {}", words.join(" or "))
        }
        _ => format!("fits none of the {} alternatives of the schema", context.len()),
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(several) => several.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(" or "),
    }
}

fn list(options: &Value) -> String {
    let words: Vec<String> = options.as_array().into_iter().flatten().map(Value::to_string).collect();
    shortened(&words.join(", "), EXPECTED_CHARS_MAX)
}

fn short(value: &Value) -> String {
    shortened(&value.to_string(), EXPECTED_CHARS_MAX)
}
