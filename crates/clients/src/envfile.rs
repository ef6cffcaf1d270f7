//! Files of `NAME=value` lines. Must never show a value in a message.

use model::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::index::SealedText;

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

/// What is kept, sealed, to put an environment file back. No `Debug`: it holds the file.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeptEnvFile {
    /// The file.
    pub path: String,
    original: String,
    written: String,
    /// Each line that was taken out, by the line that stands in its place.
    lines: Vec<(String, String)>,
}

/// Takes variables out of a file; a comment stays in the place of each.
#[must_use]
pub fn take_out(path: &str, text: &str, names: &[String]) -> (String, KeptEnvFile) {
    let (mut out, mut lines) = (String::new(), Vec::new());
    for line in text.split_inclusive('\n') {
        let body = line.trim_end_matches(['\n', '\r']);
        let end = line.get(body.len()..).unwrap_or_default();
        let plain = body.trim_start_matches('\u{feff}').trim();
        let pair = plain.strip_prefix("export ").unwrap_or(plain).split_once('=');
        match pair.map(|(name, _)| name.trim()).filter(|name| names.iter().any(|known| known == name)) {
            Some(name) => {
                let instead =
                    format!("# {name}: sealed by `callgate connect`; `callgate disconnect` puts it back");
                out.push_str(&instead);
                lines.push((instead, body.to_owned()));
            }
            None => out.push_str(body),
        }
        out.push_str(end);
    }
    let written = Digest::of(out.as_bytes()).to_string();
    (out, KeptEnvFile { path: path.to_owned(), original: text.to_owned(), written, lines })
}

impl SealedText for KeptEnvFile {}

impl KeptEnvFile {
    /// The file with its lines back; byte for byte when nobody edited it meanwhile.
    #[must_use]
    pub fn put_back(&self, text: &str) -> String {
        if Digest::of(text.as_bytes()).to_string() == self.written {
            return self.original.clone();
        }
        let mut left = self.lines.clone();
        let back = text.split_inclusive('\n').map(|line| {
            let body = line.trim_end_matches(['\n', '\r']);
            let end = line.get(body.len()..).unwrap_or_default();
            match left.iter().position(|(instead, _)| instead == body) {
                Some(position) => format!("{}{end}", left.remove(position).1),
                None => line.to_owned(),
            }
        });
        back.collect()
    }

    /// How many of the lines that were taken out a text does not hold.
    #[must_use]
    pub fn missing(&self, text: &str) -> usize {
        self.lines.iter().filter(|(_, line)| !text.lines().any(|one| one == line)).count()
    }

    /// Keeps the lines an older one holds that neither stand in `base` again nor are taken out anew.
    pub fn keep_missing(&mut self, older: &Self, base: &str) {
        let missing = |(instead, line): &&(String, String)| {
            !base.lines().any(|one| one == line) && !self.lines.iter().any(|(own, _)| own == instead)
        };
        let missing: Vec<(String, String)> = older.lines.iter().filter(missing).cloned().collect();
        self.lines.extend(missing);
    }

    /// How many lines were taken out.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lines.len()
    }
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

    #[test]
    fn variables_are_taken_out_and_put_back() {
        let text = "# mine\r\nexport A=hunter2\r\nB = \"hunter2\"\nPORT=80";
        let (out, kept) = take_out("/x.env", text, &["A".to_owned(), "B".to_owned()]);
        assert!(
            !out.contains("hunter2") && out.starts_with("# mine\r\n# A: ") && out.ends_with("\nPORT=80"),
            "{out}"
        );
        let kept = KeptEnvFile::from_text(&kept.to_text()).unwrap();
        assert_eq!(kept.put_back(&out), text);
        assert_eq!(kept.put_back(&format!("{out}\nNEW=1\n")), format!("{text}\nNEW=1\n"));
    }
}
