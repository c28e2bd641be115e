#pragma once
/*
 * looks: what readers found out about where playing can start in parts of a recording that have no index of it: the log's tail, what
 * recovery saved, what another process wrote after that. Shared by all who read the recording in this process, so that thousands who join
 * at once look once.
 *
 *   of a terminal: screens that were made (gate/reader_screen.c); of a page: the newest full snapshot of the tail.
 *
 * Life:     looks_new with the gate -> look_get with a reader -> look_put. With its last reader a look goes, its content wiped.
 * Threads:  any. A reader holds the look's lock while it looks: others of the same recording wait for what it finds.
 * Access:   what is here was opened with a recording key; it is given only to a reader that the vault gave the key of the same number.
 * Memory:   LOOK_SCREENS screens and LOOK_BYTES of a recording, LOOKS_BYTES of all; past it the least missed go, past all nothing is kept.
 */
#include "base/buf.h"
#include "base/err.h"
#include "base/times.h"

#define LOOK_SCREENS 256
#define LOOK_BYTES   (4u << 20)
#define LOOKS_BYTES  (64u << 20)

struct looks;
struct look;

struct looks *looks_new(const uint8_t secret[16]);
struct looks *looks_free(struct looks *t);

/* NULL: no memory. A 't' of NULL: one for this reader alone. */
struct look *look_get(struct looks *t, const char *rid);
struct look *look_put(struct look *k); /* NULL */

void look_lock(struct look *k);
void look_unlock(struct look *k);

/* ---- under the lock ---- */

/* The screen just before event 'seq', whose time is 'at'. 'init' as codec/screen.h dumps it. */
struct look_screen {
    uint64_t seq;
    time_us at;
    uint16_t cols, rows, kn; /* kn: what was read last for it */
    struct span init;        /* the look's until the next call */
};

/* The newest one at or before the time, before event 'until', behind event 'after'. False: none. */
bool look_find(struct look *k, time_us from, uint64_t until, uint64_t after, struct look_screen *ret);
/* Copies it. Without memory it is not kept. */
void look_add(struct look *k, const struct look_screen *s);
/* Screens behind this event go. Takes the lock itself. */
void look_forget(struct look *k, uint64_t seq);

/*
 * The events behind 'sealed' are in a log, with late marks up to batch 'late' (0: none). When either is another one than before, screens that were made of a
 * log go: what they show may be masked now.
 */
void look_tail(struct look *k, uint64_t sealed, uint64_t late);

/* The newest screen is as new as that: a look for the newest need not be repeated for LOOK_FRESH_MS. */
#define LOOK_FRESH_MS 1000
void look_now(struct look *k, time_ms now);
bool look_fresh(const struct look *k, time_ms now);

/* A page's tail was scanned up to event 'next' with this in hand; the reader's own, LOOK_SCAN_N bytes at most. */
#define LOOK_SCAN_N 192
struct look_scan {
    uint64_t next; /* 0: nothing yet */
    uint16_t kn;
    uint8_t state[LOOK_SCAN_N];
};
struct look_scan *look_scan(struct look *k);

/* For tests: events that were read to find all this. */
uint64_t look_read(struct look *k);
void look_add_read(struct look *k, uint64_t n); /* without the lock, too */
