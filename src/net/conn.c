/* Connections: the request's half, deadlines, and the turn that drives both. See conn.h for the states. */
#include "net/conn2.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/clock.h"

#define READ_MAX      65536
#define PIPELINED_MAX 16384   /* read ahead of the request in work, then the socket waits */
#define LINGER_MAX    1048576 /* read away after the answer, then reset */
#define ROUNDS        8       /* of one turn, then others get theirs */
#define LOWAT         65536
#define STALL_BYTES   4096    /* less than this in write_stall is no progress */

static const struct http_refusal too_slow = { 408, "timeout", "the request came too slowly", "limits.header_time", 0 };
const struct http_refusal conn_body_slow = { 408, "timeout", "the body came too slowly", "limits.body_min_rate", 0 };
const struct http_refusal conn_body_large = { 413, "too-large", "the body is over its limit", NULL, 0 };
const struct http_refusal conn_no_answer = { 503, "overloaded", "no answer in time", NULL, 5 };
const struct http_refusal conn_bad_proxy = { 400, "bad-request", "the proxy's Forwarded header cannot be read", "proxy.header", 0 };
const struct http_refusal conn_full_total = { 503, "overloaded", "too many connections", "limits.connections", 5 };
const struct http_refusal conn_full_source = { 429, "rate-limited", "too many connections from one address", "limits.per_source", 5 };

/* ---- ends ---- */

static void end_exchange(struct conn *c)
{
    if (!c->in_exchange)
        return;
    c->in_exchange = false;
    if (c->ex.ops != NULL && c->ex.ops->on_end != NULL)
        c->ex.ops->on_end(c->ex.user, &c->ex, c->how);
    c->ex.ops = NULL;
}

void conn_destroy(struct conn *c)
{
    struct listener *ln = c->ln;
    bool counted = c->limited != LIMIT_DROP;

    if (c->kill == KILL_NO) {
        c->how = EXCHANGE_ABORTED;
        c->kill = KILL_RESET;
    }
    end_exchange(c);
    conn2_free(c);
    if (c->slot != NULL && c->slot_free != NULL)
        c->slot_free(c->slot);
    loop_timer_cancel(&c->t_read);
    loop_timer_cancel(&c->t_write);
    loop_defer_cancel(&c->turn);
    if (c->kill == KILL_RESET) {
        const struct linger now = { .l_onoff = 1, .l_linger = 0 };

        (void) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); /* best effort: it closes anyway */
    } else if (c->tls != NULL && c->tls_commit == 0) {
        tls_close(c->tls);
    }
    (void) tls_free(c->tls);
    (void) loop_fd_free(c->watch);
    (void) close(c->fd);
    (void) http1_free(c->http);
    buf_deinit(&c->in);
    out_deinit(&c->out);
    list_remove(&c->node);
    ln->n_conns--;
    if (counted)
        net_limits_leave(ln->limits, &c->limit_addr);
    if (ln->closing && ln->n_conns == 0)
        loop_defer(ln->loop, &ln->closed);
    free(c);
}

/* ---- states and their deadlines ---- */

static void set_state(struct conn *c, enum conn_state to)
{
    const struct net_config *cfg = &c->ln->cfg;

    c->state = to;
    switch (to) {
    case CONN_PROXY:
    case CONN_HANDSHAKE:
        if (!loop_timer_armed(&c->t_read)) /* one header_time for both */
            loop_timer_arm(&c->t_read, cfg->header_time);
        break;
    case CONN_IDLE: loop_timer_arm(&c->t_read, c->n_requests == 0 ? cfg->header_time : cfg->idle_time); break;
    case CONN_HEAD: loop_timer_arm(&c->t_read, cfg->header_time); break;
    case CONN_EXCHANGE: loop_timer_arm(&c->t_read, cfg->answer_time); break;
    case CONN_DISCARD:
        c->window_seen = 0;
        loop_timer_arm(&c->t_read, cfg->body_window);
        break;
    case CONN_LINGER: loop_timer_arm(&c->t_read, cfg->linger_time); break;
    case CONN_HTTP2: break;
    }
}

