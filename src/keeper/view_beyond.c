/* What of a request or grant reaches beyond one person and one window: viewers, links, break-glass and its review. */
#include "keeper/life.h"
#include "keeper/view.h"

#define LINKED_MAX 50

static void write_break_glass(struct job *c, const struct meta_request *q)
{
    if (q->break_glass == 0) {
        jsonw_knull(&c->w, "break_glass");
        return;
    }
    jsonw_kobj(&c->w, "break_glass");
    jsonw_kstr(&c->w, "incident", q->incident);
    jsonw_kstr(&c->w, "reason", q->urgent);
    jsonw_obj_end(&c->w);
}

static enum err write_extends(struct job *c, const struct meta_request *q, struct err_info *reterr)
{
    struct meta_grant g;

    if (q->extends.n == 0) {
        jsonw_knull(&c->w, "extends");
        return ERR_OK;
    }
    TRY(meta_grant_get(c->v, q->extends, c->mem, &g, reterr));
    jsonw_kobj(&c->w, "extends");
    jsonw_kstr(&c->w, "grant", q->extends);
    jsonw_kstr(&c->w, "kind", q->link);
    view_person(c, "holder", g.holder);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

static enum err write_linked_to(struct job *c, struct span gid, size_t *io_n, struct err_info *reterr)
{
    struct meta_request_list rows;

    TRY(meta_requests_linked(c->v, gid, c->mem, &rows, reterr));
    for (size_t i = 0; i < rows.n && *io_n < LINKED_MAX; i++, ++*io_n) {
        struct life l;

        TRY(life_of_request(c, rows.rows[i].id, &l, reterr));
        TRY(life_touch(c, &l, reterr));
        jsonw_obj(&c->w);
        jsonw_kstr(&c->w, "request", l.q.id);
        jsonw_kstr(&c->w, "kind", l.q.link);
        jsonw_kcstr(&c->w, "state", grant_state_name(l.st.state));
        view_person(c, "requester", l.q.requester);
        view_text(c, "grant", l.g.id);
        jsonw_obj_end(&c->w);
    }
    return ERR_OK;
}

static enum err write_viewers(struct job *c, const struct life *l, const struct meta_grant_list *grants,
                              struct err_info *reterr)
{
    jsonw_karr(&c->w, "viewers");
    view_person(c, NULL, l->q.requester);
    for (size_t i = 0; i < l->n_viewers; i++)
        view_person(c, NULL, l->viewers[i]);
    jsonw_arr_end(&c->w);
    jsonw_karr(&c->w, "grants");
    for (size_t i = 0; i < grants->n; i++) {
        struct life v;

        TRY(life_of_grant(c, grants->rows[i].id, &v, reterr));
        TRY(life_touch(c, &v, reterr));
        jsonw_obj(&c->w);
        jsonw_kstr(&c->w, "grant", v.g.id);
        view_person(c, "holder", v.g.holder);
        jsonw_kcstr(&c->w, "state", grant_state_name(v.st.state));
        jsonw_obj_end(&c->w);
    }
    jsonw_arr_end(&c->w);
    return ERR_OK;
}

enum err view_request_beyond(struct job *c, const struct life *l, struct err_info *reterr)
{
    const struct meta_request *q = &l->q;
    struct meta_grant_list grants;
    size_t n_linked = 0;

