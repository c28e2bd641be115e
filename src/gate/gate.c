#include "gate/gate.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/random.h"
#include "gate/handlers.h"
#include "gate/looks.h"
#include "gate/seen.h"
#include "link/link.h"

#define WORKERS       2
#define WORK_QUEUE    4096
#define STREAM_COUNTS 100000
#define KEY_USES      200000

/* The process: loop 0 runs in the main thread and has the control channel; the others have threads of their own. */
struct process {
    struct gate gate;
    struct link *control;
    bool running;
    int status;
    struct tls_ctx **certificates; /* all that there were: loops may be about to use an older one */
    size_t n_certificates;
    struct err_info tls_why;       /* why there is none */
};

/* ---- settings ---- */

static void publish(struct gate *g, struct gate_settings *s)
{
    s->older = (struct gate_settings *) (uintptr_t) gate_settings(g);
    atomic_store_explicit(&g->settings, s, memory_order_release);
}

static void apply_config(void *arg)
{
    struct lane *l = arg;

    for (size_t i = 0; i < l->n_listeners; i++)
        listener_set_config(l->listeners[i], &gate_settings(l->gate)->net);
}

static void apply_tls(void *arg)
{
    struct lane *l = arg;

    for (size_t i = 0; i < l->n_listeners; i++)
        listener_set_tls(l->listeners[i], atomic_load(&l->gate->tls));
}

static void on_each_lane(struct gate *g, loop_fn fn)
{
    for (unsigned i = 0; i < g->n_lanes; i++) {
        if (loop_post(g->lanes[i]->loop, fn, g->lanes[i]) != ERR_OK)
            log_event(LOG_WARN, "settings.not-applied", LOG_INT("loop", i));
    }
}

/* ---- start ---- */

static void *run_lane(void *arg)
{
    struct lane *l = arg;

    loop_run(l->loop);
    return NULL;
}

static enum err start_lanes(struct gate *g, unsigned n, struct err_info *reterr)
{
    for (unsigned i = 1; i < n; i++) {
        TRY(lane_new(g, i, &g->lanes[i], reterr));
        if (pthread_create(&g->lanes[i]->thread, NULL, run_lane, g->lanes[i]) != 0) {
            g->lanes[i] = lane_free(g->lanes[i]);
            return ERR_RAISE(reterr, ERR_NOMEM, "start a loop's thread");
        }
        g->lanes[i]->own_thread = true;
        g->n_lanes = i + 1;
    }
    return ERR_OK;
}

static enum err start(struct process *p, const struct gate_settings *s, struct err_info *reterr)
{
    struct gate *g = &p->gate;
    size_t leftovers = 0;

    if (s->tls && atomic_load(&g->tls) == NULL) /* never in clear instead */
        return ERR_RAISE(reterr, ERR_INVAL, "there is no certificate to listen with: %s",
                         p->tls_why.text[0] != '\0' ? p->tls_why.text : "tls.certificate cannot be read");
    TRY(store_open(s->dir, &g->store, reterr));
    TRY(store_clean(g->store, &leftovers, reterr));
    if (leftovers > 0)
        log_event(LOG_INFO, "store.cleaned", LOG_INT("files", leftovers));
    TRY(pool_new(WORKERS, WORK_QUEUE, &g->pool, reterr));
    TRY(net_limits_new(s->connections, s->per_source, s->trusted, s->n_trusted, &g->limits, reterr));
    TRY(start_lanes(g, s->threads, reterr));
    return live_begin(g, reterr);
}

static void configure(struct process *p, const struct ipc_gate_config *m)
{
    struct ipc_ready ready = { .ok = 1 };
    struct err_info e = { 0 };
    struct gate_settings *s;

    s = gate_settings_new(m, &e);
    if (p->running) { /* SIGHUP */
        if (s == NULL) {
            log_err(LOG_ERROR, "settings.refused", &e);
            return;
        }
        publish(&p->gate, s);
        on_each_lane(&p->gate, apply_config);
        return;
    }
    log_init("gate", m->log_format ? LOG_JSON : LOG_AUTO, LOG_INFO); /* once: other threads log too */
    if (s != NULL) {
        publish(&p->gate, s);
        p->running = start(p, s, &e) == ERR_OK;
    }
    if (!p->running) {
        log_err(LOG_ERROR, "gate.not-started", &e);
        ready.ok = 0;
        ready.text = span_str(e.text);
        p->status = 1;
    }
    if (link_send(p->control, IPC_T_READY, &ready) != ERR_OK)
        loop_stop(p->gate.lanes[0]->loop);
}

