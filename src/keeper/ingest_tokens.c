#include "keeper/ingest_tokens.h"

#include "keeper/session.h"

#define SWEEP_MAX 256

static const char *const kinds[] = { "ingest", "gateway" };
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct ipc_row_ingest_token row_of(const struct meta_token *t, bool live)
{
    return (struct ipc_row_ingest_token){
        .sha256 = t->sha256, .tid = t->id, .pid = t->project, .live = live, .url = t->url,
        .browser = t->browser != 0,
        .kind = span_eq_str(t->kind, "gateway") ? TOKEN_GATEWAY : TOKEN_INGEST,
    };
}

static enum err all_origins(struct job *c, struct ipc_ingest_tokens *msg, struct err_info *reterr)
{
    struct meta_project_list all;

    TRY(meta_projects(c->v, c->mem, &all, reterr));
    msg->origins.rows = arena_alloc(c->mem, (all.n + 1) * sizeof(*msg->origins.rows));
    if (msg->origins.rows == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "origins");
    for (size_t i = 0; i < all.n; i++) {
        if (all.rows[i].origins.n > 0)
            msg->origins.rows[msg->origins.n++] = (struct ipc_row_origins){ all.rows[i].id, all.rows[i].origins };
    }
    return ERR_OK;
}

enum err ingest_tokens_resync(struct job *c, uint32_t chan, struct err_info *reterr)
{
    struct ipc_ingest_tokens msg = { .full = 1 };
    struct meta_token_list lists[N_KINDS];
    struct out *o;
    size_t n = 0;

    for (size_t k = 0; k < N_KINDS; k++) {
        TRY(meta_tokens_of_kind(c->v, span_str(kinds[k]), c->mem, &lists[k], reterr));
        n += lists[k].n;
    }
    msg.rows.rows = arena_alloc(c->mem, (n + 1) * sizeof(*msg.rows.rows));
    if (msg.rows.rows == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "ingest tokens");
    for (size_t k = 0; k < N_KINDS; k++) {
        for (size_t i = 0; i < lists[k].n; i++) {
            if (session_alive(&lists[k].rows[i], c->now.real))
                msg.rows.rows[msg.rows.n++] = row_of(&lists[k].rows[i], true);
        }
    }
    TRY(all_origins(c, &msg, reterr));
    o = out_add(c->outs, OUT_SYNC, IPC_T_INGEST_TOKENS, &msg);
    if (o == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "ingest tokens");
    o->chan = chan;
    return ERR_OK;
}

enum err ingest_tokens_push(struct job *c, const struct meta_token *t, bool live, struct err_info *reterr)
{
    struct ipc_row_ingest_token row = row_of(t, live);
    const struct ipc_ingest_tokens msg = { .rows = { &row, 1 } };

    if (!span_eq_str(t->kind, "ingest") && !span_eq_str(t->kind, "gateway"))
        return ERR_OK;
    if (out_add(c->outs, OUT_GATE, IPC_T_INGEST_TOKENS, &msg) == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "ingest token");
    return ERR_OK;
}

enum err ingest_tokens_sweep(struct job *c, struct err_info *reterr)
{
    struct meta_token_list over;

    for (size_t k = 0; k < N_KINDS; k++) {
        TRY(meta_tokens_over(c->v, span_str(kinds[k]), c->now.real, SWEEP_MAX, c->mem, &over, reterr));
        for (size_t i = 0; i < over.n; i++)
            TRY(session_end(c, &over.rows[i], "expired", reterr));
    }
    return ERR_OK;
}
