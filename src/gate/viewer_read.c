/* Reading: one piece of work at a time, run again when the keeper or the vault had to be asked first. */
#include "gate/viewer_int.h"

#include <stdlib.h>

#include "base/log.h"
#include "gate/recover.h"
#include "store/reclog.h"

#define ASKED_MAX 2 /* for fresh pieces, by one piece of work */

struct job {
    struct list node;
    struct viewer *viewer;
    struct viewer_want want;
    struct viewer_read result;
    struct read_ahead ahead; /* the result's */
    struct err_info why;     /* the same */
    struct reader_key *keys; /* copies: the viewer's own may be wiped while this runs */
    size_t n_keys;
    unsigned asked; /* for fresh pieces */
    unsigned opened; /* key numbers */
    viewer_read_fn fn;
    void *ctx;
};

static void next_job(struct viewer *v);
static void start_job(struct job *j);

static void run_job(void *arg)
{
    struct job *j = arg;
    const struct reader_keys keys = { j->keys, j->n_keys };

    reader_run(j->viewer->reader, &keys, &j->want, &j->result);
}

static void drop_keys(struct job *j)
{
    for (size_t i = 0; i < j->n_keys; i++)
        (void) secret_free((struct secret *) (uintptr_t) j->keys[i].rk);
    free(j->keys);
    j->keys = NULL;
    j->n_keys = 0;
}

static bool copy_keys(struct job *j)
{
    struct viewer *v = j->viewer;

    j->keys = calloc(v->n_keys == 0 ? 1 : v->n_keys, sizeof(*j->keys));
    for (size_t i = 0; j->keys != NULL && i < v->n_keys; i++) {
        j->keys[i] = (struct reader_key){ v->keys[i].kn, v->keys[i].track, secret_of(secret_span(v->keys[i].rk)) };
        if (j->keys[i].rk == NULL)
            return false;
        j->n_keys++;
    }
    return j->keys != NULL;
}

static void end_job(struct job *j)
{
    struct viewer *v = j->viewer;

    v->reading = false;
    if (j->result.err == ERR_OK && j->result.base != 0)
        v->base = j->result.base;
    else if (j->result.err != ERR_OK && j->result.err != ERR_NOTFOUND && !v->wiped && j->why.text[0] != '\0')
        log_event(LOG_WARN, "replay.unreadable", LOG_STR("rid", v->claims.rid), LOG_STR("text", j->why.text));
    j->fn(j->ctx, &j->result);
    free(j);
    viewer_unref(v);
}

static void finish_job(struct job *j)
{
    struct viewer *v = viewer_ref(j->viewer);

    end_job(j);
    next_job(v);
    viewer_unref(v);
}

static void fail_job(struct job *j)
{
    j->result.err = ERR_AGAIN;
    finish_job(j);
}

/* Once more, now that something more is known. */
static void rerun_job(struct job *j)
{
    struct buf bytes = j->result.bytes;

    if (bytes.p != NULL)
        secret_wipe(bytes.p, bytes.cap);
    buf_reset(&bytes);
    j->ahead.n = 0;
    j->why = (struct err_info){ 0 };
    j->result = (struct viewer_read){ .bytes = bytes, .fresh = j->asked > 0, .ahead = &j->ahead, .why = &j->why };
    start_job(j);
}

static void on_again(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct job *j = ctx;
    struct viewer *v = j->viewer;
    const struct ipc_key_facts *m = body;

    if (err != ERR_OK || type != IPC_T_KEY_FACTS || m->verdict != KEY_OK || !reader_update(v->reader, m)) {
        fail_job(j);
        return;
    }
    viewer_know(v, m);
    rerun_job(j);
}

static void ask_again(struct job *j)
{
    const struct key_claims *c = &j->viewer->claims;
    const struct ipc_key_again m = { span_str(c->jti), span_str(c->gid), span_str(c->rid) };

    j->asked++;
    if (j->viewer->lane->keeper == NULL ||
        link_call(j->viewer->lane->keeper, IPC_T_KEY_AGAIN, &m, VIEWER_ASK_MS, on_again, j) != ERR_OK)
        fail_job(j);
}

static void on_opened(void *ctx, enum key_verdict verdict)
{
    if (verdict == KEY_OK)
        rerun_job(ctx);
    else
        fail_job(ctx);
}

