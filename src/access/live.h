#pragma once
/*
 * The table of live grants that gate and vault hold (STANDARDS 1.10), and the keys denied one by one.
 *
 * Exact: no entry, or one that is not ACTIVE, opens nothing. An ended grant stays in the table with its end code until
 * its window is over, so that an older message about it cannot bring it back: a generation never goes down, an end
 * absorbs. Memory: about 200 bytes a grant. Limits: LIVE_GRANTS_MAX, LIVE_DENIED_MAX; full means refused, nothing is
 * evicted. Threads: none of its own; readers may share it while nobody writes.
 */
#include "access/grant.h"
#include "base/map.h"
#include "format/id.h"
#include "format/ipc.h"

#define LIVE_GRANTS_MAX 200000
#define LIVE_DENIED_MAX 200000

struct live_quota {
    uint32_t key_streams, grant_streams, person_streams;
    uint64_t key_bytes;    /* volume of one key */
    uint64_t key_rate;     /* bytes a second */
    uint32_t key_requests; /* a second */
};

struct live_grant {
    char gid[ID_CAP], pid[ID_CAP], sub[ID_CAP];
    enum grant_state state;
    uint32_t gen;
    time_ms wend;      /* wall clock */
    int64_t deadline;  /* boot clock */
    uint16_t end_code; /* 4410 …: what streams are told when it is not ACTIVE */
    uint16_t max_speed_x100;
    uint8_t policy[32];
    struct live_quota quota;
};

struct live {
    struct map grants; /* of struct live_grant, owned */
    struct map denied; /* of struct live_denied, owned */
};

struct live_denied {
    char jti[JTI_CAP];
    time_ms exp;
    uint16_t end_code;
};

/* secret: random, keys the hash tables. */
void live_init(struct live *t, const uint8_t secret[16]);
void live_deinit(struct live *t);

/* What a GRANTS message carries. False: an id, a state or a hash of the wrong form. */
bool live_from_row(const struct ipc_row_grant *in, struct live_grant *ret);

/*
 * Puts a grant's newest row. An older generation than the one held, or a row that would make an ended grant live again,
 * is ignored (ERR_OK). *ret_changed (may be NULL): what keys of it may do is different now. ERR_NOMEM: full.
 */
NODISCARD enum err live_put(struct live *t, const struct live_grant *row, bool *ret_changed);

/* NULL: not known. Borrowed until the next put or sweep. */
const struct live_grant *live_find(const struct live *t, struct span gid);

/* Before a full list arrives: everything that is ACTIVE or SUSPENDED goes; ends and denials stay. */
void live_clear(struct live *t);

/* ERR_NOMEM: full. Denying what is denied keeps the first. */
NODISCARD enum err live_deny(struct live *t, struct span jti, time_ms exp, uint16_t end_code);
const struct live_denied *live_denied_find(const struct live *t, struct span jti);

/* Forgets denials that are over and grants whose window ended a minute ago. Call now and then. */
void live_sweep(struct live *t, time_ms wall);

enum live_verdict {
    LIVE_OK,
    LIVE_UNKNOWN, /* no such grant here, or a newer generation than ours: ask the keeper once */
    LIVE_OLD_GEN, /* the key is of an older generation: key-revoked */
    LIVE_DENIED,  /* this very key was revoked */
    LIVE_SUSPENDED,
    LIVE_ENDED, /* not ACTIVE any more, or either clock is past its end */
};

/* May a key (jti, gid, gen) be used at this moment? *ret (may be NULL) is its grant when there is one. */
enum live_verdict live_check(const struct live *t, struct span jti, struct span gid, uint32_t gen, time_ms wall,
                             int64_t boot, const struct live_grant **ret);

/* The end code of STANDARDS 5.2 for what live_check said; 0 for LIVE_OK and LIVE_UNKNOWN. */
int live_end_code(enum live_verdict v, const struct live_grant *g, const struct live_denied *d);
