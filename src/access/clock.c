#include "access/clock.h"

bool clock_same_boot(const struct clock_reading *now, const uint8_t boot_id[CLOCK_BOOT_ID])
{
    return memcmp(now->boot_id, boot_id, CLOCK_BOOT_ID) == 0;
}

void clock_guard_init(struct clock_guard *g, time_ms mark)
{
    *g = (struct clock_guard){ .mark = mark, .trusted = true };
}

bool clock_guard_see(struct clock_guard *g, time_ms real, int64_t boot, bool synced)
{
    if (!g->seen)
        g->trusted = real >= g->mark;
    else if (real - g->last_real < boot - g->last_boot - CLOCK_STEP_BACK_MS)
        g->trusted = false;
    else if (!g->trusted && synced && real >= g->mark)
        g->trusted = true;
    g->seen = true;
    g->last_real = real;
    g->last_boot = boot;
    return g->trusted;
}

void clock_guard_mark(struct clock_guard *g, time_ms committed)
{
    if (committed > g->mark)
        g->mark = committed;
}

void clock_guard_trust(struct clock_guard *g, time_ms real, int64_t boot)
{
    *g = (struct clock_guard){ .mark = real, .last_real = real, .last_boot = boot, .seen = true, .trusted = true };
}