/* One key number more, with a lease of its own: the manifest's, for it names no events. */
static void ask_key(struct job *j)
{
    static const struct viewer_span manifest = { .what = LEASE_MANIFEST };
    const struct viewer_release key = { j->result.need_kn, j->result.need_track };
    uint32_t epoch;
    struct span wrap;

    if (!reader_wrap(j->viewer->reader, key.kn, key.track, &epoch, &wrap)) {
        ask_again(j); /* a gate that wrote it later than we asked */
        return;
    }
    j->opened++;
    viewer_ask_lease(j->viewer, &manifest, &key, on_opened, j);
}

static void job_done(void *arg)
{
    struct job *j = arg;

    drop_keys(j);
    if (j->viewer->wiped)
        finish_job(j);
    else if (j->result.need == READ_NEED_KEY && j->opened < VIEWER_KEYS_MAX && j->asked < ASKED_MAX)
        ask_key(j);
    else if (j->result.need == READ_NEED_PIECES && j->asked < ASKED_MAX)
        ask_again(j);
    else
        finish_job(j);
}

static void start_job(struct job *j)
{
    struct viewer *v = j->viewer;

    if (v->wiped || !copy_keys(j) || pool_work(v->lane->gate->pool, v->lane->loop, run_job, job_done, j) != ERR_OK) {
        drop_keys(j);
        fail_job(j);
    }
}

/* Inside the call, when that takes nothing but memory. */
static bool done_at_hand(struct job *j)
{
    struct viewer *v = j->viewer;
    struct reader_key keys[VIEWER_KEYS_MAX];

    if (v->wiped)
        return false;
    for (size_t i = 0; i < v->n_keys; i++)
        keys[i] = (struct reader_key){ v->keys[i].kn, v->keys[i].track, v->keys[i].rk };
    if (v->shelf != NULL && shelf_base(v->shelf) != 0)
        reader_know_base(v->reader, shelf_base(v->shelf));
    j->result.at_hand = reader_run_at_hand(v->reader, &(struct reader_keys){ keys, v->n_keys }, &j->want, &j->result);
    return j->result.at_hand;
}

/* A loop, for what is at hand ends before it returns. */
static void next_job(struct viewer *v)
{
    (void) viewer_ref(v);
    while (!v->reading && !list_empty(&v->reads)) {
        struct job *j = LIST_ENTRY(list_pop(&v->reads), struct job, node);

        v->reading = true;
        if (j->want.kind == READ_PIECES)
            ask_again(j);
        else if (done_at_hand(j))
            end_job(j);
        else
            start_job(j);
    }
    viewer_unref(v);
}

void viewer_read(struct viewer *v, const struct viewer_want *want, viewer_read_fn fn, void *ctx)
{
    struct job *j = calloc(1, sizeof(*j));

    if (j == NULL) {
        struct viewer_read none = { .err = ERR_NOMEM, .bytes = BUF_INIT(0) };

        fn(ctx, &none);
        return;
    }
    *j = (struct job){ .viewer = viewer_ref(v), .want = *want, .fn = fn, .ctx = ctx };
    buf_init(&j->result.bytes, SEGMENT_EVENT_MAX + SEGMENT_INDEX_MAX);
    j->result.ahead = &j->ahead;
    j->result.why = &j->why;
    list_append(&v->reads, &j->node);
    next_job(v);
}

/* ---- blocks ---- */

struct asking {
    struct viewer *viewer;
    enum shelf_kind kind;
    uint64_t at;
    viewer_block_fn fn;
    void *ctx;
};

static enum shelf_kind place_of(const struct viewer_want *w, uint64_t *ret_at)
{
    *ret_at = w->kind == READ_MANIFEST ? w->until : w->kind == READ_EVENTS ? w->seq : w->chunk;
    return w->kind == READ_MANIFEST ? SHELF_MANIFEST : w->kind == READ_EVENTS ? SHELF_EVENTS
           : w->kind == READ_STORED ? SHELF_STORED : SHELF_CHUNK;
}

/* What another viewer has opened, if the vault released its key to this one, too. */
static struct block *take_shared(struct viewer *v, enum shelf_kind kind, uint64_t at)
{
    struct block *b = v->shelf == NULL ? NULL : shelf_find(v->shelf, kind, at);

    if (b == NULL)
        return NULL;
    if (!viewer_has_key(v, b->kn))
        return block_unref(b);
    if (b->base != 0)
        v->base = b->base;
    return b;
}

