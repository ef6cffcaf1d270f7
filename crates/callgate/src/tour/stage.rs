//! What the tour shows and runs: words, commands, waiting for Enter. Must never show a command it does not run.

use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::exit::{Failure, INTERNAL, NEGATIVE, UNAVAILABLE, put};
use crate::style::{Ink, Style};
use crate::terminal::is_yes;

/// Time for one command or call.
const WITHIN: Duration = Duration::from_secs(60);

/// Where the tour plays.
pub(super) struct Stage {
    pub(super) program: PathBuf,
    pub(super) config: PathBuf,
    pub(super) client: PathBuf,
    pub(super) style: Style,
    /// Waits for Enter between the steps.
    pub(super) waits: bool,
}

/// What the client was told.
pub(super) struct Told {
    pub(super) ok: bool,
    pub(super) text: String,
}

impl Stage {
    /// A step's title and its two lines.
    pub(super) async fn step(&self, title: &str, lines: [&str; 2]) -> Result<(), Failure> {
        if self.waits {
            drop(write!(std::io::stderr(), "\n[Enter] goes on, Ctrl-C ends "));
            enter().await?;
        }
        put(&format!("\n{}\n{}\n{}\n", self.style.paint(Ink::Bold, title), lines[0], lines[1]));
        Ok(())
    }

    /// Runs this program as the operator, shows the command and what it printed, shortened to so many lines.
    pub(super) async fn operator(&self, arguments: &[&str], lines_max: usize) -> Result<String, Failure> {
        let shown = format!("$ callgate {}", arguments.join(" "));
        put(&self.style.paint(Ink::Blue, &shown));
        let said = self.quietly(arguments).await?;
        for line in said.lines().take(lines_max) {
            put(&format!("  {line}"));
        }
        let more = said.lines().count().saturating_sub(lines_max);
        if more > 0 {
            put(&format!("  … {more} more lines"));
        }
        Ok(said)
    }

    /// The same without showing anything.
    pub(super) async fn quietly(&self, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(&self.config).args(arguments);
        let (ok, out, problem) = finished(command).await?;
        if ok {
            Ok(out)
        } else {
            Err(Failure::new(NEGATIVE, format!("`callgate {}`: {problem}", arguments.join(" "))))
        }
    }

    /// The same, as JSON.
    pub(super) async fn json(&self, arguments: &[&str]) -> Result<Value, Failure> {
        let said = self.quietly(&[arguments, &["--output", "json"]].concat()).await?;
        serde_json::from_str(&said).map_err(|error| Failure::new(INTERNAL, error.to_string()))
    }

    /// Lets the client call a tool, or list them, and shows both sides.
    pub(super) async fn client(&self, server: &str, call: Option<(&str, Value)>) -> Result<Told, Failure> {
        let asked = match &call {
            Some((tool, arguments)) => format!("{server}: {tool} {arguments}"),
            None => format!("{server}: list the tools"),
        };
        put(&self.style.paint(Ink::Yellow, &format!("the assistant → {asked}")));
        let mut command = Command::new("node");
        command.arg(&self.client).arg(&self.program).arg(&self.config).arg(server);
        if let Some((tool, arguments)) = &call {
            command.arg(tool).arg(arguments.to_string());
        }
        let (_, out, problem) = finished(command).await?;
        let answer: Value = serde_json::from_str(out.trim())
            .map_err(|_| Failure::new(UNAVAILABLE, format!("the client said nothing: {problem}")))?;
        let ok = answer.get("ok") == Some(&Value::Bool(true));
        let text = answer.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (word, ink) = match (ok, text.starts_with("waiting for a person")) {
            (true, _) => ("answer", Ink::Green),
            (false, true) => ("not yet", Ink::Yellow),
            (false, false) => ("refused", Ink::Red),
        };
        put(&format!("  {}: {}", self.style.paint(ink, word), text.trim().replace('\n', "\n    ")));
        Ok(Told { ok, text })
    }

    /// A question with yes as the only way on; without waiting, yes.
    pub(super) async fn agreed(&self, question: &str) -> Result<bool, Failure> {
        if !self.waits {
            put(&format!("{question} yes (--yes)"));
            return Ok(true);
        }
        drop(write!(std::io::stderr(), "{question} [y/N] "));
        Ok(is_yes(&enter().await?))
    }
}

/// One line from the terminal. The thread that reads it is nobody's concern when the tour ends before.
async fn enter() -> Result<String, Failure> {
    let (send, line) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = std::io::stdin().lock().read_line(&mut text);
        // Nobody waits any more: fine.
        drop(send.send((read.is_ok_and(|bytes| bytes > 0), text)));
    });
    match line.await {
        Ok((true, text)) => Ok(text),
        _ => Err(Failure::new(NEGATIVE, "the tour ended early: there was nothing more to read")),
    }
}

/// A command to its end: whether it went well, what it printed, what it complained of.
async fn finished(mut command: Command) -> Result<(bool, String, String), Failure> {
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = match tokio::time::timeout(WITHIN, running).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => {
            return Err(Failure::new(UNAVAILABLE, format!("cannot run a command of the tour: {error}")));
        }
        Err(_) => return Err(Failure::new(UNAVAILABLE, "a command of the tour did not end in time")),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.success(), text(&output.stdout), text(&output.stderr).trim().to_owned()))
}

/// The program of that name in `PATH`.
pub(super) fn in_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory: PathBuf| Path::new(&directory).join(name).is_file())
}
