#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "crypto/random.h"
#include "os/clock.h"
#include "os/file.h"
#include "store/reclog_int.h"

/*
 * The writer's thread. A turn: take what is queued (a group), make its records, write them, one fdatasync, show them to
 * everybody and answer; then close records, files that may go, recordings to press.
 *
 * No byte of a file is written twice: after a crash a place could hold a mixture of both, and a whole old record behind a
 * whole new one would be taken for the new one's. So when something fails before the sync, all batches of the group fail,
 * files are cut back to what is shown if that can be done, and the group's file is given up for a new one. Open records of
 * this group are forgotten, numbers are not given back.
 *
 * When the sync fails, or the disk fails otherwise, nothing is ever acknowledged again: options.fatal.
 */

#define GROUP_BYTES (16u << 20) /* frames taken at once, more only when the first batch alone has more */
#define BLOB_BYTES  (1u << 20)  /* written at once */

/* ---- the disk ---- */

static int disk_write(struct reclog *l, const struct reclog_file *f, uint64_t at, struct span bytes)
{
    if (l->o.io != NULL)
        return l->o.io->write(l->o.io->ctx, f->file_no, f->fd, at, bytes);
    while (bytes.n > 0) {
        ssize_t n = pwrite(f->fd, bytes.p, bytes.n, (off_t) at);

        if (n < 0 && errno != EINTR)
            return errno;
        if (n == 0)
            return EIO;
        if (n > 0) {
            bytes = span_sub(bytes, (size_t) n, bytes.n);
            at += (uint64_t) n;
        }
    }
    return 0;
}

static int disk_sync(struct reclog *l, const struct reclog_file *f)
{
    if (l->o.io != NULL)
        return l->o.io->sync(l->o.io->ctx, f->file_no, f->fd);
    return fdatasync(f->fd) == 0 ? 0 : errno;
}

static bool disk_truncate(struct reclog *l, const struct reclog_file *f, uint64_t size)
{
    if (l->o.io != NULL)
        return l->o.io->truncate(l->o.io->ctx, f->file_no, f->fd, size) == 0;
    return ftruncate(f->fd, (off_t) size) == 0;
}

/* ERR_IO is the only one that nobody survives. */
static enum err write_error(int sys, struct err_info *reterr)
{
    bool full = sys == ENOSPC || sys == EDQUOT || sys == EFBIG;

    return ERR_RAISE_SYS(reterr, full ? ERR_NOSPC : ERR_IO, sys, "write the recording log");
}

/* The file's bytes are durable when this returns ERR_OK; any error is the end. */
static enum err sync_file(struct reclog *l, const struct reclog_file *f, struct err_info *reterr)
{
    int sys = disk_sync(l, f);

    if (sys != 0)
        return ERR_RAISE_SYS(reterr, ERR_IO, sys, "sync the recording log");
    reclog_enter(l);
    l->stats.syncs++;
    reclog_leave(l);
    return ERR_OK;
}

/* ---- blobs: records are made in memory, and written when enough is there ---- */

static enum err flush(struct reclog *l, struct err_info *reterr)
{
    struct reclog_blob *b = l->blob;
    int sys;

    if (b == NULL || b->n == 0)
        return ERR_OK;
    sys = disk_write(l, l->file, b->at, span_of(b->bytes, b->n));
    if (sys != 0)
        return write_error(sys, reterr);
    l->file->end = b->at + b->n;
    list_append(&l->flushed, &b->node);
    l->blob = NULL;
    return ERR_OK;
}

/* Where the next record of the current file will begin. */
static uint64_t file_end(const struct reclog *l)
{
    return l->file->end + (l->blob == NULL ? 0 : l->blob->n);
}

/* Room for n bytes at the end of the file; the caller fills them and adds to l->blob->n. */
static enum err room(struct reclog *l, size_t n, uint8_t **ret, struct err_info *reterr)
{
    struct reclog_blob *b = l->blob;
    size_t cap;

