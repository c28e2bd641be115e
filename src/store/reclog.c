#include "store/reclog.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "crypto/random.h"
#include "os/clock.h"
#include "os/file.h"
#include "store/reclog_int.h"

/*
 * The callers' side: begin, append, sealed, end. A batch becomes a job in the queue; the writer (reclog_write.c) takes all
 * of them at once, and answers through the port of the recording's loop (reclog_port.c).
 */

#define FILE_BYTES     (64u << 20)
#define TOTAL_BYTES    (256u << 20)
#define OLD_MS         600000
#define QUEUE_BYTES    (64u << 20)
#define CACHE_BYTES    (4u << 20)
#define MAX_RECORDINGS 20000
#define WRAP_LEN_MAX   255
#define SUFFIX         ".khl"

void reclog_name(uint32_t file_no, char out[RECLOG_NAME_CAP])
{
    (void) snprintf(out, RECLOG_NAME_CAP, "%u" SUFFIX, file_no);
}

bool reclog_parse_name(const char *name, uint32_t *ret)
{
    struct span digits, rest;
    uint64_t v;

    if (!span_cut(span_str(name), '.', &digits, &rest) || !num_u64(digits, UINT32_MAX, &v) ||
        strcmp(name + digits.n, SUFFIX) != 0 || (digits.n > 1 && name[0] == '0'))
        return false;
    *ret = (uint32_t) v;
    return true;
}

/* ---- holds; all under the lock ---- */

void reclog_file_unref(struct reclog *l, struct reclog_file *f)
{
    if (--f->refs > 0)
        return;
    if (!l->stopped) { /* closing an unlinked file frees its blocks: not on a loop */
        list_append(&l->dead_files, &f->node);
        (void) pthread_cond_signal(&l->wake);
        return;
    }
    os_closep(&f->fd);
    free(f);
}

void reclog_close_dead(struct reclog *l)
{
    struct list *node;

    while ((node = list_pop(&l->dead_files)) != NULL) {
        struct reclog_file *f = LIST_ENTRY(node, struct reclog_file, node);

        os_closep(&f->fd);
        free(f);
    }
}

void reclog_place_unref(struct reclog *l, struct reclog_place *p)
{
    if (--p->refs > 0)
        return;
    khlog_key_free(p->key);
    reclog_file_unref(l, p->file);
    free(p);
}

void reclog_rec_unref(struct reclog_rec *r)
{
    if (--r->refs > 0)
        return;
    reclog_port_unref(r->port);
    r->log->refs--; /* reclog_leave looks */
    for (unsigned i = 0; i < RECLOG_TRACKS; i++)
        free(r->tracks[i].entries);
    free(r);
}

struct reclog_place *reclog_place_of(const struct reclog_rec *r, uint16_t id)
{
    LIST_FOREACH (node, &r->places) {
        struct reclog_place *p = LIST_ENTRY(node, struct reclog_place, node);

        if (p->id == id)
            return p;
    }
    return NULL;
}

void reclog_blob_unref(struct reclog_blob *b)
{
    if (b != NULL && --b->refs == 0)
        free(b);
}

/* ---- the log ---- */

static void destroy(struct reclog *l)
{
    reclog_cache_clear(&l->cache);
    map_deinit(&l->recs);
    os_closep(&l->dir);
    (void) pthread_cond_destroy(&l->wake);
    (void) pthread_cond_destroy(&l->idle);
    (void) pthread_mutex_destroy(&l->lock);
    free(l);
}

void reclog_enter(struct reclog *l)
{
    (void) pthread_mutex_lock(&l->lock);
}

void reclog_leave(struct reclog *l)
{
    bool last = l->refs == 0;

    (void) pthread_mutex_unlock(&l->lock);
    if (last)
        destroy(l);
}

static enum err highest(void *ctx, const char *name, unsigned type, struct err_info *reterr)
{
    uint32_t *next = ctx, no;

    (void) type;
    if (!reclog_parse_name(name, &no))
        return ERR_OK;
    if (no == UINT32_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "log: no file numbers are left");
    if (no >= *next)
        *next = no + 1;
    return ERR_OK;
}

static enum err open_dir(struct reclog *l, struct err_info *reterr)
{
    CLEANUP(os_closep) int top = -1;

