#pragma once
/*
 * Timers: a hierarchical wheel (7 levels of 64 slots, 1 ms steps, 139 years), so that arming and cancelling cost the same
 * with ten thousands of them. Arming cannot fail: the node is the caller's.
 *
 * A timer fires once, never early, never inside the call that armed it, in order of its time and, at the same
 * millisecond, in the order of arming. In its callback it may be armed again, and anything may be freed.
 */
#include "base/list.h"
#include "loop/loop.h"

#define WHEEL_LEVELS 7
#define WHEEL_SLOTS  64

struct loop_timer {
    struct list node; /* unlinked: not armed */
    uint64_t when;
    struct loop *loop;
    loop_fn fn;
    void *arg;
    uint8_t level, slot;
};

/* Once before anything else. An all-zero timer may be cancelled. */
void loop_timer_init(struct loop_timer *t, struct loop *l, loop_fn fn, void *arg);

/* Fires delay_ms from loop_now_ms; at least 1 ms. An armed timer is moved. */
void loop_timer_arm(struct loop_timer *t, time_ms delay_ms);

/* The same at a time on loop_now_ms's clock. In the past: with the next turn. */
void loop_timer_arm_at(struct loop_timer *t, time_ms at_ms);

/* Safe when not armed. */
void loop_timer_cancel(struct loop_timer *t);

static inline bool loop_timer_armed(const struct loop_timer *t)
{
    return list_linked(&t->node);
}

/* The wheel itself, pure (its clock is an argument); loop.c drives it. */
struct wheel {
    uint64_t elapsed;
    uint64_t occupied[WHEEL_LEVELS];
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
    struct list firing;
};

void wheel_init(struct wheel *w, uint64_t now);
void wheel_add(struct wheel *w, struct loop_timer *t, uint64_t when);
void wheel_del(struct wheel *w, struct loop_timer *t);

/* No timer fires before this time; UINT64_MAX when there is none. May be early, never late. */
uint64_t wheel_next(const struct wheel *w);

/* Fires all that are due at 'now'. */
void wheel_advance(struct wheel *w, uint64_t now);
