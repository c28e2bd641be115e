#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"

#define ACCEPT_MAX 64  /* in one turn */
#define RETRY_MS   100 /* after the system had no descriptor or memory */

static time_ms or_(time_ms v, time_ms usual)
{
    return v > 0 ? v : usual;
}

static void with_defaults(struct net_config *to, const struct net_config *from)
{
    *to = *from;
    to->header_time = or_(from->header_time, 10000);
    to->idle_time = or_(from->idle_time, 60000);
    to->write_stall = or_(from->write_stall, 30000);
    to->answer_time = or_(from->answer_time, 600000);
    to->body_window = or_(from->body_window, 10000);
    to->linger_time = or_(from->linger_time, 2000);
    to->cut_time = or_(from->cut_time, 100);
    if (to->body_min_rate == 0)
        to->body_min_rate = 1024;
    if (to->high == 0)
        to->high = 256u << 10;
    if (to->requests == 0)
        to->requests = 1000000;
    if (to->http2_requests == 0)
        to->http2_requests = 1000000;
}

/* No descriptor left: the waiting client would otherwise wake us for ever. It is taken with the spare one and dropped. */
static void drop_one(struct listener *ln)
{
    int fd;

    if (ln->spare_fd < 0)
        return;
    (void) close(ln->spare_fd);
    fd = accept4(ln->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        (void) close(fd);
    ln->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_acceptable(void *arg, int events)
{
    struct listener *ln = arg;

    (void) events;
    for (int i = 0; i < ACCEPT_MAX && !ln->closing; i++) {
        struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
        socklen_t len = sizeof(sa);
        struct net_addr peer;
        int fd = accept4(ln->fd, (struct sockaddr *) &sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
            drop_one(ln);
            loop_fd_set(ln->watch, 0);
            loop_timer_arm(&ln->retry, RETRY_MS);
            return;
        }
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (fd < 0)
            continue; /* that client has gone already */
        peer = net_addr_of((const struct sockaddr *) &sa);
        conn_open(ln, fd, &peer);
    }
    if (!ln->closing) /* after LOOP_ERR the watcher would sleep */
        loop_fd_set(ln->watch, LOOP_READ);
}

static void on_retry(void *arg)
{
    struct listener *ln = arg;

    loop_fd_set(ln->watch, LOOP_READ);
}

static void on_closed(void *arg)
{
    struct listener *ln = arg;
    void (*fn)(void *) = ln->on_closed;

    ln->on_closed = NULL;
    if (fn != NULL)
        fn(ln->closed_arg);
}

enum err listener_new(struct loop *l, int fd, struct tls_ctx *tls, const struct net_config *config,
                      struct net_limits *limits, const struct exchange_handler *handler, struct listener **ret,
                      struct err_info *reterr)
{
    struct listener *ln = calloc(1, sizeof(*ln));
    enum err e;

    if (ln == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "listener");
    ln->loop = l;
    ln->fd = fd;
    ln->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ln->limits = limits;
    ln->handler = handler;
    with_defaults(&ln->cfg, config);
    list_init(&ln->conns);
    loop_timer_init(&ln->retry, l, on_retry, ln);
    ln->closed = (struct loop_deferred){ .fn = on_closed, .arg = ln };
    e = loop_fd_new(l, fd, on_acceptable, ln, &ln->watch, reterr);
    if (e != ERR_OK) {
        if (ln->spare_fd >= 0)
            (void) close(ln->spare_fd);
        free(ln);
        return e;
    }
    ln->tls = tls_ctx_ref(tls);
    loop_fd_set(ln->watch, LOOP_READ);
    *ret = ln;
    return ERR_OK;
}

void listener_set_tls(struct listener *ln, struct tls_ctx *tls)
{
    struct tls_ctx *old = ln->tls;

    ln->tls = tls_ctx_ref(tls);
    (void) tls_ctx_unref(old);
}

void listener_set_config(struct listener *ln, const struct net_config *config)
{
    with_defaults(&ln->cfg, config);
}

static void stop_accepting(struct listener *ln)
{
    ln->closing = true;
    loop_timer_cancel(&ln->retry);
    ln->watch = loop_fd_free(ln->watch);
}

void listener_close(struct listener *ln, void (*closed)(void *arg), void *arg)
{
    if (ln->closing)
        return;
    ln->on_closed = closed;
    ln->closed_arg = arg;
    stop_accepting(ln);
    LIST_FOREACH(it, &ln->conns)
        conn_drain(LIST_ENTRY(it, struct conn, node));
    if (ln->n_conns == 0)
        loop_defer(ln->loop, &ln->closed);
}

struct listener *listener_free(struct listener *ln)
{
    if (ln == NULL)
        return NULL;
    ln->on_closed = NULL;
    if (!ln->closing)
        stop_accepting(ln);
    while (!list_empty(&ln->conns))
        conn_destroy(LIST_ENTRY(ln->conns.next, struct conn, node));
    loop_defer_cancel(&ln->closed);
    (void) tls_ctx_unref(ln->tls);
    if (ln->spare_fd >= 0)
        (void) close(ln->spare_fd);
    free(ln);
    return NULL;
}

size_t listener_count(const struct listener *ln)
{
    return ln->n_conns;
}
