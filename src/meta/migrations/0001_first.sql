-- Keyhole's metadata. SQLite's own: WITHOUT ROWID, the triggers, the last table. All else: ids TEXT, times BIGINT (ms since
-- 1970, UTC), no JSON functions, no rowid. 'seq' is given by the one serial writer and orders lists and cursors; 'v' is
-- the format version of the stored object. '' and 0 mean absent unless said. src/meta/rows.h says what each column holds.

CREATE TABLE setting (
  name TEXT NOT NULL PRIMARY KEY,
  num  BIGINT NOT NULL,
  data BLOB NOT NULL
);

-- ---- people ----

CREATE TABLE project (
  id TEXT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  env TEXT NOT NULL,
  subject_key BLOB NOT NULL,
  state TEXT NOT NULL,
  log_generation BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  version BIGINT NOT NULL,
  v BIGINT NOT NULL
);

CREATE TABLE person (
  id TEXT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL UNIQUE,
  pk BLOB NOT NULL,
  epoch BIGINT NOT NULL,
  wrap BLOB NOT NULL,
  created_ms BIGINT NOT NULL,
  erased_ms BIGINT NOT NULL,
  v BIGINT NOT NULL
);

CREATE TABLE account (
  id TEXT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  full_name TEXT NOT NULL,
  state TEXT NOT NULL,
  password TEXT NOT NULL,
  must_change BIGINT NOT NULL,
  person TEXT NOT NULL REFERENCES person(id),
  created_ms BIGINT NOT NULL,
  groups_changed_ms BIGINT NOT NULL,
  credential_changed_ms BIGINT NOT NULL,
  last_login_ms BIGINT NOT NULL,
  fail_count BIGINT NOT NULL,
  fail_last_ms BIGINT NOT NULL,
  locked_until_ms BIGINT NOT NULL,
  version BIGINT NOT NULL,
  v BIGINT NOT NULL
);
CREATE INDEX account_person ON account (person);

-- Subject ids that are an account's own: the recorded person never votes.
CREATE TABLE account_subject (
  account TEXT NOT NULL REFERENCES account(id),
  subject TEXT NOT NULL,
  PRIMARY KEY (account, subject)
);
CREATE INDEX account_subject_subject ON account_subject (subject);

-- The person behind a recorded subject that is nobody's account.
CREATE TABLE subject_person (
  project TEXT NOT NULL REFERENCES project(id),
  subject TEXT NOT NULL,
  person TEXT NOT NULL REFERENCES person(id),
  PRIMARY KEY (project, subject)
);

CREATE TABLE team (
  id TEXT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  builtin BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  v BIGINT NOT NULL
);

CREATE TABLE team_member (
  team TEXT NOT NULL REFERENCES team(id),
  account TEXT NOT NULL REFERENCES account(id),
  since_ms BIGINT NOT NULL,
  PRIMARY KEY (team, account)
);
CREATE INDEX team_member_account ON team_member (account);

-- who: an account or a team; project: an id or '*'.
CREATE TABLE role_given (
  who TEXT NOT NULL,
  role TEXT NOT NULL,
  project TEXT NOT NULL,
  since_ms BIGINT NOT NULL,
  PRIMARY KEY (who, role, project)
);
CREATE INDEX role_given_project ON role_given (project, role);

CREATE TABLE token (
  id TEXT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  sha256 BLOB NOT NULL UNIQUE,
  account TEXT NOT NULL,
  project TEXT NOT NULL,
  label TEXT NOT NULL,
  url TEXT NOT NULL,
  client TEXT NOT NULL,
  prefix BLOB NOT NULL,
  jkt TEXT NOT NULL,
  jkt_since_ms BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  idle_ms BIGINT NOT NULL,
  last_seen_ms BIGINT NOT NULL,
  auth_ms BIGINT NOT NULL,
  state TEXT NOT NULL,
  ended_ms BIGINT NOT NULL,
  v BIGINT NOT NULL
);
CREATE INDEX token_account ON token (account, state, seq);
CREATE INDEX token_project ON token (project, state, seq);
CREATE INDEX token_kind ON token (kind, state, seq);

-- ---- recordings ----

CREATE TABLE epoch (
  n BIGINT NOT NULL PRIMARY KEY,
  pk BLOB NOT NULL,
  begun_ms BIGINT NOT NULL,
  ended_ms BIGINT NOT NULL
);

