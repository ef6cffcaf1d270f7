//! A bare durable commit: one row of about 1 KB, SQLite in WAL mode, FULL. What any durable record must wait for.
//!
//! Must never be faster than durable: `synchronous` is read back.

use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;

const ROW_BYTES: usize = 1000;

/// A scratch database on the file system of the gateway's.
#[derive(Debug)]
pub(crate) struct Bare {
    connection: Connection,
}

impl Bare {
    /// Makes it.
    pub(crate) fn new(folder: &Path) -> Result<Self, String> {
        let open = || -> rusqlite::Result<(Connection, String, i64)> {
            let connection = Connection::open(folder.join("bare.db"))?;
            let mode = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            let level = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
            connection.execute_batch("CREATE TABLE entry (id INTEGER PRIMARY KEY, leaf BLOB NOT NULL)")?;
            Ok((connection, mode, level))
        };
        let (connection, mode, level) = open().map_err(|error| format!("the scratch database: {error}"))?;
        if mode != "wal" || level != 2 {
            return Err(format!(
                "the scratch database is in mode `{mode}` at level {level}, not WAL and FULL"
            ));
        }
        Ok(Self { connection })
    }

    /// Microseconds of each of `count` commits, sorted.
    pub(crate) fn micros(&self, count: usize) -> Result<Vec<f64>, String> {
        let mut micros = Vec::with_capacity(count);
        let insert = || -> rusqlite::Result<Vec<f64>> {
            let mut statement = self.connection.prepare("INSERT INTO entry (leaf) VALUES (?1)")?;
            let leaf = vec![7_u8; ROW_BYTES];
            for _ in 0..count {
                let started = Instant::now();
                statement.execute([&leaf])?;
                micros.push(started.elapsed().as_secs_f64() * 1e6);
            }
            micros.sort_by(f64::total_cmp);
            Ok(micros)
        };
        insert().map_err(|error| format!("a bare commit: {error}"))
    }
}
