#include "gate/recover.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "format/id.h"
#include "format/khspl.h"
#include "loop/timer.h"

/*
 * One item per recording, in one of the lists: fresh (to be asked about) -> [asked] -> known (to be written) -> [in a worker] ->
 * written (to be told) -> [told] -> done, or held (something is wrong with it: it stays in the old file). pump() moves on
 * whatever can; it runs after every answer, every piece of work, and when the keeper's channel comes or goes.
 *
 * What is in flight when the keeper goes comes back as ERR_CLOSED: asked ones are fresh again, told ones written. Work in
 * workers goes on.
 */

#define CALL_MS   10000
#define ASK_MAX   500  /* recordings in one question */
#define WRITE_MAX 4    /* in workers at once */
#define TELL_MAX  64   /* unanswered */
#define RETRY_MS  1000
#define TRIES_MAX 5    /* refusals that should not be, before a recording is left alone */

struct piece {
    struct ipc_row_piece row;
    uint8_t sha256[32];
};

struct item {
    struct list node;
    struct recover *r;
    size_t first, n; /* found[first …) */
    struct ipc_row_recover keeper; /* spans are not kept */
    struct piece *pieces;
    uint32_t n_pieces;
    uint64_t next_batch;
    unsigned tries;
    bool done, hole;
    enum err err; /* of the worker */
    struct err_info why;
};

/* How a recording's text ended. */
struct recover_text {
    char rid[ID_CAP];
    bool open;
};

struct recover {
    struct recover_params p;
    struct link *keeper;
    struct reclog_recovery *found;
    struct item *items;
    size_t n_items, n_over; /* n_over: done or held */
    struct list fresh, known, written;
    struct item *asked[ASK_MAX];
    size_t n_asked;
    unsigned n_writing, n_telling;
    bool scanning, scanned, finishing, failed;
    struct err_info why;
    struct loop_timer retry;
    struct recover_counts counts;
    struct recover_text *ends; /* by recording; fixed once it is over */
    size_t n_ends;
    _Atomic bool over;
};

static void pump(struct recover *r);

static void step(const struct recover *r, const char *name)
{
    if (r->p.fault != NULL)
        r->p.fault(name);
}

static void again_later(struct recover *r)
{
    if (!loop_timer_armed(&r->retry))
        loop_timer_arm(&r->retry, RETRY_MS);
}

static void on_retry(void *arg)
{
    pump(arg);
}

/* ---- scan ---- */

static void scan(void *arg)
{
    struct recover *r = arg;

    step(r, "scan");
    r->failed = reclog_recover_scan(r->p.log, &r->found, &r->why) != ERR_OK;
}

static bool make_items(struct recover *r)
{
    size_t n = reclog_recovery_n(r->found);

    r->items = n == 0 ? NULL : calloc(n, sizeof(*r->items));
    if (n > 0 && r->items == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct reclog_found *f = reclog_recovery_at(r->found, i);
        struct item *last = r->n_items == 0 ? NULL : &r->items[r->n_items - 1];

        if (last != NULL && span_eq(reclog_recovery_at(r->found, last->first)->rid, f->rid)) {
            last->n++;
            continue;
        }
        r->items[r->n_items] = (struct item){ .r = r, .first = i, .n = 1 };
        list_append(&r->fresh, &r->items[r->n_items++].node);
    }
    return true;
}

static void scanned(void *arg)
{
    struct recover *r = arg;

    r->scanning = false;
    if (r->failed || !make_items(r)) {
        if (r->failed)
            log_err(LOG_ERROR, "recover.scan", &r->why);
        r->found = reclog_recovery_free(r->found);
        again_later(r);
        return;
    }
    r->scanned = true;
    r->counts.torn_bytes = reclog_recovery_torn(r->found);
    pump(r);
}

static void start_scan(struct recover *r)
{
    if (r->scanning)
        return;
    r->scanning = true;
    if (pool_work(r->p.pool, r->p.loop, scan, scanned, r) != ERR_OK) {
        r->scanning = false;
        again_later(r);
    }
}

