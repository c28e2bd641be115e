-- What the access core needs (issue of bound keys, signed acts, evidence). Each section has its owner's tables.

-- ---- client keys, signed acts, guarded changes of people ----

CREATE TABLE client_key (
  account TEXT NOT NULL REFERENCES account(id),
  jkt TEXT NOT NULL,
  pub BLOB NOT NULL,
  client TEXT NOT NULL,
  token TEXT NOT NULL,
  since_ms BIGINT NOT NULL,
  v BIGINT NOT NULL,
  PRIMARY KEY (account, jkt)
);
CREATE INDEX client_key_since ON client_key (account, since_ms);
CREATE INDEX issued_key_jkt ON issued_key (jkt, exp_s) WHERE jkt <> '';

-- When an account was disabled; 0: it is not, or was before this column.
ALTER TABLE account ADD COLUMN disabled_ms BIGINT NOT NULL DEFAULT 0;

-- Insert-only. once: SHA-256 over what was signed and r of the signature.
CREATE TABLE signed_act (
  hash TEXT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL UNIQUE,
  once BLOB NOT NULL UNIQUE,
  account TEXT NOT NULL,
  token TEXT NOT NULL,
  jkt TEXT NOT NULL,
  operation TEXT NOT NULL,
  obj TEXT NOT NULL,
  jws TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  v BIGINT NOT NULL
);
CREATE TRIGGER signed_act_no_update BEFORE UPDATE ON signed_act BEGIN SELECT RAISE(ABORT, 'signed acts are never changed'); END;

CREATE TABLE guarded_change (
  id TEXT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL UNIQUE,
  state TEXT NOT NULL,
  operation TEXT NOT NULL,
  target TEXT NOT NULL,
  obj TEXT NOT NULL,
  body BLOB NOT NULL,
  password TEXT NOT NULL,
  token TEXT NOT NULL,
  touches TEXT NOT NULL,
  proposed_by TEXT NOT NULL REFERENCES account(id),
  proposed_ms BIGINT NOT NULL,
  effective_ms BIGINT NOT NULL,
  boot_id BLOB NOT NULL,
  deadline_ms BIGINT NOT NULL,
  marks TEXT NOT NULL,
  act TEXT NOT NULL,
  decided_by TEXT NOT NULL,
  decided_ms BIGINT NOT NULL,
  comment TEXT NOT NULL,
  failure TEXT NOT NULL,
  v BIGINT NOT NULL
);
CREATE INDEX guarded_change_state ON guarded_change (state, seq);

-- ---- requests and grants ----

-- What a linked request does with the grant in 'extends': "extend" | "more-time" | "join" | "widen" | "break-glass".
ALTER TABLE request ADD COLUMN link TEXT NOT NULL DEFAULT '';
-- Why it could not wait.
ALTER TABLE request ADD COLUMN urgent TEXT NOT NULL DEFAULT '';
CREATE INDEX request_extends ON request (extends, seq) WHERE extends <> '';
CREATE INDEX request_ticket ON request (project, lower(trim(ticket)), state) WHERE ticket <> '';
CREATE INDEX request_broken ON request (requester, created_ms) WHERE break_glass = 1;
CREATE INDEX request_viewer_account ON request_viewer (account, request);

-- Why its window ends before the time that was granted; empty: it does not.
ALTER TABLE access_grant ADD COLUMN end_cause TEXT NOT NULL DEFAULT '';
-- Who suspended it last, and what they said.
ALTER TABLE access_grant ADD COLUMN held_by TEXT NOT NULL DEFAULT '';
ALTER TABLE access_grant ADD COLUMN held_comment TEXT NOT NULL DEFAULT '';
ALTER TABLE access_grant ADD COLUMN review_due_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE access_grant ADD COLUMN review_outcome TEXT NOT NULL DEFAULT '';
ALTER TABLE access_grant ADD COLUMN review_by TEXT NOT NULL DEFAULT '';
ALTER TABLE access_grant ADD COLUMN review_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE access_grant ADD COLUMN review_comment TEXT NOT NULL DEFAULT '';
CREATE INDEX access_grant_review ON access_grant (review, review_due_ms) WHERE review = 'due' OR review = 'overdue';

-- What is frozen: a project's id, or '*' for everything.
CREATE TABLE freeze (
  project TEXT NOT NULL PRIMARY KEY,
  reason TEXT NOT NULL,
  by_account TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  v BIGINT NOT NULL
);

-- ---- hooks: what ticket systems have said ----

-- Deliveries that were taken: each acts once.
CREATE TABLE hook_delivery (
  hook TEXT NOT NULL,
  delivery TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  PRIMARY KEY (hook, delivery)
);
CREATE INDEX hook_delivery_at ON hook_delivery (at_ms);

CREATE TABLE ticket (
  project TEXT NOT NULL REFERENCES project(id),
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  hook TEXT NOT NULL,
  said_ms BIGINT NOT NULL,
  changed_ms BIGINT NOT NULL,
  v BIGINT NOT NULL,
  PRIMARY KEY (project, name)
);
