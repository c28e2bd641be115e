#include "access/quota.h"

#define UNITS_MAX (1LL << 50) /* of a rate, and of one take: keeps the thousandths inside 64 bits */

enum key_verdict quota_problem(enum quota_verdict v)
{
    switch (v) {
    case QUOTA_OK: return KEY_OK;
    case QUOTA_KEY_STREAMS:
    case QUOTA_GRANT_STREAMS:
    case QUOTA_PERSON_STREAMS:
    case QUOTA_KEY_BYTES: return KEY_QUOTA;
    case QUOTA_KEY_RATE:
    case QUOTA_KEY_REQUESTS: return KEY_RATE_LIMITED;
    }
    return KEY_QUOTA;
}

const char *quota_name(enum quota_verdict v)
{
    switch (v) {
    case QUOTA_OK: return "";
    case QUOTA_KEY_STREAMS: return "key_streams";
    case QUOTA_GRANT_STREAMS: return "grant_streams";
    case QUOTA_PERSON_STREAMS: return "person_streams";
    case QUOTA_KEY_BYTES: return "key_bytes";
    case QUOTA_KEY_RATE: return "key_rate";
    case QUOTA_KEY_REQUESTS: return "key_requests";
    }
    return "";
}

static struct quota_answer refuse(enum quota_verdict v, uint64_t limit, uint64_t left, uint32_t wait_ms)
{
    return (struct quota_answer){ v, limit, left, wait_ms };
}

struct quota_answer quota_stream_open(const struct live_quota *limits, struct quota_key *key, struct quota_count *grant,
                                      struct quota_count *person)
{
    if (key->streams >= limits->key_streams)
        return refuse(QUOTA_KEY_STREAMS, limits->key_streams, 0, 0);
    if (grant->streams >= limits->grant_streams)
        return refuse(QUOTA_GRANT_STREAMS, limits->grant_streams, 0, 0);
    if (person->streams >= limits->person_streams)
        return refuse(QUOTA_PERSON_STREAMS, limits->person_streams, 0, 0);
    key->streams++;
    grant->streams++;
    person->streams++;
    return refuse(QUOTA_OK, limits->key_streams, limits->key_streams - key->streams, 0);
}

void quota_stream_close(struct quota_key *key, struct quota_count *grant, struct quota_count *person)
{
    key->streams -= key->streams > 0;
    grant->streams -= grant->streams > 0;
    person->streams -= person->streams > 0;
}

static void refill(struct quota_bucket *b, int64_t rate, int64_t boot)
{
    int64_t full = rate * 1000, dt;

    if (!b->used) {
        *b = (struct quota_bucket){ full, boot, true };
        return;
    }
    dt = boot - b->at;
    if (dt <= 0)
        return;
    b->at = boot;
    /* Far below zero it takes longer than a second to fill, so the time is not cut to one. */
    if (dt >= (full - b->level) / rate + 1)
        b->level = full;
    else
        b->level += dt * rate;
}

static int64_t clamp(uint64_t v)
{
    return v > (uint64_t) UNITS_MAX ? UNITS_MAX : (int64_t) v;
}

/* Until there is something in it again. */
static uint32_t wait_of(const struct quota_bucket *b, int64_t rate)
{
    int64_t ms = -b->level / rate + 1;

    return ms > UINT32_MAX ? UINT32_MAX : (uint32_t) ms;
}

bool quota_bucket_take(struct quota_bucket *b, uint64_t rate_in, uint64_t n, int64_t boot, uint32_t *ret_wait_ms)
{
    int64_t rate = clamp(rate_in == 0 ? 1 : rate_in);

    refill(b, rate, boot);
    if (b->level <= 0) {
        if (ret_wait_ms != NULL)
            *ret_wait_ms = wait_of(b, rate);
        return false;
    }
    b->level -= clamp(n) * 1000;
    return true;
}

/* Whole units only: the last fraction of one request is not a request. */
struct quota_answer quota_request(const struct live_quota *limits, struct quota_key *key, int64_t boot)
{
    int64_t rate = clamp(limits->key_requests == 0 ? 1 : limits->key_requests);

    if (limits->key_requests == 0)
        return refuse(QUOTA_KEY_REQUESTS, 0, 0, 1000);
    refill(&key->requests, rate, boot);
    if (key->requests.level < 1000)
        return refuse(QUOTA_KEY_REQUESTS, limits->key_requests, 0,
                      (uint32_t) ((1000 - key->requests.level + rate - 1) / rate));
    key->requests.level -= 1000;
    return refuse(QUOTA_OK, limits->key_requests, (uint64_t) key->requests.level / 1000, 0);
}

static uint64_t volume_left(const struct live_quota *limits, const struct quota_key *key)
{
    return limits->key_bytes > key->bytes ? limits->key_bytes - key->bytes : 0;
}

struct quota_answer quota_volume(const struct live_quota *limits, struct quota_key *key, uint64_t n)
{
    uint64_t left = volume_left(limits, key);

    if (n > left)
        return refuse(QUOTA_KEY_BYTES, limits->key_bytes, left, 0);
    key->bytes += n;
    return refuse(QUOTA_OK, limits->key_bytes, left - n, 0);
}

void quota_give(struct quota_key *key, uint64_t n)
{
    key->bytes -= n < key->bytes ? n : key->bytes;
}

struct quota_answer quota_rate(const struct live_quota *limits, struct quota_key *key, uint64_t n, int64_t boot)
{
    uint32_t wait;

    if (!quota_bucket_take(&key->rate, limits->key_rate, n, boot, &wait))
        return refuse(QUOTA_KEY_RATE, limits->key_rate, 0, wait);
    return refuse(QUOTA_OK, limits->key_bytes, volume_left(limits, key), 0);
}

struct quota_answer quota_take(const struct live_quota *limits, struct quota_key *key, uint64_t n, int64_t boot)
{
    struct quota_answer a;

    if (n > volume_left(limits, key))
        return refuse(QUOTA_KEY_BYTES, limits->key_bytes, volume_left(limits, key), 0);
    a = quota_rate(limits, key, n, boot);
    return a.verdict == QUOTA_OK ? quota_volume(limits, key, n) : a;
}
