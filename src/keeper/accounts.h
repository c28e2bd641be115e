#pragma once
/*
 * Making and changing accounts, groups, projects and roles, each with its record; used by the API and by init.
 * Changes raise the people generation, so that what was derived is loaded anew.
 */
#include "keeper/job.h"

struct accounts_role {
    struct span role;    /* "viewer" */
    struct span project; /* id or "*" */
};

struct accounts_new {
    struct span name, full_name;
    struct span password; /* argon2id text, or empty */
    struct span person;   /* an existing person's id, or empty: its own */
    const struct span *subjects;
    size_t n_subjects;
    const struct span *groups; /* ids */
    size_t n_groups;
    const struct accounts_role *roles;
    size_t n_roles;
};

/* ERR_EXISTS: the name is taken. */
NODISCARD enum err accounts_make(struct job *c, const struct accounts_new *in, struct span *ret_id,
                                 struct err_info *reterr);
NODISCARD enum err accounts_make_group(struct job *c, struct span name, bool builtin, struct span *ret_id,
                                       struct err_info *reterr);
/* With its log, whose first record this is. */
NODISCARD enum err accounts_make_project(struct job *c, struct span name, struct span env, struct span *ret_id,
                                         struct err_info *reterr);

/* who: an account or a group. What is so already leaves no record. */
NODISCARD enum err accounts_give(struct job *c, struct span who, struct span role, struct span project,
                                 struct err_info *reterr);
NODISCARD enum err accounts_take(struct job *c, struct span who, struct span role, struct span project,
                                 struct err_info *reterr);
NODISCARD enum err accounts_join(struct job *c, struct span group, struct span account, struct err_info *reterr);
NODISCARD enum err accounts_leave(struct job *c, struct span group, struct span account, struct err_info *reterr);

/* After it nobody of this account is signed in, asks, or watches (STANDARDS 2.2, 2.3). */
NODISCARD enum err accounts_disable(struct job *c, struct meta_account *a, struct err_info *reterr);

/* Every sign-in and token of the account but 'keep'. */
NODISCARD enum err accounts_end_sign_ins(struct job *c, struct span account, struct span keep, const char *cause,
                                         struct err_info *reterr);

/* By id or name. ERR_NOTFOUND. */
NODISCARD enum err accounts_project(struct job *c, struct span id_or_name, struct meta_project *ret,
                                    struct err_info *reterr);
