//! Starting the one daemon when nobody answers. Must never decide by itself that there is none: the lock of the
//! state directory decides, and who loses it waits for the winner.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, oneshot};

use super::door::Door;
use super::environment;
use crate::detach::Report;
use crate::exit::TRY_AGAIN;

/// Most time from the first try until the socket answers.
const WITHIN: Duration = Duration::from_secs(20);
/// Between two looks, while another holds the store.
const LOOK: Duration = Duration::from_millis(50);
/// Looks before the daemon is started once more: who held the store may have been a command that ended.
const LOOKS: u32 = 20;
/// A log that is longer is begun anew.
const LOG_BYTES_MAX: u64 = 1 << 20;
/// Bytes of the log's end that are looked at when the daemon said nothing.
const TAIL_BYTES: u64 = 4096;
/// Lines of them that are shown.
const TAIL_LINES: usize = 3;

/// How the daemon is started.
pub(super) struct Daemon {
    config: PathBuf,
    state: PathBuf,
    idle: Duration,
    /// The last failure: whoever waited meanwhile need not try again.
    failed: Mutex<Option<(Instant, String)>>,
}

impl Daemon {
    pub(super) fn new(config: &Path, state: &Path, idle: Duration) -> Self {
        let config = std::path::absolute(config).unwrap_or_else(|_| config.to_path_buf());
        Self { config, state: state.to_path_buf(), idle, failed: Mutex::default() }
    }

    /// Waits until the door answers, starting the daemon if need be.
    ///
    /// # Errors
    /// What keeps it from starting, and what to do, for the client.
    pub(super) async fn ensure(&self, door: &Door) -> Result<(), String> {
        let asked = Instant::now();
        let mut failed = self.failed.lock().await;
        if let Some((_, why)) = failed.as_ref().filter(|(when, _)| *when >= asked) {
            return Err(why.clone());
        }
        let mut held = None;
        let started = tokio::time::timeout(WITHIN, self.start(door, &mut held)).await;
        let why = match (started, held) {
            (Ok(Ok(())), _) => return Ok(()),
            (Ok(Err(why)), _) => why,
            (Err(_), Some(held)) => {
                format!(
                    "{held}; it gave no sign of life for {} s: it may be stopped, or hang",
                    WITHIN.as_secs()
                )
            }
            (Err(_), None) => format!("it did not answer within {} s", WITHIN.as_secs()),
        };
        let text = format!(
            "callgate could not be started: {why}; `callgate --config {} up` shows it, {} has its log",
            self.config.display(),
            self.log_path().display()
        );
        *failed = Some((Instant::now(), text.clone()));
        Err(text)
    }

    /// `held` says who has the store meanwhile, if it is somebody else.
    async fn start(&self, door: &Door, held: &mut Option<String>) -> Result<(), String> {
        loop {
            if door.answers().await {
                return Ok(());
            }
            match self.launch()?.await {
                Ok(Report::Ready) => {}
                Ok(Report::Failed { code: TRY_AGAIN, text }) => {
                    *held = Some(text);
                    wait(door).await;
                }
                Ok(Report::Failed { text, .. }) => return Err(text),
                Ok(Report::Nothing) | Err(_) => return Err(self.last_words()),
            }
        }
    }

    /// Starts one, and what it has to say of itself.
    fn launch(&self) -> Result<oneshot::Receiver<Report>, String> {
        let log =
            self.log().map_err(|error| format!("cannot write `{}`: {error}", self.log_path().display()))?;
        let program =
            std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let (mut report, writer) = std::io::pipe().map_err(|error| error.to_string())?;
        let mut child = Command::new(program)
            .arg("--config")
            .arg(&self.config)
            .args(["up", "--on-demand", "--detach", "--idle-seconds", &self.idle.as_secs().to_string()])
            .current_dir(&self.state)
            .env_clear()
            .envs(environment::of_daemon(&self.config))
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start this program again: {error}"))?;
        let (sender, receiver) = oneshot::channel();
        std::thread::spawn(move || {
            // The child ends at once: the daemon is its child, in a session of its own.
            drop(child.wait());
            let mut text = String::new();
            drop(report.by_ref().take(TAIL_BYTES).read_to_string(&mut text));
            drop(sender.send(Report::parse(&text)));
        });
        Ok(receiver)
    }

    fn log_path(&self) -> PathBuf {
        self.state.join("daemon.log")
    }

    fn log(&self) -> std::io::Result<File> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.state)?;
        let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(no_follow)
            .open(self.log_path())?;
        if log.metadata()?.len() > LOG_BYTES_MAX {
            log.set_len(0)?;
        }
        Ok(log)
    }

    fn last_words(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut log = File::open(self.log_path())?;
            let from = log.metadata()?.len().saturating_sub(TAIL_BYTES);
            log.seek(SeekFrom::Start(from))?;
            let mut end = Vec::new();
            log.read_to_end(&mut end)?;
            Ok(String::from_utf8_lossy(&end).into_owned())
        };
        let text = read().unwrap_or_default();
        let mut lines: Vec<&str> = text.lines().rev().take(TAIL_LINES).collect();
        lines.reverse();
        format!("it ended without a word; its log ends `{}`", lines.join("; "))
    }
}

/// Somebody else has the store: most likely the daemon that another shim started.
async fn wait(door: &Door) {
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOK).await;
        if door.answers().await {
            return;
        }
    }
}
