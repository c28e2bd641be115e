#include "keeper/core.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "keeper/clock_trust.h"
#include "keeper/dispatch.h"
#include "keeper/hooks.h"
#include "keeper/integrator.h"
#include "keeper/ongoing.h"
#include "keeper/reserve.h"
#include "keeper/scrub.h"
#include "keeper/session.h"
#include "keeper/state.h"
#include "keeper/unseal.h"

#define WATCHING_MAX 100000
#define VOLUMES_MAX  200000
#define CURSOR_KEY   "cursor.key"

/* ---- opening ---- */

static const char *copy(struct core *c, const char *s)
{
    const char *t = arena_str(&c->cfg_mem, span_str(s));

    return t == NULL ? "" : t;
}

static enum err copy_config(struct core *c, const struct core_config *in, struct err_info *reterr)
{
    const char **envs;

    arena_init(&c->cfg_mem, 1U << 20);
    c->cfg = *in;
    c->cfg.public_url = copy(c, in->public_url);
    c->cfg.player_url = copy(c, in->player_url);
    c->cfg.dir = copy(c, in->dir);
    c->cfg.demo_password = copy(c, in->demo_password);
    envs = arena_alloc(&c->cfg_mem, (in->n_envs + 1) * sizeof(*envs));
    if (envs == NULL || in->n_envs == 0)
        return ERR_RAISE(reterr, ERR_INVAL, "no environment is configured");
    for (size_t i = 0; i < in->n_envs; i++)
        envs[i] = copy(c, in->envs[i]);
    c->cfg.envs = envs;
    return ERR_OK;
}

/* "https://rec.example.com" -> "rec.example.com": the beginning of every log's origin. */
static struct span host_of(const char *url)
{
    const char *p = strstr(url, "://");

    return span_str(p == NULL ? url : p + 3);
}

/* Cursors stay good over restarts. */
static enum err load_cursor_key(struct core *c, struct err_info *reterr)
{
    struct arena mem;
    struct span key = SPAN_EMPTY;
    enum err e;

    arena_init(&mem, 4096);
    e = meta_setting_get(meta_view(c->m), CURSOR_KEY, &mem, NULL, &key, reterr);
    if (e == ERR_OK && key.n == sizeof(c->cursor_key)) {
        memcpy(c->cursor_key, key.p, key.n);
    } else if (e == ERR_OK || e == ERR_NOTFOUND) {
        c->env.random(c->env.ctx, c->cursor_key, sizeof(c->cursor_key));
        e = meta_begin(c->m, reterr);
        if (e == ERR_OK)
            e = meta_setting_put(c->m, CURSOR_KEY, 0, SPAN_OF(c->cursor_key), reterr);
        if (e == ERR_OK)
            e = meta_commit(c->m, reterr);
    }
    arena_deinit(&mem);
    return e;
}

static enum err open_database(struct core *c, struct err_info *reterr)
{
    (void) snprintf(c->db_path, sizeof(c->db_path), "%s/meta/keyhole.db", c->cfg.dir);
    TRY(meta_open(c->db_path, &c->m, reterr));
    TRY(audit_open(c->m, host_of(c->cfg.public_url), &c->audit, reterr));
    TRY(unseal_compare(c, reterr));
    TRY(meta_wal_open(c->db_path, &c->wal, reterr));
    TRY(tiles_new(c->cfg.dir, c->db_path, &c->tiles, reterr));
    atomic_store(&c->tiles_due, true);
    c->seats[0].v = meta_view(c->m);
    for (size_t i = 1; i <= CORE_READERS; i++) {
        TRY(meta_reader_open(c->db_path, &c->seats[i].reader, reterr));
        c->seats[i].v = meta_reader_view(c->seats[i].reader);
    }
    return load_cursor_key(c, reterr);
}

static enum err load_epoch(struct core *c, struct err_info *reterr)
{
    struct arena mem;
    struct meta_epoch row;
    enum err e;

    arena_init(&mem, 4096);
    e = meta_epoch_newest(meta_view(c->m), &mem, &row, reterr);
    if (e == ERR_OK && row.pk.n == sizeof(c->epoch_pk) && row.ended_ms == 0) {
        c->epoch = (uint32_t) row.n;
        memcpy(c->epoch_pk, row.pk.p, sizeof(c->epoch_pk));
    }
    arena_deinit(&mem);
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err open_memory(struct core *c, struct err_info *reterr)
{
    struct clock_reading now = { 0 };
    time_ms mark;
    bool synced;

    c->env.random(c->env.ctx, c->map_secret, sizeof(c->map_secret));
    map_init(&c->owned, c->map_secret, OWNED_MAX);
    map_init(&c->watching, c->map_secret, WATCHING_MAX);
    map_init(&c->volumes, c->map_secret, VOLUMES_MAX);
    c->throttle = throttle_new(c->map_secret);
    c->hooks = hooks_new(c->cfg.hooks, c->cfg.n_hooks);
    c->cfg.hooks = NULL; /* the caller's */
    c->counts = counts_new();
    c->touches = touches_new();
    c->scrub = scrub_new();
    if (c->throttle == NULL || c->hooks == NULL || c->counts == NULL || c->touches == NULL || c->scrub == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "keeper");
    TRY(clock_trust_mark(c, &mark, reterr));
    clock_guard_init(&c->clock, mark);
    c->env.clocks(c->env.ctx, &now, &synced);
    atomic_store(&c->clock_bad, !clock_guard_see(&c->clock, now.real, now.boot, synced));
    c->started_ms = now.real;
    atomic_store(&c->audit_sealed, audit_sealed(c->audit, SPAN_EMPTY) != NULL);
    return load_epoch(c, reterr);
}

enum err core_open(const struct core_config *config, const struct core_env *env, struct core **ret,
                   struct err_info *reterr)
{
    struct core *c = calloc(1, sizeof(*c));
    enum err e;

