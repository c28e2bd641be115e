-- A record of the audit log is one row, written where the last one was, and one entry of one index. What lists filter by is
-- noted once for each block of 256 records instead of in five indexes (src/meta/sqlite/auditlog.c): a group of twenty records
-- changed ninety pages, and changes a tenth of that.

DROP TRIGGER audit_no_update;
DROP TRIGGER audit_no_delete;
DROP TRIGGER audit_leaf_no_update;
DROP TRIGGER audit_leaf_no_delete;
ALTER TABLE audit RENAME TO audit_before;

-- actor, q, gid, rid repeat what the leaf says, so that lists can filter; NULL is absent. leaf: the exact bytes.
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
  leaf BLOB,
  PRIMARY KEY (log, idx)
);
INSERT INTO audit(log,idx,type,time,hash,actor,q,gid,rid,leaf)
  SELECT a.log, a.idx, a.type, a.time, a.hash, a.actor, a.q, a.gid, a.rid, l.leaf
  FROM audit_before a LEFT JOIN audit_leaf l ON l.log=a.log AND l.idx=a.idx ORDER BY a.log, a.idx;
DROP TABLE audit_before;
DROP TABLE audit_leaf;

-- Derived: which words (type, its family "replay.", actor, q, gid, rid) stand in the records [256 * block, 256 * block + 256).
-- Of whole blocks only; the last one of a log is read itself.
CREATE TABLE audit_seen (
  log TEXT NOT NULL,
  word TEXT NOT NULL,
  block BIGINT NOT NULL,
  PRIMARY KEY (log, word, block)
) WITHOUT ROWID;
INSERT INTO audit_seen(log, word, block)
  SELECT w.log, w.word, w.block FROM (
    SELECT log, type AS word, idx / 256 AS block FROM audit
    UNION SELECT log, substr(type, 1, instr(type, '.')), idx / 256 FROM audit WHERE instr(type, '.') > 0
    UNION SELECT log, actor, idx / 256 FROM audit WHERE actor IS NOT NULL
    UNION SELECT log, q, idx / 256 FROM audit WHERE q IS NOT NULL
    UNION SELECT log, gid, idx / 256 FROM audit WHERE gid IS NOT NULL
    UNION SELECT log, rid, idx / 256 FROM audit WHERE rid IS NOT NULL) w
  WHERE w.block < (SELECT (max(idx) + 1) / 256 FROM audit a WHERE a.log = w.log);

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_seen_no_update BEFORE UPDATE ON audit_seen BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_seen_no_delete BEFORE DELETE ON audit_seen BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
