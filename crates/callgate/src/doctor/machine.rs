//! The machine: versions, what could confine a server here, the clock. Facts only: Callgate confines no server yet.

use std::path::Path;

use super::finding::Findings;
use crate::adapters::SystemClock;
use model::time::Micros;
use ports::clock::Clock as _;

/// Before this the clock is certainly wrong: 2026-01-01T00:00:00Z.
const FLOOR: Micros = Micros(1_767_225_600_000_000);
/// Where time services say that the clock is synchronised.
const SYNCHRONISED: [&str; 2] = ["/run/systemd/timesync/synchronized", "/run/chrony/chronyd.pid"];

pub(super) fn look(found: &mut Findings) {
    let kernel = line("/proc/sys/kernel/osrelease").unwrap_or_else(|| std::env::consts::OS.to_owned());
    let (ours, sqlite) = (env!("CARGO_PKG_VERSION"), store::health::sqlite_version());
    found.ok("machine", format!("callgate {ours}, SQLite {sqlite}, kernel {kernel}"));
    if cfg!(target_os = "linux") {
        confinement(found, &kernel);
    } else {
        found.note("machine", "confining servers will need Linux");
    }
    if rustix::process::geteuid().is_root() {
        let fix = "run Callgate as a user of its own (docs/operate/solo-machine.md)";
        found.warning(
            "machine",
            "this runs as root: a server that is started has every right on this machine",
            fix,
        );
    }
}

/// What the kernel offers to confine servers with. Callgate does not use it yet, and says so.
fn confinement(found: &mut Findings, kernel: &str) {
    let modules = line("/sys/kernel/security/lsm");
    let landlock = match modules.as_deref() {
        Some(list) if list.split(',').any(|module| module == "landlock") => {
            format!("Landlock (this kernel has ABI {} or a later fix of it)", landlock_abi(kernel))
        }
        Some(_) => "no Landlock".to_owned(),
        None => "Landlock unknown (securityfs is not mounted)".to_owned(),
    };
    let namespaces = if user_namespaces() { "user namespaces" } else { "no user namespaces" };
    let seccomp = match line("/proc/sys/kernel/seccomp/actions_avail") {
        Some(_) => "seccomp",
        None => "no seccomp",
    };
    found.note(
        "machine",
        format!("could confine servers with: {landlock}, {namespaces}, {seccomp}; not used yet"),
    );
}

/// The Landlock ABI a kernel of that version came with.
fn landlock_abi(kernel: &str) -> u32 {
    const SINCE: [((u32, u32), u32); 7] =
        [((6, 15), 7), ((6, 12), 6), ((6, 10), 5), ((6, 7), 4), ((6, 2), 3), ((5, 19), 2), ((5, 13), 1)];
    let mut numbers = kernel.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    SINCE.iter().find(|(since, _)| version >= *since).map_or(0, |(_, abi)| *abi)
}

fn user_namespaces() -> bool {
    let number = |path: &str| line(path).and_then(|text| text.parse::<u64>().ok());
    let many = number("/proc/sys/user/max_user_namespaces").is_some_and(|max| max > 0);
    let closed = number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0)
        || number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1);
    many && !closed
}

fn line(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The clock, against what the record says was written last.
pub(super) fn clock(found: &mut Findings, newest: Option<&str>) {
    let now = SystemClock::start().now();
    let shown = now.rfc3339();
    let fix =
        "set the clock (`timedatectl set-ntp true`); keys, approvals and policies with times depend on it";
    if now < FLOOR {
        found.problem("clock", format!("it is {shown} here, which cannot be"), fix);
    } else if let Some(newest) = newest.filter(|newest| *newest > shown.as_str()) {
        let text = format!(
            "it is {shown} here, and the newest entry of the record is of {newest}: the clock went back"
        );
        found.problem("clock", text, fix);
    } else if SYNCHRONISED.iter().any(|path| Path::new(path).exists()) {
        found.ok("clock", format!("{shown}, synchronised, not before the newest entry"));
    } else {
        found.note(
            "clock",
            format!("{shown}, not before the newest entry; whether it is synchronised cannot be told"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Level;

    #[test]
    fn the_landlock_abi_follows_the_kernel() {
        for (kernel, abi) in [
            ("5.10.0-28-amd64", 0),
            ("5.15.0", 1),
            ("6.1.0", 2),
            ("6.8.0-45-generic", 4),
            ("6.15.2", 7),
            ("7.0", 7),
        ] {
            assert_eq!(landlock_abi(kernel), abi, "{kernel}");
        }
    }

    #[test]
    fn a_clock_that_went_back_is_a_problem() {
        for (newest, level) in [
            (None, Level::Note),
            (Some("2026-01-01T00:00:00.000000Z"), Level::Note),
            (Some("2999-01-01T00:00:00.000000Z"), Level::Problem),
        ] {
            let mut found = Findings::default();
            clock(&mut found, newest);
            assert!(if level == Level::Problem { found.worst() == level } else { found.worst() <= level });
        }
    }
}
