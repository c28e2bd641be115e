/* Lists of requests, one request, votes, cancelling (T2, T3, T5). */
#include "keeper/api/states.h"
#include "keeper/api/api.h"
#include "keeper/trail.h"
#include "keeper/view.h"

static const struct span pending = { (const uint8_t *) "PENDING", 7 };

static bool in_inbox(struct job *c, struct span id, enum err *ret, struct err_info *reterr)
{
    enum vote_verdict v = VOTE_NOT_ELIGIBLE;
    struct life l;

    *ret = life_of_request(c, id, &l, reterr);
    if (*ret == ERR_OK)
        *ret = life_touch(c, &l, reterr);
    if (*ret == ERR_OK && l.st.state == GRANT_PENDING)
        *ret = inbox_may_vote(c, &l, &v, reterr);
    return *ret == ERR_OK && v == VOTE_OK;
}

enum err api_requests_list(struct job *c, struct err_info *reterr)
{
    static const char *const boxes[] = { "mine", "inbox", "all" };
    struct meta_request_list rows;
    struct meta_pos next;
    struct span box = SPAN_EMPTY;
    struct states s;
    struct pages p;
    bool inbox;

    PAGES_BEGIN(c, &p, "state", "box", "recording");
    (void) body_word(&c->body, "?", c->query, "box", BODY_OPTIONAL, boxes, 3);
    TRY(states_read(c, &s, "open", &pending, 1, reterr));
    if (c->body.errors.n > 0) {
        pages_drop(&p);
        return job_invalid(c);
    }
    inbox = tree_get_str(c->query, "box", &box) && span_eq_str(box, "inbox");
    if (inbox) {
        s.filter.states = &pending;
        s.filter.n_states = 1;
    }
    if (inbox && s.filter.n_projects == 0) {
        rows.n = 0;
        next = (struct meta_pos){ 0 };
    } else {
        TRY(meta_requests(c->v, &s.filter, &p.page, c->mem, &rows, &next, reterr));
    }
    (void) pages_items(c);
    for (size_t i = 0; i < rows.n; i++) {
        enum err e = ERR_OK;
        bool shown = !inbox || in_inbox(c, rows.rows[i].id, &e, reterr);

        if (e == ERR_OK && shown)
            e = view_request(c, &rows.rows[i], reterr);
        if (e != ERR_OK) {
            pages_drop(&p);
            return e;
        }
    }
    pages_end(c, &p, next);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

/* Loads what the caller may see, brought up to date. *ret_ok false: answered. */
static enum err find(struct job *c, struct life *ret, bool *ret_ok, struct err_info *reterr)
{
    enum err e = life_of_request(c, c->in->id1, ret, reterr);

    *ret_ok = false;
    if (e == ERR_NOTFOUND)
        return job_not_found(c);
    TRY(e);
    c->log = ret->q.project;
    if (!life_sees(c, ret))
        return job_not_found(c);
    TRY(life_touch(c, ret, reterr));
    *ret_ok = true;
    return ERR_OK;
}

static enum err answer(struct job *c, const struct life *l, struct err_info *reterr)
{
    (void) job_json(c, 200);
    TRY(view_request(c, &l->q, reterr));
    job_etag(c, l->st.version);
    return ERR_OK;
}

enum err api_request_get(struct job *c, struct err_info *reterr)
{
    struct life l;
    bool ok;

    TRY(find(c, &l, &ok, reterr));
    return ok ? answer(c, &l, reterr) : ERR_OK;
}

/* ---- votes ---- */

#define VOTE_CHANGED_MS (24LL * 3600 * 1000) /* a vote of an account that somebody changed so recently is marked */

struct ballot_paper {
    struct span digest, comment;
    bool approve;
};

static enum err store_vote(struct job *c, const struct life *l, const struct ballot_paper *b, struct err_info *reterr)
{
    struct meta_vote row = {
        .request = l->q.id, .voter = c->me->id, .person = who_person(c->me),
        .verdict = b->approve ? SPAN("approve") : SPAN("deny"), .digest = b->digest, .comment = b->comment,
        .auth_ms = c->token.auth_ms, .at_ms = c->now.real,
        .is_unsigned = c->act.is_unsigned, .act = c->act.jws,
        .marks = c->now.real - c->me->changed < VOTE_CHANGED_MS ? SPAN("changed") : SPAN_EMPTY,
    };
    struct leaf leaf = trail_leaf(c, LEAF_REQUEST_VOTED, trail_log(c, l->q.project));

