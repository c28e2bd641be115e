/*
 * GET events?from_ms=&to_ms= and GET export: all events of a span as fast as the client takes them.
 *
 * Chunk by chunk: load, lease what of it will be sent, send, next. Events: NDJSON between a {"from":…} and an {"end":…} line.
 * Export: an asciicast or an rrweb array; it carries no end line, so a cut shows as a broken chunked body.
 */
#include "gate/replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/asciicast_write.h"
#include "codec/jsonw.h"

enum format { FORMAT_EVENTS, FORMAT_V2, FORMAT_V3, FORMAT_RRWEB };

struct events {
    struct lines lines; /* first: lines.c finds it here */
    enum format format;
    int64_t from_ms, to_ms, from_seq;
    uint64_t next_seq;
    struct viewer_read start; /* LOCATE */
    int64_t last_seq, last_ms;
    time_us previous;   /* v3: intervals */
    bool first_written; /* rrweb: commas */
    bool resumed;       /* from_seq > 0, nothing read yet */
    bool finished;
};

static void load_next(struct replay *r);

static void finish(struct replay *r)
{
    struct events *e = r->state;
    struct buf b = BUF_INIT(1024);

    e->finished = true;
    if (e->format == FORMAT_EVENTS) {
        buf_add_str(&b, "{\"end\":");
        replay_end_json(r, 1000, e->last_seq, e->last_ms, &b);
        buf_add_str(&b, "}\n");
    } else if (e->format == FORMAT_RRWEB) {
        buf_add_str(&b, e->first_written || e->from_seq > 0 ? "\n]\n" : "]\n");
    }
    r->over = true;
    if (b.n > 0 && exchange_write(r->call->ex, buf_span(&b)) != ERR_OK)
        exchange_abort(r->call->ex);
    else
        exchange_end(r->call->ex);
    buf_deinit(&b);
}

/* Nothing more may be sent. An NDJSON reader is told why; a file just stays incomplete. */
static void events_end(struct replay *r, int code)
{
    struct events *e = r->state;
    struct buf b = BUF_INIT(EXCHANGE_FINAL_MAX);

    r->over = true;
    if (r->call->ex == NULL)
        return;
    if (e != NULL && e->format == FORMAT_EVENTS) {
        buf_add_str(&b, "\n{\"end\":");
        replay_end_json(r, code, e->last_seq, e->last_ms, &b);
        buf_add_str(&b, "}\n");
    }
    if (b.failed || b.n == 0)
        exchange_abort(r->call->ex);
    else
        exchange_cut(r->call->ex, buf_span(&b));
    buf_deinit(&b);
}

static void add_event(struct events *e, const struct line *l, struct buf *out)
{
    switch (e->format) {
    case FORMAT_EVENTS:
    case FORMAT_V2:
        buf_add_span(out, l->json);
        buf_add_c(out, '\n');
        break;
    case FORMAT_V3: asciicast_v3_event(l->json, &e->previous, out); break;
    case FORMAT_RRWEB:
        buf_add_str(out, e->first_written || e->from_seq > 0 ? ",\n" : "\n");
        buf_add_span(out, l->json);
        e->first_written = true;
        break;
    }
}

/* Sends of the loaded chunk what is wanted, while the client takes it. */
static void send_lines(struct replay *r)
{
    struct events *e = r->state;
    struct buf out = BUF_INIT(SEGMENT_EVENT_MAX * 2);
    uint64_t first = e->lines.seq;
    struct line l;
    bool more = true;

    while (more && out.n < (64u << 10) && (more = lines_peek(&e->lines, &l))) {
        if (l.time / 1000 > e->to_ms)
            break;
        add_event(e, &l, &out);
        lines_next(&e->lines, &l);
        e->last_seq = (int64_t) l.seq;
        e->last_ms = l.time / 1000;
    }
    if (out.failed || (out.n > 0 && exchange_write(r->call->ex, buf_span(&out)) != ERR_OK)) {
        r->over = true;
        exchange_abort(r->call->ex);
    } else if (out.n > 0) {
        viewer_sent(r->viewer, first, (uint64_t) e->last_seq, out.n);
    }
    buf_deinit(&out);
}

static bool past_end(struct events *e)
{
    struct line l;

    return lines_peek(&e->lines, &l) && l.time / 1000 > e->to_ms;
}

/* Runs until the client's queue is full, a chunk has to be fetched, or all is sent. */
static void pump(struct replay *r)
{
    struct events *e = r->state;
    struct line l;
    int code;

    while (!r->over && e->lines.loaded) {
        enum key_verdict v = replay_may(r, &code);

        if (v != KEY_OK) {
            replay_stop(r, v);
        } else if (!lines_peek(&e->lines, &l)) {
            e->lines.chunk++;
            load_next(r);
            return;
        } else if (past_end(e)) {
            finish(r);
        } else if (exchange_queued(r->call->ex) > (128u << 10)) {
            return; /* on_drained goes on */
        } else {
            send_lines(r);
        }
    }
}

