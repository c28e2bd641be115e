/*
 * The end of a recording: neighbours that are smaller than half a segment are joined, as many as fill one. Each file is read
 * once; chunks, screens and head are copied as they are stored, under a new key.
 */
#include "gate/seal_int.h"

#include <stdlib.h>

#include "base/arena.h"

static bool follows(const struct ipc_row_piece *a, const struct ipc_row_piece *b)
{
    return a->first_seq + a->n_events == b->first_seq && a->first_chunk + a->n_chunks == b->first_chunk;
}

/* How many pieces from own[i] on make one file; 1: it stays. */
static size_t plan(const struct seal_own *own, size_t i, size_t target)
{
    uint64_t sum = 0;
    size_t n = 0;

    while (i + n < own->n && own->rows[i + n].size < target / 2 && sum + own->rows[i + n].size <= target &&
           (n == 0 || follows(&own->rows[i + n - 1], &own->rows[i + n])))
        sum += own->rows[i + n++].size;
    return n > 1 ? n : 1;
}

struct open_piece {
    struct store_file file;
    struct segment_reader *reader;
    struct khseg_source source;
};

static void close_piece(struct open_piece *p)
{
    p->reader = segment_reader_free(p->reader);
    store_close(&p->file);
}

static enum err open_piece(struct seal *s, const struct ipc_row_piece *row, struct open_piece *p,
                           struct err_info *reterr)
{
    const struct store_piece place = { span_str(s->pid), span_str(s->rid), row->seg_no };
    const struct khseg_context c = seal_place(s, row->track, row->seg_no);

    *p = (struct open_piece){ .file = STORE_FILE_NONE };
    TRY(store_get(s->store, &place, &p->file, reterr));
    p->source = store_source(&p->file);
    return segment_open(&p->source, seal_key(s, row->track), &c, &p->reader, reterr);
}

/* Adds these pieces; *ret_n: how many went in, as the tables have room. */
static enum err fill(struct seal *s, const struct ipc_row_piece *rows, size_t n, struct segment_builder *b, size_t *ret_n,
                     struct err_info *reterr)
{
    enum err e = ERR_OK;
    bool fits = true;

    *ret_n = 0;
    while (*ret_n < n && fits && e == ERR_OK) {
        struct open_piece p;

        e = open_piece(s, &rows[*ret_n], &p, reterr);
        if (e == ERR_OK)
            fits = segment_fits(b, p.reader);
        if (e == ERR_OK && fits) {
            e = segment_add_segment(b, p.reader, reterr);
            ++*ret_n;
        }
        close_piece(&p);
    }
    return e;
}

static enum err note_gone(struct seal *s, const struct ipc_row_piece *rows, size_t n, struct err_info *reterr)
{
    struct seal_job *job = s->job;
    struct ipc_row_number *more = realloc(job->gone, (job->n_gone + n) * sizeof(*more));

    if (more == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "pieces of a recording");
    job->gone = more;
    for (size_t k = 0; k < n; k++)
        job->gone[job->n_gone++].n = rows[k].seg_no;
    return ERR_OK;
}

/* *ret_n: pieces that are done with, joined or not. */
static enum err join(struct seal *s, const struct ipc_row_piece *rows, size_t n, size_t *ret_n, struct err_info *reterr)
{
    const struct segment_options o = { .zstd_level = s->job->zstd_level, .target_bytes = seal_target(s->job),
                                       .first_seq = rows->first_seq };
    struct seal_which which = { .track = rows->track, .first_chunk = rows->first_chunk };
    struct segment_builder *b = NULL;
    uint32_t at = s->job->n_pieces;
    enum err e = seal_builder(s, which.track, &o, &b, &which.seg_no, reterr);

    if (e == ERR_OK)
        e = fill(s, rows, n, b, ret_n, reterr);
    if (e != ERR_OK || *ret_n < 2) {
        (void) segment_builder_free(b);
        return e;
    }
    TRY(seal_put(s, b, which, reterr));
    if (s->job->pieces[at].row.n_chunks == 0)
        s->job->pieces[at].row.t_first_us = s->job->pieces[at].row.t_last_us = rows->t_last_us;
    return note_gone(s, rows, *ret_n, reterr);
}

static enum err merge(struct seal *s, const struct seal_own *own, struct err_info *reterr)
{
    size_t i = 0;

    while (i < own->n) {
        size_t n = plan(own, i, seal_target(s->job)), done = 1;

        if (n > 1)
            TRY(join(s, &own->rows[i], n, &done, reterr));
        i += done;
    }
    return ERR_OK;
}

void seal_merge_run(void *arg)
{
    struct seal_job *job = arg;
    struct seal *s = job->seal;

    seal_job_reset(job);
    s->job = job;
    job->err = ERR_OK;
    for (unsigned i = 0; i < SEAL_TRACKS && job->err == ERR_OK; i++)
        job->err = merge(s, &s->own[i], &job->why);
    if (job->err != ERR_OK) {
        seal_unput(s);
        job->n_gone = 0;
    }
    job->next_seq = s->at.next_seq;
    job->bytes = s->at.bytes;
    job->last_us = s->at.seek;
    s->job = NULL;
}
