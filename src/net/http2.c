#include "net/http2.h"

#include <stdio.h>
#include <stdlib.h>

#include <nghttp2/nghttp2.h>

#include "base/list.h"
#include "net/http2_guard.h"
#include "net/http2_head.h"

#define FRAME_HEAD   9
#define DATA_MIN     512 /* room that is too small for a DATA frame when others fill the batch */
#define BACKLOG_MAX  512 /* frames */
#define ANSWER_EXTRA 3   /* :status, date, content-length */
#define ANSWER_MAX   61

struct stream {
    struct http2_stream pub;
    struct list node;
    struct http2_head list;
    int32_t id;
    size_t trailer_bytes;
    bool closed, waits /* for http2_more */, own_reset;
};

struct http2 {
    nghttp2_session *session;
    const struct http2_ops *ops;
    void *ctx;
    struct http2_limits limits;
    struct http2_guard guard;
    struct list streams;
    time_ms now;
    uint8_t *to; /* inside http2_pull */
    size_t n_to;
    size_t conn_due; /* received, not given back to the connection's window */
    bool too_much;   /* found inside a callback */
    bool broken;     /* nghttp2 ran out of memory in the middle of something */
    bool stopped, bye_sent;
    uint8_t bye[17];
};

static struct stream *of(struct http2_stream *s)
{
    return LIST_ENTRY(s, struct stream, pub);
}

static struct stream *stream_free(struct stream *s)
{
    list_remove(&s->node);
    http2_head_deinit(&s->list);
    free(s);
    return NULL;
}

static struct stream *find(struct http2 *e, int32_t id)
{
    return nghttp2_session_get_stream_user_data(e->session, id);
}

/* ---- what the client sends ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    static const nghttp2_extpri same = { .urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1 };
    struct http2 *e = user;
    struct stream *s;

    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    s->id = frame->hd.stream_id;
    http2_head_init(&s->list, &e->limits.head);
    list_append(&e->streams, &s->node);
    /* Both cannot fail: the stream was opened just now. */
    (void) nghttp2_session_set_stream_user_data(session, s->id, s);
    (void) nghttp2_session_change_extpri_stream_priority(session, s->id, &same, /* ignore_client_signal= */ 1);
    return 0;
}

