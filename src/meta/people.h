#pragma once
/*
 * People and what they may do: projects, persons, accounts, teams (groups), roles, tokens and sign-ins.
 * Rules for everything (errors, arenas, threads): meta/meta.h. add sets seq and v of the row it is given.
 */
#include "meta/meta.h"
#include "meta/page.h"
#include "meta/rows.h"

#define META_ALL_MAX 20000 /* rows of the lists below that have no page: past it ERR_LIMIT */

/* ---- projects ---- */
NODISCARD enum err meta_project_add(struct meta *m, struct meta_project *row, struct err_info *reterr);
NODISCARD enum err meta_project_put(struct meta *m, const struct meta_project *row, struct err_info *reterr);
NODISCARD enum err meta_project_get(struct meta_view *v, struct span id, struct arena *a, struct meta_project *ret,
                                    struct err_info *reterr);
NODISCARD enum err meta_project_by_name(struct meta_view *v, struct span name, struct arena *a,
                                        struct meta_project *ret, struct err_info *reterr);
/* Newest first. */
NODISCARD enum err meta_projects(struct meta_view *v, struct arena *a, struct meta_project_list *ret,
                                 struct err_info *reterr);

/* ---- persons ---- */
NODISCARD enum err meta_person_add(struct meta *m, struct meta_person *row, struct err_info *reterr);
NODISCARD enum err meta_person_get(struct meta_view *v, struct span id, struct arena *a, struct meta_person *ret,
                                   struct err_info *reterr);
/* The person behind a recorded subject: an account's, when one lists the subject as its own; else what was put. */
NODISCARD enum err meta_subject_person_get(struct meta_view *v, struct span project, struct span subject,
                                           struct arena *a, struct meta_person *ret, struct err_info *reterr);
NODISCARD enum err meta_subject_person_put(struct meta *m, struct span project, struct span subject,
                                           struct span person, struct err_info *reterr);

/* ---- accounts ---- */
NODISCARD enum err meta_account_add(struct meta *m, struct meta_account *row, struct err_info *reterr);
NODISCARD enum err meta_account_put(struct meta *m, const struct meta_account *row, struct err_info *reterr);
NODISCARD enum err meta_account_get(struct meta_view *v, struct span id, struct arena *a, struct meta_account *ret,
                                    struct err_info *reterr);
NODISCARD enum err meta_account_by_name(struct meta_view *v, struct span name, struct arena *a,
                                        struct meta_account *ret, struct err_info *reterr);
/* part: of the name, any case of ASCII; state: exact; both may be empty. */
NODISCARD enum err meta_accounts(struct meta_view *v, struct span part, struct span state,
                                 const struct meta_page *page, struct arena *a, struct meta_account_list *ret,
                                 struct meta_pos *ret_next, struct err_info *reterr);
NODISCARD enum err meta_accounts_all(struct meta_view *v, struct arena *a, struct meta_account_list *ret,
                                     struct err_info *reterr);
/* Only the sign-in counters: no version, no other column (a flood of failures stays cheap). */
NODISCARD enum err meta_account_login_put(struct meta *m, const struct meta_account *row, struct err_info *reterr);

/* The subject ids that are this account's own. put replaces all; n may be 0. */
NODISCARD enum err meta_account_subjects(struct meta_view *v, struct span account, struct arena *a, struct span **ret,
                                         size_t *ret_n, struct err_info *reterr);
NODISCARD enum err meta_account_subjects_put(struct meta *m, struct span account, const struct span *subjects, size_t n,
                                             struct err_info *reterr);
/* Accounts that list this subject. */
NODISCARD enum err meta_accounts_of_subject(struct meta_view *v, struct span subject, struct arena *a,
                                            struct meta_account_list *ret, struct err_info *reterr);

/* ---- teams ---- */
NODISCARD enum err meta_team_add(struct meta *m, struct meta_team *row, struct err_info *reterr);
NODISCARD enum err meta_team_get(struct meta_view *v, struct span id, struct arena *a, struct meta_team *ret,
                                 struct err_info *reterr);
NODISCARD enum err meta_team_by_name(struct meta_view *v, struct span name, struct arena *a, struct meta_team *ret,
                                     struct err_info *reterr);
NODISCARD enum err meta_teams(struct meta_view *v, struct arena *a, struct meta_team_list *ret,
                              struct err_info *reterr);
