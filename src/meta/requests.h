#pragma once
/*
 * Requests, votes, grants, viewings and the ledger of issued keys.
 * Rules for everything (errors, arenas, threads): meta/meta.h. States and their moves are those of access/grant.h.
 */
#include "meta/meta.h"
#include "meta/page.h"
#include "meta/rows.h"

#define META_REQUEST_RECORDINGS_MAX 100
#define META_LIVE_MAX               200000 /* grants that have not ended */

/* ---- requests ---- */

struct meta_request_lists {
    const struct span *recordings, *actions, *viewers; /* viewers without the requester */
    size_t n_recordings, n_actions, n_viewers;
};

NODISCARD enum err meta_request_add(struct meta *m, struct meta_request *row, const struct meta_request_lists *lists,
                                    struct err_info *reterr);
/* What may change: state, cause, rule, terms, times, version. All other members are as added. */
NODISCARD enum err meta_request_put(struct meta *m, const struct meta_request *row, struct err_info *reterr);
NODISCARD enum err meta_request_get(struct meta_view *v, struct span id, struct arena *a, struct meta_request *ret,
                                    struct err_info *reterr);
/* Each sorted bytewise, as the digest wants them. */
NODISCARD enum err meta_request_lists(struct meta_view *v, struct span id, struct arena *a,
                                      struct meta_request_lists *ret, struct err_info *reterr);

/*
 * Whose rows: of these projects, or of this person (holder or requester); either may be empty, both empty is nobody's.
 * Empty states: all. recording: only what names it.
 */
struct meta_access_filter {
    const struct span *projects;
    size_t n_projects;
    struct span person;
    const struct span *states;
    size_t n_states;
    struct span recording;
    struct span gid; /* viewings, keys */
};

/* Newest first. */
NODISCARD enum err meta_requests(struct meta_view *v, const struct meta_access_filter *f, const struct meta_page *page,
                                 struct arena *a, struct meta_request_list *ret, struct meta_pos *ret_next,
                                 struct err_info *reterr);
/* PENDING ones whose lapse_ms is at or before 'until', soonest first, at most 'max'. */
NODISCARD enum err meta_requests_lapsing(struct meta_view *v, struct span pending, time_ms until, size_t max,
                                         struct arena *a, struct meta_request_list *ret, struct err_info *reterr);

/* Those that name this grant in 'extends', oldest first. */
NODISCARD enum err meta_requests_linked(struct meta_view *v, struct span gid, struct arena *a,
                                        struct meta_request_list *ret, struct err_info *reterr);
/* Those of a project with this ticket (as hook_ticket_key compares), in this state (of the request), oldest first. */
NODISCARD enum err meta_requests_of_ticket(struct meta_view *v, struct span project, struct span ticket,
                                           struct span state, struct arena *a, struct meta_request_list *ret,
                                           struct err_info *reterr);
/* Uses of break-glass by this account since then, oldest first. */
NODISCARD enum err meta_requests_broken(struct meta_view *v, struct span requester, time_ms since, struct arena *a,
                                        struct meta_request_list *ret, struct err_info *reterr);

/* ERR_EXISTS: this account, or this person, has voted. */
NODISCARD enum err meta_vote_add(struct meta *m, struct meta_vote *row, struct err_info *reterr);
/* In the order of time. */
NODISCARD enum err meta_votes(struct meta_view *v, struct span request, struct arena *a, struct meta_vote_list *ret,
                              struct err_info *reterr);

/* ---- grants ---- */

NODISCARD enum err meta_grant_add(struct meta *m, struct meta_grant *row, const struct span *recordings,
                                  size_t n_recordings, const struct span *actions, size_t n_actions,
                                  struct err_info *reterr);
NODISCARD enum err meta_grant_put(struct meta *m, const struct meta_grant *row, struct err_info *reterr);
NODISCARD enum err meta_grant_get(struct meta_view *v, struct span id, struct arena *a, struct meta_grant *ret,
                                  struct err_info *reterr);
NODISCARD enum err meta_grants_of_request(struct meta_view *v, struct span request, struct arena *a,
                                          struct meta_grant_list *ret, struct err_info *reterr);
NODISCARD enum err meta_grant_recordings(struct meta_view *v, struct span id, struct arena *a, struct span **ret,
                                         size_t *ret_n, struct err_info *reterr);
NODISCARD enum err meta_grant_actions(struct meta_view *v, struct span id, struct arena *a, struct span **ret,
                                      size_t *ret_n, struct err_info *reterr);
/* ERR_NOTFOUND: not in its scope. */
NODISCARD enum err meta_grant_covers(struct meta_view *v, struct span id, struct span rid, struct err_info *reterr);
NODISCARD enum err meta_grant_widen(struct meta *m, struct span id, struct span rid, struct err_info *reterr);
NODISCARD enum err meta_grant_narrow(struct meta *m, struct span id, struct span rid, struct err_info *reterr);
NODISCARD enum err meta_grants(struct meta_view *v, const struct meta_access_filter *f, const struct meta_page *page,
                               struct arena *a, struct meta_grant_list *ret, struct meta_pos *ret_next,
                               struct err_info *reterr);
/* All in one state: the live table after a start. */
NODISCARD enum err meta_grants_in_state(struct meta_view *v, struct span state, struct arena *a,
                                        struct meta_grant_list *ret, struct err_info *reterr);