static bool wants_input(const struct conn *c)
{
    if (c->eof || c->kill != KILL_NO)
        return false;
    switch (c->state) {
    case CONN_PROXY:
    case CONN_HANDSHAKE:
    case CONN_IDLE:
    case CONN_HEAD:
    case CONN_DISCARD:
    case CONN_LINGER: return true;
    case CONN_HTTP2: return conn2_wants_input(c);
    case CONN_EXCHANGE: break;
    }
    if (c->deaf)
        return false;
    switch (c->body) {
    case BODY_FLOW:
    case BODY_DISCARD: return true;
    case BODY_DONE: return c->in.n < PIPELINED_MAX; /* also to notice that the client has gone */
    case BODY_HELD:
    case BODY_PAUSED: return false;
    }
    return false;
}

static void watch_update(struct conn *c)
{
    int events = 0;

    if (wants_input(c))
        events |= LOOP_READ;
    else if (!c->hup && !c->eof)
        events |= LOOP_HUP; /* a reset is noticed even while we do not read */
    if (c->tls_wants_write || (c->out.n > 0 && c->state >= CONN_IDLE) || (c->two != NULL && conn2_waits_output(c)))
        events |= LOOP_WRITE;
    loop_fd_set(c->watch, events);
}

void conn_linger(struct conn *c)
{
    buf_reset(&c->in);
    if (c->eof) {
        conn_kill(c, KILL_CLOSE, c->how);
        return;
    }
    if (c->tls != NULL)
        tls_close(c->tls);
    (void) shutdown(c->fd, SHUT_WR); /* an error shows at the next read */
    c->window_seen = 0;
    set_state(c, CONN_LINGER);
}

/* ---- exchanges ---- */

static void begin_exchange(struct conn *c, const struct http_head *head)
{
    c->ex = (struct exchange){ .t = &conn_transport, .head = head, .client = &c->client, .loop = c->ln->loop,
                               .slot = &c->slot, .slot_free = &c->slot_free };
    c->in_exchange = true;
    c->answer = ANSWER_NONE;
    c->how = EXCHANGE_SENT;
    c->is_head_method = head != NULL && head->method == HTTP_M_HEAD;
    c->chunked = c->swallow = c->accepted = c->body_end_due = c->full = c->cutting = false;
    c->length_left = 0;
    c->body_seen = 0;
    set_state(c, CONN_EXCHANGE);
}

/* Who was refused in the same moment must not come back in the same moment: microseconds are as good as dice here. */
static int spread_s(int after_s)
{
    return after_s + (int) (clock_mono_us() % (after_s + 1));
}

bool conn_plain_refusal(struct exchange *ex, const struct http_refusal *why)
{
    struct http_header h[] = { { SPAN("Content-Type"), SPAN("application/problem+json") },
                               { SPAN("Cache-Control"), SPAN("no-store") },
                               { SPAN("Retry-After"), SPAN_EMPTY } };
    struct buf b = BUF_INIT(1024), r = BUF_INIT(16);
    enum err e;

    buf_addf(&b, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\",\"code\":\"%s\",\"retryable\":%s}\n",
             http_status_phrase(why->status), why->status, why->detail, why->code,
             why->retry_after_s > 0 ? "true" : "false");
    buf_addf(&r, "%d", spread_s(why->retry_after_s));
    h[2].value = buf_span(&r);
    e = exchange_respond(ex, why->status, h, why->retry_after_s > 0 ? 3 : 2, buf_span(&b));
    buf_deinit(&b);
    buf_deinit(&r);
    return e == ERR_OK;
}

/* Answers by ourselves and closes; an answer that has begun can only be broken off. */
static void refuse(struct conn *c, const struct http_refusal *why, enum exchange_end how)
{
    const struct exchange_handler *h = c->ln->handler;

    c->deaf = c->close_after = true;
    buf_reset(&c->in);
    if (!c->in_exchange) {
        c->body = BODY_DONE;
        begin_exchange(c, NULL);
        how = EXCHANGE_SENT;
    } else if (c->answer != ANSWER_NONE) {
        conn_kill(c, KILL_RESET, how);
        return;
    }
    c->body = BODY_DONE; /* whatever still comes is not looked at */
    c->body_end_due = false;
    c->how = how;
    loop_timer_cancel(&c->t_read);
    if (h->on_refused != NULL)
        h->on_refused(h->ctx, &c->ex, c->ex.head, why);
    if (c->answer == ANSWER_NONE && c->kill == KILL_NO && !conn_plain_refusal(&c->ex, why))
        conn_kill(c, KILL_RESET, EXCHANGE_ABORTED);
}