static void on_block_read(void *ctx, struct viewer_read *r)
{
    struct asking *a = ctx;
    struct viewer *v = a->viewer;
    const bool events = a->kind == SHELF_EVENTS;
    const bool share = r->shared && (!events || v->facts.terminal || r->based); /* times of lines need the base */
    struct block *b = NULL;

    if (r->err == ERR_OK && (b = block_new(r, v, events)) == NULL)
        r->err = ERR_NOMEM;
    if (b != NULL && share && v->shelf != NULL)
        shelf_put(v->shelf, a->kind, events ? b->meta.first_seq : a->at, b);
    if (r->bytes.p != NULL)
        secret_wipe(r->bytes.p, r->bytes.cap);
    buf_deinit(&r->bytes);
    a->fn(a->ctx, r->err, b, r->at_hand);
    viewer_unref(v);
    free(a);
}

void viewer_block(struct viewer *v, const struct viewer_want *want, viewer_block_fn fn, void *ctx)
{
    struct asking *a;
    struct block *b;
    uint64_t at;
    enum shelf_kind kind = place_of(want, &at);

    b = want->kind == READ_EVENTS && at >= want->until ? NULL : take_shared(v, kind, at);
    if (b != NULL) {
        fn(ctx, ERR_OK, b, true);
        return;
    }
    a = calloc(1, sizeof(*a));
    if (a == NULL) {
        fn(ctx, ERR_NOMEM, NULL, true);
        return;
    }
    *a = (struct asking){ viewer_ref(v), kind, at, fn, ctx };
    viewer_read(v, want, on_block_read, a);
}

bool viewer_read_newest(struct viewer *v, const struct viewer_want *want, struct viewer_read *r)
{
    struct reader_key keys[4];
    size_t n = 0;
    bool done;

    if (v->reading || !list_empty(&v->reads) || v->wiped)
        return false;
    for (size_t i = v->n_keys; i-- > 0 && n < 4;) /* the newest numbers */
        keys[n++] = (struct reader_key){ v->keys[i].kn, v->keys[i].track, v->keys[i].rk };
    *r = (struct viewer_read){ .err = ERR_OK };
    buf_init(&r->bytes, SEGMENT_EVENT_MAX + SEGMENT_INDEX_MAX);
    done = reader_run_newest(v->reader, &(struct reader_keys){ keys, n }, want, r);
    if (!done && r->bytes.p != NULL)
        secret_wipe(r->bytes.p, r->bytes.cap);
    if (!done)
        buf_deinit(&r->bytes);
    return done;
}

time_us viewer_base(const struct viewer *v)
{
    return v->base;
}

/* ---- how much there is ---- */

struct extent {
    struct viewer *viewer;
    viewer_extent_fn fn;
    void *ctx;
};

static void on_extent(void *ctx, struct viewer_read *r)
{
    struct extent *x = ctx;
    const struct viewer_facts *f = &x->viewer->facts;
    enum key_verdict v = r->err == ERR_OK ? KEY_OK : KEY_KEEPER_UNAVAILABLE;

    buf_deinit(&r->bytes);
    x->fn(x->ctx, v, f->live ? r->sealed : f->events, f->live);
    viewer_unref(x->viewer);
    free(x);
}

/* In the log of this process. False: it is not written here. */
static bool extent_of_log(const struct viewer *v, uint64_t *ret)
{
    struct reclog *log = v->lane->gate->reclog;
    struct reclog_tail *t = NULL;
    struct err_info e;

    if (log == NULL || reclog_tail(log, span_str(v->claims.rid), UINT64_MAX, 1, &t, &e) != ERR_OK)
        return false;
    *ret = t->shown_seq;
    t = reclog_tail_free(t);
    return true;
}

void viewer_extent(struct viewer *v, viewer_extent_fn fn, void *ctx)
{
    static const struct viewer_want pieces = { .kind = READ_PIECES };
    uint64_t events;
    struct extent *x;

    if (!v->facts.live) {
        fn(ctx, KEY_OK, v->facts.events, false);
        return;
    }
    if (extent_of_log(v, &events)) {
        fn(ctx, KEY_OK, events, true);
        return;
    }
    if (!recover_done(v->lane->gate)) { /* what an earlier process of this node acknowledged may be in no piece yet */
        fn(ctx, KEY_AUTHORITY_STALE, 0, false);
        return;
    }
    x = calloc(1, sizeof(*x));
    if (x == NULL) {
        fn(ctx, KEY_KEEPER_UNAVAILABLE, 0, false);
        return;
    }
    *x = (struct extent){ viewer_ref(v), fn, ctx };
    viewer_read(v, &pieces, on_extent, x);
}