/* ---- one recording is over with ---- */

static void item_over(struct item *it)
{
    it->done = true;
    it->r->n_over++;
    free(it->pieces);
    it->pieces = NULL;
    it->n_pieces = 0;
}

/* It stays in the old file, for people to look at, and for the next start. */
static void item_held(struct item *it, const char *why)
{
    const struct reclog_found *f = reclog_recovery_at(it->r->found, it->first);
    char rid[ID_CAP];

    (void) span_to_str(f->rid, rid, sizeof(rid));
    log_event(LOG_ERROR, "recover.hole", LOG_STR("rid", rid), LOG_STR("why", why));
    it->r->counts.holes++;
    it->hole = true;
    item_over(it);
}

/* ---- what the keeper has ---- */

static void ask_failed(struct recover *r)
{
    for (size_t i = 0; i < r->n_asked; i++)
        list_append(&r->fresh, &r->asked[i]->node);
    r->n_asked = 0;
    again_later(r);
}

static void item_known(struct item *it, const struct ipc_row_recover *row)
{
    it->keeper = *row;
    it->keeper.rid = it->keeper.pid = SPAN_EMPTY;
    if (row->found == 0)
        item_over(it);
    else
        list_append(&it->r->known, &it->node);
}

static void on_state(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct recover *r = ctx;
    const struct ipc_recover_state *m = body;
    size_t k = 0;

    if (err != ERR_OK || type != IPC_T_RECOVER_STATE) {
        ask_failed(r);
        return;
    }
    step(r, "asked");
    for (size_t i = 0; i < r->n_asked; i++) { /* rows come in the order of the question; one may be missing */
        struct item *it = r->asked[i];
        struct span rid = reclog_recovery_at(r->found, it->first)->rid;
        size_t at = k;

        while (at < m->rows.n && !span_eq(m->rows.rows[at].rid, rid))
            at++;
        if (at == m->rows.n) {
            list_append(&r->fresh, &it->node);
            again_later(r);
            continue;
        }
        item_known(it, &m->rows.rows[at]);
        k = at + 1;
    }
    r->n_asked = 0;
    pump(r);
}

static void ask(struct recover *r)
{
    struct ipc_row_text rows[ASK_MAX];
    struct ipc_recover_ask m = { .rids = { rows, 0 } };
    struct list *node;

    if (r->n_asked > 0 || list_empty(&r->fresh) || r->keeper == NULL || loop_timer_armed(&r->retry))
        return;
    while (r->n_asked < ASK_MAX && (node = list_pop(&r->fresh)) != NULL) {
        struct item *it = LIST_ENTRY(node, struct item, node);

        r->asked[r->n_asked++] = it;
        rows[m.rids.n++].text = reclog_recovery_at(r->found, it->first)->rid;
    }
    if (link_call(r->keeper, IPC_T_RECOVER_ASK, &m, CALL_MS, on_state, r) != ERR_OK)
        ask_failed(r);
}

/* ---- writing, in workers ---- */

/* Where a track ends so far. */
struct ends {
    uint64_t next_seq, next_batch;
    uint32_t next_chunk;
};

static void describe(struct item *it, const struct reclog_found *f, const struct reclog_piece *written, struct ends *at)
{
    struct piece *p = &it->pieces[it->n_pieces++];

    memcpy(p->sha256, written->sha256, sizeof(p->sha256));
    p->row = (struct ipc_row_piece){
        .seg_no = it->keeper.next_seg++, .kn = f->kn, .track = f->track, .kind = KHSPL_KIND, .codec = KHLOG_CODEC,
        .size = written->size, .first_seq = written->first_seq, .n_events = written->n_events,
        .first_chunk = at->next_chunk, .n_chunks = written->n_chunks, .t_first_us = it->keeper.last_us,
        .t_last_us = it->keeper.last_us,
    };
    at->next_chunk += written->n_chunks;
    at->next_seq = written->first_seq + written->n_events;
    at->next_batch = written->next_batch;
}

