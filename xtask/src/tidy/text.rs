//! Rules a line of text can break: first lines, white space, manifests, machine-bound words.
//!
//! Must never contain what it looks for: patterns are put together from pieces.

use std::path::Path;

use crate::tidy::Findings;
use crate::tidy::source::Source;
use crate::tidy::tree::TextFile;

/// Every Rust file begins by saying what it is.
pub(crate) fn module_docs(source: &Source, found: &mut Findings) {
    if !source.text.starts_with("//! ") {
        found.add(
            "module docs",
            &source.path,
            "must start with `//! `: what it is, and what it must never do",
        );
    }
}

/// Every manifest has our lints, licence and no version of its own for a shared dependency.
pub(crate) fn manifest(file: &TextFile, found: &mut Findings) {
    const CHECK: &str = "manifest";
    let Ok(table) = file.text.parse::<toml::Table>() else {
        found.add(CHECK, &file.path, "is not TOML");
        return;
    };
    let inherits = |section: &str, key: &str| {
        let value = table.get(section).and_then(|section| section.get(key));
        value.and_then(toml::Value::as_bool).unwrap_or(false)
    };
    if let Some(workspace) = table.get("workspace") {
        let licence = workspace.get("package").and_then(|package| package.get("license"));
        if licence.and_then(toml::Value::as_str) != Some("Apache-2.0") {
            found.add(CHECK, &file.path, "`workspace.package.license` must be `Apache-2.0`");
        }
        return;
    }
    if !inherits("lints", "workspace") {
        found.add(CHECK, &file.path, "must say `[lints] workspace = true`");
    }
    let package = table.get("package").and_then(|package| package.get("license"));
    if package.and_then(|licence| licence.get("workspace")).and_then(toml::Value::as_bool) != Some(true) {
        found.add(CHECK, &file.path, "must say `license.workspace = true`");
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, value) in table.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
            if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                found.add(
                    CHECK,
                    &file.path,
                    format!("`{name}` must be `workspace = true`; versions live in the root"),
                );
            }
        }
    }
}

/// The licence is there and is the one we say.
pub(crate) fn licence_file(path: &Path, found: &mut Findings) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    if !(text.contains("Apache License") && text.contains("Version 2.0")) {
        found.add("licence", "LICENSE", "must hold the Apache License, Version 2.0");
    }
}

/// No tabs, nothing after the last word of a line, a line end at the end.
pub(crate) fn whitespace(file: &TextFile, found: &mut Findings) {
    for (at, line) in file.text.lines().enumerate() {
        let place = || format!("{}:{}", file.path, at + 1);
        if line.contains('\t') {
            found.add("white space", place(), "has a tab; use spaces");
        }
        if line.ends_with([' ', '\r']) {
            found.add("white space", place(), "ends in white space");
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        found.add("white space", &file.path, "must end with a line end");
    }
}

/// No folder of one machine and no registry's host name.
pub(crate) fn banned(place: &str, text: &str, found: &mut Findings) {
    let folders =
        [["/", "home/"].concat(), ["/", "root/"].concat(), ["/", "work/"].concat(), ["/", "Users/"].concat()];
    let hosts = [["crates", ".io"].concat(), ["npmjs", ".org"].concat(), ["pypi", ".org"].concat()];
    for (at, line) in text.lines().enumerate() {
        for folder in folders.iter().filter(|folder| starts_path(line, folder)) {
            found.add(
                "words",
                format!("{place}:{}", at + 1),
                format!("names a folder of one machine: `{folder}`"),
            );
        }
        for host in hosts.iter().filter(|host| line.contains(host.as_str())) {
            found.add("words", format!("{place}:{}", at + 1), format!("names a registry's host: `{host}`"));
        }
    }
}

/// Whether the folder stands at the start of a path, not inside a longer one.
fn starts_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| !(c.is_alphanumeric() || "_-./})]*>".contains(c)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn problems(check: impl FnOnce(&mut Findings)) -> usize {
        let mut found = Findings::default();
        check(&mut found);
        found.0.len()
    }

    #[test]
    fn a_file_without_module_docs_is_found() {
        assert_eq!(problems(|f| module_docs(&Source::new(&file("a.rs", "use x;\n")), f)), 1);
        assert_eq!(problems(|f| module_docs(&Source::new(&file("a.rs", "//! What.\n")), f)), 0);
    }

    #[test]
    fn a_manifest_without_lints_licence_or_shared_versions_is_found() {
        let good = "[package]\nlicense.workspace = true\n[lints]\nworkspace = true\n[dependencies]\na.workspace = true\n";
        assert_eq!(problems(|f| manifest(&file("Cargo.toml", good), f)), 0);
        for (from, to) in [
            ("license.workspace = true", "license = \"MIT\""),
            ("[lints]\nworkspace = true\n", ""),
            ("a.workspace = true", "a = \"1\""),
            ("[package]", "[package"),
        ] {
            assert_eq!(problems(|f| manifest(&file("Cargo.toml", &good.replace(from, to)), f)), 1, "{to}");
        }
        let root = "[workspace.package]\nlicense = \"MIT\"\n";
        assert_eq!(problems(|f| manifest(&file("Cargo.toml", root), f)), 1);
    }

    #[test]
    fn a_missing_licence_is_found() {
        assert_eq!(problems(|f| licence_file(Path::new("does-not-exist"), f)), 1);
    }

    #[test]
    fn white_space_is_found() {
        for (text, count) in
            [("a\n", 0), ("a \n", 1), ("a\tb\n", 1), ("a\r\n", 0), ("a\r \n", 1), ("a", 1), ("", 0)]
        {
            assert_eq!(problems(|f| whitespace(&file("a.md", text), f)), count, "{text:?}");
        }
    }

    #[test]
    fn folders_of_one_machine_and_hosts_are_found() {
        let bad = [["cd /wo", "rk/main"], ["`/ro", "ot/x`"], ["\"/ho", "me/me\""], ["index.crates", ".io/x"]];
        for pieces in bad {
            assert_eq!(problems(|f| banned("a.rs", &pieces.concat(), f)), 1, "{pieces:?}");
        }
        for good in ["docs/work/x", "the work is done", "${HOME}/x", "a/root/b"] {
            assert_eq!(problems(|f| banned("a.rs", good, f)), 0, "{good}");
        }
    }
}