    if (b == NULL || b->cap - b->n < n) {
        TRY(flush(l, reterr));
        cap = l->group_left < BLOB_BYTES ? l->group_left : BLOB_BYTES;
        if (cap < n)
            cap = n;
        free(l->blob); /* one without a byte in it */
        l->blob = b = malloc(sizeof(*b) + cap);
        if (b == NULL)
            return ERR_RAISE(reterr, ERR_NOMEM, "records of the log");
        *b = (struct reclog_blob){ .refs = 1, .file_no = l->file->file_no, .at = l->file->end, .cap = cap };
    }
    *ret = b->bytes + b->n;
    return ERR_OK;
}

/* ---- files ---- */

/* Nothing can be opened now, and perhaps later: no reason to end the process. */
static enum err create_error(enum err e)
{
    return e == ERR_NOSPC || e == ERR_NOMEM ? e : ERR_AGAIN;
}

static enum err write_header(struct reclog *l, struct reclog_file *f, struct err_info *reterr)
{
    uint8_t header[KHLOG_HEADER_LEN];
    int sys;

    khlog_header(KHLOG_FILE_LOG, f->file_no, header);
    sys = disk_write(l, f, 0, SPAN_OF(header));
    if (sys != 0)
        return write_error(sys, reterr);
    f->size = f->end = KHLOG_HEADER_LEN;
    if (fsync(l->dir) != 0) /* its name is durable before anything in it counts */
        return ERR_RAISE_SYS(reterr, ERR_IO, errno, "sync the log's directory");
    return ERR_OK;
}

/* Another file becomes the current one. The one before is synced. */
static enum err next_file(struct reclog *l, struct err_info *reterr)
{
    struct reclog_file *f;
    char name[RECLOG_NAME_CAP];
    enum err e;

    if (l->file != NULL) {
        TRY(flush(l, reterr));
        if (l->file->end > l->file->size)
            TRY(sync_file(l, l->file, reterr));
    }
    if (l->next_no == UINT32_MAX)
        return ERR_RAISE(reterr, ERR_AGAIN, "log: no file numbers are left");
    f = calloc(1, sizeof(*f));
    if (f == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "log file");
    *f = (struct reclog_file){ .refs = 1, .fd = -1, .file_no = l->next_no++, .born = clock_boot_ms() };
    reclog_name(f->file_no, name);
    e = os_file_open(l->dir, name, O_RDWR | O_CREAT | O_EXCL, &f->fd, reterr);
    if (e != ERR_OK) {
        free(f);
        return create_error(e);
    }
    e = write_header(l, f, reterr);
    if (e != ERR_OK) {
        (void) os_file_remove(l->dir, name, NULL); /* recovery takes an empty one, too */
        os_closep(&f->fd);
        free(f);
        return e;
    }
    reclog_enter(l);
    list_append(&l->files, &f->node);
    l->file = f;
    reclog_leave(l);
    return ERR_OK;
}

/* ---- records ---- */

static struct reclog_place *new_place(struct reclog *l, struct reclog_rec *r, struct khlog_open *o,
                                      struct err_info *reterr)
{
    struct reclog_place *p = calloc(1, sizeof(*p));
    const struct khlog_place where = { .project = o->project, .rid = o->rid, .kn = o->kn, .track = o->track,
                                       .codec = o->codec, .file_no = l->file->file_no };

    if (p == NULL) {
        err_raise(reterr, ERR_NOMEM, 0, "recording in a log file");
        return NULL;
    }
    random_fill(o->salt, sizeof(o->salt));
    if (khlog_key_new(r->tracks[o->track].rk, &where, o->salt, o->commitment, &p->key, reterr) != ERR_OK) {
        free(p);
        return NULL;
    }
    *p = (struct reclog_place){ .refs = 1, .file = l->file, .local = l->file->n_locals, .id = r->w_next_id++,
                                .track = o->track, .key = p->key, .rec = r };
    memcpy(p->salt, o->salt, sizeof(p->salt));
    memcpy(p->commitment, o->commitment, sizeof(p->commitment));
    return p;
}

static bool needs_open(const struct reclog *l, const struct reclog_track *t)
{
    return t->w_place == NULL || t->w_place->file != l->file || t->w_place->next_number == UINT32_MAX;
}

