//! What ends the children of a process that was killed. Must never end a group it was not told of, nor one that was
//! let go.
//!
//! A process that is killed outright can do nothing more for its children: their input closes, and those that ignore
//! that would stay. So a process beside it, the watch, holds the list of their groups, and ends what is left of them
//! when the list's writer is gone.

use std::collections::BTreeSet;
use std::io::{BufRead, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// Time for children to end because their input closed.
const BY_THEMSELVES: Duration = Duration::from_secs(2);
/// Time after SIGTERM, before SIGKILL.
const TOLD: Duration = Duration::from_secs(1);
/// How often is looked meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// The writer of the list. The watch acts when the last clone is gone, however it went.
#[derive(Clone)]
pub struct Leash(Arc<Mutex<ChildStdin>>);

impl Leash {
    /// Starts the watch: `program argument`, which must call [`watch`] on its standard input. It is out of reach of
    /// signals that a terminal sends to this process's group.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &Path, argument: &str) -> std::io::Result<Self> {
        let mut watch = Command::new(program)
            .arg(argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let list = watch.stdin.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
        Ok(Self(Arc::new(Mutex::new(list))))
    }

    pub(crate) fn hold(&self, group: Pid) {
        self.write(&format!("+{}\n", group.as_raw_nonzero()));
    }

    pub(crate) fn release(&self, group: Pid) {
        self.write(&format!("-{}\n", group.as_raw_nonzero()));
    }

    /// A watch that is gone holds nobody; what it was for still ends by other means.
    fn write(&self, line: &str) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(list.write_all(line.as_bytes()));
    }
}

/// Follows the list until its writer is gone, then ends the groups that are left on it.
pub fn watch(list: impl BufRead) {
    let mut held = BTreeSet::new();
    for line in list.lines() {
        let Ok(line) = line else { break };
        note(&mut held, &line);
    }
    wait(&mut held, BY_THEMSELVES);
    signal(&held, Signal::TERM);
    wait(&mut held, TOLD);
    signal(&held, Signal::KILL);
}

fn note(held: &mut BTreeSet<i32>, line: &str) {
    let group = |digits: &str| digits.parse().ok().filter(|group: &i32| *group > 1);
    if let Some(group) = line.strip_prefix('+').and_then(group) {
        held.insert(group);
    } else if let Some(group) = line.strip_prefix('-').and_then(group) {
        held.remove(&group);
    }
}

/// Waits until all have ended, or the time is over. One that ended is let go at once: its number may be given away.
fn wait(held: &mut BTreeSet<i32>, most: Duration) {
    let end = Instant::now() + most;
    loop {
        held.retain(|group| {
            Pid::from_raw(*group).is_some_and(|group| test_kill_process_group(group).is_ok())
        });
        if held.is_empty() || Instant::now() >= end {
            return;
        }
        std::thread::sleep(LOOK);
    }
}

fn signal(held: &BTreeSet<i32>, signal: Signal) {
    for group in held.iter().filter_map(|group| Pid::from_raw(*group)) {
        // Gone meanwhile is what was wanted.
        let _gone = kill_process_group(group, signal);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Child;

    use super::*;

    fn stubborn() -> Child {
        let script = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
        let mut child =
            Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let mut said = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        child
    }

    #[test]
    fn only_groups_that_were_not_let_go_are_ended() {
        let (mut held, mut free) = (stubborn(), stubborn());
        let list = format!("+{}\n+{}\n-{}\n", held.id(), free.id(), free.id());
        // Reaped in its own thread, as the system does for orphans.
        let reaped = std::thread::spawn(move || held.wait().unwrap());
        watch(list.as_bytes());
        assert!(!reaped.join().unwrap().success());
        assert!(free.try_wait().unwrap().is_none());
        free.kill().unwrap();
        free.wait().unwrap();
    }

    #[test]
    fn a_line_that_names_no_group_names_nobody() {
        let mut held = BTreeSet::new();
        for line in ["+1", "+0", "+-5", "-1", "+", "7", "", "+99999999999"] {
            note(&mut held, line);
        }
        assert!(held.is_empty(), "{held:?}");
    }
}
