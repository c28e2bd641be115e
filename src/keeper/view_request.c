/* Requests, grants, keys and viewings as the API shows them. */
#include "codec/base64.h"
#include "keeper/inbox.h"
#include "keeper/terms.h"
#include "keeper/view.h"
#include "keeper/viewings.h"

#define APPROVERS_MAX 20

static void write_actions(struct job *c, const char *key, action_mask mask)
{
    enum action sorted[ACTION_N_];
    size_t n = action_sorted(mask, sorted);

    jsonw_karr(&c->w, key);
    for (size_t i = 0; i < n; i++)
        jsonw_str(&c->w, span_str(action_name(sorted[i])));
    jsonw_arr_end(&c->w);
}

static void write_purpose(struct job *c, const struct meta_request *q)
{
    jsonw_kobj(&c->w, "purpose");
    jsonw_kstr(&c->w, "code", q->purpose);
    jsonw_kstr(&c->w, "reason", q->reason);
    view_text(c, "ticket", q->ticket);
    jsonw_obj_end(&c->w);
}

/* "approval", "first-use", or the time. */
static void write_start(struct job *c, const struct meta_request *q)
{
    if (span_eq_str(q->start, "time"))
        jsonw_ktime(&c->w, "start", q->start_ms);
    else
        jsonw_kstr(&c->w, "start", q->start);
}

static enum err write_recordings(struct job *c, const struct span *rids, size_t n, struct err_info *reterr)
{
    jsonw_karr(&c->w, "recordings");
    for (size_t i = 0; i < n; i++)
        TRY(view_request_recording(c, NULL, rids[i], reterr));
    jsonw_arr_end(&c->w);
    return ERR_OK;
}

static enum err write_project_name(struct job *c, struct span pid, struct err_info *reterr)
{
    struct meta_project p;

    TRY(meta_project_get(c->v, pid, c->mem, &p, reterr));
    jsonw_kstr(&c->w, "project", pid);
    jsonw_kstr(&c->w, "project_name", p.name);
    return ERR_OK;
}

static void write_window(struct job *c, const struct life *l)
{
    if (l->st.window_start == 0) {
        jsonw_knull(&c->w, "window");
        return;
    }
    jsonw_kobj(&c->w, "window");
    jsonw_ktime(&c->w, "start", l->st.window_start);
    jsonw_ktime(&c->w, "end", l->st.window_end);
    jsonw_obj_end(&c->w);
}

/* The object that the digest is made of, so that a client computes it from what it shows. */
static enum err write_digest_object(struct job *c, const struct life *l, struct err_info *reterr)
{
    const struct meta_request *q = &l->q;
    struct request r = { .recordings = l->asked, .n_recordings = l->n_asked, .actions = l->actions, .purpose = q->purpose,
                         .reason = q->reason, .ticket = q->ticket, .duration_s = q->duration_s, .start = l->st.start,
                         .start_at = q->start_ms, .start_by_s = q->start_by_s, .viewers = l->viewers,
                         .n_viewers = l->n_viewers, .more_max = (unsigned) q->more_max,
                         .more_times = (unsigned) q->more_time_times, .more_each_s = q->more_time_each_s,
                         .extends = q->extends };
    const struct request_facts f = { .id = q->id, .salt = q->salt.p, .requester = q->requester, .project = q->project,
                                     .env = q->env, .policy = q->policy, .request = &r };
    struct buf json = BUF_INIT(256U << 10);
    enum err e;

    (void) request_same_parse(q->more_same, &r.more_same);
    if (q->salt.n != REQUEST_SALT_LEN)
        return ERR_RAISE(reterr, ERR_CORRUPT, "a request without its salt");
    e = request_digest_json(&f, &json, reterr);
    if (e == ERR_OK)
        jsonw_kraw(&c->w, "digest_object", buf_span(&json));
    buf_deinit(&json);
    return e;
}

