//! Exit codes (docs/reference/exit-codes.md) and failures. Must never print a secret.

use std::io::Write as _;

use registry::visible::visible;

/// It worked.
pub(crate) const OK: u8 = 0;
/// It worked, and the answer is no: problems were found, something was left.
pub(crate) const NEGATIVE: u8 = 1;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 2;
/// The input is wrong: a policy file, a name.
pub(crate) const DATA: u8 = 65;
/// The daemon, the store or an upstream cannot be reached.
pub(crate) const UNAVAILABLE: u8 = 69;
/// A fault of ours.
pub(crate) const INTERNAL: u8 = 70;
/// A file, socket or port cannot be made.
pub(crate) const CANNOT_CREATE: u8 = 73;
/// A file cannot be read or written.
pub(crate) const IO: u8 = 74;
/// Somebody else holds it now: try again.
pub(crate) const TRY_AGAIN: u8 = 75;
/// Not an operator.
pub(crate) const NOT_PERMITTED: u8 = 77;
/// The configuration is wrong.
pub(crate) const CONFIG: u8 = 78;

/// Why the program ends, and with which code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    lines: Vec<String>,
}

impl Failure {
    pub(crate) fn new(code: u8, line: impl Into<String>) -> Self {
        Self { code, lines: vec![line.into()] }
    }

    pub(crate) const fn of_lines(code: u8, lines: Vec<String>) -> Self {
        Self { code, lines }
    }

    /// The reason, on one line.
    pub(crate) fn text(&self) -> String {
        self.lines.join("; ")
    }

    /// Writes the reason to standard error.
    pub(crate) fn print(&self) {
        for line in &self.lines {
            note(&format!("callgate: {line}"));
        }
    }
}

/// One line on standard error, for people: whatever it quotes, nothing of it hides or moves the cursor. A closed
/// standard error changes nothing.
pub(crate) fn note(line: &str) {
    drop(writeln!(std::io::stderr(), "{}", visible(line)));
}

/// One text on standard output for people, with parts that came from files or servers: as for [`note`].
pub(crate) fn say(text: &str) {
    put(&visible(text));
}

/// One text on standard output: data.
pub(crate) fn put(text: &str) {
    drop(writeln!(std::io::stdout(), "{text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_or_server_wrote_moves_no_cursor() {
        let shown = visible("its `envFile` `/x\u{1b}]0;t\u{7}\u{9b}2J\u{202e}` is not there\n\tnext");
        assert_eq!(shown, "its `envFile` `/x\\u{1b}]0;t\\u{7}\\u{9b}2J\\u{202e}` is not there\n\tnext");
    }
}
