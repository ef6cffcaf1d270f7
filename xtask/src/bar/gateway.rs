//! One Callgate under measurement: its files, its process, its command line.
//!
//! Must never use any way in that an operator or an agent does not have.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bar::process::Running;
use crate::bar::rig::Rig;
use crate::bench::load::{Line, Plan, Stop};
use crate::bench::wire::{Target, Wire};

/// Policies in force in every part but the decision: 4 that permit, the rest on other agents.
const POLICIES: usize = 100;
const READY_TIME_MAX: Duration = Duration::from_secs(20);
/// The agent of every measured call.
pub(crate) const AGENT: &str = "bench";
/// The agent that only asks whether calls are served.
const PROBE: &str = "probe";

/// One Callgate.
#[derive(Debug)]
pub(crate) struct Gateway {
    binary: PathBuf,
    config: PathBuf,
    folder: PathBuf,
    addr: SocketAddr,
    key: String,
    probe: String,
    running: Option<Running>,
}

impl Gateway {
    /// Writes the files, starts it, certifies the upstream's tools and adds an agent. It is running afterwards.
    pub(crate) fn set_up(rig: &Rig, part: &str, upstream: SocketAddr) -> Result<Self, String> {
        Self::set_up_with(rig, part, upstream, "")
    }

    /// As [`Self::set_up`], with more policies.
    pub(crate) fn set_up_with(
        rig: &Rig,
        part: &str,
        upstream: SocketAddr,
        more: &str,
    ) -> Result<Self, String> {
        let folder = rig.folder(part)?;
        let addr = free_addr()?;
        let config = folder.join("callgate.toml");
        write(&config, &configuration(addr, upstream, &folder))?;
        let policies = folder.join("policies");
        std::fs::create_dir(&policies).map_err(|error| format!("cannot make the policy folder: {error}"))?;
        write(&policies.join("bar.cedar"), &(policy_text(POLICIES) + more))?;
        let binary = rig.binary("callgate");
        let mut gateway =
            Self { binary, config, folder, addr, key: String::new(), probe: String::new(), running: None };
        gateway.start()?;
        gateway.wait_ready()?;
        gateway.key = gateway.add_agent(AGENT)?;
        gateway.probe = gateway.add_agent(PROBE)?;
        gateway.certify()?;
        Ok(gateway)
    }

    /// Another agent; its key.
    pub(crate) fn add_agent(&self, name: &str) -> Result<String, String> {
        let added = self.json(&["agents", "add", name])?;
        let key = added.get("key").and_then(Value::as_str).ok_or("`agents add` printed no `key`")?;
        Ok(key.to_owned())
    }

    /// Where the calls go; `/mcp/legacy` and `/mcp/modern` are one upstream spoken to in its two revisions.
    pub(crate) fn target(&self, wire: Wire) -> Target {
        let path = match wire {
            Wire::Legacy => "/mcp/legacy",
            Wire::Modern => "/mcp/modern",
        };
        Target { addr: self.addr, path: path.to_owned(), key: self.key.clone() }
    }

    /// The process.
    pub(crate) fn process(&self) -> Result<&Running, String> {
        self.running.as_ref().ok_or_else(|| "callgate is not running".to_owned())
    }

