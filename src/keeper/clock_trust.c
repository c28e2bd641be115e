#include "keeper/clock_trust.h"

#include "base/log.h"
#include "keeper/trail.h"

#define PASSED_OVER "clock.passed-over" /* num: the time in the logs that counts for nothing */

static enum err setting(struct core *core, const char *name, time_ms *ret, struct err_info *reterr)
{
    enum err e = meta_setting_get(meta_view(core->m), name, NULL, ret, NULL, reterr);

    if (e == ERR_NOTFOUND)
        *ret = 0;
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err clock_trust_mark(struct core *core, time_ms *ret, struct err_info *reterr)
{
    time_ms own;

    TRY(setting(core, PASSED_OVER, &core->clock_passed_over, reterr));
    TRY(setting(core, META_CLOCK_MARK, &own, reterr));
    *ret = audit_high_water(core->audit);
    if (*ret <= core->clock_passed_over)
        *ret = own;
    return ERR_OK;
}

void clock_trust_committed(struct core *core)
{
    time_ms high = audit_high_water(core->audit);

    if (high > core->clock_passed_over)
        clock_guard_mark(&core->clock, high);
    else if (core->clock.trusted)
        clock_guard_mark(&core->clock, core->clock.last_real);
}

enum err clock_trust_minute(struct job *c, struct err_info *reterr)
{
    if (!c->core->clock.trusted || audit_high_water(c->core->audit) > c->core->clock_passed_over)
        return ERR_OK;
    return meta_setting_raise(c->m, META_CLOCK_MARK, c->now.real, reterr);
}

struct trusted {
    time_ms real, passed_over;
    int64_t boot;
};

static void trust(struct core *core, void *arg)
{
    const struct trusted *t = arg;

    core->clock_passed_over = t->passed_over;
    core->clock_said_bad = false;
    clock_guard_trust(&core->clock, t->real, t->boot);
}

enum err clock_trust_run(struct job *c, struct span other, struct span reason, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_CLOCK_TRUSTED, SPAN_EMPTY);
    struct trusted *t = arena_alloc(c->mem, sizeof(*t));

    if (t == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "clock trust");
    *t = (struct trusted){ .real = c->now.real, .passed_over = audit_high_water(c->core->audit), .boot = c->now.boot };
    l.obj = other;
    if (other.n == 0)
        l.outcome = SPAN("console");
    (void) leaf_add_number(&l, "real_ms", t->real);
    (void) leaf_add_number(&l, "mark_ms", c->core->clock.mark);
    trail_mark(c, &l);
    if (c->me != NULL)
        trail_fact(c, &l, "reason", reason, who_person(c->me));
    TRY(trail_write(c, &l, NULL, reterr));
    TRY(meta_setting_put(c->m, PASSED_OVER, t->passed_over, SPAN_EMPTY, reterr));
    TRY(meta_setting_put(c->m, META_CLOCK_MARK, t->real, SPAN_EMPTY, reterr));
    job_after(c, trust, t);
    log_event(LOG_WARN, "clock.trusted", LOG_STR("text", "people said so"));
    return ERR_OK;
}