/* A head is complete. */
static void start_request(struct conn *c, const struct http_head *head)
{
    const struct exchange_handler *h = c->ln->handler;

    begin_exchange(c, head);
    if (proxy_resolve(&c->ln->cfg.proxy, head, &c->client) != PROXY_OK) {
        refuse(c, &conn_bad_proxy, EXCHANGE_SENT);
        return;
    }
    c->client.https = c->client.https || (c->proxy_tls && !c->client.via_proxy);
    if (c->limited != LIMIT_OK)
        refuse(c, c->limited == LIMIT_TOTAL ? &conn_full_total : &conn_full_source, EXCHANGE_SENT);
    else
        h->on_request(h->ctx, &c->ex, head);
}

/* The answer is out (or cut). */
static void finish_exchange(struct conn *c)
{
    end_exchange(c);
    if (c->kill != KILL_NO)
        return;
    c->n_requests++;
    c->cutting = false;
    loop_timer_cancel(&c->t_write);
    if (c->close_after || c->ln->closing || c->deaf || (c->eof && c->in.n == 0)) {
        conn_linger(c);
    } else if (c->body != BODY_DONE) {
        c->body = BODY_DISCARD;
        set_state(c, CONN_DISCARD);
    } else {
        http1_next(c->http);
        set_state(c, CONN_IDLE);
    }
}

/* ---- the engine's events ---- */

static bool on_head(void *ctx, const struct http_head *head)
{
    struct conn *c = ctx;

    c->head = head;
    return false; /* the exchange begins outside of the engine */
}

static bool on_body(void *ctx, struct span bytes)
{
    struct conn *c = ctx;

    c->body_seen += bytes.n;
    c->window_seen += bytes.n;
    if (c->body == BODY_FLOW && c->body_seen <= c->body_max && c->ex.ops != NULL && c->ex.ops->on_body != NULL)
        c->ex.ops->on_body(c->ex.user, &c->ex, bytes);
    return c->kill == KILL_NO && (c->body == BODY_DISCARD || (c->body == BODY_FLOW && c->body_seen <= c->body_max));
}

static const struct http1_ops http_ops = { on_head, on_body };

static void body_complete(struct conn *c)
{
    bool flowed = c->body == BODY_FLOW || c->body == BODY_PAUSED;

    c->body = BODY_DONE;
    if (c->state == CONN_DISCARD) {
        http1_next(c->http);
        set_state(c, CONN_IDLE);
        return;
    }
    c->body_end_due = flowed;
    if (c->answer == ANSWER_NONE)
        loop_timer_arm(&c->t_read, c->ln->cfg.answer_time);
    else
        loop_timer_cancel(&c->t_read);
}

static bool may_parse(const struct conn *c)
{
    if (c->kill != KILL_NO)
        return false;
    switch (c->state) {
    case CONN_IDLE:
    case CONN_HEAD:
    case CONN_DISCARD: return true;
    case CONN_EXCHANGE: return !c->deaf && (c->body == BODY_FLOW || c->body == BODY_DISCARD);
    case CONN_PROXY:
    case CONN_HANDSHAKE:
    case CONN_HTTP2:
    case CONN_LINGER: return false;
    }
    return false;
}

static void parse_refused(struct conn *c, enum http1_verdict v)
{
    if (c->state == CONN_DISCARD)
        conn_kill(c, KILL_CLOSE, EXCHANGE_BAD); /* nobody is asked any more */
    else
        refuse(c, http1_refusal(v), EXCHANGE_BAD);
}

