/*
 * GET stream: the recording at its own pace (or speed times it), as server-sent events, at most 1 s of play ahead.
 *
 * Happy path: locate the keyframe -> first lease -> `from`, then what lies between it and from_ms at once -> each event when it
 * is due -> `end`. A timer wakes for the next batch; every batch checks the key, the grant and the lease anew.
 * Before exp: `key.expiring` (or `window.ending` when a fresh key would not live longer). At exp the event being written is
 * finished and `key.expired` ends it cleanly. At the window's end, at a revocation, when the authority is gone: what is unsent is
 * dropped and the final event is all that follows.
 */
#include "gate/replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "codec/json.h"
#include "codec/jsonw.h"
#include "os/clock.h"

#define AHEAD_MS     1000
#define MIN_WAIT_MS  20
#define COMMENT_MS   15000
#define QUEUE_MAX    (128u << 10)
#define WARN_MS      30000
#define TIME_MAX_MS  (SEGMENT_TIME_MAX / 1000)

struct stream {
    struct lines lines; /* first: lines.c finds it here */
    struct loop_timer wake;
    bool counted, told;
    struct viewer_read start; /* LOCATE: goes out as `from` */
    int end_code;
    int64_t from_ms, to_ms;
    double speed;
    bool resume;           /* Last-Event-ID */
    uint64_t next_seq;     /* the first that is sent */
    time_us play_from;     /* recording time at which pacing begins */
    int64_t began;         /* boot clock of that moment */
    uint64_t leased_to;    /* last sequence under a lease of this stream */
    bool leased, leasing;
    int64_t last_seq, last_ms, commented;
    bool warned;
};

static void pump(struct replay *r);
static bool begin_stream(struct replay *r);

/* ---- writing ---- */

static void write_text(struct replay *r, struct span text)
{
    if (!r->over && r->call->ex != NULL && exchange_write(r->call->ex, text) != ERR_OK) {
        r->over = true;
        exchange_abort(r->call->ex);
    }
}

static void final_text(const struct replay *r, int code, struct buf *out)
{
    const struct stream *s = r->state;

    buf_addf(out, "event: %s\ndata: ", replay_event_name(code));
    replay_end_json(r, code, s == NULL ? -1 : s->last_seq, s == NULL ? 0 : s->last_ms, out);
    buf_add_str(out, "\n\n");
}

/* The hard end: unsent bytes are dropped now. */
static void stream_end(struct replay *r, int code)
{
    struct stream *s = r->state;
    struct buf b = BUF_INIT(EXCHANGE_FINAL_MAX);

    if (s != NULL) {
        loop_timer_cancel(&s->wake);
        s->end_code = code;
    }
    r->over = true;
    final_text(r, code, &b);
    if (r->call->ex != NULL)
        exchange_cut(r->call->ex, b.failed ? SPAN_EMPTY : buf_span(&b));
    buf_deinit(&b);
}

/* The clean end: everything before it still goes out. A client that takes nothing is cut. */
static void end_cleanly(struct replay *r, int code)
{
    struct stream *s = r->state;
    struct buf b = BUF_INIT(EXCHANGE_FINAL_MAX);

    final_text(r, code, &b);
    if (exchange_write(r->call->ex, buf_span(&b)) != ERR_OK) {
        stream_end(r, code);
    } else {
        loop_timer_cancel(&s->wake);
        s->end_code = code;
        exchange_end(r->call->ex);
        replay_sent_all(r);
    }
    buf_deinit(&b);
}

static void add_event(struct buf *out, const struct line *l)
{
    buf_addf(out, "id: %llu\ndata: ", (unsigned long long) l->seq);
    buf_add_span(out, l->json);
    buf_add_str(out, "\n\n");
}

/* ---- time ---- */

/* When an event is due, on the boot clock. Times are compared in recording time divided by speed. */
static int64_t due_at(const struct stream *s, time_us time)
{
    if (time <= s->play_from)
        return s->began;
    return s->began + (int64_t) ((double) (time - s->play_from) / 1000.0 / s->speed);
}

static int64_t life_ms(const struct key_claims *k)
{
    return (k->exp - k->iat) * 1000;
}

