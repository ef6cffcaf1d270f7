//! Questions on the terminal. Must never leave it silent when a question ends, however it ends.

use std::future::Future;
use std::io::{BufRead as _, Read as _, Write as _};

use ports::secret::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{DATA, Failure, INTERNAL, IO, NEGATIVE, note};

/// Most bytes of one line at a terminal: the system cuts off what is longer and says nothing.
const LINE_BYTES_MAX: usize = 4095;

/// Whether an answer is a yes.
pub(crate) fn is_yes(answer: &str) -> bool {
    ["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes))
}

/// Work that a signal to end drops where it waits, so that whatever it holds is given back: the terminal its echo.
pub(crate) async fn interruptible<T>(
    work: impl Future<Output = Result<T, Failure>>,
    broken_off: &'static str,
) -> Result<T, Failure> {
    // Listened to before anything is changed, so that it is always changed back.
    let listen = |kind| signal(kind).map_err(|error| Failure::new(INTERNAL, error.to_string()));
    let mut signals = [
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
        listen(SignalKind::hangup())?,
        listen(SignalKind::quit())?,
    ];
    let [interrupt, terminate, hangup, quit] = &mut signals;
    let ended = async |signal: &mut Signal| signal.recv().await.unwrap_or(());
    tokio::select! {
        done = work => done,
        () = ended(interrupt) => Err(Failure::new(NEGATIVE, broken_off)),
        () = ended(terminate) => Err(Failure::new(NEGATIVE, broken_off)),
        () = ended(hangup) => Err(Failure::new(NEGATIVE, broken_off)),
        () = ended(quit) => Err(Failure::new(NEGATIVE, broken_off)),
    }
}

/// Asks and reads a line. The end of the input is no answer.
pub(crate) async fn asked(question: &str) -> Result<String, Failure> {
    // What was typed ahead, or the prompt that is lost, changes nothing.
    drop(write!(std::io::stderr(), "{}", registry::visible::visible(question)));
    drop(std::io::stderr().flush());
    match read().await? {
        Ok(line) if !line.reveal().is_empty() => Ok(line.reveal().trim().to_owned()),
        _ => Err(no_answer()),
    }
}

fn no_answer() -> Failure {
    Failure::new(NEGATIVE, "no answer; nothing more was done")
}

/// Asks and reads a line that is not shown while it is typed. `otherwise` is how else a value can be given. Dropped
/// before its end, as [`interruptible`] does, it leaves the terminal as it was. The end of the input is no answer; only
/// Enter is an empty value.
pub(crate) async fn hidden(question: &str, otherwise: &str) -> Result<Secret, Failure> {
    let quiet = Quiet::begin().map_err(|error| {
        let problem = format!("cannot keep the terminal from showing what is typed: {error}");
        Failure::new(IO, format!("{problem}; {otherwise}"))
    })?;
    drop(write!(std::io::stderr(), "{}", registry::visible::visible(question)));
    drop(std::io::stderr().flush());
    let line = read().await;
    drop(quiet);
    typed(line?, otherwise)
}

/// The value of a line that was typed.
fn typed(line: std::io::Result<Secret>, otherwise: &str) -> Result<Secret, Failure> {
    let line = line.map_err(|error| Failure::new(DATA, format!("cannot read the value: {error}")))?;
    if line.reveal().is_empty() {
        return Err(no_answer());
    }
    let value = without_line_end(line);
    if value.reveal().len() >= LINE_BYTES_MAX - 1 {
        let problem = "the value is too long for a terminal, which cuts it off";
        return Err(Failure::new(DATA, format!("{problem}; {otherwise}")));
    }
    Ok(value)
}

/// One line, read by a thread of its own: nobody waits for it when the question is broken off.
async fn read() -> Result<std::io::Result<Secret>, Failure> {
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut text = String::with_capacity(LINE_BYTES_MAX + 1);
        let read = std::io::stdin().lock().take(LINE_BYTES_MAX as u64 + 1).read_line(&mut text);
        drop(tell.send(read.map(|_| Secret::new(text))));
    });
    told.await.map_err(|_| Failure::new(INTERNAL, "reading the answer was interrupted"))
}

/// Without one line end at its end.
pub(crate) fn without_line_end(value: Secret) -> Secret {
    let text = value.reveal();
    let Some(rest) = text.strip_suffix('\n') else { return value };
    Secret::new(rest.strip_suffix('\r').unwrap_or(rest).to_owned())
}

/// The terminal, not showing what is typed until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> rustix::io::Result<Self> {
        let before = tcgetattr(std::io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _gone = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
        note("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_not_part_of_a_value() {
        for (given, kept) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a\r", "a\r"), ("", "")] {
            assert_eq!(without_line_end(Secret::new(given.to_owned())).reveal(), kept, "{given:?}");
        }
    }

    #[test]
    fn the_end_of_the_input_is_no_value_and_an_empty_line_is_an_empty_one() {
        let typed = |text: &str| typed(Ok(Secret::new(text.to_owned())), "or so");
        let given = |text| typed(text).map_err(|failure| failure.code).map(|value| value.reveal().to_owned());
        assert_eq!(given(""), Err(NEGATIVE), "Ctrl-D");
        assert_eq!(given("\n"), Ok(String::new()));
        assert_eq!(given("a\n"), Ok("a".to_owned()));
        assert_eq!(given("a"), Ok("a".to_owned()), "Ctrl-D after what was typed");
        assert_eq!(given(&"a".repeat(LINE_BYTES_MAX)), Err(DATA));
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(["y", "Y", "yes", " Yes\n"].into_iter().all(is_yes));
        assert!(!["", "n", "yess", "ye", "o", "y y"].into_iter().any(is_yes));
    }
}
