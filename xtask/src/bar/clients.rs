//! Real clients, real servers and bad input: the end-to-end suites, each result a figure.
//!
//! Must never pass when a suite wrote no results.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::bar::figure::{Figure, Figures, Want};
use crate::bar::rig::Rig;

/// Inspector and SDK clients list and call the servers' tools; content equal to direct.
pub(crate) fn clients(rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    install(rig)?;
    suite(rig, "run", figures)
}

/// Each bad input, bad upstream and changed definition: a clear error, a record, nothing leaked, nobody else
/// disturbed. A suite that cannot run does not keep the others from running.
pub(crate) fn bad_input(rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    install(rig)?;
    let problems: Vec<String> = ["bad_input", "bad_upstream", "drift"]
        .into_iter()
        .filter_map(|name| suite(rig, name, figures).err())
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

/// From a client's file to the first governed call, shims, leaks: the issue's bar for a person's first minutes.
pub(crate) fn first_minutes(rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    install(rig)?;
    let problems: Vec<String> =
        ["first_minutes", "wrap"].into_iter().filter_map(|name| suite(rig, name, figures).err()).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

/// The clients and servers of the suites, pinned, under `.test/`; nothing is done when they are there.
pub(crate) fn install(rig: &Rig) -> Result<(), String> {
    let status = Command::new("bash")
        .arg(rig.root.join("scripts/test"))
        .arg("--install-only")
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`scripts/test --install-only` ended with {status}; it said why above")),
        Err(error) => Err(format!("cannot run `scripts/test --install-only`: {error}")),
    }
}

/// One suite, each result a figure.
pub(crate) fn suite(rig: &Rig, name: &str, figures: &mut Figures) -> Result<(), String> {
    let (succeeded, summary) = run(rig, name, &[])?;
    if read(&summary, figures)? == succeeded {
        return Ok(());
    }
    Err(format!("`tests/e2e/{name}.py` ended otherwise than its results say"))
}

/// Runs one suite; whether it succeeded, and where its results are. `more` are arguments of its own.
pub(crate) fn run(rig: &Rig, name: &str, more: &[&OsStr]) -> Result<(bool, PathBuf), String> {
    let script = format!("tests/e2e/{name}.py");
    let summary = rig.folder(&format!("e2e-{name}"))?.join("results.json");
    let status = Command::new("python3")
        .arg("-B")
        .arg(rig.root.join(&script))
        .arg("--binary")
        .arg(rig.binary("callgate"))
        .arg("--json")
        .arg(&summary)
        .args(more)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status();
    let status = status.map_err(|error| format!("cannot run `{script}`: {error}"))?;
    Ok((status.success(), summary))
}

/// Each result as a figure; whether all passed.
fn read(summary: &Path, figures: &mut Figures) -> Result<bool, String> {
    let text =
        std::fs::read_to_string(summary).map_err(|error| format!("no `{}`: {error}", summary.display()))?;
    let value: Value =
        serde_json::from_str(&text).map_err(|error| format!("`{}`: {error}", summary.display()))?;
    let results = value.as_array().filter(|results| !results.is_empty()).ok_or("the suite has no results")?;
    let mut all = true;
    for result in results {
        let name = result.get("name").and_then(Value::as_str).ok_or("a result has no `name`")?;
        let ok = result.get("ok").and_then(Value::as_bool).ok_or("a result has no `ok`")?;
        let detail = result.get("detail").and_then(Value::as_str).unwrap_or_default();
        let how = if detail.is_empty() { "end-to-end suite" } else { detail };
        match result.get("value").and_then(Value::as_f64) {
            Some(value) => {
                let unit = result.get("unit").and_then(Value::as_str).unwrap_or_default();
                let most = result.get("most").and_then(Value::as_f64);
                let want = most.map_or(Want::Information, Want::AtMost);
                figures.add(&Figure::new(name, unit, want), value, how);
            }
            None => figures.add_check(name, ok, how),
        }
        all &= ok;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<bool, String> {
        let path = std::env::temp_dir().join(format!("xtask-e2e-{}-{}", std::process::id(), text.len()));
        std::fs::write(&path, text).unwrap();
        let result = read(&path, &mut Figures::default());
        std::fs::remove_file(&path).unwrap();
        result
    }

    #[test]
    fn results_must_exist_and_pass() {
        assert_eq!(read_text(r#"[{"name":"a","ok":true,"detail":""}]"#), Ok(true));
        assert_eq!(read_text(r#"[{"name":"a","ok":true},{"name":"b","ok":false}]"#), Ok(false));
        assert!(read_text("[]").is_err());
        assert!(read_text(r#"[{"name":"no result"}]"#).is_err());
    }
}
