#include "keeper/console.h"

#include "crypto/random.h"
#include "keeper/clock_trust.h"
#include "keeper/transact.h"
#include "keeper/unseal.h"
#include "os/clock.h"
#include "os/file.h"

/* ---- the world: real clocks, nobody to send to ---- */

static void clocks(void *ctx, struct clock_reading *ret, bool *ret_synced)
{
    (void) ctx;
    *ret = (struct clock_reading){ .real = clock_wall_ms(), .boot = clock_boot_ms() };
    *ret_synced = true;
}

static void randomness(void *ctx, void *p, size_t n)
{
    (void) ctx;
    random_fill(p, n);
}

static void deliver(void *ctx, struct list *outs)
{
    (void) ctx;
    outs_free(outs);
}

static bool space(void *ctx, uint64_t *ret_free, uint64_t *ret_total)
{
    (void) ctx;
    (void) ret_free;
    (void) ret_total;
    return false;
}

/* Whoever sits at the console sees the error; nothing was promised to anybody. */
static void fatal(void *ctx, const struct err_info *why)
{
    (void) ctx;
    (void) why;
}

/* ---- one act ---- */

struct act {
    transact_fn *fn;
    struct span log;
    void (*tell)(void *ctx, struct span name);
    void *ctx;
};

static enum err if_alone(struct job *c, void *arg, struct err_info *reterr)
{
    const struct act *a = arg;
    const struct people *people = job_people(c, reterr);

    if (people == NULL)
        return ERR_NOMEM;
    if (unseal_count_admins(people) > 1)
        return ERR_RAISE(reterr, ERR_DENIED, "there are two administrators: they do this together");
    return a->fn(c, arg, reterr);
}

static enum err run(const struct console *x, struct act *a, struct err_info *reterr)
{
    const struct core_config cfg = { .public_url = x->public_url, .player_url = x->public_url, .dir = x->dir,
                                     .demo_password = "", .envs = x->envs, .n_envs = x->n_envs };
    const struct core_env env = { .clocks = clocks, .random = randomness, .deliver = deliver, .space = space,
                                  .fatal = fatal };
    CLEANUP(os_closep) int dir = -1;
    CLEANUP(os_closep) int lock = -1;
    struct core *c = NULL;
    enum err e;

    TRY(os_dir_open(x->dir, false, &dir, reterr));
    TRY(os_lock(dir, "lock", 0, &lock, reterr));
    TRY(core_open(&cfg, &env, &c, reterr));
    e = transact(c, if_alone, a, reterr);
    core_close(c);
    return e;
}

static enum err do_unseal(struct job *c, void *arg, struct err_info *reterr)
{
    const struct act *a = arg;
    const struct unseal u = { .log = a->log };
    struct span *names;
    size_t n;

    TRY(unseal_run(c, &u, &names, &n, reterr));
    for (size_t i = 0; i < n; i++)
        a->tell(a->ctx, names[i]);
    return ERR_OK;
}

enum err console_unseal(const struct console *x, struct span log, void (*fn)(void *ctx, struct span name), void *ctx,
                        struct err_info *reterr)
{
    struct act a = { .fn = do_unseal, .log = log, .tell = fn, .ctx = ctx };

    return run(x, &a, reterr);
}

static enum err do_trust(struct job *c, void *arg, struct err_info *reterr)
{
    (void) arg;
    if (c->core->clock.trusted)
        return ERR_RAISE(reterr, ERR_STATE, "the clock is trusted");
    return clock_trust_run(c, SPAN_EMPTY, SPAN_EMPTY, reterr);
}

enum err console_trust_clock(const struct console *x, struct err_info *reterr)
{
    struct act a = { .fn = do_trust };

    return run(x, &a, reterr);
}
