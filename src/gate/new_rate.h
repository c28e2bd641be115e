#pragma once
/*
 * How often recordings may be begun with one public token: by one source (the client's address prefix, STANDARDS 1.7) and
 * by all of them. Token buckets, full at first.
 *
 * Threads: any; one mutex, held for a look-up. Limits: NEW_RATE_ROWS counters; when all of them are in use, an old one that is full
 * again goes, and where there is none everybody new shares one.
 */
#include <pthread.h>

#include "base/err.h"
#include "base/map.h"
#include "base/times.h"

#define NEW_RATE_ROWS         20000
#define NEW_RATE_SOURCE_BURST 60
#define NEW_RATE_SOURCE_MS    1000 /* for one more */
#define NEW_RATE_TOKEN_BURST  3000
#define NEW_RATE_TOKEN_PER_S  300

struct new_rate {
    pthread_mutex_t lock;
    struct map rows; /* of struct rate_row */
    int64_t swept;   /* boot clock */
};

NODISCARD enum err new_rate_init(struct new_rate *r, const uint8_t secret[16], struct err_info *reterr);
void new_rate_deinit(struct new_rate *r);

/* What begins: a recording; a session of another recorder's client of which only links are known yet. Each has counters of its own. */
enum new_rate_of { NEW_RATE_RECORDING, NEW_RATE_EARLY };

/* 0: taken. Otherwise nothing is taken, and it is worth asking again after so many milliseconds. boot: monotonic, in ms. */
int64_t new_rate_take(struct new_rate *r, enum new_rate_of of, struct span tid, struct span source, int64_t boot);
