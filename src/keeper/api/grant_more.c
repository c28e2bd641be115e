/* More of an access that is open: time, people, recordings (STANDARDS 2.1, T13). What was decided beforehand is used, all else
 * files a request that is linked to the grant, with what is known filled in. */
#include "keeper/api/ask.h"
#include "keeper/api/grant_find.h"

static enum err refuse_not_open(struct job *c, const struct life *l)
{
    const struct grant_step step = { .verdict = l->st.state == GRANT_SUSPENDED ? GRANT_IS_SUSPENDED : GRANT_CONFLICT };

    return life_refuse(c, l, &step);
}

/* Finds what ask_linked named, and files it. */
static enum err file(struct job *c, struct ask *a, struct err_info *reterr)
{
    bool ok;

    TRY(ask_find(c, a, &ok, reterr));
    return ok ? ask_file(c, a, reterr) : ERR_OK;
}

/* duration_s and reason of a body. */
static void read_time(struct job *c, int64_t *io_duration_s, struct span *io_reason)
{
    struct span reason = SPAN_EMPTY;

    BODY_ONLY(&c->body, "", c->args, "duration_s", "reason");
    (void) body_int(&c->body, "", c->args, "duration_s", BODY_OPTIONAL, 1, 31536000, io_duration_s);
    if (body_str(&c->body, "", c->args, "reason", BODY_OPTIONAL, 0, REQUEST_REASON_MAX, &reason) && reason.n > 0)
        *io_reason = reason;
}

/* ---- time ---- */

static enum err use_beforehand(struct job *c, const struct life_beforehand *b, int64_t duration_s,
                               struct err_info *reterr)
{
    struct ask a;
    bool ok;

    if (duration_s > b->root.q.more_time_each_s) {
        body_bad_limit(&c->body, "", "duration_s", FIELD_TOO_LARGE, b->root.q.more_time_each_s);
        return job_invalid(c);
    }
    ask_linked(&b->newest, LINK_MORE_TIME, &a);
    a.req.duration_s = duration_s > 0 ? duration_s : b->root.q.more_time_each_s;
    TRY(ask_find(c, &a, &ok, reterr));
    return ok ? ask_file_beforehand(c, &a, &b->root, reterr) : ERR_OK;
}

enum err api_grant_more_time(struct job *c, struct err_info *reterr)
{
    struct life_beforehand b;
    struct span reason = SPAN_EMPTY;
    int64_t duration_s = 0;
    struct life l;
    struct ask a;
    bool ok;

    TRY(grant_find(c, &l, &ok, reterr));
    if (!ok)
        return ERR_OK;
    if (!span_eq(l.g.holder, c->me->id))
        return job_forbidden(c);
    read_time(c, &duration_s, &reason);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (!grant_is_open(&l.st, &c->now))
        return refuse_not_open(c, &l);
    TRY(life_beforehand(c, &l, &b, reterr));
    /* Time granted beforehand goes with the reason that was seen then. */
    if (b.times_used < b.root.q.more_time_times && reason.n == 0 && grant_is_open(&b.newest.st, &c->now))
        return use_beforehand(c, &b, duration_s, reterr);
    ask_linked(&l, LINK_EXTEND, &a);
    if (duration_s > 0)
        a.req.duration_s = duration_s;
    if (reason.n > 0)
        a.req.reason = reason;
    return file(c, &a, reterr);
}

/* ---- people ---- */

enum err api_grant_join(struct job *c, struct err_info *reterr)
{
    int64_t duration_s = 0, left_s;
    struct span reason = SPAN_EMPTY;
    struct life l;
    struct ask a;
    enum err e = life_of_grant(c, c->in->id1, &l, reterr);

    if (e == ERR_NOTFOUND)
        return job_not_found(c);
    TRY(e);
    c->log = l.q.project;
    /* Nobody is told of a grant by asking for ids: who has its address was given it. */
    if (!job_may(c, l.q.project, PERM_ASK) && !life_visible(c, l.q.project, l.g.holder))
        return job_not_found(c);
    read_time(c, &duration_s, &reason);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (span_eq(l.g.holder, c->me->id))
        return job_refuse(c, 409, "grant-state-conflict", "This is your own access.");
    TRY(life_touch(c, &l, reterr));
    if (!grant_is_open(&l.st, &c->now))
        return refuse_not_open(c, &l);
    left_s = (grant_left_ms(&l.st, &c->now) + 999) / 1000;
    ask_linked(&l, LINK_JOIN, &a);
    a.req.duration_s = duration_s > 0 ? duration_s : left_s;
    if (reason.n > 0)
        a.req.reason = reason;
    return file(c, &a, reterr);
}

/* ---- recordings ---- */

static bool shares_link(const struct policy_item *a, const struct policy_item *b)
{
    for (size_t i = 0; i < a->n_links; i++) {
        for (size_t k = 0; k < b->n_links; k++) {
            if (span_eq(a->links[i].key, b->links[k].key) && span_eq(a->links[i].value, b->links[k].value))
                return true;
        }
    }
    return false;
}

