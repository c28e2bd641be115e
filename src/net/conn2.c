/* HTTP/2 connections: the requests' half, deadlines, the turn. See conn2.h. */
#include "net/conn2.h"

#include <stdlib.h>

#define DISCARD_MAX 65536 /* of a request body that nobody wants: read away, else the stream is reset */
#define PART_MAX    65536

static struct conn2 *two(const struct stream2 *s)
{
    return s->c->two;
}

static time_ms now_of(const struct conn *c)
{
    return loop_now_ms(c->ln->loop);
}

/* ---- ends of streams ---- */

static void drop_held(struct stream2 *s)
{
    two(s)->n_held -= s->held.n;
    buf_deinit(&s->held);
}

static void stream_free(struct stream2 *s)
{
    loop_timer_cancel(&s->t_read);
    loop_timer_cancel(&s->t_write);
    drop_held(s);
    out_deinit(&s->out);
    list_remove(&s->node);
    list_remove(&s->due);
    list_remove(&s->leaving);
    http2_release(two(s)->e, s->h);
    free(s);
}

static void end_exchange(struct stream2 *s)
{
    struct conn2 *t = two(s);

    if (!s->in_exchange)
        return;
    s->in_exchange = false;
    t->n_exchanges--;
    t->idle_since = now_of(s->c);
    if (s->ex.ops != NULL && s->ex.ops->on_end != NULL)
        s->ex.ops->on_end(s->ex.user, &s->ex, s->how);
    s->ex.ops = NULL;
    s->c->n_requests++;
}

/* The answer is out and nobody wants the rest of the body: a short rest is read away, so that no reset hides the answer. */
static void discard_body(struct stream2 *s)
{
    const struct http_head *head = &s->h->head;

    s->body_end_due = false;
    s->body_seen += s->held.n;
    http2_consumed(two(s)->e, s->h, s->held.n);
    drop_held(s);
    http2_received(two(s)->e, 0, two(s)->n_held);
    if (s->h->ended)
        return; /* the engine closes it with its last frame */
    if (s->how == EXCHANGE_SENT && !head->chunked && (uint64_t) head->content_length - s->body_seen <= DISCARD_MAX &&
        !(head->expect_continue && !s->accepted)) {
        s->body = BODY_DISCARD;
        s->window_seen = 0;
        loop_timer_arm(&s->t_read, s->c->ln->cfg.body_window);
    } else {
        conn2_reset(s, HTTP2_NO_ERROR, false); /* RFC 9113 8.1. Not an abuse: the work was done, and ended */
    }
}

/* In the turn: on_end, then what remains to be done with the stream. */
static void finish(struct stream2 *s)
{
    loop_timer_cancel(&s->t_read);
    loop_timer_cancel(&s->t_write);
    out_deinit(&s->out);
    list_remove(&s->leaving);
    s->over = true;
    end_exchange(s);
    if (!s->closed)
        discard_body(s);
    if (s->closed || http2_stopped(two(s)->e))
        stream_free(s);
}

/* ---- exchanges ---- */

/* Answers by ourselves; an answer that has begun can only be broken off. */
static void refuse(struct stream2 *s, const struct http_refusal *why, enum exchange_end how)
{
    const struct exchange_handler *h = s->c->ln->handler;

    if (s->over || s->answer != ANSWER_NONE) {
        conn2_reset(s, HTTP2_CANCEL, true);
        conn2_over(s, how);
        return;
    }
    s->body = BODY_DISCARD; /* whatever still comes is not looked at */
    s->body_end_due = false;
    s->how = how;
    loop_timer_cancel(&s->t_read);
    if (h->on_refused != NULL)
        h->on_refused(h->ctx, &s->ex, s->ex.head, why);
    if (s->answer == ANSWER_NONE && !s->over && !conn_plain_refusal(&s->ex, why)) {
        conn2_reset(s, HTTP2_INTERNAL_ERROR, false);
        conn2_over(s, EXCHANGE_ABORTED);
    }
}

static void on_read_deadline(void *arg);

