//! The data directory: made private, locked for one process, on a disk that keeps promises.
//!
//! Must never widen a permission, follow a link in place of the file, or take a lock from who holds it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::fault::OpenFault;

const LOCK_NAME: &str = "store.lock";

/// The exclusive lock on a data directory. The system lets go of it when the process ends, however it ends.
pub(crate) struct DataLock {
    _file: File,
}

/// A prepared place: the database file's canonical path, and the lock on its directory.
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) lock: DataLock,
}

/// Makes directory and file when they are new, checks both, and locks the directory.
pub(crate) fn prepare(path: &Path) -> Result<Place, OpenFault> {
    let fault = |problem| OpenFault::Path { path: path.to_path_buf(), problem };
    let name = path.file_name().ok_or_else(|| fault(ErrorKind::InvalidFilename.into()))?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(fault)?;
    let parent = parent.canonicalize().map_err(fault)?;
    refuse_network(&parent)?;
    refuse_shared(&parent)?;
    let lock = lock(&parent)?;
    let path = parent.join(name);
    let file = private_file(&path)?;
    refuse_exposed(&path, &file)?;
    // The names of new files are durable before anything in them is acknowledged.
    File::open(&parent).and_then(|dir| dir.sync_all()).map_err(fault)?;
    Ok(Place { path, lock })
}

/// Opens or creates a file that only this user can use; refuses a symbolic link.
fn private_file(path: &Path) -> Result<File, OpenFault> {
    let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(path)
        .map_err(|problem| OpenFault::Path { path: path.to_path_buf(), problem })
}

fn refuse_exposed(path: &Path, file: &File) -> Result<(), OpenFault> {
    let about = file.metadata().map_err(|problem| OpenFault::Path { path: path.to_path_buf(), problem })?;
    match about.mode() & 0o777 {
        mode if mode & 0o077 != 0 => Err(OpenFault::Exposed { path: path.to_path_buf(), mode }),
        _ => Ok(()),
    }
}

/// Who may write the directory may replace what is in it: the file, the operator credential, the admin socket.
fn refuse_shared(directory: &Path) -> Result<(), OpenFault> {
    let path = || directory.to_path_buf();
    let about = std::fs::metadata(directory).map_err(|problem| OpenFault::Path { path: path(), problem })?;
    let mode = about.mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(OpenFault::Exposed { path: path(), mode });
    }
    if about.uid() != rustix::process::geteuid().as_raw() {
        let problem = std::io::Error::new(ErrorKind::PermissionDenied, "it belongs to another user");
        return Err(OpenFault::Path { path: path(), problem });
    }
    Ok(())
}

fn lock(directory: &Path) -> Result<DataLock, OpenFault> {
    let fault = |problem| OpenFault::Path { path: directory.join(LOCK_NAME), problem };
    let mut file = private_file(&directory.join(LOCK_NAME))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            return Err(OpenFault::Locked { path: directory.to_path_buf(), holder: holder(&mut file) });
        }
        Err(problem) => return Err(fault(problem.into())),
    }
    file.set_len(0).map_err(fault)?;
    file.seek(SeekFrom::Start(0)).map_err(fault)?;
    writeln!(file, "{}", std::process::id()).map_err(fault)?;
    Ok(DataLock { _file: file })
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(32).read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok()) {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}

/// Network and user-space file systems, by `f_type` (statfs(2) and the kernel's `magic.h`).
#[cfg(target_os = "linux")]
const NETWORK: [(u32, &str); 16] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x6573_5546, "a FUSE file system"),
    (0x0102_1997, "9P"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x00C3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x564C, "NCP"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x7461_636F, "OCFS2"),
    (0x0116_1970, "GFS2"),
    (0x786F_4256, "a VirtualBox shared folder"),
];

#[cfg(target_os = "linux")]
fn network_kind(f_type: u32) -> Option<&'static str> {
    NETWORK.iter().find(|(magic, _)| *magic == f_type).map(|(_, name)| *name)
}

#[cfg(target_os = "linux")]
fn refuse_network(directory: &Path) -> Result<(), OpenFault> {
    let about = rustix::fs::statfs(directory)
        .map_err(|problem| OpenFault::Path { path: directory.to_path_buf(), problem: problem.into() })?;
    match network_kind((about.f_type as u64 & 0xFFFF_FFFF) as u32) {
        Some(kind) => Err(OpenFault::Network { path: directory.to_path_buf(), kind }),
        None => Ok(()),
    }
}

/// Elsewhere the kind cannot be told by number; SQLite's own locking has to do.
#[cfg(not(target_os = "linux"))]
fn refuse_network(_directory: &Path) -> Result<(), OpenFault> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_number_and_local_ones_pass() {
        assert_eq!(network_kind(0x6969), Some("NFS"));
        assert_eq!(network_kind(0xFF53_4D42), Some("CIFS"));
        assert_eq!(network_kind(0x6573_5546), Some("a FUSE file system"));
        assert_eq!(network_kind(0xEF53), None, "ext4");
        // `/proc` stands for a real call of statfs on something that is no network.
        assert!(refuse_network(Path::new("/proc")).is_ok());
    }
}
