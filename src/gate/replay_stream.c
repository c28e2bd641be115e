/*
 * GET stream: the recording at its own pace (or speed times it), as server-sent events, at most 1 s of play ahead.
 *
 * Happy path: locate the keyframe -> first lease -> `from`, then what lies between it and from_ms at once -> each event when it
 * is due -> `end`. A timer wakes for the next batch; every batch checks the key, the grant and the lease anew. At half of a
 * lease the next one is asked for, and the next chunk fetched, so that neither is waited for.
 * Before exp: `key.expiring` (or `window.ending` when a fresh key would not live longer). At exp the event being written is
 * finished and `key.expired` ends it cleanly. At the window's end, at a revocation, when the authority is gone: what is unsent is
 * dropped and the final event is all that follows.
 * Of a recording that is still being made it plays what was there when the request came (follow=1: replay_follow.c).
 */
#include "gate/replay_sse.h"

#include <stdlib.h>

#include "codec/json.h"
#include "os/clock.h"

#define AHEAD_MS    1000
#define MIN_WAIT_MS 20
#define TICK_MS     16 /* streams of a loop wake together: one wake-up serves many, and none makes the loop work for long */

struct stream {
    struct replay_sse s; /* first */
    int64_t from_ms;
    bool has_from;
    double speed;
    time_us play_from;   /* recording time at which pacing begins */
    int64_t began;       /* boot clock of that moment */
    uint64_t leased_to;  /* last sequence under a lease of this stream */
    bool leased, leasing;
    time_us leased_at;   /* that event's time */
    bool ahead, fetching, enough; /* the next lease is asked for; the next chunk is; there is none to ask for */
    struct block *next;  /* the chunk after the one that is played */
};

static void pump(struct replay *r);

/* ---- time ---- */

/* When an event is due, on the boot clock. Times are compared in recording time divided by speed. */
static int64_t due_at(const struct stream *s, time_us time)
{
    if (time <= s->play_from)
        return s->began;
    return s->began + (int64_t) ((double) (time - s->play_from) / 1000.0 / s->speed);
}

/* Sleeps until the next event is in reach and a tick comes, or one of the clocks asks. */
static void sleep_until(struct replay *r, int64_t due)
{
    int64_t now = clock_boot_ms(), at = due - AHEAD_MS;

    at = at < now + MIN_WAIT_MS ? now + MIN_WAIT_MS : at;
    replay_sse_sleep(r, (at + TICK_MS - 1) / TICK_MS * TICK_MS - now);
}

/* ---- leases ---- */

/* From where 'look' is: the events due in the next 30 s of play, at most 4 MiB; always at least one. False: there is none. */
static bool span_of_play(const struct stream *s, struct lines look, struct viewer_span *ret)
{
    time_us until = 0;
    struct line l;

    *ret = (struct viewer_span){ .what = LEASE_STREAM, .from_seq = look.seq };
    while (lines_peek(&look, &l)) {
        if (ret->bytes == 0) {
            ret->from_ms = l.time / 1000;
            until = (l.time > s->play_from ? l.time : s->play_from) + (time_us) (LEASE_PLAY_MS * 1000.0 * s->speed);
        } else if (l.time > until || l.time / 1000 > s->s.to_ms || ret->bytes + l.json.n > LEASE_BYTES_MAX) {
            break;
        }
        ret->to_seq = l.seq;
        ret->to_ms = l.time / 1000;
        ret->bytes += l.json.n + 1;
        lines_next(&look, &l);
    }
    return ret->bytes > 0;
}

static void note_lease(struct stream *s, const struct viewer_span *span)
{
    s->leased_to = span->to_seq;
    s->leased_at = span->to_ms * 1000;
}

static void on_leased(void *ctx, enum key_verdict v)
{
    struct replay *r = ctx;
    struct stream *s = r->state;

    s->leasing = false;
    if (!r->over && r->call->ex != NULL) {
        s->leased = v == KEY_OK;
        if (v == KEY_OK)
            pump(r);
        else
            replay_sse_refused(r, v);
    }
    call_unref(r->call);
}

static void lease_more(struct replay *r)
{
    struct stream *s = r->state;
    struct viewer_span span;

    if (!span_of_play(s, s->s.lines, &span))
        return;
    if (viewer_charge(r->viewer, &span, /* paced= */ true) != KEY_OK) { /* its rate is bounded by its speed */
        replay_stop(r, KEY_QUOTA);
        return;
    }
    note_lease(s, &span);
    s->leased = false;
    s->leasing = true;
    (void) call_ref(r->call);
    replay_ask_lease(r, &span, on_leased, r);
}

struct asked {
    struct replay *replay;
    struct viewer_span span;
};

static void on_ahead(void *ctx, enum key_verdict v)
{
    struct asked *a = ctx;
    struct replay *r = a->replay;
    struct stream *s = r->state;

    s->ahead = false;
    if (v == KEY_OK && s->leased && a->span.from_seq == s->leased_to + 1)
        note_lease(s, &a->span); /* refused: it is asked for again when it is needed, and then that counts */
    free(a);
    call_unref(r->call);
}

