/* Live recordings and the rest of the gate: start, the keeper's coming, what was erased, the end. */
#include "gate/live.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "gate/foreign.h"
#include "gate/recover.h"

/* ---- start ---- */

/* STANDARDS 3.4: a disk that failed is not asked again. The supervisor starts the next gate, which recovers. */
static void disk_failed(void *ctx, const struct err_info *why)
{
    (void) ctx;
    log_err(LOG_ERROR, "log.failed", why);
    _exit(1);
}

static void on_recovered(void *ctx)
{
    struct gate *g = ctx;
    struct recover_counts n;

    recover_counts(g->recover, &n);
    log_event(LOG_INFO, "live.recovered", LOG_INT("recordings", n.recordings), LOG_INT("pieces", n.pieces),
              LOG_INT("events", n.events));
}

enum err live_begin(struct gate *g, struct err_info *reterr)
{
    const struct reclog_options o = { .dir = gate_settings(g)->dir, .max_recordings = LIVE_OPEN_MAX, .fatal = disk_failed };
    struct recover_params p = { .loop = g->lanes[0]->loop, .pool = g->pool, .store = g->store, .on_over = on_recovered, .ctx = g };

    TRY(reclog_open(&o, &g->reclog, reterr));
    p.log = g->reclog;
    g->recover = recover_new(&p);
    return g->recover != NULL ? ERR_OK : ERR_RAISE(reterr, ERR_NOMEM, "no memory for recovery");
}

/* ---- the keeper ---- */

void live_keeper_came(struct lane *l)
{
    LIST_FOREACH(n, &l->lives)
        live_seal_keeper(LIST_ENTRY(n, struct live_rec, node));
    if (l->index == 0 && l->gate->recover != NULL)
        recover_keeper(l->gate->recover, l->keeper);
}

void live_keeper_gone(struct lane *l)
{
    if (l->index == 0 && l->gate->recover != NULL)
        recover_keeper(l->gate->recover, NULL);
}

/* ---- erased ---- */

struct gone {
    struct lane *lane;
    char pid[ID_CAP], rid[ID_CAP];
};

static void on_gone(void *arg)
{
    struct gone *x = arg;
    struct live_rec *r = live_table_own(&x->lane->gate->live_recs, span_str(x->rid), x->lane);

    if (r == NULL) {
        lane_remove_files(x->lane, span_str(x->pid), span_str(x->rid));
    } else {
        r->gone = true;
        live_rec_refuse_all(r, "erased", "");
        live_rec_over(r);
    }
    free(x);
}

bool live_gone(struct lane *l, struct span pid, struct span rid)
{
    struct live_place at;
    struct gone *x;

    if (!live_table_find(&l->gate->live_recs, rid, &at))
        return false;
    x = calloc(1, sizeof(*x));
    if (x == NULL)
        return false;
    x->lane = at.lane;
    if (!span_to_str(pid, x->pid, sizeof(x->pid)) || !span_to_str(rid, x->rid, sizeof(x->rid)) ||
        loop_post(at.lane->loop, on_gone, x) != ERR_OK) {
        free(x);
        return false;
    }
    return true;
}

/* ---- the end ---- */

/* Neither loops nor workers run any more. What was not sealed stays in the log, for the next gate. */
static void drop_rec(struct live_rec *r)
{
    r->log = reclog_end(r->log);
    r->batch = batch_free(r->batch);
    r->sealed.tail = reclog_tail_free(r->sealed.tail);
    r->sealed.reveal_tail = reclog_tail_free(r->sealed.reveal_tail);
    seal_job_reset(&r->sealed);
    r->seal = seal_free(r->seal);
    live_masks_end(r);
    uploader_keys_drop(&r->keys);
    r->foreign = foreign_seen_free(r->foreign);
    list_remove(&r->node);
    if (r->creator != NULL)
        call_unref(r->creator);
    free(r);
}

void live_end(struct gate *g)
{
    g->recover = recover_free(g->recover);
    for (unsigned i = 0; i < g->n_lanes; i++) {
        struct lane *l = g->lanes[i];
        struct list *n;

        foreign_end(l);
        LIST_FOREACH(at, &l->lives)
            drop_rec(LIST_ENTRY(at, struct live_rec, node));
        while ((n = list_pop(&l->live_jobs)) != NULL) {
            struct live_job *j = LIST_ENTRY(n, struct live_job, mine);
            struct call *c = j->call;

            (void) live_job_free(j);
            call_unref(c);
        }
    }
    g->reclog = reclog_free(g->reclog);
    live_table_deinit(&g->live_recs);
    live_bodies_deinit(&g->live_bodies);
    live_tokens_deinit(&g->tokens);
    masks_deinit(&g->masks);
    new_rate_deinit(&g->new_rate);
}