/* Bytes of the open records that a recording may need in the current file. */
static size_t opens_size(const struct reclog *l, const struct reclog_rec *r)
{
    size_t n = 0;

    for (unsigned i = 0; i < RECLOG_TRACKS; i++)
        n += (i == 0 || r->reveal) && needs_open(l, &r->tracks[i]) ? KHLOG_OPEN_MAX : 0;
    return n;
}

/* The recording's open record of a track in the current file. */
static enum err write_open(struct reclog *l, struct reclog_rec *r, uint8_t track, struct err_info *reterr)
{
    struct reclog_track *t = &r->tracks[track];
    struct khlog_open o = { .kn = r->kn, .track = track, .codec = KHLOG_CODEC, .project = span_str(r->project),
                            .rid = span_str(r->rid), .wrap = span_of(t->wrap, t->wrap_len) };
    uint8_t *to;
    struct buf record = BUF_INIT(KHLOG_OPEN_MAX);
    struct reclog_place *p;
    enum err e;

    TRY(room(l, KHLOG_OPEN_MAX, &to, reterr));
    p = new_place(l, r, &o, reterr);
    if (p == NULL)
        return ERR_NOMEM;
    e = khlog_write_open(&o, p->local, &record, reterr);
    if (e == ERR_OK) {
        memcpy(to, record.p, record.n);
        l->blob->n += record.n;
        l->group_left -= KHLOG_OPEN_MAX < l->group_left ? KHLOG_OPEN_MAX : l->group_left;
        l->file->n_locals++;
        list_append(&l->fresh, &p->node);
        reclog_enter(l);
        l->file->refs++;
        reclog_leave(l);
        t->w_place = p;
    } else {
        khlog_key_free(p->key);
        free(p);
    }
    buf_deinit(&record);
    return e;
}

/* The last of its batch in its track. */
static uint32_t frame_flags(const struct reclog_job *j, size_t i)
{
    return j->frames[i].marks | (j->frames[i].is_head ? KHLOG_HEAD : 0) | (i + 1 == j->n || i + 1 == j->n_reveal ? KHLOG_LAST : 0);
}

static enum err write_data(struct reclog *l, struct reclog_job *j, size_t i, struct err_info *reterr)
{
    const struct reclog_frame *f = &j->frames[i];
    struct reclog_place *p = j->rec->tracks[f->track].w_place;
    const struct khlog_data d = {
        .number = p->next_number, .n_events = f->n_events, .batch_seq = j->batch_seq, .first_seq = f->first_seq,
        .flags = frame_flags(j, i),
    };
    size_t size = khlog_data_size(f->zstd.n);
    uint8_t *to;

    TRY(room(l, size, &to, reterr));
    j->made[i] = (struct reclog_made){ .place = p, .at = (uint32_t) file_end(l), .number = d.number };
    p->next_number++; /* burnt before it is used */
    TRY(khlog_seal(p->key, p->local, &d, f->zstd, to, reterr));
    l->blob->n += size;
    return ERR_OK;
}

/* n more bytes of a recording go into the current file, or it is full, or old. */
static bool fits(const struct reclog *l, const struct reclog_rec *r, size_t n)
{
    uint64_t end;

    if (l->file == NULL)
        return false;
    end = file_end(l);
    if (end == KHLOG_HEADER_LEN)
        return true; /* an empty file takes anything */
    return end + opens_size(l, r) + n <= l->o.file_bytes;
}

static enum err write_job(struct reclog *l, struct reclog_job *j, struct err_info *reterr)
{
    struct reclog_rec *r = j->rec;

    if (!fits(l, r, j->encoded)) /* a batch stays in one file if it can */
        TRY(next_file(l, reterr));
    for (size_t i = 0; i < j->n; i++) {
        size_t size = khlog_data_size(j->frames[i].zstd.n);

        if (i > 0 && !fits(l, r, size))
            TRY(next_file(l, reterr));
        if (needs_open(l, &r->tracks[j->frames[i].track]))
            TRY(write_open(l, r, j->frames[i].track, reterr));
        TRY(write_data(l, j, i, reterr));
        l->group_left -= size < l->group_left ? size : l->group_left;
    }
    r->w_next_seq = j->first_seq + j->n_events;
    r->w_next_batch = j->batch_seq + 1;
    return ERR_OK;
}