static enum err write_votes(struct job *c, const struct life_ballot *b)
{
    jsonw_karr(&c->w, "votes");
    for (size_t i = 0; i < b->n_votes; i++) {
        const struct meta_vote *v = &b->rows[i];

        jsonw_obj(&c->w);
        view_person(c, "voter", v->voter);
        jsonw_kstr(&c->w, "vote", v->verdict);
        view_text(c, "comment", v->comment);
        jsonw_ktime(&c->w, "at", v->at_ms);
        jsonw_kbool(&c->w, "signed", v->is_unsigned == 0);
        jsonw_obj_end(&c->w);
    }
    jsonw_arr_end(&c->w);
    return ERR_OK;
}

static void write_rule(struct job *c, const struct life *l, const struct terms *t)
{
    jsonw_kstr(&c->w, "rule", l->q.rule);
    jsonw_kstr(&c->w, "policy", l->q.policy);
    jsonw_kint(&c->w, "need", t->need);
    jsonw_kint(&c->w, "deny", t->deny);
    view_words(c, "from", t->ask.from, t->ask.n_from);
    jsonw_karr(&c->w, "groups");
    for (size_t i = 0; i < t->ask.n_groups; i++) {
        jsonw_obj(&c->w);
        jsonw_kstr(&c->w, "name", t->ask.groups[i].name);
        jsonw_kint(&c->w, "min", t->ask.groups[i].min);
        jsonw_obj_end(&c->w);
    }
    jsonw_arr_end(&c->w);
    jsonw_kbool(&c->w, "sole_person", t->sole_person);
}

/* Who could still vote now. */
static enum err write_approvers(struct job *c, const struct life *l, const struct life_ballot *b,
                                struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    size_t n = 0;

    if (people == NULL)
        return ERR_NOMEM;
    jsonw_karr(&c->w, "approvers");
    for (size_t i = 0; i < people->n && n < APPROVERS_MAX && l->st.state == GRANT_PENDING; i++) {
        const struct who *w = &people->all[i];
        bool voted = false;

        for (size_t k = 0; k < b->n_votes; k++)
            voted |= span_eq(b->votes[k].person, who_person(w));
        if (voted || vote_eligible(&b->rule, &b->c, w) != VOTE_OK)
            continue;
        view_person(c, NULL, w->id);
        n++;
    }
    jsonw_arr_end(&c->w);
    return ERR_OK;
}

static enum err write_can(struct job *c, const struct life *l, struct err_info *reterr)
{
    enum vote_verdict v = VOTE_NOT_ELIGIBLE;
    bool own = span_eq(l->q.requester, c->me->id);

    if (l->st.state == GRANT_PENDING)
        TRY(inbox_may_vote(c, l, &v, reterr));
    jsonw_karr(&c->w, "can");
    if (v == VOTE_OK) {
        jsonw_str(&c->w, SPAN("approve"));
        jsonw_str(&c->w, SPAN("deny"));
    }
    if (own && (l->st.state == GRANT_PENDING || l->st.state == GRANT_SCHEDULED))
        jsonw_str(&c->w, SPAN("cancel"));
    jsonw_arr_end(&c->w);
    if (l->st.state == GRANT_PENDING && v != VOTE_OK)
        jsonw_kcstr(&c->w, "why_not", vote_cause(v));
    else
        jsonw_knull(&c->w, "why_not");
    return ERR_OK;
}

enum err view_request(struct job *c, const struct meta_request *q, struct err_info *reterr)
{
    struct life_ballot b;
    struct terms t;
    struct life l;

