//! One figure: what it is, what it must be, whether it holds. Must never print a figure without saying how it was taken.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// What a figure must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Want {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// Less than this.
    Below(f64),
    /// Exactly this.
    Exactly(f64),
    /// Printed to be known, not to be held.
    Information,
}

impl Want {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
            Self::Below(limit) => value < limit,
            Self::Exactly(wanted) => (value - wanted).abs() < f64::EPSILON,
            Self::Information => true,
        }
    }

    fn words(self) -> String {
        match self {
            Self::AtMost(limit) => format!("<= {}", round(limit)),
            Self::AtLeast(limit) => format!(">= {}", round(limit)),
            Self::Below(limit) => format!("< {}", round(limit)),
            Self::Exactly(wanted) => format!("{}", round(wanted)),
            Self::Information => "information".to_owned(),
        }
    }
}

/// What is measured and what it must be.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    name: String,
    unit: String,
    want: Want,
}

impl Figure {
    /// Names it.
    pub(crate) fn new(name: impl Into<String>, unit: &str, want: Want) -> Self {
        Self { name: name.into(), unit: unit.to_owned(), want }
    }
}

/// Prints figures as they come and remembers what fell short.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    measured: usize,
    short: Vec<String>,
}

impl Figures {
    /// One figure with its value, and how it was taken.
    pub(crate) fn add(&mut self, figure: &Figure, value: f64, how: &str) {
        let holds = value.is_finite() && figure.want.holds(value);
        let value = json!(round(value));
        let line = json!({"figure": figure.name, "value": value, "unit": figure.unit, "want": figure.want.words(),
            "holds": holds, "how": how});
        self.print(&line);
    }

    /// One yes or no.
    pub(crate) fn add_check(&mut self, figure: &str, holds: bool, how: &str) {
        let line = json!({"figure": figure, "value": holds, "unit": "check", "want": "true", "holds": holds,
            "how": how});
        self.print(&line);
    }

    /// A part that could not be measured falls short.
    pub(crate) fn unmeasured(&mut self, figure: &str, problem: &str) {
        let line = json!({"figure": figure, "value": Value::Null, "unit": "", "want": "measured", "holds": false,
            "how": problem});
        self.print(&line);
    }

    fn print(&mut self, line: &Value) {
        println!("{line}");
        self.measured += 1;
        if line.get("holds") != Some(&Value::Bool(true)) {
            self.short.push(line.get("figure").and_then(Value::as_str).unwrap_or_default().to_owned());
        }
    }

    /// An error when a figure fell short, or when there was none.
    pub(crate) fn verdict(self) -> Result<(), String> {
        if self.measured == 0 {
            return Err("nothing was measured".to_owned());
        }
        if self.short.is_empty() {
            return Ok(());
        }
        let mut text = format!("{} of {} figures fall short:", self.short.len(), self.measured);
        for figure in &self.short {
            let _ = write!(text, " `{figure}`");
        }
        Err(text)
    }
}

/// Four digits that matter.
fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10_f64.powi(3 - value.abs().log10().floor() as i32);
    let rounded = (value * scale).round() / scale;
    if rounded.is_finite() { rounded } else { value }
}

/// The middle value.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |position: usize| sorted.get(position).copied().unwrap_or(f64::NAN);
    if sorted.len().is_multiple_of(2) && middle > 0 {
        f64::midpoint(at(middle - 1), at(middle))
    } else {
        at(middle)
    }
}

/// Values as a person reads them.
pub(crate) fn list(values: &[f64]) -> String {
    values.iter().map(|value| round(*value).to_string()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_limits() {
        assert!(Want::AtMost(1.3).holds(1.3) && !Want::AtMost(1.3).holds(1.3001));
        assert!(Want::AtLeast(0.28).holds(0.28) && !Want::AtLeast(0.28).holds(0.2799));
        assert!(!Want::Below(1.0).holds(1.0) && !Want::Exactly(0.0).holds(1.0));
    }

    #[test]
    fn one_short_figure_or_none_at_all_fails_the_bar() {
        let mut figures = Figures::default();
        figures.add(&Figure::new("good", "s", Want::AtMost(1.0)), 1.0, "");
        figures.add(&Figure::new("bad", "s", Want::Information), f64::NAN, "");
        assert_eq!(figures.verdict(), Err("1 of 2 figures fall short: `bad`".to_owned()));
        assert!(Figures::default().verdict().is_err());
        let mut figures = Figures::default();
        figures.unmeasured("part", "why");
        assert!(figures.verdict().is_err());
    }

    #[test]
    fn medians_and_rounding() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).is_nan());
        assert_eq!(list(&[0.123_456, 98_765.4, 0.0]), "0.1235 98770 0");
    }
}