/* ---- a group ---- */

/* A batch after one that failed waits for that one to come again. */
static bool in_order(struct reclog_job *j)
{
    const struct reclog_rec *r = j->rec;

    if (j->after == r->w_next_batch && j->first_seq == r->w_next_seq)
        return true;
    j->result = r->w_failed == ERR_OK ? ERR_AGAIN : r->w_failed;
    return false;
}

static enum err write_group(struct reclog *l, const struct list *group, struct err_info *reterr)
{
    if (l->file != NULL && l->file->end > KHLOG_HEADER_LEN && clock_boot_ms() - l->file->born >= l->o.old_ms)
        TRY(next_file(l, reterr));
    LIST_FOREACH (node, group) {
        struct reclog_job *j = LIST_ENTRY(node, struct reclog_job, node);

        j->result = ERR_OK;
        if (in_order(j))
            TRY(write_job(l, j, reterr));
    }
    if (l->file == NULL)
        return ERR_OK; /* every batch was out of order */
    TRY(flush(l, reterr));
    return l->file->end > l->file->size ? sync_file(l, l->file, reterr) : ERR_OK;
}

/* Nothing more goes into the current file. */
static void give_up_file(struct reclog *l)
{
    reclog_enter(l);
    l->file = NULL;
    reclog_leave(l);
}

/*
 * (Only the writer changes the list of files, so it may walk it freely.)
 *
 * What the group wrote is cut off again, and that is synced: nothing that was never acknowledged lies before what will be.
 * The newest file first: were an older part gone and a newer one still there after a crash, recovery would see a gap. A
 * file system that is too full even for this leaves the bytes there; their batches come again later in the log, and
 * recovery takes the later ones. ERR_IO: the sync failed.
 */
static enum err cut_back(struct reclog *l, struct err_info *reterr)
{
    bool all = true;

    for (struct list *node = l->files.prev; node != &l->files; node = node->prev) {
        struct reclog_file *f = LIST_ENTRY(node, struct reclog_file, node);

        if (f->end == f->size && f != l->file) /* half a write does not move the end */
            continue;
        all = all && disk_truncate(l, f, f->size);
        f->end = f->size;
        f->spoiled = true;
        if (all)
            TRY(sync_file(l, f, reterr));
    }
    return ERR_OK;
}

/* Nothing of this group counts. */
static void undo(struct reclog *l, const struct list *group, enum err why)
{
    struct list *node;

    free(l->blob);
    l->blob = NULL;
    while ((node = list_pop(&l->flushed)) != NULL)
        free(LIST_ENTRY(node, struct reclog_blob, node)); /* nobody else has seen it */
    LIST_FOREACH (job, group) {
        struct reclog_job *j = LIST_ENTRY(job, struct reclog_job, node);

        j->result = why;
        j->rec->w_failed = why;
        j->rec->w_next_seq = j->rec->next_seq;
        j->rec->w_next_batch = j->rec->next_batch;
    }
    reclog_enter(l);
    while ((node = list_pop(&l->fresh)) != NULL) {
        struct reclog_place *p = LIST_ENTRY(node, struct reclog_place, node);

        if (p->rec->tracks[p->track].w_place == p)
            p->rec->tracks[p->track].w_place = NULL;
        reclog_place_unref(l, p);
    }
    reclog_leave(l);
}

