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
  marks TEXT NOT NULL,
  act TEXT NOT NULL,
  decided_by TEXT NOT NULL,
  decided_ms BIGINT NOT NULL,
  comment TEXT NOT NULL,
  failure TEXT NOT NULL,
  v BIGINT NOT NULL
);
CREATE INDEX guarded_change_state ON guarded_change (state, seq);
