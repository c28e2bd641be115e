/*
 * When a live recording is sealed, and how it ends.
 *
 * A seal:  tail -> segments (worker) -> PIECE_PUT -> DONE -> the log lets go. One at a time for a recording; batches go on meanwhile.
 * An end:  what is left is sealed -> small segments merged (worker) -> PIECE_PUT{gone} -> old files removed (worker) -> END -> freed.
 * Failure: a worker's error, or a keeper that is away or busy: again after LIVE_RETRY_MS. Rows that were not taken are put
 *          again before anything else. An end that fails on the way leaves the recording open: the recorder is told 503 and
 *          asks again, and one that has vanished is tried again. 404 or 409 to PIECE_PUT or END: the recording is not the
 *          keeper's any more: what was made is removed, the rest forgotten.
 */
#include "gate/live.h"

#include <stdio.h>

#include "base/log.h"
#include "crypto/random.h"

static void go_on(struct live_rec *r);

static time_ms now(const struct live_rec *r)
{
    return loop_now_ms(r->place.lane->loop);
}

/* ---- the timer: the next thing that time brings ---- */

static void arm(struct live_rec *r, time_ms at)
{
    if (r->due_at != 0 && r->due_at <= at)
        return;
    r->due_at = at;
    loop_timer_arm_at(&r->due, at);
}

/* INT64_MAX: never. */
static time_ms vanishes_at(const struct live_rec *r)
{
    const time_ms after = gate_settings(r->gate)->vanish_ms;
    const time_ms at = after <= 0 ? INT64_MAX : r->last_batch + after;

    return at > r->retry_at ? at : r->retry_at;
}

static void retry_later(struct live_rec *r)
{
    r->retry_at = now(r) + LIVE_RETRY_MS;
    arm(r, r->retry_at);
}

/* ---- the keeper ---- */

/* False: it is away; the answer does not come. */
static bool ask(struct live_rec *r, enum ipc_type type, const void *msg, link_answer_fn on_answer)
{
    struct link *keeper = r->place.lane->keeper;

    if (keeper == NULL || link_call(keeper, type, msg, LIVE_CALL_MS, on_answer, r) != ERR_OK)
        return false;
    r->asking++;
    return true;
}

static void on_wrapped(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct live_rec *r = ctx;
    const struct ipc_done *d = body;

    r->asking--;
    if (live_rec_settle(r))
        return;
    r->wrapped = err == ERR_OK && type == IPC_T_DONE && d->code.n == 0;
    if (!r->wrapped && r->state != LIVE_OVER)
        arm(r, now(r) + LIVE_RETRY_MS);
    if (r->wrapped)
        live_seal_times(r);
}

void live_send_wrap(struct live_rec *r)
{
    struct ipc_row_wrap rows[UPLOADER_TRACKS];
    const struct ipc_wrap_put put = { .rid = span_str(r->place.rid),
                                      .wraps = { rows, uploader_wrap_rows(&r->keys, r->kn, r->epoch, rows) } };

    r->wrapped = ask(r, IPC_T_WRAP_PUT, &put, on_wrapped); /* until its answer says otherwise */
    if (!r->wrapped)
        arm(r, now(r) + LIVE_RETRY_MS);
}

void live_seal_keeper(struct live_rec *r)
{
    uint8_t x;

    if (r->state != LIVE_OPEN && r->state != LIVE_ENDING)
        return;
    random_fill(&x, sizeof(x));
    r->wrapped = false;
    arm(r, now(r) + 1 + x * 4); /* thousands of them, not at once */
}

/* ---- the end ---- */

static void end_failed(struct live_rec *r, const char *code, const char *detail)
{
    struct list *n;

    while ((n = list_pop(&r->enders)) != NULL)
        live_answer_code(LIST_ENTRY(n, struct live_job, node), code, detail);
    r->state = LIVE_OPEN;
    r->vanished = false;
    retry_later(r);
    live_rec_next(r);
}

/* Ends that wait among batches, for what came before them: they get the answer of the first. */
static void gather_enders(struct live_rec *r)
{
    LIST_FOREACH(n, &r->queue)
    {
        struct live_job *j = LIST_ENTRY(n, struct live_job, node);

        if (j->what != LIVE_END)
            continue;
        list_remove(&j->node);
        list_append(&r->enders, &j->node);
    }
}

void live_answer_end(const struct live_rec *r, struct live_job *j)
{
    j->answer.kind = r->kind;
    j->answer.events = r->parse.next_seq;
    j->answer.duration_us = r->parse.seek;
    j->answer.bytes = r->parse.bytes;
    live_answer(j);
}

