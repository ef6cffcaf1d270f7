//! This person's directories and the clients' files in them. Must never follow a client's file without bounds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clients::{Document, Kind, Location, Places};
use rustix::fs::OFlags;

use crate::exit::{Failure, USAGE};

const FILE_BYTES_MAX: u64 = 64 << 20;

/// Where this person keeps things, and where the assistant works.
pub(crate) fn places(workspace: Option<&Path>) -> Result<Places, Failure> {
    let home = variable("HOME").ok_or_else(|| {
        Failure::new(USAGE, "`HOME` is not set to an absolute path, so no client's files can be found")
    })?;
    let given = workspace.unwrap_or(Path::new("."));
    let workspace = std::fs::canonicalize(given).map_err(|error| {
        Failure::new(USAGE, format!("the workspace `{}` cannot be used: {error}", given.display()))
    })?;
    Ok(Places {
        config_home: variable("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")),
        claude_config: variable("CLAUDE_CONFIG_DIR"),
        codex_home: variable("CODEX_HOME"),
        workspace,
        macos: cfg!(target_os = "macos"),
        home,
    })
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// A client's file, if it is there.
pub(crate) enum ClientFile {
    Absent,
    /// The reason, without any of the file.
    Unreadable(String),
    Read(Box<Document>),
}

/// Reads the file of a location.
pub(crate) fn read(location: &Location) -> ClientFile {
    let shown = location.path.display();
    match bytes(&location.path) {
        Ok(None) => ClientFile::Absent,
        Err(problem) => ClientFile::Unreadable(format!("`{shown}`: {problem}")),
        Ok(Some(bytes)) => match Document::parse(&bytes, location.format) {
            Ok(document) => ClientFile::Read(Box::new(document)),
            Err(fault) => ClientFile::Unreadable(format!("`{shown}`: {fault}")),
        },
    }
}

/// A file's bytes, bounded; `None` when it is not there.
pub(crate) fn bytes(path: &Path) -> Result<Option<Vec<u8>>, String> {
    use std::io::Read as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    // Whoever may write the workspace may put a pipe there: opening one waits for somebody at its other end.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = std::fs::OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let regular = file.metadata().is_ok_and(|about| about.is_file());
    if !regular {
        return Err("not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("larger than {FILE_BYTES_MAX} bytes"));
    }
    Ok(Some(bytes))
}

/// A client's locations by file, in order.
pub(crate) fn by_file(kind: Kind, places: &Places) -> Vec<(PathBuf, Vec<Location>)> {
    let mut order: Vec<PathBuf> = Vec::new();
    let mut files: BTreeMap<PathBuf, Vec<Location>> = BTreeMap::new();
    for location in kind.locations(places) {
        if !order.contains(&location.path) {
            order.push(location.path.clone());
        }
        files.entry(location.path.clone()).or_default().push(location);
    }
    order.into_iter().filter_map(|path| files.remove(&path).map(|all| (path, all))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::testing::Scratch;

    #[test]
    fn only_a_regular_file_is_read_and_nothing_is_waited_for() {
        let directory = Scratch::new("pipe");
        let pipe = directory.0.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert_eq!(bytes(&pipe), Err("not a regular file".to_owned()));
        assert_eq!(bytes(Path::new("/dev/null")), Err("not a regular file".to_owned()));
        assert_eq!(bytes(&directory.0), Err("not a regular file".to_owned()));
        assert_eq!(bytes(&directory.0.join("none")), Ok(None));
        std::fs::write(directory.0.join("some"), "a").unwrap();
        assert_eq!(bytes(&directory.0.join("some")), Ok(Some(b"a".to_vec())));
    }
}
