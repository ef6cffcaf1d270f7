//! A look at a store's file from outside, while a daemon uses it or not. Must never write, nor hold a daemon up for
//! longer than it is allowed to look.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use crate::connection;
use crate::fault::OpenFault;

/// Problems of a damaged file that are shown.
const SHOWN_MAX: usize = 3;

/// What a look found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Health {
    /// Every page and index is as it should be.
    Sound,
    /// SQLite's own words, the first few.
    Damaged(Vec<String>),
    /// The file is so large that the look was ended before it was through; nothing was found until then.
    Unfinished,
}

/// The version of SQLite that is compiled in.
#[must_use]
pub fn sqlite_version() -> &'static str {
    rusqlite::version()
}

/// Checks the file's pages and structure, for at most that long.
///
/// # Errors
/// When the file cannot be opened or is no store.
pub fn examine(path: &Path, within: Duration) -> Result<Health, OpenFault> {
    let connection = connection::reader(path)?;
    let interrupt = connection.get_interrupt_handle();
    let (done, waiting) = channel::<()>();
    let timer = std::thread::spawn(move || {
        if waiting.recv_timeout(within) == Err(RecvTimeoutError::Timeout) {
            interrupt.interrupt();
        }
    });
    let checked = quick_check(&connection);
    drop(done);
    // It ends with `done`; what it panicked with, if ever, changes nothing that was found.
    drop(timer.join());
    match checked {
        Ok(lines) if lines == ["ok"] => Ok(Health::Sound),
        Ok(lines) => Ok(Health::Damaged(lines)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            Ok(Health::Unfinished)
        }
        Err(problem) => match problem.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Ok(Health::Damaged(vec![problem.to_string()]))
            }
            _ => Err(OpenFault::Sqlite { path: path.to_path_buf(), problem }),
        },
    }
}

fn quick_check(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA quick_check(10)")?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    lines.take(SHOWN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("callgate-health-{}-{name}.db", std::process::id()))
    }

    fn filled(path: &Path, rows: u32) {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch("CREATE TABLE t (a TEXT); CREATE INDEX i ON t (a);").unwrap();
        let mut insert = connection.prepare("INSERT INTO t VALUES (printf('%0100d', ?1))").unwrap();
        for row in 0..rows {
            insert.execute([row]).unwrap();
        }
    }

    #[test]
    fn a_sound_file_is_sound_and_a_damaged_one_is_not() {
        let path = file("damage");
        filled(&path, 200);
        assert_eq!(examine(&path, Duration::from_secs(60)).unwrap(), Health::Sound);
        let mut bytes = std::fs::read(&path).unwrap();
        let end = bytes.len();
        bytes[end - 6000..end - 100].fill(0x5a);
        std::fs::write(&path, bytes).unwrap();
        let found = examine(&path, Duration::from_secs(60)).unwrap();
        assert!(matches!(&found, Health::Damaged(lines) if !lines.is_empty()), "{found:?}");
        std::fs::write(
            &path,
            "no database at all, but long enough to have a header of a hundred bytes, which it reads first",
        )
        .unwrap();
        assert!(!matches!(examine(&path, Duration::from_secs(60)), Ok(Health::Sound)));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_is_not_there_is_a_fault() {
        assert!(examine(&file("absent"), Duration::from_secs(60)).is_err());
    }
}
