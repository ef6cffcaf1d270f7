//! Files of `NAME=value` lines. Must never show a value in a message.

/// Why an environment file cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line} of the file is not `NAME=value`")]
pub struct EnvFileFault {
    /// From 1.
    pub line: usize,
}

/// Reads an environment file: `NAME=value`, `export`, comments, single and double quotes.
///
/// # Errors
/// [`EnvFileFault`]: the first line that is none of this.
pub fn read_env_file(text: &str) -> Result<Vec<(String, String)>, EnvFileFault> {
    let mut found: Vec<(String, String)> = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fault = EnvFileFault { line: number + 1 };
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or(fault.clone())?;
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(fault);
        }
        found.retain(|(known, _)| known != name);
        found.push((name.to_owned(), value_of(value.trim())));
    }
    Ok(found)
}

fn value_of(written: &str) -> String {
    for quote in ['"', '\''] {
        let inner =
            written.strip_prefix(quote).and_then(|rest| rest.split_once(quote)).map(|(inner, _)| inner);
        if let Some(inner) = inner {
            return if quote == '"' { inner.replace("\\n", "\n") } else { inner.to_owned() };
        }
    }
    written.split(" #").next().unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_lines_are_understood() {
        let text =
            "# comment\nA=1\nexport B=\"two words\" # why\nC='x # y'\n\nD=plain # comment\r\nA=2\nE=\n";
        let wanted = [("B", "two words"), ("C", "x # y"), ("D", "plain"), ("A", "2"), ("E", "")];
        let wanted: Vec<(String, String)> =
            wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(read_env_file(text), Ok(wanted));
        assert_eq!(read_env_file("A=1\nnothing\n"), Err(EnvFileFault { line: 2 }));
    }
}