CREATE TABLE recording (
  id TEXT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL UNIQUE,
  project TEXT NOT NULL REFERENCES project(id),
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  title TEXT NOT NULL,
  subject TEXT NOT NULL,
  session TEXT NOT NULL,
  env TEXT NOT NULL,
  class TEXT NOT NULL,
  started_ms BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  duration_us BIGINT NOT NULL,
  events BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  importer TEXT NOT NULL,
  root BLOB NOT NULL,
  v BIGINT NOT NULL
);
CREATE INDEX recording_list ON recording (project, state, seq);
CREATE INDEX recording_kind ON recording (project, kind, state, seq);
CREATE INDEX recording_started ON recording (project, state, started_ms, seq);
CREATE INDEX recording_subject ON recording (project, subject, state, seq);
CREATE INDEX recording_session ON recording (project, session, state, seq);
CREATE INDEX recording_state ON recording (state, seq);

-- seq, project, started_ms are those of the recording: a filter is one walk along one index.
CREATE TABLE recording_tag (
  rid TEXT NOT NULL REFERENCES recording(id),
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  project TEXT NOT NULL,
  seq BIGINT NOT NULL,
  started_ms BIGINT NOT NULL,
  PRIMARY KEY (rid, name, value)
);
CREATE INDEX recording_tag_value ON recording_tag (project, name, value, seq);
CREATE INDEX recording_tag_started ON recording_tag (project, name, value, started_ms, seq);
CREATE INDEX recording_tag_name ON recording_tag (project, name, seq);

CREATE TABLE recording_link (
  rid TEXT NOT NULL REFERENCES recording(id),
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  project TEXT NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (rid, type, id)
);
CREATE INDEX recording_link_id ON recording_link (project, type, id, seq);

CREATE TABLE piece (
  rid TEXT NOT NULL REFERENCES recording(id),
  seg_no BIGINT NOT NULL,
  kn BIGINT NOT NULL,
  track BIGINT NOT NULL,
  kind BIGINT NOT NULL,
  codec BIGINT NOT NULL,
  size BIGINT NOT NULL,
  sha256 BLOB NOT NULL,
  first_seq BIGINT NOT NULL,
  n_events BIGINT NOT NULL,
  first_chunk BIGINT NOT NULL,
  n_chunks BIGINT NOT NULL,
  t_first_us BIGINT NOT NULL,
  t_last_us BIGINT NOT NULL,
  v BIGINT NOT NULL,
  PRIMARY KEY (rid, seg_no)
);

CREATE TABLE wrap (
  rid TEXT NOT NULL REFERENCES recording(id),
  kn BIGINT NOT NULL,
  track BIGINT NOT NULL,
  epoch BIGINT NOT NULL REFERENCES epoch(n),
  wrap BLOB NOT NULL,
  PRIMARY KEY (rid, kn, track)
);
CREATE INDEX wrap_epoch ON wrap (epoch);

-- ---- requests, votes, grants ----

CREATE TABLE request (
  id TEXT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL UNIQUE,
  project TEXT NOT NULL REFERENCES project(id),
  requester TEXT NOT NULL REFERENCES account(id),
  env TEXT NOT NULL,
  purpose TEXT NOT NULL,
  reason TEXT NOT NULL,
  ticket TEXT NOT NULL,
  start TEXT NOT NULL,
  start_ms BIGINT NOT NULL,
  start_by_s BIGINT NOT NULL,
  duration_s BIGINT NOT NULL,
  more_same TEXT NOT NULL,
  more_max BIGINT NOT NULL,
  more_time_times BIGINT NOT NULL,
  more_time_each_s BIGINT NOT NULL,
  parts BLOB NOT NULL,
  extends TEXT NOT NULL,
  policy TEXT NOT NULL,
  salt BLOB NOT NULL,
  digest TEXT NOT NULL,
  break_glass BIGINT NOT NULL,
  incident TEXT NOT NULL,
  state TEXT NOT NULL,
  cause TEXT NOT NULL,
  rule TEXT NOT NULL,
  terms BLOB NOT NULL,
  created_ms BIGINT NOT NULL,
  lapse_ms BIGINT NOT NULL,
  decided_ms BIGINT NOT NULL,
  version BIGINT NOT NULL,
  v BIGINT NOT NULL
);
CREATE INDEX request_project ON request (project, seq);
CREATE INDEX request_project_state ON request (project, state, seq);
CREATE INDEX request_requester ON request (requester, seq);
CREATE INDEX request_requester_state ON request (requester, state, seq);
CREATE INDEX request_lapse ON request (state, lapse_ms);

CREATE TABLE request_recording (
  request TEXT NOT NULL REFERENCES request(id),
  rid TEXT NOT NULL,
  PRIMARY KEY (request, rid)
);
CREATE INDEX request_recording_rid ON request_recording (rid, request);

CREATE TABLE request_action (
  request TEXT NOT NULL REFERENCES request(id),
  action TEXT NOT NULL,
  PRIMARY KEY (request, action)
);

