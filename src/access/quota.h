#pragma once
/*
 * Quotas of viewing (STANDARDS 1.11), counted exactly: streams at once per key, grant and person; volume and rates per
 * key.
 *
 * The records are small, zero is the empty state, and the caller keeps them in its own tables; whoever shares one
 * between threads locks it. Times are boot-clock milliseconds. Streams and rates begin at zero with a new gate; volume
 * is put back from the leases (quota_key.bytes).
 */
#include "access/live.h"
#include "format/key.h"

/* A token bucket with a second's worth in it; it may be overdrawn once, so that one large piece always goes through. */
struct quota_bucket {
    int64_t level; /* thousandths of a unit; below zero: overdrawn */
    int64_t at;    /* when level was right */
    bool used;
};

struct quota_key {
    uint32_t streams;
    uint64_t bytes;
    struct quota_bucket rate, requests;
};

struct quota_count {
    uint32_t streams;
};

enum quota_verdict {
    QUOTA_OK,
    QUOTA_KEY_STREAMS, /* 403 quota; a running stream ends with 4409 */
    QUOTA_GRANT_STREAMS,
    QUOTA_PERSON_STREAMS,
    QUOTA_KEY_BYTES,
    QUOTA_KEY_RATE, /* 429 rate-limited, Retry-After */
    QUOTA_KEY_REQUESTS,
};

struct quota_answer {
    enum quota_verdict verdict;
    uint64_t limit;          /* that was reached */
    uint64_t left;           /* of it: streams or bytes */
    uint32_t retry_after_ms; /* of the rates: at least 1 */
};

/* The answer's problem: KEY_OK, KEY_QUOTA or KEY_RATE_LIMITED; and the name of what was reached: "key_streams". */
enum key_verdict quota_problem(enum quota_verdict v);
const char *quota_name(enum quota_verdict v);

/* Counts one more stream in all three, or in none of them. */
struct quota_answer quota_stream_open(const struct live_quota *limits, struct quota_key *key, struct quota_count *grant,
                                      struct quota_count *person);
void quota_stream_close(struct quota_key *key, struct quota_count *grant, struct quota_count *person);

/* One request of this key, now. */
struct quota_answer quota_request(const struct live_quota *limits, struct quota_key *key, int64_t boot);

/* Volume alone: what does not fit is refused, and nothing is taken. */
struct quota_answer quota_volume(const struct live_quota *limits, struct quota_key *key, uint64_t n);
/* What was taken of the volume and then not used. */
void quota_give(struct quota_key *key, uint64_t n);

/* Rate alone: bytes that count in no volume, being read again. */
struct quota_answer quota_rate(const struct live_quota *limits, struct quota_key *key, uint64_t n, int64_t boot);

/* Takes n bytes out of volume and rate, or nothing. */
struct quota_answer quota_take(const struct live_quota *limits, struct quota_key *key, uint64_t n, int64_t boot);

/* A rate of anything ('rate' a second, > 0): true and taken, or false and *ret_wait_ms (may be NULL) until it would be.
 */
bool quota_bucket_take(struct quota_bucket *b, uint64_t rate, uint64_t n, int64_t boot, uint32_t *ret_wait_ms);
