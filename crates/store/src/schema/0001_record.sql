-- 1: the record of this node and the control state it was made under.
-- Times are microseconds since 1970 UTC, digests 32 bytes, names as their grammar allows them.

-- This node's log. Exactly one row: a data directory belongs to one node.
-- `size` and `open_intents` are a watermark: written now and then, true of the entries below `size`.
CREATE TABLE log (
    log_id       INTEGER PRIMARY KEY CHECK (log_id = 1),
    origin       TEXT    NOT NULL,
    created      INTEGER NOT NULL,
    size         INTEGER NOT NULL CHECK (size >= 0),
    open_intents BLOB    NOT NULL
) STRICT;

-- One leaf of the log. `salts` and `payload` stand beside the leaf: erasing them changes no hash.
CREATE TABLE entry (
    idx       INTEGER PRIMARY KEY CHECK (idx >= 0),
    kind      TEXT    NOT NULL,
    call      BLOB,
    task      TEXT,
    task_seq  INTEGER,
    leaf      TEXT    NOT NULL,
    leaf_hash BLOB    NOT NULL CHECK (length(leaf_hash) = 32),
    salts     BLOB,
    payload   BLOB
) STRICT;

-- The only second index of the hot table. Call ids begin with the time, so it grows at its right edge.
CREATE INDEX entry_call ON entry (call) WHERE call IS NOT NULL;

-- How many entries each task has.
CREATE TABLE task (
    id  TEXT    NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL CHECK (seq >= 0)
) STRICT, WITHOUT ROWID;

-- What decisions were made from: how often it changed, and the policy set last loaded.
CREATE TABLE control (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    epoch      INTEGER NOT NULL CHECK (epoch >= 0),
    policy_set BLOB    CHECK (length(policy_set) = 32)
) STRICT;

-- Agents. `group_names` is separated by single spaces, which no group name can hold.
CREATE TABLE agent (
    id          TEXT    NOT NULL PRIMARY KEY,
    owner       TEXT    NOT NULL,
    group_names TEXT    NOT NULL,
    added       INTEGER NOT NULL,
    removed     INTEGER
) STRICT, WITHOUT ROWID;

-- Their keys: the public id and the SHA-256 of the secret. The secret is nowhere.
CREATE TABLE agent_key (
    key_id        TEXT    NOT NULL PRIMARY KEY,
    agent         TEXT    NOT NULL,
    place         INTEGER NOT NULL,
    secret_sha256 BLOB    NOT NULL CHECK (length(secret_sha256) = 32),
    created       INTEGER NOT NULL,
    expires       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX agent_key_agent ON agent_key (agent);

-- Tools in any status. `record` is the registry's own text; the columns beside it are for people who look.
CREATE TABLE tool (
    server  TEXT    NOT NULL,
    tool    TEXT    NOT NULL,
    digest  BLOB    NOT NULL CHECK (length(digest) = 32),
    risk    TEXT    NOT NULL,
    status  TEXT    NOT NULL,
    present INTEGER NOT NULL CHECK (present IN (0, 1)),
    record  TEXT    NOT NULL,
    PRIMARY KEY (server, tool)
) STRICT, WITHOUT ROWID;

-- The definition last listed to each agent.
CREATE TABLE listed (
    agent  TEXT NOT NULL,
    server TEXT NOT NULL,
    tool   TEXT NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (agent, server, tool)
) STRICT, WITHOUT ROWID;

INSERT INTO control (id, epoch, policy_set) VALUES (1, 0, NULL);
