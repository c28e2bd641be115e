#include "keeper/recovered.h"

#include "keeper/ingest.h"
#include "keeper/ongoing.h"
#include "keeper/pieces.h"
#include "keeper/trail.h"

#define RECOVERED_KIND 2 /* KHSPL1 */
#define ROW_BYTES      (1U << 20)

static bool is_there(const struct meta_recording *r)
{
    return span_eq_str(r->state, "open") || span_eq_str(r->state, "complete");
}

/* The row is read into memory of its own: there may be thousands in one question. */
static enum err ask_one(struct job *c, struct span rid, struct ipc_row_recover *ret, struct err_info *reterr)
{
    CLEANUP(arena_deinit) struct arena mem = { 0 };
    struct meta_recording r;
    struct meta_piece_end end;
    enum err e;

    *ret = (struct ipc_row_recover){ .rid = rid };
    arena_init(&mem, ROW_BYTES);
    e = id_check(rid, ID_RECORDING) ? meta_recording_get(c->v, rid, &mem, &r, reterr) : ERR_NOTFOUND;
    if (e == ERR_NOTFOUND || (e == ERR_OK && !is_there(&r)))
        return ERR_OK;
    TRY(e);
    TRY(meta_piece_end(c->v, rid, 0, &end, reterr));
    ret->found = 1;
    ret->pid = arena_span(c->mem, r.project);
    ret->next_seq = (uint64_t) end.next_seq;
    ret->next_batch = (uint64_t) r.next_batch;
    ret->last_us = end.last_us;
    ret->next_seg = (uint32_t) end.next_seg;
    ret->next_chunk = (uint32_t) end.next_chunk;
    /* Its gate is at work on it: the time in which somebody may go on with it begins anew. */
    return meta_recording_touch(c->m, rid, c->now.real, reterr);
}

enum err recovered_ask(struct job *c, const struct ipc_recover_ask *in, struct err_info *reterr)
{
    struct ipc_recover_state s = { .rows = { arena_alloc(c->mem, (in->rids.n + 1) * sizeof(*s.rows.rows)), in->rids.n } };

    if (s.rows.rows == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "recordings of a log");
    for (uint32_t i = 0; i < in->rids.n; i++)
        TRY(ask_one(c, in->rids.rows[i].text, &s.rows.rows[i], reterr));
    return ingest_reply(c, IPC_T_RECOVER_STATE, &s, reterr);
}

static enum err write_leaves(struct job *c, const struct meta_recording *r, const struct ipc_recovered *in,
                             struct err_info *reterr)
{
    for (uint32_t i = 0; i < in->pieces.n; i++) {
        const struct ipc_row_piece *p = &in->pieces.rows[i];
        struct leaf l = trail_leaf(c, LEAF_RECORDING_RECOVERED, trail_log(c, r->project));

        l.rid = r->id;
        l.digest = job_b64(c, p->sha256);
        (void) leaf_add_number(&l, "bytes", (int64_t) p->size);
        (void) leaf_add_number(&l, "from_seq", (int64_t) p->first_seq);
        (void) leaf_add_number(&l, "events", (int64_t) p->n_events);
        TRY(trail_write(c, &l, NULL, reterr));
    }
    return ERR_OK;
}

static enum err keep(struct job *c, struct meta_recording *r, const struct ipc_recovered *in,
                     const struct pieces_ask *ask, struct err_info *reterr)
{
    bool ended = span_eq_str(r->state, "complete");
    struct meta_piece_end end;

    TRY(pieces_store(c, r->id, ask, reterr));
    TRY(meta_piece_end(c->v, r->id, 0, &end, reterr));
    r->events = end.next_seq;
    r->duration_us = end.last_us;
    /* How many event bytes they are nobody can see without the key: their stored size is what is known. */
    for (uint32_t i = 0; i < in->pieces.n; i++)
        r->bytes += (int64_t) in->pieces.rows[i].size;
    if (in->next_batch <= INT64_MAX && (int64_t) in->next_batch > r->next_batch)
        r->next_batch = (int64_t) in->next_batch;
    r->touched_ms = c->now.real;
    TRY(meta_recording_grow(c->m, r, reterr));
    TRY(write_leaves(c, r, in, reterr));
    return ended ? ongoing_seal(c, r, "vanished", reterr) : ERR_OK;
}

enum err recovered_put(struct job *c, const struct ipc_recovered *in, struct err_info *reterr)
{
    const struct pieces_ask ask = { in->pieces.rows, in->pieces.n, NULL, 0, RECOVERED_KIND };
    enum pieces_verdict verdict, wraps = PIECES_OK;
    struct meta_piece_end end;
    struct meta_recording r;
    enum err e = id_check(in->rid, ID_RECORDING) ? meta_recording_get(c->v, in->rid, c->mem, &r, reterr) : ERR_NOTFOUND;

    if (e == ERR_NOTFOUND || (e == ERR_OK && !is_there(&r)))
        return ingest_done(c, 404, "not-found", NULL, reterr);
    TRY(e);
    if (ongoing_is_past_gate(c))
        return ingest_done(c, 503, "keeper-unavailable", NULL, reterr);
    TRY(pieces_check(c, r.id, &ask, &verdict, &end, reterr));
    if (verdict == PIECES_OK || verdict == PIECES_KNOWN)
        TRY(pieces_wraps(c, r.id, in->wraps.rows, in->wraps.n, &wraps, reterr));
    if (verdict == PIECES_CONFLICT)
        return ingest_done(c, 409, "conflict", "These events are in another piece.", reterr);
    /* Not 'conflict': the file must not go, for it is all there is of these events. */
    if (verdict == PIECES_INVALID || wraps != PIECES_OK)
        return ingest_done(c, 422, "invalid", "It does not fit what is there.", reterr);
    if (verdict == PIECES_OK && in->pieces.n > 0)
        TRY(keep(c, &r, in, &ask, reterr));
    return ingest_done(c, 0, "", NULL, reterr);
}
