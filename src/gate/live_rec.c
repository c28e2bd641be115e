/*
 * A live recording at its owner: jobs into the order of Batch-Seq, one batch at a time into frames and into the log.
 *
 * Happy path: take -> queue -> next -> encode (here, or in a worker) -> append -> durable -> answers -> next.
 * A batch that fails (broken, disk full) leaves the state as it was: it comes next again, and what was queued behind it is a gap.
 * Equal numbers at once wait for the first and get its answer. What is durable already is answered without looking at it.
 */
#include "gate/live.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "gate/foreign.h"
#include "gate/recover.h"
#include "os/clock.h"

#define INLINE_BYTES (16u << 10) /* of a body that is taken apart on the loop */
#define INLINE_STEPS 2
#define FRAMES_FEW   8

/* ---- life ---- */

struct live_rec *live_rec_new(struct lane *l, struct span rid)
{
    struct live_rec *r = calloc(1, sizeof(*r));

    if (r == NULL || !span_to_str(rid, r->place.rid, sizeof(r->place.rid))) {
        free(r);
        return NULL;
    }
    r->place.lane = l;
    r->gate = l->gate;
    list_init(&r->queue);
    list_init(&r->enders);
    buf_init(&r->blank_full, 0);
    buf_init(&r->blank_rest, 0);
    buf_init(&r->carry, INTAKE_LATE_MAX * sizeof(struct intake_late));
    buf_init(&r->carry_frame, 16u << 20);
    r->hold_seq = UINT64_MAX;
    loop_timer_init(&r->due, l->loop, live_seal_due, r);
    loop_timer_init(&r->show, l->loop, live_masks_show, r);
    r->last_batch = loop_now_ms(l->loop);
    list_append(&l->lives, &r->node);
    return r;
}

enum err live_rec_open(struct live_rec *r, uint64_t log_next, const struct seal_params *from, struct err_info *reterr)
{
    const struct reclog_begin b = { .project = span_str(r->place.pid), .rid = span_str(r->place.rid), .kn = r->kn,
                                    .wrap = span_of(r->keys.of[0].wrap, r->keys.of[0].wrap_len), .rk = r->keys.of[0].rk,
                                    .reveal_wrap = span_of(r->keys.of[1].wrap, r->keys.of[1].wrap_len),
                                    .reveal = r->keys.of[1].rk, .next_seq = from->next_seq, .next_batch = log_next,
                                    .loop = r->place.lane->loop, .press = live_seal_press, .ctx = r };