static void lease_ahead(struct replay *r, const struct lines *look)
{
    struct stream *s = r->state;
    struct asked *a = calloc(1, sizeof(*a));

    if (a == NULL || !span_of_play(s, *look, &a->span) || a->span.from_ms > s->s.to_ms ||
        viewer_charge(r->viewer, &a->span, /* paced= */ true) != KEY_OK) {
        free(a);
        s->enough = true; /* what follows is asked for when it is needed, and then the answer counts */
        return;
    }
    a->replay = r;
    s->ahead = true;
    (void) call_ref(r->call);
    replay_ask_lease(r, &a->span, on_ahead, a);
}

static void on_fetched(void *ctx, enum err e, struct block *b, bool inside)
{
    struct replay *r = ctx;
    struct stream *s = r->state;

    s->fetching = false;
    s->enough = e != ERR_OK; /* it is read again when it is needed, and then that counts */
    if (!r->over && r->call->ex != NULL && e == ERR_OK && s->next == NULL)
        s->next = block_ref(b);
    (void) block_unref(b);
    if (!inside)
        pump(r);
    call_unref(r->call);
}

/* When less than half of what a lease may name is ahead: the next one, and the chunk that it is of; not more than one chunk. */
static void look_ahead(struct replay *r)
{
    struct stream *s = r->state;
    struct lines look = s->s.lines;
    struct viewer_want want;
    struct line l;

    if (!s->leased || s->ahead || s->fetching || s->enough ||
        (double) (s->leased_at - look.time) >= LEASE_PLAY_MS / 2 * 1000.0 * s->speed)
        return;
    look.seq = s->leased_to + 1;
    look.time = s->leased_at;
    if (look.seq >= look.until || look.time / 1000 > s->s.to_ms)
        return;
    if (!lines_peek(&look, &l) && s->next == NULL) {
        want = lines_want(&look);
        s->fetching = true;
        (void) call_ref(r->call);
        viewer_block(r->viewer, &want, on_fetched, r);
    }
    if (!lines_peek(&look, &l) && s->next != NULL)
        look.block = s->next;
    if (lines_peek(&look, &l))
        lease_ahead(r, &look);
}

/* ---- the pump ---- */

/* Writes what is due and leased into 'out'. True: stopped for time, *ret_due is the next event's. */
static bool collect_due(struct stream *s, struct buf *out, int64_t *ret_due, bool *ret_done)
{
    int64_t now = clock_boot_ms();
    struct line l;

    *ret_done = false;
    while (lines_peek(&s->s.lines, &l) && out->n < SSE_BATCH) {
        int64_t due = due_at(s, l.time);

        if (l.time / 1000 > s->s.to_ms) {
            *ret_done = true;
            return false;
        }
        if (due > now + AHEAD_MS) {
            *ret_due = due;
            return true;
        }
        if (!s->leased || l.seq > s->leased_to)
            return false;
        replay_sse_add_event(out, &l);
        lines_next(&s->s.lines, &l);
        s->s.last_seq = (int64_t) l.seq;
        s->s.last_ms = l.time / 1000;
    }
    return false;
}

/* The end is announced when the last event was due, not 1 s before. */
static void finish(struct replay *r)
{
    struct stream *s = r->state;
    int64_t due = due_at(s, s->s.last_ms * 1000);

    if (due > clock_boot_ms()) {
        sleep_until(r, due + AHEAD_MS);
        return;
    }
    replay_sse_end_cleanly(r, 1000);
}

static void load_next(struct replay *r)
{
    struct stream *s = r->state;
    struct block *b = s->next;

    if (b == NULL || b->meta.first_seq != s->s.lines.seq) {
        s->enough = false;
        s->next = block_unref(b);
        lines_load(&s->s.lines);
        return;
    }
    s->next = NULL;
    s->enough = false;
    lines_take(&s->s.lines, b);
    pump(r);
}

static void next_step(struct replay *r, bool waiting, int64_t due, bool done)
{
    struct stream *s = r->state;
    struct line l;

    if (r->over)
        return;
    look_ahead(r);
    if (done) {
        finish(r);
    } else if (waiting) {
        sleep_until(r, due);
    } else if (!lines_peek(&s->s.lines, &l)) {
        if (s->s.lines.seq >= s->s.lines.until)
            finish(r);
        else if (!s->fetching)
            load_next(r);
        else
            sleep_until(r, clock_boot_ms() + AHEAD_MS);
    } else if (!s->leased || l.seq > s->leased_to) {
        lease_more(r);
    }
}

static bool begin_stream(struct replay *r)
{
    struct stream *s = r->state;

    s->began = clock_boot_ms();
    return replay_sse_begin(r);
}