    TRY(os_dir_open(l->o.dir, /* create= */ false, &top, reterr));
    TRY(os_dir_sub(top, "log", &l->dir, reterr));
    TRY(os_sync(top, reterr));
    return os_dir_each(l->dir, highest, &l->next_no, reterr);
}

static void init(struct reclog *l, const struct reclog_options *o)
{
    pthread_condattr_t attr;
    uint8_t secret[16];

    l->refs = 1;
    l->dir = -1;
    l->o = *o;
    l->o.file_bytes = o->file_bytes == 0 ? FILE_BYTES : o->file_bytes;
    l->o.total_bytes = o->total_bytes == 0 ? TOTAL_BYTES : o->total_bytes;
    l->o.old_ms = o->old_ms == 0 ? OLD_MS : o->old_ms;
    l->o.queue_bytes = o->queue_bytes == 0 ? QUEUE_BYTES : o->queue_bytes;
    l->o.max_recordings = o->max_recordings == 0 ? MAX_RECORDINGS : o->max_recordings;
    l->cache.max = o->cache_bytes == 0 ? CACHE_BYTES : o->cache_bytes == SIZE_MAX ? 0 : o->cache_bytes;
    (void) pthread_mutex_init(&l->lock, NULL);
    (void) pthread_condattr_init(&attr);
    (void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&l->wake, &attr);
    (void) pthread_cond_init(&l->idle, NULL);
    (void) pthread_condattr_destroy(&attr);
    random_fill(secret, sizeof(secret));
    map_init(&l->recs, secret, l->o.max_recordings);
    list_init(&l->ports);
    list_init(&l->files);
    list_init(&l->dead_files);
    list_init(&l->queue);
    list_init(&l->closing);
    list_init(&l->flushed);
    list_init(&l->fresh);
}

static enum err start(struct reclog *l, struct err_info *reterr)
{
    sigset_t all, old;
    int r;

    TRY(open_dir(l, reterr));
    l->first_no = l->next_no;
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the loops' */
    r = pthread_create(&l->thread, NULL, reclog_writer, l);
    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0)
        return ERR_RAISE_SYS(reterr, ERR_IO, r, "starting the log's thread");
    l->has_thread = true;
    return ERR_OK;
}

enum err reclog_open(const struct reclog_options *o, struct reclog **ret, struct err_info *reterr)
{
    struct reclog *l;
    enum err e;

    if (o->file_bytes > KHLOG_FILE_MAX)
        return ERR_RAISE(reterr, ERR_INVAL, "log: files of %llu bytes", (unsigned long long) o->file_bytes);
    l = calloc(1, sizeof(*l));
    if (l == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "recording log");
    init(l, o);
    e = start(l, reterr);
    if (e != ERR_OK) {
        destroy(l);
        return e;
    }
    *ret = l;
    return ERR_OK;
}

/* ---- the end of a recording; under the lock ---- */

/* What it still has goes; unsealed places keep their files needed. */
static void end_locked(struct reclog_rec *r)
{
    struct reclog *l = r->log;
    struct list *node;

    if (r->ended)
        return;
    r->ended = true;
    (void) map_del(&l->recs, span_str(r->rid));
    while (r->n_group > 0) /* the writer uses it */
        (void) pthread_cond_wait(&l->idle, &l->lock);
    for (unsigned i = 0; i < RECLOG_TRACKS; i++) {
        r->tracks[i].w_place = NULL;
        r->tracks[i].n = 0;
        r->tracks[i].rk = NULL;
    }
    if (list_linked(&r->closing)) /* the close records are no loss: the keeper knows */
        list_remove(&r->closing);
    if (list_linked(&r->pressing))
        list_remove(&r->pressing);
    while ((node = list_pop(&r->places)) != NULL) {
        struct reclog_place *p = LIST_ENTRY(node, struct reclog_place, node);

        p->key = khlog_key_free(p->key);
        reclog_place_unref(l, p);
    }
    reclog_news(r);
    (void) pthread_cond_signal(&l->wake); /* perhaps a file is free now */
}

struct reclog *reclog_free(struct reclog *l)
{
    struct list *node;

