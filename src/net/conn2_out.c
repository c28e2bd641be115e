/* HTTP/2 connections: the answers' half. What roles call (exchange.h), and sending. See conn2.h. */
#include "net/conn2.h"

#include <stdlib.h>

#include "os/clock.h"

#define FLUSH_MAX   (256u << 10) /* in one round, then other connections get theirs */
#define STALL_BYTES 4096       /* less than this in write_stall is no progress */
#define FRAME_HEAD  9
#define BATCH_SLACK 1024
#define WINDOW      65535      /* of a stream, at first */

static struct stream2 *of(struct exchange *ex)
{
    return LIST_ENTRY(ex, struct stream2, ex);
}

static struct conn2 *two(const struct stream2 *s)
{
    return s->c->two;
}

void conn2_due(struct stream2 *s)
{
    if (!list_linked(&s->due))
        list_append(&two(s)->due, &s->due);
    conn_defer(s->c);
}

void conn2_over(struct stream2 *s, enum exchange_end how)
{
    if (!s->over && s->in_exchange) {
        s->over = true;
        s->how = how;
    }
    conn2_due(s);
}

void conn2_reset(struct stream2 *s, enum http2_code code, bool counted)
{
    if (s->reset)
        return;
    s->reset = true;
    http2_reset(two(s)->e, s->h, code, counted);
    conn_defer(s->c);
}

/* ---- what the kernel has not taken ---- */

/* Visits this stream's DATA in the batch that waits: calls fn with each run of bytes that is not with the kernel (or libssl). */
static void each_waiting(const struct stream2 *s, size_t from, void (*fn)(uint8_t *p, size_t n, size_t *sum), size_t *sum)
{
    const struct conn2 *t = two(s);
    const uint32_t id = http2_id(s->h);

    for (size_t at = 0; t->batch != NULL && at + FRAME_HEAD <= t->n_batch;) {
        uint8_t *p = t->batch + at;
        size_t n = (size_t) p[0] << 16 | (size_t) p[1] << 8 | p[2], begin = at + FRAME_HEAD, end = begin + n;
        uint32_t of_id = (uint32_t) p[5] << 24 | (uint32_t) p[6] << 16 | (uint32_t) p[7] << 8 | p[8];

        if (begin < from)
            begin = from;
        if (p[3] == 0 && of_id == id && begin < end)
            fn(t->batch + begin, end - begin, sum);
        at = end;
    }
}

static void add_up(uint8_t *p, size_t n, size_t *sum)
{
    (void) p;
    *sum += n;
}

/* Its frame is announced, so something has to stand there: line feeds, which keep line-based formats readable. */
static void blank(uint8_t *p, size_t n, size_t *sum)
{
    (void) sum;
    memset(p, '\n', n);
}

/* Content of this stream may still leave the kernel. */
static bool content_lingers(const struct stream2 *s)
{
    uint64_t sent = s->c->sent_total;

    if (s->content_at > sent)
        return true;
    /* What was handed over since counts without TLS's overhead: the guess errs on the safe side. */
    return conn_kernel_unsent(s->c) > sent - s->content_at;
}

bool conn2_is_out(const struct stream2 *s)
{
    if (!s->in_exchange || s->answer != ANSWER_ENDED)
        return false;
    if (s->cutting)
        return (s->reset || (s->end_at > 0 && s->end_at <= s->c->sent_total)) && !content_lingers(s);
    return s->end_at > 0 && s->end_at <= s->c->sent_total;
}

/* ---- sending ---- */

size_t conn2_ready(void *ctx, struct http2_stream *h, bool *ret_end)
{
    struct stream2 *s = h->user;

    (void) ctx;
    *ret_end = s->answer == ANSWER_ENDED;
    return s->out.n;
}

void conn2_take(void *ctx, struct http2_stream *h, uint8_t *to, size_t n, size_t at)
{
    struct conn *c = ctx;
    struct stream2 *s = h->user;

    while (n > 0) {
        struct span part = out_gather(&s->out, to, n);

        if (part.p != to)
            memcpy(to, part.p, part.n);
        out_sent(&s->out, part.n);
        to += part.n;
        n -= part.n;
        s->taken += part.n;
    }
    if (!s->cutting) /* what comes then is the last word */
        s->content_at = c->two->pulled + at;
    if (s->out.n == 0 && !s->cutting)
        loop_timer_cancel(&s->t_write);
    if (s->full && s->out.n <= c->ln->cfg.high / 4)
        conn2_due(s);
}

void conn2_leave(struct stream2 *s, size_t at)
{
    s->end_at = two(s)->pulled + at;
    if (!s->cutting)
        loop_timer_cancel(&s->t_write);
    list_remove(&s->leaving);
    list_append(&two(s)->leaving, &s->leaving);
}

/* A batch is this full only when there was more to put into it. */
static bool is_full(size_t n)
{
    return n > HTTP2_BATCH - BATCH_SLACK;
}

