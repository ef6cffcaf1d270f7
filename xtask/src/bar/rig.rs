//! What every part stands on: binaries, a scratch folder on the same file system, bench servers.
//!
//! Must never reach beyond loopback or its scratch folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::bar::DoorArgs;
use crate::bar::process::Running;
use crate::bench::wire::Target;

/// The common ground.
#[derive(Debug)]
pub(crate) struct Rig {
    /// The project's folder.
    pub(crate) root: PathBuf,
    /// Where `callgate` and `xtask` are.
    pub(crate) binaries: PathBuf,
    /// Alternating rounds.
    pub(crate) rounds: u32,
    /// Load in each round.
    pub(crate) time: Duration,
    /// How many kills.
    pub(crate) kills: u32,
    /// Of the random moments.
    pub(crate) seed: u64,
    scratch: PathBuf,
}

impl Rig {
    /// For suites of their own measure.
    pub(crate) fn for_suites(root: &Path, binaries: &Path) -> Result<Self, String> {
        let args = DoorArgs { only: Vec::new(), kills: 0, rounds: 1, seconds: 1, seed: 1, binaries: None };
        Self::new(&args, root, binaries)
    }

    /// Checks the binaries and empties the scratch folder.
    pub(crate) fn new(args: &DoorArgs, root: &Path, binaries: &Path) -> Result<Self, String> {
        let scratch = binaries.join("bar");
        let _ = std::fs::remove_dir_all(&scratch);
        std::fs::create_dir_all(&scratch)
            .map_err(|error| format!("cannot make `{}`: {error}", scratch.display()))?;
        let binaries =
            binaries.canonicalize().map_err(|error| format!("no `{}`: {error}", binaries.display()))?;
        Ok(Self {
            root: root.to_path_buf(),
            scratch: binaries.join("bar"),
            binaries,
            rounds: args.rounds.max(1),
            time: Duration::from_secs(args.seconds.max(1)),
            kills: args.kills,
            seed: args.seed,
        })
    }

    /// An empty folder for one part.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, String> {
        let folder = self.scratch.join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)
            .map_err(|error| format!("cannot make `{}`: {error}", folder.display()))?;
        Ok(folder)
    }

    /// One of our binaries.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// The fast upstream.
    pub(crate) fn upstream(&self, log: bool) -> Result<(Running, SocketAddr), String> {
        let mut command = Command::new(self.binary("xtask"));
        command.arg("fast-upstream");
        if log {
            command.arg("--log");
        }
        Running::server(&mut command)
    }

    /// The bare proxy.
    pub(crate) fn proxy(&self, to: SocketAddr) -> Result<(Running, SocketAddr), String> {
        Running::server(Command::new(self.binary("xtask")).arg("bare-proxy").arg("--to").arg(to.to_string()))
    }
}

/// The upstream, or a proxy of it, as a target. It gets a key as long as a real one, and ignores it.
pub(crate) fn bare(addr: SocketAddr) -> Target {
    Target { addr, path: "/mcp".to_owned(), key: "k".repeat(60) }
}
