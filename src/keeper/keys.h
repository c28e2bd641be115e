#pragma once
/*
 * Provisioning keys: the ledger, denials, and what a gate may ask about a key it sees (STANDARDS 1.4, 1.8).
 */
#include "format/key.h"
#include "keeper/life.h"

#define KEYS_LIVE_MAX 2 /* per (grant, recording, client key) */

/* Denies one key at once: row, record, push. Nothing when it is over or denied already. */
NODISCARD enum err keys_deny(struct job *c, const struct meta_key *k, const char *cause, struct err_info *reterr);

/* All live keys of a sign-in, or of (grant, recording, client key). */
NODISCARD enum err keys_deny_token(struct job *c, struct span token_id, struct err_info *reterr);
NODISCARD enum err keys_deny_viewing(struct job *c, const struct meta_viewing *v, struct err_info *reterr);

/*
 * May this key be used now, by ledger, row and grant as they are in this transaction? KEY_OK: *ret_key, *ret_life are
 * filled.
 */
struct keys_claim {
    struct span jti, gid, rid, pid, sub;
    struct span env; /* empty: not compared */
    uint32_t gen;
    struct span jkt; /* cnf.jkt; compared when bound is true */
    bool bound;
};
NODISCARD enum err keys_judge(struct job *c, const struct keys_claim *claim, enum key_verdict *ret,
                              struct meta_key *ret_key, struct meta_grant *ret_grant, struct err_info *reterr);