-- The requester is not listed.
CREATE TABLE request_viewer (
  request TEXT NOT NULL REFERENCES request(id),
  account TEXT NOT NULL,
  PRIMARY KEY (request, account)
);

CREATE TABLE vote (
  request TEXT NOT NULL REFERENCES request(id),
  voter TEXT NOT NULL REFERENCES account(id),
  person TEXT NOT NULL,
  verdict TEXT NOT NULL,
  digest TEXT NOT NULL,
  comment TEXT NOT NULL,
  auth_ms BIGINT NOT NULL,
  opened_ms BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  is_unsigned BIGINT NOT NULL,
  act BLOB NOT NULL,
  marks TEXT NOT NULL,
  v BIGINT NOT NULL,
  PRIMARY KEY (request, voter),
  UNIQUE (request, person)
);

CREATE TABLE access_grant (
  id TEXT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL UNIQUE,
  request TEXT NOT NULL REFERENCES request(id),
  holder TEXT NOT NULL REFERENCES account(id),
  project TEXT NOT NULL REFERENCES project(id),
  env TEXT NOT NULL,
  state TEXT NOT NULL,
  gen BIGINT NOT NULL,
  version BIGINT NOT NULL,
  duration_s BIGINT NOT NULL,
  approved_ms BIGINT NOT NULL,
  start_ms BIGINT NOT NULL,
  start_by_ms BIGINT NOT NULL,
  window_start_ms BIGINT NOT NULL,
  window_end_ms BIGINT NOT NULL,
  boot_id BLOB NOT NULL,
  deadline_ms BIGINT NOT NULL,
  last_key_ms BIGINT NOT NULL,
  cause TEXT NOT NULL,
  ended_ms BIGINT NOT NULL,
  ended_by TEXT NOT NULL,
  ended_comment TEXT NOT NULL,
  review TEXT NOT NULL,
  policy TEXT NOT NULL,
  rule TEXT NOT NULL,
  terms BLOB NOT NULL,
  created_ms BIGINT NOT NULL,
  v BIGINT NOT NULL
);
CREATE INDEX access_grant_request ON access_grant (request);
CREATE INDEX access_grant_state ON access_grant (state, seq);
CREATE INDEX access_grant_project ON access_grant (project, seq);
CREATE INDEX access_grant_project_state ON access_grant (project, state, seq);
CREATE INDEX access_grant_holder ON access_grant (holder, seq);
CREATE INDEX access_grant_holder_state ON access_grant (holder, state, seq);

CREATE TABLE grant_recording (
  gid TEXT NOT NULL REFERENCES access_grant(id),
  rid TEXT NOT NULL,
  PRIMARY KEY (gid, rid)
);
CREATE INDEX grant_recording_rid ON grant_recording (rid, gid);

CREATE TABLE grant_action (
  gid TEXT NOT NULL REFERENCES access_grant(id),
  action TEXT NOT NULL,
  PRIMARY KEY (gid, action)
);

CREATE TABLE viewing (
  id TEXT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL UNIQUE,
  gid TEXT NOT NULL REFERENCES access_grant(id),
  rid TEXT NOT NULL,
  project TEXT NOT NULL,
  holder TEXT NOT NULL,
  client_key TEXT NOT NULL,
  client TEXT NOT NULL,
  state TEXT NOT NULL,
  begun_ms BIGINT NOT NULL,
  last_ms BIGINT NOT NULL,
  ended_ms BIGINT NOT NULL,
  cause TEXT NOT NULL,
  v BIGINT NOT NULL,
  UNIQUE (gid, rid, client_key, seq)
);
CREATE INDEX viewing_state ON viewing (state, seq);
CREATE INDEX viewing_project ON viewing (project, state, seq);
CREATE INDEX viewing_holder ON viewing (holder, state, seq);

-- Insert-only but for revoked_ms. Never the key itself.
CREATE TABLE issued_key (
  jti TEXT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL UNIQUE,
  gid TEXT NOT NULL REFERENCES access_grant(id),
  gen BIGINT NOT NULL,
  rid TEXT NOT NULL,
  vid TEXT NOT NULL,
  sub TEXT NOT NULL,
  project TEXT NOT NULL,
  env TEXT NOT NULL,
  client TEXT NOT NULL,
  token TEXT NOT NULL,
  scope TEXT NOT NULL,
  jkt TEXT NOT NULL,
  prefix BLOB NOT NULL,
  iat_s BIGINT NOT NULL,
  exp_s BIGINT NOT NULL,
  wend_s BIGINT NOT NULL,
  kid TEXT NOT NULL,
  leaf_idx BIGINT NOT NULL,
  revoked_ms BIGINT NOT NULL,
  v BIGINT NOT NULL
);
CREATE INDEX issued_key_gid ON issued_key (gid, seq);
CREATE INDEX issued_key_exp ON issued_key (exp_s);
CREATE INDEX issued_key_token ON issued_key (token, exp_s);