/* Under the lock: a batch's records become the recording's tail. */
static void show_job(struct reclog *l, struct reclog_job *j)
{
    struct reclog_rec *r = j->rec;

    if (r->tracks[0].n == 0)
        r->since = clock_boot_ms();
    for (size_t i = 0; i < j->n; i++) {
        const struct reclog_frame *f = &j->frames[i];
        struct reclog_track *t = &r->tracks[f->track];
        struct reclog_place *p = j->made[i].place;

        t->entries[t->head + t->n++] = (struct reclog_entry){
            .first_seq = f->first_seq, .batch = (uint32_t) (j->batch_seq - r->base_batch), .at = j->made[i].at,
            .len = (uint32_t) khlog_data_size(f->zstd.n), .number = j->made[i].number, .n_events = f->n_events,
            .place = p->id, .flags = (uint16_t) frame_flags(j, i),
        };
        if (p->n_unsealed++ == 0)
            p->file->n_needed++;
        r->unsealed_bytes += f->track == 0 ? f->zstd.n : 0;
        r->marked += f->marks == KHLOG_LATE;
    }
    r->next_seq = j->first_seq + j->n_events;
    r->next_batch = j->batch_seq + 1;
    r->hold = j->hold;
    r->w_failed = ERR_OK;
    l->stats.appends++;
    l->stats.records += j->n;
    l->stats.bytes += j->encoded;
    reclog_news(r);
}

/* Under the lock: what the group made durable is there for everybody. */
static void show_files(struct reclog *l)
{
    struct list *node;

    while ((node = list_pop(&l->fresh)) != NULL) {
        struct reclog_place *p = LIST_ENTRY(node, struct reclog_place, node);

        list_append(&p->rec->places, &p->node);
        p->rec = NULL;
    }
    LIST_FOREACH (file, &l->files) {
        struct reclog_file *f = LIST_ENTRY(file, struct reclog_file, node);

        f->size = f->end;
    }
    while ((node = list_pop(&l->flushed)) != NULL)
        reclog_cache_add(&l->cache, LIST_ENTRY(node, struct reclog_blob, node));
    l->stats.groups++;
}

/* Every batch of the group hears what became of it. */
static void finish_group(struct reclog *l, struct list *group, bool shown)
{
    struct list *node;

    reclog_enter(l);
    if (shown)
        show_files(l);
    while ((node = list_pop(group)) != NULL) {
        struct reclog_job *j = LIST_ENTRY(node, struct reclog_job, node);

        if (j->result == ERR_OK)
            show_job(l, j);
        else
            l->stats.failed++;
        l->queued_bytes -= j->bytes;
        j->rec->tracks[0].reserved -= j->n - j->n_reveal;
        j->rec->tracks[1].reserved -= j->n_reveal;
        j->rec->n_group--;
        j->state = RECLOG_JOB_OVER;
        list_append(&j->rec->port->finished, &j->node);
        reclog_port_kick(j->rec->port);
    }
    (void) pthread_cond_broadcast(&l->idle);
    reclog_leave(l);
}

/* The disk failed: nothing is acknowledged any more. fatal() is not meant to return. */
static void die(struct reclog *l, struct list *group, const struct err_info *why)
{
    struct list *node;

    if (l->o.fatal != NULL)
        l->o.fatal(l->o.fatal_ctx, why);
    reclog_enter(l);
    l->dead = true;
    while ((node = list_pop(&l->queue)) != NULL) {
        struct reclog_job *j = LIST_ENTRY(node, struct reclog_job, node);

        j->state = RECLOG_JOB_GROUP;
        j->rec->n_group++;
        list_append(group, node);
    }
    reclog_leave(l);
    undo(l, group, ERR_IO);
}

static void run_group(struct reclog *l, struct list *group)
{
    struct err_info why = { .code = ERR_OK };
    enum err e;

    l->group_left = 0;
    LIST_FOREACH (node, group) {
        const struct reclog_job *j = LIST_ENTRY(node, struct reclog_job, node);

        l->group_left += j->encoded + opens_size(l, j->rec);
    }
    e = write_group(l, group, &why);
    if (e != ERR_OK && e != ERR_IO) {
        undo(l, group, e);
        if (cut_back(l, &why) != ERR_OK)
            e = ERR_IO;
        give_up_file(l);
    }
    if (e == ERR_IO)
        die(l, group, &why);
    finish_group(l, group, e == ERR_OK);
}

/* ---- between groups ---- */

