//! Why the sealed store cannot be used, in words for an operator. Must never hold a value.

use std::path::{Path, PathBuf};

/// What went wrong with the sealed store. Whatever it is, nothing was overwritten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealedFault {
    /// The system refused.
    #[error("cannot use `{}`: {problem}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        problem: std::io::Error,
    },
    /// Others could read or replace it.
    #[error(
        "`{}` has mode {mode:o}, so that others can use it; `chmod {wanted:o}` it, and replace the secrets if \
         somebody may have read them",
        path.display()
    )]
    Exposed {
        /// Which file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode it must have.
        wanted: u32,
    },
    /// Its owner is somebody else, or it is no file or directory of its kind.
    #[error("`{}` is not a {kind} of this user; look at who put it there", path.display())]
    Foreign {
        /// Which file or directory.
        path: PathBuf,
        /// What it should be.
        kind: &'static str,
    },
    /// The file is not what was written, or the key is another one.
    #[error(
        "the sealed store `{}` is damaged or its key is another one ({what}); nothing was changed: restore the \
         directory from a backup, or move it away and put the secrets again",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// How it shows.
        what: &'static str,
    },
    /// It was written by a later release.
    #[error(
        "the sealed store `{}` has version {version}, which this release does not read; use the release that wrote it",
        path.display()
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// There is a store and no key: a new key could open nothing of it.
    #[error(
        "the key `{}` of the sealed store is missing; restore it from a backup, or move the directory away and \
         put the secrets again",
        path.display()
    )]
    KeyMissing {
        /// Where the key should be.
        path: PathBuf,
    },
    /// No such name is allowed.
    #[error("the name of a sealed secret is 1 to 200 of `a-z A-Z 0-9 . _ / -`, which this one is not")]
    Name,
    /// The value is too large.
    #[error("`{name}` has {bytes} bytes, and at most {max} are sealed")]
    TooLarge {
        /// Which.
        name: String,
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        max: usize,
    },
    /// The store is full.
    #[error("the sealed store is full: at most {names} names and {bytes} bytes; remove what is not needed")]
    Full {
        /// Most names.
        names: usize,
        /// Most bytes of the file.
        bytes: usize,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness: {0}")]
    Random(std::io::Error),
}

impl SealedFault {
    /// For `map_err`, at a path.
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |problem| Self::Io { path, problem }
    }
}
