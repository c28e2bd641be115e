/*
 * GET stream?follow=1: a recording as it is being made: what is there from a keyframe on, at once; then each event when it is
 * durable; then the end.
 *
 * Happy path: keyframe located -> ordinary leases (4 MiB each) while there is something to catch up with -> live lease -> `live`
 * -> news of the log -> block (feed.c) -> lease looked at -> events -> … -> `end` when the keeper says that it has ended.
 * A reader has a place (the number of the next event), never a queue: who reads slowly stops when the net's queue is full, goes on from his
 * place when that has drained, and is told each 2 s how far behind he is. Where the events lie (the log, a segment, a merged
 * one, what another process left) is the reader's matter.
 * Live lease: {from_seq, 30 s, 4 MiB}. It is used only while those 30 s run, counted from before it was asked for; whatever
 * waits longer than that is there already and takes an ordinary one. The next is asked for at half of either.
 * Endings: as the paced stream's. A gate that restarts cuts; the client opens it again with Last-Event-ID.
 */
#include "gate/feed.h"
#include "gate/replay_sse.h"

#include <stdlib.h>

#include "os/clock.h"

#define BEHIND_MS      3000 /* later than that is worth a word, */
#define BEHIND_EACH_MS 2000 /* this often */
#define AGAIN_MS       300  /* after a reading that failed for the moment, */
#define AGAIN_MAX      20   /* so many times */
#define RATE_MS        200  /* after more bytes than a second may have */

/* What will come is leased. */
struct live_lease {
    bool on, asking;
    uint64_t from_seq;
    int64_t asked;    /* boot clock: it holds LEASE_LIVE_MS from here, */
    uint64_t left;    /* for so many bytes */
    int64_t asked_next, retry;
    uint64_t from_next, spent; /* spent: bytes since the next one was asked for */
};

struct follow {
    struct replay_sse s; /* first */
    struct feed_member m;
    int64_t from_ms;
    bool has_from;
    bool located;     /* it is known where to begin */
    bool ready;       /* a lease covers what goes out first */
    bool leasing, leased;
    uint64_t leased_to;
    struct live_lease live;
    bool said_live, waiting; /* waiting: another follower opens the block */
    int64_t said_behind;
    unsigned failed;
    bool paused;      /* until the timer: rate, or a reading that failed */
};

static void pump(struct replay *r);

/* ---- words ---- */

static void say_live(struct replay *r)
{
    struct follow *f = r->state;
    struct buf b = BUF_INIT(100);

    f->said_live = true;
    buf_addf(&b, "event: live\ndata: {\"last_seq\":%lld}\n\n", (long long) f->s.lines.seq - 1);
    replay_sse_write(r, buf_span(&b));
    buf_deinit(&b);
}

static void say_behind(struct replay *r)
{
    struct follow *f = r->state;
    int64_t now = clock_boot_ms(), age = feed_age(&f->m, f->s.lines.seq);
    struct buf b = BUF_INIT(200);

    if (feed_next(&f->m) <= f->s.lines.seq || age < BEHIND_MS || now - f->said_behind < BEHIND_EACH_MS)
        return;
    f->said_behind = now;
    f->said_live = false;
    buf_addf(&b, "event: behind\ndata: {\"last_seq\":%lld,\"live_seq\":%lld,\"behind_ms\":%lld}\n\n",
             (long long) f->s.lines.seq - 1, (long long) feed_next(&f->m) - 1, (long long) age);
    replay_sse_write(r, buf_span(&b));
    buf_deinit(&b);
}

/* ---- leases ---- */

static void on_leased(void *ctx, enum key_verdict v)
{
    struct replay *r = ctx;
    struct follow *f = r->state;

    f->leasing = false;
    if (!r->over && r->call->ex != NULL) {
        f->leased = v == KEY_OK;
        f->ready |= v == KEY_OK;
        if (v == KEY_OK)
            pump(r);
        else
            replay_sse_refused(r, v);
    }
    call_unref(r->call);
}

