#include "keeper/foreign.h"

#include "base/utf8.h"
#include "crypto/hash.h"
#include "keeper/ingest.h"
#include "keeper/masks.h"
#include "keeper/notice.h"
#include "keeper/ongoing.h"
#include "keeper/statements.h"
#include "keeper/trail.h"

#define TYPE_MAX 32
#define ID_MAX   200

/* The name is the client's words and is kept as a hash; what one public token began is another's nothing. */
static struct span key_of(struct job *c, struct span name)
{
    const struct span parts[] = { c->token.browser != 0 ? c->token.id : SPAN_EMPTY, SPAN("\n"), name };
    uint8_t hash[SHA256_LEN];

    sha256_parts(parts, 3, hash);
    return job_b64(c, SPAN_OF(hash));
}

enum err foreign_find(struct job *c, struct span project, struct span name, struct span *ret_rid, struct err_info *reterr)
{
    struct meta_recording r;
    struct span rid;
    enum err e;

    *ret_rid = SPAN_EMPTY;
    if (name.n == 0)
        return ERR_OK;
    e = meta_foreign_get(c->v, project, key_of(c, name), c->mem, &rid, reterr);
    if (e == ERR_OK)
        e = meta_recording_get(c->v, rid, c->mem, &r, reterr);
    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    if (c->token.browser != 0 && !span_eq(c->token.id, r.importer))
        return ERR_OK; /* a public token gets into nothing that another one began */
    if (span_eq_str(r.state, "open"))
        *ret_rid = r.id;
    return ERR_OK;
}

enum err foreign_begun(struct job *c, struct span project, struct span name, struct span rid, struct err_info *reterr)
{
    return name.n == 0 ? ERR_OK : meta_foreign_put(c->m, project, key_of(c, name), rid, c->now.real, reterr);
}

/* Those that are new, or have a time now. What is no link is passed over: a recorder's slip stops no recording. */
static enum err fresh(struct job *c, const struct ipc_links_add *in, bool public, struct meta_pair *to, size_t *ret_n,
                      struct err_info *reterr)
{
    struct meta_pair *there;
    size_t n_there, n = 0;

    TRY(meta_recording_links(c->v, in->rid, c->mem, &there, &n_there, reterr));
    for (uint32_t i = 0; i < in->links.n; i++) {
        const struct ipc_row_link *l = &in->links.rows[i];
        const bool timed = l->at_ms >= 0;
        bool known = n_there + n >= META_LINKS_MAX;

        for (size_t k = 0; k < n_there; k++)
            known |= span_eq(there[k].name, l->type) && span_eq(there[k].value, l->id) && (there[k].timed || !timed);
        for (size_t k = 0; k < n; k++)
            known |= span_eq(to[k].name, l->type) && span_eq(to[k].value, l->id);
        if (!known && l->type.n > 0 && l->id.n > 0 && utf8_valid(l->type) && utf8_valid(l->id) &&
            utf8_count(l->type) <= TYPE_MAX && utf8_count(l->id) <= ID_MAX)
            to[n++] = (struct meta_pair){ l->type, l->id, timed, timed ? l->at_ms : 0, public };
    }
    *ret_n = n;
    return ERR_OK;
}

static enum err record(struct job *c, const struct meta_recording *r, size_t n, struct err_info *reterr)
{
    const struct notice told = { .type = NOTICE_RECORDING, .id = r->id, .state = "linked", .project = r->project };
    struct leaf l = trail_leaf(c, LEAF_RECORDING_LINKED, trail_log(c, r->project));

    l.actor = r->importer;
    l.rid = r->id;
    (void) leaf_add_number(&l, "links", (int64_t) n);
    TRY(trail_write(c, &l, NULL, reterr));
    notice_send(c, &told);
    return ERR_OK;
}

/* What a public token began has links as that token may state them. */
static enum err may_link(struct job *c, const struct meta_recording *r, bool *ret, struct err_info *reterr)
{
    struct meta_token t;
    enum err e;

    *ret = r->public == 0;
    if (*ret)
        return ERR_OK;
    e = meta_token_get(c->v, r->importer, c->mem, &t, reterr);
    *ret = e == ERR_OK && statements_links(t.states);
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err foreign_links(struct job *c, const struct ipc_links_add *in, struct err_info *reterr)
{
    struct meta_pair *links = arena_alloc(c->mem, (in->links.n + 1) * sizeof(*links));
    struct meta_recording r;
    bool ok;
    size_t n;
    enum err e;

    if (links == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "links");
    e = meta_recording_get(c->v, in->rid, c->mem, &r, reterr);
    if (e == ERR_NOTFOUND)
        return ingest_done(c, 404, "not-found", NULL, reterr);
    TRY(e);
    TRY(may_link(c, &r, &ok, reterr));
    if (!ok)
        return ingest_done(c, 0, "", NULL, reterr); /* its client cannot be told */
    TRY(fresh(c, in, r.public != 0, links, &n, reterr));
    TRY(masks_words(c, r.project, NULL, NULL, NULL, links, &n, reterr));
    if (n > 0) {
        TRY(meta_recording_links_add(c->m, r.id, links, n, reterr));
        TRY(record(c, &r, n, reterr));
    }
    return ingest_done(c, 0, "", NULL, reterr);
}

/* ---- batches ---- */

enum err foreign_batch(struct job *c, const struct ipc_foreign_batch *in, struct err_info *reterr)
{
    const struct meta_foreign_batch b = { .number = (int64_t) in->number, .last_segment = in->last_segment, .hashes = in->hashes };
    struct meta_recording r;
    enum err e = meta_recording_get(c->v, in->rid, c->mem, &r, reterr);

    if (e == ERR_NOTFOUND)
        return ingest_done(c, 404, "not-found", NULL, reterr);
    TRY(e);
    if (ongoing_is_past_gate(c) || !span_eq_str(r.state, "open"))
        return ingest_done(c, 409, "conflict", NULL, reterr);
    if (in->number > INT64_MAX || in->hashes.n == 0 || in->hashes.n > FOREIGN_HASHES_MAX || in->hashes.n % 8 != 0)
        return ingest_done(c, 422, "invalid", NULL, reterr);
    TRY(meta_foreign_batch_put(c->m, r.id, &b, reterr));
    return ingest_done(c, 0, "", NULL, reterr);
}

enum err foreign_seen(struct job *c, struct span rid, uint64_t next_batch, struct ipc_ingest_state *io, struct err_info *reterr)
{
    struct meta_foreign_batch *rows;
    size_t n, bytes = 0;

    TRY(meta_foreign_batch_drop(c->m, rid, (int64_t) next_batch, reterr));
    TRY(meta_foreign_batches(c->v, rid, c->mem, &rows, &n, reterr));
    io->seen.rows = arena_alloc(c->mem, (n + 1) * sizeof(*io->seen.rows));
    if (io->seen.rows == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "batches");
    for (size_t i = 0; i < n && bytes + rows[i].hashes.n <= FOREIGN_SEEN_MAX; i++) {
        bytes += rows[i].hashes.n;
        io->seen.rows[io->seen.n++] = (struct ipc_row_seen){ rows[i].last_segment, rows[i].hashes };
    }
    return ERR_OK;
}

enum err foreign_ended(struct job *c, struct span rid, struct err_info *reterr)
{
    return meta_foreign_batch_drop(c->m, rid, 0, reterr);
}