    if (c == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "keeper");
    c->env = *env;
    list_init(&c->watchers);
    list_init(&c->importing);
    list_init(&c->vault_sizes);
    e = copy_config(c, config, reterr);
    if (e == ERR_OK)
        e = open_database(c, reterr);
    if (e == ERR_OK)
        e = open_memory(c, reterr);
    if (e != ERR_OK) {
        core_close(c);
        return e;
    }
    *ret = c;
    return ERR_OK;
}

static void free_lists(struct core *c)
{
    for (struct list *n; (n = list_pop(&c->watchers)) != NULL;)
        free(LIST_ENTRY(n, struct watcher, node));
    for (struct list *n; (n = list_pop(&c->importing)) != NULL;)
        free(LIST_ENTRY(n, struct importing, node));
    integrator_forget(c);
    ongoing_forget_all(c);
    MAP_FOREACH(struct watching, w, &c->watching)
        free(w);
    MAP_FOREACH(struct volume, v, &c->volumes)
        free(v);
    map_deinit(&c->watching);
    map_deinit(&c->volumes);
}

struct core *core_close(struct core *c)
{
    if (c == NULL)
        return NULL;
    free_lists(c);
    c->throttle = throttle_free(c->throttle);
    c->hooks = hooks_free(c->hooks);
    c->counts = counts_free(c->counts);
    c->touches = touches_free(c->touches);
    for (size_t i = 0; i <= CORE_READERS; i++) {
        people_free(c->seats[i].people);
        rules_free(c->seats[i].rules);
        meta_reader_close(c->seats[i].reader);
    }
    audit_close(c->audit);
    meta_wal_close(c->wal);
    c->tiles = tiles_free(c->tiles);
    c->scrub = scrub_free(c->scrub);
    meta_close(c->m);
    arena_deinit(&c->cfg_mem);
    free(c);
    return NULL;
}

/* ---- groups ---- */

static void read_clocks(struct core *c, struct clock_reading *now)
{
    bool synced = false;

    *now = (struct clock_reading){ 0 };
    c->env.clocks(c->env.ctx, now, &synced);
    now->trusted = clock_guard_see(&c->clock, now->real, now->boot, synced) && (synced || !c->cfg.require_sync);
    atomic_store(&c->clock_bad, !now->trusted);
}

/* What one run of a group gathers and shows only after COMMIT. */
struct group {
    struct list outs;
    struct after *after; /* each lies in its command's arena */
    struct after **last;
};

static void join_after(struct group *g, struct after *more)
{
    *g->last = more;
    while (*g->last != NULL)
        g->last = &(*g->last)->next;
}

/* Memory goes back to what the database says. */
static void roll_back(struct core *c, struct group *g)
{
    struct err_info err;

    LIST_FOREACH(n, &g->outs)
        LIST_ENTRY(n, struct out, node)->cmd = NULL; /* it runs again */
    outs_free(&g->outs);
    g->after = NULL;
    if (meta_rollback(c->m, &err) != ERR_OK)
        c->env.fatal(c->env.ctx, &err);
    audit_rolled_back(c->audit);
    c->seats[0].people = people_free(c->seats[0].people);
    c->seats[0].rules = rules_free(c->seats[0].rules);
}

static enum err run_all(struct core *c, struct cmd **cmds, size_t n, struct group *g, struct err_info *reterr)
{
    list_init(&g->outs);
    g->after = NULL;
    g->last = &g->after;
    TRY(meta_begin(c->m, reterr));
    for (size_t i = 0; i < n; i++) {
        struct clock_reading now;
        struct after *after = NULL;

        read_clocks(c, &now);
        TRY(dispatch_run(c, &c->seats[0], cmds[i], &now, &g->outs, &after, reterr));
        join_after(g, after);
    }
    return meta_commit(c->m, reterr);
}

/* The disk did; now memory, then pushes, answers and notices. From there on a command that travels is not ours. */
static void publish(struct core *c, struct cmd **cmds, size_t n, struct group *g)
{
    audit_committed(c->audit);
    clock_trust_committed(c);
    for (struct after *a = g->after; a != NULL; a = a->next)
        a->fn(c, a->arg);
    for (size_t i = 0; i < n; i++) {
        if (!cmds[i]->travels)
            cmds[i] = cmd_free(cmds[i]);
        else
            cmds[i] = NULL;
    }
    c->env.deliver(c->env.ctx, &g->outs);
}

/* One command that cannot be done: its caller hears so, and nothing of it stays. */
static void fail_one(struct core *c, struct cmd *cmd, enum err e, const struct err_info *err)
{
    struct list outs;

    list_init(&outs);
    if (e == ERR_NOSPC) {
        atomic_store(&c->ingest_space, true);
        if (!atomic_exchange(&c->audit_space, true))
            log_event(LOG_ERROR, "audit.space", LOG_STR("text", "the disk is full: nothing is opened"));
    } else {
        log_err(LOG_ERROR, "keeper.command-failed", err);
    }
    dispatch_fail(cmd, e == ERR_NOSPC ? "audit-space" : e == ERR_STATE && atomic_load(&c->audit_sealed)
                                                            ? "audit-unavailable"
                                                            : "internal",
                  &outs);
    c->env.deliver(c->env.ctx, &outs);
}

static bool run_once(struct core *c, struct cmd **cmds, size_t n)
{
    struct err_info err = { 0 };
    struct group g;
    enum err e = run_all(c, cmds, n, &g, &err);

    if (e == ERR_OK) {
        publish(c, cmds, n, &g);
        return true;
    }
    if (meta_is_broken(c->m))
        c->env.fatal(c->env.ctx, &err);
    roll_back(c, &g);
    if (n == 1 && e == ERR_NOSPC && reserve_is_for(cmds[0]) && reserve_give(c))
        return run_once(c, cmds, n); /* once: the reserve is gone now */
    if (n == 1)
        fail_one(c, cmds[0], e, &err);
    return false;
}

void core_run(struct core *c, struct cmd **cmds, size_t n)
{
    people_trim(c->seats[0].people);
    rules_trim(c->seats[0].rules);
    /* No savepoints: a group that breaks is rolled back whole and run again one by one (STANDARDS 2.3). */
    if (!run_once(c, cmds, n) && n > 1) {
        for (size_t i = 0; i < n; i++)
            (void) run_once(c, &cmds[i], 1);
    }
    for (size_t i = 0; i < n; i++)
        cmd_free(cmds[i]); /* those that failed */
}

/* ---- readers ---- */

void core_read(struct core *c, unsigned seat, struct cmd *cmd)
{
    struct seat *s = &c->seats[1 + seat % CORE_READERS];
    struct err_info err = { 0 };
    struct clock_reading now = { 0 };
    struct after *after = NULL;
    struct list outs;
    bool synced;
    enum err e;

    list_init(&outs);
    people_trim(s->people);
    rules_trim(s->rules);
    c->env.clocks(c->env.ctx, &now, &synced);
    now.trusted = !atomic_load(&c->clock_bad);
    e = meta_reader_begin(s->reader, &err);
    if (e == ERR_OK) {
        e = dispatch_run(c, s, cmd, &now, &outs, &after, &err);
        if (meta_reader_end(s->reader, NULL) != ERR_OK)
            log_event(LOG_WARN, "keeper.reader-end");
    }
    if (e != ERR_OK) {
        log_err(LOG_ERROR, "keeper.read-failed", &err);
        outs_free(&outs);
        dispatch_fail(cmd, "internal", &outs);
    }
    c->env.deliver(c->env.ctx, &outs);
    cmd_free(cmd);
}

bool core_is_read(const struct cmd *c)
{
    return dispatch_is_read(c);
}

struct core_health core_health(struct core *c)
{
    return (struct core_health){
        .audit_ok = !atomic_load(&c->audit_space) && !atomic_load(&c->audit_sealed),
        .clock_ok = !atomic_load(&c->clock_bad),
        .vault_ok = atomic_load(&c->vault_there),
    };
}

enum err core_checkpoint(struct core *c, struct err_info *reterr)
{
    uint32_t left;

    return meta_wal_checkpoint(c->wal, &left, reterr);
}

enum err core_tiles(struct core *c, struct err_info *reterr)
{
    struct err_info err = { 0 };
    size_t n;
    enum err e;

    if (atomic_load(&c->audit_sealed) || !atomic_exchange(&c->tiles_due, false))
        return ERR_OK;
    e = tiles_run(c->tiles, &n, &err);
    if (e != ERR_OK)
        log_err(LOG_ERROR, e == ERR_CORRUPT ? "alarm.audit-tiles" : "audit.tiles", &err);
    if (reterr != NULL)
        *reterr = err;
    return e == ERR_IO ? e : ERR_OK;
}

enum err core_scrub(struct core *c, const _Atomic bool *stop, struct err_info *reterr)
{
    struct clock_reading now = { 0 };
    bool synced;

    if (atomic_load(&c->audit_sealed))
        return ERR_OK;
    c->env.clocks(c->env.ctx, &now, &synced);
    return scrub_run(c->scrub, c->tiles, now.boot, stop, reterr);
}