static void pause_for(struct replay *r, int64_t ms)
{
    struct follow *f = r->state;

    f->paused = true;
    replay_sse_sleep(r, ms);
}

/* What is loaded, at most 4 MiB; always at least one event. */
static void lease_loaded(struct replay *r)
{
    struct follow *f = r->state;
    struct lines look = f->s.lines;
    struct viewer_span span = { .what = LEASE_STREAM, .from_seq = look.seq };
    struct line l;
    enum key_verdict v;

    while (lines_peek(&look, &l) && (span.bytes == 0 || span.bytes + l.json.n < LEASE_BYTES_MAX)) {
        span.from_ms = span.bytes == 0 ? l.time / 1000 : span.from_ms;
        span.to_seq = l.seq;
        span.to_ms = l.time / 1000;
        span.bytes += l.json.n + 1;
        lines_next(&look, &l);
    }
    v = viewer_charge(r->viewer, &span, /* paced= */ false);
    if (v == KEY_RATE_LIMITED) {
        pause_for(r, RATE_MS);
        return;
    }
    if (v != KEY_OK) {
        replay_stop(r, v);
        return;
    }
    f->leased_to = span.to_seq;
    f->leased = false;
    f->leasing = true;
    (void) call_ref(r->call);
    replay_ask_lease(r, &span, on_leased, r);
}

static void on_live_leased(void *ctx, enum key_verdict v)
{
    struct replay *r = ctx;
    struct follow *f = r->state;
    struct live_lease *l = &f->live;
    bool held = l->on && clock_boot_ms() < l->asked + LEASE_LIVE_MS;

    l->asking = false;
    if (!r->over && r->call->ex != NULL) {
        if (v == KEY_OK) {
            l->on = f->ready = true;
            l->from_seq = l->from_next;
            l->asked = l->asked_next;
            l->left = LEASE_BYTES_MAX - (l->spent < LEASE_BYTES_MAX ? l->spent : LEASE_BYTES_MAX);
            pump(r);
        } else if (held && (key_verdict_status(v) == 503 || v == KEY_RATE_LIMITED)) {
            l->retry = clock_boot_ms() + 1000; /* the old one still holds */
        } else {
            replay_sse_refused(r, v);
        }
    }
    call_unref(r->call);
}

/* When the next live lease is due, on the boot clock. */
static int64_t live_due(const struct live_lease *l)
{
    int64_t due = !l->on || l->left < LEASE_BYTES_MAX / 2 ? 0 : l->asked + LEASE_LIVE_MS / 2;

    return due < l->retry ? l->retry : due;
}

static void lease_live(struct replay *r)
{
    struct follow *f = r->state;
    struct live_lease *l = &f->live;
    const struct viewer_span span = { .what = LEASE_LIVE, .from_seq = f->s.lines.seq,
                                      .from_ms = f->s.lines.time / 1000, .bytes = LEASE_BYTES_MAX };

    if (l->asking || clock_boot_ms() < live_due(l))
        return;
    l->asking = true;
    l->from_next = span.from_seq;
    l->asked_next = clock_boot_ms();
    l->spent = 0;
    (void) call_ref(r->call);
    replay_ask_lease(r, &span, on_live_leased, r);
}

/* Under the live lease? Then it is charged. KEY_OK: send it; KEY_AUTHORITY_STALE: no lease covers it. */
static enum key_verdict use_live(struct replay *r, const struct line *l)
{
    struct follow *f = r->state;
    struct live_lease *x = &f->live;
    uint64_t n = l->json.n + 1;
    enum key_verdict v;

    if (!x->on || l->seq < x->from_seq || n > x->left || clock_boot_ms() >= x->asked + LEASE_LIVE_MS)
        return KEY_AUTHORITY_STALE;
    v = viewer_charge_live(r->viewer, n);
    if (v == KEY_OK) {
        x->left -= n;
        x->spent += n;
    }
    return v;
}

/* ---- the pump ---- */

