#include <stdlib.h>

#include "os/file.h"
#include "store/reclog_int.h"

/* Snapshots of what is durable and in no piece. The bytes stay in the log, in files that a snapshot's places hold open. */

struct where {
    struct reclog_place *place;
    uint32_t at, len, number;
};

struct tail {
    struct reclog_tail pub; /* first: the caller's pointer */
    struct reclog_rec *rec;
    const struct reclog_track *track;
    struct reclog_record *records;
    struct where *where;
    size_t n_places;
    struct reclog_place **places; /* a ref each */
};

/* The first entry that holds an event from seq on; all of them from 0. */
static size_t first_of(const struct reclog_track *t, uint64_t seq)
{
    size_t low = 0, high = t->n;

    while (seq > 0 && low < high) {
        size_t mid = low + (high - low) / 2;
        const struct reclog_entry *e = &t->entries[t->head + mid];

        if (e->first_seq + e->n_events > seq)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static struct tail *new_tail(size_t n, size_t n_places)
{
    struct tail *t = calloc(1, sizeof(*t) + n * (sizeof(*t->where) + sizeof(*t->records)) +
                                   n_places * sizeof(*t->places));

    if (t == NULL)
        return NULL;
    t->where = (struct where *) (void *) (t + 1);
    t->records = (struct reclog_record *) (void *) (t->where + n);
    t->places = (struct reclog_place **) (void *) (t->records + n);
    return t;
}

/* What is wanted of a track: records of events from 'seq' on, at most so many; or those with a flag alone. */
struct wanted {
    unsigned track;
    uint64_t seq;
    size_t max; /* 0: all */
    uint32_t flag; /* 0: whatever it is */
};

static void fill(struct tail *t, const struct reclog_rec *r, size_t from, size_t n, uint32_t flag)
{
    size_t k = 0;

    for (size_t i = 0; k < n; i++) {
        const struct reclog_entry *e = &t->track->entries[t->track->head + from + i];

        if (flag != 0 && (e->flags & flag) == 0)
            continue;
        t->records[k] = (struct reclog_record){
            .first_seq = e->first_seq, .batch_seq = r->base_batch + e->batch, .n_events = e->n_events,
            .flags = e->flags, .len = e->len - (uint32_t) khlog_data_size(0),
        };
        t->where[k++] = (struct where){ reclog_place_of(r, e->place), e->at, e->len, e->number };
    }
    t->pub = (struct reclog_tail){
        .kn = r->kn, .track = (uint8_t) (t->track - r->tracks), .growing = !r->ended, .next_seq = r->next_seq, .next_batch = r->next_batch,
        .shown_seq = reclog_shown(r), .sealed_seq = r->sealed_seq, .n = n, .records = t->records,
    };
}

static size_t flagged(const struct reclog_track *t, size_t from, uint32_t flag)
{
    size_t n = 0;

    for (size_t i = from; i < t->n; i++)
        n += (t->entries[t->head + i].flags & flag) != 0;
    return n;
}

static enum err snapshot(struct reclog_rec *r, struct wanted w, struct tail **ret, struct err_info *reterr)
{
    size_t from = first_of(&r->tracks[w.track], w.seq), n = r->tracks[w.track].n - from, n_places = 0;
    struct tail *t;

    if (w.flag != 0)
        n = flagged(&r->tracks[w.track], from, w.flag);
    if (w.max > 0 && n > w.max)
        n = w.max;
    LIST_FOREACH (node, &r->places)
        n_places++;
    t = new_tail(n, n_places);
    if (t == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "tail of %zu records", n);
    t->track = &r->tracks[w.track];
    fill(t, r, from, n, w.flag);
    LIST_FOREACH (node, &r->places) {
        t->places[t->n_places] = LIST_ENTRY(node, struct reclog_place, node);
        t->places[t->n_places++]->refs++;
    }
    t->rec = r;
    r->refs++;
    *ret = t;
    return ERR_OK;
}

static enum err tail_of(struct reclog *l, struct span rid, struct wanted w, struct reclog_tail **ret, struct err_info *reterr)
{
    struct reclog_rec *r;
    struct tail *t = NULL;
    enum err e;

    reclog_enter(l);
    r = map_get(&l->recs, rid);
    if (r == NULL || (w.track > 0 && !r->reveal))
        e = ERR_RAISE(reterr, ERR_NOTFOUND, "log: the recording is not being written here");
    else
        e = snapshot(r, w, &t, reterr);
    reclog_leave(l);
    TRY(e);
    *ret = &t->pub;
    return ERR_OK;
}

enum err reclog_tail(struct reclog *l, struct span rid, uint64_t from_seq, size_t max_records,
                     struct reclog_tail **ret, struct err_info *reterr)
{
    return tail_of(l, rid, (struct wanted){ 0, from_seq, max_records, 0 }, ret, reterr);
}

enum err reclog_tail_reveal(struct reclog *l, struct span rid, uint64_t from_seq, size_t max_records,
                            struct reclog_tail **ret, struct err_info *reterr)
{
    return tail_of(l, rid, (struct wanted){ 1, from_seq, max_records, 0 }, ret, reterr);
}

enum err reclog_tail_late(struct reclog *l, struct span rid, uint64_t from_seq, struct reclog_tail **ret, struct err_info *reterr)
{
    return tail_of(l, rid, (struct wanted){ 0, from_seq, 0, KHLOG_LATE }, ret, reterr);
}

struct reclog_tail *reclog_tail_free(struct reclog_tail *pub)
{
    struct tail *t = (struct tail *) pub;
    struct reclog *l;

    if (t == NULL)
        return NULL;
    l = t->rec->log;
    reclog_enter(l);
    for (size_t i = 0; i < t->n_places; i++)
        reclog_place_unref(l, t->places[i]);
    reclog_rec_unref(t->rec);
    reclog_leave(l);
    free(t);
    return NULL;
}

void reclog_tail_freep(struct reclog_tail **t)
{
    *t = reclog_tail_free(*t);
}

static enum err take_key(const struct tail *t, const struct reclog_place *p, const struct secret *rk,
                         struct khlog_key **key, struct err_info *reterr)
{
    struct khlog_open o = { .kn = t->pub.kn, .track = t->pub.track, .codec = KHLOG_CODEC, .project = span_str(t->rec->project),
                            .rid = span_str(t->rec->rid) };

    memcpy(o.salt, p->salt, sizeof(o.salt));
    memcpy(o.commitment, p->commitment, sizeof(o.commitment));
    if (*key != NULL && khlog_key_fits(*key, &o))
        return ERR_OK;
    *key = khlog_key_free(*key);
    return khlog_key_open(rk, &o, p->file->file_no, key, reterr);
}

static enum err unseal(const struct tail *t, size_t i, struct span bytes, struct khlog_key *key, struct buf *out,
                       struct err_info *reterr)
{
    const struct where *w = &t->where[i];
    struct khlog_record r;

    if (!khlog_record_read(bytes, &r) || r.type != KHLOG_DATA || r.local != w->place->local ||
        r.data.number != w->number)
        return ERR_RAISE(reterr, ERR_CORRUPT, "log: a record of file %u has changed", w->place->file->file_no);
    return khlog_unseal(key, &r, out, reterr);
}

static enum err from_disk(const struct tail *t, size_t i, struct khlog_key *key, struct buf *out,
                          struct err_info *reterr)
{
    const struct where *w = &t->where[i];
    uint8_t *bytes = malloc(w->len);
    enum err e;

    if (bytes == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "record of %u bytes", w->len);
    e = os_pread_all(w->place->file->fd, w->at, bytes, w->len, reterr);
    if (e == ERR_OK)
        e = unseal(t, i, span_of(bytes, w->len), key, out, reterr);
    free(bytes); /* ciphertext */
    return e;
}

enum err reclog_tail_read(struct reclog_tail *pub, size_t i, const struct secret *rk, struct khlog_key **key,
                          struct buf *out, struct err_info *reterr)
{
    const struct tail *t = (const struct tail *) pub;
    struct reclog *l = t->rec->log;
    struct reclog_blob *b;
    const struct where *w;
    enum err e;

    if (i >= pub->n)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "log: the tail has %zu records", pub->n);
    w = &t->where[i];
    TRY(take_key(t, w->place, rk, key, reterr));
    reclog_enter(l);
    b = reclog_cache_find(&l->cache, w->place->file->file_no, w->at, w->len);
    if (b != NULL)
        b->refs++;
    reclog_leave(l);
    if (b == NULL)
        return from_disk(t, i, *key, out, reterr);
    e = unseal(t, i, span_of(b->bytes + (w->at - b->at), w->len), *key, out, reterr);
    reclog_enter(l);
    reclog_blob_unref(b);
    reclog_leave(l);
    return e;
}