    TRY(meta_vote_add(c->m, &row, reterr));
    leaf.q = l->q.id;
    leaf.policy = l->q.policy;
    leaf.digest = l->q.digest;
    leaf.outcome = row.verdict;
    trail_mark(c, &leaf);
    if (row.marks.n > 0)
        (void) leaf_add_number(&leaf, "changed", 1);
    (void) leaf_add_number(&leaf, "auth_age_s", (c->now.real - c->token.auth_ms) / 1000);
    trail_fact(c, &leaf, "comment", b->comment, who_person(c->me));
    return trail_write(c, &leaf, NULL, reterr);
}

static enum err judge_vote(struct job *c, const struct life *l, const struct ballot_paper *b, struct grant_step *ret,
                           struct err_info *reterr)
{
    struct grant_guards guards;
    struct grant_ballot ballot;
    struct life_ballot own;

    TRY(life_ballot(c, l, &own, reterr));
    TRY(life_guards(c, l, &guards, reterr));
    ballot = (struct grant_ballot){
        .rule = &own.rule, .c = &own.c, .voter = c->me, .digest = b->digest, .votes = own.votes, .n_votes = own.n_votes,
        .auth = { .at = c->token.auth_ms, .token = span_eq_str(c->token.kind, "api"),
                  .tokens_may = c->core->cfg.token_votes },
    };
    *ret = b->approve ? grant_approve(&l->st, &c->now, &ballot, &guards) : grant_deny(&l->st, &c->now, &ballot);
    return ERR_OK;
}

static enum err vote(struct job *c, bool approve, struct err_info *reterr)
{
    struct ballot_paper b = { .approve = approve };
    const struct life_by by = { .actor = c->me->id, .is_unsigned = c->act.is_unsigned };
    struct grant_step step;
    struct life l;
    bool ok;

    TRY(find(c, &l, &ok, reterr));
    if (!ok)
        return ERR_OK;
    BODY_ONLY(&c->body, "", c->args, "digest", "comment");
    (void) body_str(&c->body, "", c->args, "digest", BODY_REQUIRED, 1, 64, &b.digest);
    (void) body_str(&c->body, "", c->args, "comment", BODY_OPTIONAL, 0, 2000, &b.comment);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (!job_if_match_ok(c, l.st.version))
        return ERR_OK;
    TRY(judge_vote(c, &l, &b, &step, reterr));
    if (step.verdict != GRANT_OK)
        return life_refuse(c, &l, &step);
    if (approve && !job_open_for_access(c, false))
        return ERR_OK;
    TRY(store_vote(c, &l, &b, reterr));
    TRY(life_apply(c, &l, &step, &by, reterr));
    return answer(c, &l, reterr);
}

enum err api_request_approve(struct job *c, struct err_info *reterr)
{
    return vote(c, true, reterr);
}

enum err api_request_deny(struct job *c, struct err_info *reterr)
{
    return vote(c, false, reterr);
}

/* What its viewers have not opened goes with it. */
static enum err cancel_beside(struct job *c, const struct life *l, const struct life_by *by, struct err_info *reterr)
{
    const struct grant_actor actor = { .requester = true };
    struct meta_grant_list grants;

    TRY(meta_grants_of_request(c->v, l->q.id, c->mem, &grants, reterr));
    for (size_t i = 0; i < grants.n; i++) {
        struct grant_step step;
        struct life v;

        TRY(life_of_grant(c, grants.rows[i].id, &v, reterr));
        step = grant_cancel(&v.st, &c->now, &actor);
        if (v.beside && step.verdict == GRANT_OK)
            TRY(life_apply(c, &v, &step, by, reterr));
    }
    return ERR_OK;
}

enum err api_request_cancel(struct job *c, struct err_info *reterr)
{
    const struct life_by by = { .actor = c->me->id };
    struct grant_actor actor = { 0 };
    struct grant_step step;
    struct life l;
    bool ok;

    TRY(find(c, &l, &ok, reterr));
    if (!ok || !job_if_match_ok(c, l.st.version))
        return ERR_OK;
    actor.requester = span_eq(l.q.requester, c->me->id);
    step = grant_cancel(&l.st, &c->now, &actor);
    if (step.verdict != GRANT_OK)
        return life_refuse(c, &l, &step);
    TRY(life_apply(c, &l, &step, &by, reterr));
    TRY(cancel_beside(c, &l, &by, reterr));
    return answer(c, &l, reterr);
}
