#pragma once
/*
 * Who watched what, from leaves alone (STANDARDS 3.7): leases, settlements, exports and gateway passes of one log are folded
 * into viewings, each with the events that were sent or must be taken as sent.
 *
 * A settlement replaces the leases of its series by the ranges really sent: the one that it names, and those that name the same
 * one as theirs. A lease that nothing settles counts as sent in full, and the viewing says so: a report never says too little.
 *
 * Life:    watched_new -> watched_leaf in order of the log's index* -> watched_end -> the list is valid while the arena is.
 * Limits:  WATCHED_VIEWINGS_MAX viewings, WATCHED_LEAVES_MAX leaves; past one of them watched_leaf says no.
 */
#include "base/arena.h"
#include "meta/auditlog.h"

#define WATCHED_VIEWINGS_MAX 10000
#define WATCHED_LEAVES_MAX   500000
#define WATCHED_RANGES_MAX   64 /* of a viewing, as they are told; more: the last one runs to the end */

struct watched_range {
    int64_t from, to; /* inclusive; to -1: to the end of what there was */
};

struct watched_lease;

/* Spans lie in the arena. */
struct watched {
    struct span vid; /* empty: a gateway passed files of it, without a viewing */
    struct span rid, actor, q, gid;
    time_ms first_t, last_t;
    int64_t first_i, last_i;
    bool exported, live, gateway;
    bool settled;    /* nothing is counted only because nothing says otherwise */
    struct watched_range *ranges; /* in order, apart from each other */
    size_t n_ranges;
    int64_t events;  /* in them, open ends not counted */
    struct watched_lease *leases; /* while folding */
};

struct watched_fold;

/* NULL: no memory. The arena outlives what comes out. */
struct watched_fold *watched_new(struct arena *mem);
struct watched_fold *watched_free(struct watched_fold *f);
void watched_freep(struct watched_fold **f);

/* Types that matter, for a meta_audit_filter. */
extern const struct span watched_types[];
extern const size_t watched_n_types;

/* Another leaf of the log. False: a limit was reached, and what there is stays as it is; or there is no memory, which watched_end says. */
bool watched_leaf(struct watched_fold *f, const struct meta_audit_item *item);

/* Oldest first. *ret lies in the fold, what it points to in the arena. ERR_NOMEM: something could not be kept. */
NODISCARD enum err watched_end(struct watched_fold *f, struct watched ***ret, size_t *ret_n,
                               struct err_info *reterr);
