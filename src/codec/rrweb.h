#pragma once
/*
 * rrweb events (PEERS 5.5), one JSON value at a time, to our one form: the event's own JSON, minified.
 *
 * Taken: objects; strings that are packed events (zlib, each byte as one character up to U+00FF) or plain JSON; events
 * of which posthog-js packed members ("cv", codec/posthog.h), which come out plain; events
 * without a timestamp (null counts as none), which have the time of the one before; times that go back; types beyond 7.
 * Time 0 is the first timestamp. Refused: an event without an integer type, a timestamp that is no number from 0 to the
 * year 9999, and a dialect from before Meta events in which types 0 and 1 carry snapshots (they are of another shape).
 */
#include "base/buf.h"
#include "base/times.h"
#include "codec/json_tape.h"

enum rrweb_type {
    RRWEB_DOM,
    RRWEB_LOAD,
    RRWEB_FULL,
    RRWEB_INCREMENTAL,
    RRWEB_META,
    RRWEB_CUSTOM,
    RRWEB_PLUGIN,
    RRWEB_ASSET
};

struct rrweb {
    bool begun;          /* a timestamp has been seen */
    time_us base;        /* since 1970, of time 0 */
    time_us last;        /* own time of the last event */
    uint64_t packed_out; /* bytes that came out of packed events, all together */
    struct buf text;     /* a string element decoded, */
    struct buf inner;    /* unpacked, */
    struct buf json;     /* and minified */
    struct buf plain;    /* an event with PostHog's packed members, without them */
    struct json_tape tape; /* of an event whose reader had no tokens */
};

struct rrweb_event {
    int type;
    int source;       /* of an incremental snapshot; -1: none */
    time_us own_us;   /* may be negative: before the first one */
    struct span json; /* as stored; borrows from the input or from struct rrweb, until the next event */
    const struct json_token *tokens; /* of json, as long; NULL: not known */
};

/* 'max': bytes of one event, unpacked. */
void rrweb_init(struct rrweb *r, size_t max);
void rrweb_deinit(struct rrweb *r);

/*
 * A minified, valid JSON value. ERR_INVAL: the text says what is wrong with it. ERR_LIMIT: "event-too-large".
 * ERR_CORRUPT: a packed event is damaged. ERR_UNSUPPORTED: the dialect.
 */
NODISCARD enum err rrweb_event(struct rrweb *r, struct span json, struct rrweb_event *ret, struct err_info *reterr);

/* The same with its tokens, which are found when it has none: for who goes on to look into it. */
NODISCARD enum err rrweb_value(struct rrweb *r, struct json_value json, struct rrweb_event *ret, struct err_info *reterr);

/* Since 1970; 0 when no event had a timestamp. */
time_ms rrweb_started_at(const struct rrweb *r);
