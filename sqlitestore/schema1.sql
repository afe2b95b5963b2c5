-- Schema 1. Moments are microseconds since 1970, UTC, because that is what every database can hold; NULL is "not set". Texts compare
-- bytewise, as SQLite does where nothing else is said. A token is nowhere in here: these are names of credentials, and no credentials.

-- The marker, one row. It tells an empty store from one that has lost everything, so only Migrate and Reseed insert it.
CREATE TABLE ta_meta (
  one        INTEGER PRIMARY KEY CHECK (one = 1),
  schema     INTEGER NOT NULL,
  generation TEXT    NOT NULL,
  reseeded   INTEGER NOT NULL,  -- when Reseed began this generation; 0: Migrate did
  reason     TEXT    NOT NULL,  -- why
  writes     INTEGER NOT NULL   -- one more with each write: a store that shows fewer than it did has been rolled back
) STRICT;

-- The records. Several indexes end in id, so that a page of a list is one seek.
CREATE TABLE ta_token (
  id            TEXT    NOT NULL PRIMARY KEY,
  root_id       TEXT    NOT NULL,
  parent_id     TEXT,
  successor_id  TEXT,
  depth         INTEGER NOT NULL CHECK (depth BETWEEN 0 AND 8),
  name          TEXT    NOT NULL,
  subject       TEXT    NOT NULL,
  owner         TEXT    NOT NULL,
  created_by    TEXT    NOT NULL,
  client_id     TEXT,
  session_id    TEXT,
  roles         TEXT    NOT NULL,  -- JSON
  scopes        TEXT    NOT NULL,  -- JSON
  created_at    INTEGER NOT NULL,
  expires_at    INTEGER NOT NULL,
  retire_at     INTEGER,
  revoked_at    INTEGER,
  revoked_by    TEXT,
  revoke_reason TEXT,
  last_used_at  INTEGER,
  call_id       TEXT    NOT NULL   -- by which a call that is tried again knows its own row
) STRICT;
CREATE INDEX ta_token_subject ON ta_token (subject, id);
CREATE INDEX ta_token_owner   ON ta_token (owner, id);
CREATE INDEX ta_token_creator ON ta_token (created_by, id);
CREATE INDEX ta_token_parent  ON ta_token (parent_id, id) WHERE parent_id IS NOT NULL;
CREATE INDEX ta_token_session ON ta_token (session_id, id) WHERE session_id IS NOT NULL;
CREATE INDEX ta_token_expiry  ON ta_token (expires_at, id);
CREATE UNIQUE INDEX ta_token_successor ON ta_token (successor_id) WHERE successor_id IS NOT NULL;

-- All that has died, one row each: what a replica is fed from. A change deletes the row and inserts it again, so that seq is the order
-- of commits (there is one writer at a time) and "after seq" is all that a replica has missed, however long it was away. dead_from and
-- min_version only ever move to where more is dead.
CREATE TABLE ta_dead (
  seq         INTEGER PRIMARY KEY AUTOINCREMENT,
  kind        INTEGER NOT NULL,  -- 0: the token id; 1: the session id of subject; 2: the epoch of subject, * for everyone
  subject     TEXT    NOT NULL,  -- '' for a token
  id          TEXT    NOT NULL,  -- '' for an epoch
  dead_from   INTEGER,           -- a token's retire_at, the until to which a session was moved back; NULL: dead already. An epoch's NotBefore; NULL: none
  expires     INTEGER,           -- the token's exp, the session's until: it may be forgotten some time after that. NULL for an epoch: never
  min_version INTEGER NOT NULL,  -- an epoch's MinVersion
  UNIQUE (kind, subject, id)
) STRICT;
CREATE INDEX ta_dead_sessions ON ta_dead (expires) WHERE kind = 1;

CREATE TABLE ta_session (
  subject TEXT    NOT NULL,
  sid     TEXT    NOT NULL,
  until   INTEGER NOT NULL,
  PRIMARY KEY (subject, sid)
) STRICT, WITHOUT ROWID;
CREATE INDEX ta_session_until ON ta_session (until);

-- One-time keys that have been used.
CREATE TABLE ta_once (
  key     TEXT    NOT NULL PRIMARY KEY,
  until   INTEGER NOT NULL,
  call_id TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ta_once_until ON ta_once (until);
