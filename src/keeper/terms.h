#pragma once
/*
 * What the deciding rule said, kept with a request and its grant as a tree (meta 'terms'): a later policy changes nothing
 * about what was asked of voters and what a window may be like.
 */
#include "access/policy.h"
#include "base/tree.h"

struct terms {
    unsigned need, deny;
    struct vote_rule ask;      /* for access/vote; lists in the arena */
    int64_t max_ms;
    int64_t start_by_ms;
    uint16_t max_speed_x100;
    uint16_t key_streams, grant_streams, person_streams;
    uint64_t key_bytes, key_rate;
    uint32_t key_requests;
    bool watermark;
    bool bearer;               /* the rule allows keys without a client key */
    bool sole_person;          /* granted because there is nobody else */
};

/* Appends the tree. auto: nobody votes. */
void terms_write(const struct policy_rule *rule, struct buf *out);

/* The same of terms that were read, for a window under an older decision. */
void terms_put(const struct terms *t, struct buf *out);

/* Reads it back; lists are made in the arena and borrow from 'bytes'. ERR_CORRUPT, ERR_NOMEM. */
NODISCARD enum err terms_read(struct span bytes, struct arena *arena, struct terms *ret, struct err_info *reterr);