/* Sends of the batch what the kernel takes. False: it waits. */
static bool send_batch(struct conn *c, const uint8_t *p, size_t n, size_t *off)
{
    while (*off < n) {
        size_t k = conn_send(c, span_of(p + *off, n - *off), is_full(n) || n - *off > TLS_RECORD_MAX);

        if (k == 0)
            return false;
        *off += k;
        c->sent_total += k;
    }
    return true;
}

static bool send_kept(struct conn *c)
{
    struct conn2 *t = c->two;

    if (t->batch == NULL)
        return true;
    if (!send_batch(c, t->batch, t->n_batch, &t->off))
        return false;
    free(t->batch);
    t->batch = NULL;
    return true;
}

/* Frames are made only when the kernel has taken those before: what is in none can still be dropped. */
static void send_frames(struct conn *c)
{
    static _Thread_local uint8_t scratch[HTTP2_BATCH_CAP];
    struct conn2 *t = c->two;
    size_t sum = 0;

    while (c->kill == KILL_NO && send_kept(c)) {
        size_t off = 0, n = sum < FLUSH_MAX ? http2_pull(t->e, scratch, loop_now_ms(c->ln->loop)) : 0;

        if (n == 0)
            break;
        sum += n;
        t->pulled += n;
        if (send_batch(c, scratch, n, &off) || c->kill != KILL_NO)
            continue;
        t->batch = malloc(n);
        if (t->batch == NULL) {
            conn_kill(c, KILL_RESET, EXCHANGE_ABORTED);
            return;
        }
        memcpy(t->batch, scratch, n);
        t->n_batch = n;
        t->off = off;
    }
    conn_push(c);
    if (sum >= FLUSH_MAX)
        conn_defer(c);
}

void conn2_flush(struct conn *c)
{
    struct conn2 *t = c->two;

    send_frames(c);
    LIST_FOREACH(it, &t->leaving) {
        struct stream2 *s = LIST_ENTRY(it, struct stream2, leaving);

        if (s->end_at > c->sent_total)
            break;
        list_remove(&s->leaving);
        conn2_due(s);
    }
    if (t->batch == NULL) {
        loop_timer_cancel(&c->t_write);
    } else if (!loop_timer_armed(&c->t_write)) {
        c->stall_mark = c->sent_total;
        loop_timer_arm(&c->t_write, c->ln->cfg.write_stall);
    }
}

bool conn2_waits_output(const struct conn *c)
{
    return c->state == CONN_HTTP2 && c->two->batch != NULL;
}

void conn2_write_deadline(void *arg)
{
    struct stream2 *s = arg;

    if (s->cutting) {
        /* STANDARDS 1.8 rule 6: what the kernel has not sent by now must not arrive later, even if that costs the others. */
        if (content_lingers(s))
            conn_kill(s->c, KILL_RESET, EXCHANGE_ABORTED);
        if (s->end_at == 0)
            conn2_reset(s, HTTP2_CANCEL, false);
        conn2_over(s, EXCHANGE_CUT);
    } else if (s->taken - s->stall_mark >= STALL_BYTES) {
        s->stall_mark = s->taken;
        loop_timer_arm(&s->t_write, s->c->ln->cfg.write_stall);
    } else {
        conn2_reset(s, HTTP2_CANCEL, true);
        conn2_over(s, EXCHANGE_STALLED);
    }
}

/* Something waits for the client's window: write_stall runs. */
static void await_client(struct stream2 *s)
{
    http2_more(two(s)->e, s->h);
    if (!s->cutting && s->end_at == 0 && !loop_timer_armed(&s->t_write)) {
        s->stall_mark = s->taken;
        loop_timer_arm(&s->t_write, s->c->ln->cfg.write_stall);
    }
    conn_defer(s->c);
}

/* ---- exchange.h over HTTP/2 ---- */

static bool is_gone(const struct stream2 *s)
{
    return s->over || (s->closed && !s->swallow) || s->reset || s->c->kill != KILL_NO || http2_stopped(two(s)->e);
}

static void flow(struct stream2 *s)
{
    s->body = BODY_FLOW;
    s->window_seen = 0;
    loop_timer_arm(&s->t_read, s->c->ln->cfg.body_window);
}

static enum err accept_body(struct exchange *ex, uint64_t max)
{
    struct stream2 *s = of(ex);

    if (s->accepted || s->answer != ANSWER_NONE || ex->head == NULL)
        return ERR_STATE;
    if (ex->head->content_length > 0 && (uint64_t) ex->head->content_length > max)
        return ERR_LIMIT;
    s->accepted = true;
    s->body_max = max;
    if (s->body == BODY_DONE) {
        s->body_end_due = true;
    } else if (s->body == BODY_HELD) {
        flow(s);
        if (ex->head->content_length < 0 || ex->head->content_length > WINDOW)
            http2_widen(two(s)->e, s->h);
        if (ex->head->expect_continue && s->held.n == 0 && !s->h->ended)
            http2_continue(two(s)->e, s->h);
    }
    conn2_due(s);
    return ERR_OK;
}

static void pause_body(struct exchange *ex)
{
    struct stream2 *s = of(ex);

    if (s->body != BODY_FLOW)
        return;
    s->body = BODY_PAUSED;
    loop_timer_cancel(&s->t_read);
}

