//! Why a store does not open. Must never be answered by going on: each of these ends the start.

use std::path::PathBuf;

/// Why a store does not open: what happened, where, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    /// The file or its directory cannot be made or read.
    #[error("cannot use `{path}` for the store: {problem}; name a file in a directory this user can write")]
    Path {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        problem: std::io::Error,
    },
    /// Another process has it.
    #[error(
        "the data directory `{path}` is in use by {holder}; stop that one first, or use another directory"
    )]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// `process 123`, or `another process`.
        holder: String,
    },
    /// A file system that does not keep SQLite's promises.
    #[error("`{path}` is on {kind}, where locks and flushes cannot be trusted; use a local disk")]
    Network {
        /// The data directory.
        path: PathBuf,
        /// Its name.
        kind: &'static str,
    },
    /// Others can read or write the file.
    #[error("`{path}` can be used by other users (mode {mode:03o}); run `chmod go-rwx` on it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A later Callgate wrote it.
    #[error(
        "`{path}` has schema {found}, written by callgate {by}; this one knows schemas up to {known}; \
         use callgate {by} or later"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest this program knows.
        known: u32,
        /// The version that wrote it.
        by: String,
    },
    /// It is older than what this program reads, and was opened for reading only.
    #[error("`{path}` has schema {found} and this callgate reads {known}; start the node once to migrate it")]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The one this program reads.
        known: u32,
    },
    /// What is in it contradicts itself.
    #[error("`{path}` is damaged: {what}; keep the file, and restore a backup into another directory")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The promise of durability cannot be had.
    #[error("`{path}` cannot be made durable: {what}; use a local disk")]
    NotDurable {
        /// The file.
        path: PathBuf,
        /// What was asked and what came.
        what: String,
    },
    /// SQLite refused.
    #[error("`{path}` cannot be opened: {problem}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        problem: rusqlite::Error,
    },
}
