//! Migrations: forward only, numbered, checksummed. Must never touch a schema it does not know.

use std::path::Path;

use model::digest::Digest;
use model::time::Micros;
use rusqlite::{Connection, TransactionBehavior};

use crate::fault::OpenFault;

/// Every schema there ever was, oldest first. A published one is never edited: add the next.
const MIGRATIONS: [&str; 3] = [
    include_str!("schema/0001_record.sql"),
    include_str!("schema/0002_local_agents.sql"),
    include_str!("schema/0003_approvals.sql"),
];

const BOOK: &str = "CREATE TABLE IF NOT EXISTS migration (
    version  INTEGER PRIMARY KEY,
    checksum BLOB NOT NULL,
    by       TEXT NOT NULL,
    at       INTEGER NOT NULL
) STRICT";

/// The newest schema this program knows.
pub(crate) fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Brings the file to [`known`], each step in a transaction of its own.
pub(crate) fn migrate(connection: &mut Connection, path: &Path, now: Micros) -> Result<(), OpenFault> {
    let fault = |problem| OpenFault::Sqlite { path: path.to_path_buf(), problem };
    let found = found(connection, path)?;
    for (version, text) in (1u32..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        step.execute_batch(BOOK).map_err(fault)?;
        step.execute_batch(text).map_err(fault)?;
        let (checksum, by) = (Digest::of(text.as_bytes()), env!("CARGO_PKG_VERSION"));
        step.execute(
            "INSERT INTO migration (version, checksum, by, at) VALUES (?1, ?2, ?3, ?4)",
            (version, checksum.as_bytes(), by, now.0),
        )
        .map_err(fault)?;
        step.commit().map_err(fault)?;
    }
    Ok(())
}

/// The schema the file has, 0 when it is empty.
///
/// # Errors
/// [`OpenFault::Newer`] when it is newer than [`known`], [`OpenFault::Damaged`] when a step is missing or is
/// not the one this program would have taken.
pub(crate) fn found(connection: &Connection, path: &Path) -> Result<u32, OpenFault> {
    let steps =
        steps(connection).map_err(|problem| OpenFault::Sqlite { path: path.to_path_buf(), problem })?;
    if let Some((found, _, by)) = steps.last().filter(|(version, ..)| *version > known()) {
        let (path, by) = (path.to_path_buf(), by.clone());
        return Err(OpenFault::Newer { path, found: *found, known: known(), by });
    }
    for ((version, checksum, _), (expected, text)) in steps.iter().zip((1u32..).zip(MIGRATIONS)) {
        if *version != expected || checksum.as_slice() != Digest::of(text.as_bytes()).as_bytes() {
            let what = format!("migration {expected} is not the one that was applied to it");
            return Err(OpenFault::Damaged { path: path.to_path_buf(), what });
        }
    }
    Ok(steps.last().map_or(0, |(version, ..)| *version))
}

type Step = (u32, Vec<u8>, String);

fn steps(connection: &Connection) -> rusqlite::Result<Vec<Step>> {
    let mut exists =
        connection.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migration'")?;
    if !exists.exists(())? {
        return Ok(Vec::new());
    }
    connection
        .prepare("SELECT version, checksum, by FROM migration ORDER BY version")?
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
}
