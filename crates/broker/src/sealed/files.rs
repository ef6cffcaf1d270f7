//! The directory of a sealed store: `store`, `key` and `lock`; that of handles has no `store`. Must never replace a key,
//! follow a link, or leave a half-written `store` where the whole one was.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use zeroize::Zeroizing;

use super::crypt::{KEY_BYTES, Key, fill};
use super::fault::SealedFault;

/// Files while they are written.
const NEW: [&str; 2] = ["key.new", "store.new"];

/// The files of one store.
#[derive(Clone)]
pub(crate) struct Place {
    directory: PathBuf,
}

/// Held while the store is written; the system lets go of it when the process ends, however it ends.
pub(crate) struct Lock {
    _file: File,
}

impl Place {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_path_buf() }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.directory.join("store")
    }

    fn key(&self) -> PathBuf {
        self.directory.join("key")
    }

    /// Makes the directory, if it is new.
    pub(crate) fn make(&self) -> Result<(), SealedFault> {
        let path = &self.directory;
        if path.is_dir() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(SealedFault::io(path))?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync(parent)
    }

    /// False when there is no directory. One that others can use is refused.
    pub(crate) fn check(&self) -> Result<bool, SealedFault> {
        let path = &self.directory;
        match std::fs::symlink_metadata(path) {
            Ok(about) if about.is_dir() => {
                private(path, (about.uid(), about.mode()), 0o700, "directory").map(|()| true)
            }
            Ok(_) => Err(SealedFault::Foreign { path: path.clone(), kind: "directory" }),
            Err(problem) if problem.kind() == ErrorKind::NotFound => Ok(false),
            Err(problem) => Err(SealedFault::Io { path: path.clone(), problem }),
        }
    }

    /// Waits until no other process writes.
    pub(crate) fn lock(&self) -> Result<Lock, SealedFault> {
        let path = self.directory.join("lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let file = open(&path, &mut options)?;
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(rustix::io::Errno::INTR) => {}
                Err(problem) => return Err(SealedFault::Io { path, problem: problem.into() }),
            }
        }
    }

    /// The bytes of the store, if there is one.
    pub(crate) fn read_store(&self, bytes_max: usize) -> Result<Option<Vec<u8>>, SealedFault> {
        let path = self.store();
        let Some(file) = existing(&path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let most = (bytes_max as u64).saturating_add(1);
        file.take(most).read_to_end(&mut bytes).map_err(SealedFault::io(&path))?;
        if bytes.len() > bytes_max {
            return Err(SealedFault::Damaged { path, what: "it is larger than one can be" });
        }
        Ok(Some(bytes))
    }

    /// Writes the whole store, durable when this returns. The caller holds the lock.
    pub(crate) fn write_store(&self, bytes: &[u8]) -> Result<(), SealedFault> {
        let new = self.directory.join("store.new");
        let mut options = OpenOptions::new();
        // One that a killed writer left is overwritten: under the lock it is nobody's.
        options.write(true).create(true).truncate(true);
        let mut file = open(&new, &mut options)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(SealedFault::io(&new))?;
        std::fs::rename(&new, self.store()).map_err(SealedFault::io(&new))?;
        self.sync()
    }

    /// Removes what a killed writer left beside the whole files: another name of the key, or a half-written store. Only
    /// where key and store were read.
    pub(crate) fn clear_leftovers(&self) -> Result<(), SealedFault> {
        let left = || NEW.map(|name| self.directory.join(name)).into_iter().filter(|path| there(path));
        if left().next().is_none() {
            return Ok(());
        }
        // Whoever is writing just now has the lock; what is there once it is ours is nobody's.
        let _lock = self.lock()?;
        for path in left() {
            std::fs::remove_file(&path).map_err(SealedFault::io(&path))?;
        }
        self.sync()
    }

    fn sync(&self) -> Result<(), SealedFault> {
        sync(&self.directory)
    }

    /// The key, if there is one.
    pub(crate) fn read_key(&self) -> Result<Option<Key>, SealedFault> {
        let Some(bytes) = self.read_key_bytes()? else { return Ok(None) };
        Key::of(&bytes).map(Some).ok_or_else(|| self.not_a_key())
    }

    /// As [`Self::read_key`], as it is in its file.
    pub(crate) fn read_key_bytes(&self) -> Result<Option<Zeroizing<[u8; KEY_BYTES]>>, SealedFault> {
        let path = self.key();
        let Some(file) = existing(&path)? else { return Ok(None) };
        let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_BYTES + 1));
        file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(SealedFault::io(&path))?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        if bytes.len() != KEY_BYTES {
            return Err(self.not_a_key());
        }
        key.copy_from_slice(&bytes);
        Ok(Some(key))
    }

    fn not_a_key(&self) -> SealedFault {
        SealedFault::Damaged { path: self.key(), what: "a key has 32 bytes" }
    }

    /// Makes a key where there is none. The caller holds the lock.
    pub(crate) fn make_key(&self) -> Result<(), SealedFault> {
        let (path, new) = (self.key(), self.directory.join("key.new"));
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        fill(bytes.as_mut_slice())?;
        // One that a killed process left is nobody's, and nothing was ever sealed with it.
        match std::fs::remove_file(&new) {
            Err(problem) if problem.kind() != ErrorKind::NotFound => {
                return Err(SealedFault::Io { path: new, problem });
            }
            _ => {}
        }
        let mut file = open(&new, OpenOptions::new().write(true).create_new(true))?;
        file.write_all(bytes.as_slice()).and_then(|()| file.sync_all()).map_err(SealedFault::io(&new))?;
        // A link, not a renaming: it fails when a key is there.
        std::fs::hard_link(&new, &path).map_err(SealedFault::io(&path))?;
        std::fs::remove_file(&new).map_err(SealedFault::io(&new))?;
        self.sync()
    }
}

fn there(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// The names in a directory are durable when this returns.
fn sync(directory: &Path) -> Result<(), SealedFault> {
    File::open(directory).and_then(|open| open.sync_all()).map_err(SealedFault::io(directory))
}

/// Opens a file that only this user can use; refuses a symbolic link.
fn open(path: &Path, options: &mut OpenOptions) -> Result<File, SealedFault> {
    let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let file = options.mode(0o600).custom_flags(no_follow).open(path).map_err(SealedFault::io(path))?;
    let about = file.metadata().map_err(SealedFault::io(path))?;
    if !about.is_file() {
        return Err(SealedFault::Foreign { path: path.to_path_buf(), kind: "file" });
    }
    private(path, (about.uid(), about.mode()), 0o600, "file").map(|()| file)
}

fn existing(path: &Path) -> Result<Option<File>, SealedFault> {
    match open(path, OpenOptions::new().read(true)) {
        Ok(file) => Ok(Some(file)),
        Err(SealedFault::Io { problem, .. }) if problem.kind() == ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Whether only this user can use what has this owner and mode.
pub(crate) fn private(
    path: &Path,
    (owner, mode): (u32, u32),
    wanted: u32,
    kind: &'static str,
) -> Result<(), SealedFault> {
    if owner != rustix::process::geteuid().as_raw() {
        return Err(SealedFault::Foreign { path: path.to_path_buf(), kind });
    }
    match mode & 0o777 {
        mode if mode & 0o077 != 0 => Err(SealedFault::Exposed { path: path.to_path_buf(), mode, wanted }),
        _ => Ok(()),
    }
}
