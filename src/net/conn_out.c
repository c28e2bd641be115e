/* Connections: the answer's half. What roles call (exchange.h), and sending. */
#include "net/conn.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "os/clock.h"

#define IOV_N        32
#define DISCARD_MAX  65536 /* of a request body that nobody wants: read away, else the connection closes */
#define HEAD_MAX     65536

static struct conn *of(struct exchange *ex)
{
    return LIST_ENTRY(ex, struct conn, ex);
}

void conn_defer(struct conn *c)
{
    loop_defer(c->ln->loop, &c->turn);
}

void conn_kill(struct conn *c, enum conn_kill kill, enum exchange_end how)
{
    if (c->kill == KILL_NO)
        c->how = how;
    if (kill > c->kill)
        c->kill = kill;
    conn_defer(c);
}

size_t conn_kernel_unsent(const struct conn *c)
{
    int n = 0;

    if (ioctl(c->fd, SIOCOUTQNSD, &n) != 0) /* not TCP: nothing is known */
        return 0;
    return n < 0 ? 0 : (size_t) n;
}

/* ---- sending ---- */

static void took(struct conn *c, size_t n)
{
    out_sent(&c->out, n);
    c->sent_total += n;
}

static bool send_plain(struct conn *c)
{
    struct iovec iov[IOV_N];
    struct msghdr m = { .msg_iov = iov };
    ssize_t n;

    m.msg_iovlen = (size_t) out_peek(&c->out, iov, IOV_N);
    n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
    if (n >= 0) {
        took(c, (size_t) n);
        return true;
    }
    if (errno == EINTR)
        return true;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        conn_kill(c, KILL_CLOSE, EXCHANGE_GONE);
    return false;
}

/* Returns how much was taken. */
static size_t send_record(struct conn *c, struct span s)
{
    size_t n;

    switch (tls_write(c->tls, s.p, s.n, &n)) {
    case TLS_OK: c->tls_commit = 0; return n;
    case TLS_WANT_READ: /* no renegotiation: libssl only says so while a handshake message is due */
    case TLS_WANT_WRITE: c->tls_commit = s.n; return 0;
    case TLS_EOF:
    case TLS_FAILED: conn_kill(c, KILL_CLOSE, EXCHANGE_GONE); return 0;
    }
    return 0;
}

static size_t send_one(struct conn *c, struct span s, bool more)
{
    size_t n;

    tls_more(c->tls, more);
    n = send_record(c, s);
    tls_more(c->tls, false);
    return n;
}

/*
 * The odd part goes first: it has the answer's head and so has to be gathered. The whole records after it are encrypted from where
 * they lie, and there are no more of them than if the odd part came last.
 */
static size_t next_record(const struct conn *c)
{
    const size_t odd = c->out.n % TLS_RECORD_MAX;

    return c->tls_commit > 0 ? c->tls_commit : odd > 0 ? odd : TLS_RECORD_MAX;
}

static bool send_tls(struct conn *c)
{
    static _Thread_local uint8_t record[TLS_RECORD_MAX];
    struct span s = out_gather(&c->out, record, next_record(c));
    size_t n = send_one(c, s, c->out.n > s.n);

    if (n > 0)
        took(c, n);
    return n > 0;
}

void conn_push(struct conn *c)
{
    int on = 1;

    if (c->corked)
        (void) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* sends what waits; a unix socket keeps nothing back */
    c->corked = false;
}

