/*
 * GET events?from_ms=&to_ms= and GET export: all events of a span as fast as the client takes them.
 *
 * Chunk by chunk: load, lease what of it will be sent, send, next; the answer begins with the first lease, which also covers
 * the screen of `from`. Events: NDJSON between a {"from":…} and an {"end":…} line. Export (replay_export.c): a file; it carries no
 * end line, so a cut shows as a broken chunked body.
 */
#include "gate/replay_events.h"

#include <stdlib.h>

#include "codec/jsonw.h"

static void load_next(struct replay *r);
static bool begin_events(struct replay *r);

static void add_end_line(const struct replay *r, int code, struct buf *out)
{
    const struct events *e = r->state;

    buf_add_str(out, "{\"end\":");
    replay_end_json(r, code, e->last_seq, e->last_ms, out);
    buf_add_str(out, "}\n");
}

/* False: the client's queue is full, on_drained follows; or it has gone, and the end follows. */
static bool has_room(struct replay *r)
{
    return exchange_write(r->call->ex, SPAN_EMPTY) == ERR_OK;
}

static bool begin(struct replay *r)
{
    struct events *e = r->state;

    return e->format == FORMAT_EVENTS ? begin_events(r) : export_head(r);
}

static void finish(struct replay *r)
{
    struct events *e = r->state;
    struct buf b = BUF_INIT(SEGMENT_SCREEN_MAX);

    if (!r->begun && !begin(r)) /* there was nothing to lease */
        return;
    e->finishing = true;
    if (!has_room(r))
        return;
    e->finished = true;
    if (e->format == FORMAT_EVENTS)
        add_end_line(r, 1000, &b);
    else
        export_tail(r, &b);
    replay_sent_all(r);
    if (b.n > 0 && exchange_write(r->call->ex, buf_span(&b)) != ERR_OK)
        exchange_abort(r->call->ex);
    else
        exchange_end(r->call->ex);
    lines_wipe(&b);
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
        buf_add_c(&b, '\n');
        add_end_line(r, code, &b);
    }
    exchange_cut(r->call->ex, b.failed ? SPAN_EMPTY : buf_span(&b));
    buf_deinit(&b);
}

/* The key is over, the window is not: whatever was written still goes out, and the reader goes on with a fresh key. */
static void end_expired(struct replay *r)
{
    struct events *e = r->state;
    struct buf b = BUF_INIT(SEGMENT_SCREEN_MAX);

    if (e->format == FORMAT_EVENTS)
        add_end_line(r, 4401, &b);
    else if (e->format == FORMAT_TEXT)
        export_pause(r, &b);
    if (b.n == 0 || b.failed || exchange_write(r->call->ex, buf_span(&b)) != ERR_OK) {
        events_end(r, 4401);
    } else {
        replay_sent_all(r);
        exchange_end(r->call->ex);
    }
    lines_wipe(&b);
}

/* Between two chunks. */
static void stop(struct replay *r, enum key_verdict v)
{
    int code;

    if (v == KEY_EXPIRED && r->begun && replay_may(r, &code) == KEY_EXPIRED && code == 4401)
        end_expired(r);
    else
        replay_stop(r, v);
}

static void add_event(struct replay *r, const struct line *l, struct buf *out)
{
    struct events *e = r->state;

    if (e->format != FORMAT_EVENTS) {
        export_event(r, l, out);
        return;
    }
    buf_add_span(out, l->json);
    buf_add_c(out, '\n');
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
        add_event(r, &l, &out);
        lines_next(&e->lines, &l);
        e->last_seq = (int64_t) l.seq;
        e->last_ms = l.time / 1000;
    }
    events_send(r, &out, first);
}

void events_send(struct replay *r, struct buf *out, uint64_t first)
{
    struct events *e = r->state;

    if (out->failed || (out->n > 0 && exchange_write(r->call->ex, buf_span(out)) != ERR_OK)) {
        r->over = true;
        exchange_abort(r->call->ex);
    } else if (e->last_seq >= (int64_t) first) {
        viewer_sent(r->viewer, first, (uint64_t) e->last_seq, out->n);
    }
    lines_wipe(out);
}

static bool past_end(struct events *e)
{
    struct line l;

    return lines_peek(&e->lines, &l) && l.time / 1000 > e->to_ms;
}

