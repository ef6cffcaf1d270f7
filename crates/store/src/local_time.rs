//! Moments as the clock on this machine's wall shows them. Must never be used for anything but showing.
//!
//! SQLite asks the C library for the time zone, which without unsafe code only it can.

use rusqlite::Connection;

/// `2026-11-21 10:00:00` for an RFC 3339 text; nothing when it is none.
#[must_use]
pub fn local_time(rfc3339: &str) -> Option<String> {
    let asked = Connection::open_in_memory().ok()?;
    asked.query_row("SELECT datetime(?1, 'localtime')", (rfc3339,), |row| row.get(0)).ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_to_the_second_and_what_is_none_is_not() {
        let shown = local_time("2026-11-21T09:00:59.999999Z").unwrap();
        assert!(shown.len() == 19 && shown.ends_with(":59"), "{shown}");
        assert_eq!(local_time("tomorrow-ish"), None);
    }
}
