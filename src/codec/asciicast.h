#pragma once
/*
 * asciicast v1, v2 and v3 (PEERS 5.1 to 5.3): header and events, one JSON value at a time, to our one form.
 *
 * An event of ours is the JSON array [t, code, data, ...] with t in seconds since the start: v2 has that already and
 * keeps its own text byte for byte; the intervals of v1 and v3 are rounded to µs each, summed exactly, and written as
 * the shortest decimal. What follows the code stays as it came, also elements beyond the third and codes nobody knows.
 *
 * Taken, because players take it: codes that are numbers or several letters, integer times, more than three elements,
 * null or odd values of header members that we do not need, sizes of 0 in a header (unknown: 80 x 24), version 3 with
 * width and height instead of term. Refused, with the cause: a time that is no number or negative, an event that is no
 * array or has less than three elements (v1: two), output or input that is no string, a resize that is not COLSxROWS of
 * 1 to 65535.
 */
#include "base/times.h"
#include "base/buf.h"

#define ASCIICAST_COLS 80
#define ASCIICAST_ROWS 24

struct asciicast {
    int version;
    uint32_t cols, rows; /* from the header */
    time_ms started_at;  /* 0: not known */
    time_us at;          /* sum of intervals */
    struct buf line;     /* the event as we store it, where that differs from what came */
};

struct asciicast_event {
    char code;           /* 'o' 'i' 'm' 'r' 'x', or 0: another one */
    time_us own_us;      /* as it came */
    struct span json;    /* as stored; borrows from the input or from struct asciicast, until the next event */
    struct span data;    /* raw JSON string of 'o' and 'i', and of 'm' when it is one */
    uint32_t cols, rows; /* of 'r' */
};

/* 'max': bytes of one stored event. */
void asciicast_init(struct asciicast *a, int version, size_t max);
void asciicast_deinit(struct asciicast *a);

/* A minified, valid JSON object. ERR_INVAL: the text says which member. */
NODISCARD enum err asciicast_head(struct asciicast *a, struct span json, struct err_info *reterr);

/* A minified, valid JSON value. ERR_INVAL says what is wrong with it, ERR_LIMIT that it is too large as we store it. */
NODISCARD enum err asciicast_event(struct asciicast *a, struct span json, struct asciicast_event *ret,
                                   struct err_info *reterr);

/* Shortest decimal of µs in seconds; not negative. */
void asciicast_add_seconds(struct buf *b, time_us t);
