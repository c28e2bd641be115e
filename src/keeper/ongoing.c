#include "keeper/ongoing.h"

#include <stdlib.h>

#include "keeper/append_secret.h"
#include "keeper/foreign.h"
#include "keeper/ingest.h"
#include "keeper/masks.h"
#include "keeper/notice.h"
#include "keeper/persons.h"
#include "keeper/pieces.h"
#include "keeper/session.h"
#include "keeper/trail.h"

#define SWEEP_MAX    256
#define KEY_ROUTE    SPAN("recording_create")
#define PIECES_BYTES (64U << 20)

/* ---- whose (memory) ---- */

struct owned {
    char rid[ID_CAP];
};

bool ongoing_is_past_gate(const struct job *c)
{
    return c->core->gate_set != 0 && c->cmd->chan < c->core->gate_set;
}

static bool is_owned(const struct core *core, struct span rid)
{
    return core->gate_set != 0 && map_get(&core->owned, rid) != NULL;
}

struct claim {
    char rid[ID_CAP];
    uint32_t chan;
};

static void claim(struct core *core, void *arg)
{
    const struct claim *x = arg;
    struct owned *o;

    if (core->gate_set == 0 || x->chan < core->gate_set || map_get(&core->owned, span_str(x->rid)) != NULL)
        return;
    o = calloc(1, sizeof(*o));
    if (o == NULL) /* the gate says more of it before vanish_ms is over */
        return;
    memcpy(o->rid, x->rid, sizeof(o->rid));
    if (!map_put(&core->owned, span_str(o->rid), o, NULL))
        free(o);
}

static void claim_later(struct job *c, struct span rid)
{
    struct claim *x = arena_alloc(c->mem, sizeof(*x));

    if (x == NULL || !span_to_str(rid, x->rid, sizeof(x->rid)))
        return;
    x->chan = c->cmd->chan;
    job_after(c, claim, x);
}

/*
 * A gate that was there before this keeper, or before its channel, may have missed a change of the rules: pushes reach only a channel that is in
 * step, and a keeper may die between commit and push. What it writes it names, once; the first time the rules are said again, once for each
 * project (its id stands among what the gate has).
 */
static enum err say_masks_again(struct job *c, const struct meta_recording *r, struct err_info *reterr)
{
    if (is_owned(c->core, r->id) || is_owned(c->core, r->project))
        return ERR_OK;
    claim_later(c, r->project);
    return masks_say(c, r->project, reterr);
}

static void release(struct core *core, void *arg)
{
    free(map_del(&core->owned, span_str(arg)));
}

static void release_later(struct job *c, struct span rid)
{
    char *id = arena_str(c->mem, rid);

    if (id != NULL)
        job_after(c, release, id);
}

void ongoing_forget_all(struct core *core)
{
    MAP_FOREACH(struct owned, o, &core->owned)
        free(o);
    map_deinit(&core->owned);
}

static void new_owners(struct core *core, uint32_t set, int64_t boot)
{
    ongoing_forget_all(core);
    map_init(&core->owned, core->map_secret, OWNED_MAX);
    core->gate_set = set;
    core->gate_since = boot;
}

struct coming {
    uint32_t chan;
    int64_t boot;
};

static void opened(struct core *core, void *arg)
{
    const struct coming *x = arg;

    new_owners(core, x->chan, x->boot);
}

static void closed(struct core *core, void *arg)
{
    const struct coming *x = arg;

    if (core->gate_set == x->chan)
        new_owners(core, 0, 0);
}

static void change_later(struct job *c, void (*fn)(struct core *core, void *arg))
{
    struct coming *x = arena_alloc(c->mem, sizeof(*x));

    if (x == NULL)
        return;
    *x = (struct coming){ c->cmd->chan, c->now.boot };
    job_after(c, fn, x);
}

void ongoing_gate_opened(struct job *c)
{
    change_later(c, opened);
}

void ongoing_gate_closed(struct job *c)
{
    change_later(c, closed);
}

/* ---- the row ---- */

enum found { FOUND_OPEN, FOUND_ENDED, FOUND_NOT };

static enum err find(struct job *c, struct span rid, struct meta_recording *ret, enum found *ret_found,
                     struct err_info *reterr)
{
    enum err e = id_check(rid, ID_RECORDING) ? meta_recording_get(c->v, rid, c->mem, ret, reterr) : ERR_NOTFOUND;

