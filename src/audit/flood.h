#pragma once
/*
 * Floods of records (STANDARDS 3.2): what is written one by one, what is only counted.
 *
 *   refusal with an authentic key     one record each, up to 10 per minute and jti; beyond, counted by (jti, code)
 *   refusal without one               the first of (source prefix, code) in a minute at once; the rest counted. At most 256
 *                                     such pairs a minute and log; all others together are one pair more, code "other"
 *   api.read and the like             the first of (actor, route) in a minute at once; the rest counted
 *
 * What was counted comes out as one record with its count at the minute's end; counts add up to what happened.
 *
 * Pure: the clock is an argument; the records come out of a callback. A minute is floor(now / 60 s); another minute than
 * the last one (also an earlier one) ends it. Memory: FLOOD_ENTRIES_MAX entries, then kinds share an entry each ("other").
 * Threads: one at a time.
 */
#include "base/err.h"
#include "base/times.h"

#define FLOOD_PER_JTI     10
#define FLOOD_PAIRS_MAX   256  /* a minute and log */
#define FLOOD_ENTRIES_MAX 8192
#define FLOOD_TEXT_MAX    64   /* bytes of each member; longer is cut */

enum flood_kind { FLOOD_KEYED, FLOOD_ANONYMOUS, FLOOD_READ };

/* Members that do not apply are empty. 'other' collections keep log and code only. */
struct flood_case {
    enum flood_kind kind;
    struct span log;    /* a project's id, or "system" */
    struct span code;   /* of the refusal; "ok" for a read */
    struct span route;
    struct span jti, gid, rid;
    struct span actor;
    struct span prefix; /* raw bytes of the source's address prefix */
};

/* One record to be written; spans borrow until the call returns. */
typedef void flood_fn(void *ctx, const struct flood_case *c, uint32_t count);

struct flood;

/* NULL: no memory. */
struct flood *flood_new(flood_fn *fn, void *ctx);
struct flood *flood_free(struct flood *f); /* counts that were not flushed are lost, as with a killed gate */
void flood_freep(struct flood **f);

/* Something happened. Ends the minute first when it is over. */
void flood_note(struct flood *f, const struct flood_case *c, time_ms now);

/* Ends the minute when it is over; to be called at least once a minute. */
void flood_tick(struct flood *f, time_ms now);

/* Ends it now: at a clean stop. */
void flood_flush(struct flood *f);