-- ---- policy, configuration, idempotency ----

CREATE TABLE policy (
  hash TEXT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL UNIQUE,
  text TEXT NOT NULL,
  tree BLOB NOT NULL,
  source TEXT NOT NULL,
  comment TEXT NOT NULL,
  state TEXT NOT NULL,
  proposed_by TEXT NOT NULL,
  proposed_ms BIGINT NOT NULL,
  approved_by TEXT NOT NULL,
  effective_ms BIGINT NOT NULL,
  boot_id BLOB NOT NULL,
  deadline_ms BIGINT NOT NULL,
  enacted_ms BIGINT NOT NULL,
  marks TEXT NOT NULL,
  v BIGINT NOT NULL
);
CREATE INDEX policy_state ON policy (state, seq);

CREATE TABLE config_seen (
  seq BIGINT NOT NULL PRIMARY KEY,
  hash TEXT NOT NULL,
  at_ms BIGINT NOT NULL
);

CREATE TABLE idempotency (
  actor TEXT NOT NULL,
  route TEXT NOT NULL,
  idem_key TEXT NOT NULL,
  body_sha256 BLOB NOT NULL,
  status BIGINT NOT NULL,
  code TEXT NOT NULL,
  answer BLOB NOT NULL,
  created_ms BIGINT NOT NULL,
  v BIGINT NOT NULL,
  PRIMARY KEY (actor, route, idem_key)
);
CREATE INDEX idempotency_created ON idempotency (created_ms);

-- ---- the audit log: the truth (docs/formats/audit.md) ----

CREATE TABLE audit_log (
  log TEXT NOT NULL PRIMARY KEY,
  seq BIGINT NOT NULL UNIQUE,
  origin TEXT NOT NULL,
  state TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  v BIGINT NOT NULL
);

-- actor, q, gid, rid repeat what the leaf says, so that lists can filter; NULL is absent.
CREATE TABLE audit (
  log TEXT NOT NULL,
  idx BIGINT NOT NULL,
  type TEXT NOT NULL,
  time BIGINT NOT NULL,
  hash BLOB NOT NULL,
  actor TEXT,
  q TEXT,
  gid TEXT,
  rid TEXT,
  PRIMARY KEY (log, idx)
) WITHOUT ROWID;
CREATE INDEX audit_type ON audit (log, type, idx);
CREATE INDEX audit_actor ON audit (log, actor, idx) WHERE actor IS NOT NULL;
CREATE INDEX audit_q ON audit (log, q, idx) WHERE q IS NOT NULL;
CREATE INDEX audit_gid ON audit (log, gid, idx) WHERE gid IS NOT NULL;
CREATE INDEX audit_rid ON audit (log, rid, idx) WHERE rid IS NOT NULL;

CREATE TABLE audit_leaf (
  log TEXT NOT NULL,
  idx BIGINT NOT NULL,
  leaf BLOB NOT NULL,
  PRIMARY KEY (log, idx)
) WITHOUT ROWID;

-- Derived: roots of perfect subtrees of 256, 65 536, … leaves, so that roots and proofs need few rows.
CREATE TABLE audit_node (
  log TEXT NOT NULL,
  level BIGINT NOT NULL,
  idx BIGINT NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (log, level, idx)
) WITHOUT ROWID;

CREATE TABLE audit_opening (
  log TEXT NOT NULL,
  idx BIGINT NOT NULL,
  field TEXT NOT NULL,
  person TEXT NOT NULL,
  sealed BLOB NOT NULL,
  PRIMARY KEY (log, idx, field)
);
CREATE INDEX audit_opening_person ON audit_opening (person, log, idx);

CREATE TABLE checkpoint (
  log TEXT NOT NULL,
  size BIGINT NOT NULL,
  root BLOB NOT NULL,
  note BLOB NOT NULL,
  at_ms BIGINT NOT NULL,
  PRIMARY KEY (log, size)
);

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_leaf_no_update BEFORE UPDATE ON audit_leaf BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_leaf_no_delete BEFORE DELETE ON audit_leaf BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_opening_no_update BEFORE UPDATE ON audit_opening BEGIN SELECT RAISE(ABORT, 'openings are never changed'); END;
CREATE TRIGGER checkpoint_no_update BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER checkpoint_no_delete BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER issued_key_no_delete BEFORE DELETE ON issued_key BEGIN SELECT RAISE(ABORT, 'the ledger keeps every key'); END;

-- Words of titles; rowid is the recording's seq, 'project' its id in hexadecimal (a word of its own).
CREATE VIRTUAL TABLE recording_words USING fts5 (project, title, tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3');
