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