/* One step of the engine. Returns what it took. */
static size_t parse_step(struct conn *c, struct span in)
{
    size_t used;
    enum http1_verdict v = http1_feed(c->http, in, &used);
    const struct http_head *head = c->head;

    c->head = NULL;
    if (head != NULL) {
        c->body = v == HTTP1_DONE ? BODY_DONE : BODY_HELD;
        start_request(c, head);
        return used;
    }
    if (c->state == CONN_IDLE && v == HTTP1_MORE && http1_begun(c->http))
        set_state(c, CONN_HEAD);
    if (c->kill != KILL_NO)
        return used;
    if (v > HTTP1_PAUSED)
        parse_refused(c, v);
    else if (c->in_exchange && c->body == BODY_FLOW && c->body_seen > c->body_max)
        refuse(c, &conn_body_large, EXCHANGE_LARGE);
    else if (v == HTTP1_DONE)
        body_complete(c);
    return used;
}

static void start_http2(struct conn *c, struct span in)
{
    set_state(c, CONN_HTTP2);
    if (!conn2_start(c))
        conn_kill(c, KILL_RESET, EXCHANGE_ABORTED);
    else if (in.n > 0)
        conn2_input(c, in);
}

/*
 * HTTP/2 by prior knowledge (RFC 9113 3.3), on plain sockets: the first bytes are its preface. While they could be, they are
 * kept; the deadline is that of an idle connection. True: the input is dealt with.
 */
static bool took_preface(struct conn *c, struct span in)
{
    const struct span preface = SPAN(HTTP2_PREFACE);

    if (c->tls != NULL || c->n_requests > 0 || c->state != CONN_IDLE || http1_begun(c->http) || in.n == 0 ||
        memcmp(in.p, preface.p, in.n < preface.n ? in.n : preface.n) != 0)
        return false;
    if (in.n >= preface.n)
        start_http2(c, in);
    else
        buf_add_span(&c->in, in);
    return true;
}

/* Parses what it may of 'in'; the rest is kept. */
static void take_input(struct conn *c, struct span in)
{
    if (c->state == CONN_HTTP2) {
        conn2_input(c, in);
        return;
    }
    if (took_preface(c, in))
        return;
    while (in.n > 0 && may_parse(c))
        in = span_sub(in, parse_step(c, in), SIZE_MAX);
    if (in.n > 0 && c->kill == KILL_NO && !c->deaf && c->state != CONN_LINGER) {
        buf_add_span(&c->in, in);
        if (c->in.failed)
            conn_kill(c, KILL_RESET, EXCHANGE_ABORTED);
    }
}

/* Parses what was kept. True: something changed. */
static bool take_kept(struct conn *c)
{
    struct buf kept = c->in;
    size_t before = kept.n;

    if (kept.n == 0 || !may_parse(c))
        return false;
    buf_init(&c->in, kept.max);
    take_input(c, buf_span(&kept));
    buf_deinit(&kept);
    return c->in.n != before;
}

/* ---- reading ---- */

static void on_eof(struct conn *c)
{
    c->eof = true;
    switch (c->state) {
    case CONN_HEAD: refuse(c, http1_refusal(HTTP1_TRUNCATED), EXCHANGE_BAD); break;
    case CONN_EXCHANGE: break; /* see gone_by_eof, finish_exchange */
    case CONN_PROXY:
    case CONN_HANDSHAKE:
    case CONN_IDLE:
    case CONN_DISCARD:
    case CONN_HTTP2:
    case CONN_LINGER: conn_kill(c, KILL_CLOSE, EXCHANGE_GONE); break;
    }
}

/*
 * A client may shut its side after its request and still read the answer. But a stream goes to nobody when the client
 * has closed, and a body that stops in the middle never ends.
 */
static bool gone_by_eof(const struct conn *c)
{
    if (!c->eof || c->state != CONN_EXCHANGE || c->deaf)
        return false;
    if (c->answer == ANSWER_BEGUN && c->length_left != 0)
        return true;
    return c->body != BODY_DONE && c->body != BODY_HELD && c->in.n == 0;
}

static void read_done(struct conn *c, const uint8_t *p, size_t n)
{
    if (c->state == CONN_LINGER) {
        c->window_seen += n;
        if (c->window_seen > LINGER_MAX)
            conn_kill(c, KILL_RESET, c->how);
    } else if (c->in.n > 0) {
        buf_add(&c->in, p, n);
        if (c->in.failed)
            conn_kill(c, KILL_RESET, EXCHANGE_ABORTED);
    } else {
        take_input(c, span_of(p, n));
    }
}

