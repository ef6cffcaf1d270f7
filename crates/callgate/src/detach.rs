//! A daemon that outlives whoever started it. Must never stay in the session or below the process of a client: what
//! ends the client must not end it.

use std::process::{Command, Stdio};

use crate::exit::{Failure, INTERNAL, OK, put};

/// What a daemon says of its start on standard output, once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// It answers.
    Ready,
    /// It ended with this code.
    Failed { code: u8, text: String },
    /// It said nothing, or something else.
    Nothing,
}

const READY: &str = "ready";
const FAILED: &str = "failed ";

impl Report {
    /// Reads what was written.
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim_end();
        if text == READY {
            return Self::Ready;
        }
        let failed = text.strip_prefix(FAILED).and_then(|rest| rest.split_once(' '));
        let failed = failed.and_then(|(code, text)| Some((code.parse().ok()?, text.to_owned())));
        failed.map_or(Self::Nothing, |(code, text)| Self::Failed { code, text })
    }

    /// Whoever started the daemon can connect now. Standard output is closed: nobody listens there any more.
    pub(crate) fn ready() {
        put(READY);
        if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
            // If it cannot be replaced, the starter waits for nothing worse than its own time limit.
            let _replaced = rustix::stdio::dup2_stdout(null);
        }
    }

    /// Tells why there is no daemon.
    pub(crate) fn failed(failure: &Failure) {
        put(&format!("{FAILED}{} {}", failure.code, failure.text()));
    }
}

/// Starts this command again in a session of its own, and ends: so that the daemon is nobody's child.
pub(crate) fn start() -> Result<u8, Failure> {
    let cannot = |error: std::io::Error| Failure::new(INTERNAL, format!("cannot detach: {error}"));
    // Fails for the leader of a process group, as whoever typed this at a terminal is: then the group stays.
    let _session = rustix::process::setsid();
    crate::wrap::small::undo();
    let own: Vec<_> = std::env::args_os().skip(1).map(detached).collect();
    let program = std::env::current_exe().map_err(cannot)?;
    Command::new(program).args(own).stdin(Stdio::null()).spawn().map_err(cannot)?;
    Ok(OK)
}

fn detached(argument: std::ffi::OsString) -> std::ffi::OsString {
    if argument == "--detach" { "--detached".into() } else { argument }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_became_of_a_start() {
        assert_eq!(Report::parse("ready\n"), Report::Ready);
        let failed = Report::parse("failed 75 the store is in use by process 7\n");
        assert_eq!(failed, Report::Failed { code: 75, text: "the store is in use by process 7".to_owned() });
        for other in ["", "failed", "failed x y", "readyish", "panic"] {
            assert_eq!(Report::parse(other), Report::Nothing, "{other}");
        }
    }
}
