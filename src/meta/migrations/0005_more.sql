-- Each section has its owner's tables.

-- ---- words of recordings, for searches whose cost does not grow with the number of hits (src/meta/sqlite/search.c) ----

-- Words of title, tags and links; rowid is the recording's seq. Each length in 'prefix' is a list of its own: a beginning of
-- that length is found without gathering the words that begin so. Places of words are not kept: phrases are looked for in the text.
CREATE VIRTUAL TABLE recording_word USING fts5 (words, detail = none, columnsize = 0, tokenize = 'unicode61 remove_diacritics 2',
  prefix = '1 2 3 4 5 6 7 8 10 12');
INSERT INTO recording_word(rowid, words) SELECT rowid, title FROM recording_words ORDER BY rowid;
DROP TABLE recording_words;

-- ---- public tokens ----

-- What a public token may state of its recordings: words with blanks between them (keeper/statements.h).
ALTER TABLE token ADD COLUMN states TEXT;
UPDATE token SET states='title subject session env tags links' WHERE browser=1;

-- 1: stated with a public token.
ALTER TABLE recording ADD COLUMN public BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recording_link ADD COLUMN public BIGINT NOT NULL DEFAULT 0;
UPDATE recording SET public=1 WHERE importer IN (SELECT id FROM token WHERE browser=1);

-- Their names are kept as hashes from now on; a session that is under way begins another recording.
DELETE FROM foreign_session;

-- Batches of other recorders' clients that a gate took up (keeper/foreign.h): a repeat after the gate's restart is known by them. Gone with the
-- recording's end. 'hashes' are 8 bytes each: of the batch, then of its lines.
CREATE TABLE foreign_batch (
  rid TEXT NOT NULL REFERENCES recording(id),
  number BIGINT NOT NULL,
  last_segment BIGINT NOT NULL,
  hashes BLOB NOT NULL,
  PRIMARY KEY (rid, number)
);
