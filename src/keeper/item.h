#pragma once
/* Recordings, people and the situation as the policy sees them. */
#include "access/policy.h"
#include "keeper/job.h"

/* Rows become items; in c->mem. */
NODISCARD enum err item_of(struct job *c, const struct meta_recording *r, struct policy_item *ret,
                           struct err_info *reterr);
/* The same of who has read its tags and links, which it borrows. */
NODISCARD enum err item_with(struct job *c, const struct meta_recording *r, const struct meta_pair *tags, size_t n_tags,
                             const struct meta_pair *links, size_t n_links, struct policy_item *ret, struct err_info *reterr);

/* The asker's facts. 'who' may be another than the caller (a grant judged again). */
void item_facts(struct job *c, const struct people *people, const struct who *who, struct span project,
                struct span purpose, struct policy_facts *ret);

/* Nobody but this human could vote in the project, were they asked. */
bool item_sole_person(const struct people *people, const struct who *who, struct span project);
