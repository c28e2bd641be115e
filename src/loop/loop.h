#pragma once
/*
 * loop: one event loop of one thread. The only folder that knows libuv; nothing here knows what a message means.
 *
 * Life:     loop_new -> watchers, timers, channels on it -> loop_run (until loop_stop) -> free those -> loop_free.
 * Threads:  everything belongs to the thread that calls loop_run, except loop_post, which any thread may call.
 * Order:    one turn = due timers, then deferred functions, then waiting for I/O and its callbacks, then posted functions.
 *           No callback ever fires inside the call that asked for it.
 * Times:    loop_now_ms is CLOCK_BOOTTIME, so timers also count time asleep.
 */
#include "base/err.h"
#include "base/list.h"
#include "base/times.h"

struct loop;

typedef void (*loop_fn)(void *arg);

NODISCARD enum err loop_new(struct loop **ret, struct err_info *reterr);

/* The loop must not be running. Functions posted and not run are dropped. NULL is fine; returns NULL. */
struct loop *loop_free(struct loop *l);

/* Runs until loop_stop. May be called again afterwards. */
void loop_run(struct loop *l);

/* One turn without waiting: for tests and for draining at the end. */
void loop_turn(struct loop *l);

/* Ends loop_run after the current turn. Loop thread only; from elsewhere post a function that calls it. */
void loop_stop(struct loop *l);

/*
 * CLOCK_BOOTTIME in ms, read at most once a millisecond of loop time: for deadlines and rates. Decisions that must not be a turn
 * late (the end of a window) read os/clock.h, which costs no system call.
 */
time_ms loop_now_ms(struct loop *l);

/*
 * Hands fn(arg) over to the loop's thread; callable from any thread, in order for one caller.
 * ERR_NOMEM. ERR_CLOSED: the loop is being freed. On an error nothing happens to arg.
 */
NODISCARD enum err loop_post(struct loop *l, loop_fn fn, void *arg);

/*
 * The same with a node of the caller's, so that it cannot fail for memory. The node must live until fn runs, or the loop
 * is freed (then dropped(arg) is called instead, when there is one); it is free again when either is called. Fill in fn and
 * arg. ERR_CLOSED.
 */
struct loop_posted {
    struct list node;
    loop_fn fn, dropped;
    void *arg;
    bool owned; /* false; true only inside loop/ */
};

NODISCARD enum err loop_post_node(struct loop *l, struct loop_posted *p);

/*
 * Runs d->fn(d->arg) once at the end of this turn (before the loop waits). Deferring what is deferred changes nothing.
 * The node belongs to the caller and must live until it ran or was cancelled.
 */
struct loop_deferred {
    struct list node;
    loop_fn fn;
    void *arg;
};

void loop_defer(struct loop *l, struct loop_deferred *d);
void loop_defer_cancel(struct loop_deferred *d);