/* nghttp2 has checked that it is no pseudo header and ends the stream. */
static int trailer(struct http2 *e, struct stream *s, struct span name, struct span value)
{
    s->trailer_bytes += name.n + value.n + 32;
    if (s->trailer_bytes <= HTTP1_TRAILERS && http_is_trailer(name))
        return 0;
    (void) nghttp2_submit_rst_stream(e->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_PROTOCOL_ERROR);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t n_name,
                     const uint8_t *value, size_t n_value, uint8_t flags, void *user)
{
    struct http2 *e = user;
    struct stream *s = find(e, frame->hd.stream_id);
    struct span n = span_of(name, n_name), v = span_of(value, n_value);

    (void) session;
    (void) flags;
    if (s == NULL)
        return 0;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return trailer(e, s, n, v);
    if (http2_head_add(&s->list, &e->limits.head, n, v))
        return 0;
    e->too_much = true; /* the rest of the bomb is not unpacked */
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static void head_complete(struct http2 *e, struct stream *s, bool end)
{
    enum http1_verdict v = http2_head_finish(&s->list, &e->limits.head, end, &s->pub.head);

    s->pub.ended = end;
    if (v == HTTP1_DONE)
        e->ops->on_request(e->ctx, &s->pub);
    else
        e->ops->on_refused(e->ctx, &s->pub, http1_refusal(v));
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http2 *e = user;
    struct stream *s = frame->hd.stream_id == 0 ? NULL : find(e, frame->hd.stream_id);
    const uint8_t type = frame->hd.type;
    bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    (void) session;
    if (s == NULL)
        return 0;
    if (type == NGHTTP2_RST_STREAM) {
        s->pub.by_peer = true;
    } else if (type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        head_complete(e, s, end);
    } else if (end && (type == NGHTTP2_DATA || type == NGHTTP2_HEADERS)) {
        s->pub.ended = true;
        if (s->pub.user != NULL)
            e->ops->on_body_end(e->ctx, &s->pub);
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *user)
{
    struct http2 *e = user;
    struct stream *s = find(e, id);

    (void) flags;
    if (s != NULL && s->pub.user != NULL)
        e->ops->on_body(e->ctx, &s->pub, span_of(p, n));
    else
        (void) nghttp2_session_consume(session, id, n);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct http2 *e = user;
    struct stream *s = find(e, id);

    (void) session;
    (void) code;
    if (s == NULL)
        return 0;
    s->closed = true;
    if (s->pub.user == NULL)
        (void) stream_free(s);
    else
        e->ops->on_closed(e->ctx, &s->pub);
    return 0;
}

/* ---- what we send ---- */

static ssize_t data_ready(nghttp2_session *session, int32_t id, uint8_t *buf, size_t max, uint32_t *flags,
                          nghttp2_data_source *source, void *user)
{
    struct http2 *e = user;
    struct stream *s = source->ptr;
    bool end = false;
    size_t n = s->pub.user == NULL ? 0 : e->ops->on_ready(e->ctx, &s->pub, &end), room = HTTP2_BATCH - e->n_to;

    (void) session;
    (void) id;
    (void) buf;
    if (n == 0 && !end) {
        s->waits = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (e->n_to > HTTP2_BATCH - FRAME_HEAD - DATA_MIN)
        return NGHTTP2_ERR_PAUSE;
    if (max > room - FRAME_HEAD)
        max = room - FRAME_HEAD;
    *flags = NGHTTP2_DATA_FLAG_NO_COPY;
    if (end && n <= max)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t) (n < max ? n : max);
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t n,
                     nghttp2_data_source *source, void *user)
{
    struct http2 *e = user;
    struct stream *s = source->ptr;

    (void) session;
    (void) frame;
    memcpy(e->to + e->n_to, head, FRAME_HEAD); /* no padding is ever asked for; data_ready looked at the room */
    e->n_to += FRAME_HEAD;
    if (n > 0)
        e->ops->on_take(e->ctx, &s->pub, e->to + e->n_to, n, e->n_to + n);
    e->n_to += n;
    http2_guard_sent(&e->guard);
    return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http2 *e = user;
    struct stream *s = frame->hd.stream_id == 0 ? NULL : find(e, frame->hd.stream_id);
    const uint8_t type = frame->hd.type;

    (void) session;
    if (type == NGHTTP2_RST_STREAM && (s == NULL || !s->own_reset) && !http2_guard_count(&e->guard, e->now))
        e->too_much = true;
    if (s != NULL && s->pub.user != NULL && (type == NGHTTP2_DATA || type == NGHTTP2_HEADERS) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        e->ops->on_end_sent(e->ctx, &s->pub, e->n_to);
    return 0;
}

/* ---- life ---- */

static bool make_session(struct http2 *e)
{
    nghttp2_session_callbacks *c = NULL;
    nghttp2_option *o = NULL;
    bool ok = nghttp2_session_callbacks_new(&c) == 0 && nghttp2_option_new(&o) == 0;

    if (ok) {
        nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(c, on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data_chunk);
        nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
        nghttp2_session_callbacks_set_send_data_callback(c, send_data);
        nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_send);
        nghttp2_option_set_no_auto_window_update(o, 1);
        nghttp2_option_set_max_continuations(o, HTTP2_CONTINUATIONS);
        ok = nghttp2_session_server_new2(&e->session, c, e, o) == 0;
    }
    nghttp2_session_callbacks_del(c);
    nghttp2_option_del(o);
    return ok;
}

static bool submit_settings(struct http2 *e)
{
    const nghttp2_settings_entry iv[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, e->limits.streams },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t) e->limits.head.header_bytes },
        { NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
    };

    return nghttp2_submit_settings(e->session, NGHTTP2_FLAG_NONE, iv, sizeof(iv) / sizeof(iv[0])) == 0 &&
           nghttp2_session_set_local_window_size(e->session, NGHTTP2_FLAG_NONE, 0, HTTP2_WINDOW_CONN) == 0;
}

struct http2 *http2_new(const struct http2_limits *limits, const struct http2_ops *ops, void *ctx, time_ms now)
{
    struct http2 *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return NULL;
    if (limits != NULL)
        e->limits = *limits;
    http1_limits_fill(&e->limits.head);
    if (e->limits.streams == 0)
        e->limits.streams = 100;
    if (e->limits.abuses == 0)
        e->limits.abuses = 200;
    e->ops = ops;
    e->ctx = ctx;
    e->now = now;
    list_init(&e->streams);
    http2_guard_init(&e->guard, e->limits.abuses);
    return make_session(e) && submit_settings(e) ? e : http2_free(e);
}

