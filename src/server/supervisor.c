#include "server/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "loop/watch.h"
#include "os/file.h"
#include "server/config.h"
#include "server/listen.h"
#include "server/role_config.h"
#include "server/role_proc.h"

#define PREDECESSOR_WAIT_MS 5000
#define STOP_MS             10000
#define GRACE_MS            3000
#define LOOPS_MAX           64
#define PEM_MAX             (256u << 10)

/* In the order of starting; stopping goes the other way. */
enum { VAULT, KEEPER, GATE, N_ROLES };

struct supervisor {
    const struct server_options *options;
    struct config *config;
    unsigned gate_loops;
    struct loop *loop;
    struct role_proc roles[N_ROLES];
    struct loop_signal *signals[3];
    struct loop_timer stop_deadline;
    int lock;
    int listeners[2][CONFIG_LIST_MAX]; /* by enum listener_kind */
    size_t n_listeners[2];
    bool stopping, announced;
    enum err result;
    struct err_info why;
};

/* As many as the running gate has: a reload does not change it. */
static unsigned loops_of(const struct supervisor *s, int role)
{
    return role != GATE ? 1 : s->gate_loops > LOOPS_MAX ? LOOPS_MAX : s->gate_loops;
}

/* ---- what a role is given ---- */

static void send_peer(struct supervisor *s, int to, int about, unsigned index, int fd)
{
    const struct ipc_peer m = { .role = (uint8_t) s->roles[about].id, .index = index };

    if (link_send_fds(s->roles[to].control, IPC_T_PEER, &m, &fd, 1) != ERR_OK)
        role_proc_kill(&s->roles[to]); /* a role without its peers is no use; it starts again */
}

/* One pair for each loop of the gate; one between keeper and vault. */
static void connect_roles(struct supervisor *s, int a, int b)
{
    unsigned n = a == GATE ? loops_of(s, a) : loops_of(s, b);

    if (s->roles[a].pid == 0 || s->roles[b].pid == 0)
        return;
    for (unsigned i = 0; i < n; i++) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
            log_event(LOG_ERROR, "role.connect-failed", LOG_INT("errno", errno));
            return;
        }
        send_peer(s, a, b, i, pair[0]);
        send_peer(s, b, a, i, pair[1]);
        (void) close(pair[0]);
        (void) close(pair[1]);
    }
}

static enum err send_tls(struct supervisor *s, struct err_info *reterr)
{
    struct buf certificate = BUF_INIT(PEM_MAX), key = BUF_INIT(PEM_MAX);
    enum err e = ERR_OK;

    if (s->config->tls.certificate[0] != '\0') {
        e = os_path_read(s->config->tls.certificate, &certificate, reterr);
        if (e == ERR_OK)
            e = os_path_read(s->config->tls.key, &key, reterr);
        if (e == ERR_OK) {
            const struct ipc_tls m = { buf_span(&certificate), buf_span(&key) };

            e = link_send(s->roles[GATE].control, IPC_T_TLS, &m);
        }
    }
    if (key.p != NULL)
        explicit_bzero(key.p, key.cap);
    buf_deinit(&certificate);
    buf_deinit(&key);
    return e;
}

static void send_listeners(struct supervisor *s)
{
    for (int kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < s->n_listeners[kind]; i++) {
            const struct ipc_listener m = { .kind = (uint8_t) kind, .index = (uint32_t) i };

            if (link_send_fds(s->roles[GATE].control, IPC_T_LISTENER, &m, &s->listeners[kind][i], 1) != ERR_OK)
                role_proc_kill(&s->roles[GATE]);
        }
    }
}

static void on_started(void *ctx, struct role_proc *r)
{
    struct supervisor *s = ctx;
    struct err_info e;
    int me = (int) (r - s->roles);

    if (me == GATE)
        s->gate_loops = config_gate_loops(s->config);
    if (me == GATE && send_tls(s, &e) != ERR_OK) /* first: the gate does not start without it */
        log_err(LOG_ERROR, "tls.unreadable", &e);
    if (role_config_send(s->config, r->id, r->control) != ERR_OK)
        role_proc_kill(r);
    if (me == GATE)
        send_listeners(s);
    for (int other = 0; other < N_ROLES; other++) {
        if (other != me)
            connect_roles(s, me, other);
    }
}

static void on_ready(void *ctx, struct role_proc *r)
{
    struct supervisor *s = ctx;

    (void) r;
    for (int i = 0; i < N_ROLES; i++) {
        if (!s->roles[i].ready)
            return;
    }
    if (s->announced)
        return;
    s->announced = true;
    log_event(LOG_INFO, "server.ready", LOG_STR("url", s->config->public_url));
    if (s->options->on_ready != NULL)
        s->options->on_ready(s->options->ctx);
}

/* ---- stopping ---- */

/* Stops the last role that still runs; its end calls again. */
static void stop_next(struct supervisor *s)
{
    for (int i = N_ROLES - 1; i >= 0; i--) {
        if (s->roles[i].pid != 0) {
            if (!s->roles[i].stopping)
                role_proc_stop(&s->roles[i], GRACE_MS);
            return;
        }
        s->roles[i].stopping = true;
        loop_timer_cancel(&s->roles[i].again);
    }
    loop_stop(s->loop);
}

static void stop(struct supervisor *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    log_event(LOG_INFO, "server.stopping");
    if (s->options->on_stop != NULL)
        s->options->on_stop(s->options->ctx);
    loop_timer_arm(&s->stop_deadline, STOP_MS);
    stop_next(s);
}

static void on_stop_deadline(void *arg)
{
    struct supervisor *s = arg;

    for (int i = 0; i < N_ROLES; i++) {
        if (s->roles[i].pid != 0)
            log_event(LOG_WARN, "role.killed", LOG_STR("name", s->roles[i].name));
        role_proc_kill(&s->roles[i]);
    }
}

