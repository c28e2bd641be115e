#include <fcntl.h>
#include <stdlib.h>

#include "crypto/hash.h"
#include "os/file.h"
#include "store/reclog_int.h"

/*
 * Recovery, without a key. Every file of earlier processes is read up to its first bad record (read_file); per recording
 * and key number the whole batches are chosen, over all files (choose); what is chosen of one recording in one file is a
 * 'found', and becomes one KHSPL1 piece, byte for byte, as far as the keeper's pieces do not hold it (reclog_recover_write).
 */

struct record {
    uint64_t batch_seq, first_seq;
    uint32_t at, len;
    uint32_t number, n_events;
    uint8_t flags;
    bool kept;
};

struct old_file {
    uint32_t file_no;
    size_t n_left; /* found in it, and not done */
};

/* One recording in one file. */
struct local {
    struct old_file *file;
    uint8_t opened[KHLOG_OPEN_MAX]; /* its open record */
    size_t opened_len;
    struct khlog_record open;       /* borrows from 'opened' */
    uint32_t close;
    struct record *records;
    size_t n, cap;
    bool done;
};

struct reclog_recovery {
    struct reclog *log;
    struct old_file *files;
    size_t n_files, files_cap;
    struct local **locals; /* sorted by recording, key number, file, local, once all are read */
    size_t n_locals, locals_cap;
    struct reclog_found *found; /* found[i] is of of[i] */
    struct local **of;
    size_t n_found;
    uint64_t torn;
};

static void local_free(struct local *x)
{
    if (x != NULL)
        free(x->records);
    free(x);
}

struct reclog_recovery *reclog_recovery_free(struct reclog_recovery *v)
{
    struct reclog *l;

    if (v == NULL)
        return NULL;
    for (size_t i = 0; i < v->n_locals; i++)
        local_free(v->locals[i]);
    free(v->locals);
    free(v->files);
    free(v->found);
    free(v->of);
    l = v->log;
    free(v);
    reclog_enter(l);
    l->refs--;
    reclog_leave(l);
    return NULL;
}

void reclog_recovery_freep(struct reclog_recovery **v)
{
    *v = reclog_recovery_free(*v);
}

/* Room for one more element. False: no memory. */
static bool grow(void **array, size_t n, size_t *cap, size_t size)
{
    size_t more_cap = *cap == 0 ? 16 : *cap * 2;
    void *more;

    if (n < *cap)
        return true;
    more = realloc(*array, more_cap * size);
    if (more == NULL)
        return false;
    *array = more;
    *cap = more_cap;
    return true;
}

/* ---- reading a file ---- */

/* What is read of one file: its locals are v->locals[base ..]. */
struct reading {
    struct reclog_recovery *v;
    struct old_file *file;
    size_t base;
};

static enum err add_local(struct reading *g, const struct khlog_record *r, struct err_info *reterr)
{
    struct reclog_recovery *v = g->v;
    struct local *x = calloc(1, sizeof(*x));

    if (x == NULL || !grow((void **) &v->locals, v->n_locals, &v->locals_cap, sizeof(v->locals[0]))) {
        free(x);
        return ERR_RAISE(reterr, ERR_NOMEM, "recordings of a log file");
    }
    x->file = g->file;
    x->opened_len = r->bytes.n;
    memcpy(x->opened, r->bytes.p, r->bytes.n);
    (void) khlog_record_read(span_of(x->opened, x->opened_len), &x->open); /* the same bytes; now it borrows from us */
    v->locals[v->n_locals++] = x;
    return ERR_OK;
}

static enum err add_record(struct local *x, const struct khlog_record *r, uint64_t at, struct err_info *reterr)
{
    if (!grow((void **) &x->records, x->n, &x->cap, sizeof(x->records[0])))
        return ERR_RAISE(reterr, ERR_NOMEM, "records of a log file");
    x->records[x->n++] = (struct record){
        .batch_seq = r->data.batch_seq, .first_seq = r->data.first_seq, .at = (uint32_t) at,
        .len = (uint32_t) r->bytes.n, .number = r->data.number, .n_events = r->data.n_events,
        .flags = (uint8_t) r->data.flags,
    };
    return ERR_OK;
}

