//! Questions on the terminal. Must never echo what may be a secret, nor take one from the command line.

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use clients::Hidden;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::exit::{Failure, NEGATIVE, USAGE};

const ANSWERS_BYTES_MAX: u64 = 1 << 20;

/// How questions are answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    /// On the terminal.
    Terminal,
    /// Everything that is proposed is accepted.
    Yes,
}

impl Asking {
    /// The way of this run: `--yes`, or a terminal.
    pub(crate) fn of(yes: bool) -> Result<Self, Failure> {
        match (yes, std::io::stdin().is_terminal()) {
            (true, _) => Ok(Self::Yes),
            (false, true) => Ok(Self::Terminal),
            (false, false) => {
                let text = "there is no terminal to ask on: give `--yes` to accept what is proposed, or `--dry-run` to see it";
                Err(Failure::new(USAGE, text))
            }
        }
    }

    /// A yes or no; yes when only Enter is pressed.
    pub(crate) fn agrees(self, question: &str) -> Result<bool, Failure> {
        if self == Self::Yes {
            return Ok(true);
        }
        let answer = line(&format!("{question} [Y/n] "))?;
        Ok(matches!(answer.as_str(), "" | "y" | "Y" | "yes"))
    }

    /// A yes or no; no when only Enter is pressed, and under `--yes`.
    pub(crate) fn insists(self, question: &str) -> Result<bool, Failure> {
        if self == Self::Yes {
            return Ok(false);
        }
        let answer = line(&format!("{question} [y/N] "))?;
        Ok(matches!(answer.as_str(), "y" | "Y" | "yes"))
    }

    /// Yes, edit or no.
    pub(crate) fn chooses(self, question: &str) -> Result<Choice, Failure> {
        if self == Self::Yes {
            return Ok(Choice::Yes);
        }
        let answer = line(&format!("{question} [Y/n, e to edit] "))?;
        Ok(match answer.as_str() {
            "" | "y" | "Y" | "yes" => Choice::Yes,
            "e" | "E" | "edit" => Choice::Edit,
            _ => Choice::No,
        })
    }
}

/// An answer to a proposal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    Yes,
    Edit,
    No,
}

/// Asks and reads a line. The end of the input is no answer.
fn line(question: &str) -> Result<String, Failure> {
    drop(write!(std::io::stderr(), "{}", registry::visible::visible(question)));
    drop(std::io::stderr().flush());
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        Ok(count) if count > 0 => Ok(answer.trim().to_owned()),
        _ => Err(Failure::new(NEGATIVE, "no answer; nothing more was done")),
    }
}

/// Reads a line without showing it.
fn hidden(question: &str) -> Result<Hidden, Failure> {
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin).ok();
    let restore = before.clone().map(Restore);
    if let Some(mut silent) = before {
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        if tcsetattr(&stdin, OptionalActions::Flush, &silent).is_err() {
            return Err(Failure::new(
                USAGE,
                "the terminal cannot hide what is typed; give `--input ID=@FILE`",
            ));
        }
    }
    let answer = line(question);
    drop(restore);
    answer.map(Hidden::new)
}

/// Gives the terminal its echo back when dropped. A signal that ends the process meanwhile leaves it silent.
struct Restore(rustix::termios::Termios);

impl Drop for Restore {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _gone = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// What the person gave for the clients' inputs. No `Debug`.
pub(crate) struct Answers {
    given: BTreeMap<String, Hidden>,
    asking: bool,
}

impl Answers {
    /// From `--input ID=@FILE`, and from standard input as a JSON object when it is no terminal.
    pub(crate) fn read(options: &[String]) -> Result<Self, Failure> {
        let mut given = BTreeMap::new();
        for option in options {
            let form = || {
                Failure::new(USAGE, "`--input` takes `ID=@FILE`: a value never stands on the command line")
            };
            let (id, file) = option.split_once("=@").ok_or_else(form)?;
            let text = std::fs::read_to_string(Path::new(file))
                .map_err(|error| Failure::new(USAGE, format!("cannot read `{file}`: {error}")))?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            given.insert(id.to_owned(), Hidden::new(text.strip_suffix('\r').unwrap_or(text).to_owned()));
        }
        Ok(Self { given, asking: std::io::stdin().is_terminal() })
    }

    /// Makes sure that there is a value for an input, if there can be.
    pub(crate) fn want(&mut self, id: &str, what: &str) -> Result<(), Failure> {
        if self.given.contains_key(id) {
            return Ok(());
        }
        if !self.asking {
            self.standard_input()?;
            return Ok(());
        }
        let shown: String = what.chars().filter(|c| !c.is_control()).take(120).collect();
        let value = hidden(&format!("{shown} (`{id}`; not shown while you type): "))?;
        self.given.insert(id.to_owned(), value);
        Ok(())
    }

    /// A JSON object of id and value, once.
    fn standard_input(&mut self) -> Result<(), Failure> {
        let mut text = String::new();
        let read = std::io::stdin().lock().take(ANSWERS_BYTES_MAX).read_to_string(&mut text);
        if read.is_err() || text.trim().is_empty() {
            return Ok(());
        }
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|_| {
            Failure::new(
                USAGE,
                "standard input is no JSON object of input id and value; or give `--input ID=@FILE`",
            )
        })?;
        for (id, value) in value.as_object().into_iter().flatten() {
            if let Some(value) = value.as_str() {
                self.given.entry(id.clone()).or_insert_with(|| Hidden::new(value.to_owned()));
            }
        }
        Ok(())
    }

    /// The value of an input.
    pub(crate) fn get(&self, id: &str) -> Option<Hidden> {
        self.given.get(id).cloned()
    }
}
