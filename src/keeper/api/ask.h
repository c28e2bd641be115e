#pragma once
/* What request_create and requests_check have in common: the body, its recordings, and what the policy says. */
#include "keeper/api/api.h"
#include "keeper/item.h"
#include "keeper/life.h"

struct ask {
    struct request req;
    struct meta_recording *recs; /* beside items */
    struct policy_item *items;
    struct span project, env;
    const struct rules *rules;
    const struct people *people;
    struct policy_facts facts;
};

/* Reads and loads. *ret_ok false: refused, and answered. */
NODISCARD enum err ask_load(struct job *c, enum request_purpose what, struct ask *ret, bool *ret_ok,
                            struct err_info *reterr);

/* Decides for one purpose. */
struct policy_answer ask_decide(struct job *c, struct ask *a, struct span purpose);

/* Can today's people meet this rule for this request? */
struct vote_plan ask_plan(struct job *c, const struct ask *a, const struct policy_rule *rule);

/* An open request of the caller for the same recordings and actions: its id, or empty. */
NODISCARD enum err ask_conflict(struct job *c, const struct ask *a, struct span *ret, struct err_info *reterr);

/* "who_can_change": the administrators. */
void ask_write_admins(struct job *c, const struct people *people);
