//! Pages about threats name tests that exist, and the requirements of MCP have one row each. Must never take a test
//! for granted because its name reads well.

use std::collections::BTreeSet;

use crate::tidy::Findings;
use crate::tidy::tree::TextFile;

const CHECK: &str = "proofs";
const PAGES: &str = "docs/threats/";
/// One row for each requirement; the last cell names what proves it.
const REQUIREMENTS: &str = "docs/threats/mcp-requirements.md";
const REQUIREMENTS_COUNT: usize = 60;
/// What begins the paragraph that names tests, on the other pages.
const PROVEN: &str = "**Proven by**";

/// Every test, check and file that is named as a proof exists.
pub(crate) fn check(files: &[TextFile], found: &mut Findings) {
    let text = |path: &str| files.iter().find(|file| file.path == path).map_or("", |file| file.text.as_str());
    let mut named = 0;
    for page in files.iter().filter(|file| file.path.starts_with(PAGES)) {
        for proof in paragraphs(&page.text) {
            named += proofs(files, &page.path, proof, found);
        }
    }
    let mut numbers = BTreeSet::new();
    for (number, proof) in rows(text(REQUIREMENTS)) {
        named += proofs(files, REQUIREMENTS, proof, found);
        if !numbers.insert(number) {
            found.add(CHECK, REQUIREMENTS, format!("has two rows for S{number}"));
        }
        if proof.is_empty() {
            found.add(CHECK, REQUIREMENTS, format!("says nothing of what proves S{number}"));
        }
    }
    for number in (1..=REQUIREMENTS_COUNT).filter(|number| !numbers.contains(number)) {
        found.add(CHECK, REQUIREMENTS, format!("has no row `| S{number} | …`"));
    }
    if named == 0 {
        found.add(CHECK, PAGES, "names no test; write them as `crate`: `test`");
    }
}

/// The paragraphs that begin with [`PROVEN`].
fn paragraphs(page: &str) -> impl Iterator<Item = &str> {
    page.match_indices(PROVEN).filter_map(|(at, _)| page.get(at..)?.split("\n\n").next())
}

/// Number and last cell of each row.
fn rows(page: &str) -> impl Iterator<Item = (usize, &str)> {
    page.lines().filter_map(|line| {
        let cells = line.strip_prefix("| S")?.trim_end().strip_suffix('|')?;
        Some((cells.split_whitespace().next()?.parse().ok()?, cells.rsplit('|').next()?.trim()))
    })
}

/// Checks what stands in backticks: a place before a colon, tests and files else. How many there were.
fn proofs(files: &[TextFile], page: &str, text: &str, found: &mut Findings) -> usize {
    let (mut place, mut count) = (String::new(), 0);
    let mut parts = text.split('`').skip(1);
    while let Some(token) = parts.next() {
        let after = parts.next().unwrap_or_default();
        if after.starts_with(':') || is_file(token) {
            token.clone_into(&mut place);
            if !files.iter().any(|file| is_in(file, &place)) {
                found.add(CHECK, page, format!("names `{place}`, which is neither a crate nor a file here"));
            }
            continue;
        }
        count += 1;
        if !files.iter().any(|file| is_in(file, &place) && has(file, token)) {
            found.add(CHECK, page, format!("names `{token}`, which is not a test of `{place}`"));
        }
    }
    count
}

fn is_file(token: &str) -> bool {
    token.contains('/') && token.ends_with(".py")
}

/// A place is a crate, or one file.
fn is_in(file: &TextFile, place: &str) -> bool {
    let of_crate = || file.path.strip_prefix("crates/")?.strip_prefix(place)?.strip_prefix('/').map(|_| ());
    let xtask = || place == "xtask" && file.path.starts_with("xtask/");
    file.path == place || (file.path.ends_with(".rs") && (of_crate().is_some() || xtask()))
}

