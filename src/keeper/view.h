#pragma once
/*
 * Objects as the API shows them (docs/api/openapi.yaml, schemas). Each writes one JSON object, or one member 'key' with
 * it. What the caller may not see is left out or made a pseudonym here, in one place.
 */
#include "keeper/job.h"
#include "meta/rows.h"

/* {id, name, full_name}. An empty id: null. */
void view_person(struct job *c, const char *key, struct span account);
void view_time(struct job *c, const char *key, time_ms t);      /* 0: null */
void view_text(struct job *c, const char *key, struct span s);  /* empty: null */
void view_state(struct job *c, const char *key, struct span s); /* "pending": "PENDING" */
/* 1600: "16", 25: "0.25"; JSON number text in c->mem. */
struct span view_hundredths(struct job *c, int64_t n);
void view_words(struct job *c, const char *key, const struct span *words, size_t n);

/* "roles": those held by an account or a group, with the groups that give them. */
NODISCARD enum err view_roles(struct job *c, const char *key, struct span who, struct err_info *reterr);

/* "scope": the words. */
void view_scope(struct job *c, struct span scope);

/* The recorded person, or the 8 characters that stand for it. *ret_pseudonym may be NULL. */
struct span view_subject(struct job *c, const struct meta_recording *r, bool clear, bool *ret_pseudonym,
                         struct err_info *reterr);

NODISCARD enum err view_user(struct job *c, const char *key, struct span account, struct err_info *reterr);
NODISCARD enum err view_group(struct job *c, struct span team, struct err_info *reterr);
NODISCARD enum err view_project(struct job *c, struct span project, struct err_info *reterr);
NODISCARD enum err view_token(struct job *c, const struct meta_token *t, struct span secret, struct err_info *reterr);
/* {type, id, at_ms?} */
void view_link(struct job *c, const struct meta_pair *l);
NODISCARD enum err view_recording(struct job *c, const struct meta_recording *r, bool subject_clear,
                                  struct err_info *reterr);
/* As a voter sees it; a recording that is gone has only its id. */
NODISCARD enum err view_request_recording(struct job *c, const char *key, struct span rid, struct err_info *reterr);
NODISCARD enum err view_request(struct job *c, const struct meta_request *q, struct err_info *reterr);
/* Inside view_*.c: members of a request and of a grant that reach beyond one person and one window. */
struct life;
NODISCARD enum err view_request_beyond(struct job *c, const struct life *l, struct err_info *reterr);
NODISCARD enum err view_grant_beyond(struct job *c, const struct life *l, struct err_info *reterr);
NODISCARD enum err view_grant(struct job *c, const struct meta_grant *g, struct err_info *reterr);
NODISCARD enum err view_key(struct job *c, const struct meta_key *k, struct err_info *reterr);
NODISCARD enum err view_viewing(struct job *c, const struct meta_viewing *v, struct err_info *reterr);
NODISCARD enum err view_policy(struct job *c, const struct meta_policy *p, bool whole, struct err_info *reterr);