/* Is it of the same session, subject or link as one that was asked for? Never as one that was itself added. */
static enum err belongs(struct job *c, const struct life *root, const struct meta_recording *r,
                        const struct policy_item *item, bool *ret, struct err_info *reterr)
{
    enum request_same same = REQUEST_SAME_NONE;

    *ret = false;
    (void) request_same_parse(root->q.more_same, &same);
    for (size_t i = 0; i < root->n_asked && !*ret; i++) {
        struct meta_recording of;
        struct policy_item of_item;
        enum err e = meta_recording_get(c->v, root->asked[i], c->mem, &of, reterr);

        if (e == ERR_NOTFOUND)
            continue;
        TRY(e);
        TRY(item_of(c, &of, &of_item, reterr));
        switch (same) {
        case REQUEST_SAME_NONE: break;
        case REQUEST_SAME_SESSION: *ret = r->session.n > 0 && span_eq(r->session, of.session); break;
        case REQUEST_SAME_SUBJECT: *ret = r->subject.n > 0 && span_eq(r->subject, of.subject); break;
        case REQUEST_SAME_LINK: *ret = shares_link(item, &of_item); break;
        }
    }
    return ERR_OK;
}

/* The votes stand for it, too: nobody who approved is the person in what is added. */
static enum err votes_cover(struct job *c, const struct life *root, struct span rid, bool *ret,
                            struct err_info *reterr)
{
    struct span *rids = arena_alloc(c->mem, (root->n_rids + 1) * sizeof(*rids));
    struct life with = *root;
    struct life_ballot b;

    if (rids == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "request");
    memcpy(rids, root->rids, root->n_rids * sizeof(*rids));
    rids[with.n_rids++] = rid;
    with.rids = rids;
    TRY(life_ballot(c, &with, &b, reterr));
    *ret = b.rule.need == 0 || vote_count(&b.rule, &b.c, b.votes, b.n_votes).approved;
    return ERR_OK;
}

/* Everything that lets it be added at once; else it is asked for. */
static enum err decided_beforehand(struct job *c, struct ask *a, const struct life_beforehand *b, bool *ret,
                                   struct err_info *reterr)
{
    struct policy_answer p;
    int64_t left;

    *ret = false;
    if (b->more_used >= b->root.q.more_max || a->rules->policy == NULL ||
        !span_eq(a->project, b->root.q.project) || !span_eq(a->env, b->root.q.env))
        return ERR_OK;
    TRY(belongs(c, &b->root, &a->recs[0], &a->items[0], ret, reterr));
    if (*ret)
        TRY(votes_cover(c, &b->root, a->req.recordings[0], ret, reterr));
    if (*ret)
        TRY(life_caps_left(c, c->me->id, a->req.recordings, 1, &left, reterr));
    if (!*ret)
        return ERR_OK;
    /* By the rule that decided: one that wants more people, or shorter windows, for this recording decides anew. */
    p = ask_decide(c, a, a->req.purpose);
    *ret = (p.verdict == POLICY_ASK || p.verdict == POLICY_AUTO) && span_eq(p.rule->name, b->root.q.rule) &&
           policy_ticket_allows(p.rule, a->ticket) && left >= a->req.duration_s * 1000;
    return ERR_OK;
}

static enum err add(struct job *c, struct life *l, struct span rid, const struct life_beforehand *b,
                    struct err_info *reterr)
{
    const struct life_by by = { .actor = c->me->id, .rid = rid };
    const struct grant_actor actor = { .requester = true };
    struct grant_step step = grant_widen(&l->st, &c->now, &actor, (unsigned) b->more_used,
                                         (unsigned) b->root.q.more_max);

    if (!job_open_for_access(c, true))
        return ERR_OK;
    if (step.verdict != GRANT_OK)
        return life_refuse(c, l, &step);
    TRY(meta_grant_widen(c->m, l->g.id, rid, reterr));
    TRY(life_of_grant(c, l->g.id, l, reterr)); /* with its new scope, which its notice tells the approvers */
    TRY(life_apply(c, l, &step, &by, reterr));
    return grant_answer(c, l, reterr);
}

enum err api_grant_widen(struct job *c, struct err_info *reterr)
{
    struct span rid = SPAN_EMPTY, reason = SPAN_EMPTY;
    struct life_beforehand b;
    struct life l;
    struct ask a;
    enum err e;
    bool ok;

    TRY(grant_find(c, &l, &ok, reterr));
    if (!ok)
        return ERR_OK;
    if (!span_eq(l.g.holder, c->me->id))
        return job_forbidden(c);
    BODY_ONLY(&c->body, "", c->args, "recording", "reason");
    if (body_str(&c->body, "", c->args, "recording", BODY_REQUIRED, 1, 64, &rid) && !id_check(rid, ID_RECORDING))
        body_bad(&c->body, "", "recording", FIELD_PATTERN);
    (void) body_str(&c->body, "", c->args, "reason", BODY_OPTIONAL, 0, REQUEST_REASON_MAX, &reason);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (!grant_is_open(&l.st, &c->now))
        return refuse_not_open(c, &l);
    e = meta_grant_covers(c->v, l.g.id, rid, reterr);
    if (e == ERR_OK)
        return job_refuse(c, 409, "already-exists", "It is part of this access already.");
    if (e != ERR_NOTFOUND)
        return e;
    TRY(life_beforehand(c, &l, &b, reterr));
    ask_linked(&l, LINK_WIDEN, &a);
    a.req.recordings = &rid;
    a.req.n_recordings = 1;
    a.req.duration_s = (grant_left_ms(&l.st, &c->now) + 999) / 1000;
    if (reason.n > 0)
        a.req.reason = reason;
    TRY(ask_find(c, &a, &ok, reterr));
    if (!ok)
        return ERR_OK;
    TRY(decided_beforehand(c, &a, &b, &ok, reterr));
    return ok ? add(c, &l, rid, &b, reterr) : ask_file(c, &a, reterr);
}
