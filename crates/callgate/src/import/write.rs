//! Files replaced as a whole. Must never leave half a file, nor one that others can read who could not before.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};

use crate::exit::{Failure, IO, TRY_AGAIN};
use crate::import::place;

/// Replaces a file that still is what was read; links are followed. A new file is for this user alone.
pub(crate) fn replace(path: &Path, read: Option<&[u8]>, text: &str) -> Result<(), Failure> {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let shown = path.display();
    let wrong = |error: std::io::Error| Failure::new(IO, format!("cannot write `{shown}`: {error}"));
    let about = std::fs::metadata(&target).ok();
    let like = |file: &File| about.as_ref().map_or(Ok(()), |about| like(file, about));
    let (temporary, mut file) = temporary(&target, like).map_err(wrong)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(wrong);
    let written = written.and_then(|()| unchanged(&target, read, &shown.to_string()));
    let renamed = written.and_then(|()| std::fs::rename(&temporary, &target).map_err(wrong));
    if let Err(failure) = renamed {
        drop(std::fs::remove_file(&temporary));
        return Err(failure);
    }
    if let Some(directory) = target.parent().and_then(|directory| File::open(directory).ok()) {
        directory.sync_all().map_err(wrong)?;
    }
    Ok(())
}

/// Somebody may have written it since: then nothing is done.
fn unchanged(target: &Path, read: Option<&[u8]>, shown: &str) -> Result<(), Failure> {
    let now = place::bytes(target).map_err(|problem| Failure::new(IO, format!("`{shown}`: {problem}")))?;
    if now.as_deref() == read {
        return Ok(());
    }
    let text =
        format!("`{shown}` was changed by somebody else just now; nothing was written; run this again");
    Err(Failure::new(TRY_AGAIN, text))
}

/// A new file beside the target, made like it; nothing is left of one that cannot be.
fn temporary(target: &Path, like: impl Fn(&File) -> std::io::Result<()>) -> std::io::Result<(PathBuf, File)> {
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let begin = format!(".{name}.callgate-");
    let path = target.with_file_name(format!("{begin}{}", std::process::id()));
    // What a killed process left: it may hold what this one is about to take away.
    left_over(target, &begin).into_iter().for_each(|path| drop(std::fs::remove_file(path)));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    if let Err(error) = like(&file) {
        drop(std::fs::remove_file(&path));
        return Err(error);
    }
    Ok((path, file))
}

/// New files beside the target of processes that are no more, and of this one's number.
fn left_over(target: &Path, begin: &str) -> Vec<PathBuf> {
    let beside = target.parent().and_then(|directory| std::fs::read_dir(directory).ok());
    let dead = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let number = name.strip_prefix(begin).and_then(|number| number.parse().ok());
        let own = rustix::process::getpid();
        number
            .and_then(Pid::from_raw)
            .is_some_and(|pid| pid == own || test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
    };
    beside.into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path()).filter(dead).collect()
}

/// Gives a file the owner and the mode of another.
fn like(file: &File, about: &std::fs::Metadata) -> std::io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (about.uid(), about.gid()) {
        std::os::unix::fs::fchown(file, Some(about.uid()), Some(about.gid()))?;
    }
    file.set_permissions(std::fs::Permissions::from_mode(about.permissions().mode() & 0o7777))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::testing::Scratch;

    #[test]
    fn what_a_killed_process_left_goes_and_what_a_running_one_writes_stays() {
        let directory = Scratch::new("left-over");
        let mut gone = std::process::Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let parent = rustix::process::getppid().unwrap().as_raw_nonzero().get();
        let of = |pid: &str| directory.0.join(format!(".a.json.callgate-{pid}"));
        let (dead, running) = (of(&gone.id().to_string()), of(&parent.to_string()));
        let others = [running, of("mine"), directory.0.join(".b.json.callgate-1")];
        for path in others.iter().chain([&dead]) {
            std::fs::write(path, "").unwrap();
        }
        let target = directory.0.join("a.json");
        replace(&target, None, "{}").unwrap();
        assert!(!dead.exists() && others.iter().all(|path| path.exists()));
        assert_eq!(std::fs::read_to_string(target).unwrap(), "{}");
    }

    #[test]
    fn nothing_is_left_of_a_file_that_cannot_be_made_like_the_other() {
        let directory = Scratch::new("like");
        let refused = |_: &File| Err(std::io::ErrorKind::PermissionDenied.into());
        let made = temporary(&directory.0.join("a.json"), refused);
        assert!(made.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied));
        assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 0);
    }
}
