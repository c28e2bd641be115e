#pragma once
/*
 * Everybody, as access/ wants to see them: one snapshot of accounts with the roles and groups they hold now, directly
 * and through groups, and the subjects that are theirs (over all accounts of one human).
 *
 * A snapshot is loaded through the view it is asked with, so inside a transaction it shows that transaction. It is kept
 * until the people generation in the database (a setting, raised by every change) is another one, or people_forget.
 * Threads: a seat's own.
 */
#include "access/who.h"
#include "base/arena.h"
#include "meta/meta.h"

#define PEOPLE_MAX 20000 /* accounts; more are refused at their making */

struct people {
    int64_t generation;
    struct people *older; /* what pointers of this call may still lie in; people_trim frees it */
    struct who *all;
    const struct span *full_names; /* beside all */
    size_t n;
    struct arena mem;
};

/* Makes *io_people current. */
NODISCARD enum err people_get(struct meta_view *v, struct people **io_people, struct err_info *reterr);
struct people *people_free(struct people *p);

/* Between two calls: only the newest stays. */
void people_trim(struct people *p);

/* In the transaction of every change of accounts, groups, roles, persons, subjects. */
NODISCARD enum err people_raise(struct meta *m, struct err_info *reterr);

/* NULL: nobody. Linear; there are few people. */
const struct who *people_by_id(const struct people *p, struct span id);
const struct who *people_by_name(const struct people *p, struct span name);
const struct who *people_by_id_or_name(const struct people *p, struct span id_or_name);
struct span people_full_name(const struct people *p, const struct who *w);
