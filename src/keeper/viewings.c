#include "keeper/viewings.h"

#include <stdlib.h>

#include "keeper/notice.h"
#include "keeper/trail.h"

/* ---- memory ---- */

const struct watching *viewing_watching(const struct core *core, struct span vid)
{
    return map_get(&core->watching, vid);
}

static struct watching *remember(struct core *core, struct span vid, struct span gid)
{
    struct watching *w = map_get(&core->watching, vid);

    if (w != NULL)
        return w;
    w = calloc(1, sizeof(*w));
    if (w == NULL || !span_to_str(vid, w->vid, sizeof(w->vid)) || !span_to_str(gid, w->gid, sizeof(w->gid)) ||
        !map_put(&core->watching, span_str(w->vid), w, NULL)) {
        free(w);
        return NULL;
    }
    return w;
}

static void forget(struct core *core, void *arg)
{
    struct watching *w = map_del(&core->watching, span_str(arg));

    free(w);
}

struct seen {
    char vid[ID_CAP], gid[ID_CAP];
    uint32_t chan;
    int streams; /* change */
    time_ms last_ms, key_end_ms;
    bool live;
};

static void see(struct core *core, void *arg)
{
    const struct seen *s = arg;
    struct watching *w = remember(core, span_str(s->vid), span_str(s->gid));

    if (w == NULL) /* the sweep then ends it a minute after its start, as if nobody watched */
        return;
    if (s->last_ms > w->last_ms)
        w->last_ms = s->last_ms;
    if (s->key_end_ms > w->key_end_ms)
        w->key_end_ms = s->key_end_ms;
    w->live |= s->live;
    if (s->chan != 0)
        w->chan = s->chan;
    if (s->streams > 0 || w->streams > 0)
        w->streams = (uint32_t) ((int64_t) w->streams + s->streams);
}

static void see_later(struct job *c, struct span vid, struct span gid, struct seen s)
{
    struct seen *copy = arena_alloc(c->mem, sizeof(*copy));

    if (copy == NULL || !span_to_str(vid, s.vid, sizeof(s.vid)) || !span_to_str(gid, s.gid, sizeof(s.gid)))
        return;
    *copy = s;
    job_after(c, see, copy);
}

void viewing_key_issued(struct job *c, const struct meta_viewing *v, time_ms exp_ms)
{
    see_later(c, v->id, v->gid, (struct seen){ .last_ms = c->now.real, .key_end_ms = exp_ms });
}

void viewing_stream_opened(struct job *c, const struct ipc_stream_open *in)
{
    see_later(c, in->vid, in->gid, (struct seen){ .chan = c->cmd->chan, .streams = 1, .last_ms = c->now.real });
}

void viewing_stream_closed(struct job *c, const struct ipc_stream_close *in)
{
    see_later(c, in->vid, in->gid, (struct seen){ .streams = -1, .last_ms = c->now.real });
}

void viewings_chan_closed(struct core *core, uint32_t chan)
{
    MAP_FOREACH(struct watching, w, &core->watching)
    {
        if (w->chan == chan)
            w->streams = 0;
    }
}

/* ---- rows ---- */

static void tell(struct job *c, const struct meta_viewing *v, const char *state)
{
    const struct notice n = { .type = NOTICE_VIEWING, .id = v->id, .state = state, .project = v->project,
                              .owner = v->holder, .grant = v->gid, .recordings = &v->rid, .n_recordings = 1 };

    notice_send(c, &n);
}

static struct leaf viewing_leaf(struct job *c, enum leaf_type type, const struct meta_viewing *v)
{
    struct leaf l = trail_leaf(c, type, trail_log(c, v->project));

    l.gid = v->gid;
    l.vid = v->id;
    l.rid = v->rid;
    return l;
}

enum err viewing_for_key(struct job *c, const struct meta_grant *g, struct span rid, struct span client_key,
                         struct meta_viewing *ret, bool *ret_stopped, struct err_info *reterr)
{
    enum err e = meta_viewing_find(c->v, g->id, rid, client_key, c->mem, ret, reterr);

    *ret_stopped = false;
    if (e == ERR_OK && !span_eq_str(ret->state, "ended")) {
        *ret_stopped = span_eq_str(ret->state, "stopped");
        return ERR_OK;
    }
    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    *ret = (struct meta_viewing){ .id = job_new_id(c, ID_VIEWING), .gid = g->id, .rid = rid, .project = g->project,
                                  .holder = g->holder, .client_key = client_key,
                                  .client = span_str(job_client(c)), .state = SPAN("new") };
    return meta_viewing_add(c->m, ret, reterr);
}

enum err viewing_leased(struct job *c, struct span vid, struct err_info *reterr)
{
    const struct watching *w = viewing_watching(c->core, vid);
    struct meta_viewing v;
    struct leaf l;

    if (w != NULL && w->live) {
        see_later(c, vid, span_str(w->gid), (struct seen){ .last_ms = c->now.real });
        return ERR_OK;
    }
    TRY(meta_viewing_get(c->v, vid, c->mem, &v, reterr));
    see_later(c, vid, v.gid, (struct seen){ .last_ms = c->now.real, .live = true });
    if (!span_eq_str(v.state, "new"))
        return ERR_OK;
    v.state = SPAN("live");
    v.begun_ms = c->now.real;
    v.last_ms = c->now.real;
    TRY(meta_viewing_put(c->m, &v, reterr));
    l = viewing_leaf(c, LEAF_VIEWING_BEGUN, &v);
    l.actor = v.holder;
    tell(c, &v, "live");
    return trail_write(c, &l, NULL, reterr);
}