enum stop {
    STOP_NOTHING, /* all that is loaded is written */
    STOP_FULL,    /* a batch is */
    STOP_LEASE,   /* the next one is not leased */
    STOP_RATE,    /* enough for this second */
    STOP_QUOTA,
    STOP_DONE,    /* past to_ms */
};

static enum stop collect(struct replay *r, struct buf *out)
{
    struct follow *f = r->state;
    struct line l;

    while (lines_peek(&f->s.lines, &l)) {
        enum key_verdict v = KEY_OK;

        if (out->n >= SSE_BATCH)
            return STOP_FULL;
        if (l.time / 1000 > f->s.to_ms) /* `from`, with its screen, goes out under a lease, too */
            return r->begun ? STOP_DONE : STOP_LEASE;
        if (!f->leased || l.seq > f->leased_to)
            v = use_live(r, &l);
        if (v != KEY_OK)
            return v == KEY_RATE_LIMITED ? STOP_RATE : v == KEY_QUOTA ? STOP_QUOTA : STOP_LEASE;
        replay_sse_add_event(out, &l);
        lines_next(&f->s.lines, &l);
        f->s.last_seq = (int64_t) l.seq;
        f->s.last_ms = l.time / 1000;
    }
    return STOP_NOTHING;
}

static void load(struct replay *r);

/* The stream is at its end, once there is room for the word that says so: cut now, what waits before it would be lost. */
static void end_with_room(struct replay *r)
{
    if (r->begun && !replay_sse_has_room(r))
        replay_sse_sleep(r, 1000);
    else if (r->begun || replay_sse_begin(r)) /* an empty one: nothing to lease */
        replay_sse_end_cleanly(r, 1000);
}

/* All that is durable is sent. */
static void caught_up(struct replay *r)
{
    struct follow *f = r->state;
    int64_t wait;

    if (feed_over(&f->m)) {
        end_with_room(r);
        return;
    }
    lease_live(r);
    if (r->over || !r->begun)
        return;
    if (!f->said_live && replay_sse_has_room(r)) /* else when there is room, which wakes us */
        say_live(r);
    wait = live_due(&f->live) - clock_boot_ms();
    replay_sse_sleep(r, wait < 1000 && f->live.asking ? 1000 : wait < 1 ? 1 : wait);
}

static void next_step(struct replay *r, enum stop why)
{
    struct follow *f = r->state;

    if (r->over)
        return;
    switch (why) {
    case STOP_FULL: break;
    case STOP_DONE: end_with_room(r); break;
    case STOP_LEASE: lease_loaded(r); break;
    case STOP_RATE: pause_for(r, RATE_MS); break;
    case STOP_QUOTA: replay_stop(r, KEY_QUOTA); break;
    case STOP_NOTHING:
        if (f->s.lines.seq < feed_next(&f->m))
            load(r);
        else
            caught_up(r);
        break;
    }
}

/* The answer to a question, the net, or another follower comes first. */
static bool must_wait(const struct replay *r, bool room)
{
    const struct follow *f = r->state;

    return f->leasing || f->s.lines.loading || f->waiting || f->paused || (!f->ready && f->live.asking) ||
           (r->begun && !room);
}

static bool begin_now(struct replay *r)
{
    r->events = feed_next(&((struct follow *) r->state)->m);
    return replay_sse_begin(r);
}

static void pump(struct replay *r)
{
    struct follow *f = r->state;
    enum stop why = STOP_FULL;
    bool room;

    while (why == STOP_FULL && !r->over && r->call->ex != NULL && f->located && replay_sse_may_go_on(r)) {
        struct buf out = BUF_INIT(SEGMENT_EVENT_MAX * 2);
        uint64_t first = f->s.lines.seq;

        if (f->ready && !r->begun && !begin_now(r))
            return;
        room = r->begun && replay_sse_has_room(r);
        if (room) {
            replay_sse_keep(r);
            say_behind(r);
            room = !r->over && replay_sse_has_room(r); /* these words may have taken the rest of it */
        }
        if (r->over)
            return;
        if (must_wait(r, room)) {
            replay_sse_sleep(r, 1000);
            return;
        }
        if (f->m.marked != feed_marked(&f->m)) /* it was opened before a mark that may speak of it */
            f->s.lines.loaded = false;
        why = collect(r, &out);
        replay_sse_send(r, &out, first);
        lines_wipe(&out);
        next_step(r, why);
    }
}

