#pragma once
/* Pending requests on which the caller could vote now. */
#include "keeper/life.h"

/* Why the caller may not vote on this one (a fresh sign-in assumed): VOTE_OK when they may. */
NODISCARD enum err inbox_may_vote(struct job *c, const struct life *l, enum vote_verdict *ret, struct err_info *reterr);

NODISCARD enum err inbox_count(struct job *c, int64_t *ret, struct err_info *reterr);

/* Projects in which the caller sees other people's requests; in c->mem. */
NODISCARD enum err inbox_projects(struct job *c, struct span **ret, size_t *ret_n, struct err_info *reterr);
