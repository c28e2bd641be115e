#pragma once
/*
 * recover: what earlier gate processes of this node acknowledged and did not seal becomes pieces of kind KHSPL1 at start
 * (STANDARDS 4.3). Needs no key.
 *
 *   scan of DIR/log (worker) -> RECOVER_ASK in groups -> per recording what the keeper has not is written as KHSPL1 files
 *   (workers) -> RECOVERED -> when all are answered the old log files go (worker) -> over
 *
 * Failure: killed at any step, or the keeper gone: it begins again from where it can; nothing is lost, nothing comes twice.
 *   killed before RECOVERED: the file has no row; the next run writes it again under the same number;
 *   killed after RECOVERED: the keeper's numbers say that nothing is missing; the old file goes;
 *   keeper gone: what was written is told again when it is back (repeating RECOVERED is harmless);
 *   409 or 404 to RECOVERED: the file goes, and so does the log's part;
 *   a disk that is full: tried again every few seconds; recordings wait.
 *   A log with a hole (damage in the middle, not at its end): what follows the hole stays in the old file, is reported in
 *   the log (recover.hole) and looked at again at the next start; everything else goes on.
 *
 * Threads: the loop that is given. recover_over and recover_done: any.
 */
#include "gate/shared.h"
#include "link/link.h"
#include "store/reclog.h"

struct recover;

struct recover_params {
    struct loop *loop;
    struct pool *pool;
    const struct store *store;
    struct reclog *log;

    /* Once, on the loop: all that could be recovered is. */
    void (*on_over)(void *ctx);
    void *ctx;

    /* For tests: called at each step with its name, in whichever thread. NULL: none. */
    void (*fault)(const char *step);
};

/* Does nothing before recover_keeper. NULL: no memory. */
struct recover *recover_new(const struct recover_params *p);

/* The workers have to be gone or idle (pool_free). NULL is fine; returns NULL. */
struct recover *recover_free(struct recover *r);

/* The keeper's channel of this loop is up, or away (NULL). */
void recover_keeper(struct recover *r, struct link *keeper);

bool recover_over(const struct recover *r);

struct recover_counts {
    uint64_t recordings, pieces, events, torn_bytes, holes;
};
void recover_counts(const struct recover *r, struct recover_counts *ret); /* on the loop */

/*
 * Of a gate: everything that this node acknowledged earlier is in pieces now. Until then batches of recordings that this
 * process did not begin are 503 `starting`, and so is the replay of recordings that are still being made.
 */
bool recover_done(const struct gate *g);

/* After that: did what was recovered of it end with text that may be the beginning of a match? */
enum recover_end { RECOVER_OPEN, RECOVER_OVER, RECOVER_NOTHING /* nothing was, here */ };
enum recover_end recover_end(const struct gate *g, struct span rid);
