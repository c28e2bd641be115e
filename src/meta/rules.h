#pragma once
/*
 * What the server goes by: policies, configurations it has seen, answers it has given under an Idempotency-Key.
 * Rules for everything (errors, arenas, threads): meta/meta.h.
 */
#include "meta/meta.h"
#include "meta/page.h"
#include "meta/rows.h"

#define META_IDEMPOTENCY_MS (24LL * 3600 * 1000)

/* ERR_EXISTS: this text is known (its row can be put back into force). */
NODISCARD enum err meta_policy_add(struct meta *m, struct meta_policy *row, struct err_info *reterr);
NODISCARD enum err meta_policy_put(struct meta *m, const struct meta_policy *row, struct err_info *reterr);
NODISCARD enum err meta_policy_get(struct meta_view *v, struct span hash, struct arena *a, struct meta_policy *ret,
                                   struct err_info *reterr);
/* The one in force. ERR_NOTFOUND: none yet. */
NODISCARD enum err meta_policy_current(struct meta_view *v, struct arena *a, struct meta_policy *ret,
                                       struct err_info *reterr);
/* *ret true: it is the one with this hash, and no other. Reads nothing of its text: asked with each command. */
NODISCARD enum err meta_policy_is_current(struct meta_view *v, struct span hash, bool *ret, struct err_info *reterr);
/* Puts 'hash' in force; the one before becomes 'past'. */
NODISCARD enum err meta_policy_enact(struct meta *m, struct span hash, struct span by, time_ms now,
                                     struct err_info *reterr);
NODISCARD enum err meta_policies(struct meta_view *v, struct span state, const struct meta_page *page, struct arena *a,
                                 struct meta_policy_list *ret, struct meta_pos *ret_next, struct err_info *reterr);

/* ERR_NOTFOUND: the default ones. */
NODISCARD enum err meta_masks_get(struct meta_view *v, struct span project, struct arena *a, struct meta_masks *ret,
                                  struct err_info *reterr);
NODISCARD enum err meta_masks_put(struct meta *m, struct meta_masks *row, struct err_info *reterr); /* adds or replaces */

/* *ret_changed: it is not the one seen last, and was written. */
NODISCARD enum err meta_config_seen(struct meta *m, struct span hash, time_ms now, bool *ret_changed,
                                    struct err_info *reterr);

/* A row younger than 24 h. ERR_NOTFOUND. The caller compares body_sha256. */
NODISCARD enum err meta_idempotency_get(struct meta_view *v, struct span actor, struct span route, struct span key,
                                        time_ms now, struct arena *a, struct meta_idempotency *ret,
                                        struct err_info *reterr);
/* Replaces an older row of the same key. */
NODISCARD enum err meta_idempotency_put(struct meta *m, struct meta_idempotency *row, struct err_info *reterr);
/* Drops at most 'max' rows that are over. */
NODISCARD enum err meta_idempotency_purge(struct meta *m, time_ms now, int64_t max, int *ret_n,
                                          struct err_info *reterr);