static void on_wake(void *arg)
{
    struct replay *r = arg;

    ((struct follow *) r->state)->paused = false;
    pump(r);
}

static void on_news(void *ctx)
{
    struct replay *r = ctx;

    ((struct follow *) r->state)->waiting = false;
    (void) call_ref(r->call);
    pump(r);
    call_unref(r->call);
}

/* ---- blocks ---- */

static void on_loaded(struct replay *r, enum err err)
{
    struct follow *f = r->state;

    feed_loaded(&f->m, err == ERR_OK ? f->s.lines.block : NULL);
    if (err == ERR_OK) {
        f->failed = 0;
        pump(r);
    } else if ((err == ERR_AGAIN || err == ERR_NOTFOUND) && ++f->failed <= AGAIN_MAX) {
        pause_for(r, AGAIN_MS); /* between its owners: what it had is about to be a piece */
    } else {
        replay_stop(r, KEY_AUTHORITY_STALE);
    }
}

/* Some follower has opened it, or a few bytes that are new are opened here and now, or a worker does it. */
static void load(struct replay *r)
{
    struct follow *f = r->state;
    struct viewer_want want;
    struct block *b;
    struct viewer_read read;

    f->s.lines.until = feed_next(&f->m); /* what lies behind is not to be seen yet, and may come to look otherwise */
    want = lines_want(&f->s.lines);
    b = feed_take(&f->m, want.seq);
    if (b == NULL && viewer_read_newest(r->viewer, &want, &read)) {
        b = block_new(&read, r->viewer, true);
        if (b != NULL)
            feed_put(&f->m, b);
    }
    if (b != NULL) {
        lines_take(&f->s.lines, b);
        pump(r);
    } else if (feed_claim(&f->m, want.seq)) {
        lines_load(&f->s.lines);
    } else {
        f->waiting = true;
        replay_sse_sleep(r, 1000);
    }
}

/* ---- the beginning ---- */

static void begin_at(struct replay *r, uint64_t seq, time_us at)
{
    struct follow *f = r->state;

    f->located = true;
    lines_begin(&f->s.lines, seq, at);
    pump(r);
}

static bool may_read(struct replay *r, enum err err)
{
    int code;
    enum key_verdict v = replay_may(r, &code);

    if (v == KEY_OK && err != ERR_OK && err != ERR_NOTFOUND)
        v = KEY_AUTHORITY_STALE;
    if (v != KEY_OK)
        replay_refuse(r, v, "");
    return v == KEY_OK;
}

static void on_located(void *ctx, struct viewer_read *read)
{
    struct replay *r = ctx;
    struct follow *f = r->state;

    if (!r->over && r->call->ex != NULL && may_read(r, read->err)) {
        bool after = f->s.resume && f->s.resume_id + 1 >= read->seq; /* without `play`: see follow_begin */

        if (after) {
            f->s.start.seq = f->s.resume_id + 1;
            f->s.start.at = read->at;
        } else {
            f->s.start = *read;
            read->bytes = BUF_INIT(0);
            f->s.last_seq = -1;
        }
        begin_at(r, f->s.start.seq, after ? -1 : f->s.start.at);
    }
    lines_wipe(&read->bytes);
    call_unref(r->call);
}

