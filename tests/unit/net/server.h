/*
 * What the tests of connections share: a server that runs its loop in a thread, with one handler for all tests, and dialling.
 * Included by each of them: everything is static.
 */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "loop/loop.h"
#include "net/listener.h"

/* ---- a server with one handler for all tests ---- */

struct server {
    struct loop *loop;
    struct listener *ln;
    struct net_limits *limits;
    struct tls_ctx *tls;
    struct net_config cfg;
    struct exchange_handler handler;
    struct net_cidr trusted[1];
    int fd;
    uint16_t port;
    pthread_t thread;
    /* what the role saw; written by the loop thread, read after a wait */
    atomic_int n_requests, n_ends, n_refused, n_body, n_drained, n_released, n_cuts, slot_freed;
    atomic_int ends[EXCHANGE_ABORTED + 1];
    struct exchange *held; /* loop thread only */
    struct buf body;       /* loop thread only */
    bool pausing;
};

static void send_text(struct exchange *ex, int status, struct span text)
{
    const struct http_header h = { SPAN("Content-Type"), SPAN("text/plain") };

    assert_ok(exchange_respond(ex, status, &h, 1, text));
}

static void on_body(void *user, struct exchange *ex, struct span bytes)
{
    struct server *s = user;

    buf_add_span(&s->body, bytes);
    atomic_fetch_add(&s->n_body, (int) bytes.n);
    if (s->pausing)
        exchange_pause(ex);
}

static void on_body_end(void *user, struct exchange *ex)
{
    struct server *s = user;

    send_text(ex, 200, buf_span(&s->body));
    buf_reset(&s->body);
}

static void flood(struct exchange *ex)
{
    static uint8_t block[4096];

    memset(block, 'x', sizeof(block));
    block[sizeof(block) - 1] = '\n';
    while (exchange_write(ex, SPAN_OF(block)) == ERR_OK)
        ;
}

static void on_drained(void *user, struct exchange *ex)
{
    struct server *s = user;

    atomic_fetch_add(&s->n_drained, 1);
    if (s->held == ex)
        flood(ex);
}

static void on_end(void *user, struct exchange *ex, enum exchange_end how)
{
    struct server *s = user;

    if (s->held == ex)
        s->held = NULL;
    atomic_fetch_add(&s->ends[how], 1);
    atomic_fetch_add(&s->n_ends, 1);
}

static const struct exchange_ops ops = { on_body, on_body_end, on_drained, on_end };

static void released(void *arg)
{
    atomic_fetch_add(&((struct server *) arg)->n_released, 1);
}

static void slot_gone(void *slot)
{
    atomic_fetch_add(&((struct server *) slot)->slot_freed, 1);
}

