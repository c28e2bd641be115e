#include "loop/loop.h"

#include <stdlib.h>

#include "loop/internal.h"
#include "os/clock.h"

time_ms loop_now_ms(struct loop *l)
{
    uint64_t u = uv_now(&l->uv);

    if (u != l->seen_uv) {
        l->seen_uv = u;
        l->boot_ms = clock_boot_ms();
    }
    return l->boot_ms;
}

static void on_tick(uv_timer_t *t);

/* Starts 'tick' for the wheel's next time. */
static void tick_program(struct loop *l, uint64_t at)
{
    uint64_t now = (uint64_t) loop_now_ms(l);

    l->tick_at = at;
    if (at == UINT64_MAX)
        (void) uv_timer_stop(&l->tick);
    else
        (void) uv_timer_start(&l->tick, on_tick, at > now ? at - now : 1, 0);
}

static void on_tick(uv_timer_t *t)
{
    struct loop *l = t->data;

    l->tick_at = 0; /* what is armed meanwhile does not program it */
    wheel_advance(&l->wheel, (uint64_t) loop_now_ms(l));
    tick_program(l, wheel_next(&l->wheel));
}

void loop_timers_changed(struct loop *l, uint64_t when)
{
    if (when < l->tick_at)
        tick_program(l, when);
}

static void on_again(uv_idle_t *i)
{
    (void) i;
}

static void on_prepare(uv_prepare_t *p)
{
    struct loop *l = p->data;
    struct list now, *node;

    if (list_empty(&l->deferred)) {
        (void) uv_idle_stop(&l->again); /* what it waited for was cancelled */
        return;
    }
    /* Only those that wait now: one that defers itself again gets its turn after I/O. */
    list_init(&now);
    while ((node = list_pop(&l->deferred)) != NULL)
        list_append(&now, node);
    while ((node = list_pop(&now)) != NULL) {
        struct loop_deferred *d = LIST_ENTRY(node, struct loop_deferred, node);

        d->fn(d->arg);
    }
    if (list_empty(&l->deferred))
        (void) uv_idle_stop(&l->again);
    else
        (void) uv_idle_start(&l->again, on_again);
}

void loop_defer(struct loop *l, struct loop_deferred *d)
{
    if (!list_linked(&d->node))
        list_append(&l->deferred, &d->node);
}

void loop_defer_cancel(struct loop_deferred *d)
{
    list_remove(&d->node);
}

static void on_wake(uv_async_t *a)
{
    struct loop *l = a->data;
    struct list now, *node;

    list_init(&now);
    (void) pthread_mutex_lock(&l->lock);
    while ((node = list_pop(&l->posted)) != NULL)
        list_append(&now, node);
    (void) pthread_mutex_unlock(&l->lock);
    while ((node = list_pop(&now)) != NULL) {
        struct loop_posted *p = LIST_ENTRY(node, struct loop_posted, node);
        loop_fn fn = p->fn;
        void *arg = p->arg;

        if (p->owned)
            free(p);
        fn(arg);
    }
}

enum err loop_post_node(struct loop *l, struct loop_posted *p)
{
    bool closing;

    (void) pthread_mutex_lock(&l->lock);
    closing = l->closing;
    if (!closing) {
        list_append(&l->posted, &p->node);
        (void) uv_async_send(&l->wake); /* fails only for a closed handle */
    }
    (void) pthread_mutex_unlock(&l->lock);
    return closing ? ERR_CLOSED : ERR_OK;
}

enum err loop_post(struct loop *l, loop_fn fn, void *arg)
{
    struct loop_posted *p = calloc(1, sizeof(*p));
    enum err e;

    if (p == NULL)
        return ERR_NOMEM;
    *p = (struct loop_posted){ .fn = fn, .arg = arg, .owned = true };
    e = loop_post_node(l, p);
    if (e != ERR_OK)
        free(p);
    return e;
}

enum err loop_new(struct loop **ret, struct err_info *reterr)
{
    struct loop *l = calloc(1, sizeof(*l));
    int r;

    if (l == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "event loop");
    r = uv_loop_init(&l->uv);
    if (r != 0) {
        free(l);
        return ERR_RAISE_SYS(reterr, ERR_IO, -r, "event loop: %s", uv_strerror(r));
    }
    (void) pthread_mutex_init(&l->lock, NULL);
    list_init(&l->deferred);
    list_init(&l->posted);
    l->tick_at = l->seen_uv = UINT64_MAX;
    r = uv_async_init(&l->uv, &l->wake, on_wake);
    if (r != 0) {
        (void) uv_loop_close(&l->uv);
        (void) pthread_mutex_destroy(&l->lock);
        free(l);
        return ERR_RAISE_SYS(reterr, ERR_IO, -r, "event loop: %s", uv_strerror(r));
    }
    (void) uv_timer_init(&l->uv, &l->tick); /* these three cannot fail */
    (void) uv_prepare_init(&l->uv, &l->prepare);
    (void) uv_idle_init(&l->uv, &l->again);
    l->wake.data = l->tick.data = l->prepare.data = l;
    (void) uv_prepare_start(&l->prepare, on_prepare);
    wheel_init(&l->wheel, (uint64_t) loop_now_ms(l));
    *ret = l;
    return ERR_OK;
}

static void close_handle(uv_handle_t *h, void *arg)
{
    (void) arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

struct loop *loop_free(struct loop *l)
{
    struct list *node;

    if (l == NULL)
        return NULL;
    (void) pthread_mutex_lock(&l->lock);
    l->closing = true;
    (void) pthread_mutex_unlock(&l->lock);
    while ((node = list_pop(&l->posted)) != NULL) {
        struct loop_posted *p = LIST_ENTRY(node, struct loop_posted, node);

        if (p->owned)
            free(p);
        else if (p->dropped != NULL)
            p->dropped(p->arg);
    }
    uv_walk(&l->uv, close_handle, NULL);
    while (uv_run(&l->uv, UV_RUN_DEFAULT) != 0) /* close callbacks; a stop asked for earlier ends one run early */
        ;
    (void) uv_loop_close(&l->uv);
    (void) pthread_mutex_destroy(&l->lock);
    free(l);
    return NULL;
}

void loop_run(struct loop *l)
{
    (void) uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_turn(struct loop *l)
{
    (void) uv_run(&l->uv, UV_RUN_NOWAIT);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}