/* With its members and roles. */
NODISCARD enum err meta_team_remove(struct meta *m, struct span id, struct err_info *reterr);
/* ERR_EXISTS: is a member. Sets groups_changed_ms of the account to since_ms, as does remove with 'now'. */
NODISCARD enum err meta_member_add(struct meta *m, struct meta_member *row, struct err_info *reterr);
/* ERR_NOTFOUND: is none. */
NODISCARD enum err meta_member_remove(struct meta *m, struct span team, struct span account, time_ms now,
                                      struct err_info *reterr);
NODISCARD enum err meta_members(struct meta_view *v, struct span team, struct arena *a, struct meta_member_list *ret,
                                struct err_info *reterr);
NODISCARD enum err meta_teams_of(struct meta_view *v, struct span account, struct arena *a,
                                 struct meta_team_list *ret, struct err_info *reterr);
NODISCARD enum err meta_memberships(struct meta_view *v, struct span account, struct arena *a,
                                    struct meta_member_list *ret, struct err_info *reterr);

/* ---- roles ---- */
/* ERR_EXISTS: has it. */
NODISCARD enum err meta_role_give(struct meta *m, struct meta_role *row, struct err_info *reterr);
/* ERR_NOTFOUND: has it not. */
NODISCARD enum err meta_role_take(struct meta *m, struct span who, struct span role, struct span project,
                                  struct err_info *reterr);
/* Given to exactly this account or team. */
NODISCARD enum err meta_roles_given(struct meta_view *v, struct span who, struct arena *a, struct meta_role_list *ret,
                                    struct err_info *reterr);
/* Of an account, its teams' included, for all projects: what the access rules evaluate. 'who' says where from. */
NODISCARD enum err meta_roles_of(struct meta_view *v, struct span account, struct arena *a,
                                 struct meta_role_list *ret, struct err_info *reterr);
/* Active accounts that hold this role in the project (also by '*' or a team). */
NODISCARD enum err meta_role_holders(struct meta_view *v, struct span role, struct span project, struct arena *a,
                                     struct meta_account_list *ret, struct err_info *reterr);
/* Projects in which the account holds one of these roles (n_roles 0: any role); '*' gives all. Ids, newest first. */
NODISCARD enum err meta_projects_of(struct meta_view *v, struct span account, const char *const *roles, size_t n_roles,
                                    struct arena *a, struct span **ret, size_t *ret_n, struct err_info *reterr);

/* ---- tokens and sign-ins ---- */
NODISCARD enum err meta_token_add(struct meta *m, struct meta_token *row, struct err_info *reterr);
NODISCARD enum err meta_token_put(struct meta *m, const struct meta_token *row, struct err_info *reterr);
NODISCARD enum err meta_token_get(struct meta_view *v, struct span id, struct arena *a, struct meta_token *ret,
                                  struct err_info *reterr);
NODISCARD enum err meta_token_by_sha256(struct meta_view *v, struct span sha256, struct arena *a,
                                        struct meta_token *ret, struct err_info *reterr);
/* last_seen_ms only. */
NODISCARD enum err meta_token_seen(struct meta *m, struct span id, time_ms now, struct err_info *reterr);
/* Ends every active token of the account but 'keep' (may be empty). */
NODISCARD enum err meta_tokens_end(struct meta *m, struct span account, struct span keep, time_ms now, int *ret_n,
                                   struct err_info *reterr);

/* Empty members do not filter. */
struct meta_token_filter {
    struct span kind, account, project, state;
};
NODISCARD enum err meta_tokens(struct meta_view *v, const struct meta_token_filter *f, const struct meta_page *page,
                               struct arena *a, struct meta_token_list *ret, struct meta_pos *ret_next,
                               struct err_info *reterr);
/* Active, but past expires_ms; oldest first, at most 'max'. */
NODISCARD enum err meta_tokens_over(struct meta_view *v, struct span kind, time_ms now, size_t max, struct arena *a,
                                    struct meta_token_list *ret, struct err_info *reterr);
/* Active ingest tokens: what the gate is pushed. */
NODISCARD enum err meta_tokens_of_kind(struct meta_view *v, struct span kind, struct arena *a,
                                       struct meta_token_list *ret, struct err_info *reterr);