static struct stream2 *stream_new(struct conn *c, struct http2_stream *h)
{
    struct stream2 *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        http2_reset(c->two->e, h, HTTP2_INTERNAL_ERROR, false);
        return NULL;
    }
    s->c = c;
    s->h = h;
    h->user = s;
    s->client = c->client;
    s->ex = (struct exchange){ .t = &conn2_transport, .client = &s->client, .loop = c->ln->loop, .slot = &c->slot,
                               .slot_free = &c->slot_free };
    s->how = EXCHANGE_SENT;
    s->in_exchange = true;
    s->head_only = h->head.method == HTTP_M_HEAD;
    out_init(&s->out);
    buf_init(&s->held, HTTP2_WINDOW_WIDE + PART_MAX);
    loop_timer_init(&s->t_read, c->ln->loop, on_read_deadline, s);
    loop_timer_init(&s->t_write, c->ln->loop, conn2_write_deadline, s);
    loop_timer_arm(&s->t_read, c->ln->cfg.answer_time);
    list_append(&c->two->streams, &s->node);
    c->two->n_exchanges++;
    if (!c->two->drained && c->n_requests + c->two->n_exchanges >= c->ln->cfg.http2_requests)
        conn2_drain(c);
    return s;
}

/* ---- the engine's events ---- */

static void on_request(void *ctx, struct http2_stream *h)
{
    struct conn *c = ctx;
    const struct exchange_handler *handler = c->ln->handler;
    struct stream2 *s = stream_new(c, h);

    if (s == NULL)
        return;
    s->ex.head = &h->head;
    s->body = h->ended || http_head_no_body(&h->head) ? BODY_DONE : BODY_HELD;
    if (proxy_resolve(&c->ln->cfg.proxy, &h->head, &s->client) != PROXY_OK) {
        refuse(s, &conn_bad_proxy, EXCHANGE_SENT);
        return;
    }
    s->client.https = s->client.https || (c->proxy_tls && !s->client.via_proxy);
    if (c->limited != LIMIT_OK) {
        conn2_drain(c);
        refuse(s, c->limited == LIMIT_TOTAL ? &conn_full_total : &conn_full_source, EXCHANGE_SENT);
    } else {
        handler->on_request(handler->ctx, &s->ex, &h->head);
    }
}

static void on_refused(void *ctx, struct http2_stream *h, const struct http_refusal *why)
{
    struct stream2 *s = stream_new(ctx, h);

    if (s != NULL)
        refuse(s, why, EXCHANGE_SENT);
}

/* To the role, which may pause, answer, abort in it. */
static void give_body(struct stream2 *s, struct span bytes)
{
    s->body_seen += bytes.n;
    if (s->body_seen > s->body_max)
        refuse(s, &conn_body_large, EXCHANGE_LARGE);
    else if (s->ex.ops != NULL && s->ex.ops->on_body != NULL)
        s->ex.ops->on_body(s->ex.user, &s->ex, bytes);
}

static void on_body(void *ctx, struct http2_stream *h, struct span bytes)
{
    struct conn *c = ctx;
    struct conn2 *t = c->two;
    struct stream2 *s = h->user;
    bool flows = s->in_exchange && !s->over && s->body == BODY_FLOW && s->held.n == 0;
    bool held = s->in_exchange && !s->over && !flows && s->body != BODY_DISCARD && s->body != BODY_DONE;

    s->window_seen += bytes.n;
    if (flows) {
        give_body(s, bytes);
    } else if (held) {
        buf_add_span(&s->held, bytes);
        if (s->held.failed) { /* more than its window, or no memory */
            conn2_reset(s, HTTP2_INTERNAL_ERROR, true);
            conn2_over(s, EXCHANGE_ABORTED);
        } else {
            t->n_held += bytes.n;
        }
    } else {
        s->body_seen += bytes.n;
    }
    http2_received(t->e, bytes.n, t->n_held);
    if (!held)
        http2_consumed(t->e, h, bytes.n);
}

static void body_complete(struct stream2 *s)
{
    bool flowed = s->body == BODY_FLOW || s->body == BODY_PAUSED;

    s->body = BODY_DONE;
    s->body_end_due = flowed;
    if (s->answer == ANSWER_NONE)
        loop_timer_arm(&s->t_read, s->c->ln->cfg.answer_time);
    else
        loop_timer_cancel(&s->t_read);
    conn2_due(s);
}

static void on_body_end(void *ctx, struct http2_stream *h)
{
    struct stream2 *s = h->user;

    (void) ctx;
    if (s->held.n > 0 || s->body == BODY_HELD || s->body == BODY_PAUSED || s->body == BODY_DONE)
        conn2_due(s); /* what is held comes first */
    else
        body_complete(s);
}

static void on_closed(void *ctx, struct http2_stream *h)
{
    struct stream2 *s = h->user;

    (void) ctx;
    s->closed = true;
    if (s->in_exchange && !s->over && !s->cutting && s->end_at == 0)
        conn2_over(s, h->by_peer ? EXCHANGE_GONE : EXCHANGE_BAD);
    conn2_due(s);
}

