//! Floor and ceiling of a JSON number as `i64`, and whole numbers in any notation, exactly, from the text. Must never go through a float.

/// Floor and ceiling, each limited to the range of `i64`. `None` when the text is not a JSON number.
pub(crate) fn bounds(text: &str) -> Option<(i64, i64)> {
    let (low, high) = exact_bounds(text)?;
    let limited = |value: i128| i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX });
    Some((limited(low), limited(high)))
}

/// A whole number, however it is written: to JSON Schema `1.0` and `1e2` are integers too. `None` for one with a
/// fraction or beyond `i64`.
pub(crate) fn whole(text: &str) -> Option<i64> {
    let (low, high) = exact_bounds(text)?;
    (low == high).then(|| i64::try_from(low).ok()).flatten()
}

/// Floor and ceiling, each limited to what is beyond `i64` on either side.
fn exact_bounds(text: &str) -> Option<(i128, i128)> {
    let (negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match magnitude.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
        None => (magnitude, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let (low, inexact) = shifted(whole, fraction, exponent);
    let high = if inexact { low.saturating_add(1) } else { low };
    Some(if negative { (-high, -low) } else { (low, high) })
}

/// The exponent, limited far beyond where it matters.
fn exponent_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX).min(1_000_000);
    Some(if text.starts_with('-') { -size } else { size })
}

/// The whole part after moving the point by `exponent`, limited to 10^19, and whether anything is left after it.
fn shifted(whole: &str, fraction: &str, exponent: i64) -> (i128, bool) {
    const BEYOND: i128 = 10_000_000_000_000_000_000;
    let point = i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_add(exponent);
    let mut value: i128 = 0;
    let mut inexact = false;
    let mut position: i64 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if position < point {
            value = (value * 10 + i128::from(byte - b'0')).min(BEYOND);
        } else if byte != b'0' {
            inexact = true;
        }
        position += 1;
    }
    while position < point && value != 0 && value < BEYOND {
        value = (value * 10).min(BEYOND);
        position += 1;
    }
    (value, inexact)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds_are_exact_and_saturate() {
        let cases = [
            ("0", (0, 0)),
            ("-0.0", (0, 0)),
            ("12.5", (12, 13)),
            ("-12.5", (-13, -12)),
            ("100.00000000000000000000000000000000001", (100, 101)),
            ("1e3", (1000, 1000)),
            ("1.5E+1", (15, 15)),
            ("15e-1", (1, 2)),
            ("1e400", (i64::MAX, i64::MAX)),
            ("-1e400", (i64::MIN, i64::MIN)),
            ("1e-400", (0, 1)),
            ("-1e-400", (-1, 0)),
            ("9223372036854775807", (i64::MAX, i64::MAX)),
            ("-9223372036854775808", (i64::MIN, i64::MIN)),
            ("9223372036854775808", (i64::MAX, i64::MAX)),
            ("0e99999999999999999999", (0, 0)),
        ];
        for (text, expected) in cases {
            assert_eq!(bounds(text), Some(expected), "{text}");
        }
        for bad in ["", "-", "1.", ".5", "e1", "1e", "0x1", "NaN"] {
            assert_eq!(bounds(bad), None, "{bad}");
        }
    }

    #[test]
    fn whole_numbers_are_whole_in_any_notation() {
        let cases = [
            ("1.0", Some(1)),
            ("-0.0", Some(0)),
            ("1e2", Some(100)),
            ("-1.50E1", Some(-15)),
            ("1200e-2", Some(12)),
            ("9223372036854775807.000", Some(i64::MAX)),
            ("-9223372036854775808.0", Some(i64::MIN)),
            ("9223372036854775808.0", None),
            ("-9.223372036854775809e18", None),
            ("1e400", None),
            ("1.5", None),
            ("1.00000000000000000000000000000000001", None),
            ("15e-1", None),
            ("1e-400", None),
        ];
        for (text, expected) in cases {
            assert_eq!(whole(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn scaled_integers_agree_with_integer_division(value in -1_000_000_000i64..1_000_000_000, scale in 0u32..9) {
            let text = format!("{value}e-{scale}");
            let unit = 10i64.pow(scale);
            let floor = value.div_euclid(unit);
            let ceil = -((-value).div_euclid(unit));
            prop_assert_eq!(bounds(&text), Some((floor, ceil)));
        }
    }
}