struct http2 *http2_free(struct http2 *e)
{
    if (e == NULL)
        return NULL;
    /*
     * nghttp2 1.52 frees an answer's DATA item and leaves it in the stream when its queue cannot grow (tests/unit/net/nomem.c
     * finds it): the session is then given up for lost rather than freed twice.
     */
    if (!e->broken)
        nghttp2_session_del(e->session);
    LIST_FOREACH(it, &e->streams)
        (void) stream_free(LIST_ENTRY(it, struct stream, node));
    free(e);
    return NULL;
}

void http2_release(struct http2 *e, struct http2_stream *s)
{
    struct stream *st = of(s);

    s->user = NULL;
    if (st->closed || e->stopped)
        (void) stream_free(st);
}

/* ---- bytes ---- */

static enum http2_code code_of(int err)
{
    switch (err) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC: return HTTP2_PROTOCOL_ERROR;
    case NGHTTP2_ERR_FLOODED:
    case NGHTTP2_ERR_TOO_MANY_SETTINGS: return HTTP2_ENHANCE_YOUR_CALM;
    default: return HTTP2_INTERNAL_ERROR; /* memory */
    }
}

bool http2_feed(struct http2 *e, struct span in, time_ms now)
{
    ssize_t n;

    if (e->stopped)
        return false;
    e->now = now;
    if (!http2_guard_scan(&e->guard, in, now)) {
        http2_stop(e, HTTP2_ENHANCE_YOUR_CALM);
        return false;
    }
    n = nghttp2_session_mem_recv(e->session, in.p, in.n);
    if (e->too_much)
        http2_stop(e, HTTP2_ENHANCE_YOUR_CALM);
    else if (n < 0)
        http2_stop(e, code_of((int) n));
    e->broken = n == NGHTTP2_ERR_NOMEM;
    return !e->stopped && nghttp2_session_want_read(e->session) != 0;
}

static size_t pull_bye(struct http2 *e, uint8_t *to)
{
    if (e->bye_sent)
        return 0;
    e->bye_sent = true;
    memcpy(to, e->bye, sizeof(e->bye));
    return sizeof(e->bye);
}

size_t http2_pull(struct http2 *e, uint8_t *to, time_ms now)
{
    const uint8_t *p;
    ssize_t n = 1;

    if (e->stopped)
        return pull_bye(e, to);
    e->now = now;
    e->to = to;
    e->n_to = 0;
    while (e->n_to < HTTP2_BATCH && n > 0) {
        n = nghttp2_session_mem_send(e->session, &p);
        if (n > 0 && (size_t) n <= HTTP2_BATCH_CAP - e->n_to) {
            memcpy(to + e->n_to, p, (size_t) n);
            e->n_to += (size_t) n;
        } else if (n != 0) {
            e->broken = n == NGHTTP2_ERR_NOMEM;
            http2_stop(e, HTTP2_INTERNAL_ERROR);
            break;
        }
    }
    e->to = NULL;
    if (e->too_much && !e->stopped)
        http2_stop(e, HTTP2_ENHANCE_YOUR_CALM);
    return e->n_to == 0 && e->stopped ? pull_bye(e, to) : e->n_to;
}

bool http2_wants_output(const struct http2 *e)
{
    return e->stopped ? !e->bye_sent : nghttp2_session_want_write(e->session) != 0;
}

bool http2_finished(const struct http2 *e)
{
    return e->stopped ? e->bye_sent : nghttp2_session_want_read(e->session) == 0 && nghttp2_session_want_write(e->session) == 0;
}

bool http2_stopped(const struct http2 *e)
{
    return e->stopped;
}

bool http2_backlog(const struct http2 *e)
{
    return !e->stopped && nghttp2_session_get_outbound_queue_size(e->session) > BACKLOG_MAX;
}

uint32_t http2_id(const struct http2_stream *s)
{
    return (uint32_t) LIST_ENTRY(s, struct stream, pub)->id;
}

time_ms http2_block_since(const struct http2 *e)
{
    return e->guard.in_block ? e->guard.block_since : -1;
}

bool http2_settled(const struct http2 *e)
{
    return e->guard.had_ack;
}

void http2_drain(struct http2 *e)
{
    if (!e->stopped) /* without memory the connection still ends with its streams' deadlines */
        (void) nghttp2_submit_goaway(e->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(e->session),
                                     NGHTTP2_NO_ERROR, NULL, 0);
}

/* Written by hand: nghttp2 sends nothing more after some of its errors. */
void http2_stop(struct http2 *e, enum http2_code code)
{
    uint32_t last = (uint32_t) nghttp2_session_get_last_proc_stream_id(e->session);
    const uint8_t frame[17] = { 0, 0, 8, HTTP2_F_GOAWAY, 0, 0, 0, 0, 0, (uint8_t) (last >> 24), (uint8_t) (last >> 16),
                                (uint8_t) (last >> 8), (uint8_t) last, 0, 0, 0, (uint8_t) code };

    if (e->stopped)
        return;
    e->stopped = true;
    memcpy(e->bye, frame, sizeof(frame));
}