/// A test of Rust; in Python, a check's name as it is written.
fn has(file: &TextFile, token: &str) -> bool {
    if file.path.ends_with(".py") {
        return file.text.contains(&format!("\"{token}\""));
    }
    let (lines, written) = (file.text.lines().collect::<Vec<_>>(), format!("fn {token}("));
    let mut written = lines.iter().enumerate().filter(|(_, line)| line.contains(&written));
    written.any(|(at, _)| is_run(&lines, at)) || is_listed(&file.text, token)
}

/// Whether a macro of this file makes a test of each name that is given to it, and this is one.
fn is_listed(text: &str, token: &str) -> bool {
    let named = format!("::{token},");
    text.contains("$(#[test]") && text.lines().any(|line| line.ends_with(&named))
}

/// Whether the attributes above this line make a test of it; a property of `proptest!` has one, too.
fn is_run(lines: &[&str], at: usize) -> bool {
    let above = lines.iter().take(at).rev().map(|line| line.trim());
    let mut attributes = above.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    attributes.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(threat: &str, row: &str) -> Vec<String> {
        let file = |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let rest: String =
            (2..=REQUIREMENTS_COUNT).map(|n| format!("| S{n} | what | where | no |\n")).collect();
        let files = [
            file("crates/a/src/lib.rs", "#[test]\nfn one_holds() {}\n"),
            file(
                "crates/ab/src/lib.rs",
                "#[tokio::test(start_paused = true)]\n// So.\nasync fn two_holds() {}\n",
            ),
            file(
                "crates/b/src/lib.rs",
                "#[test]\nfn one_holds() {}\n\nfn helps() {}\n// #[test]\nfn rests() {}\n",
            ),
            file(
                "crates/b/tests/all.rs",
                "macro_rules! suite {\n$(#[test]\nfn $test() {})*\n}\nsuite! {\n    m::is_run,\n}\n",
            ),
            file("crates/b/tests/m.rs", "pub fn is_run() {}\npub fn is_not_run() {}\n"),
            file("tests/e2e/x.py", "with results.check(f\"bad/{name}\"):\n"),
            file("docs/threats/a.md", threat),
            file(REQUIREMENTS, &format!("{row}{rest}")),
        ];
        let mut found = Findings::default();
        check(&files, &mut found);
        found.problems()
    }

    const ROW: &str = "| S1 | what | `any words` | `ab`: `two_holds`; `tests/e2e/x.py`: `bad/{name}` |\n";

    #[test]
    fn what_exists_passes() {
        let page = "`x`\n\n**Proven by** `a`:\n`one_holds`; end to end `tests/e2e/x.py`.\n\n`not_a_proof`\n";
        assert_eq!(problems(page, ROW), Vec::<String>::new());
    }

    #[test]
    fn tests_crates_and_files_that_do_not_exist_are_found() {
        assert_eq!(problems("**Proven by** `a`: `two_holds`.\n", ROW).len(), 1);
        assert_eq!(problems("**Proven by** `b`: `helps`, `rests`, `one_holds`.\n", ROW).len(), 2);
        assert_eq!(problems("**Proven by** `b`: `is_run`, `is_not_run`.\n", ROW).len(), 1);
        assert_eq!(problems("**Proven by** `c`: words.\n", ROW).len(), 1);
        assert_eq!(problems("**Proven by** `tests/e2e/y.py`.\n", ROW).len(), 1);
        assert_eq!(problems("", "| S1 | what | where | `tests/e2e/x.py`: `bad/` |\n").len(), 1);
        assert_eq!(problems("", "| S1 | what | where | no test |\n").len(), 1, "nothing is named at all");
    }

    #[test]
    fn every_requirement_has_one_row_that_says_something() {
        assert_eq!(problems("", &format!("{ROW}{ROW}")).len(), 1);
        assert_eq!(problems("**Proven by** `a`: `one_holds`", "").len(), 1);
        assert_eq!(problems("**Proven by** `a`: `one_holds`", "| S1 | what | where |  |\n").len(), 1);
    }
}