static void ended(struct live_rec *r)
{
    struct list *n;

    r->complete = true;
    gather_enders(r);
    while ((n = list_pop(&r->enders)) != NULL)
        live_answer_end(r, LIST_ENTRY(n, struct live_job, node));
    log_event(LOG_INFO, r->vanished ? "live.vanished" : "live.ended", LOG_STR("rid", r->place.rid));
    live_rec_refuse_all(r, "recording-ended", "");
    live_rec_over(r);
}

static void on_ended(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct live_rec *r = ctx;
    const struct ipc_answer *a = body;

    r->asking--;
    r->work = LIVE_IDLE;
    if (live_rec_settle(r))
        return;
    if (err != ERR_OK || type != IPC_T_ANSWER)
        end_failed(r, "keeper-unavailable", "The answer did not come; ask for the end again.");
    else if (a->code.n == 0 || span_eq_str(a->code, "recording-ended") || a->status == 404)
        ended(r);
    else
        end_failed(r, "keeper-unavailable", "The recording could not be completed yet; ask for the end again.");
}

static void send_end(struct live_rec *r)
{
    const bool asked = !list_empty(&r->enders);
    const struct live_job *first = asked ? LIST_ENTRY(r->enders.next, struct live_job, node) : NULL;
    struct ipc_end end = {
        .rid = span_str(r->place.rid),
        .ok = 1,
        .kind = r->kind == IMPORTER_TERMINAL ? SPAN("terminal") : SPAN("rrweb"),
        .events = r->parse.next_seq,
        .duration_us = r->parse.seek,
        .bytes = r->parse.bytes,
        .started_ms = r->parse.rrweb_begun ? r->parse.rrweb_base / 1000 : 0,
        .live = 1,
        .vanished = r->vanished,
        .trace = asked ? span_of(first->trace, CALL_TRACE_LEN) : SPAN("00000000000000000000000000000000"),
    };

    if (ask(r, IPC_T_END, &end, on_ended))
        r->work = LIVE_ASKING_END;
    else
        end_failed(r, "keeper-unavailable", "");
}

/* ---- work in progress ---- */

/* What a worker made, or could not. */
static void failed(struct live_rec *r)
{
    const char *code = r->sealed.err == ERR_NOSPC ? "ingest-space" : "overloaded";

    log_err(LOG_ERROR, "live.not-sealed", &r->sealed.why);
    seal_job_reset(&r->sealed);
    r->pressed = r->pressed || r->pressing; /* the log asks once */
    if (r->state == LIVE_ENDING)
        end_failed(r, code, "What is left could not be sealed yet; ask for the end again.");
    else
        retry_later(r);
}

static void removed(void *arg)
{
    struct live_rec *r = arg;

    r->work = LIVE_IDLE;
    seal_job_reset(&r->sealed);
    if (r->undoing && r->state != LIVE_OVER) {
        live_rec_refuse_all(r, "recording-ended", "");
        live_rec_over(r);
    } else if (!live_rec_settle(r)) {
        go_on(r);
    }
}

static void remove_run(void *arg)
{
    struct live_rec *r = arg;

    if (r->undoing)
        seal_undo_run(&r->sealed);
    else
        seal_remove_run(&r->sealed);
}

/* Files that no row names any more, or never did. */
static void remove_files(struct live_rec *r)
{
    r->work = LIVE_REMOVING;
    if (pool_work(r->gate->pool, r->place.lane->loop, remove_run, removed, r) != ERR_OK)
        removed(r); /* they stay: a leftover, no harm */
}

/* The recording is not the keeper's any more. 409 `conflict` is another matter: it has not got the wrap yet. */
static bool is_lost(const struct ipc_done *d)
{
    return d->status == 404 || d->status == 410 || span_eq_str(d->code, "recording-ended");
}

static void on_put(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct live_rec *r = ctx;
    const struct ipc_done *d = body;
    const bool merge = r->sealed.n_gone > 0;

    r->asking--;
    r->work = LIVE_WAITING;
    if (live_rec_settle(r))
        return;
    if (err == ERR_OK && type == IPC_T_DONE && d->code.n == 0) {
        r->work = LIVE_IDLE;
        r->retry_at = 0;
        if (merge) {
            remove_files(r);
            return;
        }
        r->put_batch = r->sealed.next_batch;
        r->put_bytes = r->sealed.bytes;
        reclog_sealed(r->log, r->sealed.next_batch);
        r->sealed_seq = r->sealed.next_seq;
        seal_job_reset(&r->sealed);
        go_on(r);
    } else if (err == ERR_OK && type == IPC_T_DONE && is_lost(d)) {
        log_event(LOG_WARN, "live.not-wanted", LOG_STR("rid", r->place.rid), LOG_SPAN("code", d->code));
        r->undoing = true;
        remove_files(r);
    } else {
        if (err == ERR_OK && type == IPC_T_DONE)
            log_event(LOG_WARN, "live.not-put", LOG_STR("rid", r->place.rid), LOG_SPAN("code", d->code));
        r->wrapped = false;
        if (r->state == LIVE_ENDING)
            end_failed(r, "keeper-unavailable", "");
        else
            retry_later(r);
    }
}

