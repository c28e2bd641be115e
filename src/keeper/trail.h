#pragma once
/*
 * Audit records of a call: the leaf's common members filled in, facts sealed to whom they are about, appended in the
 * call's transaction.
 */
#include "format/leaf.h"
#include "keeper/job.h"

/* A leaf of this type, with the hash of the call's signed act, time, actor (who is signed in, else "system"), log and outcome "ok". */
struct leaf trail_leaf(struct job *c, enum leaf_type type, struct span log);

/*
 * A fact about 'person' (h_…): nothing happens when the value is empty. Value and person must live until trail_write.
 */
void trail_fact(struct job *c, struct leaf *l, const char *field, struct span value, struct span person);

/* Marks a record of what somebody decided: numbers 'unsigned', when no act was signed, and 'sole_admin'. */
void trail_mark(const struct job *c, struct leaf *l);

/* Appends it. *ret_idx may be NULL. */
NODISCARD enum err trail_write(struct job *c, struct leaf *l, uint64_t *ret_idx, struct err_info *reterr);

/* The log of a project, or "system" for an empty id. */
struct span trail_log(struct job *c, struct span project);
