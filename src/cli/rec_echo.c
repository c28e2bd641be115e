#include "cli/rec_echo.h"

void rec_echo_init(struct rec_echo *e)
{
    *e = (struct rec_echo){ .held = BUF_INIT(REC_ECHO_MAX) };
}

static void wipe(struct rec_echo *e)
{
    if (e->held.n > 0)
        explicit_bzero(e->held.p, e->held.n);
    buf_reset(&e->held);
}

static void drop(struct rec_echo *e)
{
    e->dropped += e->held.n;
    wipe(e);
}

void rec_echo_deinit(struct rec_echo *e)
{
    wipe(e);
    buf_deinit(&e->held);
}

void rec_echo_typed(struct rec_echo *e, int64_t now_ms, struct span keys, bool echo)
{
    if (!echo) {
        drop(e);
        e->dropped += keys.n;
        return;
    }
    if (keys.n > REC_ECHO_MAX - e->held.n) {
        drop(e);
        e->dropped += keys.n;
        return;
    }
    /* All room at once: growing would leave copies behind that nobody wipes. */
    if (e->held.p == NULL)
        (void) buf_reserve(&e->held, REC_ECHO_MAX);
    buf_add_span(&e->held, keys);
    e->last_ms = now_ms;
}

bool rec_echo_look(struct rec_echo *e, int64_t now_ms, bool echo, struct buf *ret)
{
    if (e->held.n == 0)
        return false;
    if (!echo) {
        drop(e);
        return false;
    }
    if (now_ms - e->last_ms < REC_ECHO_HOLD_MS)
        return false;
    buf_add_span(ret, buf_span(&e->held));
    wipe(e);
    return true;
}

int64_t rec_echo_wait(const struct rec_echo *e, int64_t now_ms)
{
    int64_t left = e->last_ms + REC_ECHO_HOLD_MS - now_ms;

    return e->held.n == 0 ? -1 : left < 0 ? 0 : left;
}
