#pragma once
/* What everything that files or checks a request has in common: the body, its recordings and people, and what the policy says. */
#include "keeper/api/api.h"
#include "keeper/item.h"
#include "keeper/life.h"

#define ASK_CHAIN_MAX 100 /* grants that prolong one another: whoever needs longer asks anew */

struct ask {
    struct request req;
    struct meta_recording *recs; /* beside items */
    struct policy_item *items;
    struct span project, env;
    const struct rules *rules;
    const struct people *people;
    struct policy_facts facts;
    enum policy_ticket ticket; /* what hooks have said of it */
    const struct who **viewers; /* beside req.viewers */
    enum life_link link;
    struct life to;             /* what it is linked to, brought up to date */
};

/* Reads and loads. *ret_ok false: refused, and answered. */
NODISCARD enum err ask_load(struct job *c, enum request_purpose what, struct ask *ret, bool *ret_ok,
                            struct err_info *reterr);

/*
 * The request that goes with a grant, what is known filled in: recordings, actions, purpose, reason, ticket of it. The
 * caller then changes what is to be different, and calls ask_find.
 */
void ask_linked(const struct life *to, enum life_link link, struct ask *ret);

/* Loads what ret->req names. *ret_ok false: refused, and answered. */
NODISCARD enum err ask_find(struct job *c, struct ask *ret, bool *ret_ok, struct err_info *reterr);

/* All guards of T1, then rows, records and 201 with the request; a rule may approve it at once. Break-glass, too. */
NODISCARD enum err ask_file(struct job *c, struct ask *a, struct err_info *reterr);

/* More time that was granted beforehand: a linked request whose grant opens at once (request_file.c). */
NODISCARD enum err ask_file_beforehand(struct job *c, struct ask *a, const struct life *root, struct err_info *reterr);

/* Decides for one purpose. */
struct policy_answer ask_decide(struct job *c, struct ask *a, struct span purpose);

/* Whom a vote on it would be about; lists in the call's memory. */
void ask_case(struct job *c, const struct ask *a, struct vote_case *ret);

/* Can today's people meet this rule for this request? */
struct vote_plan ask_plan(struct job *c, const struct ask *a, const struct policy_rule *rule);

/*
 * A grant of the caller, under any of their accounts, over one of the recordings that is SUSPENDED: its id, or empty. What a
 * rule grants by itself must not be the way around somebody who said stop.
 */
NODISCARD enum err ask_held(struct job *c, const struct ask *a, struct span *ret, struct err_info *reterr);

/* An open request of the caller for the same, linked to the same: its id, or empty. */
NODISCARD enum err ask_conflict(struct job *c, const struct ask *a, struct span *ret, struct err_info *reterr);

/* "who_can_change": the administrators. */
void ask_write_admins(struct job *c, const struct people *people);
