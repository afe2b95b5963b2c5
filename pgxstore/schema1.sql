-- Schema 1. Moments are timestamptz, which holds microseconds; NULL is "not set". Texts compare bytewise, COLLATE "C": a locale orders
-- otherwise than other stores do, and its order may change with the system's libraries, under an index. A token is nowhere in here: these
-- are names of credentials, and no credentials.

-- The marker, one row. It tells an empty store from one that has lost everything, so only Migrate and Reseed insert it.
CREATE TABLE ta_meta (
  one        boolean NOT NULL PRIMARY KEY CHECK (one),
  schema     integer NOT NULL,
  generation text    NOT NULL,
  reseeded   bigint  NOT NULL,  -- when Reseed began this generation, in microseconds since 1970; 0: Migrate did
  reason     text    NOT NULL   -- why
);

-- The records. Several indexes end in id, so that a page of a list is one seek. last_used_at has none, and a page has room for a second
-- version of some of its rows: so that to touch a token writes one place and not ten.
CREATE TABLE ta_token (
  id            text COLLATE "C" NOT NULL PRIMARY KEY,
  root_id       text COLLATE "C" NOT NULL,
  parent_id     text COLLATE "C",
  successor_id  text COLLATE "C",
  depth         smallint         NOT NULL CHECK (depth BETWEEN 0 AND 8),
  name          text COLLATE "C" NOT NULL,
  subject       text COLLATE "C" NOT NULL,
  owner         text COLLATE "C" NOT NULL,
  created_by    text COLLATE "C" NOT NULL,
  client_id     text COLLATE "C",
  session_id    text COLLATE "C",
  roles         jsonb            NOT NULL,
  scopes        jsonb            NOT NULL,
  created_at    timestamptz      NOT NULL,
  expires_at    timestamptz      NOT NULL,
  retire_at     timestamptz,
  revoked_at    timestamptz,
  revoked_by    text COLLATE "C",
  revoke_reason text COLLATE "C",
  last_used_at  timestamptz,
  call_id       text COLLATE "C" NOT NULL  -- by which a call that is tried again knows its own row
) WITH (fillfactor = 85);
CREATE INDEX ta_token_subject ON ta_token (subject, id);
CREATE INDEX ta_token_owner   ON ta_token (owner, id);
CREATE INDEX ta_token_creator ON ta_token (created_by, id);
CREATE INDEX ta_token_parent  ON ta_token (parent_id, id) WHERE parent_id IS NOT NULL;
CREATE INDEX ta_token_session ON ta_token (session_id, id) WHERE session_id IS NOT NULL;
CREATE INDEX ta_token_expiry  ON ta_token (expires_at, id);
CREATE UNIQUE INDEX ta_token_successor ON ta_token (successor_id) WHERE successor_id IS NOT NULL;

-- All that has died, one row each: what a replica is fed from. x is the transaction that wrote the row last. Together with a snapshot it
-- says exactly which rows a reader has not seen, whatever the order in which writers commit; a sequence would not. dead_from and
-- min_version only ever move to where more is dead.
CREATE TABLE ta_dead (
  kind        smallint         NOT NULL,  -- 0: the token id; 1: the session id of subject; 2: the epoch of subject, * for everyone
  subject     text COLLATE "C" NOT NULL,  -- '' for a token
  id          text COLLATE "C" NOT NULL,  -- '' for an epoch
  x           xid8             NOT NULL DEFAULT pg_current_xact_id(),
  -- A token's retire_at, the until to which a session was moved back; -infinity: dead already. An epoch's NotBefore; -infinity: none.
  dead_from   timestamptz      NOT NULL,
  -- The token's exp, the session's until: it may be forgotten some time after that. infinity for an epoch: never.
  expires     timestamptz      NOT NULL,
  min_version bigint           NOT NULL DEFAULT 0,  -- an epoch's MinVersion
  PRIMARY KEY (kind, subject, id)
);
CREATE INDEX ta_dead_changes ON ta_dead (x, kind, subject, id);
CREATE INDEX ta_dead_expiry  ON ta_dead (kind, expires);

CREATE TABLE ta_session (
  subject text COLLATE "C" NOT NULL,
  sid     text COLLATE "C" NOT NULL,
  until   timestamptz      NOT NULL,
  PRIMARY KEY (subject, sid)
);
CREATE INDEX ta_session_until ON ta_session (until);

-- One-time keys that have been used.
CREATE TABLE ta_once (
  key     text COLLATE "C" NOT NULL PRIMARY KEY,
  until   timestamptz      NOT NULL,
  call_id text COLLATE "C" NOT NULL
);
CREATE INDEX ta_once_until ON ta_once (until);