/* Rows and numbers to the keeper; also of a tail without any events. */
static void put(struct live_rec *r)
{
    const bool merge = r->sealed.n_gone > 0;
    struct ipc_piece_put m = {
        .rid = span_str(r->place.rid),
        .next_batch = merge ? r->put_batch : r->sealed.next_batch,
        .bytes = merge ? r->put_bytes : r->sealed.bytes,
        .time_kind = batch_times(&r->parse).kind,
        .time_base_us = batch_times(&r->parse).base_us,
    };
    struct arena a;
    bool sent;

    if (!r->wrapped)
        live_send_wrap(r);
    arena_init(&a, 16u << 20);
    m.pieces.rows = seal_rows(&r->sealed, &a, &m.pieces.n);
    m.gone.rows = r->sealed.gone;
    m.gone.n = r->sealed.n_gone;
    sent = m.pieces.n == r->sealed.n_pieces && r->wrapped && ask(r, IPC_T_PIECE_PUT, &m, on_put);
    arena_deinit(&a);
    r->work = sent ? LIVE_PUTTING : LIVE_WAITING;
    if (sent)
        return;
    if (r->state == LIVE_ENDING)
        end_failed(r, "keeper-unavailable", "");
    else
        retry_later(r);
}

static void worked(struct live_rec *r)
{
    const bool merging = r->work == LIVE_MERGING;

    r->work = LIVE_IDLE;
    r->sealed.tail = reclog_tail_free(r->sealed.tail);
    r->sealed.reveal_tail = reclog_tail_free(r->sealed.reveal_tail);
    if (r->state == LIVE_OVER) {
        if (r->sealed.err == ERR_OK && r->sealed.n_pieces > 0 && !r->gone) {
            r->undoing = true;
            remove_files(r);
        } else {
            (void) live_rec_settle(r);
        }
    } else if (merging && (r->sealed.err != ERR_OK || r->sealed.n_pieces == 0)) {
        if (r->sealed.err != ERR_OK)
            log_err(LOG_WARN, "live.not-merged", &r->sealed.why);
        seal_job_reset(&r->sealed);
        go_on(r);
    } else if (r->sealed.err != ERR_OK) {
        failed(r);
    } else {
        put(r);
    }
}

static void seal_done(void *arg)
{
    worked(arg);
}

static void seal_work(void *arg)
{
    struct live_rec *r = arg;
    struct seal_job *s = &r->sealed;

    s->err = reclog_tail(r->gate->reclog, span_str(r->place.rid), r->sealed_seq, 0, &s->tail, &s->why);
    if (s->err == ERR_OK && s->reveal != NULL) /* after it: it has all of its batches */
        s->err = reclog_tail_reveal(r->gate->reclog, span_str(r->place.rid), r->sealed_seq, 0, &s->reveal_tail, &s->why);
    if (s->err == ERR_OK)
        seal_run(s);
}

static void merge_work(void *arg)
{
    struct live_rec *r = arg;

    seal_merge_run(&r->sealed);
}

/* The newest text may still become part of a match: once it is in a segment it could not be masked any more. */
static bool is_open(const struct live_rec *r)
{
    return r->state == LIVE_OPEN && r->hold_seq != UINT64_MAX;
}

static bool waits_for_text(const struct live_rec *r)
{
    return is_open(r) && !r->pressed;
}

static void start(struct live_rec *r, enum live_work what)
{
    const struct gate_settings *s = gate_settings(r->gate);

    r->work = what;
    r->sealed.zstd_level = s->zstd_level;
    r->sealed.target_bytes = (size_t) s->seal_bytes;
    r->sealed.upto_seq = what == LIVE_SEALING && waits_for_text(r) ? r->hold_seq : 0;
    r->sealed.unsure = what == LIVE_SEALING && is_open(r) && r->pressed;
    r->sealing_seq = r->sealed.upto_seq > 0 ? r->sealed.upto_seq : r->parse.next_seq;
    if (what == LIVE_SEALING) {
        r->pressing = r->pressed;
        r->pressed = false;
    } else {
        r->merged = true;
    }
    if (pool_work(r->gate->pool, r->place.lane->loop, what == LIVE_SEALING ? seal_work : merge_work, seal_done, r) == ERR_OK)
        return;
    r->work = LIVE_IDLE;
    r->merged = false;
    r->sealed.err = ERR_RAISE(&r->sealed.why, ERR_AGAIN, "the workers are busy");
    failed(r);
}

