//! Every statement, once, in the dialect both databases share. Must never hold a literal `$` but a parameter.
//!
//! Parameters are `$1…$n`. SQLite numbers `$n` by first appearance, so they are rewritten to `?n`, which it
//! numbers as written. One statement a constant.

use rusqlite::{CachedStatement, Connection, Statement};

/// One statement.
#[derive(Clone, Copy)]
pub(crate) struct Sql(&'static str);

impl Sql {
    /// Prepares it on SQLite.
    pub(crate) fn prepare<'c>(&self, connection: &'c Connection) -> rusqlite::Result<Statement<'c>> {
        connection.prepare(&self.text())
    }

    /// Its text for SQLite.
    pub(crate) fn text(self) -> String {
        self.0.replace('$', "?")
    }
}

/// The statements of the hot path in SQLite's dialect, which the connection keeps prepared by their text.
pub(crate) struct Hot {
    pub(crate) entry: String,
    pub(crate) task_get: String,
    pub(crate) task_put: String,
    pub(crate) listed: String,
    pub(crate) mark: String,
}

impl Hot {
    pub(crate) fn new() -> Self {
        Self {
            entry: ENTRY_PUT.text(),
            task_get: TASK_GET.text(),
            task_put: TASK_PUT.text(),
            listed: LISTED_PUT.text(),
            mark: LOG_MARK.text(),
        }
    }
}

/// A statement that is prepared once a connection.
pub(crate) fn kept<'c>(connection: &'c Connection, text: &str) -> rusqlite::Result<CachedStatement<'c>> {
    connection.prepare_cached(text)
}

macro_rules! statements {
    ($($name:ident = $text:literal;)*) => {
        $(pub(crate) const $name: Sql = Sql($text);)*
        #[cfg(test)]
        const ALL: &[(&str, Sql)] = &[$((stringify!($name), $name)),*];
    };
}

