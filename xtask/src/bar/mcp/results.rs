//! What a suite wrote about itself. Must never be read as a figure by itself: a suite excuses what the bar does not.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::bar::figure::{Figure, Figures, Want};

/// One result.
#[derive(Deserialize)]
pub(super) struct SuiteResult {
    pub(super) name: String,
    pub(super) ok: bool,
}

/// A file of JSON.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("no `{}`: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("`{}`: {error}", path.display()))
}

/// What the suite itself does not expect: what failed, and what is on its list of shortcomings without need.
pub(super) fn unexpected(suite: &str, results: &[SuiteResult], figures: &mut Figures) {
    let failed: Vec<&str> =
        results.iter().filter(|result| !result.ok).map(|result| result.name.as_str()).collect();
    let how = format!("of {} results; {}", results.len(), failed.join(" "));
    let figure = Figure::new(format!("unexpected results, {suite}"), "results", Want::Exactly(0.0));
    figures.add(&figure, failed.len() as f64, how.trim_end_matches("; "));
}

#[cfg(test)]
pub(super) fn result(name: &str, ok: bool) -> SuiteResult {
    SuiteResult { name: name.to_owned(), ok }
}
