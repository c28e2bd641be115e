-- Capture: what real clients, masking and players need.

-- ---- sessions of other recorders' clients, links with their second ----

-- Since the recording's start; NULL: not known.
ALTER TABLE recording_link ADD COLUMN at_ms BIGINT;

-- The recording of a session, by the name that the client gives it. The newest, when one ended before the session did.
CREATE TABLE foreign_session (
  project TEXT NOT NULL REFERENCES project(id),
  name TEXT NOT NULL,
  rid TEXT NOT NULL REFERENCES recording(id),
  at_ms BIGINT NOT NULL,
  PRIMARY KEY (project, name)
);
CREATE INDEX foreign_session_rid ON foreign_session (rid);

-- ---- pages that record ----

-- Origins whose pages may record into the project, with spaces between them (docs/capture.md).
ALTER TABLE project ADD COLUMN origins TEXT NOT NULL DEFAULT '';
-- 1: an ingest token that is public, for pages of those origins.
ALTER TABLE token ADD COLUMN browser BIGINT NOT NULL DEFAULT 0;

-- ---- masking rules of projects ----

-- A project without a row, or with an empty text, has the default rules. 'rules' is what the gate gets, made of 'tree' by 'engine'.
CREATE TABLE masks (
  project TEXT NOT NULL PRIMARY KEY REFERENCES project(id),
  text TEXT NOT NULL,
  tree BLOB NOT NULL,
  hash TEXT NOT NULL,
  rules BLOB NOT NULL,
  engine TEXT NOT NULL,
  changed_by TEXT NOT NULL,
  changed_ms BIGINT NOT NULL,
  version BIGINT NOT NULL,
  v BIGINT NOT NULL
);