    TRY(meta_grants_of_request(c->v, q->id, c->mem, &grants, reterr));
    TRY(write_viewers(c, l, &grants, reterr));
    if (q->more_max > 0) {
        jsonw_kobj(&c->w, "more");
        jsonw_kstr(&c->w, "same", q->more_same);
        jsonw_kint(&c->w, "max", q->more_max);
        jsonw_obj_end(&c->w);
    } else {
        jsonw_knull(&c->w, "more");
    }
    if (q->more_time_times > 0) {
        jsonw_kobj(&c->w, "more_time");
        jsonw_kint(&c->w, "times", q->more_time_times);
        jsonw_kint(&c->w, "each_s", q->more_time_each_s);
        jsonw_obj_end(&c->w);
    } else {
        jsonw_knull(&c->w, "more_time");
    }
    TRY(write_extends(c, q, reterr));
    write_break_glass(c, q);
    jsonw_karr(&c->w, "linked");
    for (size_t i = 0; i < grants.n; i++)
        TRY(write_linked_to(c, grants.rows[i].id, &n_linked, reterr));
    jsonw_arr_end(&c->w);
    return ERR_OK;
}

/* ---- grants ---- */

static void write_review(struct job *c, const struct meta_grant *g, enum grant_review review)
{
    if (review == GRANT_REVIEW_NONE) {
        jsonw_knull(&c->w, "reviewed");
        return;
    }
    jsonw_kobj(&c->w, "reviewed");
    view_time(c, "due", g->review_due_ms);
    view_text(c, "outcome", g->review_outcome);
    if (g->review_by.n > 0)
        view_person(c, "by", g->review_by);
    else
        jsonw_knull(&c->w, "by");
    view_time(c, "at", g->review_ms);
    view_text(c, "comment", g->review_comment);
    jsonw_obj_end(&c->w);
}

static void write_suspended(struct job *c, const struct life *l)
{
    if (l->st.state != GRANT_SUSPENDED) {
        jsonw_knull(&c->w, "suspended");
        return;
    }
    jsonw_kobj(&c->w, "suspended");
    jsonw_kcstr(&c->w, "cause", grant_cause_name(l->st.cause));
    if (l->g.held_by.n > 0)
        view_person(c, "by", l->g.held_by);
    if (l->g.held_comment.n > 0)
        jsonw_kstr(&c->w, "comment", l->g.held_comment);
    jsonw_obj_end(&c->w);
}

static void write_ends_early(struct job *c, const struct life *l)
{
    bool live = l->st.state == GRANT_ACTIVE || l->st.state == GRANT_SUSPENDED;

    if (l->st.end_cause == GRANT_CAUSE_NONE || !live) {
        jsonw_knull(&c->w, "ends_early");
        return;
    }
    jsonw_kobj(&c->w, "ends_early");
    jsonw_ktime(&c->w, "at", l->st.window_end);
    jsonw_kcstr(&c->w, "cause", grant_cause_name(l->st.end_cause));
    jsonw_obj_end(&c->w);
}

static enum err write_beforehand(struct job *c, const struct life *l, struct err_info *reterr)
{
    bool none = l->q.more_max == 0 && l->q.more_time_times == 0 && life_link_of(&l->q) != LINK_MORE_TIME;
    struct life_beforehand b = { 0 };

    if (!none)
        TRY(life_beforehand(c, l, &b, reterr));
    if (b.root.q.more_max > 0) {
        jsonw_kobj(&c->w, "more");
        jsonw_kstr(&c->w, "same", b.root.q.more_same);
        jsonw_kint(&c->w, "max", b.root.q.more_max);
        jsonw_kint(&c->w, "used", b.more_used);
        jsonw_obj_end(&c->w);
    } else {
        jsonw_knull(&c->w, "more");
    }
    if (b.root.q.more_time_times > 0) {
        jsonw_kobj(&c->w, "more_time");
        jsonw_kint(&c->w, "times", b.root.q.more_time_times);
        jsonw_kint(&c->w, "each_s", b.root.q.more_time_each_s);
        jsonw_kint(&c->w, "used", b.times_used);
        jsonw_obj_end(&c->w);
    } else {
        jsonw_knull(&c->w, "more_time");
    }
    return ERR_OK;
}

enum err view_grant_beyond(struct job *c, const struct life *l, struct err_info *reterr)
{
    size_t n_linked = 0;

    write_review(c, &l->g, l->st.review);
    write_break_glass(c, &l->q);
    write_suspended(c, l);
    write_ends_early(c, l);
    TRY(write_beforehand(c, l, reterr));
    TRY(write_extends(c, &l->q, reterr));
    jsonw_karr(&c->w, "linked");
    TRY(write_linked_to(c, l->g.id, &n_linked, reterr));
    jsonw_arr_end(&c->w);
    return ERR_OK;
}
