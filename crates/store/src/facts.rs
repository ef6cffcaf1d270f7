//! What `doctor` shows of a store. Must never hold anything from inside an entry.

use std::path::PathBuf;

use ports::fault::Fault;
use rusqlite::Connection;

use crate::{migrate, recover};

/// What `doctor` shows of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The version of SQLite that is built in.
    pub sqlite: &'static str,
    /// The schema of the file.
    pub schema: u32,
    /// Number of entries.
    pub size: u64,
    /// Bytes of the database, without its write-ahead log.
    pub bytes: u64,
    /// The file.
    pub path: PathBuf,
}

pub(crate) fn read(connection: &Connection, path: PathBuf) -> Result<Facts, Fault> {
    let schema = migrate::found(connection, &path).map_err(Fault::new)?;
    let size = recover::next_index(connection).map_err(Fault::new)?;
    let bytes = std::fs::metadata(&path).map_err(Fault::new)?.len();
    Ok(Facts { sqlite: rusqlite::version(), schema, size, bytes, path })
}
