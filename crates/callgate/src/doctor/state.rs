//! The state directory: who can read it, the health of the store, the speed of the disk. Must never leave a file of its
//! own behind.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use store::health::Health;

use super::finding::Findings;

/// How long the store's file is looked at.
const LOOK: Duration = Duration::from_secs(20);
/// Flushes that are measured; the middle one counts.
const FLUSHES: usize = 15;
/// A flush that takes longer is worth knowing: a call waits for two.
const SLOW: Duration = Duration::from_millis(20);
const MIB: u64 = 1 << 20;

/// What must be the user's alone, below the state directory, which itself is the first.
const PRIVATE: [&str; 20] = [
    "",
    "callgate.db",
    "callgate.db-wal",
    "callgate.db-shm",
    "store.lock",
    "daemon.log",
    "operator.key",
    "admin.sock",
    "agents.sock",
    "handles",
    "handles/key",
    "handles/key.new",
    "handles/lock",
    "sealed",
    "sealed/key",
    "sealed/key.new",
    "sealed/lock",
    "sealed/store",
    "sealed/store.new",
    "work",
];

pub(super) fn look(found: &mut Findings, state: &Path) {
    let shown = state.display();
    let about = match std::fs::metadata(state) {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return found.note("state", format!("{shown} is not there yet; the first start makes it"));
        }
        Err(error) => {
            let text = format!("cannot look at {shown}: {error}");
            return found.problem("state", text, "run this as the user who runs Callgate");
        }
    };
    let own = rustix::process::geteuid().as_raw();
    if about.uid() != own {
        let text = format!("{shown} belongs to user {} and this runs as user {own}", about.uid());
        return found.problem("state", text, format!("sudo -u '#{}' callgate doctor", about.uid()));
    }
    private(found, state);
    space(found, state);
    flushes(found, state);
    health(found, &state.join("callgate.db"));
}

/// What must be this user's alone.
fn private(found: &mut Findings, state: &Path) {
    let mut exposed = 0;
    for name in PRIVATE {
        let path = if name.is_empty() { state.to_path_buf() } else { state.join(name) };
        let Ok(about) = std::fs::symlink_metadata(&path) else { continue };
        let (mode, shown) = (about.permissions().mode() & 0o777, path.display());
        if mode & 0o077 != 0 {
            exposed += 1;
            found.problem(
                "state",
                format!("{shown} can be used by other users (mode {mode:03o})"),
                format!("chmod go-rwx {shown}"),
            );
        }
        if about.uid() != rustix::process::geteuid().as_raw() {
            exposed += 1;
            found.problem(
                "state",
                format!("{shown} belongs to user {}", about.uid()),
                format!("sudo chown $(id -u) {shown}"),
            );
        }
    }
    if exposed == 0 {
        found.ok("state", format!("{} and what is in it is this user's alone", state.display()));
    }
}

fn space(found: &mut Findings, state: &Path) {
    let Ok(about) = rustix::fs::statvfs(state) else { return };
    let free = about.f_bavail.saturating_mul(about.f_frsize) / MIB;
    let text = format!("{free} MiB are free where the record is written");
    let fix = "make room, or move the directory (`[store] path`): without room no call is permitted";
    match free {
        0..=99 => found.problem("state", text, fix),
        100..=1023 => found.warning("state", text, fix),
        _ => found.ok("state", text),
    }
}

/// How long the disk takes to keep a small write.
fn flushes(found: &mut Findings, state: &Path) {
    match middle(state) {
        Ok(middle) => {
            let text = format!(
                "the disk keeps a write in {:.1} ms; a call waits for two",
                middle.as_secs_f64() * 1000.0
            );
            if middle > SLOW {
                found.warning(
                    "state",
                    text,
                    "put `[store] path` on a faster local disk, if calls are too slow",
                );
            } else {
                found.ok("state", text);
            }
        }
        Err(error) => found.problem(
            "state",
            format!("cannot write to {}: {error}", state.display()),
            "look at the disk, its free space and its rights",
        ),
    }
}

fn middle(state: &Path) -> std::io::Result<Duration> {
    let path = state.join(format!(".doctor-{}", std::process::id()));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let measured = measure(&file);
    std::fs::remove_file(&path)?;
    let mut times = measured?;
    times.sort();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

fn measure(mut file: &std::fs::File) -> std::io::Result<Vec<Duration>> {
    let mut times = Vec::new();
    for _ in 0..FLUSHES {
        let began = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    Ok(times)
}

fn health(found: &mut Findings, file: &Path) {
    if !file.exists() {
        return;
    }
    let size = std::fs::metadata(file).map_or(0, |about| about.len()) / MIB;
    let backup =
        "stop Callgate, copy the state directory, restore a backup (docs/operate/upgrading-and-backup.md)";
    match store::health::examine(file, LOOK) {
        Ok(Health::Sound) => found.ok("store", format!("the record's file is sound ({size} MiB)")),
        Ok(Health::Unfinished) => {
            let seconds = LOOK.as_secs();
            found.note("store", format!("the record's file is large ({size} MiB); nothing was wrong in the {seconds} s it was looked at"));
        }
        Ok(Health::Damaged(lines)) => {
            found.problem("store", format!("the record's file is damaged: {}", lines.join("; ")), backup);
        }
        Err(fault) => found.problem("store", fault.to_string(), backup),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::doctor::finding::Level;
    use crate::style::Style;

    #[test]
    fn a_directory_others_can_read_is_a_problem_with_its_command() {
        let state = std::env::temp_dir().join(format!("callgate-doctor-{}", std::process::id()));
        std::fs::create_dir(&state).unwrap();
        std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o750)).unwrap();
        let mut found = Findings::default();
        look(&mut found, &state);
        let fix = format!("chmod go-rwx {}", state.display());
        assert!(found.worst() == Level::Problem && found.text(Style::PLAIN).contains(&fix));
        std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o700)).unwrap();
        let mut found = Findings::default();
        look(&mut found, &state);
        assert!(!found.text(Style::PLAIN).contains("chmod"));
        assert_eq!(std::fs::read_dir(&state).unwrap().count(), 0, "nothing is left behind");
        std::fs::remove_dir(&state).unwrap();
    }

    /// A directory of its own, removed at the end.
    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn each_file_that_others_can_read_is_a_problem_with_its_command() {
        let scratch = Scratch(std::env::temp_dir().join(format!("callgate-modes-{}", std::process::id())));
        let state = scratch.0.clone();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap()
        };
        for directory in [state.clone(), state.join("sealed")] {
            std::fs::create_dir(&directory).unwrap();
            mode(&directory, 0o700);
        }
        let files =
            ["callgate.db", "callgate.db-wal", "callgate.db-shm", "daemon.log", "sealed/key", "sealed/store"];
        for name in files {
            std::fs::write(state.join(name), "").unwrap();
            mode(&state.join(name), 0o600);
        }
        let shown = || {
            let mut found = Findings::default();
            private(&mut found, &state);
            found.text(Style::PLAIN)
        };
        assert!(!shown().contains("chmod"), "{}", shown());
        for name in files {
            let path = state.join(name);
            mode(&path, 0o640);
            assert!(shown().contains(&format!("chmod go-rwx {}", path.display())), "{name}: {}", shown());
            mode(&path, 0o600);
        }
    }
}
