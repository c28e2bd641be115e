-- Recordings that are being made: how far their pieces go, and when their gate was last heard of. Rows of 0001 have neither.

ALTER TABLE recording ADD COLUMN next_batch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recording ADD COLUMN touched_ms BIGINT NOT NULL DEFAULT 0;
-- How its times count, for a gate that goes on with it.
ALTER TABLE recording ADD COLUMN time_kind BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recording ADD COLUMN time_base_us BIGINT NOT NULL DEFAULT 0;
CREATE INDEX recording_open ON recording (touched_ms) WHERE state = 'open';

-- Ingest tokens whose time is over are told to the gate.
CREATE INDEX token_over ON token (kind, expires_ms) WHERE state = 'active' AND expires_ms > 0;
