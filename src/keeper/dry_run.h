#pragma once
/*
 * What would another policy have decided about the requests there have been (STANDARDS 2.6, docs/policy.md)?
 *
 * Each request is decided twice with the same facts: by the policy in force and by the other one. So what differs is the
 * change's doing, not that of people and recordings that are others today. Facts: the time of the request; roles, groups and
 * recordings as they are now; rules about the client's address and sign-in as if the client met them.
 * Runs on a reader. Limits: DRY_RUN_REQUESTS_MAX requests and DRY_RUN_ITEMS_MAX recordings, newest first; 'complete' says
 * whether that was all.
 */
#include "access/policy.h"
#include "keeper/job.h"

#define DRY_RUN_REQUESTS_MAX 2000
#define DRY_RUN_ITEMS_MAX    20000

struct dry_run {
    const struct policy *policy;
    time_ms since;
    size_t limit; /* of the listed ones; counts are of all */
};

/* Writes the members from, to, looked_at, differ, complete, counts, items of the open object c->w. */
NODISCARD enum err dry_run(struct job *c, const struct dry_run *d, struct err_info *reterr);
