#pragma once
/*
 * Which words stand in which block of a log (table audit_seen), so that a filtered list reads few blocks: see meta/auditlog.h.
 * Not for others than meta/.
 */
#include "meta/auditlog.h"
#include "meta/sqlite/db.h"

/* The words of a block whose last record was just appended; the same transaction. */
NODISCARD enum err auditseen_write(struct meta *m, struct span log, int64_t block, struct err_info *reterr);

/*
 * The block at or after 'block' (ascending; else at or before) that may hold a record that passes f, by its words alone. 'tail' is the
 * block that is not whole yet: it always may. *ret past the tail, or below 0: there is none.
 */
NODISCARD enum err auditseen_seek(struct meta_view *v, const struct meta_audit_filter *f, int64_t tail, int64_t block,
                                  int64_t *ret, struct err_info *reterr);
