#include "gate/lane.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "gate/allow.h"
#include "gate/feed.h"
#include "gate/foreign.h"
#include "gate/handlers.h"
#include "gate/proof.h"
#include "gate/refusals.h"
#include "gate/shelf.h"
#include "gate/viewer.h"
#include "os/clock.h"

#define TICK_MS      1000
#define VIEWERS_MAX  100000

/* ---- what the keeper pushes (loop 0), and what it tells this loop ---- */

/* A change that every loop must look at: posted to each, its own included. */
struct change {
    struct lane *lane;
    char gid[ID_CAP]; /* "": all */
};

static void on_change(void *arg)
{
    struct change *c = arg;

    replay_recheck(c->lane, span_str(c->gid));
    viewers_review(c->lane, span_str(c->gid));
    free(c);
}

static void tell_lanes(struct gate *g, const char *gid)
{
    for (unsigned i = 0; i < g->n_lanes; i++) {
        struct change *c = calloc(1, sizeof(*c));

        if (c == NULL)
            abort(); /* an ending that is not carried out would be worse than a restart */
        c->lane = g->lanes[i];
        memcpy(c->gid, gid, strlen(gid) + 1);
        if (loop_post(c->lane->loop, on_change, c) != ERR_OK)
            free(c);
    }
}

/* One write lock for all of it: nobody sees the table of a full list half filled. */
static void take_grants(struct lane *l, const struct ipc_grants *m)
{
    struct gate *g = l->gate;
    struct live_grant row;
    bool changed, full = false;

    pthread_rwlock_wrlock(&g->live_lock);
    if (m->full)
        live_clear(&g->live);
    for (uint32_t i = 0; i < m->rows.n; i++) {
        changed = false;
        if (live_from_row(&m->rows.rows[i], &row) && live_put(&g->live, &row, &changed) != ERR_OK)
            full = true;
        if (changed && !m->full)
            tell_lanes(g, row.gid);
    }
    pthread_rwlock_unlock(&g->live_lock);
    if (full)
        log_event(LOG_ERROR, "grants.full"); /* they stay unknown: keys of theirs are refused */
    if (m->full)
        tell_lanes(g, "");
}

static void take_denied(struct lane *l, const struct ipc_deny *m)
{
    struct gate *g = l->gate;

    pthread_rwlock_wrlock(&g->live_lock);
    for (uint32_t i = 0; i < m->rows.n; i++) {
        if (live_deny(&g->live, m->rows.rows[i].jti, m->rows.rows[i].exp_ms, m->rows.rows[i].end_code) != ERR_OK)
            abort(); /* a denial that is not carried out would be worse than a restart */
    }
    pthread_rwlock_unlock(&g->live_lock);
    tell_lanes(g, "");
}

static void take_tokens(struct lane *l, const struct ipc_ingest_tokens *m)
{
    if (live_tokens_put(&l->gate->tokens, m) != ERR_OK)
        log_event(LOG_ERROR, "ingest-tokens.full"); /* they stay unknown: recorders with them are refused */
}

static void take_heartbeat(struct lane *l, const struct ipc_heartbeat *m)
{
    struct gate *g = l->gate;
    bool was = atomic_exchange(&g->audit_ok, m->audit_ok != 0);

    atomic_store(&g->heard, clock_boot_ms());
    atomic_store(&g->clock_ok, m->clock_ok != 0);
    if (was && !m->audit_ok)
        tell_lanes(g, "");
}

struct removal {
    struct store *store;
    char pid[ID_CAP], rid[ID_CAP];
};

static void remove_files(void *arg)
{
    struct removal *x = arg;
    struct err_info e;

    if (store_remove_recording(x->store, span_str(x->pid), span_str(x->rid), &e) != ERR_OK)
        log_err(LOG_WARN, "recording.not-removed", &e);
}

static void removal_done(void *arg)
{
    free(arg);
}

void lane_remove_files(struct lane *l, struct span pid, struct span rid)
{
    struct removal *x = calloc(1, sizeof(*x));

    if (x == NULL)
        return; /* the keeper says it again when the next gate starts */
    x->store = l->gate->store;
    if (!span_to_str(pid, x->pid, sizeof(x->pid)) || !span_to_str(rid, x->rid, sizeof(x->rid)) ||
        pool_work(l->gate->pool, l->loop, remove_files, removal_done, x) != ERR_OK)
        free(x);
}

/* For each loop. */
struct forgetting {
    struct lane *lane;
    char rid[ID_CAP];
};

static void on_forget(void *arg)
{
    struct forgetting *f = arg;

    shelf_forget(f->lane, f->rid);
    free(f);
}

