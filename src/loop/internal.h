#pragma once
/* Shared inside loop/ only: the loop's parts, and libuv. */
#include <pthread.h>
#include <uv.h>

#include "loop/loop.h"
#include "loop/timer.h"

struct loop {
    uv_loop_t uv;
    uv_timer_t tick;       /* one libuv timer wakes us for the wheel */
    uv_prepare_t prepare;  /* deferred functions */
    uv_idle_t again;       /* active while deferred functions wait: the loop does not sleep */
    uv_async_t wake;       /* posted functions */
    struct wheel wheel;
    uint64_t tick_at;      /* when 'tick' fires; UINT64_MAX: not started */
    uint64_t seen_uv;      /* libuv's time at which boot_ms was read */
    time_ms boot_ms;
    struct list deferred;
    pthread_mutex_t lock;  /* posted, closing */
    struct list posted;
    bool closing;
};

/* A timer was armed for 'when'. */
void loop_timers_changed(struct loop *l, uint64_t when);