/* A file without a row under this number is of a run that was killed before RECOVERED, or of a segment never told. */
static enum err write_one(struct item *it, size_t i, struct ends *at)
{
    const struct reclog_found *f = reclog_recovery_at(it->r->found, i);
    const struct store_piece place = { f->project, f->rid, it->keeper.next_seg };
    struct reclog_piece written;
    enum err e;

    for (int tries = 0;; tries++) {
        e = reclog_recover_write(it->r->found, i, at->next_seq, at->next_batch, it->r->p.store, &place, &written, &it->why);
        if (e != ERR_EXISTS || tries > 0)
            break;
        TRY(store_remove(it->r->p.store, &place, &it->why));
    }
    if (e != ERR_OK)
        return e;
    describe(it, f, &written, at);
    step(it->r, "written");
    return ERR_OK;
}

static void write_item(void *arg)
{
    struct item *it = arg;
    const struct ipc_row_recover before = it->keeper;
    struct ends whole = { before.next_seq, before.next_batch, before.next_chunk }, reveal = whole;
    int kn = -1;

    it->err = ERR_OK;
    it->n_pieces = 0;
    it->pieces = calloc(it->n, sizeof(*it->pieces));
    if (it->pieces == NULL)
        it->err = ERR_NOMEM;
    for (size_t i = 0; i < it->n && it->err == ERR_OK; i++) {
        const struct reclog_found *f = reclog_recovery_at(it->r->found, it->first + i);

        if (f->kn != kn) /* both tracks of a key number begin where the one before ended */
            reveal = (struct ends){ whole.next_seq, whole.next_batch, 0 };
        kn = f->kn;
        it->err = write_one(it, it->first + i, f->track == 0 ? &whole : &reveal);
        if (it->err == ERR_NOTFOUND)
            it->err = ERR_OK;
    }
    it->next_batch = whole.next_batch;
    it->keeper = before;
}

static void item_written(void *arg)
{
    struct item *it = arg;
    struct recover *r = it->r;

    r->n_writing--;
    if (it->err == ERR_INVAL)
        it->hole = true; /* what stood before the hole is told */
    if (it->err != ERR_OK && it->err != ERR_INVAL) {
        log_err(LOG_WARN, "recover.not-written", &it->why);
        free(it->pieces);
        it->pieces = NULL;
        list_append(&r->known, &it->node);
        again_later(r);
    } else if (it->n_pieces > 0) {
        list_append(&r->written, &it->node);
    } else if (it->hole) {
        item_held(it, it->why.text);
    } else {
        item_over(it);
    }
    pump(r);
}

static void write_some(struct recover *r)
{
    struct list *node;

    while (r->n_writing < WRITE_MAX && !loop_timer_armed(&r->retry) && (node = list_pop(&r->known)) != NULL) {
        struct item *it = LIST_ENTRY(node, struct item, node);

        if (pool_work(r->p.pool, r->p.loop, write_item, item_written, it) != ERR_OK) {
            list_append(&r->known, node);
            again_later(r);
            return;
        }
        r->n_writing++;
    }
}

/* ---- telling ---- */

static void remove_files(void *arg)
{
    struct item *it = arg;
    const struct reclog_found *f = reclog_recovery_at(it->r->found, it->first);

    for (uint32_t i = 0; i < it->n_pieces; i++) {
        const struct store_piece place = { f->project, f->rid, it->pieces[i].row.seg_no };

        (void) store_remove(it->r->p.store, &place, NULL); /* nobody reads a file without a row */
    }
}

static void files_removed(void *arg)
{
    struct item *it = arg;
    struct recover *r = it->r;

    r->n_writing--;
    item_over(it);
    pump(r);
}

/* The keeper has these events in other pieces, or the recording is gone. */
static void unwanted(struct item *it)
{
    struct recover *r = it->r;

    r->n_writing++;
    if (pool_work(r->p.pool, r->p.loop, remove_files, files_removed, it) != ERR_OK) {
        r->n_writing--;
        item_over(it); /* files without rows stay */
    }
}