static void resume_body(struct exchange *ex)
{
    struct stream2 *s = of(ex);

    if (s->body != BODY_PAUSED)
        return;
    flow(s);
    conn2_due(s);
}

static enum err begin(struct exchange *ex, int status, const struct http_header *headers, size_t n, int64_t length)
{
    struct stream2 *s = of(ex);
    bool none = status == 204 || status == 304;
    enum err e = ERR_OK;

    if (s->answer != ANSWER_NONE)
        return ERR_STATE;
    if (none && length > 0)
        return ERR_INVAL;
    s->swallow = s->head_only || none;
    if (!is_gone(s))
        e = http2_answer(two(s)->e, s->h, status, headers, n, none ? -1 : length, !s->swallow && length != 0, clock_wall_ms());
    if (e != ERR_OK)
        return e;
    s->answer = ANSWER_BEGUN;
    s->length_left = none ? 0 : length;
    s->sized = s->length_left >= 0;
    if (s->body != BODY_FLOW && s->body != BODY_DISCARD)
        loop_timer_cancel(&s->t_read); /* answer_time */
    conn_defer(s->c);
    return ERR_OK;
}

/* Whether n more bytes may be written, and counts them. */
static enum err may_write(struct stream2 *s, size_t n)
{
    if (s->answer == ANSWER_NONE)
        return ERR_STATE;
    if (s->answer == ANSWER_ENDED || s->cutting || is_gone(s))
        return ERR_CLOSED;
    if (s->length_left >= 0 && (uint64_t) s->length_left < n)
        return ERR_LIMIT;
    if (s->length_left >= 0)
        s->length_left -= (int64_t) n;
    return ERR_OK;
}

/* The answer has a hole: nobody may take it for whole. */
static enum err broken(struct stream2 *s)
{
    conn2_reset(s, HTTP2_INTERNAL_ERROR, false);
    conn2_over(s, EXCHANGE_ABORTED);
    return ERR_NOMEM;
}

static enum err write_(struct exchange *ex, struct span b)
{
    struct stream2 *s = of(ex);

    if (s->answer == ANSWER_BEGUN && s->out.n >= s->c->ln->cfg.high && !is_gone(s)) {
        s->full = true;
        return ERR_AGAIN;
    }
    TRY(may_write(s, b.n));
    if (b.n == 0 || s->swallow)
        return ERR_OK;
    if (!out_add_copy(&s->out, b))
        return broken(s);
    await_client(s);
    return ERR_OK;
}

static enum err write_ref(struct exchange *ex, struct span b, void (*release)(void *arg), void *arg)
{
    struct stream2 *s = of(ex);
    enum err e = may_write(s, b.n);

    if (e != ERR_OK || s->swallow) {
        release(arg);
        return e;
    }
    if (!out_add_ref(&s->out, b, release, arg))
        return broken(s);
    await_client(s);
    return ERR_OK;
}

static size_t queued(const struct exchange *ex)
{
    const struct stream2 *s = LIST_ENTRY(ex, struct stream2, ex);
    size_t n = s->out.n;

    each_waiting(s, two(s)->off, add_up, &n);
    return n;
}

static void end(struct exchange *ex)
{
    struct stream2 *s = of(ex);

    if (s->answer != ANSWER_BEGUN || s->cutting)
        return;
    if (s->length_left > 0 && !s->swallow) {
        (void) broken(s);
        return;
    }
    s->answer = ANSWER_ENDED;
    if (!is_gone(s))
        await_client(s);
    conn2_due(s); /* an answer without content may be out already */
}

static void abort_(struct exchange *ex)
{
    struct stream2 *s = of(ex);

    conn2_reset(s, HTTP2_INTERNAL_ERROR, false);
    conn2_over(s, EXCHANGE_ABORTED);
}

/* Whether the answer can still end with a last word. */
static bool can_add(const struct stream2 *s, struct span final)
{
    return s->end_at == 0 && !s->sized && !s->swallow && final.n > 0;
}

static void cut(struct exchange *ex, struct span final)
{
    struct stream2 *s = of(ex);

    if (s->cutting || is_gone(s))
        return;
    out_deinit(&s->out);
    out_init(&s->out);
    each_waiting(s, two(s)->off + s->c->tls_commit, blank, NULL);
    if (s->answer == ANSWER_NONE) {
        conn2_reset(s, HTTP2_CANCEL, false);
        conn2_over(s, EXCHANGE_CUT);
        return;
    }
    if (s->content_at > s->c->sent_total + s->c->tls_commit)
        s->content_at = s->c->sent_total + s->c->tls_commit; /* behind that it is blank now */
    s->cutting = true;
    s->how = EXCHANGE_CUT;
    if (can_add(s, final) && out_add_copy(&s->out, final))
        http2_more(two(s)->e, s->h);
    else if (s->end_at == 0)
        conn2_reset(s, HTTP2_CANCEL, false); /* without a last word the body must not look whole */
    s->answer = ANSWER_ENDED;
    loop_timer_arm(&s->t_write, s->c->ln->cfg.cut_time);
    conn2_due(s);
}

const struct exchange_transport conn2_transport = {
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