size_t conn_send(struct conn *c, struct span s, bool more)
{
    ssize_t n;

    if (c->kill != KILL_NO || s.n == 0)
        return 0;
    c->corked = more;
    if (c->tls != NULL)
        return send_one(c, span_sub(s, 0, c->tls_commit > 0 ? c->tls_commit : TLS_RECORD_MAX), more);
    do
        n = send(c->fd, s.p, s.n, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        conn_kill(c, KILL_CLOSE, EXCHANGE_GONE);
    return n < 0 ? 0 : (size_t) n;
}

void conn_flush(struct conn *c)
{
    while (c->out.n > 0 && c->kill == KILL_NO) {
        if (!(c->tls != NULL ? send_tls(c) : send_plain(c)))
            break;
    }
    if (c->cutting)
        return; /* t_write waits for the cut */
    if (c->out.n == 0) {
        loop_timer_cancel(&c->t_write);
    } else if (!loop_timer_armed(&c->t_write)) {
        c->stall_mark = c->sent_total;
        loop_timer_arm(&c->t_write, c->ln->cfg.write_stall);
    }
}

/* ---- exchange.h over HTTP/1.1 ---- */

static enum err accept_body(struct exchange *ex, uint64_t max)
{
    struct conn *c = of(ex);

    if (c->accepted || c->answer != ANSWER_NONE || ex->head == NULL)
        return ERR_STATE;
    if (ex->head->content_length > 0 && (uint64_t) ex->head->content_length > max)
        return ERR_LIMIT;
    c->accepted = true;
    c->body_max = max;
    if (c->body == BODY_DONE) {
        c->body_end_due = true;
    } else if (c->body == BODY_HELD) {
        c->body = BODY_FLOW;
        c->window_seen = 0;
        loop_timer_arm(&c->t_read, c->ln->cfg.body_window);
        if (ex->head->expect_continue && !out_add_keep(&c->out, SPAN("HTTP/1.1 100 Continue\r\n\r\n")))
            conn_kill(c, KILL_RESET, EXCHANGE_ABORTED);
    }
    conn_defer(c);
    return ERR_OK;
}

static void pause_body(struct exchange *ex)
{
    struct conn *c = of(ex);

    if (c->body != BODY_FLOW)
        return;
    c->body = BODY_PAUSED;
    loop_timer_cancel(&c->t_read);
    conn_defer(c);
}

static void resume_body(struct exchange *ex)
{
    struct conn *c = of(ex);

    if (c->body != BODY_PAUSED)
        return;
    c->body = BODY_FLOW;
    c->window_seen = 0;
    loop_timer_arm(&c->t_read, c->ln->cfg.body_window);
    conn_defer(c);
}

/* The connection can serve another request after this answer. */
static bool can_keep(const struct conn *c)
{
    const struct http_head *h = c->ex.head;

    if (h == NULL || !h->keep_alive || c->close_after || c->ln->closing || (c->eof && c->in.n == 0) || c->deaf ||
        c->n_requests + 1 >= c->ln->cfg.requests)
        return false;
    if (c->body == BODY_DONE)
        return true;
    /* The client may or may not send what it only announced. */
    if (h->chunked || (h->expect_continue && !c->accepted))
        return false;
    return (uint64_t) h->content_length - c->body_seen <= DISCARD_MAX;
}

static enum err begin(struct exchange *ex, int status, const struct http_header *headers, size_t n, int64_t length)
{
    struct conn *c = of(ex);
    struct buf b = BUF_INIT(HEAD_MAX);
    struct http1_answer a = { .status = status, .headers = headers, .n_headers = n, .now = clock_wall_ms() };
    bool none = status == 204 || status == 304;
    enum err e;

    if (c->answer != ANSWER_NONE)
        return ERR_STATE;
    if (none && length > 0)
        return ERR_INVAL;
    a.close = !can_keep(c);
    a.body_len = length < 0 ? 0 : (uint64_t) length;
    a.framing = none                                                ? HTTP1_F_NONE
                : length >= 0                                       ? HTTP1_F_LENGTH
                : ex->head != NULL && ex->head->minor > 0           ? HTTP1_F_CHUNKED
                                                                    : HTTP1_F_CLOSE;
    a.close = a.close || a.framing == HTTP1_F_CLOSE;
    a.keep_alive = !a.close && ex->head->minor == 0;
    (void) buf_reserve(&b, 512); /* most heads: one allocation; a failure shows below */
    e = http1_write_head(&b, &a, NULL);
    if (e == ERR_OK && !out_add_keep(&c->out, buf_span(&b)))
        e = ERR_NOMEM;
    buf_deinit(&b);
    if (e != ERR_OK)
        return e;
    c->answer = ANSWER_BEGUN;
    c->close_after = a.close;
    c->chunked = a.framing == HTTP1_F_CHUNKED;
    c->swallow = c->is_head_method || none;
    c->length_left = none ? 0 : length;
    if (c->body != BODY_FLOW && c->body != BODY_DISCARD)
        loop_timer_cancel(&c->t_read); /* answer_time */
    conn_defer(c);
    return ERR_OK;
}

/* Whether n more bytes may be written, and counts them. */
static enum err may_write(struct conn *c, size_t n)
{
    if (c->answer == ANSWER_NONE)
        return ERR_STATE;
    if (c->answer == ANSWER_ENDED || c->cutting || c->kill != KILL_NO)
        return ERR_CLOSED;
    if (c->length_left >= 0 && (uint64_t) c->length_left < n)
        return ERR_LIMIT;
    if (c->length_left >= 0)
        c->length_left -= (int64_t) n;
    return ERR_OK;
}

static enum err write_(struct exchange *ex, struct span s)
{
    struct conn *c = of(ex);

    /* A whole answer is one write, whatever its size; only streams are pushed back. */
    if (c->answer == ANSWER_BEGUN && c->out.n >= c->ln->cfg.high && c->kill == KILL_NO) {
        c->full = true;
        return ERR_AGAIN;
    }
    TRY(may_write(c, s.n));
    if (s.n == 0 || c->swallow)
        return ERR_OK;
    if (!(c->chunked ? out_add_chunks(&c->out, s) : out_add_copy(&c->out, s))) {
        conn_kill(c, KILL_RESET, EXCHANGE_ABORTED); /* the answer has a hole: nobody may take it for whole */
        return ERR_NOMEM;
    }
    conn_defer(c);
    return ERR_OK;
}

static enum err write_ref(struct exchange *ex, struct span s, void (*release)(void *arg), void *arg)
{
    struct conn *c = of(ex);
    enum err e = may_write(c, s.n);

    if (e != ERR_OK || c->swallow) {
        release(arg);
        return e;
    }
    if (!out_add_ref(&c->out, s, release, arg)) {
        conn_kill(c, KILL_RESET, EXCHANGE_ABORTED);
        return ERR_NOMEM;
    }
    conn_defer(c);
    return ERR_OK;
}

static size_t queued(const struct exchange *ex)
{
    return LIST_ENTRY(ex, struct conn, ex)->out.n;
}

static void end(struct exchange *ex)
{
    struct conn *c = of(ex);

    if (c->answer != ANSWER_BEGUN || c->cutting)
        return;
    if ((c->length_left > 0 && !c->swallow) ||
        (c->chunked && !c->swallow && !out_add_end(&c->out))) {
        conn_kill(c, KILL_RESET, EXCHANGE_ABORTED);
        return;
    }
    c->answer = ANSWER_ENDED;
    conn_defer(c);
}

static void abort_(struct exchange *ex)
{
    conn_kill(of(ex), KILL_RESET, EXCHANGE_ABORTED);
}

static void cut(struct exchange *ex, struct span final)
{
    struct conn *c = of(ex);
    enum out_cut r;

    if (c->cutting || c->kill != KILL_NO)
        return;
    if (c->answer == ANSWER_NONE) {
        conn_kill(c, KILL_RESET, EXCHANGE_CUT);
        return;
    }
    r = out_cut(&c->out, c->tls_commit, c->answer == ANSWER_ENDED);
    if (!c->chunked && c->answer == ANSWER_BEGUN)
        r = OUT_CUT_BROKEN;
    if (r == OUT_CUT_OPEN && (final.n == 0 || c->swallow))
        r = OUT_CUT_BROKEN; /* without a last word the body must not look whole */
    if (r == OUT_CUT_OPEN && (!out_add_chunks(&c->out, final) || !out_add_end(&c->out))) {
        conn_kill(c, KILL_RESET, EXCHANGE_CUT);
        return;
    }
    c->close_after = c->close_after || r == OUT_CUT_BROKEN;
    c->answer = ANSWER_ENDED;
    c->cutting = true;
    c->how = EXCHANGE_CUT;
    loop_timer_arm(&c->t_write, c->ln->cfg.cut_time);
    conn_defer(c);
}

const struct exchange_transport conn_transport = {
    .accept_body = accept_body,
    .pause = pause_body,
    .resume = resume_body,
    .begin = begin,
    .write = write_,
    .write_ref = write_ref,
    .queued = queued,
    .end = end,
    .abort = abort_,
    .cut = cut,
};
