//! Instants in the form Cedar reads. Must never guess: what is not RFC 3339 has no instant.

use std::sync::{PoisonError, RwLock};

use cedar_policy::RestrictedExpression as Value;
use model::time::Micros;

/// The clock as policies see it: whole seconds, rounded down. The value of the second last asked for is kept, since
/// Cedar parses the name of the type anew for each one.
#[derive(Default)]
pub(crate) struct Clock {
    last: RwLock<Option<(i64, Value)>>,
}

impl Clock {
    /// The Cedar value; `None` outside the years 0 to 9999.
    pub(crate) fn value(&self, now: Micros) -> Option<Value> {
        let second = now.0.div_euclid(1_000_000);
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, value)) = last.filter(|(at, _)| *at == second) {
            return Some(value);
        }
        let value = Value::new_datetime(cedar(now)?);
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = Some((second, value.clone()));
        Some(value)
    }
}

/// The instant in Cedar's form. It reads four-digit years only.
fn cedar(now: Micros) -> Option<String> {
    let text = now.rfc3339();
    match (text.len(), text.get(..19)) {
        (27, Some(seconds)) if !text.starts_with('-') => Some(format!("{seconds}Z")),
        _ => None,
    }
}

/// RFC 3339 rewritten for Cedar: offsets lose their colon, fractions become three digits (rounded down), case is
/// upper. Leap seconds have no instant in Cedar and so none here.
pub(crate) fn from_rfc3339(text: &str) -> Option<String> {
    let text = text.to_ascii_uppercase();
    let (date_time, rest) = (text.get(..19)?, text.get(19..)?);
    let pattern = "dddd-dd-ddTdd:dd:dd";
    let fits = |(given, want): (u8, u8)| if want == b'd' { given.is_ascii_digit() } else { given == want };
    if !date_time.bytes().zip(pattern.bytes()).all(fits) {
        return None;
    }
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(after) => after.split_at(after.find(|c: char| !c.is_ascii_digit())?),
        None => ("0", rest),
    };
    if fraction.is_empty() {
        return None;
    }
    let millis: String = fraction.chars().chain("00".chars()).take(3).collect();
    Some(format!("{date_time}.{millis}{}", cedar_zone(zone)?))
}

fn cedar_zone(zone: &str) -> Option<String> {
    if zone == "Z" {
        return Some("Z".to_owned());
    }
    let (hours, minutes) = zone.split_once(':')?;
    let sign = hours.strip_prefix(['+', '-'])?;
    let two = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    (two(sign) && two(minutes)).then(|| format!("{hours}{minutes}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_becomes_what_cedar_reads() {
        let cases = [
            ("2026-11-21T09:00:00Z", Some("2026-11-21T09:00:00.000Z")),
            ("2026-11-21t09:00:00z", Some("2026-11-21T09:00:00.000Z")),
            ("2026-11-21T09:00:00.5+02:00", Some("2026-11-21T09:00:00.500+0200")),
            ("2026-11-21T09:00:00.123999Z", Some("2026-11-21T09:00:00.123Z")),
            ("2026-11-21", None),
            ("2026-11-21T09:00:00", None),
            ("2026-11-21T09:00:00.Z", None),
            ("2026-11-21 09:00:00Z", None),
            ("tomorrow", None),
            ("2026-11-21T09:00:00+2:00", None),
            ("٢٠٢٦-11-21T09:00:00Z", None),
        ];
        for (given, expected) in cases {
            assert_eq!(from_rfc3339(given).as_deref(), expected, "{given}");
        }
    }

    #[test]
    fn the_clock_is_cut_to_seconds_and_only_four_digit_years_exist() {
        assert_eq!(cedar(Micros(1_795_251_600_123_456)).as_deref(), Some("2026-11-21T09:00:00Z"));
        assert_eq!(cedar(Micros(i64::MAX)), None);
        assert_eq!(cedar(Micros(i64::MIN)), None);
    }
}