    *ret_found = FOUND_NOT;
    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    if (span_eq_str(ret->state, "open"))
        *ret_found = FOUND_OPEN;
    else if (span_eq_str(ret->state, "complete"))
        *ret_found = FOUND_ENDED;
    return ERR_OK;
}

/* False: answered with DONE that it cannot be written to. */
static enum err find_to_write(struct job *c, struct span rid, struct meta_recording *ret, bool *ret_ok,
                              struct err_info *reterr)
{
    enum found found;

    *ret_ok = false;
    TRY(find(c, rid, ret, &found, reterr));
    switch (found) {
    case FOUND_NOT: return ingest_done(c, 404, "not-found", NULL, reterr);
    case FOUND_ENDED: return ingest_done(c, 409, "recording-ended", NULL, reterr);
    case FOUND_OPEN: break;
    }
    if (ongoing_is_past_gate(c))
        return ingest_done(c, 409, "conflict", "Another gate has it.", reterr);
    *ret_ok = true;
    return ERR_OK;
}

static void tell(struct job *c, const struct meta_recording *r, const char *state)
{
    const struct notice n = { .type = NOTICE_RECORDING, .id = r->id, .state = state, .project = r->project };

    notice_send(c, &n);
}

/* ---- beginning ---- */

/* Since the present gate came? One that another gate made, and of which no piece is there, has lost its head. */
static bool is_this_gates(const struct job *c, const struct meta_recording *r)
{
    return c->core->gate_set != 0 && c->now.real - r->created_ms <= c->now.boot - c->core->gate_since;
}

enum err ongoing_made_before(struct job *c, const struct ipc_ingest_open *in, struct span *ret_rid, bool *ret_mismatch,
                             struct err_info *reterr)
{
    struct meta_idempotency row;
    struct meta_recording r;
    struct meta_piece_end end;
    enum found found;
    enum err e;

    *ret_rid = SPAN_EMPTY;
    *ret_mismatch = false;
    if (in->idem_key.n == 0)
        return ERR_OK;
    e = meta_idempotency_get(c->v, c->token.id, KEY_ROUTE, in->idem_key, c->now.real, c->mem, &row, reterr);
    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    *ret_mismatch = !span_eq(row.body_sha256, in->body_sha256);
    TRY(find(c, row.answer, &r, &found, reterr));
    if (*ret_mismatch || found == FOUND_NOT)
        return ERR_OK;
    TRY(meta_piece_end(c->v, r.id, 0, &end, reterr));
    if (found == FOUND_ENDED || end.n > 0 || is_this_gates(c, &r))
        *ret_rid = r.id;
    return ERR_OK;
}

enum err ongoing_keep_key(struct job *c, const struct ipc_ingest_open *in, struct span rid, struct err_info *reterr)
{
    struct meta_idempotency row = { .actor = c->token.id, .route = KEY_ROUTE, .idem_key = in->idem_key,
                                    .body_sha256 = in->body_sha256, .status = 201, .answer = rid,
                                    .created_ms = c->now.real };

    return in->idem_key.n == 0 ? ERR_OK : meta_idempotency_put(c->m, &row, reterr);
}

enum err ongoing_begun(struct job *c, const struct meta_recording *r, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_RECORDING_CREATED, trail_log(c, r->project));
    struct span person = SPAN_EMPTY;

    l.rid = r->id;
    if (r->subject.n > 0) {
        TRY(persons_of_subject(c, r->project, r->subject, &person, reterr));
        trail_fact(c, &l, "subject", r->subject, person);
        trail_fact(c, &l, "title", r->title, person);
    }
    TRY(trail_write(c, &l, NULL, reterr));
    claim_later(c, r->id);
    tell(c, r, "live");
    return ERR_OK;
}

/* ---- INGEST_RESUME ---- */

static enum err no_state(struct job *c, uint16_t status, const char *code, struct err_info *reterr)
{
    const struct ipc_ingest_state s = { .status = status, .code = span_str(code) };

    return ingest_reply(c, IPC_T_INGEST_STATE, &s, reterr);
}

/* What an end that is repeated answers with. */
static enum err has_ended(struct job *c, const struct meta_recording *r, struct err_info *reterr)
{
    struct ipc_ingest_state s = {
        .status = 409, .code = SPAN("recording-ended"), .pid = r->project, .kind = r->kind,
        .next_batch = (uint64_t) r->next_batch, .next_seq = (uint64_t) r->events, .last_us = r->duration_us,
        .bytes = (uint64_t) r->bytes,
    };