    /// Starts the daemon without waiting for it.
    pub(crate) fn start(&mut self) -> Result<(), String> {
        let log = OpenOptions::new().create(true).append(true).open(self.log_path());
        let log = log.map_err(|error| format!("cannot write the daemon's log: {error}"))?;
        let also = log.try_clone().map_err(|error| format!("cannot write the daemon's log: {error}"))?;
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(&self.config).arg("up").stdout(log).stderr(also);
        self.running = Some(Running::start(&mut command)?);
        Ok(())
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill();
        }
    }

    /// Where its state is.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Time from now until a call was served, trying again and again.
    pub(crate) fn first_call(&mut self, wire: Wire, limit: Duration) -> Result<Duration, String> {
        let started = Instant::now();
        let target = Target { key: self.probe.clone(), ..self.target(wire) };
        let plan = one_call(target, wire);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
        let mut last = String::new();
        let mut number = u64::MAX / 2;
        while started.elapsed() < limit {
            number += 1;
            let tried = runtime.block_on(async {
                let mut line = Line::open(&plan, None).await?;
                line.call(number).await?
            });
            match tried {
                Ok(()) => return Ok(started.elapsed()),
                Err(problem) => last = problem,
            }
            if self.running.as_mut().is_none_or(Running::ended) {
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Err(format!("no call was served within {limit:?}: {last}; the daemon said: {}", self.log_end()))
    }

    /// Runs a command that must succeed; what it printed, read as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Value, String> {
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(&self.config).args(arguments).args(["--output", "json"]);
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("cannot run `callgate`: {error}"))?;
        let said = arguments.join(" ");
        if !output.status.success() {
            let problem = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`callgate {said}` ended with {}: {}", output.status, problem.trim()));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("`callgate {said}` printed no JSON: {error}"))
    }

    fn certify(&mut self) -> Result<(), String> {
        let started = Instant::now();
        loop {
            let certified = self.json(&["tools", "certify", "--all-unflagged", "--yes"]);
            let served = certified.and_then(|_| {
                self.first_call(Wire::Legacy, Duration::from_millis(200))?;
                self.first_call(Wire::Modern, Duration::from_millis(200))
            });
            match served {
                Ok(_) => return Ok(()),
                Err(problem) if started.elapsed() > READY_TIME_MAX => return Err(problem),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn wait_ready(&mut self) -> Result<(), String> {
        let started = Instant::now();
        while std::net::TcpStream::connect(self.addr).is_err() {
            let gone = self.running.as_mut().is_none_or(Running::ended);
            if gone || started.elapsed() > READY_TIME_MAX {
                return Err(format!("callgate does not listen; it said: {}", self.log_end()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("up.log")
    }

    fn log_end(&self) -> String {
        let text = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let from = text.char_indices().rev().nth(1500).map_or(0, |(at, _)| at);
        text.get(from..).unwrap_or_default().trim().to_owned()
    }
}

fn one_call(target: Target, wire: Wire) -> Plan {
    Plan { target, wire, connections: 1, stop: Stop::Calls(1), one_session: false, first_marker: 0 }
}

fn free_addr() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    listener.map_err(|error| format!("cannot find a free port: {error}"))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("cannot write `{}`: {error}", path.display()))
}

fn configuration(addr: SocketAddr, upstream: SocketAddr, folder: &Path) -> String {
    let mut text = format!(
        "[listen]\naddress = \"{addr}\"\n\n[store]\npath = {store:?}\n\n[policy]\npaths = [{policies:?}]\n",
        store = folder.join("state").display().to_string(),
        policies = folder.join("policies").display().to_string(),
    );
    for era in ["legacy", "modern"] {
        let _ = write!(
            text,
            "\n[servers.{era}]\nurl = \"http://{upstream}/mcp\"\nera = \"{era}\"\nshareable = true\n"
        );
    }
    text
}

/// An agent may list and read.
pub(crate) fn permits(agent: &str) -> String {
    format!(
        "@id(\"list.{agent}\")\npermit (principal == Callgate::Agent::\"{agent}\", \
         action == Callgate::Action::\"list\", resource);\n\
         @id(\"read.{agent}\")\npermit (principal == Callgate::Agent::\"{agent}\", \
         action in Callgate::Action::\"risk:read\", resource);\n"
    )
}

/// Our two agents may list and read; the other policies are on agents and groups that never call here.
fn policy_text(count: usize) -> String {
    let mut text = String::new();
    for agent in [AGENT, PROBE] {
        text.push_str(&permits(agent));
    }
    for number in 4..count {
        let _ = if number % 2 == 0 {
            writeln!(
                text,
                "@id(\"filler.{number}\")\npermit (principal == Callgate::Agent::\"other-{number}\", \
                 action in Callgate::Action::\"risk:read\", resource);"
            )
        } else {
            writeln!(
                text,
                "@id(\"filler.{number}\")\npermit (principal in Callgate::AgentGroup::\"group-{number}\", \
                 action in Callgate::Action::\"risk:write\", resource);"
            )
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_policies_as_said_and_each_has_its_own_id() {
        let text = policy_text(POLICIES);
        let mut ids: Vec<_> = text.lines().filter(|line| line.starts_with("@id")).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), POLICIES);
        assert_eq!(text.matches("permit (").count(), POLICIES);
    }

    #[test]
    fn the_configuration_is_toml_with_both_servers() {
        let any = SocketAddr::from(([127, 0, 0, 1], 1));
        let table: toml::Table = configuration(any, any, Path::new("a\"b")).parse().unwrap();
        assert_eq!(table["servers"].as_table().unwrap().len(), 2);
        assert_eq!(table["store"]["path"].as_str(), Some("a\"b/state"));
    }
}