static void on_end_sent(void *ctx, struct http2_stream *h, size_t at)
{
    (void) ctx;
    conn2_leave(h->user, at);
}

static const struct http2_ops http2_ops = {
    .on_request = on_request,
    .on_refused = on_refused,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_closed = on_closed,
    .on_ready = conn2_ready,
    .on_take = conn2_take,
    .on_end_sent = on_end_sent,
};

/* ---- deadlines ---- */

static void body_deadline(struct stream2 *s)
{
    const struct net_config *cfg = &s->c->ln->cfg;
    uint64_t least = (uint64_t) cfg->body_min_rate * (uint64_t) cfg->body_window / 1000;

    if (s->window_seen >= least || http2_throttled(two(s)->e)) { /* throttled: it is we who do not read */
        s->window_seen = 0;
        loop_timer_arm(&s->t_read, cfg->body_window);
    } else if (s->in_exchange) {
        refuse(s, &conn_body_slow, EXCHANGE_SLOW);
    } else {
        conn2_reset(s, HTTP2_NO_ERROR, false);
    }
}

static void on_read_deadline(void *arg)
{
    struct stream2 *s = arg;

    if (s->body == BODY_FLOW || s->body == BODY_DISCARD)
        body_deadline(s);
    else if (s->answer == ANSWER_NONE)
        refuse(s, &conn_no_answer, EXCHANGE_LATE);
    conn2_due(s);
}

/* The next of the connection's own deadlines; -1: none. */
static time_ms next_deadline(const struct conn *c)
{
    const struct net_config *cfg = &c->ln->cfg;
    const struct conn2 *t = c->two;
    time_ms at = -1, block = http2_block_since(t->e);

    if (!http2_settled(t->e))
        at = t->since + cfg->header_time;
    if (block >= 0 && (at < 0 || block + cfg->header_time < at))
        at = block + cfg->header_time;
    if (t->n_exchanges == 0) {
        time_ms idle = t->idle_since + (c->n_requests == 0 ? cfg->header_time : cfg->idle_time);

        at = at < 0 || idle < at ? idle : at;
    }
    return at;
}

static void stop(struct conn *c, enum http2_code code)
{
    http2_stop(c->two->e, code);
    conn_defer(c);
}

void conn2_deadline(struct conn *c)
{
    struct conn2 *t = c->two;
    time_ms now = now_of(c), at = next_deadline(c), block = http2_block_since(t->e);

    if (t->closing) {
        conn_kill(c, KILL_RESET, c->how); /* the client takes not even the GOAWAY */
    } else if (at < 0 || at > now) {
        return; /* the turn arms it again */
    } else if (!http2_settled(t->e) && t->since + c->ln->cfg.header_time <= now) {
        stop(c, HTTP2_SETTINGS_TIMEOUT);
    } else if (block >= 0 && block + c->ln->cfg.header_time <= now) {
        stop(c, HTTP2_ENHANCE_YOUR_CALM);
    } else if (t->drained) {
        stop(c, HTTP2_NO_ERROR); /* only a body that nobody wants still dribbles */
    } else {
        t->idle_since = now;
        conn2_drain(c); /* the client hears that nothing it may be sending now is done */
    }
}

/* ---- life ---- */

bool conn2_start(struct conn *c)
{
    const struct http2_limits limits = { .head = c->ln->cfg.http1, .streams = c->ln->cfg.streams };
    struct conn2 *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return false;
    t->since = t->idle_since = now_of(c);
    list_init(&t->streams);
    list_init(&t->due);
    list_init(&t->leaving);
    t->e = http2_new(&limits, &http2_ops, c, t->since);
    if (t->e == NULL) {
        free(t);
        return false;
    }
    c->two = t;
    c->http = http1_free(c->http);
    buf_deinit(&c->in);
    loop_timer_cancel(&c->t_read);
    conn_defer(c);
    return true;
}

void conn2_free(struct conn *c)
{
    struct conn2 *t = c->two;

    if (t == NULL)
        return;
    LIST_FOREACH(it, &t->streams) {
        struct stream2 *s = LIST_ENTRY(it, struct stream2, node);

        s->how = s->over ? s->how : c->how;
        s->over = true;
        end_exchange(s);
    }
    while (!list_empty(&t->streams))
        stream_free(LIST_ENTRY(t->streams.next, struct stream2, node));
    (void) http2_free(t->e);
    free(t->batch);
    free(t);
    c->two = NULL;
}