/* Under the lock: what the recording no longer needs of files that do not grow. */
static void release_places(struct reclog *l, struct reclog_rec *r)
{
    LIST_FOREACH (node, &r->places) {
        struct reclog_place *p = LIST_ENTRY(node, struct reclog_place, node);

        if (p->n_unsealed > 0 || p->file == l->file)
            continue;
        if (r->tracks[p->track].w_place == p)
            r->tracks[p->track].w_place = NULL;
        p->key = khlog_key_free(p->key);
        list_remove(&p->node);
        reclog_place_unref(l, p);
    }
}

/* Not synced, and allowed to fail: the keeper knows it as well. */
static void write_close(struct reclog *l, struct reclog_file *f, uint32_t local, uint32_t number)
{
    uint8_t record[KHLOG_CLOSE_LEN];

    if (f->spoiled || f->end + sizeof(record) > l->o.file_bytes)
        return;
    khlog_write_close(local, number, record);
    f->spoiled = disk_write(l, f, f->end, SPAN_OF(record)) != 0;
    if (!f->spoiled)
        f->end += sizeof(record);
    else if (f == l->file)
        give_up_file(l);
}

/* Close records of one recording. False: no recording wants any. */
static bool close_one(struct reclog *l)
{
    struct {
        struct reclog_file *file;
        uint32_t local, number;
    } closes[8]; /* more places at once are rare, and a close record is no duty */
    struct list *node;
    size_t n = 0;

    reclog_enter(l);
    node = list_pop(&l->closing);
    if (node != NULL) {
        struct reclog_rec *r = LIST_ENTRY(node, struct reclog_rec, closing);

        LIST_FOREACH (at, &r->places) {
            struct reclog_place *p = LIST_ENTRY(at, struct reclog_place, node);

            if (!p->close_wanted || n == sizeof(closes) / sizeof(closes[0]))
                continue;
            p->close_wanted = false;
            if (p->file->n_needed == 0 && p->file != l->file)
                continue; /* the file goes */
            p->file->refs++;
            closes[n].file = p->file;
            closes[n].local = p->local;
            closes[n++].number = p->close_number;
        }
        release_places(l, r);
    }
    reclog_leave(l);
    for (size_t i = 0; i < n; i++)
        write_close(l, closes[i].file, closes[i].local, closes[i].number);
    reclog_enter(l);
    for (size_t i = 0; i < n; i++)
        reclog_file_unref(l, closes[i].file);
    reclog_leave(l);
    return node != NULL;
}

static bool is_old(const struct reclog *l, const struct reclog_file *f)
{
    return clock_boot_ms() - f->born >= l->o.old_ms;
}

/* Files that hold nothing unsealed go; the current one too when it is old, or when this is the end. */
static void remove_files(struct reclog *l)
{
    struct list gone;

    list_init(&gone);
    reclog_enter(l);
    LIST_FOREACH (file, &l->files) {
        struct reclog_file *f = LIST_ENTRY(file, struct reclog_file, node);

        if (f->n_needed > 0 || (f == l->file && !l->stop && !is_old(l, f)))
            continue;
        if (f == l->file)
            l->file = NULL;
        list_remove(&f->node);
        list_append(&gone, &f->node);
    }
    if (!list_empty(&gone)) {
        MAP_FOREACH (struct reclog_rec, r, &l->recs)
            release_places(l, r);
    }
    reclog_leave(l);
    while (!list_empty(&gone)) { /* the newest first, as in cut_back */
        struct reclog_file *f = LIST_ENTRY(gone.prev, struct reclog_file, node);
        char name[RECLOG_NAME_CAP];

        list_remove(&f->node);
        reclog_name(f->file_no, name);
        if (l->o.io != NULL)
            l->o.io->removing(l->o.io->ctx, f->file_no);
        (void) os_file_remove(l->dir, name, NULL); /* if it stays, recovery finds that pieces hold all of it */
        reclog_enter(l);
        reclog_file_unref(l, f);
        reclog_leave(l);
    }
}

