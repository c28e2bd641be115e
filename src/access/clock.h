#pragma once
/*
 * The two clocks and whether the wall clock may be believed (STANDARDS 1.5). Readings are arguments.
 *
 * Life of a guard: clock_guard_init at start with the largest wall time ever committed to the audit log,
 * clock_guard_see with each reading (at least each second), clock_guard_mark after each commit.
 */
#include "base/times.h"

#define CLOCK_BOOT_ID      16
#define CLOCK_STEP_BACK_MS 2000 /* a larger step back is not a slew */

/* One reading of both clocks. */
struct clock_reading {
    time_ms real;                   /* CLOCK_REALTIME */
    int64_t boot;                   /* CLOCK_BOOTTIME, ms since this boot */
    uint8_t boot_id[CLOCK_BOOT_ID]; /* which boot */
    bool trusted;                   /* the guard's verdict at this reading */
};

bool clock_same_boot(const struct clock_reading *now, const uint8_t boot_id[CLOCK_BOOT_ID]);

struct clock_guard {
    time_ms mark; /* the high-water mark */
    time_ms last_real;
    int64_t last_boot;
    bool seen;
    bool trusted;
};

void clock_guard_init(struct clock_guard *g, time_ms mark);

/*
 * Judges a reading. Untrusted: below the mark at the start, or more than 2 s behind what the boot clock says should be.
 * It stays so until the wall clock is past the mark again and where it should be ('synced': the kernel says that time
 * is synchronised), or until clock_guard_trust.
 */
bool clock_guard_see(struct clock_guard *g, time_ms real, int64_t boot, bool synced);

/* A wall time was committed. */
void clock_guard_mark(struct clock_guard *g, time_ms committed);

/* 'clock trust': people said that the present reading is right. Lowers a mark that a wrong jump had set. */
void clock_guard_trust(struct clock_guard *g, time_ms real, int64_t boot);