/* ---- descriptors from the supervisor ---- */

struct handover {
    struct lane *lane;
    int fd;
    uint8_t role, kind;
};

static void hand_peer(void *arg)
{
    struct handover *h = arg;

    if (h->role == ROLE_KEEPER)
        lane_take_keeper(h->lane, h->fd);
    else
        lane_take_vault(h->lane, h->fd);
    free(h);
}

static void hand_listener(void *arg)
{
    struct handover *h = arg;
    struct lane *l = h->lane;
    struct gate *g = l->gate;
    const struct exchange_handler *handler = h->kind == LISTENER_PLAYER ? &l->player : &l->app;
    struct tls_ctx *tls = atomic_load(&g->tls);
    struct err_info e = { 0 };

    if (l->closing || l->n_listeners == LANE_LISTENERS_MAX || (gate_settings(g)->tls && tls == NULL) ||
        listener_new(l->loop, h->fd, tls, &gate_settings(g)->net, g->limits, handler, &l->listeners[l->n_listeners],
                     &e) != ERR_OK) {
        log_err(LOG_ERROR, "listener.refused", &e);
        (void) close(h->fd);
    } else {
        l->listener_fds[l->n_listeners++] = h->fd;
    }
    free(h);
}

static void hand_over(struct gate *g, unsigned index, uint8_t role, uint8_t kind, int fd, loop_fn fn)
{
    struct handover *h = calloc(1, sizeof(*h));

    if (h == NULL || index >= g->n_lanes || fd < 0) {
        free(h);
        return;
    }
    *h = (struct handover){ g->lanes[index], dup(fd), role, kind };
    if (loop_post(h->lane->loop, fn, h) != ERR_OK) {
        (void) close(h->fd);
        free(h);
    }
}

static void take_tls(struct process *p, const struct ipc_tls *m)
{
    struct tls_ctx *fresh = NULL;
    struct tls_ctx **more = realloc(p->certificates, (p->n_certificates + 1) * sizeof(*more));

    if (more == NULL)
        return;
    p->certificates = more;
    if (tls_ctx_new(m->certificate, m->key, &fresh, &p->tls_why) != ERR_OK) {
        log_err(LOG_ERROR, "tls.refused", &p->tls_why); /* the old certificate, if there is one, goes on */
        return;
    }
    p->certificates[p->n_certificates++] = fresh;
    atomic_store(&p->gate.tls, fresh);
    on_each_lane(&p->gate, apply_tls);
}

static void take_shutdown(struct process *p, const struct ipc_shutdown *m);

static void on_control_message(void *ctx, struct link_msg *m)
{
    struct process *p = ctx;
    int fd = m->n_fds > 0 ? m->fds[0] : -1;

    switch ((int) m->type) {
    case IPC_T_GATE_CONFIG: configure(p, m->body); break;
    case IPC_T_TLS: take_tls(p, m->body); break;
    case IPC_T_PEER: {
        const struct ipc_peer *peer = m->body;

        hand_over(&p->gate, peer->index, peer->role, 0, fd, hand_peer);
        break;
    }
    case IPC_T_LISTENER: {
        const struct ipc_listener *l = m->body;

        for (unsigned i = 0; i < p->gate.n_lanes; i++)
            hand_over(&p->gate, i, 0, l->kind, fd, hand_listener);
        break;
    }
    case IPC_T_SHUTDOWN: take_shutdown(p, m->body); break;
    default: log_event(LOG_WARN, "message.unexpected", LOG_STR("type", ipc_name(m->type)));
    }
}

/* ---- the end ---- */

struct shutdown {
    struct lane *lane;
    time_ms grace;
};

static void shut_lane(void *arg)
{
    struct shutdown *s = arg;

    lane_shutdown(s->lane, s->grace);
    free(s);
}

static void take_shutdown(struct process *p, const struct ipc_shutdown *m)
{
    atomic_store(&p->gate.stopping, true);
    for (unsigned i = 0; i < p->gate.n_lanes; i++) {
        struct shutdown *s = calloc(1, sizeof(*s));

        if (s == NULL)
            continue; /* the supervisor's deadline ends it */
        *s = (struct shutdown){ p->gate.lanes[i], m->grace_ms };
        if (loop_post(s->lane->loop, shut_lane, s) != ERR_OK)
            free(s);
    }
}

