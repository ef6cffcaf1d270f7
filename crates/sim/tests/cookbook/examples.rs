//! The examples as files, and the two tests. Must never leave a file out.

use std::path::PathBuf;

use crate::decided::Example;

fn cookbook() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/cookbook"))
}

pub(crate) fn read(path: &str) -> String {
    let path = cookbook().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all examples, in their order.
pub(crate) fn names(directory: &str, extension: &str) -> Vec<String> {
    let entries = std::fs::read_dir(cookbook().join(directory)).unwrap();
    let files = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        files.filter_map(|file| file.strip_suffix(extension).map(str::to_owned)).collect();
    names.sort();
    names
}

#[test]
fn every_example_decides_as_its_golden_file_says() {
    let examples = names(".", ".cedar");
    assert_eq!(examples, names("golden", ".json"), "each example has exactly one golden file");
    assert_eq!(examples.len(), 20);
    for name in examples {
        let run = Example::read(&name).run();
        assert!(run.permitted > 0, "{name}: nothing is permitted");
        assert!(run.not_permitted > 0, "{name}: nothing is refused or held");
    }
}

#[test]
fn the_page_shows_every_example_as_it_is() {
    let now = crate::page::page(&names(".", ".cedar"));
    let path = cookbook().join("../../docs/cookbook.md");
    if std::env::var_os("CALLGATE_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(published == now, "docs/cookbook.md is out of date; tests/cookbook/main.rs says how to write it");
}
