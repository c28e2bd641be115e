#include "keeper/idem.h"

static struct span actor_of(const struct job *c)
{
    return c->me != NULL ? c->me->id : c->token.id; /* a recorder has no account */
}

/* What has to be said again: the message itself. The first path parameter is part of what was asked. */
static void route_of(const struct job *c, struct buf *out)
{
    buf_add_str(out, c->route->name);
    buf_add_c(out, ' ');
    buf_add_span(out, c->in->id1);
}

enum err idem_find(struct job *c, bool *ret_replayed, struct err_info *reterr)
{
    struct buf route = BUF_INIT(512);
    struct meta_idempotency row;
    struct ipc_answer old;
    enum err e;

    *ret_replayed = false;
    if (c->in->idem_key.n > IDEM_KEY_MAX) {
        body_bad_limit(&c->body, "?", "Idempotency-Key", FIELD_TOO_LONG, IDEM_KEY_MAX);
        return job_invalid(c);
    }
    route_of(c, &route);
    e = meta_idempotency_get(c->v, actor_of(c), buf_span(&route), c->in->idem_key, c->now.real, c->mem, &row, reterr);
    buf_deinit(&route);
    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    if (!span_eq(row.body_sha256, c->in->body_sha256))
        return job_refuse(c, 422, "idempotency-mismatch", "This Idempotency-Key was used with another body.");
    TRY(ipc_decode(IPC_T_ANSWER, row.answer, c->mem, &old, reterr));
    c->answer->status = old.status;
    buf_reset(&c->answer->body);
    buf_add_span(&c->answer->body, old.body);
    (void) span_to_str(old.etag, c->answer->etag, sizeof(c->answer->etag));
    (void) span_to_str(old.location, c->answer->location, sizeof(c->answer->location));
    *ret_replayed = true;
    return ERR_OK;
}

enum err idem_keep(struct job *c, struct err_info *reterr)
{
    const struct answer *a = c->answer;
    const struct ipc_answer msg = { .status = a->status, .body = buf_span(&a->body), .etag = span_str(a->etag),
                                    .location = span_str(a->location) };
    struct buf bytes = BUF_INIT(4U << 20), route = BUF_INIT(512);
    struct meta_idempotency row;
    enum err e = ERR_NOMEM;

    ipc_encode(IPC_T_ANSWER, &msg, &bytes);
    route_of(c, &route);
    row = (struct meta_idempotency){ .actor = actor_of(c), .route = buf_span(&route), .idem_key = c->in->idem_key,
                                     .body_sha256 = c->in->body_sha256, .status = a->status,
                                     .answer = buf_span(&bytes), .created_ms = c->now.real };
    if (!bytes.failed && !route.failed)
        e = meta_idempotency_put(c->m, &row, reterr);
    buf_deinit(&bytes);
    buf_deinit(&route);
    return e;
}
