//! JSON trees for the validator. Must never round a number and then let it be judged.

use model::json::Json;
use serde_json::{Map, Number, Value};

use super::ArgumentFault;
use crate::visible::shortened;

/// The same value in the validator's form.
pub(super) fn to_value(json: &Json) -> Result<Value, ArgumentFault> {
    let mut path = String::new();
    convert(json, &mut path)
}

fn convert(json: &Json, path: &mut String) -> Result<Value, ArgumentFault> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::String(text) => Value::String(text.to_string()),
        Json::Number(text) => Value::Number(exact(text).ok_or_else(|| inexact(path))?),
        Json::Array(items) => {
            let mut out = Vec::with_capacity(items.len());
            for (position, item) in items.iter().enumerate() {
                out.push(below(path, &position.to_string(), item)?);
            }
            Value::Array(out)
        }
        Json::Object(members) => {
            let mut out = Map::new();
            for member in members {
                out.insert(member.name.to_string(), below(path, &member.name, &member.value)?);
            }
            Value::Object(out)
        }
    })
}

fn below(path: &mut String, step: &str, json: &Json) -> Result<Value, ArgumentFault> {
    let length = path.len();
    super::walk::push_step(path, step);
    let value = convert(json, path);
    path.truncate(length);
    value
}

fn inexact(path: &str) -> ArgumentFault {
    let problem = "is a number too large or too precise to be checked exactly".to_owned();
    ArgumentFault { path: shortened(path, 200), problem }
}

/// The number, when the validator can hold it exactly: a 64-bit integer, or a double whose shortest decimal
/// form is the number as written.
fn exact(text: &str) -> Option<Number> {
    if let Ok(integer) = text.parse::<i64>() {
        return Some(integer.into());
    }
    if let Ok(integer) = text.parse::<u64>() {
        return Some(integer.into());
    }
    let double: f64 = text.parse().ok()?;
    let number = Number::from_f64(double)?;
    (Decimal::of(text)? == Decimal::of(&format!("{double:e}"))?).then_some(number)
}

/// A decimal number: sign, digits without zeros at either end, and the power of ten of the last digit.
#[derive(PartialEq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn of(text: &str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let kept = all.trim_start_matches('0').trim_end_matches('0');
        if kept.is_empty() {
            return Some(Self { negative: false, digits: String::new(), exponent: 0 });
        }
        let dropped = i64::try_from(all.len() - all.trim_end_matches('0').len()).ok()?;
        let fraction = i64::try_from(fraction.len()).ok()?;
        let exponent = exponent.parse::<i64>().ok()?.checked_sub(fraction)?.checked_add(dropped)?;
        Some(Self { negative, digits: kept.to_owned(), exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_or_refused() {
        for good in ["0", "-0", "0.0", "0e999", "1.0", "0.1", "-2.50", "1e22", "18446744073709551615", "1E-7"]
        {
            assert!(exact(good).is_some(), "{good}");
        }
        for bad in
            ["18446744073709551616123", "1e400", "1e-400", "0.10000000000000000555", "9007199254740993.0"]
        {
            assert!(exact(bad).is_none(), "{bad}");
        }
        assert_eq!(exact("9007199254740993").and_then(|n| n.as_i64()), Some(9_007_199_254_740_993));
    }
}