/* Grants in this state whose request names this ticket, oldest first. */
NODISCARD enum err meta_grants_of_ticket(struct meta_view *v, struct span project, struct span ticket, struct span state,
                                         struct arena *a, struct meta_grant_list *ret, struct err_info *reterr);
/* Break-glass in this state of review ("due", "overdue") whose time for it was up by 'until', soonest first. */
NODISCARD enum err meta_grants_to_review(struct meta_view *v, struct span review, time_ms until, size_t max,
                                         struct arena *a, struct meta_grant_list *ret, struct err_info *reterr);

/* ---- the brake ---- */

/* ERR_EXISTS: frozen already. project: id or "*". */
NODISCARD enum err meta_freeze_add(struct meta *m, struct meta_freeze *row, struct err_info *reterr);
/* ERR_NOTFOUND. */
NODISCARD enum err meta_freeze_get(struct meta_view *v, struct span project, struct arena *a, struct meta_freeze *ret,
                                   struct err_info *reterr);
NODISCARD enum err meta_freeze_remove(struct meta *m, struct span project, struct err_info *reterr);
/* Everything's first, then in the order of time. */
NODISCARD enum err meta_freezes(struct meta_view *v, struct arena *a, struct meta_freeze_list *ret,
                                struct err_info *reterr);
/* 1 when everything is frozen, or this project is. */
NODISCARD enum err meta_frozen(struct meta_view *v, struct span project, bool *ret, struct err_info *reterr);

/* What a person has or waits for, per recording: state of the grant or request, newest first. */
struct meta_access {
    struct span rid, state, gid, request;
};
/* Is there a request or a grant of anybody that names the recording? Of most there is none: cheap to ask before looking closer. */
NODISCARD enum err meta_access_any(struct meta_view *v, struct span rid, bool *ret, struct err_info *reterr);
/* Grants and requests of the person in these states. */
NODISCARD enum err meta_access_of(struct meta_view *v, struct span person, const struct span *states, size_t n_states,
                                  struct arena *a, struct meta_access **ret, size_t *ret_n, struct err_info *reterr);

/*
 * Seconds of windows that opened at or after 'since' for this person (rid empty: all), as granted; one that ended early
 * counts until its end. For the caps of a policy.
 */
NODISCARD enum err meta_window_sum(struct meta_view *v, struct span holder, struct span rid, time_ms since,
                                   int64_t *ret_s, struct err_info *reterr);

/* ---- viewings ---- */

NODISCARD enum err meta_viewing_add(struct meta *m, struct meta_viewing *row, struct err_info *reterr);
NODISCARD enum err meta_viewing_put(struct meta *m, const struct meta_viewing *row, struct err_info *reterr);
NODISCARD enum err meta_viewing_get(struct meta_view *v, struct span id, struct arena *a, struct meta_viewing *ret,
                                    struct err_info *reterr);
/* The newest of (grant, recording, client key). */
NODISCARD enum err meta_viewing_find(struct meta_view *v, struct span gid, struct span rid, struct span client_key,
                                     struct arena *a, struct meta_viewing *ret, struct err_info *reterr);
NODISCARD enum err meta_viewings(struct meta_view *v, const struct meta_access_filter *f, const struct meta_page *page,
                                 struct arena *a, struct meta_viewing_list *ret, struct meta_pos *ret_next,
                                 struct err_info *reterr);
/* All of a grant that are not over. */
NODISCARD enum err meta_viewings_of_grant(struct meta_view *v, struct span gid, struct arena *a,
                                          struct meta_viewing_list *ret, struct err_info *reterr);

/* ---- issued keys ---- */

/* ERR_EXISTS: this jti was issued before: abort. */
NODISCARD enum err meta_key_add(struct meta *m, struct meta_key *row, struct err_info *reterr);
NODISCARD enum err meta_key_get(struct meta_view *v, struct span jti, struct arena *a, struct meta_key *ret,
                                struct err_info *reterr);
/* The first revocation stays. ERR_NOTFOUND: no such key, or revoked before. */
NODISCARD enum err meta_key_revoke(struct meta *m, struct span jti, time_ms at, struct err_info *reterr);
/* Neither expired nor revoked, of a grant; rid and client_token may be empty. Oldest first. */
NODISCARD enum err meta_keys_live(struct meta_view *v, struct span gid, struct span rid, struct span client_token,
                                  int64_t now_s, struct arena *a, struct meta_key_list *ret, struct err_info *reterr);
/* The same of (grant, recording, client key): a thumbprint, or a sign-in's id for keys that are bound to none. */
NODISCARD enum err meta_keys_live_of_client(struct meta_view *v, struct span gid, struct span rid,
                                            struct span client_key, int64_t now_s, struct arena *a,
                                            struct meta_key_list *ret, struct err_info *reterr);
/* The same of a sign-in, over all grants. */
NODISCARD enum err meta_keys_live_of_token(struct meta_view *v, struct span token, int64_t now_s, struct arena *a,
                                           struct meta_key_list *ret, struct err_info *reterr);
/* Of every grant: revoked, not yet expired (the deny set after a start). */
NODISCARD enum err meta_keys_denied(struct meta_view *v, int64_t now_s, struct arena *a, struct meta_key_list *ret,
                                    struct err_info *reterr);
NODISCARD enum err meta_keys(struct meta_view *v, struct span gid, const struct meta_page *page, struct arena *a,
                             struct meta_key_list *ret, struct meta_pos *ret_next, struct err_info *reterr);