statements! {
    ENTRY_PUT = "INSERT INTO entry (idx, kind, call, task, task_seq, leaf, leaf_hash, salts) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    ENTRY_LAST = "SELECT max(idx) FROM entry";
    ENTRY_READ = "SELECT idx, leaf FROM entry WHERE idx >= $1 ORDER BY idx LIMIT $2";
    ENTRY_OF_CALL = "SELECT idx, leaf FROM entry WHERE call = $1 ORDER BY idx";
    ENTRY_TAIL = "SELECT idx, leaf, leaf_hash FROM entry WHERE idx >= $1 ORDER BY idx";
    ENTRY_PAIRS = "SELECT idx, kind, call FROM entry WHERE idx >= $1 AND kind IN ('intent', 'outcome') ORDER BY idx";
    ENTRY_CALL = "SELECT call, task FROM entry WHERE idx = $1";
    LOG_NEW = "INSERT INTO log (log_id, origin, created, size, open_intents) VALUES (1, $1, $2, 0, $3) \
               ON CONFLICT (log_id) DO NOTHING";
    LOG_GET = "SELECT origin, size, open_intents FROM log WHERE log_id = 1";
    LOG_MARK = "UPDATE log SET size = $1, open_intents = $2 WHERE log_id = 1";
    TASK_GET = "SELECT seq FROM task WHERE id = $1";
    TASK_PUT = "INSERT INTO task (id, seq) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET seq = excluded.seq";
    LISTED_PUT = "INSERT INTO listed (agent, server, tool, digest) VALUES ($1, $2, $3, $4) \
                  ON CONFLICT (agent, server, tool) DO UPDATE SET digest = excluded.digest";
    LISTED_ALL = "SELECT agent, server, tool, digest FROM listed ORDER BY agent, server, tool";
    TASK_MOVED = "SELECT task, max(task_seq) FROM entry WHERE idx >= $1 AND task IS NOT NULL GROUP BY task";
    CONTROL_GET = "SELECT epoch, policy_set FROM control WHERE id = 1";
    CONTROL_EPOCH = "UPDATE control SET epoch = $1 WHERE id = 1";
    CONTROL_POLICY = "UPDATE control SET policy_set = $1 WHERE id = 1";
    AGENT_PUT = "INSERT INTO agent (id, owner, group_names, added, removed, local_user) \
                 VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, group_names = excluded.group_names, \
                 added = excluded.added, removed = excluded.removed, local_user = excluded.local_user";
    AGENT_ALL = "SELECT id, owner, group_names, added, removed, local_user FROM agent ORDER BY id";
    KEY_DROP = "DELETE FROM agent_key WHERE agent = $1";
    KEY_PUT = "INSERT INTO agent_key (key_id, agent, place, secret_sha256, created, expires) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    TOOL_PUT = "INSERT INTO tool (server, tool, digest, risk, status, present, record) \
                VALUES ($1, $2, $3, $4, $5, $6, $7) \
                ON CONFLICT (server, tool) DO UPDATE SET digest = excluded.digest, risk = excluded.risk, \
                status = excluded.status, present = excluded.present, record = excluded.record";
    TOOL_ALL = "SELECT server, tool, digest, status, record FROM tool ORDER BY server, tool";
    APPROVAL_PUT = "INSERT INTO approval (id, call_digest, agent, task, server, tool, definition, risk, approvers, \
                    policies, reasons, self_approvable, created, until, arguments, state) \
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 'pending')";
    APPROVAL_SET = "UPDATE approval SET until = $2, state = $3, answered = $4, answered_by = $5, note = $6, \
                    group_names = $7, self_approved = $8, used_by = $9 WHERE id = $1";
    APPROVAL_COUNT = "SELECT count(*), coalesce(sum(CASE WHEN agent = $1 THEN 1 ELSE 0 END), 0) FROM approval \
                      WHERE until > $2 AND state = 'pending'";
    APPROVAL_OF_KEY = "SELECT id, call_digest, agent, task, server, tool, definition, risk, approvers, policies, \
                       reasons, self_approvable, created, until, state, answered, answered_by, note, group_names, \
                       self_approved, used_by FROM approval WHERE call_digest = $1 AND agent = $2 AND task = $3";
    APPROVAL_OF_ID = "SELECT id, call_digest, agent, task, server, tool, definition, risk, approvers, policies, \
                      reasons, self_approvable, created, until, state, answered, answered_by, note, group_names, \
                      self_approved, used_by FROM approval WHERE id = $1";
    APPROVAL_ALL = "SELECT id, call_digest, agent, task, server, tool, definition, risk, approvers, policies, \
                    reasons, self_approvable, created, until, state, answered, answered_by, note, group_names, \
                    self_approved, used_by FROM approval ORDER BY id";
    APPROVAL_ARGUMENTS = "SELECT arguments FROM approval WHERE id = $1";
    APPROVAL_DROP = "DELETE FROM approval WHERE id = $1";
    APPROVAL_DROP_KEY = "DELETE FROM approval WHERE call_digest = $1 AND agent = $2 AND task = $3";
    APPROVAL_SWEEP = "DELETE FROM approval WHERE until <= $1";
    APPROVAL_END = "UPDATE approval SET state = 'ended', until = $2 WHERE agent = $1 AND state IN ('pending', 'approved')";
    KEY_ALL = "SELECT agent, key_id, secret_sha256, created, expires FROM agent_key ORDER BY agent, place";
}

/// SQLite's integers are signed. No index, sequence or size comes near the end of the range.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The way back; the schema keeps negative numbers out.
pub(crate) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::Micros;
    use std::path::Path;

    #[test]
    fn every_statement_prepares_on_the_migrated_schema() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::migrate::migrate(&mut connection, Path::new("memory"), Micros(0)).unwrap();
        for (name, sql) in ALL {
            assert!(sql.prepare(&connection).is_ok(), "{name}: {}", sql.prepare(&connection).unwrap_err());
        }
    }
}