/* The event before the one to go on with: for its time. */
static void on_resume_loaded(struct replay *r, enum err err)
{
    struct follow *f = r->state;
    struct line l;

    f->s.lines.on_loaded = on_loaded;
    if (!may_read(r, err))
        return;
    f->s.start.seq = f->s.resume_id + 1;
    f->located = true;
    if (err == ERR_OK && lines_peek(&f->s.lines, &l)) {
        f->s.start.at = l.time;
        f->s.last_ms = l.time / 1000;
        lines_next(&f->s.lines, &l);
    } else { /* a number that has not come yet */
        lines_begin(&f->s.lines, f->s.resume_id + 1, -1);
    }
    pump(r);
}

static bool read_parameters(struct replay *r, struct follow *f)
{
    struct span any, follow;

    if (!replay_query_str(r, "follow", &follow) || !span_eq_str(follow, "1")) {
        replay_bad_parameter(r, "follow", "0 or 1.");
        return false;
    }
    if (!replay_query_int(r, "from_ms", SSE_TIME_MAX, &f->from_ms) ||
        !replay_query_int(r, "to_ms", SSE_TIME_MAX, &f->s.to_ms) || !replay_sse_read_resume(r, &f->s))
        return false;
    f->has_from = replay_query_str(r, "from_ms", &any);
    if (f->s.to_ms >= f->from_ms || f->s.resume)
        return true;
    replay_bad_parameter(r, "to_ms", "It lies before from_ms.");
    return false;
}

/* A key without `play` sees nothing from before the newest keyframe, by a number that it names neither. */
static void find_place(struct replay *r)
{
    struct follow *f = r->state;
    bool play = (viewer_claims(r->viewer)->scope & KEY_SCOPE_PLAY) != 0;
    const bool terminal = viewer_facts(r->viewer)->terminal;
    /* Text that is held back is on no screen either. Of pages nothing is held. */
    struct viewer_want want = { .kind = READ_LOCATE, .until = terminal ? r->events : UINT64_MAX, .from = INT64_MAX };

    f->s.lines.until = r->events;
    if (f->s.resume && play) {
        f->s.lines.on_loaded = on_resume_loaded;
        lines_begin(&f->s.lines, f->s.resume_id, -1);
        lines_load(&f->s.lines);
    } else if (r->events == 0) {
        begin_at(r, 0, 0);
    } else {
        if (f->has_from)
            want.from = f->from_ms * 1000;
        else if (!r->live && play)
            want.from = 0; /* a finished one: all of it */
        (void) call_ref(r->call);
        viewer_read(r->viewer, &want, on_located, r);
    }
}

static void follow_begin(struct replay *r)
{
    struct follow *f = calloc(1, sizeof(*f));
    struct err_info e;
    enum key_verdict v;

    if (f == NULL) {
        replay_refuse(r, KEY_AUTHORITY_STALE, "");
        return;
    }
    replay_sse_init(&f->s, r, on_loaded, on_wake);
    f->m = (struct feed_member){ .viewer = r->viewer, .fn = on_news, .ctx = r };
    r->state = f;
    if (!read_parameters(r, f))
        return;
    v = replay_sse_count_in(r);
    if (v == KEY_OK && feed_join(r->call->lane, &f->m, r->events, r->live, &e) != ERR_OK)
        v = KEY_AUTHORITY_STALE;
    if (v != KEY_OK)
        replay_refuse(r, v, "");
    else
        find_place(r);
}

static void follow_end(struct replay *r, int code)
{
    struct follow *f = r->state;

    if (f != NULL)
        feed_leave(&f->m);
    replay_sse_end(r, code);
}

static void follow_gone(struct replay *r, enum exchange_end how)
{
    struct follow *f = r->state;

    (void) how;
    if (f != NULL)
        feed_leave(&f->m);
    replay_sse_gone(r);
}

static void follow_free(struct replay *r)
{
    struct follow *f = r->state;

    if (f != NULL)
        feed_leave(&f->m);
    replay_sse_free(r);
}

const struct replay_ops replay_follow_ops = {
    .begin = follow_begin,
    .end = follow_end,
    .drained = pump,
    .gone = follow_gone,
    .free = follow_free,
};
