//! Lengths of files and functions, with a list of old debts that may only shrink.
//!
//! Must never let a listed item grow, nor keep one that is paid.

use std::collections::BTreeMap;

use crate::tidy::Findings;
use crate::tidy::layers::Ratchet;
use crate::tidy::source::Source;

const FILE_LINES_MAX: usize = 600;
const FILE_LINES_AIM: usize = 300;
const FUNCTION_LINES_MAX: usize = 70;

/// Compares with the limits and the lists.
pub(crate) fn check(sources: &[Source], ratchet: &Ratchet, found: &mut Findings) {
    let files = sources.iter().map(|source| (source.path.clone(), source.lines)).collect();
    compare("file size", &files, FILE_LINES_MAX, &ratchet.files, found);
    let mut functions: BTreeMap<String, usize> = BTreeMap::new();
    for source in sources {
        for function in source.functions() {
            let longest = functions.entry(format!("{} {}", source.path, function.name)).or_default();
            *longest = function.lines.max(*longest);
        }
    }
    compare("function size", &functions, FUNCTION_LINES_MAX, &ratchet.functions, found);
}

/// Files over the aim but under the limit.
pub(crate) fn warnings(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .filter(|source| source.lines > FILE_LINES_AIM)
        .map(|source| format!("{}: {} lines, aim for {FILE_LINES_AIM}", source.path, source.lines))
        .collect()
}

/// The ratchet: over the limit only when listed, and listed at exactly today's number.
pub(crate) fn compare(
    check: &'static str,
    now: &BTreeMap<String, usize>,
    limit: usize,
    listed: &BTreeMap<String, usize>,
    found: &mut Findings,
) {
    for (place, count) in now.iter().filter(|(_, count)| **count > limit) {
        match listed.get(place) {
            None => found.add(check, place, format!("{count}, the limit is {limit}; make it smaller")),
            Some(old) if count > old => {
                found.add(check, place, format!("grew to {count} from {old}; the list may only shrink"));
            }
            Some(old) if count < old => {
                found.add(
                    check,
                    place,
                    format!("is down to {count}; lower its number in xtask/ratchet.toml"),
                );
            }
            Some(_) => {}
        }
    }
    for place in listed.keys() {
        if now.get(place).is_none_or(|count| *count <= limit) {
            found.add(check, place, "no longer exceeds the limit; take it out of xtask/ratchet.toml");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::TextFile;

    fn file(lines: usize) -> Source {
        let text = format!("fn a() {{\n{}}}\n", "    b();\n".repeat(lines - 2));
        Source::new(&TextFile { path: "a.rs".to_owned(), text })
    }

    fn problems(source: &Source, ratchet: &Ratchet) -> Vec<String> {
        let mut found = Findings::default();
        check(std::slice::from_ref(source), ratchet, &mut found);
        found.problems()
    }

    #[test]
    fn limits_are_inclusive_and_one_more_line_fails() {
        assert!(problems(&file(70), &Ratchet::default()).is_empty());
        assert_eq!(
            problems(&file(71), &Ratchet::default()),
            ["a.rs a: 71, the limit is 70; make it smaller"]
        );
        assert_eq!(problems(&file(601), &Ratchet::default()).len(), 2);
    }

    #[test]
    fn a_listed_item_may_stay_but_not_grow_and_not_linger() {
        let ratchet = Ratchet { functions: [("a.rs a".to_owned(), 80)].into(), ..Ratchet::default() };
        assert!(problems(&file(80), &ratchet).is_empty());
        assert!(problems(&file(81), &ratchet)[0].contains("grew to 81"));
        assert!(problems(&file(79), &ratchet)[0].contains("lower its number"));
        assert!(problems(&file(70), &ratchet)[0].contains("no longer exceeds"));
    }

    #[test]
    fn long_files_are_noted_before_they_fail() {
        assert_eq!(warnings(&[file(301)]).len(), 1);
        assert!(warnings(&[file(300)]).is_empty());
    }
}