static time_ms warn_at(const struct key_claims *k)
{
    int64_t quarter = life_ms(k) / 4;

    return k->exp * 1000 - (quarter < WARN_MS ? quarter : WARN_MS);
}

static void warn(struct replay *r)
{
    const struct key_claims *k = viewer_claims(r->viewer);
    struct stream *s = r->state;
    struct buf b = BUF_INIT(300);
    struct jsonw w;
    char renew[64];
    bool last = k->exp >= k->wend;

    if (s->warned || clock_wall_ms() < warn_at(k))
        return;
    s->warned = true;
    buf_addf(&b, "event: %s\ndata: ", last ? "window.ending" : "key.expiring");
    jsonw_init(&w, &b);
    jsonw_obj(&w);
    if (last) {
        jsonw_ktime(&w, "window_ends", k->wend * 1000);
    } else {
        (void) snprintf(renew, sizeof(renew), "/v1/grants/%s/keys", k->gid);
        jsonw_ktime(&w, "exp", k->exp * 1000);
        jsonw_kcstr(&w, "renew", renew);
    }
    jsonw_obj_end(&w);
    buf_add_str(&b, "\n\n");
    write_text(r, buf_span(&b));
    buf_deinit(&b);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Sleeps until the next event comes into reach, or one of the clocks asks. */
static void sleep_until(struct replay *r, int64_t due)
{
    struct stream *s = r->state;
    const struct key_claims *k = viewer_claims(r->viewer);
    int64_t wait = due - AHEAD_MS - clock_boot_ms();

    wait = wait < MIN_WAIT_MS ? MIN_WAIT_MS : wait;
    if (!s->warned)
        wait = least(wait, warn_at(k) - clock_wall_ms());
    wait = least(wait, k->exp * 1000 - clock_wall_ms());
    wait = least(wait, gate_window_left(r->call->lane->gate, k));
    wait = least(wait, s->commented + COMMENT_MS - clock_boot_ms());
    loop_timer_arm(&s->wake, wait < 1 ? 1 : wait);
}

static void comment(struct replay *r)
{
    struct stream *s = r->state;

    if (clock_boot_ms() - s->commented < COMMENT_MS)
        return;
    s->commented = clock_boot_ms();
    write_text(r, SPAN(":\n\n"));
}

/* ---- leases ---- */

static void on_leased(void *ctx, enum key_verdict v)
{
    struct replay *r = ctx;
    struct stream *s = r->state;

    s->leasing = false;
    if (!r->over && r->call->ex != NULL) {
        const struct key_claims *k = viewer_claims(r->viewer);

        s->leased = v == KEY_OK;
        if (v == KEY_OK)
            pump(r);
        else if (v == KEY_EXPIRED && r->begun && k->exp < k->wend)
            end_cleanly(r, 4401);
        else
            replay_stop(r, v);
    }
    call_unref(r->call);
}

/* The events of this chunk that are due in the next 30 s of play, at most 4 MiB; always at least one. */
static void lease_more(struct replay *r)
{
    struct stream *s = r->state;
    struct lines look = s->lines; /* walks without moving the stream's own place */
    struct viewer_span span = { .what = LEASE_STREAM, .from_seq = s->lines.seq };
    time_us until = 0;
    struct line l;
    enum key_verdict v;

    while (lines_peek(&look, &l)) {
        if (span.bytes == 0) {
            span.from_ms = l.time / 1000;
            until = (l.time > s->play_from ? l.time : s->play_from) + (time_us) (LEASE_PLAY_MS * 1000.0 * s->speed);
        } else if (l.time > until || l.time / 1000 > s->to_ms || span.bytes + l.json.n > LEASE_BYTES_MAX) {
            break;
        }
        span.to_seq = l.seq;
        span.to_ms = l.time / 1000;
        span.bytes += l.json.n + 1;
        lines_next(&look, &l);
    }
    v = viewer_charge(r->viewer, span.bytes);
    if (v == KEY_QUOTA) { /* the rate of a paced stream is bounded by its speed */
        replay_stop(r, v);
        return;
    }
    s->leased_to = span.to_seq;
    s->leased = false;
    s->leasing = true;
    (void) call_ref(r->call);
    viewer_lease(r->viewer, &span, on_leased, r);
}

/* ---- the pump ---- */

static bool may_go_on(struct replay *r)
{
    int code;
    enum key_verdict v = replay_may(r, &code);

    if (v != KEY_OK && !r->begun)
        replay_refuse(r, v, "");
    else if (v == KEY_EXPIRED && code == 4401)
        end_cleanly(r, 4401);
    else if (v != KEY_OK)
        stream_end(r, code);
    return v == KEY_OK;
}

/* Writes what is due and leased into 'out'. True: stopped for time, *ret_due is the next event's. */
static bool collect_due(struct stream *s, struct buf *out, int64_t *ret_due, bool *ret_done)
{
    int64_t now = clock_boot_ms();
    struct line l;

    *ret_done = false;
    while (lines_peek(&s->lines, &l) && out->n < (64u << 10)) {
        int64_t due = due_at(s, l.time);

        if (l.time / 1000 > s->to_ms) {
            *ret_done = true;
            return false;
        }
        if (due > now + AHEAD_MS) {
            *ret_due = due;
            return true;
        }
        if (!s->leased || l.seq > s->leased_to)
            return false;
        add_event(out, &l);
        lines_next(&s->lines, &l);
        s->last_seq = (int64_t) l.seq;
        s->last_ms = l.time / 1000;
    }
    return false;
}

static void send_batch(struct replay *r, struct buf *out, uint64_t first)
{
    struct stream *s = r->state;

    if (out->n == 0)
        return;
    write_text(r, buf_span(out));
    if (!r->over)
        viewer_sent(r->viewer, first, (uint64_t) s->last_seq, out->n);
}

/* The end is announced when the last event was due, not 1 s before. */
static void finish(struct replay *r)
{
    struct stream *s = r->state;
    int64_t due = due_at(s, s->last_ms * 1000);

    if (due > clock_boot_ms()) {
        sleep_until(r, due + AHEAD_MS);
        return;
    }
    end_cleanly(r, 1000);
}

static void next_step(struct replay *r, bool waiting, int64_t due, bool done)
{
    struct stream *s = r->state;
    struct line l;

    if (r->over)
        return;
    if (done) {
        finish(r);
    } else if (waiting) {
        sleep_until(r, due);
    } else if (!lines_peek(&s->lines, &l)) {
        if (s->lines.seq >= viewer_facts(r->viewer)->events) {
            finish(r);
        } else {
            s->next_seq = s->lines.seq;
            lines_load(&s->lines, s->lines.chunk + 1);
        }
    } else if (!s->leased || l.seq > s->leased_to) {
        lease_more(r);
    }
}

static void pump(struct replay *r)
{
    struct stream *s = r->state;
    bool waiting = false, done = false, again = true;
    int64_t due = 0;

    if (r->over || r->call->ex == NULL || (!r->begun && !s->lines.loaded))
        return;
    while (again && may_go_on(r)) {
        struct buf out = BUF_INIT(SEGMENT_EVENT_MAX * 2);
        uint64_t first = s->lines.seq;

        if (!r->begun && !begin_stream(r))
            return;
        if (exchange_queued(r->call->ex) <= QUEUE_MAX) {
            warn(r);
            comment(r);
        }
        if (r->over)
            return;
        if (s->leasing || s->lines.loading || exchange_queued(r->call->ex) > QUEUE_MAX) {
            sleep_until(r, clock_boot_ms() + AHEAD_MS + 1000); /* whatever comes first: the answer, the drain, the clocks */
            return;
        }
        waiting = collect_due(s, &out, &due, &done);
        again = out.n >= (64u << 10) && !waiting && !done;
        send_batch(r, &out, first);
        lines_wipe(&out);
        if (r->over)
            return;
        if (!again)
            next_step(r, waiting, due, done);
    }
}

static void on_wake(void *arg)
{
    pump(arg);
}

static void on_loaded(struct replay *r, enum err err)
{
    struct stream *s = r->state;
    struct line l;

    if (err != ERR_OK) { /* there is one for every event that the keeper's row counts */
        replay_stop(r, KEY_AUTHORITY_STALE);
        return;
    }
    lines_seek(&s->lines, s->next_seq);
    if (!r->begun && lines_peek(&s->lines, &l))
        lease_more(r); /* nothing is said before: `from` is content too */
    else
        pump(r);
}

/* ---- the beginning ---- */

/* A stream more of this key, grant and person, and of the server. */
static enum key_verdict count_in(struct replay *r)
{
    struct gate *g = r->call->lane->gate;
    struct stream *s = r->state;
    const struct key_claims *k = viewer_claims(r->viewer);
    enum key_verdict v = KEY_OK;

    if (atomic_fetch_add(&g->n_streams, 1) >= gate_settings(g)->streams) {
        (void) atomic_fetch_sub(&g->n_streams, 1);
        return KEY_RATE_LIMITED;
    }
    v = gate_stream_open(g, k->jti, k->gid, k->sub);
    if (v != KEY_OK)
        (void) atomic_fetch_sub(&g->n_streams, 1);
    s->counted = v == KEY_OK;
    return v;
}

static void tell_keeper(struct replay *r, bool open)
{
    const struct key_claims *k = viewer_claims(r->viewer);
    struct stream *s = r->state;
    const struct ipc_stream_open o = { span_str(viewer_facts(r->viewer)->vid), span_str(k->gid), span_str(k->rid),
                                       span_str(k->jti) };
    const struct ipc_stream_close c = { o.vid, o.gid, o.rid, o.jti, (uint64_t) (s->last_seq < 0 ? 0 : s->last_seq),
                                        (uint16_t) s->end_code };
    struct link *keeper = r->call->lane->keeper;

    if (keeper == NULL || (!open && !s->told))
        return;
    s->told = open;
    if (open)
        (void) link_send(keeper, IPC_T_STREAM_OPEN, &o); /* who watches now is shown, not relied upon */
    else
        (void) link_send(keeper, IPC_T_STREAM_CLOSE, &c);
}

/* The lease of what follows is there, and the key has just been looked at. */
static bool begin_stream(struct replay *r)
{
    struct stream *s = r->state;
    struct buf first = BUF_INIT(SEGMENT_SCREEN_MAX * 4);

    s->began = s->commented = clock_boot_ms();
    buf_add_str(&first, "retry: 2000\n\nevent: from\ndata: ");
    replay_from_json(r, &s->start, s->to_ms, &first);
    buf_add_str(&first, "\n\n");
    lines_wipe(&s->start.bytes);
    if (first.failed) {
        replay_refuse(r, KEY_AUTHORITY_STALE, "The screen is too large to be sent.");
    } else {
        r->begun = true;
        r->over = !call_begin(r->call, "text/event-stream", NULL, 0);
        write_text(r, buf_span(&first));
        tell_keeper(r, true);
    }
    lines_wipe(&first);
    return !r->over;
}

static void on_located(void *ctx, struct viewer_read *read)
{
    struct replay *r = ctx;
    struct stream *s = r->state;
    enum key_verdict v;
    int code;

    if (!r->over && r->call->ex != NULL) {
        v = replay_may(r, &code);
        if (v == KEY_OK && read->err != ERR_OK && read->err != ERR_NOTFOUND)
            v = KEY_AUTHORITY_STALE;
        if (v == KEY_OK)
            v = count_in(r);
        if (v != KEY_OK) {
            replay_refuse(r, v, "");
        } else {
            s->start = *read;
            read->bytes = BUF_INIT(0);
            s->lines.seq = s->next_seq = s->resume ? s->next_seq : s->start.seq;
            if (s->start.err == ERR_OK)
                lines_load(&s->lines, s->start.chunk);
            else if (begin_stream(r)) /* no events, or none after that id: nothing to lease */
                end_cleanly(r, 1000);
        }
    }
    lines_wipe(&read->bytes);
    call_unref(r->call);
}

/* 0.25 to 16, and not above what the policy allows. */
static bool read_speed(struct replay *r, double *ret)
{
    struct live_grant grant;
    int64_t hundredths = 100, most = 1600;
    struct span text;

    if (gate_grant(r->call->lane->gate, viewer_claims(r->viewer)->gid, &grant) && grant.max_speed_x100 > 0 &&
        grant.max_speed_x100 < most)
        most = grant.max_speed_x100;
    if (replay_query_str(r, "speed", &text) && !json_scaled(text, 2, &hundredths)) {
        replay_bad_parameter(r, "speed", "A number is expected here.");
        return false;
    }
    if (hundredths < 25 || hundredths > most) {
        replay_bad_parameter(r, "speed", "Between 0.25 and what the policy allows (at most 16).");
        return false;
    }
    *ret = (double) hundredths / 100.0;
    return true;
}

static bool read_resume(struct replay *r, struct stream *s)
{
    struct span text;
    uint64_t id;

    if (!http_head_get(exchange_head(r->call->ex), "last-event-id", &text))
        return true;
    if (!num_u64(text, INT64_MAX - 1, &id)) {
        replay_bad_parameter(r, "Last-Event-ID", "The sequence of an event is expected here.");
        return false;
    }
    s->resume = true;
    s->next_seq = id + 1;
    s->last_seq = (int64_t) id;
    return true;
}

static bool read_parameters(struct replay *r, struct stream *s)
{
    if (!replay_query_int(r, "from_ms", TIME_MAX_MS, &s->from_ms) || !replay_query_int(r, "to_ms", TIME_MAX_MS, &s->to_ms) ||
        !read_speed(r, &s->speed) || !read_resume(r, s))
        return false;
    if (s->to_ms >= s->from_ms || s->resume)
        return true;
    replay_bad_parameter(r, "to_ms", "It lies before from_ms.");
    return false;
}

/* Resumed: pacing goes on from the event before; its time is the first one that is read. */
static void on_resume_located(void *ctx, struct viewer_read *read);

static void stream_begin(struct replay *r)
{
    struct stream *s = calloc(1, sizeof(*s));
    struct viewer_want want = { .kind = READ_LOCATE };

    if (s == NULL) {
        replay_refuse(r, KEY_AUTHORITY_STALE, "");
        return;
    }
    s->lines.replay = r;
    s->lines.on_loaded = on_loaded;
    buf_init(&s->lines.bytes, 0);
    buf_init(&s->start.bytes, 0);
    s->to_ms = INT64_MAX;
    s->last_seq = -1;
    loop_timer_init(&s->wake, r->call->lane->loop, on_wake, r);
    r->state = s;
    if (!read_parameters(r, s))
        return;
    s->play_from = s->from_ms * 1000;
    want.from = s->play_from;
    if (s->resume) {
        want.by_seq = true;
        want.seq = s->next_seq - 1;
    }
    (void) call_ref(r->call);
    viewer_read(r->viewer, &want, s->resume ? on_resume_located : on_located, r);
}

static void on_resume_loaded(struct replay *r, enum err err)
{
    struct stream *s = r->state;
    struct line l;

    s->lines.on_loaded = on_loaded;
    if (err == ERR_OK) {
        lines_seek(&s->lines, s->next_seq - 1);
        if (lines_peek(&s->lines, &l)) {
            s->play_from = l.time;
            s->last_ms = l.time / 1000;
            s->start.at = l.time;
        }
    }
    on_loaded(r, err);
}

static void on_resume_located(void *ctx, struct viewer_read *read)
{
    struct replay *r = ctx;
    struct stream *s = r->state;

    s->lines.on_loaded = on_resume_loaded;
    if (read->err == ERR_OK)
        read->seq = s->next_seq;
    on_located(ctx, read);
}

static void stream_drained(struct replay *r)
{
    pump(r);
}

static void stream_gone(struct replay *r, enum exchange_end how)
{
    struct stream *s = r->state;
    struct gate *g = r->call->lane->gate;
    const struct key_claims *k;

    (void) how;
    if (s == NULL)
        return;
    loop_timer_cancel(&s->wake);
    if (!s->counted)
        return;
    s->counted = false;
    k = viewer_claims(r->viewer);
    (void) atomic_fetch_sub(&g->n_streams, 1);
    gate_stream_close(g, k->jti, k->gid, k->sub);
    if (r->begun)
        viewer_settle(r->viewer, false);
    tell_keeper(r, false);
}

static void stream_free(struct replay *r)
{
    struct stream *s = r->state;

    if (s == NULL)
        return;
    loop_timer_cancel(&s->wake);
    lines_free(&s->lines);
    lines_wipe(&s->start.bytes);
}

const struct replay_ops replay_stream_ops = {
    .begin = stream_begin,
    .end = stream_end,
    .drained = stream_drained,
    .gone = stream_gone,
    .free = stream_free,
};