static void told(struct item *it)
{
    struct recover *r = it->r;

    step(r, "told");
    r->counts.recordings++;
    r->counts.pieces += it->n_pieces;
    for (uint32_t i = 0; i < it->n_pieces; i++)
        r->counts.events += it->pieces[i].row.n_events;
    if (it->hole)
        item_held(it, it->why.text);
    else
        item_over(it);
}

/* Not a word that was expected: asked again from the beginning, a few times. */
static void refused(struct item *it, const struct ipc_done *m)
{
    char code[48];

    (void) span_to_str(m->code, code, sizeof(code));
    if (++it->tries >= TRIES_MAX) {
        item_held(it, code);
        return;
    }
    log_event(LOG_WARN, "recover.refused", LOG_STR("code", code));
    free(it->pieces);
    it->pieces = NULL;
    it->n_pieces = 0;
    list_append(&it->r->fresh, &it->node);
    again_later(it->r);
}

static void on_told(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct item *it = ctx;
    struct recover *r = it->r;
    const struct ipc_done *m = body;

    r->n_telling--;
    if (err != ERR_OK || type != IPC_T_DONE) {
        list_append(&r->written, &it->node);
        again_later(r);
    } else if (m->status == 0) {
        told(it);
    } else if (m->status == 409 || m->status == 404) {
        unwanted(it);
    } else {
        refused(it, m);
    }
    pump(r);
}

static enum err tell(struct item *it)
{
    struct recover *r = it->r;
    struct ipc_row_wrap *wraps = calloc(it->n, sizeof(*wraps));
    struct ipc_row_piece *rows = calloc(it->n_pieces, sizeof(*rows));
    struct ipc_recovered m = { .rid = reclog_recovery_at(r->found, it->first)->rid, .wraps = { wraps, 0 },
                               .pieces = { rows, it->n_pieces }, .next_batch = it->next_batch };
    enum err e = wraps == NULL || rows == NULL ? ERR_NOMEM : ERR_OK;

    for (size_t i = 0; i < it->n && e == ERR_OK; i++) {
        const struct reclog_found *f = reclog_recovery_at(r->found, it->first + i);

        /* in the order of both. epoch 0: the present one */
        if (m.wraps.n == 0 || wraps[m.wraps.n - 1].kn != f->kn || wraps[m.wraps.n - 1].track != f->track)
            wraps[m.wraps.n++] = (struct ipc_row_wrap){ f->kn, f->track, 0, f->wrap };
    }
    for (uint32_t i = 0; i < it->n_pieces && e == ERR_OK; i++) {
        rows[i] = it->pieces[i].row;
        rows[i].sha256 = SPAN_OF(it->pieces[i].sha256);
    }
    if (e == ERR_OK) {
        step(r, "tell");
        e = link_call(r->keeper, IPC_T_RECOVERED, &m, CALL_MS, on_told, it);
    }
    free(wraps);
    free(rows);
    return e;
}

static void tell_some(struct recover *r)
{
    struct list *node;

    while (r->keeper != NULL && r->n_telling < TELL_MAX && !loop_timer_armed(&r->retry) &&
           (node = list_pop(&r->written)) != NULL) {
        if (tell(LIST_ENTRY(node, struct item, node)) != ERR_OK) {
            list_append(&r->written, node);
            again_later(r);
            return;
        }
        r->n_telling++;
    }
}

/* ---- the end ---- */

static void finish(void *arg)
{
    struct recover *r = arg;

    step(r, "finish");
    for (size_t i = 0; i < r->n_items; i++)
        for (size_t k = 0; k < r->items[i].n && !r->items[i].hole; k++) {
            enum err e = reclog_recover_done(r->found, r->items[i].first + k, &r->why);

            r->failed = r->failed || e != ERR_OK; /* the next start looks at it again */
            step(r, "forgotten");
        }
}