    r->kind = from->kind;
    r->next_batch = log_next > 0 ? log_next - 1 : 0;
    r->sealed_seq = from->next_seq;
    r->seal = seal_new(from);
    if (r->seal == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory for sealing");
    TRY(reclog_begin(r->gate->reclog, &b, &r->log, reterr));
    r->sealed.seal = r->seal;
    r->sealed.rk = r->keys.of[0].rk;
    r->sealed.reveal = r->keys.of[1].rk;
    r->state = LIVE_OPEN;
    return ERR_OK;
}

/* Frees it. Nothing is under way. */
static void rec_free(struct live_rec *r)
{
    struct lane *l = r->place.lane;

    loop_timer_cancel(&r->due);
    loop_timer_cancel(&r->show);
    live_table_remove(&r->gate->live_recs, r);
    list_remove(&r->node);
    r->batch = batch_free(r->batch);
    seal_job_reset(&r->sealed);
    r->seal = seal_free(r->seal);
    r->log = reclog_end(r->log);
    live_masks_end(r);
    uploader_keys_drop(&r->keys);
    r->foreign = foreign_seen_free(r->foreign);
    if (r->gone)
        lane_remove_files(l, span_str(r->place.pid), span_str(r->place.rid));
    free(r);
}

bool live_rec_settle(struct live_rec *r)
{
    const bool working = r->work == LIVE_SEALING || r->work == LIVE_MERGING || r->work == LIVE_REMOVING;

    if (r->state != LIVE_OVER || r->busy || working || r->asking > 0)
        return false;
    rec_free(r);
    return true;
}

static void refuse_list(struct list *jobs, const char *code, const char *detail)
{
    struct list *n;

    while ((n = list_pop(jobs)) != NULL) {
        struct live_job *j = LIST_ENTRY(n, struct live_job, node);

        refuse_list(&j->waiters, code, detail);
        live_answer_code(j, code, detail);
    }
}

void live_rec_refuse_all(struct live_rec *r, const char *code, const char *detail)
{
    refuse_list(&r->queue, code, detail);
    refuse_list(&r->enders, code, detail);
    foreign_refuse(r, code, detail);
    r->n_queued = 0;
}

static void answer_creator(struct live_rec *r, const char *code)
{
    struct call *c = TAKE(r->creator);

    if (c == NULL)
        return;
    if (code == NULL)
        live_created(c, r);
    else
        live_problem(c, code, "");
    call_unref(c);
}

void live_rec_over(struct live_rec *r)
{
    r->state = LIVE_OVER;
    loop_timer_cancel(&r->due);
    loop_timer_cancel(&r->show);
    (void) live_rec_settle(r);
}

/* ---- answers of batches ---- */

static void fill(const struct live_rec *r, struct live_job *j)
{
    j->answer.next_batch = r->next_batch;
    j->answer.events = r->parse.next_seq;
}

static void say_durable(const struct live_rec *r, struct live_job *j)
{
    struct list *n;

    fill(r, j);
    while ((n = list_pop(&j->waiters)) != NULL)
        say_durable(r, LIST_ENTRY(n, struct live_job, node));
    live_answer(j);
}

static void refuse_gap(const struct live_rec *r, struct live_job *j)
{
    struct list *n;

    while ((n = list_pop(&j->waiters)) != NULL)
        refuse_gap(r, LIST_ENTRY(n, struct live_job, node));
    fill(r, j);
    j->answer.gap = true;
    live_answer_code(j, "batch-gap", "A batch before this one has not arrived; send the one that next_batch names.");
}

static void refuse(struct live_job *j, const char *code, const char *detail)
{
    refuse_list(&j->waiters, code, detail);
    live_answer_code(j, code, detail);
}

/* What is wrong with the body, for this job and those that wait for it. */
static void refuse_broken(struct live_job *j, const struct importer_error *b)
{
    const char *code = b->code == ERR_LIMIT ? "too-large" : b->code == ERR_NOMEM ? "overloaded" : "import-broken";
    struct list *n;

    while ((n = list_pop(&j->waiters)) != NULL)
        refuse_broken(LIST_ENTRY(n, struct live_job, node), b);
    j->answer.broken = malloc(sizeof(*b));
    if (j->answer.broken != NULL)
        *j->answer.broken = *b;
    live_answer_code(j, code, b->cause);
}

/* ---- the log ---- */

static void on_durable(void *ctx, enum err e)
{
    struct live_rec *r = ctx;
    struct live_job *j = TAKE(r->current);

    r->busy = false;
    if (e == ERR_OK) {
        r->parse = r->out.after;
        live_masks_durable(r);
        r->last_batch = loop_now_ms(r->place.lane->loop);
    }
    r->batch = batch_free(r->batch);
    if (r->state == LIVE_OVER) {
        answer_creator(r, "erased");
        if (j != NULL)
            refuse(j, "erased", "");
    } else if (j == NULL) {
        answer_creator(r, e == ERR_OK ? NULL : "ingest-space");
        if (e != ERR_OK) {
            live_create_forget(r);
            return;
        }
    } else if (e == ERR_OK) {
        r->next_batch++;
        if (j->foreign != NULL)
            foreign_durable(r, j);
        say_durable(r, j);
    } else {
        refuse(j, e == ERR_NOSPC ? "ingest-space" : "overloaded", "");
    }
    if (live_rec_settle(r))
        return;
    live_seal_times(r);
    live_seal_consider(r);
    live_rec_next(r);
}

/* The frames of 'out' into the log, those of track 1 first. False: it did not take them, *ret_code is what to say. */
static bool append(struct live_rec *r, uint64_t log_number, const char **ret_code)
{
    struct reclog_frame few[FRAMES_FEW] = { 0 }, *frames = few;
    const size_t n_reveal = live_masks_n_frames(r), n_events = n_reveal + r->out.n_frames, n = n_events + live_masks_n_marks(r);
    struct err_info why = { 0 };
    enum err e;

    *ret_code = "overloaded";
    if (n > FRAMES_FEW)
        frames = calloc(n, sizeof(*frames));
    if (frames == NULL)
        return false;
    e = live_masks_frames(r, frames, &why);
    for (size_t i = 0; i < r->out.n_frames; i++) {
        const struct batch_frame *f = &r->out.frames[i];

        frames[n_reveal + i] = (struct reclog_frame){ f->zstd, f->first_seq, f->n_events, f->head, 0, 0 };
    }
    if (e == ERR_OK)
        e = live_masks_marks(r, frames + n_events, &why);
    live_masks_hold(r);
    if (e == ERR_OK)
        e = reclog_append(r->log, log_number, frames, n, on_durable, r, &why);
    if (frames != few)
        free(frames);
    if (e != ERR_OK && e != ERR_AGAIN)
        log_err(LOG_ERROR, "live.not-appended", &why);
    *ret_code = e == ERR_NOSPC ? "ingest-space" : "overloaded";
    return e == ERR_OK;
}

/* ---- from body to frames ---- */

static void encoded(struct live_rec *r)
{
    struct live_job *j = r->current;
    const char *code;

    if (r->state != LIVE_OVER && r->batch_err == ERR_OK && append(r, j->number + 1, &code))
        return; /* goes on in on_durable */
    r->busy = false;
    r->current = NULL;
    if (r->state == LIVE_OVER)
        refuse(j, "erased", "");
    else if (r->batch_err != ERR_OK)
        refuse_broken(j, batch_error(r->batch));
    else
        refuse(j, code, "");
    r->batch = batch_free(r->batch);
}

static void encode_run(void *arg)
{
    struct live_rec *r = arg;

    while (r->batch_err == ERR_OK && r->rest.n > 0)
        r->batch_err = batch_step(r->batch, &r->rest);
    if (r->batch_err == ERR_OK)
        r->batch_err = batch_finish(r->batch, &r->out);
}

static void encode_done(void *arg)
{
    struct live_rec *r = arg;

    r->encoding = false;
    encoded(r);
    if (!live_rec_settle(r))
        live_rec_next(r);
}

/* A few steps here; what is left is for a worker. */
static void encode(struct live_rec *r)
{
    bool here = r->rest.n <= INLINE_BYTES;

    for (int i = 0; here && i < INLINE_STEPS && r->batch_err == ERR_OK && r->rest.n > 0 && !batch_heavy(r->batch); i++)
        r->batch_err = batch_step(r->batch, &r->rest);
    if (r->batch_err == ERR_OK && r->rest.n == 0 && !batch_heavy(r->batch))
        r->batch_err = batch_finish(r->batch, &r->out);
    else if (r->batch_err == ERR_OK) {
        r->encoding = true;
        if (pool_work(r->gate->pool, r->place.lane->loop, encode_run, encode_done, r) == ERR_OK)
            return;
        r->encoding = false;
        r->busy = false;
        r->batch = batch_free(r->batch);
        refuse(TAKE(r->current), "overloaded", "");
        return;
    }
    encoded(r);
}

static void begin(struct live_rec *r, struct live_job *j)
{
    const char *code;

    if (live_space_low(r->gate)) {
        refuse(j, "ingest-space", "");
        return;
    }
    code = live_masks_now(r);
    if (code != NULL) { /* nothing is taken in unmasked */
        refuse(j, code, "");
        return;
    }
    r->batch = batch_new(&r->parse, j->codec, SPAN_EMPTY, r->intake);
    if (r->batch == NULL) {
        refuse(j, "overloaded", "");
        return;
    }
    if (j->foreign != NULL)
        foreign_tell(r, j);
    r->busy = true;
    r->current = j;
    r->rest = buf_span(&j->body);
    r->batch_err = ERR_OK;
    encode(r);
}

void live_rec_next(struct live_rec *r)
{
    while (!r->busy && r->state == LIVE_OPEN) {
        struct list *n = list_pop(&r->queue);
        struct live_job *j;

        if (n == NULL)
            return;
        j = LIST_ENTRY(n, struct live_job, node);
        if (j->what == LIVE_END && j->number != LIVE_NO_NUMBER && j->number > r->next_batch) {
            refuse_gap(r, j);
        } else if (j->what == LIVE_END) {
            list_append(&r->enders, &j->node);
            live_seal_end(r);
            return; /* r may be gone */
        } else {
            r->n_queued--;
            if (j->foreign != NULL)
                j->number = r->next_batch;
            if (j->number == r->next_batch)
                begin(r, j);
            else
                refuse_gap(r, j);
        }
    }
}

void live_rec_head(struct live_rec *r, struct span head)
{
    const char *code = "internal";

    r->busy = true;
    r->current = NULL;
    r->batch = batch_new(&r->parse, UNPACK_IDENTITY, head, r->intake);
    if (r->batch != NULL && batch_finish(r->batch, &r->out) == ERR_OK && append(r, 0, &code))
        return;
    r->busy = false;
    r->batch = batch_free(r->batch);
    answer_creator(r, code);
    live_create_forget(r);
}

/* ---- jobs that come ---- */

/* The job under way with that number, or NULL. */
static struct live_job *equal(struct live_rec *r, uint64_t number)
{
    if (r->current != NULL && r->current->number == number)
        return r->current;
    LIST_FOREACH(n, &r->queue)
    {
        struct live_job *j = LIST_ENTRY(n, struct live_job, node);

        if (j->what == LIVE_BATCH && j->number == number)
            return j;
    }
    return NULL;
}

static void take_batch(struct live_rec *r, struct live_job *j)
{
    const uint64_t coming = r->next_batch + r->n_queued + (r->current != NULL ? 1 : 0);
    struct live_job *first;

    if (j->number < r->next_batch) {
        say_durable(r, j);
    } else if (j->number > coming) {
        refuse_gap(r, j);
    } else if ((first = equal(r, j->number)) != NULL) {
        buf_deinit(&j->body); /* the first one's counts */
        list_append(&first->waiters, &j->node);
    } else if (r->n_queued >= LIVE_QUEUE_MAX) {
        refuse(j, "overloaded", "Too many batches of this recording are under way.");
    } else {
        list_append(&r->queue, &j->node);
        r->n_queued++;
        live_rec_next(r);
    }
}

static void take_foreign(struct live_rec *r, struct live_job *j)
{
    if (!foreign_take(r, j))
        return;
    if (r->n_queued >= LIVE_QUEUE_MAX) {
        refuse(j, "overloaded", "Too many batches of this recording are under way.");
        return;
    }
    list_append(&r->queue, &j->node);
    r->n_queued++;
    live_rec_next(r);
}

/*
 * The head was looked at before anybody knew whose recording it is, perhaps. (Other recorders' clients have no secret: they name their
 * session, and the keeper found what that token began for it.)
 */
static const char *not_its(const struct live_rec *r, const struct live_job *j)
{
    struct live_token t = { .browser = j->page };

    memcpy(t.pid, j->pid, sizeof(t.pid));
    memcpy(t.tid, j->tid, sizeof(t.tid));
    return live_not_its(&r->place, &t, j->secret);
}

void live_rec_take(struct live_rec *r, struct live_job *j)
{
    const char *no = r->state == LIVE_RESUMING ? NULL : not_its(r, j);

    switch (r->state) {
    case LIVE_OVER:
        if (no != NULL)
            refuse(j, no, "");
        else if (r->complete && !r->gone && j->what == LIVE_END)
            live_answer_end(r, j);
        else
            refuse(j, r->gone ? "erased" : "recording-ended", "");
        return;
    case LIVE_RESUMING:
        if (r->n_queued >= LIVE_QUEUE_MAX) {
            refuse(j, "overloaded", "Too many batches of this recording are under way.");
            return;
        }
        r->n_queued++;
        list_append(&r->queue, &j->node);
        return;
    case LIVE_ENDING:
    case LIVE_OPEN: break;
    }
    if (no != NULL) {
        refuse(j, no, "");
    } else if (j->foreign != NULL) {
        take_foreign(r, j);
    } else if (j->what == LIVE_BATCH) {
        take_batch(r, j);
    } else if (r->state == LIVE_ENDING) {
        list_append(&r->enders, &j->node);
    } else {
        list_append(&r->queue, &j->node);
        live_rec_next(r);
    }
}

/* ---- to the owner ---- */

static void routed(void *arg)
{
    struct live_job *j = arg;

    live_route(j->at, j);
}

/* Makes 'here' the owner of a recording that this gate does not write, if nobody else was quicker. */
static struct live_rec *adopt(struct lane *here, struct live_job *j)
{
    struct live_rec *r;
    enum err e;