static void read_plain(struct conn *c, uint8_t *to)
{
    ssize_t n = recv(c->fd, to, READ_MAX, 0);

    if (n > 0)
        read_done(c, to, (size_t) n);
    else if (n == 0)
        on_eof(c);
    else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        conn_kill(c, KILL_CLOSE, EXCHANGE_GONE);
}

static void read_tls(struct conn *c, uint8_t *to)
{
    size_t n;

    c->tls_wants_write = false;
    for (int i = 0; i < READ_MAX / TLS_RECORD_MAX && wants_input(c); i++) {
        switch (tls_read(c->tls, to, READ_MAX, &n)) {
        case TLS_OK:
            read_done(c, to, n);
            if (!tls_pending(c->tls)) /* the loop says when the socket has more */
                return;
            break;
        case TLS_WANT_READ: return;
        case TLS_WANT_WRITE: c->tls_wants_write = true; return;
        case TLS_EOF: on_eof(c); return;
        case TLS_FAILED: conn_kill(c, KILL_CLOSE, EXCHANGE_GONE); return;
        }
    }
    if (tls_pending(c->tls))
        conn_defer(c);
}

static void read_some(struct conn *c)
{
    static _Thread_local uint8_t scratch[READ_MAX]; /* idle connections own no buffer */

    if (!wants_input(c))
        return;
    if (c->tls != NULL)
        read_tls(c, scratch);
    else
        read_plain(c, scratch);
}

/* ---- before HTTP: PROXY header, handshake ---- */

static void start_secure(struct conn *c)
{
    if (c->ln->tls == NULL) {
        set_state(c, CONN_IDLE);
        return;
    }
    if (tls_new(c->ln->tls, c->fd, &c->tls, NULL) != ERR_OK)
        conn_kill(c, KILL_RESET, EXCHANGE_ABORTED);
    else
        set_state(c, CONN_HANDSHAKE);
}

/* Reads exactly the header, for what follows is TLS's. */
static void read_proxy(struct conn *c)
{
    uint8_t got[PROXY_V2_MAX];
    size_t len, need = 16;
    struct net_addr src;
    ssize_t n;

    if (c->in.n >= 16)
        need = 16 + ((size_t) c->in.p[14] << 8 | c->in.p[15]);
    n = need - c->in.n > sizeof(got) ? -1 : recv(c->fd, got, need - c->in.n, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n <= 0) {
        conn_kill(c, KILL_RESET, EXCHANGE_GONE);
        return;
    }
    buf_add(&c->in, got, (size_t) n);
    switch (proxy_v2_parse(buf_span(&c->in), &len, &src, &c->proxy_tls)) {
    case PROXY_V2_MORE: break;
    case PROXY_V2_BAD: conn_kill(c, KILL_RESET, EXCHANGE_BAD); break;
    case PROXY_V2_OK:
        buf_deinit(&c->in);
        if (src.family != 0)
            c->client.peer = src;
        start_secure(c);
        break;
    }
}

/* Somebody typed http:// for https://. */
static bool answered_plain(struct conn *c)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 59\r\n"
                               "Connection: close\r\n\r\nThis port speaks HTTPS only: use https:// in the address.\r\n";
    uint8_t first = 0;

    if (recv(c->fd, &first, 1, MSG_PEEK) != 1 || first == 0x16)
        return false;
    c->tls = tls_free(c->tls);
    if (first < 'A' || first > 'Z') {
        conn_kill(c, KILL_RESET, EXCHANGE_BAD);
        return true;
    }
    (void) send(c->fd, text, sizeof(text) - 1, MSG_NOSIGNAL); /* a fresh socket takes it; else the client just sees the close */
    conn_linger(c);
    return true;
}

