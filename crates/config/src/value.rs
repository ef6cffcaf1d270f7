//! What was written, in words. Must never be used with its text on a key that may hold a secret: `kind_of` is for those.

use toml::Spanned;
use toml::de::DeValue;

use crate::problem::shown;

/// What kind of value was written.
pub(crate) fn kind_of(value: &Spanned<DeValue<'_>>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// What was written, for keys that hold no secret.
pub(crate) fn describe(value: &Spanned<DeValue<'_>>) -> String {
    match value.get_ref() {
        DeValue::String(text) => format!("the string {}", shown(text)),
        DeValue::Integer(number) => format!("the integer {}", shown(number.as_str())),
        DeValue::Boolean(truth) => format!("`{truth}`"),
        _ => kind_of(value).to_owned(),
    }
}
