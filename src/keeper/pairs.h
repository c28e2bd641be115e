#pragma once
/*
 * Acts that need two people within 15 minutes: lifting a freeze, opening a sealed log, trusting the clock.
 *
 * The first person's call waits, in memory only: a restart forgets it, and it is asked again. A second call by another
 * human (accounts of one human are one) completes it. The same human again renews the time. Time is the boot clock, so
 * that a wall clock that is in doubt decides nothing. Whether somebody may do the act at all, and is signed in freshly,
 * is the caller's to check, before.
 *
 * Life:    zero -> pair_try in each call; what it remembers changes after the commit. Threads: the writer's.
 * Limits:  PAIRS_MAX acts wait at once; one more takes the place of the oldest.
 */
#include "base/err.h"
#include "base/times.h"
#include "format/id.h"

#define PAIRS_MAX     32
#define PAIR_MS       (15LL * 60 * 1000)
#define PAIR_WHAT_MAX 120

struct pair_waiting {
    char what[PAIR_WHAT_MAX]; /* "freeze-lift *"; empty: a free place */
    char person[64];
    char account[ID_CAP];
    int64_t boot; /* when it was asked */
};

struct pairs {
    struct pair_waiting all[PAIRS_MAX];
};

enum pair_verdict {
    PAIR_WAITS, /* first, or the same human again: answer 202 */
    PAIR_DONE,  /* a second human: do it */
};

struct pair {
    enum pair_verdict verdict;
    struct span other; /* DONE: the first one's account, in the call's memory */
    time_ms expires_at;
};

/* ---- the memory itself, pure ---- */

/* Who waits for 'what' at this moment, and is another human than 'person'? NULL: nobody. */
const struct pair_waiting *pairs_other(const struct pairs *p, struct span what, struct span person, int64_t boot);

/* Remembers that this human asks, in place of whoever asked for the same before. */
void pairs_wait(struct pairs *p, struct span what, struct span person, struct span account, int64_t boot);

/* Nobody waits for it any more. */
void pairs_end(struct pairs *p, struct span what);

/* ---- in a call ---- */

struct job;

/*
 * The caller (job's person) does 'what': a fixed word and what it is about, at most PAIR_WHAT_MAX - 1 bytes; longer
 * never completes. Remembered, or forgotten, once the transaction is durable.
 */
struct pair pair_try(struct job *c, struct span what);

/*
 * Whoever asked first has to ask again: something happened that they did not know of. Now, and once more after the commit,
 * for one who asked in the same transaction. Forgetting too much does no harm.
 */
void pair_void(struct job *c, struct span what);

/* 202 with the contract's Waiting. */
NODISCARD enum err pair_answer_waiting(struct job *c, const struct pair *p);