static void on_gone(void *ctx, struct role_proc *r)
{
    struct supervisor *s = ctx;

    if (!s->stopping && !r->ever_ready) {
        s->result = ERR_RAISE(&s->why, ERR_STATE, "the %s did not start%s%s", r->name, r->why[0] != '\0' ? ": " : "",
                              r->why);
        stop(s);
    } else if (s->stopping) {
        stop_next(s);
    }
}

static const struct role_ops role_ops = { .on_started = on_started, .on_ready = on_ready, .on_gone = on_gone };

/* ---- signals ---- */

static bool same_list(const struct config_list *a, const struct config_list *b)
{
    bool same = a->n == b->n;

    for (size_t i = 0; same && i < a->n; i++)
        same = strcmp(a->items[i], b->items[i]) == 0;
    return same;
}

static void reload(struct supervisor *s)
{
    struct config *fresh = NULL;
    struct err_info e;

    if (config_load(s->options->config_path, &fresh, &e) != ERR_OK) {
        log_err(LOG_ERROR, "config.refused", &e);
        return;
    }
    if (strcmp(fresh->dir, s->config->dir) != 0 || config_gate_loops(fresh) != config_gate_loops(s->config) ||
        !same_list(&fresh->listen, &s->config->listen) || !same_list(&fresh->player_listen, &s->config->player_listen))
        log_event(LOG_WARN, "config.needs-restart", LOG_STR("text", "dir, listen and gate.threads change at a restart only"));
    s->config = config_free(s->config);
    s->config = fresh;
    for (int i = 0; i < N_ROLES; i++) {
        if (s->roles[i].control != NULL && role_config_send(s->config, s->roles[i].id, s->roles[i].control) != ERR_OK)
            log_event(LOG_WARN, "config.not-sent", LOG_STR("name", s->roles[i].name));
    }
    if (s->roles[GATE].control != NULL && send_tls(s, &e) != ERR_OK)
        log_err(LOG_ERROR, "tls.unreadable", &e);
    log_event(LOG_INFO, "config.loaded");
}

static void on_signal(void *arg, int signum)
{
    if (signum == SIGHUP)
        reload(arg);
    else
        stop(arg);
}

/* ---- start ---- */

static enum err open_listeners(struct supervisor *s, enum listener_kind kind, const struct config_list *list,
                               struct err_info *reterr)
{
    for (size_t i = 0; i < list->n; i++) {
        struct listen_addr at;

        if (!listen_parse(list->items[i], &at))
            return ERR_RAISE(reterr, ERR_INVAL, "listen: '%s' is not ADDRESS:PORT", list->items[i]);
        TRY(listen_open(&at, PREDECESSOR_WAIT_MS, &s->listeners[kind][i], reterr));
        s->n_listeners[kind]++;
    }
    return ERR_OK;
}

static enum err take_lock(struct supervisor *s, struct err_info *reterr)
{
    CLEANUP(os_closep) int dir = -1;

    TRY(os_dir_open(s->config->dir, false, &dir, reterr));
    return os_lock(dir, "lock", PREDECESSOR_WAIT_MS, &s->lock, reterr);
}

/* As many connections as the system lets us have; core dumps would hold keys. */
static void set_limits(void)
{
    struct rlimit files, none = { 0, 0 };

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &files);
    }
    (void) setrlimit(RLIMIT_CORE, &none);
}

static enum err start(struct supervisor *s, struct err_info *reterr)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
    static const enum role_id ids[N_ROLES] = { [VAULT] = ROLE_VAULT, [KEEPER] = ROLE_KEEPER, [GATE] = ROLE_GATE };

    TRY(config_load(s->options->config_path, &s->config, reterr));
    log_init("supervisor", s->config->log_json ? LOG_JSON : LOG_AUTO, LOG_INFO);
    set_limits();
    TRY(take_lock(s, reterr));
    TRY(open_listeners(s, LISTENER_APP, &s->config->listen, reterr));
    TRY(open_listeners(s, LISTENER_PLAYER, &s->config->player_listen, reterr));
    TRY(loop_new(&s->loop, reterr));
    loop_timer_init(&s->stop_deadline, s->loop, on_stop_deadline, s);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        TRY(loop_signal_new(s->loop, signals[i], on_signal, s, &s->signals[i], reterr));
    for (int i = 0; i < N_ROLES; i++)
        role_proc_init(&s->roles[i], ids[i], s->loop, &role_ops, s);
    for (int i = 0; i < N_ROLES; i++)
        TRY(role_proc_start(&s->roles[i], reterr));
    return ERR_OK;
}

static void close_all(struct supervisor *s)
{
    for (int i = 0; s->loop != NULL && i < N_ROLES; i++)
        role_proc_deinit(&s->roles[i]);
    for (size_t i = 0; i < sizeof(s->signals) / sizeof(s->signals[0]); i++)
        s->signals[i] = loop_signal_free(s->signals[i]);
    for (int kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < s->n_listeners[kind]; i++)
            (void) close(s->listeners[kind][i]);
    }
    s->loop = loop_free(s->loop);
    os_closep(&s->lock);
    s->config = config_free(s->config);
}

enum err supervisor_run(const struct server_options *options, struct err_info *reterr)
{
    struct supervisor s = { .options = options, .lock = -1 };
    enum err e = start(&s, reterr);

    if (e == ERR_OK) {
        loop_run(s.loop);
        e = s.result;
        if (e != ERR_OK && reterr != NULL)
            *reterr = s.why;
        log_event(LOG_INFO, "server.stopped");
    }
    close_all(&s);
    return e;
}