/* Is it time to seal? Else *ret_at is when time alone will make it so. */
static bool due_for_seal(const struct live_rec *r, time_ms *ret_at)
{
    const struct gate_settings *s = gate_settings(r->gate);
    struct reclog_unsealed u;

    reclog_unsealed(r->log, &u);
    *ret_at = INT64_MAX;
    if (u.n_records == 0)
        return false;
    if (r->retry_at > now(r)) {
        *ret_at = r->retry_at;
        return false;
    }
    *ret_at = s->seal_after_ms > 0 ? u.since + s->seal_after_ms : INT64_MAX;
    if (!r->pressed && u.bytes < s->seal_bytes && now(r) < *ret_at)
        return false;
    *ret_at = INT64_MAX;
    return !waits_for_text(r) || r->hold_seq > r->sealed_seq; /* else until there is more, or the log presses */
}

static bool anything_unsealed(const struct live_rec *r)
{
    struct reclog_unsealed u;

    reclog_unsealed(r->log, &u);
    return u.n_records > 0;
}

static void go_on(struct live_rec *r)
{
    time_ms at = INT64_MAX;

    if (r->work == LIVE_WAITING && (r->state == LIVE_ENDING || r->retry_at <= now(r)))
        put(r);
    if (r->work != LIVE_IDLE || (r->state != LIVE_OPEN && r->state != LIVE_ENDING))
        return;
    if (r->state == LIVE_OPEN) {
        if (due_for_seal(r, &at))
            start(r, LIVE_SEALING);
        else if (at != INT64_MAX)
            arm(r, at);
        if (vanishes_at(r) != INT64_MAX)
            arm(r, vanishes_at(r));
    } else if (anything_unsealed(r)) {
        start(r, LIVE_SEALING);
    } else if (!r->merged) {
        start(r, LIVE_MERGING);
    } else {
        send_end(r);
    }
}

void live_seal_consider(struct live_rec *r)
{
    if (r->state == LIVE_OPEN)
        go_on(r);
}

void live_seal_end(struct live_rec *r)
{
    r->state = LIVE_ENDING;
    r->merged = false;
    go_on(r);
}

void live_seal_press(void *rec)
{
    struct live_rec *r = rec;

    r->pressed = true;
    if (r->state == LIVE_OPEN)
        go_on(r);
}

static void on_heard(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct live_rec *r = ctx;

    const struct ipc_done *d = body;

    r->asking--;
    if (live_rec_settle(r))
        return;
    if (err != ERR_OK || type != IPC_T_DONE || d->code.n > 0)
        r->told_times = 0; /* again with the next batch */
}

/* A keeper that was started again knows nobody who writes this: it would end it (docs/formats/ipc.md). */
static void say_still_here(struct live_rec *r)
{
    const struct batch_times t = batch_times(&r->parse);
    const struct ipc_piece_put m = { .rid = span_str(r->place.rid), .next_batch = r->put_batch, .bytes = r->put_bytes,
                                     .time_kind = t.kind, .time_base_us = t.base_us };

    if (r->wrapped && ask(r, IPC_T_PIECE_PUT, &m, on_heard)) /* if not: the next seal says it */
        r->told_times = t.kind;
}

/* A gate that goes on with this recording needs it, and the first seal may be minutes away. */
void live_seal_times(struct live_rec *r)
{
    const uint8_t kind = batch_times(&r->parse).kind;

    if (r->state == LIVE_OPEN && kind != BATCH_TIMES_ABSOLUTE && kind != BATCH_TIMES_V2 && kind != r->told_times)
        say_still_here(r);
}

void live_seal_due(void *rec)
{
    struct live_rec *r = rec;

    r->due_at = 0;
    if (r->state != LIVE_OPEN)
        return;
    if (!r->wrapped) {
        live_send_wrap(r);
        say_still_here(r);
    }
    if (r->busy || !list_empty(&r->queue)) {
        r->last_batch = now(r); /* somebody is there */
    } else if (vanishes_at(r) <= now(r)) {
        r->vanished = true;
        live_seal_end(r);
        return;
    }
    if (r->retry_at > now(r))
        arm(r, r->retry_at);
    go_on(r);
}
