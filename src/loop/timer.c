#include "loop/timer.h"

#include "loop/internal.h"

/*
 * A timer lies on the level of the highest 6-bit digit in which its time and 'elapsed' differ. So everything on a level is
 * in the block that 'elapsed' is in, its slots are ahead, and the lowest occupied level holds what comes first. When time
 * reaches a slot above level 0, its timers move down.
 */
#define DIGIT      6
#define NOT_PLACED 255
#define RANGE_MAX  ((UINT64_C(1) << (DIGIT * WHEEL_LEVELS)) - 1)

void wheel_init(struct wheel *w, uint64_t now)
{
    *w = (struct wheel){ .elapsed = now };
    list_init(&w->firing);
    for (int l = 0; l < WHEEL_LEVELS; l++) {
        for (int s = 0; s < WHEEL_SLOTS; s++)
            list_init(&w->slots[l][s]);
    }
}

static void place(struct wheel *w, struct loop_timer *t)
{
    unsigned high = 63u - (unsigned) __builtin_clzll((t->when ^ w->elapsed) | 1);

    t->level = (uint8_t) (high / DIGIT);
    t->slot = (uint8_t) ((t->when >> (DIGIT * t->level)) & (WHEEL_SLOTS - 1));
    list_append(&w->slots[t->level][t->slot], &t->node);
    w->occupied[t->level] |= UINT64_C(1) << t->slot;
}

void wheel_add(struct wheel *w, struct loop_timer *t, uint64_t when)
{
    wheel_del(w, t);
    if (when <= w->elapsed)
        when = w->elapsed + 1;
    if (when > RANGE_MAX)
        when = RANGE_MAX;
    t->when = when;
    place(w, t);
}

void wheel_del(struct wheel *w, struct loop_timer *t)
{
    if (!list_linked(&t->node))
        return;
    list_remove(&t->node);
    if (t->level != NOT_PLACED && list_empty(&w->slots[t->level][t->slot]))
        w->occupied[t->level] &= ~(UINT64_C(1) << t->slot);
}

uint64_t wheel_next(const struct wheel *w)
{
    for (unsigned l = 0; l < WHEEL_LEVELS; l++) {
        unsigned slot;

        if (w->occupied[l] == 0)
            continue;
        slot = (unsigned) __builtin_ctzll(w->occupied[l]);
        return (w->elapsed >> (DIGIT * (l + 1)) << (DIGIT * (l + 1))) | (uint64_t) slot << (DIGIT * l);
    }
    return UINT64_MAX;
}

/* Takes the earliest slot out; its timers go down a level or onto the firing list. */
static void open_slot(struct wheel *w, uint64_t at)
{
    for (unsigned l = 0; l < WHEEL_LEVELS; l++) {
        unsigned slot;
        struct list *node, *head;

        if (w->occupied[l] == 0)
            continue;
        slot = (unsigned) __builtin_ctzll(w->occupied[l]);
        head = &w->slots[l][slot];
        w->occupied[l] &= ~(UINT64_C(1) << slot);
        w->elapsed = at;
        while ((node = list_pop(head)) != NULL) {
            struct loop_timer *t = LIST_ENTRY(node, struct loop_timer, node);

            if (t->when <= at) {
                t->level = NOT_PLACED;
                list_append(&w->firing, &t->node);
            } else {
                place(w, t);
            }
        }
        return;
    }
}

void wheel_advance(struct wheel *w, uint64_t now)
{
    uint64_t at;
    struct list *node;

    while ((at = wheel_next(w)) <= now)
        open_slot(w, at);
    if (now > w->elapsed)
        w->elapsed = now;
    /* Time is 'now' before the first callback: what they arm is later than this pass. They may cancel what still waits. */
    while ((node = list_pop(&w->firing)) != NULL) {
        struct loop_timer *t = LIST_ENTRY(node, struct loop_timer, node);

        t->fn(t->arg);
    }
}

void loop_timer_init(struct loop_timer *t, struct loop *l, loop_fn fn, void *arg)
{
    *t = (struct loop_timer){ .loop = l, .fn = fn, .arg = arg, .level = NOT_PLACED };
}

void loop_timer_arm_at(struct loop_timer *t, time_ms at_ms)
{
    time_ms soon = loop_now_ms(t->loop) + 1;

    wheel_add(&t->loop->wheel, t, (uint64_t) (at_ms < soon ? soon : at_ms));
    loop_timers_changed(t->loop, t->when);
}

void loop_timer_arm(struct loop_timer *t, time_ms delay_ms)
{
    time_ms now = loop_now_ms(t->loop);

    if (delay_ms < 1)
        delay_ms = 1;
    loop_timer_arm_at(t, delay_ms > INT64_MAX - now ? INT64_MAX : now + delay_ms);
}

void loop_timer_cancel(struct loop_timer *t)
{
    if (list_linked(&t->node))
        wheel_del(&t->loop->wheel, t);
}