void events_pump(struct replay *r)
{
    struct events *e = r->state;
    struct line l;
    int code;

    while (!r->over && e->lines.loaded && e->leased) {
        enum key_verdict v = replay_may(r, &code);

        if (v == KEY_EXPIRED && code == 4401 && r->begun) {
            end_expired(r);
        } else if (v != KEY_OK) {
            replay_stop(r, v);
        } else if (!r->begun && !begin(r)) {
            return;
        } else if (!lines_peek(&e->lines, &l)) {
            load_next(r);
            return;
        } else if (past_end(e)) {
            finish(r);
            return;
        } else if (!has_room(r)) {
            return;
        } else if (e->format == FORMAT_TEXT && export_pauses(r)) {
            end_expired(r);
        } else if (e->format == FORMAT_TEXT) {
            export_text(r); /* in a worker: events_pump follows */
            return;
        } else {
            send_lines(r);
        }
    }
}

static void on_leased(void *ctx, enum key_verdict v)
{
    struct replay *r = ctx;

    if (!r->over && r->call->ex != NULL) {
        ((struct events *) r->state)->leased = v == KEY_OK;
        if (v == KEY_OK)
            events_pump(r);
        else
            stop(r, v);
    }
    call_unref(r->call);
}

/* Of a chunk its last event's time; of the tail all lines say it. */
static int64_t last_ms(const struct lines *l)
{
    struct lines look = *l;
    struct line now;

    if (l->block->meta.t_last < SEGMENT_TIME_MAX)
        return l->block->meta.t_last / 1000;
    while (lines_peek(&look, &now))
        lines_next(&look, &now);
    return look.time / 1000;
}

/* What will be sent: this chunk from the present line on (an event past to_ms is leased, not sent), and those that follow. */
static void lease_loaded(struct replay *r)
{
    struct events *e = r->state;
    struct viewer_span span = {
        .what = e->format == FORMAT_EVENTS ? LEASE_EVENTS : LEASE_EXPORT,
        .from_seq = e->lines.seq,
        .from_ms = e->lines.time / 1000,
        .to_ms = last_ms(&e->lines),
    };
    const struct segment_chunk *meta = &e->lines.block->meta;
    enum key_verdict v;

    span.bytes = lines_rest(&e->lines, &span.to_seq);
    v = viewer_charge(r->viewer, &span, /* paced= */ false);
    if (v == KEY_RATE_LIMITED && r->begun) { /* an answer that has begun goes on at the rate there is */
        loop_timer_arm(&e->wait, viewer_quota(r->viewer)->retry_after_ms);
        return;
    }
    if (v != KEY_OK) {
        stop(r, v);
        return;
    }
    if (span.to_seq + 1 == meta->first_seq + meta->n_events)
        viewer_span_on(r->viewer, &span, &e->lines.block->ahead, e->lines.until, e->to_ms);
    (void) call_ref(r->call);
    replay_ask_lease(r, &span, on_leased, r);
}

void events_next(struct replay *r)
{
    struct events *e = r->state;
    struct line l;

    if (e->silent && e->lines.seq >= (uint64_t) e->from_seq) {
        e->silent = false;
        export_settle(r);
    }
    if (!lines_peek(&e->lines, &l)) { /* resumed after the last event of this chunk */
        load_next(r);
    } else if (e->silent) {
        export_text(r); /* events_next follows */
    } else if (past_end(e) && (r->begun || !e->start.has_screen)) {
        finish(r);
    } else {
        lease_loaded(r);
    }
}

static void on_loaded(struct replay *r, enum err err)
{
    struct events *e = r->state;

    if (err == ERR_NOTFOUND) {
        finish(r);
    } else if (err != ERR_OK) {
        replay_stop(r, KEY_AUTHORITY_STALE);
    } else {
        bool resumed = e->resumed;

        e->resumed = false;
        if (!resumed || export_resume(r))
            events_next(r);
    }
}

static void load_next(struct replay *r)
{
    struct events *e = r->state;

    e->leased = false;
    lines_load(&e->lines);
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
    jsonw_kint(&w, "last_seq", (int64_t) r->events - 1);
    if (start->has_screen) {
        jsonw_kobj(&w, "screen");
        jsonw_kint(&w, "cols", start->cols);
        jsonw_kint(&w, "rows", start->rows);
        jsonw_kstr(&w, "init", buf_span(&start->bytes));
        jsonw_obj_end(&w);
    }
    jsonw_obj_end(&w);
}