    TRY(append_secret(c, r->project, r->id, &s.secret, reterr));
    return ingest_reply(c, IPC_T_INGEST_STATE, &s, reterr);
}

static uint16_t next_kn(const struct meta_wrap_list *wraps, const struct meta_piece_list *pieces)
{
    int64_t next = 0;

    for (size_t i = 0; i < wraps->n; i++)
        next = wraps->rows[i].kn >= next ? wraps->rows[i].kn + 1 : next;
    for (size_t i = 0; i < pieces->n; i++)
        next = pieces->rows[i].kn >= next ? pieces->rows[i].kn + 1 : next;
    return next > UINT16_MAX ? 0 : (uint16_t) next;
}

static enum err take_over(struct job *c, struct meta_recording *r, struct err_info *reterr)
{
    struct ipc_ingest_state s = { .pid = r->project, .tid = c->token.id, .kind = r->kind,
                                  .next_batch = (uint64_t) r->next_batch, .bytes = (uint64_t) r->bytes,
                                  .epoch = c->core->epoch, .epoch_pk = SPAN_OF(c->core->epoch_pk) };
    struct meta_piece_list pieces;
    struct meta_piece_end end;
    struct meta_wrap_list wraps;

    TRY(meta_piece_end(c->v, r->id, 0, &end, reterr));
    TRY(meta_pieces(c->v, r->id, c->mem, &pieces, reterr));
    TRY(meta_wraps(c->v, r->id, c->mem, &wraps, reterr));
    s.next_kn = next_kn(&wraps, &pieces);
    if (s.next_kn == 0 && wraps.n > 0) /* 65,535 restarts: no number is used twice */
        return no_state(c, 409, "recording-ended", reterr);
    s.next_seq = (uint64_t) end.next_seq;
    s.last_us = end.last_us;
    s.time_kind = (uint8_t) r->time_kind;
    s.time_base_us = r->time_base_us;
    s.next_seg = (uint32_t) end.next_seg;
    s.next_chunk = (uint32_t) end.next_chunk;
    TRY(pieces_rows(c, &pieces, /* reveal= */ false, &s.pieces.rows, &s.pieces.n, NULL, reterr));
    TRY(meta_recording_touch(c->m, r->id, c->now.real, reterr));
    claim_later(c, r->id);
    TRY(append_secret(c, r->project, r->id, &s.secret, reterr));
    TRY(foreign_seen(c, r->id, s.next_batch, &s, reterr));
    TRY(masks_say(c, r->project, reterr));
    return ingest_reply(c, IPC_T_INGEST_STATE, &s, reterr);
}

enum err ongoing_resume(struct job *c, const struct ipc_ingest_resume *in, struct err_info *reterr)
{
    enum session_verdict verdict;
    struct meta_recording r;
    enum found found;

    TRY(session_find(c, CRED_BEARER, in->cred, true, &verdict, reterr));
    if (verdict != SESSION_OK || c->me != NULL)
        return no_state(c, 401, "login-needed", reterr);
    TRY(find(c, in->rid, &r, &found, reterr));
    if (found == FOUND_NOT || !span_eq(r.project, c->token.project) ||
        (c->token.browser != 0 && !span_eq(c->token.id, r.importer))) /* a public token has what was begun with it */
        return no_state(c, 404, "not-found", reterr);
    if (found == FOUND_ENDED)
        return has_ended(c, &r, reterr);
    if (ongoing_is_past_gate(c))
        return no_state(c, 409, "conflict", reterr);
    if (c->core->epoch == 0)
        return no_state(c, 503, "starting", reterr);
    return take_over(c, &r, reterr);
}

/* ---- WRAP_PUT, PIECE_PUT ---- */

enum err ongoing_wrap(struct job *c, const struct ipc_wrap_put *in, struct err_info *reterr)
{
    enum pieces_verdict verdict;
    struct meta_recording r;
    bool ok;

