#pragma once
/*
 * pool: a fixed number of worker threads behind a bounded queue, for work that would hold a loop longer than 2 ms.
 *
 * Life:     pool_new -> pool_work from any loop's thread -> pool_free (waits for running work, drops queued work without
 *           calling its 'done') -> only then loop_free of the loops that used it.
 * Threads:  pool_work may be called by several loops; 'fn' runs in a worker, 'done' in the loop that asked.
 */
#include "loop/loop.h"

struct pool;

/* n_threads 1 to 64; at most queue_max pieces of work wait (running ones not counted). */
NODISCARD enum err pool_new(size_t n_threads, size_t queue_max, struct pool **ret, struct err_info *reterr);
struct pool *pool_free(struct pool *p);

/*
 * Runs fn(arg) in a worker, then done(arg) on l. Pieces start in the order of the calls.
 * ERR_AGAIN: the queue is full. ERR_NOMEM. On an error neither function is called.
 */
NODISCARD enum err pool_work(struct pool *p, struct loop *l, loop_fn fn, loop_fn done, void *arg);

/* How many pieces wait: for a busy answer before taking a body. */
size_t pool_waiting(struct pool *p);
