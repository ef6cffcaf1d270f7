//! The project's text files and commit messages. Must never read what a build or a test wrote.

use std::path::Path;
use std::process::Command;

const SKIPPED: [&str; 6] = ["target", ".git", ".try", ".test", "node_modules", "__pycache__"];
const TEXT: [&str; 12] = ["rs", "toml", "md", "py", "sh", "cedar", "sql", "yml", "yaml", "html", "css", "js"];
const FILE_BYTES_MAX: u64 = 4 << 20;
const COMMITS_MAX: &str = "-200";

/// One text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextFile {
    /// From the project's folder, with `/`.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

/// All text files below `root`, by path.
pub(crate) fn read(root: &Path) -> Result<Vec<TextFile>, String> {
    let mut files = Vec::new();
    walk(root, root, &mut files).map_err(|error| format!("cannot read the project's files: {error}"))?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// A file's text, or nothing when it is missing.
pub(crate) fn read_or_empty(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<TextFile>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                walk(root, &path, files)?;
            }
        } else if kind.is_file()
            && is_text(&name)
            && entry.metadata()?.len() <= FILE_BYTES_MAX
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            files.push(TextFile { path, text });
        }
    }
    Ok(())
}

/// By its ending; files without one are scripts.
fn is_text(name: &str) -> bool {
    match name.rsplit_once('.') {
        None => name != "LICENSE",
        Some((_, ending)) => TEXT.contains(&ending),
    }
}

/// The newest commits' short names and messages; none outside a repository.
pub(crate) fn commits(root: &Path) -> Vec<(String, String)> {
    let output =
        Command::new("git").arg("-C").arg(root).args(["log", COMMITS_MAX, "--format=%h%x00%B%x01"]).output();
    let Ok(output) = output else { return Vec::new() };
    String::from_utf8_lossy(&output.stdout)
        .split('\u{1}')
        .filter_map(|commit| commit.trim().split_once('\0'))
        .map(|(name, message)| (name.to_owned(), message.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_text_and_locks_are_not() {
        assert!(is_text("run") && is_text("a.rs") && is_text("b.cedar"));
        assert!(!is_text("Cargo.lock") && !is_text("package-lock.json") && !is_text("LICENSE"));
    }
}
