/* All requests and grants of a kind: timers, a new boot, a channel that has just opened. */
#include "keeper/ingest_tokens.h"
#include "keeper/life.h"

/* ---- many at once ---- */

typedef enum err life_fn(struct job *c, struct life *l, void *arg, struct err_info *reterr);

static enum err touch_one(struct job *c, struct life *l, void *arg, struct err_info *reterr)
{
    (void) arg;
    return life_touch(c, l, reterr);
}

/* From the row alone: nothing of grant_touch can be due. Saves loading what thousands of open windows do not need. */
static bool nothing_due(const struct job *c, enum grant_state state, const struct meta_grant *g)
{
    if (state == GRANT_SCHEDULED)
        return (g->start_ms == 0 || c->now.real < g->start_ms) && (g->start_by_ms == 0 || c->now.real < g->start_by_ms);
    return c->now.real < g->window_end_ms && g->boot_id.n == CLOCK_BOOT_ID &&
           (memcmp(g->boot_id.p, c->now.boot_id, CLOCK_BOOT_ID) != 0 ||
            (c->now.boot < g->deadline_ms && c->now.boot - g->last_key_ms < GRANT_IDLE_MS));
}

static enum err each_in_state(struct job *c, enum grant_state state, life_fn *fn, void *arg, struct err_info *reterr)
{
    struct meta_grant_list rows;

    TRY(meta_grants_in_state(c->v, span_str(grant_state_name(state)), c->mem, &rows, reterr));
    for (size_t i = 0; i < rows.n; i++) {
        struct life l;

        if (fn == touch_one && nothing_due(c, state, &rows.rows[i]))
            continue;
        TRY(life_of_grant(c, rows.rows[i].id, &l, reterr));
        TRY(fn(c, &l, arg, reterr));
    }
    return ERR_OK;
}

static const enum grant_state living[] = { GRANT_SCHEDULED, GRANT_ACTIVE, GRANT_SUSPENDED };
#define N_LIVING (sizeof(living) / sizeof(living[0]))

/* A use of break-glass that nobody has looked at for a day. */
static enum err reviews_overdue(struct job *c, struct err_info *reterr)
{
    const struct life_by by = { 0 };
    struct meta_grant_list rows;

    TRY(meta_grants_to_review(c->v, SPAN("due"), c->now.real, 256, c->mem, &rows, reterr));
    for (size_t i = 0; i < rows.n; i++) {
        struct grant_step s;
        struct life l;

        TRY(life_of_grant(c, rows.rows[i].id, &l, reterr));
        s = grant_review_touch(&l.st, &c->now);
        if (s.verdict == GRANT_OK && s.changed)
            TRY(life_apply(c, &l, &s, &by, reterr));
    }
    return ERR_OK;
}

enum err life_sweep(struct job *c, struct err_info *reterr)
{
    struct meta_request_list lapsing;

    TRY(meta_requests_lapsing(c->v, SPAN("PENDING"), c->now.real, 256, c->mem, &lapsing, reterr));
    for (size_t i = 0; i < lapsing.n; i++) {
        struct life l;

        TRY(life_of_request(c, lapsing.rows[i].id, &l, reterr));
        TRY(life_touch(c, &l, reterr));
    }
    for (size_t i = 0; i < N_LIVING; i++)
        TRY(each_in_state(c, living[i], touch_one, NULL, reterr));
    return reviews_overdue(c, reterr);
}

static enum err rebase_one(struct job *c, struct life *l, void *arg, struct err_info *reterr)
{
    struct grant_step s = grant_rebase(&l->st, &c->now);

    (void) arg;
    if (s.verdict != GRANT_OK || !s.changed)
        return ERR_OK;
    l->st = s.next;
    life_to_rows(c, l);
    if (!l->beside)
        TRY(meta_request_put(c->m, &l->q, reterr));
    TRY(meta_grant_put(c->m, &l->g, reterr));
    return life_push(c, l, 0, reterr);
}

enum err life_rebase_all(struct job *c, struct err_info *reterr)
{
    TRY(each_in_state(c, GRANT_ACTIVE, rebase_one, NULL, reterr));
    return each_in_state(c, GRANT_SUSPENDED, rebase_one, NULL, reterr);
}

static enum err bump_one(struct job *c, struct life *l, void *arg, struct err_info *reterr)
{
    struct grant_step s = grant_bump(&l->st, &c->now);
    size_t *n = arg;

    if (s.verdict != GRANT_OK || !s.changed)
        return ERR_OK;
    l->st = s.next;
    life_to_rows(c, l);
    if (!l->beside)
        TRY(meta_request_put(c->m, &l->q, reterr));
    TRY(meta_grant_put(c->m, &l->g, reterr));
    (*n)++;
    return life_push(c, l, 0, reterr);
}

enum err life_bump_all(struct job *c, size_t *ret_n, struct err_info *reterr)
{
    size_t n = 0;

    TRY(each_in_state(c, GRANT_ACTIVE, bump_one, &n, reterr));
    TRY(each_in_state(c, GRANT_SUSPENDED, bump_one, &n, reterr));
    *ret_n = n;
    return ERR_OK;
}

/* ---- a channel that has just opened ---- */

struct resync {
    struct ipc_row_grant *rows;
    uint32_t n, cap;
};

static enum err collect(struct job *c, struct life *l, void *arg, struct err_info *reterr)
{
    struct resync *r = arg;

    if (r->n == r->cap) {
        uint32_t cap = r->cap == 0 ? 64 : r->cap * 2;
        struct ipc_row_grant *rows = arena_alloc(c->mem, cap * sizeof(*rows));

        if (rows == NULL)
            return ERR_RAISE(reterr, ERR_NOMEM, "table of live grants");
        if (r->n > 0)
            memcpy(rows, r->rows, r->n * sizeof(*rows));
        r->rows = rows;
        r->cap = cap;
    }
    return life_row(c, l, l->st.state == GRANT_SUSPENDED ? 4423 : 0, &r->rows[r->n++], reterr);
}

enum err life_resync(struct job *c, uint32_t chan, bool gate, struct err_info *reterr)
{
    struct resync r = { 0 };
    struct meta_key_list denied;
    struct ipc_grants grants = { .full = 1 };
    struct ipc_deny deny = { 0 };
    struct out *o;

    TRY(each_in_state(c, GRANT_ACTIVE, collect, &r, reterr));
    TRY(each_in_state(c, GRANT_SUSPENDED, collect, &r, reterr));
    grants.rows.rows = r.rows;
    grants.rows.n = r.n;
    o = out_add(c->outs, OUT_SYNC, IPC_T_GRANTS, &grants);
    if (o == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "table of live grants");
    o->chan = chan;
    if (gate)
        TRY(ingest_tokens_resync(c, chan, reterr));
    TRY(meta_keys_denied(c->v, c->now.real / 1000, c->mem, &denied, reterr));
    deny.rows.rows = arena_alloc(c->mem, (denied.n + 1) * sizeof(*deny.rows.rows));
    if (deny.rows.rows == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "denied keys");
    for (size_t i = 0; i < denied.n; i++)
        deny.rows.rows[deny.rows.n++] = (struct ipc_row_deny){ denied.rows[i].jti, denied.rows[i].exp_s * 1000, 4411 };
    o = out_add(c->outs, OUT_SYNC, IPC_T_DENY, &deny);
    if (o == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "denied keys");
    o->chan = chan;
    return ERR_OK;
}
