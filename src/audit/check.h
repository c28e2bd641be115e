#pragma once
/*
 * audit/verify over a database: the scrub, `fsck` and `audit verify DIR`. Also compares the hash rows, their columns and
 * the stored subtree roots with the leaves. Any thread with a view of its own; a long log takes its time.
 */
#include "audit/verify.h"
#include "meta/auditlog.h"

/* The newest stored checkpoint and all leaves. An error is a database that cannot be read; a fault is in *ret. */
NODISCARD enum err audit_check(struct meta_view *view, struct span log, const struct note_vkey *vkey,
                               struct audit_result *ret, struct err_info *reterr);

/*
 * The same in steps, for a log that grows meanwhile and readers that must not hold a state for long.
 * Life: audit_scrub_new -> audit_scrub_step until *ret_more is false -> audit_scrub_end -> free. Any thread.
 */
struct audit_scrub;
struct audit_scrub *audit_scrub_new(struct span log, const struct note_vkey *vkey); /* NULL: no memory */
struct audit_scrub *audit_scrub_free(struct audit_scrub *s);
void audit_scrub_freep(struct audit_scrub **s);
/* At most max_rows leaves more; the first step also takes the newest checkpoint. */
NODISCARD enum err audit_scrub_step(struct audit_scrub *s, struct meta_view *view, size_t max_rows, bool *ret_more,
                                    struct err_info *reterr);
void audit_scrub_end(struct audit_scrub *s, struct audit_result *ret);