    if (l == NULL)
        return NULL;
    reclog_enter(l);
    l->stop = true;
    (void) pthread_cond_signal(&l->wake);
    (void) pthread_mutex_unlock(&l->lock);
    (void) pthread_join(l->thread, NULL);
    reclog_enter(l);
    l->stopped = true;
    for (size_t i = 0; i < l->recs.cap;) { /* end_locked takes it out of the map, which may move others */
        struct reclog_rec *r = l->recs.slots[i].value;

        if (r != NULL)
            end_locked(r);
        else
            i++;
    }
    while ((node = list_pop(&l->files)) != NULL)
        reclog_file_unref(l, LIST_ENTRY(node, struct reclog_file, node));
    reclog_close_dead(l);
    l->refs--;
    reclog_leave(l);
    return NULL;
}

/* ---- writing ---- */

static void begin_track(struct reclog_track *t, struct span wrap, const struct secret *rk)
{
    t->wrap_len = (uint8_t) wrap.n;
    if (wrap.n > 0)
        memcpy(t->wrap, wrap.p, wrap.n);
    t->rk = rk;
}

static struct reclog_rec *new_rec(struct reclog *l, const struct reclog_begin *b)
{
    struct reclog_rec *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->refs = 1;
    r->log = l;
    (void) span_to_str(b->project, r->project, sizeof(r->project)); /* ids: they fit */
    (void) span_to_str(b->rid, r->rid, sizeof(r->rid));
    r->kn = b->kn;
    begin_track(&r->tracks[0], b->wrap, b->rk);
    r->reveal = b->reveal != NULL;
    if (r->reveal)
        begin_track(&r->tracks[1], b->reveal_wrap, b->reveal);
    r->press = b->press;
    r->ctx = b->ctx;
    r->base_batch = r->q_next_batch = r->w_next_batch = r->next_batch = b->next_batch;
    r->q_next_seq = r->w_next_seq = r->next_seq = r->sealed_seq = b->next_seq;
    r->hold = r->q_hold = UINT64_MAX;
    list_init(&r->jobs);
    list_init(&r->places);
    list_init(&r->hubs);
    return r;
}

static enum err add_rec(struct reclog *l, struct reclog_rec *r, struct loop *loop, struct err_info *reterr)
{
    if (l->stop)
        return ERR_RAISE(reterr, ERR_CLOSED, "log: closing");
    if (map_get(&l->recs, span_str(r->rid)) != NULL)
        return ERR_RAISE(reterr, ERR_EXISTS, "log: the recording is being written");
    if (l->recs.n >= l->o.max_recordings)
        return ERR_RAISE(reterr, ERR_LIMIT, "log: %zu recordings are being written", l->recs.n);
    r->port = reclog_port_of(l, loop);
    if (r->port == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "log: recording");
    if (!map_put(&l->recs, span_str(r->rid), r, NULL)) {
        reclog_port_unref(r->port);
        return ERR_RAISE(reterr, ERR_NOMEM, "log: recording");
    }
    l->refs++;
    return ERR_OK;
}

enum err reclog_begin(struct reclog *l, const struct reclog_begin *b, struct reclog_rec **ret, struct err_info *reterr)
{
    struct reclog_rec *r;
    enum err e;

    if (!id_check(b->project, ID_PROJECT) || !id_check(b->rid, ID_RECORDING) || b->wrap.n > WRAP_LEN_MAX ||
        b->reveal_wrap.n > WRAP_LEN_MAX || secret_len(b->rk) != 32 || (b->reveal != NULL && secret_len(b->reveal) != 32))
        return ERR_RAISE(reterr, ERR_INVAL, "log: not a recording with a wrap and a key");
    r = new_rec(l, b);
    if (r == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "log: recording");
    reclog_enter(l);
    e = add_rec(l, r, b->loop, reterr);
    reclog_leave(l);
    if (e != ERR_OK) {
        free(r);
        return e;
    }
    *ret = r;
    return ERR_OK;
}

/* The frames of one track, from *i on. *ret_seq: the event after them. */
static bool check_track(const struct reclog_rec *r, struct reclog_job *j, uint8_t track, size_t *i, uint64_t *ret_seq)
{
    uint64_t seq = r->q_next_seq;

    for (; *i < j->n && j->frames[*i].track == track; ++*i) {
        const struct reclog_frame *f = &j->frames[*i];

        if (f->first_seq != seq || ((f->is_head || f->marks != 0) && f->n_events > 0) || f->zstd.n > KHLOG_FRAME_MAX ||
            seq > UINT64_MAX - f->n_events)
            return false;
        seq += f->n_events;
        j->bytes += f->zstd.n;
        j->encoded += khlog_data_size(f->zstd.n);
    }
    *ret_seq = seq;
    return true;
}

