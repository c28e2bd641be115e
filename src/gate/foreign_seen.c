/*
 * What a recording's owner remembers of another recorder's batches: hashes of those that are durable, how far its segments
 * go, and those that came before their turn.
 *
 * Hashes are keyed with the recording's secret and 64 bits; the keeper keeps those of the newest batches, so that a repeat is known after this
 * gate was restarted, too: a batch is told to it before it is written, and what was told and not written is dropped when the
 * recording is taken over. A table forgets the older of two that share a place, and a repeat of a batch from long ago is
 * then taken for a new one: clients repeat within minutes.
 */
#include "gate/foreign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/hash.h"

#define BATCHES 1024 /* powers of two */
#define LINES   8192
#define LINKS   256
#define EARLY   16   /* links that were told before the first batch was durable: time 0 is not known then */
#define TOLD_LINES 1000 /* of a batch: the keeper takes no more hashes (FOREIGN_HASHES_MAX) */

struct foreign_seen {
    uint64_t batches[BATCHES];
    uint64_t links[LINKS];
    struct foreign_link *early; /* EARLY at most; NULL: none */
    size_t n_early;
    uint64_t *lines;   /* of clients that repeat single events; NULL: not needed yet */
    bool numbered;     /* next is known */
    uint32_t next;     /* segment */
    struct list held;  /* of struct live_job, in order of their segments */
    size_t n_held;
    struct loop_timer due;
    struct live_rec *rec;
    uint8_t key[16];
};

/* The reader's hashes are under a key that is no secret: anybody could find out by them what a batch said. */
static uint64_t own(const struct foreign_seen *s, uint64_t hash)
{
    return siphash24(s->key, span_of(&hash, sizeof(hash)));
}

static void put(uint64_t *table, size_t n, uint64_t hash)
{
    table[hash & (n - 1)] = hash;
}

static bool has(const uint64_t *table, size_t n, uint64_t hash)
{
    return table != NULL && table[hash & (n - 1)] == hash;
}

/* ---- waiting for an earlier segment ---- */

static void on_due(void *arg)
{
    struct live_rec *r = ((struct foreign_seen *) arg)->rec;

    foreign_release(r);
    live_rec_next(r);
}

static struct foreign_seen *seen_of(struct live_rec *r)
{
    const struct span of[] = { SPAN("repeats "), span_str(r->place.secret) };
    struct foreign_seen *s = r->foreign;
    uint8_t sum[SHA256_LEN];

    if (s != NULL)
        return s;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    list_init(&s->held);
    s->rec = r;
    s->numbered = r->parse.next_seq == 0; /* it begins here: with segment 0 */
    loop_timer_init(&s->due, r->place.lane->loop, on_due, s);
    sha256_parts(of, 2, sum);
    memcpy(s->key, sum, sizeof(s->key));
    r->foreign = s;
    return s;
}

struct foreign_seen *foreign_seen_free(struct foreign_seen *s)
{
    if (s == NULL)
        return NULL;
    loop_timer_cancel(&s->due);
    free(s->early);
    free(s->lines);
    free(s);
    return NULL;
}

static struct live_job *job_at(struct list *n)
{
    return LIST_ENTRY(n, struct live_job, node);
}

static void hold(struct live_rec *r, struct foreign_seen *s, struct live_job *j)
{
    struct list *after = &s->held;

    LIST_FOREACH(n, &s->held)
    {
        if (job_at(n)->foreign->in.segment <= j->foreign->in.segment)
            after = n;
    }
    j->foreign->until = loop_now_ms(r->place.lane->loop) + FOREIGN_HOLD_MS;
    list_append(after->next, &j->node); /* before the one that follows */
    s->n_held++;
    if (!loop_timer_armed(&s->due))
        loop_timer_arm(&s->due, FOREIGN_HOLD_MS);
}

static void queue(struct live_rec *r, struct live_job *j)
{
    if (r->n_queued >= LIVE_QUEUE_MAX) {
        live_answer_code(j, "overloaded", "Too many batches of this recording are under way.");
        return;
    }
    list_append(&r->queue, &j->node);
    r->n_queued++;
}

void foreign_release(struct live_rec *r)
{
    struct foreign_seen *s = r->foreign;
    const time_ms now = loop_now_ms(r->place.lane->loop);

    while (s != NULL && !list_empty(&s->held)) {
        struct live_job *j = job_at(s->held.next);

        if (j->foreign->in.segment > s->next && j->foreign->until > now) {
            loop_timer_arm_at(&s->due, j->foreign->until);
            return;
        }
        list_remove(&j->node);
        s->n_held--;
        s->next = j->foreign->in.last_segment + 1; /* those behind it need not wait for it to be durable: the queue is in order */
        queue(r, j);
    }
}