    TRY(find_to_write(c, in->rid, &r, &ok, reterr));
    if (!ok)
        return ERR_OK;
    TRY(pieces_wraps(c, r.id, in->wraps.rows, in->wraps.n, &verdict, reterr));
    if (verdict != PIECES_OK)
        return ingest_done(c, 409, "conflict", "There is another key of this number.", reterr);
    TRY(say_masks_again(c, &r, reterr));
    claim_later(c, r.id);
    return ingest_done(c, 0, "", NULL, reterr);
}

/* A piece without its key could never be read again: the log that has the key goes once the piece is there. */
static enum err have_wraps(struct job *c, const struct ipc_piece_put *in, bool *ret, struct err_info *reterr)
{
    struct meta_wrap_list wraps;

    *ret = true;
    if (in->pieces.n == 0)
        return ERR_OK;
    TRY(meta_wraps(c->v, in->rid, c->mem, &wraps, reterr));
    for (uint32_t i = 0; i < in->pieces.n; i++) {
        bool found = false;

        for (size_t k = 0; k < wraps.n; k++)
            found |= wraps.rows[k].kn == in->pieces.rows[i].kn && wraps.rows[k].track == in->pieces.rows[i].track;
        *ret &= found;
    }
    return ERR_OK;
}

static enum err grow(struct job *c, struct meta_recording *r, const struct ipc_piece_put *in, struct err_info *reterr)
{
    struct meta_piece_end end;

    TRY(meta_piece_end(c->v, r->id, 0, &end, reterr));
    r->events = end.next_seq;
    r->duration_us = end.last_us;
    if (in->bytes <= INT64_MAX && (int64_t) in->bytes > r->bytes)
        r->bytes = (int64_t) in->bytes;
    if (in->next_batch <= INT64_MAX && (int64_t) in->next_batch > r->next_batch)
        r->next_batch = (int64_t) in->next_batch;
    if (in->time_kind != 0) {
        r->time_kind = in->time_kind;
        r->time_base_us = in->time_base_us;
    }
    r->touched_ms = c->now.real;
    return meta_recording_grow(c->m, r, reterr);
}

enum err ongoing_piece(struct job *c, const struct ipc_piece_put *in, struct err_info *reterr)
{
    const struct pieces_ask ask = { in->pieces.rows, in->pieces.n, in->gone.rows, in->gone.n, 1 };
    enum pieces_verdict verdict;
    struct meta_piece_end end;
    struct meta_recording r;
    bool ok;

    TRY(find_to_write(c, in->rid, &r, &ok, reterr));
    if (!ok)
        return ERR_OK;
    TRY(have_wraps(c, in, &ok, reterr));
    if (!ok)
        return ingest_done(c, 409, "conflict", "Its key is not there yet.", reterr);
    TRY(pieces_check(c, r.id, &ask, &verdict, &end, reterr));
    switch (verdict) {
    case PIECES_CONFLICT: return ingest_done(c, 409, "conflict", "These events are in another piece.", reterr);
    case PIECES_INVALID: return ingest_done(c, 422, "invalid", "Pieces are numbered densely.", reterr);
    case PIECES_OK: TRY(pieces_store(c, r.id, &ask, reterr)); break;
    case PIECES_KNOWN: break;
    }
    TRY(grow(c, &r, in, reterr));
    TRY(say_masks_again(c, &r, reterr));
    claim_later(c, r.id);
    return ingest_done(c, 0, "", NULL, reterr);
}

/* ---- END ---- */

static enum err write_sealed(struct job *c, const struct meta_recording *r, size_t n_pieces, const char *by,
                             struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_RECORDING_SEALED, trail_log(c, r->project));

    l.actor = strcmp(by, "recorder") == 0 ? r->importer : SPAN("system");
    l.rid = r->id;
    l.outcome = span_str(by);
    l.digest = job_b64(c, r->root);
    (void) leaf_add_number(&l, "events", r->events);
    (void) leaf_add_number(&l, "duration_ms", r->duration_us / 1000);
    (void) leaf_add_number(&l, "bytes", r->bytes);
    (void) leaf_add_number(&l, "pieces", (int64_t) n_pieces);
    return trail_write(c, &l, NULL, reterr);
}

enum err ongoing_seal(struct job *c, struct meta_recording *r, const char *by, struct err_info *reterr)
{
    CLEANUP(arena_deinit) struct arena mem = { 0 };
    struct meta_piece_list pieces;
    struct meta_piece_end end;
    struct merkle_hash root;

