#pragma once
/*
 * The independent check of a log that lies as tiles (docs/formats/audit.md): every record, every tile of every level, the
 * root, the signature, the checkpoint that somebody kept. Pure: reads through a callback. Needs public bytes only.
 */
#include "audit/verify.h"

/* Appends the resource "checkpoint" or "tile/…" to ret. An error is a fault of the log: what it names has to be there. */
typedef enum err audit_read_fn(void *ctx, const char *name, struct buf *ret, struct err_info *reterr);

/*
 * key: of the log; its name is the origin. since: a checkpoint of the same log that was kept, or empty: it has to be a
 * beginning of this log. Memory: 32 bytes for 256 records. ERR_NOMEM is the only error; what is wrong is in *ret.
 */
NODISCARD enum err audit_verify_tiles(const struct note_vkey *key, struct span since, audit_read_fn *read, void *ctx,
                                      struct audit_result *ret, struct err_info *reterr);