/* Without memory all are taken to be open. Items are sorted by recording, what they have by key number and track. */
static void remember_ends(struct recover *r)
{
    r->ends = calloc(r->n_items + 1, sizeof(*r->ends));
    for (size_t i = 0; r->ends != NULL && i < r->n_items; i++) {
        const struct item *it = &r->items[i];
        struct recover_text *end = &r->ends[r->n_ends++];

        (void) span_to_str(reclog_recovery_at(r->found, it->first)->rid, end->rid, sizeof(end->rid)); /* an id: it fits */
        for (size_t k = 0; k < it->n; k++) {
            const struct reclog_found *f = reclog_recovery_at(r->found, it->first + k);

            end->open = it->hole || (f->track == 0 ? f->unsure : end->open);
        }
    }
}

static int by_rid(const void *a, const void *b)
{
    return strcmp(((const struct recover_text *) a)->rid, ((const struct recover_text *) b)->rid);
}

enum recover_end recover_end(const struct gate *g, struct span rid)
{
    const struct recover *r = g->recover;
    struct recover_text key = { .open = false };
    const struct recover_text *end;

    if (r == NULL || !recover_over(r) || r->ends == NULL || !span_to_str(rid, key.rid, sizeof(key.rid)))
        return RECOVER_OPEN;
    end = bsearch(&key, r->ends, r->n_ends, sizeof(key), by_rid);
    return end == NULL ? RECOVER_NOTHING : end->open ? RECOVER_OPEN : RECOVER_OVER;
}

static void finished(void *arg)
{
    struct recover *r = arg;
    const struct recover_counts *c = &r->counts;

    remember_ends(r);

    if (r->failed)
        log_err(LOG_WARN, "recover.not-removed", &r->why);
    if (c->recordings > 0 || c->torn_bytes > 0 || c->holes > 0)
        log_event(LOG_INFO, "recover.done", LOG_INT("recordings", (int64_t) c->recordings),
                  LOG_INT("pieces", (int64_t) c->pieces), LOG_INT("events", (int64_t) c->events),
                  LOG_INT("torn_bytes", (int64_t) c->torn_bytes), LOG_INT("holes", (int64_t) c->holes));
    r->found = reclog_recovery_free(r->found);
    free(r->items);
    r->items = NULL;
    r->n_items = 0;
    atomic_store(&r->over, true);
    if (r->p.on_over != NULL)
        r->p.on_over(r->p.ctx);
}

static void try_finish(struct recover *r)
{
    if (r->finishing || r->n_over < r->n_items || r->n_writing > 0)
        return;
    r->finishing = true;
    r->failed = false;
    if (pool_work(r->p.pool, r->p.loop, finish, finished, r) != ERR_OK) {
        r->finishing = false;
        again_later(r);
    }
}

static void pump(struct recover *r)
{
    if (atomic_load(&r->over) || r->finishing)
        return;
    if (!r->scanned) {
        if (r->keeper != NULL)
            start_scan(r);
        return;
    }
    tell_some(r);
    write_some(r);
    ask(r);
    try_finish(r);
}

/* ---- life ---- */

struct recover *recover_new(const struct recover_params *p)
{
    struct recover *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->p = *p;
    list_init(&r->fresh);
    list_init(&r->known);
    list_init(&r->written);
    loop_timer_init(&r->retry, p->loop, on_retry, r);
    return r;
}

struct recover *recover_free(struct recover *r)
{
    if (r == NULL)
        return NULL;
    loop_timer_cancel(&r->retry);
    for (size_t i = 0; i < r->n_items; i++)
        free(r->items[i].pieces);
    free(r->items);
    (void) reclog_recovery_free(r->found);
    free(r->ends);
    free(r);
    return NULL;
}

void recover_keeper(struct recover *r, struct link *keeper)
{
    r->keeper = keeper;
    if (keeper != NULL) {
        loop_timer_cancel(&r->retry);
        pump(r);
    }
}

bool recover_over(const struct recover *r)
{
    return atomic_load(&r->over);
}

void recover_counts(const struct recover *r, struct recover_counts *ret)
{
    *ret = r->counts;
}

bool recover_done(const struct gate *g)
{
    return g->recover != NULL && recover_over(g->recover);
}
