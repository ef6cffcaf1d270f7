//! Property tests of what reads bytes of strangers, each with many more cases than an ordinary run.
//!
//! Must never count a test that did not run, nor the cases of one that sets their number itself.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::bar::figure::{Figure, Figures, Want};
use crate::bar::rig::Rig;

/// Tests of one module.
struct Tests {
    package: &'static str,
    file: &'static str,
    names: &'static [&'static str],
}

const SSE_READER: [Tests; 1] = [Tests {
    package: "mcp",
    file: "crates/mcp/src/sse/tests.rs",
    names: &["sse::tests::chunking_changes_nothing", "sse::tests::any_bytes_never_panic"],
}];
const SESSIONS: [Tests; 1] = [Tests {
    package: "mcp",
    file: "crates/mcp/src/classify/tests.rs",
    names: &["classify::tests::a_session_is_one_value_of_visible_ascii_of_a_bounded_length"],
}];
const HANDLES: [Tests; 1] = [Tests {
    package: "broker",
    file: "crates/broker/src/handles/tests.rs",
    names: &[
        "handles::tests::a_handle_opens_for_what_it_was_sealed_for_and_for_nothing_else",
        "handles::tests::no_text_is_too_odd_to_be_refused",
        "handles::tests::one_text_stands_for_given_bytes_and_no_other",
        "handles::tests::s31_any_changed_missing_or_added_letter_is_noticed",
    ],
}];
const HEADERS: [Tests; 3] = [
    Tests {
        package: "mcp",
        file: "crates/mcp/src/classify/tests.rs",
        names: &["classify::tests::any_headers_and_claims_never_panic_and_never_cross_eras"],
    },
    Tests {
        package: "mcp",
        file: "crates/mcp/src/header.rs",
        names: &[
            "header::tests::every_text_round_trips_as_a_legal_value",
            "header::tests::only_one_value_decodes_to_a_text",
        ],
    },
    Tests {
        package: "mcp",
        file: "crates/mcp/src/param_header/tests.rs",
        names: &[
            "param_header::tests::headers_hold_for_the_arguments_they_were_written_from_and_for_no_others",
        ],
    },
];
/// The parts that the issue names.
const PARTS: [(&str, &[Tests]); 4] = [
    ("SSE reader", &SSE_READER),
    ("session decoder", &SESSIONS),
    ("handle decoder", &HANDLES),
    ("header validation", &HEADERS),
];

/// What `cargo test` said of one module's tests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Ran {
    passed: usize,
    failed: usize,
}

/// Cases that held and tests that failed, of each part.
pub(crate) fn measure(rig: &Rig, cases: u32, figures: &mut Figures) -> Result<(), String> {
    for (part, modules) in PARTS {
        let (mut all, mut total) = (0, Ran::default());
        for tests in modules {
            let ran = run(rig, tests, cases)?;
            all += tests.names.len();
            total = Ran { passed: total.passed + ran.passed, failed: total.failed + ran.failed };
        }
        let want = Want::AtLeast((all * cases as usize) as f64);
        let how = format!("{} of {all} property tests passed, {cases} cases each", total.passed);
        let figure = Figure::new(format!("property cases that hold, {part}"), "cases", want);
        figures.add(&figure, (total.passed * cases as usize) as f64, &how);
        let figure = Figure::new(format!("property tests that fail, {part}"), "tests", Want::Exactly(0.0));
        figures.add(&figure, total.failed as f64, "the same run; a failing test prints its smallest case");
    }
    Ok(())
}

fn run(rig: &Rig, tests: &Tests, cases: u32) -> Result<Ran, String> {
    asks_for_cases(&rig.root, tests.file)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["test", "--locked", "--quiet", "--lib", "--package", tests.package, "--", "--exact"]);
    command.args(tests.names).current_dir(&rig.root).env("PROPTEST_CASES", cases.to_string());
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot run cargo: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let ran = read(&text).ok_or_else(|| format!("the tests of `{}` did not run", tests.file))?;
    if ran.passed + ran.failed != tests.names.len() {
        return Err(format!(
            "`{}` has other tests than {}: mend the list",
            tests.file,
            tests.names.join(", ")
        ));
    }
    if ran.failed > 0 {
        eprintln!("{text}");
    }
    Ok(ran)
}

/// A module that says how many cases it wants would not hear the number from here.
fn asks_for_cases(root: &Path, file: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(root.join(file)).map_err(|error| format!("no `{file}`: {error}"))?;
    if text.contains("proptest_config") {
        return Err(format!("`{file}` sets the number of cases itself; take `proptest_config` out of it"));
    }
    Ok(())
}

/// `test result: ok. 2 passed; 0 failed; …`
fn read(text: &str) -> Option<Ran> {
    let line = text.lines().find_map(|line| line.strip_prefix("test result: "))?;
    let count = |word: &str| line.split(word).next()?.split_whitespace().last()?.parse().ok();
    Some(Ran { passed: count(" passed")?, failed: count(" failed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_results_is_read() {
        let text = "\nrunning 2 tests\n..\ntest result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured\n";
        assert_eq!(read(text), Some(Ran { passed: 12, failed: 3 }));
        assert_eq!(read("error: no such test"), None);
    }

    #[test]
    fn each_part_has_tests_that_are_there() {
        let root = crate::tidy::root();
        for tests in PARTS.iter().flat_map(|(_, modules)| *modules) {
            asks_for_cases(&root, tests.file).unwrap();
            let text = std::fs::read_to_string(root.join(tests.file)).unwrap();
            for name in tests.names {
                let name = name.rsplit("::").next().unwrap();
                assert!(text.contains(&format!("fn {name}(")), "{name} is not in {}", tests.file);
            }
        }
        assert!(PARTS.iter().all(|(_, modules)| modules.iter().any(|tests| !tests.names.is_empty())));
    }
}