static void pump(struct replay *r)
{
    struct stream *s = r->state;
    bool waiting = false, done = false, again = true, room;
    int64_t due = 0;

    if (r->over || r->call->ex == NULL || (!r->begun && !s->s.lines.loaded))
        return;
    while (again && replay_sse_may_go_on(r)) {
        struct buf out = BUF_INIT(SEGMENT_EVENT_MAX * 2);
        uint64_t first = s->s.lines.seq;

        if (!r->begun && !begin_stream(r))
            return;
        room = replay_sse_has_room(r);
        if (room)
            replay_sse_keep(r);
        if (r->over)
            return;
        if (s->leasing || s->s.lines.loading || !room) {
            replay_sse_sleep(r, 1000); /* whatever comes first: the answer, the drain, the clocks */
            return;
        }
        waiting = collect_due(s, &out, &due, &done);
        again = out.n >= SSE_BATCH && !waiting && !done;
        replay_sse_send(r, &out, first);
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

    if (err != ERR_OK) { /* there is one for every event that was counted */
        replay_stop(r, KEY_AUTHORITY_STALE);
        return;
    }
    if (!r->begun && lines_peek(&s->s.lines, &l))
        lease_more(r); /* nothing is said before: `from` is content too */
    else
        pump(r);
}

/* ---- the beginning ---- */

static void begin_at(struct replay *r)
{
    struct stream *s = r->state;

    if (s->s.lines.seq < s->s.lines.until)
        lines_load(&s->s.lines);
    else if (begin_stream(r)) /* no events, or none after that id: nothing to lease */
        replay_sse_end_cleanly(r, 1000);
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
            v = replay_sse_count_in(r);
        if (v != KEY_OK) {
            replay_refuse(r, v, "");
        } else {
            s->s.start = *read;
            read->bytes = BUF_INIT(0);
            lines_begin(&s->s.lines, s->s.start.seq, s->s.start.at);
            begin_at(r);
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

static bool read_parameters(struct replay *r, struct stream *s)
{
    struct span any;

    if (!replay_query_int(r, "from_ms", SSE_TIME_MAX, &s->from_ms) ||
        !replay_query_int(r, "to_ms", SSE_TIME_MAX, &s->s.to_ms) || !read_speed(r, &s->speed) ||
        !replay_sse_read_resume(r, &s->s))
        return false;
    s->has_from = replay_query_str(r, "from_ms", &any);
    if (s->s.to_ms >= s->from_ms || s->s.resume)
        return true;
    replay_bad_parameter(r, "to_ms", "It lies before from_ms.");
    return false;
}

/*
 * Resumed: pacing goes on from the event before, which is read first; or, when the client says where it was in a pause, from
 * there: in a pause longer than a key lives it would never get across otherwise.
 */
static void on_resume_loaded(struct replay *r, enum err err)
{
    struct stream *s = r->state;
    struct line l;
    enum key_verdict v = err == ERR_OK || err == ERR_NOTFOUND ? replay_sse_count_in(r) : KEY_AUTHORITY_STALE;

    s->s.lines.on_loaded = on_loaded;
    if (v != KEY_OK) {
        replay_refuse(r, v, "");
        return;
    }
    if (err == ERR_OK && lines_peek(&s->s.lines, &l)) {
        s->play_from = l.time;
        s->s.last_ms = l.time / 1000;
        s->s.start.at = l.time;
        lines_next(&s->s.lines, &l);
    } else {
        s->s.lines.seq = s->s.lines.until; /* there is none after it */
    }
    if (s->has_from && s->from_ms * 1000 > s->play_from)
        s->play_from = s->from_ms * 1000;
    s->s.start.seq = s->s.resume_id + 1;
    if (lines_peek(&s->s.lines, &l))
        lease_more(r);
    else
        begin_at(r);
}

static void stream_begin(struct replay *r)
{
    struct stream *s = calloc(1, sizeof(*s));
    struct viewer_want want = { .kind = READ_LOCATE, .until = r->events };

    if (s == NULL) {
        replay_refuse(r, KEY_AUTHORITY_STALE, "");
        return;
    }
    replay_sse_init(&s->s, r, on_loaded, on_wake);
    s->s.lines.until = r->events;
    r->state = s;
    if (!read_parameters(r, s))
        return;
    if (s->s.resume) {
        s->s.lines.on_loaded = on_resume_loaded;
        lines_begin(&s->s.lines, s->s.resume_id, -1);
        lines_load(&s->s.lines);
        return;
    }
    s->play_from = s->from_ms * 1000;
    want.from = s->play_from;
    (void) call_ref(r->call);
    viewer_read(r->viewer, &want, on_located, r);
}

static void stream_gone(struct replay *r, enum exchange_end how)
{
    (void) how;
    replay_sse_gone(r);
}

static void stream_free(struct replay *r)
{
    struct stream *s = r->state;

    replay_sse_free(r);
    if (s != NULL)
        s->next = block_unref(s->next);
}

const struct replay_ops replay_stream_ops = {
    .begin = stream_begin,
    .end = replay_sse_end,
    .drained = pump,
    .gone = stream_gone,
    .free = stream_free,
};