/* ---- answers ---- */

static nghttp2_nv pair(struct span name, struct span value)
{
    /* Cookies are secrets: never in the shared table (RFC 7541 7.1.3). */
    bool own = span_eq_nocase(name, "set-cookie") || span_eq_nocase(name, "trace-id"); /* the second is another one each time */
    uint8_t flags = own ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;

    /* nghttp2 copies both and makes the name lower case. */
    return (nghttp2_nv){ (uint8_t *) (uintptr_t) name.p, (uint8_t *) (uintptr_t) value.p, name.n, value.n, flags };
}

enum err http2_answer(struct http2 *e, struct http2_stream *s, int status, const struct http_header *headers, size_t n,
                      int64_t length, bool body, time_ms wall_now)
{
    struct stream *st = of(s);
    nghttp2_nv nv[ANSWER_EXTRA + ANSWER_MAX];
    nghttp2_data_provider source = { .source.ptr = st, .read_callback = data_ready };
    char code[12], len[24];
    size_t k = 0;

    if (status < 200 || status > 599 || !http_answer_ok(headers, n))
        return ERR_INVAL;
    if (n > ANSWER_MAX)
        return ERR_LIMIT;
    if (st->closed || e->stopped)
        return ERR_CLOSED;
    (void) snprintf(code, sizeof(code), "%d", status);
    nv[k++] = pair(SPAN(":status"), span_str(code));
    nv[k++] = pair(SPAN("date"), http_date_span(wall_now));
    for (size_t i = 0; i < n; i++)
        nv[k++] = pair(headers[i].name, headers[i].value);
    if (length >= 0) {
        (void) snprintf(len, sizeof(len), "%lld", (long long) length);
        nv[k++] = pair(SPAN("content-length"), span_str(len));
    }
    return nghttp2_submit_response(e->session, st->id, nv, k, body ? &source : NULL) == 0 ? ERR_OK : ERR_NOMEM;
}

void http2_continue(struct http2 *e, struct http2_stream *s)
{
    const nghttp2_nv nv = pair(SPAN(":status"), SPAN("100"));

    if (!e->stopped && !of(s)->closed) /* without it clients go on after a while */
        (void) nghttp2_submit_headers(e->session, NGHTTP2_FLAG_NONE, of(s)->id, NULL, &nv, 1, NULL);
}

void http2_more(struct http2 *e, struct http2_stream *s)
{
    struct stream *st = of(s);

    if (!st->waits || st->closed || e->stopped)
        return;
    st->waits = false;
    if (nghttp2_session_resume_data(e->session, st->id) == NGHTTP2_ERR_NOMEM)
        http2_stop(e, HTTP2_INTERNAL_ERROR);
}

void http2_reset(struct http2 *e, struct http2_stream *s, enum http2_code code, bool counted)
{
    struct stream *st = of(s);

    if (st->closed || e->stopped)
        return;
    st->own_reset = !counted;
    if (nghttp2_submit_rst_stream(e->session, NGHTTP2_FLAG_NONE, st->id, (uint32_t) code) != 0)
        http2_stop(e, HTTP2_INTERNAL_ERROR);
}

/* ---- windows ---- */

void http2_received(struct http2 *e, size_t n, size_t held)
{
    e->conn_due += n;
    if (e->conn_due == 0 || held > HTTP2_HELD_MAX || e->stopped)
        return;
    if (nghttp2_session_consume_connection(e->session, e->conn_due) != 0)
        http2_stop(e, HTTP2_INTERNAL_ERROR);
    e->conn_due = 0;
}

void http2_consumed(struct http2 *e, struct http2_stream *s, size_t n)
{
    if (n > 0 && !of(s)->closed && !e->stopped && nghttp2_session_consume_stream(e->session, of(s)->id, n) != 0)
        http2_stop(e, HTTP2_INTERNAL_ERROR);
}

bool http2_throttled(const struct http2 *e)
{
    return e->conn_due > 0;
}

void http2_widen(struct http2 *e, struct http2_stream *s)
{
    /* A refusal leaves the window as it is, which is only slower. */
    if (!of(s)->closed && !e->stopped)
        (void) nghttp2_session_set_local_window_size(e->session, NGHTTP2_FLAG_NONE, of(s)->id, HTTP2_WINDOW_WIDE);
}