static void handshake(struct conn *c)
{
    if (!c->peeked) { /* first bytes only */
        if (answered_plain(c))
            return;
        c->peeked = true;
    }
    c->tls_wants_write = false;
    switch (tls_handshake(c->tls)) {
    case TLS_OK:
        if (tls_is_http2(c->tls))
            start_http2(c, SPAN_EMPTY);
        else
            set_state(c, CONN_IDLE);
        break;
    case TLS_WANT_READ: break;
    case TLS_WANT_WRITE: c->tls_wants_write = true; break;
    case TLS_EOF:
    case TLS_FAILED: conn_kill(c, KILL_CLOSE, EXCHANGE_GONE); break;
    }
}

/* ---- the turn ---- */

static bool tell_body_end(struct conn *c)
{
    if (!c->body_end_due)
        return false;
    c->body_end_due = false;
    if (c->ex.ops != NULL && c->ex.ops->on_body_end != NULL)
        c->ex.ops->on_body_end(c->ex.user, &c->ex);
    return true;
}

static bool tell_drained(struct conn *c)
{
    if (!c->full || c->out.n > c->ln->cfg.high / 4 || c->answer != ANSWER_BEGUN)
        return false;
    c->full = false;
    if (c->ex.ops != NULL && c->ex.ops->on_drained != NULL)
        c->ex.ops->on_drained(c->ex.user, &c->ex);
    return true;
}

static bool answer_is_out(const struct conn *c)
{
    if (!c->in_exchange || c->answer != ANSWER_ENDED || c->out.n > 0)
        return false;
    return !c->cutting || conn_kernel_unsent(c) == 0;
}

static bool round_(struct conn *c)
{
    bool more = take_kept(c);

    if (c->kill == KILL_NO)
        more = tell_body_end(c) || more;
    if (c->tls != NULL && c->state > CONN_HANDSHAKE && wants_input(c) && tls_pending(c->tls)) {
        read_some(c);
        more = true;
    }
    if (gone_by_eof(c))
        conn_kill(c, KILL_CLOSE, EXCHANGE_GONE);
    else if (c->eof && c->in.n == 0 && (c->state == CONN_IDLE || c->state == CONN_HEAD))
        on_eof(c); /* the last of several requests has been served, or will never be complete */
    if (c->kill == KILL_NO && c->two != NULL)
        return conn2_round(c) || more;
    if (c->kill == KILL_NO)
        conn_flush(c);
    if (c->kill == KILL_NO)
        more = tell_drained(c) || more;
    if (c->kill == KILL_NO && answer_is_out(c)) {
        finish_exchange(c);
        more = true;
    }
    return more;
}

static void turn(void *arg)
{
    struct conn *c = arg;
    int i = 0;

    while (c->kill == KILL_NO && i++ < ROUNDS && round_(c))
        ;
    if (c->kill != KILL_NO) {
        conn_destroy(c);
        return;
    }
    if (i > ROUNDS)
        conn_defer(c);
    watch_update(c);
}

static void on_ready(void *arg, int events)
{
    struct conn *c = arg;

    if ((events & LOOP_ERR) != 0) {
        conn_kill(c, KILL_CLOSE, EXCHANGE_GONE);
    } else if (c->state == CONN_PROXY) {
        read_proxy(c);
    } else if (c->state == CONN_HANDSHAKE) {
        handshake(c);
    } else if ((events & (LOOP_READ | LOOP_WRITE)) != 0 && wants_input(c) && ((events & LOOP_READ) != 0 || c->tls_wants_write)) {
        read_some(c);
    } else if ((events & LOOP_HUP) != 0) {
        c->hup = true;
    }
    turn(c);
}

/* ---- deadlines ---- */

static void body_deadline(struct conn *c)
{
    const struct net_config *cfg = &c->ln->cfg;
    uint64_t least = (uint64_t) cfg->body_min_rate * (uint64_t) cfg->body_window / 1000;

    if (c->window_seen >= least) {
        c->window_seen = 0;
        loop_timer_arm(&c->t_read, cfg->body_window);
    } else if (c->state == CONN_DISCARD) {
        conn_kill(c, KILL_CLOSE, EXCHANGE_SLOW);
    } else {
        refuse(c, &conn_body_slow, EXCHANGE_SLOW);
    }
}