    if (!recover_done(here->gate) || here->closing) {
        j->answer.retry_after_s = 1;
        live_answer_code(j, "starting", "");
        return NULL;
    }
    if (live_keeper_away(here)) {
        live_answer_code(j, "keeper-unavailable", "");
        return NULL;
    }
    r = live_rec_new(here, span_str(j->rid));
    e = r == NULL ? ERR_NOMEM : live_table_add(&here->gate->live_recs, r, 0);
    if (e == ERR_OK)
        return r;
    if (r != NULL) {
        list_remove(&r->node);
        free(r);
    }
    if (e == ERR_EXISTS) /* another loop was quicker */
        live_route(here, j);
    else
        live_answer_code(j, "overloaded", "Too many recordings are open.");
    return NULL;
}

void live_route(struct lane *here, struct live_job *j)
{
    struct live_table *t = &here->gate->live_recs;
    struct live_place at;
    struct live_rec *r;

    if (live_table_find(t, span_str(j->rid), &at) && at.lane != here) {
        j->at = at.lane;
        if (loop_post(at.lane->loop, routed, j) == ERR_OK)
            return;
        j->at = here;
        live_answer_code(j, "overloaded", "");
        return;
    }
    j->at = here;
    if (here->closing) {
        live_answer_code(j, "starting", "The server is going down.");
        return;
    }
    r = live_table_own(t, span_str(j->rid), here);
    if (r != NULL) {
        live_rec_take(r, j);
        return;
    }
    r = adopt(here, j);
    if (r != NULL) {
        live_rec_take(r, j);
        live_resume_ask(r);
    }
}