bool events_begin_answer(struct replay *r, const char *mime, const struct http_header *more, size_t n_more,
                         struct span first)
{
    r->begun = true;
    if (!call_begin(r->call, mime, more, n_more)) {
        r->over = true;
    } else if (first.n > 0 && exchange_write(r->call->ex, first) != ERR_OK) {
        r->over = true;
        exchange_abort(r->call->ex);
    }
    return !r->over;
}

/* The line of `from`. Its screen shows what went before the first event: it goes out under that event's lease. */
static bool begin_events(struct replay *r)
{
    struct events *e = r->state;
    struct buf first = BUF_INIT(SEGMENT_SCREEN_MAX * 4);
    bool good;

    buf_add_str(&first, "{\"from\":");
    replay_from_json(r, &e->start, e->to_ms, &first);
    buf_add_str(&first, "}\n");
    lines_wipe(&e->start.bytes);
    if (first.failed)
        replay_refuse(r, KEY_AUTHORITY_STALE, "The screen is too large to be sent.");
    good = !first.failed && events_begin_answer(r, "application/x-ndjson", NULL, 0, buf_span(&first));
    lines_wipe(&first);
    return good;
}

static void on_events_located(void *ctx, struct viewer_read *read)
{
    struct replay *r = ctx;
    struct events *e = r->state;
    int code;
    enum key_verdict v;

    if (!r->over && r->call->ex != NULL) {
        v = replay_may(r, &code);
        if (v == KEY_OK && read->err != ERR_OK && read->err != ERR_NOTFOUND)
            v = KEY_AUTHORITY_STALE;
        if (v != KEY_OK) {
            replay_refuse(r, v, "");
        } else {
            e->start = *read;
            read->bytes = BUF_INIT(0);
            lines_begin(&e->lines, e->start.seq, e->start.at);
            if (e->start.err == ERR_NOTFOUND)
                finish(r); /* a recording without events */
            else
                load_next(r);
        }
    }
    lines_wipe(&read->bytes);
    call_unref(r->call);
}

static void on_waited(void *arg)
{
    struct replay *r = arg;

    if (!r->over && r->call->ex != NULL)
        events_next(r);
}

struct events *events_new(struct replay *r)
{
    struct events *e = calloc(1, sizeof(*e));

    if (e == NULL) {
        replay_refuse(r, KEY_AUTHORITY_STALE, "");
        return NULL;
    }
    lines_init(&e->lines, r, on_loaded);
    loop_timer_init(&e->wait, r->call->lane->loop, on_waited, r);
    e->lines.until = r->events;
    buf_init(&e->start.bytes, 0);
    e->to_ms = INT64_MAX;
    e->last_seq = -1;
    r->state = e;
    return e;
}

static void events_begin(struct replay *r)
{
    struct events *e = events_new(r);
    struct viewer_want want = { .kind = READ_LOCATE };

    if (e == NULL || !replay_query_int(r, "from_ms", SEGMENT_TIME_MAX / 1000, &e->from_ms) ||
        !replay_query_int(r, "to_ms", SEGMENT_TIME_MAX / 1000, &e->to_ms))
        return;
    if (e->to_ms < e->from_ms) {
        replay_bad_parameter(r, "to_ms", "It lies before from_ms.");
        return;
    }
    want.from = e->from_ms * 1000;
    want.until = r->events;
    (void) call_ref(r->call);
    viewer_read(r->viewer, &want, on_events_located, r);
}

static void events_drained(struct replay *r)
{
    struct events *e = r->state;

    if (e != NULL && e->finishing)
        finish(r);
    else if (e != NULL && !e->lines.loading && !e->working)
        events_pump(r);
}

static void events_gone(struct replay *r, enum exchange_end how)
{
    struct events *e = r->state;

    if (e != NULL)
        loop_timer_cancel(&e->wait);
    if (e != NULL && e->format != FORMAT_EVENTS)
        viewer_settle(r->viewer, e->finished && how == EXCHANGE_SENT);
}

static void events_free(struct replay *r)
{
    struct events *e = r->state;

    if (e == NULL)
        return;
    loop_timer_cancel(&e->wait);
    lines_free(&e->lines);
    lines_wipe(&e->start.bytes);
    e->export = export_free(e->export);
}

void events_load(struct replay *r)
{
    load_next(r);
}

const struct replay_ops replay_export_ops = {
    .begin = export_begin,
    .end = events_end,
    .drained = events_drained,
    .gone = events_gone,
    .free = events_free,
};

const struct replay_ops replay_events_ops = {
    .begin = events_begin,
    .end = events_end,
    .drained = events_drained,
    .gone = events_gone,
    .free = events_free,
};
