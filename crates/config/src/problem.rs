//! One thing wrong with a configuration. Must never hold the text of a secret.

use std::fmt;

/// One problem: where, what was found, what is wanted, what to do. `Display` is one line for people; the fields
/// are for `--output json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The file, as it was named by the caller.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key with its section, such as `listen.address`; `(file)` when the problem is no single key's.
    pub key: String,
    /// What was found.
    pub got: String,
    /// What is wanted.
    pub want: String,
    /// What to do next.
    pub fix: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, key, got, want, fix } = self;
        write!(f, "{file}:{line}:{column}: `{key}`: got {got}, want {want}; {fix}")
    }
}

/// Line and column, both from 1, of a byte offset; the column counts characters.
pub(crate) fn place(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let before = text.get(..end).unwrap_or("");
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or("").chars().count().saturating_add(1);
    (line, column)
}

/// Words in backticks, separated by commas.
pub(crate) fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Text from a file for one line: in backticks, escaped, at most 80 characters.
pub(crate) fn shown(text: &str) -> String {
    let short: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    let more = if text.chars().nth(80).is_some() { "…" } else { "" };
    format!("`{short}{more}`")
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn places_count_from_one_and_in_characters() {
        assert_eq!(place("a\nbé=1", 0), (1, 1));
        assert_eq!(place("a\nbé=1", 5), (2, 3));
        assert_eq!(place("a\nbé=1", 99), (2, 5));
    }
}