    TRY(life_of_request(c, q->id, &l, reterr));
    TRY(life_touch(c, &l, reterr));
    TRY(life_ballot(c, &l, &b, reterr));
    TRY(terms_read(l.q.terms, c->mem, &t, reterr));
    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "id", l.q.id);
    view_state(c, "state", span_str(grant_state_name(l.st.state)));
    jsonw_kint(&c->w, "version", l.st.version);
    jsonw_kstr(&c->w, "digest", l.q.digest);
    TRY(write_digest_object(c, &l, reterr));
    view_person(c, "requester", l.q.requester);
    TRY(write_project_name(c, l.q.project, reterr));
    jsonw_kstr(&c->w, "env", l.q.env);
    TRY(write_recordings(c, l.asked, l.n_asked, reterr));
    write_actions(c, "actions", l.actions);
    write_purpose(c, &l.q);
    jsonw_kint(&c->w, "duration_s", l.q.duration_s);
    write_start(c, &l.q);
    jsonw_kint(&c->w, "start_by_s", l.q.start_by_s);
    write_rule(c, &l, &t);
    TRY(view_request_beyond(c, &l, reterr));
    TRY(write_votes(c, &b));
    TRY(write_approvers(c, &l, &b, reterr));
    TRY(write_can(c, &l, reterr));
    jsonw_ktime(&c->w, "created_at", l.q.created_ms);
    jsonw_ktime(&c->w, "lapses_at", l.q.lapse_ms);
    view_time(c, "decided_at", l.q.decided_ms);
    view_text(c, "grant", l.g.id);
    write_window(c, &l);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

/* ---- grants ---- */

static void write_ended(struct job *c, const struct life *l)
{
    if (!grant_ended(l->st.state)) {
        jsonw_knull(&c->w, "ended");
        return;
    }
    jsonw_kobj(&c->w, "ended");
    jsonw_ktime(&c->w, "at", l->st.ended_at);
    jsonw_kcstr(&c->w, "cause", grant_cause_name(l->st.cause));
    if (l->g.ended_by.n > 0)
        view_person(c, "by", l->g.ended_by);
    if (l->g.ended_comment.n > 0)
        jsonw_kstr(&c->w, "comment", l->g.ended_comment);
    jsonw_obj_end(&c->w);
}

static void write_grant_can(struct job *c, const struct life *l)
{
    bool own = span_eq(l->g.holder, c->me->id), living = !grant_ended(l->st.state);
    bool due = l->st.review == GRANT_REVIEW_DUE || l->st.review == GRANT_REVIEW_OVERDUE;

    jsonw_karr(&c->w, "can");
    if (living && job_may(c, l->q.project, PERM_REVOKE))
        jsonw_str(&c->w, SPAN("revoke"));
    if (l->st.state == GRANT_ACTIVE && job_may(c, l->q.project, PERM_SUSPEND))
        jsonw_str(&c->w, SPAN("suspend"));
    if (l->st.state == GRANT_SUSPENDED && !own && job_may(c, l->q.project, PERM_RESUME))
        jsonw_str(&c->w, SPAN("resume"));
    if (own && l->st.state == GRANT_ACTIVE) {
        jsonw_str(&c->w, SPAN("more-time"));
        jsonw_str(&c->w, SPAN("widen"));
    }
    if (!own && l->st.state == GRANT_ACTIVE && job_may(c, l->q.project, PERM_ASK))
        jsonw_str(&c->w, SPAN("join"));
    if (!living && due && !own && job_may(c, l->q.project, PERM_REVIEW))
        jsonw_str(&c->w, SPAN("review"));
    if (own && (l->st.state == GRANT_ACTIVE || l->st.state == GRANT_SCHEDULED)) {
        jsonw_str(&c->w, SPAN("relinquish"));
        if (l->st.start != GRANT_START_TIME || l->st.state == GRANT_ACTIVE)
            jsonw_str(&c->w, SPAN("keys"));
    }
    jsonw_arr_end(&c->w);
}

static void write_opens_by(struct job *c, const struct life *l)
{
    if (l->st.state != GRANT_SCHEDULED)
        jsonw_knull(&c->w, "opens_by");
    else
        jsonw_ktime(&c->w, "opens_by", l->st.start == GRANT_START_TIME ? l->st.start_at : l->st.start_by);
}

enum err view_grant(struct job *c, const struct meta_grant *g, struct err_info *reterr)
{
    struct terms t;
    struct life l;