bool conn2_wants_input(const struct conn *c)
{
    return !c->two->closing && !http2_backlog(c->two->e);
}

/* No more is read; what has not been answered never will be. */
static void begin_closing(struct conn *c)
{
    struct conn2 *t = c->two;

    if (t->closing)
        return;
    t->closing = true;
    LIST_FOREACH(it, &t->streams) {
        struct stream2 *s = LIST_ENTRY(it, struct stream2, node);

        if (!s->closed && s->end_at == 0)
            conn2_over(s, EXCHANGE_BAD);
    }
    loop_timer_arm(&c->t_read, c->ln->cfg.linger_time);
    conn_defer(c);
}

void conn2_input(struct conn *c, struct span in)
{
    if (!http2_feed(c->two->e, in, now_of(c)))
        begin_closing(c);
}

void conn2_drain(struct conn *c)
{
    if (!c->two->drained) {
        c->two->drained = true;
        http2_drain(c->two->e);
    }
    conn_defer(c);
}

/* ---- the turn ---- */

static void give_held(struct stream2 *s)
{
    struct buf held = s->held;
    struct conn2 *t = two(s);
    size_t used = 0;

    buf_init(&s->held, held.max);
    while (used < held.n && s->in_exchange && !s->over && s->body == BODY_FLOW) {
        struct span part = span_sub(buf_span(&held), used, PART_MAX);

        give_body(s, part);
        used += part.n;
    }
    if (s->body == BODY_DISCARD || s->over)
        used = held.n;
    t->n_held -= used;
    http2_consumed(t->e, s->h, used);
    http2_received(t->e, 0, t->n_held);
    buf_drop(&held, used);
    if (held.n > 0)
        s->held = held;
    else
        buf_deinit(&held);
}

static void tell_body_end(struct stream2 *s)
{
    s->body_end_due = false;
    if (s->ex.ops != NULL && s->ex.ops->on_body_end != NULL)
        s->ex.ops->on_body_end(s->ex.user, &s->ex);
}

static void tell_drained(struct stream2 *s)
{
    s->full = false;
    if (s->ex.ops != NULL && s->ex.ops->on_drained != NULL)
        s->ex.ops->on_drained(s->ex.user, &s->ex);
}

static void serve(struct stream2 *s)
{
    if (s->held.n > 0 && (s->body == BODY_FLOW || s->body == BODY_DISCARD || s->over))
        give_held(s);
    if (!s->over && s->held.n == 0 && s->h->ended && s->body == BODY_FLOW)
        body_complete(s);
    if (!s->over && s->body_end_due)
        tell_body_end(s);
    if (!s->over && s->full && s->answer == ANSWER_BEGUN && s->out.n <= s->c->ln->cfg.high / 4)
        tell_drained(s);
    if (s->over || conn2_is_out(s))
        finish(s);
    else if (s->closed && !s->in_exchange)
        stream_free(s);
}

static bool serve_due(struct conn *c)
{
    struct conn2 *t = c->two;
    struct list now;
    bool any = false;

    list_init(&now);
    while (!list_empty(&t->due)) /* what becomes due meanwhile waits for the next round */
        list_append(&now, list_pop(&t->due));
    while (c->kill == KILL_NO && !list_empty(&now)) {
        serve(LIST_ENTRY(list_pop(&now), struct stream2, due));
        any = true;
    }
    while (!list_empty(&now))
        list_append(&t->due, list_pop(&now));
    return any;
}

static void arm(struct conn *c)
{
    time_ms at = next_deadline(c);

    if (c->two->closing)
        return;
    if (at < 0)
        loop_timer_cancel(&c->t_read);
    else
        loop_timer_arm_at(&c->t_read, at);
}

bool conn2_round(struct conn *c)
{
    struct conn2 *t = c->two;
    bool any;

    if (c->state != CONN_HTTP2)
        return false;
    any = serve_due(c);
    if (c->kill == KILL_NO)
        conn2_flush(c);
    if (http2_stopped(t->e) || http2_finished(t->e))
        begin_closing(c);
    if (c->kill == KILL_NO && t->closing && t->batch == NULL && !http2_wants_output(t->e) && t->n_exchanges == 0 &&
        list_empty(&t->due)) {
        conn_linger(c);
        return false;
    }
    arm(c);
    return any || !list_empty(&t->due);
}
