#pragma once
/*
 * Leaves that the vault takes nobody's word for (STANDARDS 1.9 "No silent access"). With each key it signs and each recording
 * key it releases it writes the audit leaf that says so by itself, and keeps its hash until a checkpoint of that log shows it
 * at its index. Pure: the caller has the clock.
 *
 * A release may be asked for after the checkpoint that has its leaf was signed (keeper and gate are two channels): so the
 * hashes of the newest leaves are kept for WAITING_RECENT_MS.
 *
 * Life:   waiting_init -> add / agrees / take / sweep* -> waiting_deinit.
 * Memory: about 100 bytes a waiting leaf, 32 a recent one; both have limits.
 */
#include "base/list.h"
#include "base/map.h"
#include "format/id.h"
#include "format/ipc.h"
#include "format/merkle.h"

#define WAITING_MAX        65536  /* leaves */
#define WAITING_LATE_MS    5000   /* a leaf that no checkpoint has shown by then */
#define WAITING_RECENT_MS  15000
#define WAITING_RECENT_MAX 524288 /* hashes */
#define WAITING_LOGS_MAX   1000000

struct waiting {
    struct map logs;  /* of struct waiting_log, owned */
    struct list line; /* of all logs, the oldest first */
    size_t n, n_recent;
};

void waiting_init(struct waiting *w, const uint8_t secret[16]);
void waiting_deinit(struct waiting *w);

enum waiting_verdict {
    WAITING_ADDED,   /* it must come with a later checkpoint */
    WAITING_SHOWN,   /* a signed checkpoint has it, there */
    WAITING_FALSE,   /* a signed checkpoint has another leaf there */
    WAITING_UNKNOWN, /* below what is signed and not among the newest: it proves nothing */
    WAITING_FULL,
};

/* 'signed_size': of the newest checkpoint of this log; used when nothing of it is known here. boot: CLOCK_BOOTTIME. */
enum waiting_verdict waiting_add(struct waiting *w, struct span log, uint64_t idx, const struct merkle_hash *hash,
                                 uint64_t signed_size, int64_t boot);

/* The leaves [first, first + n) as a checkpoint would have them: false when one that is waited for is another. */
bool waiting_agrees(const struct waiting *w, struct span log, uint64_t first, const struct ipc_row_hash *leaves, uint32_t n);

/* A run of leaves, copied. NULL: no memory. */
struct waiting_run;
struct waiting_run *waiting_run_new(uint64_t first, const struct ipc_row_hash *leaves, uint32_t n);
struct waiting_run *waiting_run_free(struct waiting_run *r);

/*
 * The checkpoint that shows these leaves is signed: strikes off what waited for them. Takes the run. False: one that was
 * waited for is another (it came to wait after waiting_agrees), or was passed over.
 */
bool waiting_take(struct waiting *w, struct span log, struct waiting_run *run, int64_t boot);

/* Some leaf has waited for WAITING_LATE_MS. */
bool waiting_is_late(const struct waiting *w, int64_t boot);

/* Forgets what is no longer recent. */
void waiting_sweep(struct waiting *w, int64_t boot);