static void on_request(void *ctx, struct exchange *ex, const struct http_head *head)
{
    struct server *s = ctx;
    static uint8_t big[200000];
    char text[NET_ADDR_TEXT + 20], addr[NET_ADDR_TEXT];

    atomic_fetch_add(&s->n_requests, 1);
    exchange_set(ex, &ops, s);
    if (span_eq_str(head->path, "/echo")) {
        if (exchange_accept_body(ex, 1u << 20) != ERR_OK)
            send_text(ex, 413, SPAN("too large"));
    } else if (span_eq_str(head->path, "/ten")) {
        if (exchange_accept_body(ex, 10) != ERR_OK)
            send_text(ex, 413, SPAN("more than ten"));
    } else if (span_eq_str(head->path, "/hold")) {
        s->held = ex;
    } else if (span_eq_str(head->path, "/stream")) {
        assert_ok(exchange_begin(ex, 200, NULL, 0, -1));
        assert_ok(exchange_write(ex, SPAN("one\n")));
        assert_ok(exchange_write(ex, SPAN("two\n")));
        exchange_end(ex);
    } else if (span_eq_str(head->path, "/flood")) {
        assert_ok(exchange_begin(ex, 200, NULL, 0, -1));
        s->held = ex;
        flood(ex);
    } else if (span_eq_str(head->path, "/fixed-flood")) {
        assert_ok(exchange_begin(ex, 200, NULL, 0, 1 << 30));
        s->held = ex;
        flood(ex);
    } else if (span_eq_str(head->path, "/open")) {
        assert_ok(exchange_begin(ex, 200, NULL, 0, -1));
        assert_ok(exchange_write(ex, SPAN("first\n")));
        s->held = ex;
    } else if (span_eq_str(head->path, "/ref")) {
        memset(big, 'r', sizeof(big));
        assert_ok(exchange_respond_ref(ex, 200, NULL, 0, SPAN_OF(big), released, s));
    } else if (span_eq_str(head->path, "/short")) {
        assert_ok(exchange_begin(ex, 200, NULL, 0, 10));
        assert_ok(exchange_write(ex, SPAN("12345")));
        assert_err(exchange_write(ex, SPAN("678901")), ERR_LIMIT);
        exchange_end(ex);
    } else if (span_eq_str(head->path, "/slot")) {
        int n = *exchange_conn_slot(ex) == NULL;

        *exchange_conn_slot(ex) = s;
        exchange_conn_slot_free(ex, slot_gone);
        send_text(ex, 200, n ? SPAN("new") : SPAN("kept"));
    } else if (span_eq_str(head->path, "/peer")) {
        net_addr_text(&exchange_client(ex)->client, addr);
        (void) snprintf(text, sizeof(text), "%s %s%s", addr, exchange_client(ex)->https ? "https" : "http",
                        exchange_client(ex)->tls ? " tls" : "");
        send_text(ex, 200, span_str(text));
    } else if (span_eq_str(head->path, "/split")) {
        const struct http_header h = { SPAN("X"), SPAN("a\r\nSet-Cookie: b") };

        assert_err(exchange_respond(ex, 200, &h, 1, SPAN("x")), ERR_INVAL);
        send_text(ex, 500, SPAN("refused"));
        assert_err(exchange_respond(ex, 200, NULL, 0, SPAN("x")), ERR_STATE);
    } else {
        send_text(ex, 200, SPAN("hello"));
    }
}

static void on_refused(void *ctx, struct exchange *ex, const struct http_head *head, const struct http_refusal *why)
{
    struct server *s = ctx;

    (void) head;
    atomic_fetch_add(&s->n_refused, 1);
    if (exchange_user(ex) == NULL)
        exchange_set(ex, &ops, s);
    send_text(ex, why->status, span_str(why->code));
}

static void *serve(void *arg)
{
    loop_run(((struct server *) arg)->loop);
    return NULL;
}

static void start(struct server *s)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(sa);

    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
    assert_int_equal(listen(s->fd, 128), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *) &sa, &len), 0);
    s->port = ntohs(sa.sin_port);
    buf_init(&s->body, 2u << 20);
    s->handler.ctx = s;
    if (s->handler.on_request == NULL)
        s->handler.on_request = on_request;
    assert_ok(loop_new(&s->loop, NULL));
    if (s->limits == NULL)
        assert_ok(net_limits_new(1000, 1000, NULL, 0, &s->limits, NULL));
    assert_ok(listener_new(s->loop, s->fd, s->tls, &s->cfg, s->limits, &s->handler, &s->ln, NULL));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop_now(void *arg)
{
    loop_stop(arg);
}

static void stop(struct server *s)
{
    assert_ok(loop_post(s->loop, stop_now, s->loop));
    (void) pthread_join(s->thread, NULL);
    (void) listener_free(s->ln);
    assert_int_equal(net_limits_count(s->limits), 0);
    (void) net_limits_free(s->limits);
    (void) loop_free(s->loop);
    (void) tls_ctx_unref(s->tls);
    (void) close(s->fd);
    buf_deinit(&s->body);
}

static int64_t now_ms(void)
{
    struct timespec t;

    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until *v is at least n. */
static inline void wait_for(atomic_int *v, int n)
{
    int64_t until = now_ms() + 5000;

    while (atomic_load(v) < n && now_ms() < until)
        (void) usleep(2000);
    assert_true(atomic_load(v) >= n);
}

/* ---- a client ---- */

static int dial_rcvbuf(const struct server *s, int rcvbuf)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(s->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval t = { .tv_sec = 10 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (rcvbuf > 0)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
    return fd;
}

static inline int dial(const struct server *s)
{
    return dial_rcvbuf(s, 0);
}