    TRY(life_of_grant(c, g->id, &l, reterr));
    TRY(life_touch(c, &l, reterr));
    TRY(terms_read(l.q.terms, c->mem, &t, reterr));
    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "id", l.g.id);
    view_state(c, "state", span_str(grant_state_name(l.st.state)));
    jsonw_kint(&c->w, "gen", l.st.gen);
    jsonw_kint(&c->w, "version", l.st.version);
    jsonw_kstr(&c->w, "request", l.q.id);
    view_person(c, "holder", l.g.holder);
    jsonw_kstr(&c->w, "project", l.q.project);
    jsonw_kstr(&c->w, "env", l.q.env);
    TRY(write_recordings(c, l.rids, l.n_rids, reterr));
    write_actions(c, "actions", l.actions);
    write_purpose(c, &l.q);
    jsonw_kint(&c->w, "duration_s", l.q.duration_s);
    write_start(c, &l.q);
    write_opens_by(c, &l);
    write_window(c, &l);
    jsonw_kint(&c->w, "left_ms", grant_left_ms(&l.st, &c->now));
    write_ended(c, &l);
    jsonw_kstr(&c->w, "rule", l.q.rule);
    jsonw_kstr(&c->w, "policy", l.q.policy);
    jsonw_key(&c->w, "max_speed");
    jsonw_raw(&c->w, view_hundredths(c, t.max_speed_x100));
    jsonw_kbool(&c->w, "watermark", t.watermark);
    jsonw_kbool(&c->w, "sole_person", t.sole_person);
    jsonw_kcstr(&c->w, "review", grant_review_name(l.st.review));
    TRY(view_grant_beyond(c, &l, reterr));
    write_grant_can(c, &l);
    jsonw_ktime(&c->w, "created_at", l.g.created_ms);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

/* ---- keys and viewings ---- */

void view_scope(struct job *c, struct span scope)
{
    struct span word;

    jsonw_karr(&c->w, "scope");
    for (bool more = scope.n > 0; more;) {
        more = span_cut(scope, ' ', &word, &scope);
        jsonw_str(&c->w, word);
    }
    jsonw_arr_end(&c->w);
}

enum err view_key(struct job *c, const struct meta_key *k, struct err_info *reterr)
{
    (void) reterr;
    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "key_id", k->jti);
    jsonw_kstr(&c->w, "grant", k->gid);
    jsonw_kint(&c->w, "gen", k->gen);
    jsonw_kstr(&c->w, "recording", k->rid);
    jsonw_kstr(&c->w, "viewing", k->vid);
    view_person(c, "holder", k->sub);
    jsonw_kstr(&c->w, "client", k->client);
    view_text(c, "client_key", k->jkt);
    view_scope(c, k->scope);
    jsonw_ktime(&c->w, "issued_at", k->iat_s * 1000);
    jsonw_ktime(&c->w, "expires_at", k->exp_s * 1000);
    jsonw_kcstr(&c->w, "state",
                k->revoked_ms != 0 ? "revoked" : c->now.real >= k->exp_s * 1000 ? "expired" : "live");
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

enum err view_viewing(struct job *c, const struct meta_viewing *v, struct err_info *reterr)
{
    const struct watching *w = c->m == NULL ? NULL : viewing_watching(c->core, v->id);
    bool live = span_eq_str(v->state, "live"), over = v->ended_ms != 0;
    struct life l;

    TRY(life_of_grant(c, v->gid, &l, reterr));
    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "id", v->id);
    jsonw_kcstr(&c->w, "state", live ? "live" : "ended");
    jsonw_kstr(&c->w, "grant", v->gid);
    TRY(view_request_recording(c, "recording", v->rid, reterr));
    jsonw_kstr(&c->w, "project", v->project);
    view_person(c, "viewer", v->holder);
    jsonw_kstr(&c->w, "purpose", l.q.purpose);
    jsonw_kstr(&c->w, "client", v->client);
    jsonw_ktime(&c->w, "began_at", v->begun_ms);
    view_time(c, "last_at", w != NULL && w->last_ms > v->last_ms ? w->last_ms : v->last_ms);
    view_time(c, "ended_at", v->ended_ms);
    view_text(c, "cause", v->cause);
    view_time(c, "window_ends", l.st.window_end);
    jsonw_karr(&c->w, "can");
    if (!over && (span_eq(v->holder, c->me->id) || job_may(c, v->project, PERM_STOP_VIEWING)))
        jsonw_str(&c->w, SPAN("stop"));
    jsonw_arr_end(&c->w);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}
