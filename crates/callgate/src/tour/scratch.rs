//! The scratch folder of the tour and the daemon in it. Both are gone when this is dropped. Must never touch a file
//! outside it.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::server::HONEST;
use super::stage::in_path;
use crate::adapters::SystemEntropy;
use crate::exit::{CANNOT_CREATE, Failure, UNAVAILABLE, note};
use crate::import::STARTER;
use ports::clock::Entropy as _;

const POLICY: &str = include_str!("tour.cedar");
const CLIENT: &str = include_str!("client.mjs");
/// A real server and the real client, at releases that were tried.
const PACKAGES: [&str; 2] =
    ["@modelcontextprotocol/server-filesystem@2026.8.31", "@modelcontextprotocol/sdk@1.32.2"];
/// Where the filesystem server is in them.
const SERVER: &str = "node_modules/@modelcontextprotocol/server-filesystem/dist/index.js";
/// Time for the daemon to be ready.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Time for the daemon to end by itself.
const END_WITHIN: Duration = Duration::from_secs(8);

/// The folder, and what runs in it.
pub(super) struct Scratch {
    pub(super) root: PathBuf,
    daemon: Option<Child>,
}

fn cannot(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(CANNOT_CREATE, format!("cannot {what} the tour's scratch folder: {error}; look at `TMPDIR`"))
}

impl Scratch {
    /// An empty folder of this user's alone.
    pub(super) fn make() -> Result<Self, Failure> {
        let mut random = [0u8; 6];
        SystemEntropy.fill(&mut random).map_err(|fault| cannot("name", &fault))?;
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let root = std::env::temp_dir().join(format!("callgate-tour-{name}"));
        std::fs::DirBuilder::new().mode(0o700).create(&root).map_err(|error| cannot("make", &error))?;
        let root = root.canonicalize().map_err(|error| cannot("find", &error))?;
        Ok(Self { root, daemon: None })
    }

    pub(super) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.root.join("callgate.toml")
    }

    pub(super) fn client(&self) -> PathBuf {
        self.root.join("client.mjs")
    }

    pub(super) fn definition(&self) -> PathBuf {
        self.root.join("weather.json")
    }

    /// Brings the server and the client's SDK: from a folder that has them, or from npm.
    pub(super) async fn packages(&self, given: Option<&Path>) -> Result<(), Failure> {
        if let Some(given) = given {
            let there = std::path::absolute(given).map(|given| given.join("node_modules"));
            let linked =
                there.and_then(|there| std::os::unix::fs::symlink(there, self.root.join("node_modules")));
            return linked.map_err(|error| cannot("link packages into", &error));
        }
        if !in_path("npm") || !in_path("node") {
            return Err(Failure::new(
                UNAVAILABLE,
                "the tour needs Node 20 or newer with npm: install it, then `callgate tour` again",
            ));
        }
        note("fetching a real server and a real client from npm …");
        let install = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"])
            .arg(&self.root)
            .args(PACKAGES)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .status()
            .await;
        match install {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(Failure::new(
                UNAVAILABLE,
                "npm could not fetch the tour's packages; see above, then `callgate tour` again",
            )),
            Err(error) => Err(Failure::new(UNAVAILABLE, format!("cannot run npm: {error}"))),
        }
    }

    /// Configuration, policies, the workspace and the client.
    pub(super) fn furnish(&self, program: &Path) -> Result<(), Failure> {
        let quoted = |path: &Path| format!("{:?}", path.to_string_lossy());
        let (work, server) = (self.work(), self.root.join(SERVER));
        let config = format!(
            "# Written by `callgate tour`; gone with it.\n\n[listen]\naddress = \"127.0.0.1:0\"\n\n[notify]\ndesktop = false\n\n\
             [servers.files]\ncommand = [\"node\", {}, {}]\n\n\
             [servers.weather]\ncommand = [{}, \"tour-server\", {}]\nera = \"legacy\"\n",
            quoted(&server),
            quoted(&work),
            quoted(program),
            quoted(&self.definition()),
        );
        let pattern = quoted(&work).trim_matches('"').replace('*', "\\*");
        let files = [
            (self.config(), config),
            (self.root.join("policies/starter.cedar"), STARTER.to_owned()),
            (self.root.join("policies/tour.cedar"), POLICY.replace("@WORK@", &pattern)),
            (work.join("notes.txt"), "Buy milk.\nAsk Ann about the release.\n".to_owned()),
            (self.definition(), HONEST.to_owned()),
            (self.client(), CLIENT.to_owned()),
        ];
        for directory in [work.clone(), self.root.join("policies")] {
            std::fs::create_dir(directory).map_err(|error| cannot("fill", &error))?;
        }
        for (path, text) in files {
            std::fs::write(path, text).map_err(|error| cannot("fill", &error))?;
        }
        Ok(())
    }

    /// Starts the daemon, and waits until it answers.
    pub(super) async fn start(&mut self, program: &Path) -> Result<(), Failure> {
        let log =
            std::fs::File::create(self.root.join("daemon.log")).map_err(|error| cannot("fill", &error))?;
        let child = Command::new(program)
            .arg("--config")
            .arg(self.config())
            // By itself it ends an hour after its last client, should this process be killed.
            .args(["up", "--on-demand", "--idle-seconds", "3600"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        self.daemon = Some(child.map_err(|error| cannot("start the daemon in", &error))?);
        let socket = crate::credential::agents_socket(&self.root.join("state"));
        let answering = async {
            while tokio::net::UnixStream::connect(&socket).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(READY_WITHIN, answering).await.is_ok() {
            return Ok(());
        }
        let log = std::fs::read_to_string(self.root.join("daemon.log")).unwrap_or_default();
        let last = log.lines().last().unwrap_or("it said nothing");
        Err(Failure::new(UNAVAILABLE, format!("the tour's daemon does not answer: {last}")))
    }

    /// Ends the daemon, and with it its servers.
    pub(super) async fn stop(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        let pid = daemon.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended already: then there is nobody to tell.
            let _told = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        if tokio::time::timeout(END_WITHIN, daemon.wait()).await.is_err() {
            drop(daemon.kill().await);
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The daemon, if it still runs, is killed with its handle; its servers end when their input does.
        if let Err(error) = std::fs::remove_dir_all(&self.root) {
            note(&format!("callgate: {} could not be removed: {error}", self.root.display()));
        }
    }
}
