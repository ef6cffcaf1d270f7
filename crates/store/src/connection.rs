//! Connections to the file. Must never serve a writer that is not in WAL mode with full synchronisation.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::fault::OpenFault;

/// KiB of page cache: the system's own page cache does the rest, and does not count as ours.
const WRITER_CACHE_KIB: i64 = 2048;
const READER_CACHE_KIB: i64 = 512;
/// What is kept of a write-ahead log that a long reader let grow.
const WAL_BYTES_KEPT: i64 = 64 << 20;
const BUSY: Duration = Duration::from_secs(5);

/// The one connection that writes.
pub(crate) fn writer(path: &Path) -> Result<Connection, OpenFault> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_CACHE_KIB)?;
    let fault = |problem| OpenFault::Sqlite { path: path.to_path_buf(), problem };
    // Checkpoints are asked for, between commits: never part of one that somebody waits for in place.
    for (name, value) in [("synchronous", 2), ("wal_autocheckpoint", 0)] {
        set(&connection, name, value).map_err(fault)?;
    }
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(fault)?;
    set(&connection, "journal_size_limit", WAL_BYTES_KEPT).map_err(fault)?;
    let level: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).map_err(fault)?;
    match (mode.as_str(), level) {
        ("wal", 2) => Ok(connection),
        (mode, level) => Err(OpenFault::NotDurable {
            path: path.to_path_buf(),
            what: format!("asked for journal mode `wal` with synchronous 2, got `{mode}` with {level}"),
        }),
    }
}

/// Whether what is deleted from now on is overwritten (SQLite, `PRAGMA secure_delete`).
pub(crate) fn overwrite(writer: &Connection, deleted: bool) -> rusqlite::Result<()> {
    set(writer, "secure_delete", deleted.into())
}

/// Moves the whole write-ahead log into the database and empties its file, unless somebody reads just now.
pub(crate) fn empty_wal(writer: &Connection) -> bool {
    let emptied = writer
        .busy_timeout(Duration::ZERO)
        .and_then(|()| writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get::<_, i64>(0)));
    let restored = writer.busy_timeout(BUSY);
    matches!((emptied, restored), (Ok(0), Ok(())))
}

/// A connection that cannot write.
pub(crate) fn reader(path: &Path) -> Result<Connection, OpenFault> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_CACHE_KIB)
}

fn open(path: &Path, mode: OpenFlags, cache_kib: i64) -> Result<Connection, OpenFault> {
    let fault = |problem| OpenFault::Sqlite { path: path.to_path_buf(), problem };
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags).map_err(fault)?;
    connection.busy_timeout(BUSY).map_err(fault)?;
    // A checkpoint syncs. It happens between commits or in a clean close, never behind a connection that failed.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(fault)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(fault)?;
    let settings = [
        ("cache_size", -cache_kib),
        ("mmap_size", 0),
        ("temp_store", 2),
        ("trusted_schema", 0),
        ("cell_size_check", 1),
    ];
    for (name, value) in settings {
        set(&connection, name, value).map_err(fault)?;
    }
    Ok(connection)
}

/// Some pragmas answer with a row when set, some do not: both are fine.
fn set(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    connection.pragma_update(None, name, value)
}