void foreign_refuse(struct live_rec *r, const char *code, const char *detail)
{
    struct foreign_seen *s = r->foreign;
    struct list *n;

    if (s == NULL)
        return;
    loop_timer_cancel(&s->due);
    while ((n = list_pop(&s->held)) != NULL)
        live_answer_code(job_at(n), code, detail);
    s->n_held = 0;
}

/* ---- links ---- */

static void on_linked(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct live_rec *r = ctx;

    (void) type;
    (void) body;
    if (err != ERR_OK)
        log_event(LOG_WARN, "foreign.links-lost", LOG_STR("rid", r->place.rid));
    r->asking--;
    (void) live_rec_settle(r);
}

static int64_t since_start(const struct live_rec *r, time_ms at)
{
    int64_t ms = at - r->parse.rrweb_base / 1000;
    const int64_t last = r->parse.seek / 1000 + 60000; /* clocks lie, but a link does not lie beyond what there is */

    if (at == 0 || !r->parse.rrweb_begun)
        return -1;
    return ms < 0 ? 0 : ms > last ? last : ms;
}

static uint64_t link_hash(const struct live_rec *r, const struct foreign_link *l)
{
    char text[sizeof(l->type) + sizeof(l->id) + 2];
    const int n = snprintf(text, sizeof(text), "%s:%s", l->type, l->id);

    return siphash24(r->gate->hash_secret, span_of(text, (size_t) n));
}

/* False: no room. */
static bool wait_for_start(struct foreign_seen *s, const struct foreign_link *l)
{
    if (s->early == NULL)
        s->early = calloc(EARLY, sizeof(*s->early));
    if (s->early == NULL || s->n_early == EARLY)
        return false;
    s->early[s->n_early++] = *l;
    return true;
}

static void send_links(struct live_rec *r, struct foreign_seen *s, const struct foreign_link *links, size_t n, const char *trace)
{
    struct ipc_row_link rows[FOREIGN_LINKS_MAX];
    struct ipc_links_add m = { .rid = span_str(r->place.rid), .trace = span_of(trace, CALL_TRACE_LEN) };
    struct link *keeper = r->place.lane->keeper;

    m.links.rows = rows;
    for (size_t i = 0; i < n && i < FOREIGN_LINKS_MAX; i++) {
        const struct foreign_link *l = &links[i];
        const uint64_t hash = link_hash(r, l);

        if (has(s->links, LINKS, hash) || (l->at != 0 && !r->parse.rrweb_begun && wait_for_start(s, l)))
            continue;
        put(s->links, LINKS, hash);
        rows[m.links.n++] = (struct ipc_row_link){ span_str(l->type), span_str(l->id), since_start(r, l->at) };
    }
    if (m.links.n == 0)
        return;
    if (keeper != NULL && link_call(keeper, IPC_T_LINKS_ADD, &m, LIVE_CALL_MS, on_linked, r) == ERR_OK)
        r->asking++;
    else
        log_event(LOG_WARN, "foreign.links-lost", LOG_STR("rid", r->place.rid));
}

/* Those that waited for it go first: an error that told of itself knows its time better than the segment that names it. */
static void send_links_of(struct live_rec *r, struct foreign_seen *s, const struct live_job *j)
{
    struct foreign_link *early = r->parse.rrweb_begun ? s->early : NULL;

    if (early != NULL) {
        s->early = NULL;
        send_links(r, s, early, s->n_early, j->trace);
        s->n_early = 0;
        free(early);
    }
    send_links(r, s, j->foreign->in.links, j->foreign->in.n_links, j->trace);
}

/* ---- over a restart ---- */

static void on_told(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct live_rec *r = ctx;

    (void) err; /* then a repeat after a restart is there twice: a repaint, not a loss */
    (void) type;
    (void) body;
    r->asking--;
    (void) live_rec_settle(r);
}

void foreign_tell(struct live_rec *r, const struct live_job *j)
{
    struct foreign_seen *s = seen_of(r);
    const struct foreign *in = &j->foreign->in;
    const size_t n = in->lines == NULL ? 0 : in->n_events < TOLD_LINES ? in->n_events : TOLD_LINES;
    struct buf hashes = BUF_INIT((n + 1) * 8);
    struct ipc_foreign_batch m = { .rid = span_str(r->place.rid), .number = j->number + 1,
                                   .last_segment = in->numbered ? (int64_t) in->last_segment : -1 };

    if (s == NULL || live_keeper_away(r->place.lane))
        return;
    buf_u64le(&hashes, own(s, j->foreign->hash));
    for (size_t i = 0; i < n; i++)
        buf_u64le(&hashes, own(s, in->lines[i]));
    m.hashes = buf_span(&hashes);
    if (!hashes.failed && link_call(r->place.lane->keeper, IPC_T_FOREIGN_BATCH, &m, LIVE_CALL_MS, on_told, r) == ERR_OK)
        r->asking++;
    buf_deinit(&hashes);
}