/* *ret_ok false: a whole record that cannot stand here: what follows is left from before. */
static enum err take_record(struct reading *g, const struct khlog_record *r, uint64_t at, bool *ret_ok,
                            struct err_info *reterr)
{
    size_t n_locals = g->v->n_locals - g->base;
    struct local *x = r->local < n_locals ? g->v->locals[g->base + r->local] : NULL;

    switch (r->type) {
    case KHLOG_OPEN:
        *ret_ok = r->local == n_locals;
        return *ret_ok ? add_local(g, r, reterr) : ERR_OK;
    case KHLOG_DATA:
        *ret_ok = x != NULL && (x->n == 0 || r->data.number > x->records[x->n - 1].number);
        return *ret_ok ? add_record(x, r, at, reterr) : ERR_OK;
    case KHLOG_CLOSE:
        *ret_ok = x != NULL;
        if (*ret_ok && r->close > x->close)
            x->close = r->close;
        return ERR_OK;
    }
    *ret_ok = false;
    return ERR_OK;
}

static enum err read_records(struct reading *g, struct khlog_scan *scan, struct err_info *reterr)
{
    uint64_t end = KHLOG_HEADER_LEN, at = 0;
    enum khlog_step step;
    struct khlog_record r;
    uint32_t file_no = 0;

    TRY(khlog_scan_header(scan, KHLOG_FILE_LOG, &file_no, &step, reterr));
    if (step != KHLOG_STEP_RECORD || file_no != g->file->file_no) {
        g->v->torn += scan->source.size;
        return ERR_OK;
    }
    for (bool ok = true; ok;) {
        TRY(khlog_scan_next(scan, &r, &at, &step, reterr));
        if (step != KHLOG_STEP_RECORD)
            break;
        TRY(take_record(g, &r, at, &ok, reterr));
        if (ok)
            end = scan->at;
    }
    g->v->torn += scan->source.size - end;
    return ERR_OK;
}

static enum err read_file(struct reclog_recovery *v, struct old_file *f, struct err_info *reterr)
{
    CLEANUP(os_closep) int fd = -1;
    CLEANUP(khlog_scan_deinit) struct khlog_scan scan = { .at = 0 };
    struct reading g = { .v = v, .file = f, .base = v->n_locals };
    struct store_file file;
    struct khseg_source src;
    char name[RECLOG_NAME_CAP];
    uint64_t size = 0;

    reclog_name(f->file_no, name);
    TRY(os_file_open(v->log->dir, name, O_RDONLY | O_NONBLOCK, &fd, reterr));
    TRY(os_file_size(fd, &size, reterr));
    file = (struct store_file){ fd, size < KHLOG_FILE_MAX ? size : KHLOG_FILE_MAX };
    src = store_source(&file);
    khlog_scan_init(&scan, &src);
    return read_records(&g, &scan, reterr);
}

/* ---- which files ---- */

static enum err note_file(void *ctx, const char *name, unsigned type, struct err_info *reterr)
{
    struct reclog_recovery *v = ctx;
    uint32_t no;

    (void) type;
    if (!reclog_parse_name(name, &no) || no >= v->log->first_no)
        return ERR_OK;
    if (!grow((void **) &v->files, v->n_files, &v->files_cap, sizeof(v->files[0])))
        return ERR_RAISE(reterr, ERR_NOMEM, "list of log files");
    v->files[v->n_files++] = (struct old_file){ .file_no = no };
    return ERR_OK;
}

static int by_number(const void *a, const void *b)
{
    const struct old_file *x = a, *y = b;

    return x->file_no < y->file_no ? -1 : x->file_no > y->file_no;
}