static void on_read_deadline(void *arg)
{
    struct conn *c = arg;

    switch (c->state) {
    case CONN_PROXY:
    case CONN_HANDSHAKE:
    case CONN_IDLE: conn_kill(c, KILL_CLOSE, EXCHANGE_GONE); break;
    case CONN_LINGER: conn_kill(c, KILL_CLOSE, c->how); break;
    case CONN_HTTP2: conn2_deadline(c); break;
    case CONN_HEAD: refuse(c, &too_slow, EXCHANGE_SLOW); break;
    case CONN_DISCARD: body_deadline(c); break;
    case CONN_EXCHANGE:
        if (c->body == BODY_FLOW || c->body == BODY_DISCARD)
            body_deadline(c);
        else if (c->answer == ANSWER_NONE)
            refuse(c, &conn_no_answer, EXCHANGE_LATE);
        break;
    }
    conn_defer(c);
}

static void on_write_deadline(void *arg)
{
    struct conn *c = arg;

    if (c->cutting) {
        /* STANDARDS 1.8 rule 6: what the kernel has not sent by now must not arrive later. */
        if (c->out.n > 0 || conn_kernel_unsent(c) > 0)
            conn_kill(c, KILL_RESET, EXCHANGE_CUT);
    } else if (c->sent_total - c->stall_mark >= STALL_BYTES) {
        c->stall_mark = c->sent_total;
        loop_timer_arm(&c->t_write, c->ln->cfg.write_stall);
    } else {
        conn_kill(c, KILL_RESET, EXCHANGE_STALLED);
    }
    conn_defer(c);
}

/* ---- opening and draining ---- */

static void tune(int fd)
{
    int on = 1, lowat = LOWAT, idle = 30, every = 10, n = 3;

    /* Wishes: none of them is needed to be correct, and a unix socket knows none. */
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
    (void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
    (void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &n, sizeof(n));
}

static void init(struct conn *c, struct listener *ln, int fd, const struct net_addr *peer)
{
    c->ln = ln;
    c->fd = fd;
    c->limit_addr = *peer;
    c->client = (struct net_client){ .peer = *peer, .client = *peer, .tls = ln->tls != NULL };
    buf_init(&c->in, READ_MAX + PIPELINED_MAX);
    out_init(&c->out);
    loop_timer_init(&c->t_read, ln->loop, on_read_deadline, c);
    loop_timer_init(&c->t_write, ln->loop, on_write_deadline, c);
    c->turn = (struct loop_deferred){ .fn = turn, .arg = c };
}

void conn_open(struct listener *ln, int fd, const struct net_addr *peer)
{
    enum limit_verdict v = net_limits_enter(ln->limits, peer);
    struct conn *c = v == LIMIT_DROP ? NULL : calloc(1, sizeof(*c));
    bool trusted = net_cidrs_have(ln->cfg.proxy.trusted, ln->cfg.proxy.n_trusted, peer);

    if (c != NULL) {
        init(c, ln, fd, peer);
        c->limited = v;
        c->http = http1_new(&ln->cfg.http1, &http_ops, c);
    }
    if (c == NULL || c->http == NULL || loop_fd_new(ln->loop, fd, on_ready, c, &c->watch, NULL) != ERR_OK) {
        if (c != NULL)
            (void) http1_free(c->http);
        if (v != LIMIT_DROP)
            net_limits_leave(ln->limits, peer);
        free(c);
        (void) close(fd);
        return;
    }
    tune(fd);
    list_append(&ln->conns, &c->node);
    ln->n_conns++;
    if (ln->cfg.proxy_v2 && !trusted)
        conn_kill(c, KILL_RESET, EXCHANGE_BAD);
    else if (ln->cfg.proxy_v2)
        set_state(c, CONN_PROXY);
    else
        start_secure(c);
    watch_update(c);
}

void conn_drain(struct conn *c)
{
    switch (c->state) {
    case CONN_PROXY:
    case CONN_HANDSHAKE:
    case CONN_IDLE: conn_kill(c, KILL_CLOSE, EXCHANGE_ABORTED); break;
    case CONN_HTTP2: conn2_drain(c); break;
    case CONN_HEAD:
    case CONN_EXCHANGE:
    case CONN_DISCARD:
    case CONN_LINGER: break; /* finish_exchange looks at ln->closing; the others have short deadlines */
    }
}
