//! Messages that documents quote are messages that the code says. Must never let a heading pass that nobody prints.

use crate::tidy::Findings;
use crate::tidy::source::Source;

/// Where messages are explained, one heading each.
pub(crate) const MESSAGES: &str = "docs/troubleshooting.md";
/// What stands for a name, in a heading and in the code's own text.
const NAME: char = '…';

/// Every third-level heading is in some text of the product.
pub(crate) fn check(sources: &[Source], document: &str, found: &mut Findings) {
    const CHECK: &str = "messages";
    let product = sources.iter().filter(|source| source.path.starts_with("crates/"));
    let said: Vec<String> = product.map(|source| said(&source.text)).collect();
    let headings: Vec<&str> = document.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    if headings.is_empty() {
        found.add(CHECK, MESSAGES, "explains no message; write each as `### MESSAGE`");
    }
    for heading in headings {
        let message = heading.trim().trim_end_matches(NAME).trim_end();
        if !said.iter().any(|text| text.contains(message)) {
            found.add(
                CHECK,
                MESSAGES,
                format!("nobody says `{heading}`; quote it as it is, `{NAME}` for a name"),
            );
        }
    }
}

/// The text as it is read: lines joined that a `\` joins, quotes without theirs, names as `…`.
fn said(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("\\\n") {
            rest = after.trim_start();
        } else if let Some(after) = rest.strip_prefix("\\\"") {
            out.push('"');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{').and_then(placeholder) {
            out.push(NAME);
            rest = after;
        } else {
            out.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

/// What follows a placeholder that has just begun, if it is one.
fn placeholder(inside: &str) -> Option<&str> {
    let (name, after) = inside.split_once('}')?;
    (!name.contains(['{', '"', '\n'])).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::TextFile;

    fn problems(document: &str) -> usize {
        let text =
            "fn f() { format!(\"cannot read `{}` \\\n        now: {error}; \\\"ask\\\"\") }\n".to_owned();
        let source = Source::new(&TextFile { path: "crates/a/src/lib.rs".to_owned(), text });
        let mut found = Findings::default();
        check(&[source], document, &mut found);
        found.problems().len()
    }

    #[test]
    fn a_heading_that_nobody_says_is_found() {
        assert_eq!(problems("### cannot read `…` now: …; \"ask\"\n"), 0);
        assert_eq!(problems("### cannot read `…`\n"), 0);
        assert_eq!(problems("### now: …\n### cannot write `…`\n"), 1);
        assert_eq!(problems("## none\n"), 1);
    }
}