static int by_recording(const void *a, const void *b)
{
    const struct local *x = *(struct local *const *) a, *y = *(struct local *const *) b;
    int c = span_cmp(x->open.open.rid, y->open.open.rid);

    if (c == 0)
        c = span_cmp(x->open.open.project, y->open.open.project);
    if (c == 0)
        c = x->open.open.kn - y->open.open.kn;
    if (c == 0)
        c = x->open.open.track - y->open.open.track;
    if (c == 0 && x->file->file_no != y->file->file_no)
        c = x->file->file_no < y->file->file_no ? -1 : 1;
    if (c == 0)
        c = x->open.local < y->open.local ? -1 : x->open.local > y->open.local;
    return c;
}

static bool same_key(const struct local *x, const struct local *y)
{
    return span_eq(x->open.open.rid, y->open.open.rid) && span_eq(x->open.open.project, y->open.open.project) &&
           x->open.open.kn == y->open.open.kn && x->open.open.track == y->open.open.track;
}

/* ---- which records ---- */

struct choice {
    struct record **kept;
    size_t n;
    size_t start; /* where the batch begins that has no last record yet */
    bool open;    /* there is such a batch */
};

static void choose_one(struct choice *c, struct record *r)
{
    const struct record *p = c->n == 0 ? NULL : c->kept[c->n - 1];

    if (c->open && (r->batch_seq != p->batch_seq || r->first_seq != p->first_seq + p->n_events ||
                    (r->flags & KHLOG_HEAD) != 0)) {
        c->n = c->start; /* it was never finished */
        c->open = false;
    }
    if (!c->open) {
        while (c->n > 0 && c->kept[c->n - 1]->batch_seq >= r->batch_seq)
            c->n--; /* its write failed, and here it comes again */
        c->start = c->n;
    }
    c->kept[c->n++] = r;
    c->open = (r->flags & KHLOG_LAST) == 0;
}

/* locals: all of one recording and key number, in the order of writing. */
static enum err choose(struct local **locals, size_t n, struct err_info *reterr)
{
    struct choice c = { .kept = NULL };
    size_t total = 0;

    for (size_t i = 0; i < n; i++)
        total += locals[i]->n;
    c.kept = malloc((total + 1) * sizeof(c.kept[0]));
    if (c.kept == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "choosing among %zu records", total);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < locals[i]->n; j++)
            choose_one(&c, &locals[i]->records[j]);
    }
    if (c.open)
        c.n = c.start;
    for (size_t i = 0; i < c.n; i++)
        c.kept[i]->kept = true;
    free(c.kept);
    return ERR_OK;
}

/* Track 1 of these counts as far as track 0 (the locals before them) does: its records were written first. */
static void choose_reveal(struct local **whole, size_t n_whole, struct local **reveal, size_t n)
{
    uint64_t next_batch = 0;

    for (size_t i = 0; i < n_whole; i++) {
        for (size_t j = 0; j < whole[i]->n; j++) {
            const struct record *r = &whole[i]->records[j];

            if (r->kept && r->batch_seq >= next_batch)
                next_batch = r->batch_seq + 1;
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < reveal[i]->n; j++)
            reveal[i]->records[j].kept = reveal[i]->records[j].kept && reveal[i]->records[j].batch_seq < next_batch;
    }
}

static bool same_number(const struct local *x, const struct local *y)
{
    return span_eq(x->open.open.rid, y->open.open.rid) && span_eq(x->open.open.project, y->open.open.project) &&
           x->open.open.kn == y->open.open.kn;
}

static enum err choose_all(struct reclog_recovery *v, struct err_info *reterr)
{
    size_t whole = 0, n_whole = 0; /* track 0 of the key number before */

    if (v->n_locals > 0)
        qsort(v->locals, v->n_locals, sizeof(v->locals[0]), by_recording);
    for (size_t i = 0, n; i < v->n_locals; i += n) {
        for (n = 1; i + n < v->n_locals && same_key(v->locals[i], v->locals[i + n]);)
            n++;
        TRY(choose(&v->locals[i], n, reterr));
        if (v->locals[i]->open.open.track > 0) {
            choose_reveal(&v->locals[whole], same_number(v->locals[whole], v->locals[i]) ? n_whole : 0, &v->locals[i], n);
            continue;
        }
        whole = i;
        n_whole = n;
    }
    return ERR_OK;
}

