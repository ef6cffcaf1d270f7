//! A decision among 10 000 policies, by the policy crate's own benchmark. Must never average over candidate counts.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::bar::figure::{Figure, Figures, Want};
use crate::bar::rig::Rig;

const P99_MICROS_MAX: f64 = 50.0;
const BENCH: &str = "examples/decide_bench";

/// One figure for each number of candidates.
pub(crate) fn measure(rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    let bench = rig.binary(BENCH);
    let text = output(&bench)?;
    let value: Value = serde_json::from_str(text.trim())
        .map_err(|error| format!("`{}` printed no JSON: {error}", bench.display()))?;
    let rows = value.get("rows").and_then(Value::as_array).cloned().unwrap_or_default();
    if rows.is_empty() {
        return Err(format!("`{}` printed no rows: {text}", bench.display()));
    }
    for row in rows {
        let p99 = row.get("p99_us").and_then(Value::as_f64).ok_or("a row has no `p99_us`")?;
        let policies = row.get("policies").and_then(Value::as_u64).ok_or("a row has no `policies`")?;
        let bucket = row.get("bucket").and_then(Value::as_u64).ok_or("a row has no `bucket`")?;
        let name = format!("decision p99 with {bucket} candidates");
        let how = format!("thread CPU, {policies} policies; distribution: {row}");
        figures.add(&Figure::new(name, "us", Want::AtMost(P99_MICROS_MAX)), p99, &how);
        figures.add_check(&format!("policies in force with {bucket} candidates"), policies >= 10_000, &how);
    }
    Ok(())
}

fn output(bench: &Path) -> Result<String, String> {
    let output = Command::new(bench).output();
    let output = output.map_err(|error| format!("cannot run `{}`: {error}", bench.display()))?;
    if !output.status.success() {
        return Err(format!(
            "`{}` failed: {}",
            bench.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