void foreign_restore(struct live_rec *r, const struct ipc_ingest_state *state)
{
    struct foreign_seen *s = state->seen.n > 0 ? seen_of(r) : NULL;

    for (uint32_t i = state->seen.n; s != NULL && i-- > 0;) { /* the newest last: it takes the place of older ones */
        const struct ipc_row_seen *row = &state->seen.rows[i];
        struct rd in = rd_of(row->hashes);

        put(s->batches, BATCHES, rd_u64le(&in));
        if (in.n > 0 && s->lines == NULL)
            s->lines = calloc(LINES, sizeof(*s->lines));
        while (s->lines != NULL && in.n > 0 && !in.failed)
            put(s->lines, LINES, rd_u64le(&in));
        if (row->last_segment >= 0 && row->last_segment < UINT32_MAX && (!s->numbered || row->last_segment >= s->next)) {
            s->numbered = true;
            s->next = (uint32_t) row->last_segment + 1;
        }
    }
}

/* ---- batches ---- */

void foreign_durable(struct live_rec *r, const struct live_job *j)
{
    struct foreign_seen *s = seen_of(r);
    const struct foreign *in = &j->foreign->in;

    if (s == NULL)
        return;
    put(s->batches, BATCHES, own(s, j->foreign->hash));
    for (size_t i = 0; s->lines != NULL && in->lines != NULL && i < in->n_events; i++)
        put(s->lines, LINES, own(s, in->lines[i]));
    if (in->numbered && (!s->numbered || in->last_segment >= s->next)) {
        s->numbered = true;
        s->next = in->last_segment + 1;
    }
    send_links_of(r, s, j);
    foreign_release(r);
}

/* Said durable already: as the answer of the first time, with its links all the same (the first answer may have been lost). */
static bool known(struct live_rec *r, struct foreign_seen *s, struct live_job *j)
{
    if (j->foreign->in.n_events > 0 && !has(s->batches, BATCHES, own(s, j->foreign->hash)))
        return false;
    send_links_of(r, s, j);
    live_answer(j);
    return true;
}

/* The same events are under way: that one's answer is this one's. */
static bool joined(struct live_rec *r, struct live_job *j)
{
    struct live_job *first = r->current;

    if (first != NULL && first->foreign != NULL && first->foreign->hash == j->foreign->hash) {
        list_append(&first->waiters, &j->node);
        return true;
    }
    LIST_FOREACH(n, &r->queue)
    {
        first = job_at(n);
        if (first->foreign != NULL && first->foreign->hash == j->foreign->hash) {
            list_append(&first->waiters, &j->node);
            return true;
        }
    }
    return false;
}

/* Leaves out the events that are there. False: no memory. */
static bool drop_repeats(struct foreign_seen *s, struct live_job *j, size_t *ret_left)
{
    const struct foreign *in = &j->foreign->in;
    bool *keep = calloc(in->n_events + 1, sizeof(*keep));
    struct buf left = BUF_INIT(j->body.n + 16);
    enum err e = keep == NULL ? ERR_NOMEM : ERR_OK;

    *ret_left = 0;
    for (size_t i = 0; e == ERR_OK && i < in->n_events; i++) {
        keep[i] = !has(s->lines, LINES, own(s, in->lines[i]));
        *ret_left += keep[i];
    }
    if (e == ERR_OK && *ret_left > 0 && *ret_left < in->n_events) {
        e = foreign_lines_pick(in, buf_span(&j->body), keep, &left);
        if (e == ERR_OK) {
            buf_deinit(&j->body);
            j->body = left;
            left = BUF_INIT(0);
        }
    }
    buf_deinit(&left);
    free(keep);
    return e == ERR_OK;
}

static bool take_lines(struct live_rec *r, struct foreign_seen *s, struct live_job *j)
{
    size_t left = 0;

    if (s->lines == NULL)
        s->lines = calloc(LINES, sizeof(*s->lines));
    if (s->lines == NULL || !drop_repeats(s, j, &left)) {
        live_answer_code(j, "overloaded", "");
        return false;
    }
    if (left == 0) {
        send_links_of(r, s, j);
        live_answer(j);
    }
    return left > 0;
}

bool foreign_take(struct live_rec *r, struct live_job *j)
{
    struct foreign_seen *s = seen_of(r);
    const struct foreign *in = &j->foreign->in;

    if (s == NULL) {
        live_answer_code(j, "overloaded", "");
        return false;
    }
    if (known(r, s, j) || joined(r, j))
        return false;
    if (in->lines != NULL)
        return take_lines(r, s, j);
    if (!in->numbered)
        return true;
    if (s->numbered && in->segment > s->next && s->n_held < FOREIGN_HELD_MAX) {
        hold(r, s, j);
        return false;
    }
    if (!s->numbered || in->last_segment >= s->next) {
        s->numbered = true;
        s->next = in->last_segment + 1;
    }
    return true;
}