static void on_control_closed(void *ctx, const struct err_info *why)
{
    struct process *p = ctx;
    const struct ipc_shutdown now = { 100 };

    (void) why; /* without a supervisor there is no server */
    take_shutdown(p, &now);
}

static const struct link_ops control_ops = { .on_message = on_control_message, .on_closed = on_control_closed };

static void close_all(struct process *p)
{
    struct gate *g = &p->gate;

    for (unsigned i = 1; i < g->n_lanes; i++)
        (void) pthread_join(g->lanes[i]->thread, NULL);
    p->control = link_free(p->control);
    for (unsigned i = 0; i < g->n_lanes; i++)
        lane_end(g->lanes[i]);
    g->pool = pool_free(g->pool);
    live_end(g);
    for (unsigned i = 0; i < g->n_lanes; i++)
        g->lanes[i] = lane_free(g->lanes[i]);
    g->limits = net_limits_free(g->limits);
    for (size_t i = 0; i < p->n_certificates; i++)
        (void) tls_ctx_unref(p->certificates[i]);
    free(p->certificates);
    g->store = store_free(g->store);
    live_deinit(&g->live);
    map_deinit(&g->stream_counts);
    map_deinit(&g->uses);
    key_ring_deinit(&g->ring);
    g->nonce_key = secret_free(g->nonce_key);
    g->seen = seen_free(g->seen);
    g->looks = looks_free(g->looks);
    buf_deinit(&g->jwks);
    (void) gate_settings_free((struct gate_settings *) (uintptr_t) gate_settings(g));
    (void) pthread_rwlock_destroy(&g->keys_lock);
    (void) pthread_rwlock_destroy(&g->live_lock);
    (void) pthread_mutex_destroy(&g->streams_lock);
}

static enum err begin(struct process *p, int control_fd, struct err_info *reterr)
{
    struct gate *g = &p->gate;

    TRY(secret_init(SECRET_32_DEFAULT, SECRET_64_DEFAULT, reterr)); /* before anything that takes a while */
    random_fill(g->hash_secret, sizeof(g->hash_secret));
    random_fill(g->seen_secret, sizeof(g->seen_secret));
    random_fill(&g->nonce_node, sizeof(g->nonce_node));
    live_init(&g->live, g->hash_secret);
    map_init(&g->stream_counts, g->hash_secret, STREAM_COUNTS);
    map_init(&g->uses, g->hash_secret, KEY_USES);
    buf_init(&g->jwks, 64 << 10);
    atomic_store(&g->audit_ok, true);
    if (pthread_rwlock_init(&g->keys_lock, NULL) != 0 || pthread_rwlock_init(&g->live_lock, NULL) != 0 ||
        pthread_mutex_init(&g->streams_lock, NULL) != 0)
        return ERR_RAISE(reterr, ERR_NOMEM, "make a lock");
    TRY(live_bodies_init(&g->live_bodies, g->hash_secret, reterr));
    TRY(live_table_init(&g->live_recs, g->hash_secret, reterr));
    TRY(live_tokens_init(&g->tokens, g->hash_secret, reterr));
    TRY(masks_init(&g->masks, g->hash_secret, reterr));
    TRY(new_rate_init(&g->new_rate, g->hash_secret, reterr));
    g->nonce_key = secret_random(32);
    if (g->nonce_key == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no slot for the key of nonces");
    TRY(mask_init(reterr));
    TRY(seen_new(&g->seen, reterr));
    g->looks = looks_new(g->hash_secret);
    if (g->looks == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "looks");
    TRY(lane_new(g, 0, &g->lanes[0], reterr));
    g->n_lanes = 1;
    return link_new(g->lanes[0]->loop, control_fd, true, &control_ops, p, &p->control, reterr);
}

int gate_main(int control_fd)
{
    struct process *p = calloc(1, sizeof(*p));
    struct err_info e;
    int status;

    log_init("gate", LOG_AUTO, LOG_INFO);
    (void) prctl(PR_SET_DUMPABLE, 0);
    (void) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void) signal(SIGPIPE, SIG_IGN);
    if (p == NULL)
        return 1;
    if (begin(p, control_fd, &e) != ERR_OK) {
        log_err(LOG_ERROR, "gate.not-started", &e);
        return 1;
    }
    loop_run(p->gate.lanes[0]->loop);
    status = p->status;
    close_all(p);
    free(p);
    return status;
}