enum err viewing_end(struct job *c, struct meta_viewing *v, const char *state, const char *cause,
                     struct err_info *reterr)
{
    const struct watching *w = viewing_watching(c->core, v->id);
    bool was_live = span_eq_str(v->state, "live");
    char *id = arena_str(c->mem, v->id);
    struct leaf l;

    v->state = span_str(state);
    v->cause = span_str(cause);
    v->ended_ms = c->now.real;
    if (w != NULL && w->last_ms > v->last_ms)
        v->last_ms = w->last_ms;
    TRY(meta_viewing_put(c->m, v, reterr));
    if (id != NULL)
        job_after(c, forget, id);
    if (!was_live && strcmp(state, "stopped") != 0) /* nothing was ever served under it */
        return ERR_OK;
    l = viewing_leaf(c, LEAF_VIEWING_STOPPED, v);
    l.outcome = span_str(cause);
    tell(c, v, "ended");
    return trail_write(c, &l, NULL, reterr);
}

static const char *cause_of_grant(const char *cause)
{
    static const char *const known[] = { "window", "revoked", "given-back", "idle" };

    for (size_t i = 0; i < 4; i++) {
        if (strcmp(cause, known[i]) == 0)
            return known[i];
    }
    return "revoked";
}

enum err viewings_end_grant(struct job *c, struct span gid, const char *cause, struct err_info *reterr)
{
    struct meta_viewing_list rows;

    TRY(meta_viewings_of_grant(c->v, gid, c->mem, &rows, reterr));
    for (size_t i = 0; i < rows.n; i++)
        TRY(viewing_end(c, &rows.rows[i], "ended", cause_of_grant(cause), reterr));
    return ERR_OK;
}

static enum err ends_with(struct job *c, const struct meta_viewing *v, const struct meta_token *t, bool *ret,
                          struct err_info *reterr)
{
    struct meta_key_list live;

    *ret = span_eq(v->client_key, t->id);
    if (t->jkt.n == 0 || !span_eq(v->client_key, t->jkt))
        return ERR_OK;
    TRY(meta_keys_live_of_client(c->v, v->gid, v->rid, t->jkt, c->now.real / 1000, c->mem, &live, reterr));
    *ret = live.n == 0;
    return ERR_OK;
}

enum err viewings_end_token(struct job *c, const struct meta_token *t, const char *cause, struct err_info *reterr)
{
    const struct span states[] = { SPAN("new"), SPAN("live") };
    const struct meta_access_filter f = { .person = t->account, .states = states, .n_states = 2 };
    const struct meta_page page = { .limit = META_PAGE_MAX };
    struct meta_viewing_list rows;
    struct meta_pos next;

    TRY(meta_viewings(c->v, &f, &page, c->mem, &rows, &next, reterr));
    for (size_t i = 0; i < rows.n; i++) {
        bool ends;

        TRY(ends_with(c, &rows.rows[i], t, &ends, reterr));
        if (ends)
            TRY(viewing_end(c, &rows.rows[i], "ended", cause, reterr));
    }
    return ERR_OK;
}

/* ---- time ---- */

enum err viewings_sweep(struct job *c, struct err_info *reterr)
{
    struct span idle[64];
    size_t n = 0;

    MAP_FOREACH(struct watching, w, &c->core->watching)
    {
        time_ms seen = w->last_ms > w->key_end_ms ? w->last_ms : w->key_end_ms;

        if (n < 64 && w->streams == 0 && c->now.real - seen >= VIEWING_IDLE_MS)
            idle[n++] = arena_span(c->mem, span_str(w->vid));
    }
    for (size_t i = 0; i < n; i++) {
        struct meta_viewing v;

        TRY(meta_viewing_get(c->v, idle[i], c->mem, &v, reterr));
        if (v.ended_ms == 0)
            TRY(viewing_end(c, &v, "ended", "idle", reterr));
        else
            job_after(c, forget, arena_str(c->mem, idle[i]));
    }
    return ERR_OK;
}

enum err viewings_remember(struct job *c, struct err_info *reterr)
{
    static const char *const states[] = { "ACTIVE", "SUSPENDED" };

    for (size_t s = 0; s < 2; s++) {
        struct meta_grant_list grants;

        TRY(meta_grants_in_state(c->v, span_str(states[s]), c->mem, &grants, reterr));
        for (size_t i = 0; i < grants.n; i++) {
            struct meta_viewing_list rows;

            TRY(meta_viewings_of_grant(c->v, grants.rows[i].id, c->mem, &rows, reterr));
            for (size_t k = 0; k < rows.n; k++)
                see_later(c, rows.rows[k].id, rows.rows[k].gid,
                          (struct seen){ .last_ms = c->now.real, .live = span_eq_str(rows.rows[k].state, "live") });
        }
    }
    return ERR_OK;
}