/* The order of the frames, and what they sum up to. */
static enum err check_frames(const struct reclog_rec *r, struct reclog_job *j, struct err_info *reterr)
{
    uint64_t reveal_seq = r->q_next_seq, seq = r->q_next_seq;
    size_t i = 0;
    bool ok;

    if (j->batch_seq < r->q_next_batch || j->batch_seq - r->base_batch > UINT32_MAX)
        return ERR_RAISE(reterr, ERR_INVAL, "log: batch %llu, and %llu comes next", (unsigned long long) j->batch_seq,
                         (unsigned long long) r->q_next_batch);
    ok = check_track(r, j, 1, &i, &reveal_seq);
    j->n_reveal = i;
    if (!ok || !check_track(r, j, 0, &i, &seq) || i < j->n)
        return ERR_RAISE(reterr, ERR_INVAL, "log: frame %zu of a batch is out of order or too large", i);
    if (r->reveal ? reveal_seq != seq : j->n_reveal > 0)
        return ERR_RAISE(reterr, ERR_INVAL, "log: the tracks of a batch have different events");
    j->after = r->q_next_batch;
    j->first_seq = r->q_next_seq;
    j->n_events = seq - r->q_next_seq;
    return ERR_OK;
}

/* A record's place in the list is there before the record is: nothing may fail after the sync. */
static bool reserve_entries(struct reclog_track *t, size_t n)
{
    size_t need = t->n + t->reserved + n;

    if (t->head + need > t->cap && t->head > 0) {
        memmove(t->entries, t->entries + t->head, t->n * sizeof(*t->entries));
        t->head = 0;
    }
    if (need > t->cap) {
        size_t cap = t->cap * 2 > need ? t->cap * 2 : need;
        struct reclog_entry *more = realloc(t->entries, cap * sizeof(*more));

        if (more == NULL)
            return false;
        t->entries = more;
        t->cap = cap;
    }
    t->reserved += n;
    return true;
}

static bool reserve_job(struct reclog_rec *r, const struct reclog_job *j)
{
    if (!reserve_entries(&r->tracks[1], j->n_reveal))
        return false;
    if (reserve_entries(&r->tracks[0], j->n - j->n_reveal))
        return true;
    r->tracks[1].reserved -= j->n_reveal;
    return false;
}

static enum err enqueue(struct reclog_rec *r, struct reclog_job *j, struct err_info *reterr)
{
    struct reclog *l = r->log;

    if (l->dead)
        return ERR_RAISE(reterr, ERR_IO, "log: the disk failed");
    if (l->stop || r->ended)
        return ERR_RAISE(reterr, ERR_CLOSED, "log: closed");
    if (l->queued_bytes > 0 && (j->bytes > l->o.queue_bytes || l->queued_bytes > l->o.queue_bytes - j->bytes))
        return ERR_RAISE(reterr, ERR_AGAIN, "log: %zu bytes wait for the disk", l->queued_bytes);
    if (!reserve_job(r, j))
        return ERR_RAISE(reterr, ERR_NOMEM, "log: batch");
    l->queued_bytes += j->bytes;
    list_append(&l->queue, &j->node);
    (void) pthread_cond_signal(&l->wake);
    return ERR_OK;
}

enum err reclog_append(struct reclog_rec *r, uint64_t batch_seq, const struct reclog_frame *frames, size_t n,
                       reclog_done done, void *ctx, struct err_info *reterr)
{
    const struct reclog_frame nothing = { .first_seq = r->q_next_seq };
    struct reclog_job *j;
    enum err e;

    if (n == 0)
        frames = &nothing, n = 1; /* the batch's number has to be durable all the same */
    j = n > UINT32_MAX ? NULL : calloc(1, sizeof(*j) + n * (sizeof(j->frames[0]) + sizeof(j->made[0])));
    if (j == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "log: batch");
    *j = (struct reclog_job){ .rec = r, .batch_seq = batch_seq, .done = done, .ctx = ctx, .n = n, .hold = r->q_hold };
    memcpy(j->frames, frames, n * sizeof(*frames));
    j->made = (struct reclog_made *) (void *) (j->frames + n);
    e = check_frames(r, j, reterr);
    if (e == ERR_OK) {
        reclog_enter(r->log);
        e = enqueue(r, j, reterr);
        reclog_leave(r->log);
    }
    if (e != ERR_OK) {
        free(j);
        return e;
    }
    list_append(&r->jobs, &j->mine);
    r->q_next_seq += j->n_events;
    r->q_next_batch = batch_seq + 1;
    return ERR_OK;
}

