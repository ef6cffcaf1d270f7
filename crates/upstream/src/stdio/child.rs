//! One child process and its group, supervised. Must never be started through a shell, inherit a variable
//! nobody named, or leave a member of its group behind: whatever ends the leader, the whole group is killed.
//!
//! A descendant that leaves the group (`setsid`, `setpgid`) is not reached: it lives on with what it was given
//! until it ends itself. Whoever runs servers that do so confines this process as a whole, in a control group
//! or a container.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use model::ids::ServerName;
use ports::secret::Secret;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::watch;

use super::environment;
use super::launch::Launch;
use super::stderr::{self, Tail};
use crate::leash::Leash;

/// A running child: its pipes, and the handle that stops it.
pub(super) struct Spawned {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) handle: Handle,
}

/// Stops a child, and tells when it ended. Dropping it stops the child too.
pub(super) struct Handle {
    stop: watch::Sender<bool>,
    ended: watch::Receiver<Option<String>>,
    tail: Tail,
    secrets: Arc<[String]>,
}

impl Handle {
    /// Begins to stop: input closed, then SIGTERM, then SIGKILL. Whoever owns stdin watches this too.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Resolves when stopping began.
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Waits until the whole group is gone; how the leader ended.
    pub(super) async fn ended(&self) -> String {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(how) => how.clone().unwrap_or_default(),
            Err(_) => "ended with its supervisor".to_owned(),
        }
    }

    /// What it wrote last on stderr, for the operator's log.
    pub(super) fn last_words(&self) -> String {
        self.tail.last_lines(3, &self.secrets)
    }
}

/// Starts a child in its own process group with a scrubbed environment.
///
/// # Errors
/// In words, when the program cannot be started.
pub(super) fn spawn(
    server: &ServerName,
    launch: &Launch,
    private_dir: &Path,
    grace: Duration,
) -> Result<Spawned, String> {
    let (program, arguments) = launch.argv.split_first().ok_or("no program is configured")?;
    let program = program.reveal();
    let directory = environment::working_directory(launch, private_dir)
        .map_err(|e| format!("working directory `{}` cannot be made: {e}", private_dir.display()))?;
    let mut child = tokio::process::Command::new(program)
        .args(arguments.iter().map(Secret::reveal))
        .env_clear()
        .envs(environment::variables(launch))
        .current_dir(&directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("`{program}` cannot be started in `{}`: {e}", directory.display()))?;
    let (stdin, stdout, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(errors)) = (stdin, stdout, errors) else {
        return Err(format!("`{program}` was started without its pipes"));
    };
    let group = Group::of(&child, launch.leash.clone());
    let secrets: Arc<[String]> = environment::secret_values(launch).into();
    let tail = Tail::default();
    tokio::spawn(stderr::drain(errors, server.clone(), tail.clone(), Arc::clone(&secrets)));
    let (stop, stopping) = watch::channel(false);
    let (end, ended) = watch::channel(None);
    tokio::spawn(supervise(child, group, stopping, end, grace));
    Ok(Spawned { stdin, stdout, handle: Handle { stop, ended, tail, secrets } })
}

/// The process group of a child. Killed when dropped, so that a supervisor that is dropped leaves no member; by the
/// leash, when this process is killed first.
struct Group {
    id: Option<Pid>,
    leash: Option<Leash>,
}

impl Group {
    fn of(child: &Child, leash: Option<Leash>) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let (Some(group), Some(leash)) = (id, &leash) {
            leash.hold(group);
        }
        Self { id, leash }
    }

    /// The group's id stays taken as long as a member lives, so this reaches those of our descendants who stayed
    /// in it, or nobody.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.id {
            // A group that is gone already is what was wanted.
            let _gone = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        if let (Some(group), Some(leash)) = (self.id, &self.leash) {
            leash.release(group);
        }
    }
}

async fn supervise(
    mut child: Child,
    group: Group,
    mut stopping: watch::Receiver<bool>,
    end: watch::Sender<Option<String>>,
    grace: Duration,
) {
    let by_itself = tokio::select! {
        status = child.wait() => Some(status),
        _ = stopping.wait_for(|stop| *stop) => None,
    };
    let status = match by_itself {
        Some(status) => status,
        None => stop(&mut child, &group, grace).await,
    };
    drop(group);
    let how = status.map_or_else(|e| format!("ended: {e}"), describe);
    end.send_replace(Some(how));
}

/// MCP, stdio, Shutdown: input is closed (by its owner) → wait → SIGTERM → wait → SIGKILL.
async fn stop(child: &mut Child, group: &Group, grace: Duration) -> std::io::Result<ExitStatus> {
    if let Ok(status) = tokio::time::timeout(grace, child.wait()).await {
        return status;
    }
    group.signal(Signal::TERM);
    if let Ok(status) = tokio::time::timeout(grace, child.wait()).await {
        return status;
    }
    group.signal(Signal::KILL);
    child.wait().await
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
