-- Each section has its owner's tables.

-- ---- words of recordings, for searches whose cost does not grow with the number of hits (src/meta/sqlite/search.h) ----

-- Words of title, tags and links; rowid is the recording's seq. Each length in 'prefix' is a list of its own: a beginning of
-- that length is found without gathering the words that begin so. Places of words are not kept: phrases are looked for in the text.
CREATE VIRTUAL TABLE recording_word USING fts5 (words, detail = none, columnsize = 0, tokenize = 'unicode61 remove_diacritics 2',
  prefix = '1 2 3 4 5 6 7 8 10 12');
INSERT INTO recording_word(rowid, words) SELECT rowid, title FROM recording_words ORDER BY rowid;
DROP TABLE recording_words;