void reclog_hold(struct reclog_rec *r, uint64_t seq)
{
    r->q_hold = seq;
}

void reclog_show(struct reclog_rec *r)
{
    r->q_hold = UINT64_MAX;
    reclog_enter(r->log);
    if (r->hold != UINT64_MAX) {
        r->hold = UINT64_MAX;
        reclog_news(r);
    }
    reclog_leave(r->log);
}

void reclog_unsealed(const struct reclog_rec *r, struct reclog_unsealed *ret)
{
    reclog_enter(r->log);
    *ret = (struct reclog_unsealed){ .bytes = r->unsealed_bytes, .n_records = r->tracks[0].n,
                                     .since = r->tracks[0].n == 0 ? 0 : r->since };
    reclog_leave(r->log);
}

/* The oldest entry of a track is in a piece. */
static void cut_entry(struct reclog_rec *r, unsigned track)
{
    struct reclog_track *t = &r->tracks[track];
    const struct reclog_entry *e = &t->entries[t->head];
    struct reclog_place *p = reclog_place_of(r, e->place); /* there is one: it has this entry */

    t->head++;
    t->n--;
    if (track == 0) {
        r->unsealed_bytes -= e->len - khlog_data_size(0);
        r->sealed_seq = e->first_seq + e->n_events;
    }
    p->close_number = e->number + 1;
    p->close_wanted = true;
    if (--p->n_unsealed == 0)
        p->file->n_needed--;
}

void reclog_sealed(struct reclog_rec *r, uint64_t next_batch)
{
    struct reclog *l = r->log;
    bool any = false;

    reclog_enter(l);
    for (unsigned i = 0; i < RECLOG_TRACKS; i++) {
        const struct reclog_track *t = &r->tracks[i];

        while (t->n > 0 && r->base_batch + t->entries[t->head].batch < next_batch) {
            cut_entry(r, i);
            any = true;
        }
    }
    if (any) {
        r->since = clock_boot_ms(); /* what is left came while the piece was made */
        if (!list_linked(&r->closing))
            list_append(&l->closing, &r->closing);
        reclog_news(r);
        (void) pthread_cond_signal(&l->wake);
    }
    reclog_leave(l);
}

/* Batches that nobody waits for any more, but those that the writer has. */
static void drop_jobs(struct reclog_rec *r)
{
    LIST_FOREACH (mine, &r->jobs) {
        struct reclog_job *j = LIST_ENTRY(mine, struct reclog_job, mine);

        if (j->state == RECLOG_JOB_GROUP)
            continue;
        if (j->state == RECLOG_JOB_QUEUED)
            r->log->queued_bytes -= j->bytes;
        list_remove(&j->node);
        list_remove(&j->mine);
        free(j);
    }
}

struct reclog_rec *reclog_end(struct reclog_rec *r)
{
    struct reclog *l;

    if (r == NULL)
        return NULL;
    l = r->log;
    reclog_enter(l);
    drop_jobs(r);
    end_locked(r); /* waits for the writer */
    drop_jobs(r);
    reclog_rec_unref(r);
    reclog_leave(l);
    return NULL;
}

void reclog_stats(struct reclog *l, struct reclog_stats *ret)
{
    reclog_enter(l);
    *ret = l->stats;
    ret->recordings = (uint32_t) l->recs.n;
    ret->queued_bytes = l->queued_bytes;
    ret->cached_bytes = l->cache.bytes;
    LIST_FOREACH (node, &l->files) {
        ret->files++;
        ret->file_bytes += LIST_ENTRY(node, struct reclog_file, node)->size;
    }
    reclog_leave(l);
}