static void on_leased(void *ctx, enum key_verdict v)
{
    struct replay *r = ctx;

    if (!r->over && r->call->ex != NULL) {
        if (v == KEY_OK)
            pump(r);
        else
            replay_stop(r, v);
    }
    call_unref(r->call);
}

/* What of this chunk will be sent: all of it from the present line on (an event past to_ms is leased, not sent). */
static void lease_loaded(struct replay *r)
{
    struct events *e = r->state;
    const struct segment_chunk *c = &e->lines.meta;
    const struct viewer_span span = {
        .what = e->format == FORMAT_EVENTS ? LEASE_EVENTS : LEASE_EXPORT,
        .from_seq = e->lines.seq,
        .to_seq = c->first_seq + c->n_events - 1,
        .from_ms = e->lines.time / 1000,
        .to_ms = c->t_last / 1000,
        .bytes = e->lines.bytes.n - e->lines.at,
    };
    enum key_verdict v = viewer_charge(r->viewer, span.bytes);

    if (v != KEY_OK && v != KEY_RATE_LIMITED) { /* the rate of one request is the client's own reading speed */
        replay_stop(r, v);
        return;
    }
    (void) call_ref(r->call);
    viewer_lease(r->viewer, &span, on_leased, r);
}

static void on_loaded(struct replay *r, enum err err)
{
    struct events *e = r->state;

    if (err == ERR_NOTFOUND) {
        finish(r);
    } else if (err != ERR_OK) {
        replay_stop(r, KEY_AUTHORITY_STALE);
    } else {
        lines_seek(&e->lines, e->next_seq);
        if (e->resumed) /* v3 writes intervals: from the event before, which this chunk holds */
            e->previous = e->lines.time;
        e->resumed = false;
        if (past_end(e))
            finish(r);
        else
            lease_loaded(r);
    }
}

static void load_next(struct replay *r)
{
    struct events *e = r->state;

    e->next_seq = e->lines.seq;
    lines_load(&e->lines, e->lines.chunk);
}

/* ---- the beginning ---- */

void replay_from_json(const struct replay *r, const struct viewer_read *start, int64_t to_ms, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_obj(&w);
    jsonw_kint(&w, "seq", (int64_t) start->seq);
    jsonw_kint(&w, "at_ms", start->at / 1000);
    if (to_ms != INT64_MAX)
        jsonw_kint(&w, "to_ms", to_ms);
    jsonw_kint(&w, "last_seq", (int64_t) viewer_facts(r->viewer)->events - 1);
    if (start->has_screen) {
        jsonw_kobj(&w, "screen");
        jsonw_kint(&w, "cols", start->cols);
        jsonw_kint(&w, "rows", start->rows);
        jsonw_kstr(&w, "init", buf_span(&start->bytes));
        jsonw_obj_end(&w);
    }
    jsonw_obj_end(&w);
}

static void begin_answer(struct replay *r, const char *mime, const struct http_header *more, size_t n_more,
                         struct span first)
{
    struct http_header h[CALL_HEADERS_MAX * 2];
    size_t n = call_headers(r->call, h, mime, true);

    for (size_t i = 0; i < n_more; i++)
        h[n++] = more[i];
    r->begun = true;
    if (exchange_begin(r->call->ex, 200, h, n, -1) != ERR_OK ||
        (first.n > 0 && exchange_write(r->call->ex, first) != ERR_OK)) {
        r->over = true;
        exchange_abort(r->call->ex);
    }
}

static void on_events_located(void *ctx, struct viewer_read *read)
{
    struct replay *r = ctx;
    struct events *e = r->state;
    struct buf first = BUF_INIT(SEGMENT_SCREEN_MAX * 4);
    int code;
    enum key_verdict v;

    if (!r->over && r->call->ex != NULL) {
        v = replay_may(r, &code);
        if (v == KEY_OK && read->err != ERR_OK && read->err != ERR_NOTFOUND)
            v = KEY_AUTHORITY_STALE;
        if (v != KEY_OK) {
            replay_refuse(r, v, "");
        } else {
            e->lines.chunk = read->chunk;
            e->next_seq = e->lines.seq = read->seq;
            buf_add_str(&first, "{\"from\":");
            replay_from_json(r, read, e->to_ms, &first);
            buf_add_str(&first, "}\n");
            /* The screen is content of events before: it goes out with the lease of the manifest that showed it. */
            begin_answer(r, "application/x-ndjson", NULL, 0, buf_span(&first));
            if (!r->over && read->err == ERR_NOTFOUND)
                finish(r); /* a recording without events */
            else if (!r->over)
                load_next(r);
        }
    }
    buf_deinit(&first);
    buf_deinit(&read->bytes);
    call_unref(r->call);
}

static struct events *events_new(struct replay *r)
{
    struct events *e = calloc(1, sizeof(*e));

    if (e == NULL) {
        replay_refuse(r, KEY_AUTHORITY_STALE, "");
        return NULL;
    }
    e->lines.replay = r;
    e->lines.on_loaded = on_loaded;
    buf_init(&e->lines.bytes, 0);
    e->to_ms = INT64_MAX;
    e->last_seq = -1;
    r->state = e;
    return e;
}

