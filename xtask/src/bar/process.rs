//! Child processes of a measurement, and what the system says about them.
//!
//! Must never leave a child behind: each is killed when its owner goes.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// Clock ticks a second in `/proc`: fixed for every Linux this runs on.
const TICKS: f64 = 100.0;

/// A running child.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Running {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self, String> {
        let child = command.stdin(Stdio::null()).spawn();
        let program = command.get_program().display();
        child.map(|child| Self { child }).map_err(|error| format!("cannot start `{program}`: {error}"))
    }

    /// Starts a bench server and waits until it says where it listens.
    pub(crate) fn server(command: &mut Command) -> Result<(Self, SocketAddr), String> {
        let mut running = Self::start(command.stdout(Stdio::piped()))?;
        let mut line = String::new();
        if let Some(out) = running.child.stdout.take() {
            let _ = BufReader::new(out).read_line(&mut line);
        }
        let addr = line.trim().strip_prefix("listening ").and_then(|addr| addr.parse().ok());
        addr.map(|addr| (running, addr)).ok_or_else(|| format!("a bench server said `{}`", line.trim()))
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// CPU seconds so far, its own and its threads'.
    pub(crate) fn cpu(&self) -> Result<f64, String> {
        cpu(&self.child.id().to_string())
    }

    /// Open file descriptors and threads.
    pub(crate) fn held(&self) -> Result<Held, String> {
        let count = |what: &str| {
            let folder = format!("/proc/{}/{what}", self.child.id());
            let entries = std::fs::read_dir(&folder);
            entries.map(Iterator::count).map_err(|error| format!("cannot read `{folder}`: {error}"))
        };
        Ok(Held { files: count("fd")?, threads: count("task")? })
    }

    /// Anonymous resident memory in MB.
    pub(crate) fn rss_anon_mb(&self) -> Result<f64, String> {
        let status = read(&format!("/proc/{}/status", self.child.id()))?;
        rss_anon_mb(&status).ok_or_else(|| "`RssAnon` is not in the process status".to_owned())
    }
}

/// What a process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Open file descriptors.
    pub(crate) files: usize,
    /// Threads.
    pub(crate) threads: usize,
}

/// CPU seconds of this process.
pub(crate) fn own_cpu() -> Result<f64, String> {
    cpu("self")
}

/// CPU seconds all processes and the kernel used, on all cores.
pub(crate) fn machine_cpu() -> Result<f64, String> {
    let stat = read("/proc/stat")?;
    busy_seconds(&stat).ok_or_else(|| "the machine's times cannot be read".to_owned())
}

/// All of the first line but idle and waiting for disks.
fn busy_seconds(stat: &str) -> Option<f64> {
    let fields: Vec<f64> = stat
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .filter_map(|field| field.parse().ok())
        .collect();
    let counted = fields.iter().enumerate().filter(|(at, _)| *at < 8 && !(3..=4).contains(at));
    (fields.len() >= 8).then(|| counted.map(|(_, ticks)| ticks).sum::<f64>() / TICKS)
}

fn cpu(pid: &str) -> Result<f64, String> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    cpu_seconds(&stat).ok_or_else(|| "the process's times cannot be read".to_owned())
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read `{path}`: {error}"))
}

/// `utime` + `stime`; the name before them may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}

fn rss_anon_mb(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 100 1 1";
        assert!((cpu_seconds(stat).unwrap() - 3.0).abs() < 1e-9);
        assert!(cpu_seconds("7 (a) S 1").is_none());
        assert!(own_cpu().unwrap() >= 0.0);
    }

    #[test]
    fn the_machine_is_busy_with_all_but_waiting() {
        let busy = busy_seconds("cpu  100 200 300 9999 9999 0 100 300 50 50\ncpu0 1\n").unwrap();
        assert!((busy - 10.0).abs() < 1e-9);
        assert!(busy_seconds("cpu  1 2\n").is_none());
    }

    #[test]
    fn memory_is_in_millions_of_bytes() {
        assert!((rss_anon_mb("VmRSS: 9 kB\nRssAnon:\t   1000 kB\n").unwrap() - 1.024).abs() < 1e-9);
        assert!(rss_anon_mb("VmRSS: 9 kB\n").is_none());
    }
}
