#include "format/khspl.h"

#include <stdlib.h>

#define SIZE_MIN (KHLOG_HEADER_LEN + KHLOG_OPEN_MIN + KHLOG_DATA_MIN)

struct khspl {
    struct khseg_source source;
    uint32_t file_no, local;
    struct khlog_open begin; /* its spans lie in 'opened' */
    uint8_t opened[KHLOG_OPEN_MAX];
    struct khlog_key *key; /* NULL: not unlocked */
    struct khspl_record *records;
    size_t n, cap;
};

struct khspl *khspl_free(struct khspl *s)
{
    if (s == NULL)
        return NULL;
    khlog_key_free(s->key);
    free(s->records);
    free(s);
    return NULL;
}

void khspl_freep(struct khspl **s)
{
    *s = khspl_free(*s);
}

static enum err damaged(const struct khlog_scan *scan, struct err_info *reterr)
{
    return ERR_RAISE(reterr, ERR_CORRUPT, "piece of a log: damaged at byte %llu", (unsigned long long) scan->at);
}

/* Reads the same bytes again, from where its spans stay. */
static bool keep_open(struct khspl *s, struct span record)
{
    struct khlog_record r = { .local = 0 };
    bool ok;

    memcpy(s->opened, record.p, record.n);
    ok = khlog_record_read(span_of(s->opened, record.n), &r);
    s->begin = r.open;
    s->local = r.local;
    return ok;
}

/* Header and open record. */
static enum err read_begin(struct khspl *s, struct khlog_scan *scan, struct err_info *reterr)
{
    struct khlog_record r;
    enum khlog_step step;
    uint64_t at;

    TRY(khlog_scan_header(scan, KHLOG_FILE_SPL, &s->file_no, &step, reterr));
    if (step != KHLOG_STEP_RECORD)
        return damaged(scan, reterr);
    TRY(khlog_scan_next(scan, &r, &at, &step, reterr));
    if (step != KHLOG_STEP_RECORD || r.type != KHLOG_OPEN ||
        !keep_open(s, r.bytes))
        return damaged(scan, reterr);
    return ERR_OK;
}

/* It may come after the one before: numbers grow, a batch ends before the next, no event is missing. */
static bool follows(const struct khspl *s, const struct khlog_record *r)
{
    const struct khspl_record *p;

    if (r->type != KHLOG_DATA || r->local != s->local)
        return false;
    if (s->n == 0)
        return true;
    p = &s->records[s->n - 1];
    return r->data.number > p->number && r->data.first_seq == p->first_seq + p->n_events &&
           ((p->flags & KHLOG_LAST) != 0 ? r->data.batch_seq > p->batch_seq : r->data.batch_seq == p->batch_seq);
}

static enum err add(struct khspl *s, const struct khlog_record *r, uint64_t at, struct err_info *reterr)
{
    if (s->n == s->cap) {
        size_t cap = s->cap == 0 ? 64 : s->cap * 2;
        struct khspl_record *more = realloc(s->records, cap * sizeof(*more));

        if (more == NULL)
            return ERR_RAISE(reterr, ERR_NOMEM, "list of a piece's records");
        s->records = more;
        s->cap = cap;
    }
    s->records[s->n++] = (struct khspl_record){
        .at = at, .len = (uint32_t) r->bytes.n, .number = r->data.number, .n_events = r->data.n_events,
        .flags = r->data.flags, .batch_seq = r->data.batch_seq, .first_seq = r->data.first_seq,
    };
    return ERR_OK;
}

static enum err read_records(struct khspl *s, struct khlog_scan *scan, struct err_info *reterr)
{
    for (;;) {
        struct khlog_record r;
        enum khlog_step step;
        uint64_t at;

        TRY(khlog_scan_next(scan, &r, &at, &step, reterr));
        if (step == KHLOG_STEP_END && s->n > 0)
            return ERR_OK;
        if (step != KHLOG_STEP_RECORD || !follows(s, &r))
            return damaged(scan, reterr);
        TRY(add(s, &r, at, reterr));
    }
}

enum err khspl_open(const struct khseg_source *source, struct khspl **ret, struct err_info *reterr)
{
    CLEANUP(khspl_freep) struct khspl *s = NULL;
    CLEANUP(khlog_scan_deinit) struct khlog_scan scan = { .at = 0 };
    enum err e;

    khlog_scan_init(&scan, source);
    if (source->size < SIZE_MIN || source->size > KHLOG_FILE_MAX)
        return ERR_RAISE(reterr, ERR_CORRUPT, "piece of a log: %llu bytes", (unsigned long long) source->size);
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "piece of a log");
    s->source = *source;
    e = read_begin(s, &scan, reterr);
    if (e == ERR_OK)
        e = read_records(s, &scan, reterr);
    TRY(e);
    *ret = TAKE(s);
    return ERR_OK;
}

uint32_t khspl_file_no(const struct khspl *s)
{
    return s->file_no;
}

const struct khlog_open *khspl_begin(const struct khspl *s)
{
    return &s->begin;
}

size_t khspl_n(const struct khspl *s)
{
    return s->n;
}

const struct khspl_record *khspl_at(const struct khspl *s, size_t i)
{
    return i < s->n ? &s->records[i] : NULL;
}

enum err khspl_unlock(struct khspl *s, const struct secret *rk, struct span project, struct span rid, uint16_t kn,
                      uint8_t track, struct err_info *reterr)
{
    struct khlog_key *key = NULL;

    if (!span_eq(s->begin.project, project) || !span_eq(s->begin.rid, rid) || s->begin.kn != kn ||
        s->begin.track != track)
        return ERR_RAISE(reterr, ERR_CORRUPT, "piece of a log: of another recording, key number or track");
    TRY(khlog_key_open(rk, &s->begin, s->file_no, &key, reterr));
    khlog_key_free(s->key);
    s->key = key;
    return ERR_OK;
}

enum err khspl_read(struct khspl *s, size_t i, struct buf *out, struct err_info *reterr)
{
    const struct khspl_record *p = khspl_at(s, i);
    struct khlog_record r;
    uint8_t *bytes;
    enum err e;

    if (s->key == NULL)
        return ERR_RAISE(reterr, ERR_STATE, "piece of a log: no key");
    if (p == NULL)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "piece of a log: no record %zu", i);
    bytes = malloc(p->len);
    if (bytes == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "record of %u bytes", p->len);
    e = s->source.read(s->source.ctx, p->at, bytes, p->len, reterr);
    if (e == ERR_OK && (!khlog_record_read(span_of(bytes, p->len), &r) || r.type != KHLOG_DATA ||
                        r.local != s->local || r.data.number != p->number))
        e = ERR_RAISE(reterr, ERR_CORRUPT, "piece of a log: record %zu has changed", i);
    if (e == ERR_OK)
        e = khlog_unseal(s->key, &r, out, reterr);
    free(bytes); /* ciphertext */
    return e;
}
