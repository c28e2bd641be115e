#pragma once
/*
 * Records that are counted instead of written one by one (STANDARDS 3.2 'Floods'): api.read by actor and route, and
 * refused calls by actor (or source prefix), route and code.
 *
 * A refusal seen for the first time in a minute is due at once; everything else at the minute's end, with its count. At
 * most COUNTS_MAX different ones a minute; what is beyond is one entry, "other".
 * Threads: any; it locks itself. Lost with the process: at most a minute of counts.
 */
#include "base/times.h"
#include "format/id.h"
#include "format/route.h"

#define COUNTS_MAX 512

struct count {
    bool refusal;
    char actor[ID_CAP];     /* "" : nobody was signed in */
    uint8_t prefix[8];      /* source, when nobody was */
    uint8_t prefix_len;
    enum route_id route;
    const char *code;       /* refusal: static text */
    char log[LOG_ID_CAP];   /* "" : system */
    char object[ID_CAP];    /* refusal: of the first one */
    uint32_t n;
    bool first_due;         /* the first one has not been handed out yet */
    bool other;             /* stands for everything that did not fit */
};

struct counts;

struct counts *counts_new(void);
struct counts *counts_free(struct counts *c);

/* 'what' says which; n, first_due and other are not read. */
void counts_add(struct counts *c, const struct count *what);

/*
 * Hands out what is due: fn gets a copy whose n is what to write now. 'all' at the minute's end: everything, and then
 * the table is empty. When fn returns false nothing more is handed out and that entry stays due.
 */
void counts_take(struct counts *c, bool all, bool (*fn)(void *ctx, const struct count *what), void *ctx);