static void forget_opened(struct gate *g, struct span rid)
{
    for (unsigned i = 0; i < g->n_lanes; i++) {
        struct forgetting *f = calloc(1, sizeof(*f));

        if (f == NULL)
            abort(); /* as tell_lanes */
        f->lane = g->lanes[i];
        if (!span_to_str(rid, f->rid, sizeof(f->rid)) || loop_post(f->lane->loop, on_forget, f) != ERR_OK)
            free(f);
    }
}

static void take_gone(struct lane *l, const struct ipc_gone *m)
{
    forget_opened(l->gate, m->rid);
    if (!live_gone(l, m->pid, m->rid))
        lane_remove_files(l, m->pid, m->rid);
}

static void take_masks(struct lane *l, const struct ipc_mask_rules *m)
{
    struct err_info e;

    if (masks_put(&l->gate->masks, m, &e) != ERR_OK) /* nothing is taken in for the project until it is said again */
        log_err(LOG_ERROR, "masks.not-taken", &e);
}

static void on_keeper_message(void *ctx, struct link_msg *m)
{
    struct lane *l = ctx;

    switch ((int) m->type) {
    case IPC_T_GRANTS: take_grants(l, m->body); break;
    case IPC_T_DENY: take_denied(l, m->body); break;
    case IPC_T_HEARTBEAT: take_heartbeat(l, m->body); break;
    case IPC_T_GONE: take_gone(l, m->body); break;
    case IPC_T_INGEST_TOKENS: take_tokens(l, m->body); break;
    case IPC_T_MASK_RULES: take_masks(l, m->body); break;
    case IPC_T_NOTIFY: watch_notify(l, m->body); break;
    default: log_event(LOG_WARN, "message.unexpected", LOG_STR("type", ipc_name(m->type)));
    }
}

/* A dead keeper is known at once: nothing goes on without it. */
static void keeper_gone(struct lane *l, const char *why)
{
    log_event(LOG_WARN, "keeper.gone", LOG_STR("text", why));
    atomic_store(&l->gate->heard, 0);
    replay_recheck(l, SPAN_EMPTY);
    live_keeper_gone(l);
    l->keeper = link_free(l->keeper);
    watches_close(l, "unavailable");
}

static void on_keeper_closed(void *ctx, const struct err_info *why)
{
    keeper_gone(ctx, why->text);
}

static void on_vault_message(void *ctx, struct link_msg *m)
{
    struct lane *l = ctx;

    l->vault_heard = clock_boot_ms();
    if (m->type == IPC_T_KEYS)
        gate_keys_put(l->gate, m->body);
    else if (m->type != IPC_T_HEARTBEAT)
        log_event(LOG_WARN, "message.unexpected", LOG_STR("type", ipc_name(m->type)));
}

/* Without a vault nothing is replayed either: what is under way ends, and goes on when there is one again. */
static void vault_gone(struct lane *l, const char *why)
{
    log_event(LOG_WARN, "vault.gone", LOG_STR("text", why));
    l->vault = link_free(l->vault);
    replay_recheck(l, SPAN_EMPTY);
}

static void on_vault_closed(void *ctx, const struct err_info *why)
{
    vault_gone(ctx, why->text);
}

static const struct link_ops keeper_ops = { .on_message = on_keeper_message, .on_closed = on_keeper_closed };
static const struct link_ops vault_ops = { .on_message = on_vault_message, .on_closed = on_vault_closed };

static void take(struct lane *l, struct link **to, int fd, const struct link_ops *ops)
{
    struct err_info e;

    if (l->closing) {
        (void) close(fd);
        return;
    }
    *to = link_free(*to);
    if (link_new(l->loop, fd, false, ops, l, to, &e) != ERR_OK) {
        log_err(LOG_ERROR, "peer.refused", &e);
        (void) close(fd);
    }
}

void lane_take_keeper(struct lane *l, int fd)
{
    if (l->keeper != NULL)
        keeper_gone(l, "there is a new one"); /* it died, and its successor was quicker than the news */
    take(l, &l->keeper, fd, &keeper_ops);
    if (l->keeper != NULL)
        live_keeper_came(l);
}

void lane_take_vault(struct lane *l, int fd)
{
    if (l->vault != NULL)
        vault_gone(l, "there is a new one");
    l->vault_heard = clock_boot_ms();
    take(l, &l->vault, fd, &vault_ops);
}

enum key_verdict lane_authority(const struct lane *l)
{
    int64_t boot = clock_boot_ms();
    enum key_verdict v = gate_authority(l->gate, boot);
    bool vault_well = l->vault != NULL && boot - l->vault_heard < GATE_STALE_MS;

    return v == KEY_OK && !vault_well ? KEY_AUTHORITY_STALE : v;
}

/* ---- housekeeping ---- */

void lane_refused(struct lane *l, const struct refusal *r)
{
    refusals_add(l->refusals, r, l->keeper);
}

