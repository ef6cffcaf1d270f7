//! What import asks. Must never take a secret from the command line, nor ask about what it did not show.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use clients::Hidden;

use crate::exit::{Failure, USAGE, note, say};
use crate::terminal::{asked, hidden, is_yes};

const ANSWERS_BYTES_MAX: u64 = 1 << 20;

/// What a person has to see: on standard output, or on standard error when that is for a program.
pub(crate) fn tell(human: bool, text: &str) {
    if human { say(text) } else { note(text) }
}

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
    pub(crate) async fn agrees(self, question: &str) -> Result<bool, Failure> {
        if self == Self::Yes {
            return Ok(true);
        }
        let answer = asked(&format!("{question} [Y/n] ")).await?;
        Ok(answer.is_empty() || is_yes(&answer))
    }

    /// A yes or no; no when only Enter is pressed, and under `--yes`.
    pub(crate) async fn insists(self, question: &str) -> Result<bool, Failure> {
        if self == Self::Yes {
            return Ok(false);
        }
        let answer = asked(&format!("{question} [y/N] ")).await?;
        Ok(is_yes(&answer))
    }

    /// Yes, edit or no.
    pub(crate) async fn chooses(self, question: &str) -> Result<Choice, Failure> {
        if self == Self::Yes {
            return Ok(Choice::Yes);
        }
        let answer = asked(&format!("{question} [Y/n, e to edit] ")).await?;
        Ok(match answer.as_str() {
            "" => Choice::Yes,
            yes if is_yes(yes) => Choice::Yes,
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
    pub(crate) async fn want(&mut self, id: &str, what: &str) -> Result<(), Failure> {
        if self.given.contains_key(id) {
            return Ok(());
        }
        if !self.asking {
            self.standard_input()?;
            return Ok(());
        }
        let shown: String = what.chars().filter(|c| !c.is_control()).take(120).collect();
        let question = format!("{shown} (`{id}`; not shown while you type): ");
        let value = hidden(&question, "give `--input ID=@FILE`").await?;
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