    arena_init(&mem, PIECES_BYTES); /* as many as there may be do not fit into a command's memory */
    TRY(meta_pieces(c->v, r->id, &mem, &pieces, reterr));
    TRY(meta_piece_end(c->v, r->id, 0, &end, reterr));
    TRY(pieces_root(&pieces, &root, reterr));
    r->root = arena_span(c->mem, SPAN_OF(root.b));
    r->events = end.next_seq;
    r->duration_us = end.last_us;
    r->state = SPAN("complete");
    r->touched_ms = c->now.real;
    TRY(meta_recording_put(c->m, r, reterr));
    TRY(foreign_ended(c, r->id, reterr));
    TRY(write_sealed(c, r, pieces.n, by, reterr));
    release_later(c, r->id);
    tell(c, r, "complete");
    return ERR_OK;
}

static enum err answer_ended(struct job *c, const struct meta_recording *r, struct err_info *reterr)
{
    struct jsonw *w = job_json(c, 200);
    struct ipc_answer a = { .status = 200 };

    jsonw_obj(w);
    jsonw_kstr(w, "id", r->id);
    jsonw_kstr(w, "kind", r->kind);
    jsonw_kstr(w, "project", r->project);
    jsonw_kint(w, "events", r->events);
    jsonw_kint(w, "duration_ms", r->duration_us / 1000);
    jsonw_kint(w, "bytes", r->bytes);
    jsonw_obj_end(w);
    a.body = buf_span(&c->answer->body);
    return ingest_reply(c, IPC_T_ANSWER, &a, reterr);
}

/* Its beginning failed at the gate: nobody was told its id. What has a piece stays. */
static enum err take_back(struct job *c, const struct meta_recording *r, struct err_info *reterr)
{
    const struct ipc_answer taken = { .status = 200 }, kept = { .status = 409, .code = SPAN("conflict") };
    struct leaf l = trail_leaf(c, LEAF_RECORDING_ERASED, trail_log(c, r->project));
    struct meta_piece_end end;

    TRY(meta_piece_end(c->v, r->id, 0, &end, reterr));
    if (end.n > 0)
        return ingest_reply(c, IPC_T_ANSWER, &kept, reterr);
    l.actor = SPAN("system");
    l.rid = r->id;
    l.outcome = SPAN("failed");
    TRY(trail_write(c, &l, NULL, reterr));
    TRY(meta_recording_forget(c->m, r->id, reterr));
    release_later(c, r->id);
    tell(c, r, "erased");
    return ingest_reply(c, IPC_T_ANSWER, &taken, reterr);
}

enum err ongoing_end(struct job *c, const struct ipc_end *in, struct err_info *reterr)
{
    const struct ipc_answer gone = { .status = 404, .code = SPAN("not-found") };
    const struct ipc_answer past = { .status = 409, .code = SPAN("conflict") };
    struct meta_recording r;
    enum found found;

    TRY(find(c, in->rid, &r, &found, reterr));
    if (found == FOUND_NOT)
        return ingest_reply(c, IPC_T_ANSWER, &gone, reterr);
    if (found == FOUND_ENDED) /* repeating it is harmless */
        return answer_ended(c, &r, reterr);
    if (ongoing_is_past_gate(c))
        return ingest_reply(c, IPC_T_ANSWER, &past, reterr);
    if (in->ok == 0)
        return take_back(c, &r, reterr);
    TRY(ongoing_seal(c, &r, in->vanished != 0 ? "vanished" : "recorder", reterr));
    return answer_ended(c, &r, reterr);
}

/* ---- those that nobody has ---- */

enum err ongoing_sweep(struct job *c, struct err_info *reterr)
{
    const struct core *core = c->core;
    int64_t after = core->cfg.vanish_ms;
    struct meta_recording_list rows;

    if (core->gate_set == 0 || after <= 0 || c->now.boot - core->gate_since < after)
        return ERR_OK;
    TRY(meta_recordings_untouched(c->v, c->now.real - after, SWEEP_MAX, c->mem, &rows, reterr));
    for (size_t i = 0; i < rows.n; i++) {
        /* One that is owned says so in its row now and then, so that it does not come up each second. */
        if (is_owned(core, rows.rows[i].id))
            TRY(meta_recording_touch(c->m, rows.rows[i].id, c->now.real, reterr));
        else
            TRY(ongoing_seal(c, &rows.rows[i], "vanished", reterr));
    }
    return ERR_OK;
}
