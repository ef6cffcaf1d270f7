//! Colours that respect the terminal. Must never reach what is not a terminal, unless it is asked for: a pipe, a file
//! and `NO_COLOR` get plain text.

use std::ffi::OsString;
use std::io::IsTerminal as _;

/// What text is dressed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ink {
    Bold,
    Red,
    Green,
    Yellow,
    Blue,
}

/// Whether colours are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Style(bool);

impl Style {
    /// For standard output.
    pub(crate) fn stdout() -> Self {
        Self::decided(std::io::stdout().is_terminal(), |name| std::env::var_os(name))
    }

    /// No colours.
    pub(crate) const PLAIN: Self = Self(false);

    /// `NO_COLOR` wins, then `CLICOLOR_FORCE`, then what the terminal is.
    fn decided(terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let says = |name: &str, word: &str| variable(name).is_some_and(|value| value == word);
        if is_set("NO_COLOR") {
            return Self::PLAIN;
        }
        if is_set("CLICOLOR_FORCE") && !says("CLICOLOR_FORCE", "0") {
            return Self(true);
        }
        Self(terminal && !says("TERM", "dumb") && !says("CLICOLOR", "0"))
    }

    /// The text in that ink.
    pub(crate) fn paint(self, ink: Ink, text: &str) -> String {
        if !self.0 {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Bold => 1,
            Ink::Red => 31,
            Ink::Green => 32,
            Ink::Yellow => 33,
            Ink::Blue => 34,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coloured(terminal: bool, set: &[(&str, &str)]) -> bool {
        let variable =
            |name: &str| set.iter().find(|(have, _)| *have == name).map(|(_, value)| OsString::from(value));
        Style::decided(terminal, variable).paint(Ink::Red, "x") != "x"
    }

    #[test]
    fn a_terminal_has_colours_and_nothing_else_has() {
        assert!(coloured(true, &[("TERM", "xterm-256color")]));
        assert!(!coloured(false, &[("TERM", "xterm-256color")]));
        assert!(!coloured(true, &[("TERM", "dumb")]));
    }

    #[test]
    fn the_variables_people_set_are_heeded() {
        assert!(!coloured(true, &[("NO_COLOR", "1")]));
        assert!(coloured(true, &[("NO_COLOR", "")]));
        assert!(coloured(false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!coloured(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!coloured(false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
        assert!(!coloured(true, &[("CLICOLOR", "0")]));
    }
}