/* Under the lock: recordings with unsealed data in the file are asked to seal. */
static void press_all_in(struct reclog *l, struct reclog_file *f)
{
    f->pressed = true;
    if (f == l->file)
        l->file = NULL; /* or it would fill again */
    MAP_FOREACH (struct reclog_rec, r, &l->recs) {
        bool in = false;

        LIST_FOREACH (node, &r->places) {
            const struct reclog_place *p = LIST_ENTRY(node, struct reclog_place, node);

            in |= p->file == f && p->n_unsealed > 0;
        }
        if (!in || list_linked(&r->pressing) || r->pressed > f->file_no)
            continue;
        r->pressed = f->file_no + 1;
        list_append(&r->port->pressing, &r->pressing);
        reclog_port_kick(r->port);
    }
}

static void press(struct reclog *l)
{
    uint64_t total = 0;

    reclog_enter(l);
    LIST_FOREACH (node, &l->files)
        total += LIST_ENTRY(node, struct reclog_file, node)->size;
    LIST_FOREACH (node, &l->files) {
        struct reclog_file *f = LIST_ENTRY(node, struct reclog_file, node);

        if ((total > l->o.total_bytes || is_old(l, f)) && !f->pressed && f->n_needed > 0)
            press_all_in(l, f);
        if (total > l->o.total_bytes)
            total -= f->size; /* as if it were gone */
    }
    reclog_leave(l);
}

static void close_dead(struct reclog *l)
{
    struct list dead, *node;

    list_init(&dead);
    reclog_enter(l);
    while ((node = list_pop(&l->dead_files)) != NULL)
        list_append(&dead, node);
    reclog_leave(l);
    while ((node = list_pop(&dead)) != NULL) {
        struct reclog_file *f = LIST_ENTRY(node, struct reclog_file, node);

        os_closep(&f->fd);
        free(f);
    }
}

/* ---- the thread ---- */

/* Under the lock: sleeps until there is work, or a file gets old. */
static void wait_for_work(struct reclog *l)
{
    time_ms now = clock_boot_ms(), in = INT64_MAX;
    struct timespec until;

    LIST_FOREACH (node, &l->files) {
        const struct reclog_file *f = LIST_ENTRY(node, struct reclog_file, node);
        time_ms left = f->born + l->o.old_ms - now;

        if (!f->pressed && left < in)
            in = left > 0 ? left : 0;
    }
    if (in == INT64_MAX || l->dead) {
        (void) pthread_cond_wait(&l->wake, &l->lock);
        return;
    }
    (void) clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t) (in / 1000);
    until.tv_nsec += (long) (in % 1000) * 1000000 + 1000000; /* not a moment too early */
    if (until.tv_nsec >= 1000000000)
        until.tv_sec++, until.tv_nsec -= 1000000000;
    (void) pthread_cond_timedwait(&l->wake, &l->lock, &until);
}

/* Under the lock: the next group, perhaps empty. */
static void take_group(struct reclog *l, struct list *group)
{
    size_t bytes = 0;

    while (!list_empty(&l->queue)) {
        struct reclog_job *j = LIST_ENTRY(l->queue.next, struct reclog_job, node);

        if (!list_empty(group) && bytes + j->bytes > GROUP_BYTES)
            return;
        bytes += j->bytes;
        list_remove(&j->node);
        list_append(group, &j->node);
        j->state = RECLOG_JOB_GROUP;
        j->rec->n_group++;
    }
}

void *reclog_writer(void *arg)
{
    struct reclog *l = arg;
    struct list group;
    bool more = true;

    list_init(&group);
    while (more) {
        reclog_enter(l);
        if (!l->stop && list_empty(&l->queue) && list_empty(&l->closing) && list_empty(&l->dead_files))
            wait_for_work(l);
        take_group(l, &group);
        more = !l->stop || !list_empty(&l->queue) || !list_empty(&group);
        reclog_leave(l);
        if (!list_empty(&group))
            run_group(l, &group);
        if (!l->dead) { /* only this thread sets it */
            while (close_one(l))
                continue;
            remove_files(l);
            press(l);
        }
        close_dead(l);
    }
    return NULL;
}
