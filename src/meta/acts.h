#pragma once
/*
 * Client keys, signed acts and guarded changes of people (STANDARDS 2.4, 2.6, 5.1).
 * Rules for everything (errors, arenas, threads): meta/meta.h. add sets seq and v of the row it is given.
 */
#include "meta/meta.h"
#include "meta/page.h"
#include "meta/rows.h"

/* ERR_EXISTS: the account has this key already. */
NODISCARD enum err meta_client_key_add(struct meta *m, struct meta_client_key *row, struct err_info *reterr);
NODISCARD enum err meta_client_key_get(struct meta_view *v, struct span account, struct span jkt, struct arena *a,
                                       struct meta_client_key *ret, struct err_info *reterr);
/* Registered at or after 'since', newest first, at most 'max'. */
NODISCARD enum err meta_client_keys(struct meta_view *v, struct span account, time_ms since, size_t max, struct arena *a,
                                    struct meta_client_key_list *ret, struct err_info *reterr);

/* ERR_EXISTS: this act was taken before. */
NODISCARD enum err meta_act_add(struct meta *m, struct meta_act *row, struct err_info *reterr);
NODISCARD enum err meta_act_get(struct meta_view *v, struct span hash, struct arena *a, struct meta_act *ret,
                                struct err_info *reterr);
NODISCARD enum err meta_act_by_once(struct meta_view *v, struct span once, struct arena *a, struct meta_act *ret,
                                    struct err_info *reterr);

NODISCARD enum err meta_change_add(struct meta *m, struct meta_change *row, struct err_info *reterr);
NODISCARD enum err meta_change_put(struct meta *m, const struct meta_change *row, struct err_info *reterr);
NODISCARD enum err meta_change_get(struct meta_view *v, struct span id, struct arena *a, struct meta_change *ret,
                                   struct err_info *reterr);
/* state may be empty: all. Newest first. */
NODISCARD enum err meta_changes(struct meta_view *v, struct span state, const struct meta_page *page, struct arena *a,
                                struct meta_change_list *ret, struct meta_pos *ret_next, struct err_info *reterr);
/* Waiting, and their time has come; oldest first, at most 'max'. */
NODISCARD enum err meta_changes_due(struct meta_view *v, time_ms now, size_t max, struct arena *a,
                                    struct meta_change_list *ret, struct err_info *reterr);
