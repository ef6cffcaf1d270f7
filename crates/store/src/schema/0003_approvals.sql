-- 3: requests for approvals, at most one for each call of an agent's task.
-- `until` is the moment from which the present state has lapsed; some time after it the row is deleted. `approvers`,
-- `policies` and `group_names` are separated by single spaces, `reasons` is a JSON array. `arguments` is what the call
-- digest was made from, in clear: a person has to read it.
CREATE TABLE approval (
    id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    call_digest     BLOB    NOT NULL CHECK (length(call_digest) = 32),
    agent           TEXT    NOT NULL,
    task            TEXT    NOT NULL,
    server          TEXT    NOT NULL,
    tool            TEXT    NOT NULL,
    definition      BLOB    NOT NULL CHECK (length(definition) = 32),
    risk            TEXT    NOT NULL,
    approvers       TEXT    NOT NULL,
    policies        TEXT    NOT NULL,
    reasons         TEXT    NOT NULL,
    self_approvable INTEGER NOT NULL CHECK (self_approvable IN (0, 1)),
    created         INTEGER NOT NULL,
    until           INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('pending', 'approved', 'rejected', 'used', 'ended')),
    answered        INTEGER,
    answered_by     TEXT,
    note            TEXT,
    group_names     TEXT,
    self_approved   INTEGER CHECK (self_approved IN (0, 1)),
    used_by         BLOB    CHECK (length(used_by) = 16),
    arguments       TEXT    NOT NULL,
    UNIQUE (call_digest, agent, task)
) STRICT;

-- What waits is counted from this alone.
CREATE INDEX approval_until ON approval (until, state, agent);