/* Drops what is not chosen, or closed. What is left is a 'found'. */
static bool summarize(struct local *x, struct reclog_found *ret)
{
    const struct khlog_open *o = &x->open.open;
    size_t n = 0;

    for (size_t i = 0; i < x->n; i++) {
        if (x->records[i].kept && x->records[i].number >= x->close)
            x->records[n++] = x->records[i];
    }
    x->n = n;
    if (n == 0)
        return false;
    *ret = (struct reclog_found){
        .project = o->project, .rid = o->rid, .wrap = o->wrap, .kn = o->kn, .track = o->track,
        .file_no = x->file->file_no, .local = x->open.local, .first_seq = x->records[0].first_seq,
        .next_seq = x->records[n - 1].first_seq + x->records[n - 1].n_events,
        .first_batch = x->records[0].batch_seq, .next_batch = x->records[0].batch_seq, .n_records = (uint32_t) n,
    };
    for (size_t i = 0; i < n; i++) {
        if ((x->records[i].flags & KHLOG_LAST) != 0)
            ret->next_batch = x->records[i].batch_seq + 1;
        if ((x->records[i].flags & KHLOG_UNSURE) != 0)
            ret->unsure = x->records[i].batch_seq == x->records[n - 1].batch_seq;
    }
    return true;
}

static enum err collect(struct reclog_recovery *v, struct err_info *reterr)
{
    v->found = calloc(v->n_locals + 1, sizeof(v->found[0]));
    v->of = calloc(v->n_locals + 1, sizeof(v->of[0]));
    if (v->found == NULL || v->of == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "what %zu log files hold", v->n_files);
    for (size_t i = 0; i < v->n_locals; i++) {
        if (!summarize(v->locals[i], &v->found[v->n_found]))
            continue;
        v->of[v->n_found++] = v->locals[i];
        v->locals[i]->file->n_left++;
    }
    return ERR_OK;
}

/* ---- files that are done ---- */

static enum err remove_file(struct reclog_recovery *v, const struct old_file *f, struct err_info *reterr)
{
    char name[RECLOG_NAME_CAP];

    reclog_name(f->file_no, name);
    TRY(os_file_remove(v->log->dir, name, reterr));
    return os_sync(v->log->dir, reterr);
}

static enum err scan(struct reclog_recovery *v, struct err_info *reterr)
{
    TRY(os_dir_each(v->log->dir, note_file, v, reterr));
    if (v->n_files > 0)
        qsort(v->files, v->n_files, sizeof(v->files[0]), by_number);
    for (size_t i = 0; i < v->n_files; i++)
        TRY(read_file(v, &v->files[i], reterr));
    TRY(choose_all(v, reterr));
    TRY(collect(v, reterr));
    for (size_t i = 0; i < v->n_files; i++) {
        if (v->files[i].n_left == 0)
            TRY(remove_file(v, &v->files[i], reterr));
    }
    return ERR_OK;
}

enum err reclog_recover_scan(struct reclog *l, struct reclog_recovery **ret, struct err_info *reterr)
{
    CLEANUP(reclog_recovery_freep) struct reclog_recovery *v = calloc(1, sizeof(*v));

    if (v == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "recovery of the log");
    v->log = l;
    reclog_enter(l);
    l->refs++;
    reclog_leave(l);
    TRY(scan(v, reterr));
    *ret = TAKE(v);
    return ERR_OK;
}

size_t reclog_recovery_n(const struct reclog_recovery *v)
{
    return v->n_found;
}

const struct reclog_found *reclog_recovery_at(const struct reclog_recovery *v, size_t i)
{
    return i < v->n_found ? &v->found[i] : NULL;
}

uint64_t reclog_recovery_torn(const struct reclog_recovery *v)
{
    return v->torn;
}

enum err reclog_recover_done(struct reclog_recovery *v, size_t i, struct err_info *reterr)
{
    struct local *x;