static void events_begin(struct replay *r)
{
    struct events *e = events_new(r);
    struct viewer_want want = { .kind = READ_LOCATE };

    if (e == NULL || !replay_query_int(r, "from_ms", INT64_MAX / 1000, &e->from_ms) ||
        !replay_query_int(r, "to_ms", INT64_MAX / 1000, &e->to_ms))
        return;
    want.from = e->from_ms * 1000;
    (void) call_ref(r->call);
    viewer_read(r->viewer, &want, on_events_located, r);
}

static void events_drained(struct replay *r)
{
    struct events *e = r->state;

    if (e != NULL && !e->lines.loading)
        pump(r);
}

static void events_gone(struct replay *r, enum exchange_end how)
{
    struct events *e = r->state;

    if (e != NULL && e->format != FORMAT_EVENTS)
        viewer_settle(r->viewer, e->finished && how == EXCHANGE_SENT);
}

static void events_free(struct replay *r)
{
    struct events *e = r->state;

    if (e != NULL)
        lines_free(&e->lines);
}

const struct replay_ops replay_events_ops = {
    .begin = events_begin,
    .end = events_end,
    .drained = events_drained,
    .gone = events_gone,
    .free = events_free,
};

/* ---- export ---- */

static bool choose_format(struct replay *r, struct events *e)
{
    bool terminal = viewer_facts(r->viewer)->terminal;
    struct span name;

    e->format = terminal ? FORMAT_V2 : FORMAT_RRWEB;
    if (!replay_query_str(r, "format", &name))
        return true;
    if (terminal && span_eq_str(name, "asciicast-v2"))
        e->format = FORMAT_V2;
    else if (terminal && span_eq_str(name, "asciicast-v3"))
        e->format = FORMAT_V3;
    else if (!terminal && span_eq_str(name, "rrweb"))
        e->format = FORMAT_RRWEB;
    else {
        replay_bad_parameter(r, "format", terminal ? "asciicast-v2 or asciicast-v3" : "rrweb");
        return false;
    }
    return true;
}

static void begin_export(struct replay *r, struct span head)
{
    struct events *e = r->state;
    struct buf first = BUF_INIT(SEGMENT_HEAD_MAX * 2);
    char name[100];
    struct http_header disposition = { SPAN("content-disposition"), SPAN_EMPTY };
    enum err err = ERR_OK;

    (void) snprintf(name, sizeof(name), "attachment; filename=\"%s.%s\"", viewer_claims(r->viewer)->rid,
                    e->format == FORMAT_RRWEB ? "json" : "cast");
    disposition.value = span_str(name);
    if (e->from_seq == 0 && e->format == FORMAT_RRWEB)
        buf_add_c(&first, '[');
    else if (e->from_seq == 0)
        err = asciicast_write_head(head, e->format == FORMAT_V3 ? 3 : 2, &first);
    if (err != ERR_OK || first.failed)
        replay_refuse(r, KEY_AUTHORITY_STALE, "The recording's head cannot be written.");
    else
        begin_answer(r, e->format == FORMAT_RRWEB ? "application/json" : "application/x-asciicast", &disposition, 1,
                     buf_span(&first));
    buf_deinit(&first);
}

static void on_export_located(void *ctx, struct viewer_read *read)
{
    struct replay *r = ctx;
    struct events *e = r->state;

    if (!r->over && r->call->ex != NULL) {
        if (read->err == ERR_NOTFOUND) {
            finish(r);
        } else if (read->err != ERR_OK) {
            replay_stop(r, KEY_AUTHORITY_STALE);
        } else {
            e->lines.chunk = read->chunk;
            e->lines.seq = (uint64_t) e->from_seq;
            e->resumed = e->from_seq > 0;
            load_next(r);
        }
    }
    buf_deinit(&read->bytes);
    call_unref(r->call);
}

static void on_export_head(void *ctx, struct viewer_read *read)
{
    struct replay *r = ctx;
    struct events *e = r->state;
    const struct viewer_want want = { .kind = READ_LOCATE, .by_seq = true,
                                      .seq = (uint64_t) (e->from_seq > 0 ? e->from_seq - 1 : 0) };

    if (!r->over && r->call->ex != NULL) {
        if (read->err == ERR_OK || read->err == ERR_NOTFOUND)
            begin_export(r, buf_span(&read->bytes));
        else
            replay_refuse(r, KEY_AUTHORITY_STALE, "");
    }
    buf_deinit(&read->bytes);
    if (!r->over && r->call->ex != NULL)
        viewer_read(r->viewer, &want, on_export_located, (call_ref(r->call), r));
    call_unref(r->call);
}

static void export_begin(struct replay *r)
{
    static const struct viewer_want want = { .kind = READ_HEAD };
    struct events *e = events_new(r);

    if (e == NULL || !choose_format(r, e) || !replay_query_int(r, "from_seq", INT64_MAX, &e->from_seq))
        return;
    (void) call_ref(r->call);
    viewer_read(r->viewer, &want, on_export_head, r);
}

const struct replay_ops replay_export_ops = {
    .begin = export_begin,
    .end = events_end,
    .drained = events_drained,
    .gone = events_gone,
    .free = events_free,
};