static void on_tick(void *arg)
{
    struct lane *l = arg;
    struct gate *g = l->gate;

    loop_timer_arm(&l->tick, TICK_MS);
    l->asked = 0;
    if (l->index == 0) {
        pthread_rwlock_wrlock(&g->live_lock);
        live_sweep(&g->live, clock_wall_ms());
        pthread_rwlock_unlock(&g->live_lock);
    }
    if (lane_authority(l) != KEY_OK)
        replay_recheck(l, SPAN_EMPTY); /* stale: streams are cut within 3 s of the last heartbeat, and a tick */
    refusals_flush(l->refusals, l->keeper);
    viewers_tick(l);
    feeds_tick(l);
    shelves_tick(l);
    foreign_tick(l);
}

enum err lane_new(struct gate *g, unsigned index, struct lane **ret, struct err_info *reterr)
{
    struct lane *l = calloc(1, sizeof(*l));
    enum err e;

    if (l == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory for a loop");
    l->gate = g;
    l->index = index;
    l->refusals = refusals_new(g->hash_secret);
    l->proof_keys = proof_keys_new(g->hash_secret);
    e = l->refusals == NULL || l->proof_keys == NULL ? ERR_RAISE(reterr, ERR_NOMEM, "no memory for a loop")
                                                     : loop_new(&l->loop, reterr);
    if (e != ERR_OK) {
        (void) proof_keys_free(l->proof_keys);
        (void) refusals_free(l->refusals);
        free(l);
        return e;
    }
    map_init(&l->viewers, g->hash_secret, VIEWERS_MAX);
    map_init(&l->viewer_keys, g->hash_secret, VIEWERS_MAX);
    map_init(&l->feeds, g->hash_secret, VIEWERS_MAX);
    map_init(&l->shelves, g->hash_secret, VIEWERS_MAX);
    list_init(&l->shelf_lru);
    map_init(&l->foreign, g->hash_secret, FOREIGN_CACHE_MAX);
    list_init(&l->replays);
    list_init(&l->watches);
    list_init(&l->imports);
    list_init(&l->lives);
    list_init(&l->live_jobs);
    l->app = (struct exchange_handler){ l, dispatch_app, dispatch_refused };
    l->player = (struct exchange_handler){ l, dispatch_player, dispatch_refused };
    loop_timer_init(&l->tick, l->loop, on_tick, l);
    loop_timer_arm(&l->tick, TICK_MS);
    *ret = l;
    return ERR_OK;
}

struct lane *lane_free(struct lane *l)
{
    if (l == NULL)
        return NULL;
    loop_timer_cancel(&l->tick);
    l->refusals = refusals_free(l->refusals);
    l->proof_keys = proof_keys_free(l->proof_keys);
    l->loop = loop_free(l->loop);
    free(l);
    return NULL;
}

void lane_end(struct lane *l)
{
    l->closing = true;
    loop_timer_cancel(&l->tick);
    for (size_t i = 0; i < l->n_listeners; i++) {
        l->listeners[i] = listener_free(l->listeners[i]);
        (void) close(l->listener_fds[i]);
    }
    l->n_listeners = 0;
    l->keeper = link_free(l->keeper);
    l->vault = link_free(l->vault);
    viewers_drop(l);
    map_deinit(&l->viewers);
    map_deinit(&l->viewer_keys);
    map_deinit(&l->feeds);
    map_deinit(&l->shelves);
    l->allowances = allow_free(l->allowances);
}

static void on_said(void *arg)
{
    struct lane *l = arg;

    loop_stop(l->loop);
}

/* What is still to be said (settlements, refusals) leaves at the end of this turn; the next one is the last. */
static void stop(struct lane *l)
{
    viewers_drop(l);
    refusals_flush(l->refusals, l->keeper);
    loop_timer_cancel(&l->tick);
    loop_timer_init(&l->tick, l->loop, on_said, l);
    loop_timer_arm(&l->tick, 1);
}

void lane_quiet(struct lane *l)
{
    if (!l->closing || !list_empty(&l->imports))
        return;
    for (size_t i = 0; i < l->n_listeners; i++) {
        if (listener_count(l->listeners[i]) > 0)
            return;
    }
    stop(l);
}

static void on_listener_closed(void *arg)
{
    lane_quiet(arg);
}

static void on_grace_over(void *arg)
{
    stop(arg);
}

void lane_shutdown(struct lane *l, time_ms grace_ms)
{
    if (l->closing)
        return;
    l->closing = true;
    replay_shutdown(l);
    watches_close(l, "shutdown");
    imports_close(l);
    loop_timer_cancel(&l->tick);
    loop_timer_init(&l->tick, l->loop, on_grace_over, l);
    loop_timer_arm(&l->tick, grace_ms);
    for (size_t i = 0; i < l->n_listeners; i++)
        listener_close(l->listeners[i], on_listener_closed, l);
    lane_quiet(l);
}