    if (i >= v->n_found)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "recovery: no item %zu", i);
    x = v->of[i];
    if (x->done)
        return ERR_OK;
    if (x->file->n_left == 1)
        TRY(remove_file(v, x->file, reterr));
    x->file->n_left--;
    x->done = true;
    return ERR_OK;
}

/* ---- making a piece ---- */

/* The records that the keeper's pieces do not hold: [*ret_from, x->n). ERR_INVAL: some between are missing. */
static enum err what_is_new(const struct local *x, uint64_t have_seq, uint64_t have_batch, size_t *ret_from,
                            struct err_info *reterr)
{
    uint64_t seq = have_seq;
    size_t i = 0;

    while (i < x->n && (x->records[i].batch_seq < have_batch ||
                        (x->records[i].first_seq < have_seq && /* a batch that was divided by a rotation */
                         x->records[i].first_seq + x->records[i].n_events <= have_seq)))
        i++;
    *ret_from = i;
    for (; i < x->n; i++) {
        if (x->records[i].first_seq != seq)
            return ERR_RAISE(reterr, ERR_INVAL, "recovery: event %llu is missing, %llu is there",
                             (unsigned long long) seq, (unsigned long long) x->records[i].first_seq);
        seq += x->records[i].n_events;
    }
    return ERR_OK;
}

static enum err copy_record(int fd, const struct record *r, struct buf *out, struct err_info *reterr)
{
    struct khlog_record now;
    uint8_t *to = buf_reserve(out, r->len);

    if (to == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "recovery: a piece of %zu bytes", out->n);
    TRY(os_pread_all(fd, r->at, to, r->len, reterr));
    if (!khlog_record_read(span_of(to, r->len), &now) || now.type != KHLOG_DATA || now.data.number != r->number)
        return ERR_RAISE(reterr, ERR_CORRUPT, "recovery: a record changed between two readings");
    out->n += r->len;
    return ERR_OK;
}

static enum err make_piece(const struct reclog_recovery *v, const struct local *x, size_t from, struct buf *out,
                           struct err_info *reterr)
{
    CLEANUP(os_closep) int fd = -1;
    uint8_t header[KHLOG_HEADER_LEN];
    char name[RECLOG_NAME_CAP];

    reclog_name(x->file->file_no, name);
    TRY(os_file_open(v->log->dir, name, O_RDONLY | O_NONBLOCK, &fd, reterr));
    khlog_header(KHLOG_FILE_SPL, x->file->file_no, header);
    buf_add(out, header, sizeof(header));
    buf_add(out, x->opened, x->opened_len);
    for (size_t i = from; i < x->n; i++)
        TRY(copy_record(fd, &x->records[i], out, reterr));
    return buf_check(out, reterr);
}

static struct reclog_piece piece_of(const struct local *x, size_t from, struct span file)
{
    struct reclog_piece p = { .size = file.n, .first_seq = x->records[from].first_seq,
                              .next_batch = x->records[from].batch_seq, .n_chunks = (uint32_t) (x->n - from) };

    for (size_t i = from; i < x->n; i++) {
        p.n_events += x->records[i].n_events;
        if ((x->records[i].flags & KHLOG_LAST) != 0)
            p.next_batch = x->records[i].batch_seq + 1;
    }
    sha256(file, p.sha256);
    return p;
}

enum err reclog_recover_write(const struct reclog_recovery *v, size_t i, uint64_t have_next_seq,
                              uint64_t have_next_batch, const struct store *store, const struct store_piece *p,
                              struct reclog_piece *ret, struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf file = BUF_INIT(KHLOG_FILE_MAX);
    const struct local *x;
    size_t from = 0;

    if (i >= v->n_found)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "recovery: no item %zu", i);
    x = v->of[i];
    TRY(what_is_new(x, have_next_seq, have_next_batch, &from, reterr));
    if (from == x->n)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "recovery: pieces hold all of it");
    TRY(make_piece(v, x, from, &file, reterr));
    TRY(store_put(store, p, buf_span(&file), reterr));
    *ret = piece_of(x, from, buf_span(&file));
    return ERR_OK;
}
