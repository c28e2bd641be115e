#pragma once
/*
 * The scrub (STANDARDS 3.5): every leaf of every log hashed again, roots, columns, checkpoint and files compared; soon after
 * each start and at least each 24 h, last in line for the disk.
 *
 * Threads: scrub_run on the thread that writes tiles; scrub_take in the writer, which seals what was found.
 */
#include "keeper/job.h"

#define SCRUB_EVERY_MS (24LL * 3600 * 1000)
#define SCRUB_AFTER_MS 3000 /* of a start: the first calls go first */

struct scrub;

struct scrub *scrub_new(void); /* NULL: no memory */
struct scrub *scrub_free(struct scrub *s);

/*
 * Looks at everything if it is time ('boot': now). Ends early once *stop is true. ERR_IO: a sync failed, end the process;
 * other faults of reading are logged and tried again at the next time.
 */
NODISCARD enum err scrub_run(struct scrub *s, struct tiles *t, int64_t boot, const _Atomic bool *stop,
                             struct err_info *reterr);

/* Each second, in the writer: seals logs that were found bad, keeps when the last whole scrub ended. */
NODISCARD enum err scrub_take(struct job *c, struct err_info *reterr);

#define SCRUB_SETTING "audit.scrubbed" /* num: when the last whole scrub ended, ms; 0 or absent: never */
