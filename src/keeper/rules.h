#pragma once
/*
 * The policy in force, compiled once and kept until another one is.
 * Threads: a seat's own.
 */
#include "access/policy.h"
#include "base/arena.h"
#include "meta/meta.h"

struct rules {
    char hash[POLICY_HASH_TEXT + 1];
    const struct policy *policy; /* NULL: none is in force, so nothing is allowed */
    struct rules *older;         /* as people.h */
    struct arena mem;
};

/* Time zones of this system, for policy_load. */
extern const struct zone_source rules_zones;

/* Makes *io_rules current. ERR_CORRUPT: what is stored does not compile. */
NODISCARD enum err rules_get(struct meta_view *v, struct rules **io_rules, struct err_info *reterr);
struct rules *rules_free(struct rules *r);
void rules_trim(struct rules *r);
