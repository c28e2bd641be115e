#include "keeper/life.h"

#include "codec/base64.h"
#include "format/leaf.h"
#include "keeper/item.h"
#include "keeper/keys.h"
#include "keeper/notice.h"
#include "keeper/terms.h"
#include "keeper/trail.h"
#include "keeper/view.h"
#include "keeper/viewings.h"

/* ---- rows and the record ---- */

static struct grant record_of(const struct life *l)
{
    const struct meta_request *q = &l->q;
    const struct meta_grant *g = &l->g;
    struct grant st = {
        .version = (uint32_t) (l->beside ? g->version : q->version), .duration_ms = q->duration_s * 1000, .start_by_ms = q->start_by_s * 1000,
        .start_at = q->start_ms, .created_at = q->created_ms, .lapse_at = q->lapse_ms,
    };

    /* Words were written by grant_*_name: a row that does not parse is read as the closed state. */
    if (!grant_state_parse(q->state, &st.state))
        st.state = GRANT_REVOKED;
    (void) grant_start_parse(q->start, &st.start);
    (void) grant_cause_parse(q->cause, &st.cause);
    if (g->id.n == 0) {
        st.ended_at = grant_ended(st.state) ? q->decided_ms : 0;
        return st;
    }
    if (!grant_state_parse(g->state, &st.state))
        st.state = GRANT_REVOKED;
    (void) grant_cause_parse(g->cause, &st.cause);
    (void) grant_cause_parse(g->end_cause, &st.end_cause);
    (void) grant_review_parse(g->review, &st.review);
    st.review_due = g->review_due_ms;
    st.gen = (uint32_t) g->gen;
    st.approved_at = g->approved_ms;
    st.start_by = g->start_by_ms;
    st.window_start = g->window_start_ms;
    st.window_end = g->window_end_ms;
    st.deadline = g->deadline_ms;
    st.last_key = g->last_key_ms;
    st.ended_at = g->ended_ms;
    if (g->boot_id.n == CLOCK_BOOT_ID)
        memcpy(st.boot_id, g->boot_id.p, CLOCK_BOOT_ID);
    return st;
}

void life_to_rows(struct job *c, struct life *l)
{
    struct meta_request *q = &l->q;
    struct meta_grant *g = &l->g;

    if (!l->beside) {
        q->version = l->st.version;
        q->state = span_str(grant_state_name(l->st.state));
        q->cause = span_str(grant_cause_name(l->st.cause));
    }
    if (g->id.n == 0)
        return;
    g->state = span_str(grant_state_name(l->st.state));
    g->cause = span_str(grant_cause_name(l->st.cause));
    g->end_cause = span_str(grant_cause_name(l->st.end_cause));
    g->review_due_ms = l->st.review_due;
    g->version = l->st.version;
    g->gen = l->st.gen;
    g->approved_ms = l->st.approved_at;
    g->start_by_ms = l->st.start_by;
    g->window_start_ms = l->st.window_start;
    g->window_end_ms = l->st.window_end;
    g->boot_id = l->st.window_start == 0 ? SPAN_EMPTY : arena_span(c->mem, SPAN_OF(l->st.boot_id));
    g->deadline_ms = l->st.deadline;
    g->last_key_ms = l->st.last_key;
    g->ended_ms = l->st.ended_at;
    g->review = span_str(grant_review_name(l->st.review));
}

static enum err finish_load(struct job *c, struct life *l, struct err_info *reterr)
{
    struct meta_request_lists lists;

    TRY(meta_request_lists(c->v, l->q.id, c->mem, &lists, reterr));
    l->asked = lists.recordings;
    l->n_asked = lists.n_recordings;
    l->rids = l->asked;
    l->n_rids = l->n_asked;
    l->viewers = lists.viewers;
    l->n_viewers = lists.n_viewers;
    l->beside = l->g.id.n > 0 && !span_eq(l->g.holder, l->q.requester);
    if (l->g.id.n > 0) {
        struct span *scope;

        TRY(meta_grant_recordings(c->v, l->g.id, c->mem, &scope, &l->n_rids, reterr));
        l->rids = scope;
    }
    for (size_t i = 0; i < lists.n_actions; i++) {
        enum action a;

        if (action_parse(lists.actions[i], &a))
            l->actions |= ACTION_BIT(a);
    }
    l->st = record_of(l);
    return ERR_OK;
}

enum err life_of_request(struct job *c, struct span qid, struct life *ret, struct err_info *reterr)
{
    struct life l = { 0 };
    struct meta_grant_list grants;

    if (!id_check(qid, ID_REQUEST))
        return ERR_NOTFOUND;
    TRY(meta_request_get(c->v, qid, c->mem, &l.q, reterr));
    TRY(meta_grants_of_request(c->v, qid, c->mem, &grants, reterr));
    for (size_t i = 0; i < grants.n; i++) {
        if (span_eq(grants.rows[i].holder, l.q.requester))
            l.g = grants.rows[i];
    }
    TRY(finish_load(c, &l, reterr));
    *ret = l;
    return ERR_OK;
}

enum err life_of_grant(struct job *c, struct span gid, struct life *ret, struct err_info *reterr)
{
    struct life l = { 0 };

    if (!id_check(gid, ID_GRANT))
        return ERR_NOTFOUND;
    TRY(meta_grant_get(c->v, gid, c->mem, &l.g, reterr));
    TRY(meta_request_get(c->v, l.g.request, c->mem, &l.q, reterr));
    TRY(finish_load(c, &l, reterr));
    *ret = l;
    return ERR_OK;
}

enum err life_head(struct job *c, const struct meta_grant *g, struct life *ret, struct err_info *reterr)
{
    struct life l = { .g = *g };

    TRY(meta_request_get(c->v, g->request, c->mem, &l.q, reterr));
    l.beside = !span_eq(g->holder, l.q.requester);
    l.st = record_of(&l);
    *ret = l;
    return ERR_OK;
}

bool life_visible(const struct job *c, struct span project, struct span owner)
{
    role_mask roles = job_roles(c, project);

    if (span_eq(c->me->id, owner))
        return true;
    return (roles & (ROLE_BIT(ROLE_APPROVER) | ROLE_BIT(ROLE_PROJECT_ADMIN) | ROLE_BIT(ROLE_AUDITOR) |
                     ROLE_BIT(ROLE_ADMIN))) != 0;
}

bool life_sees(const struct job *c, const struct life *l)
{
    for (size_t i = 0; i < l->n_viewers; i++) {
        if (span_eq(l->viewers[i], c->me->id))
            return true;
    }
    return life_visible(c, l->q.project, l->q.requester);
}

struct span life_holder(const struct life *l)
{
    return l->g.id.n > 0 ? l->g.holder : l->q.requester;
}

/* ---- saving a step ---- */

static enum err add_grant(struct job *c, struct life *l, struct span holder, struct err_info *reterr)
{
    struct span actions[ACTION_N_];
    enum action sorted[ACTION_N_];
    size_t n = action_sorted(l->actions, sorted);

    for (size_t i = 0; i < n; i++)
        actions[i] = span_str(action_name(sorted[i]));
    l->g = (struct meta_grant){
        .id = job_new_id(c, ID_GRANT), .request = l->q.id, .holder = holder, .project = l->q.project,
        .env = l->q.env, .duration_s = l->q.duration_s, .start_ms = l->q.start_ms, .policy = l->q.policy,
        .rule = l->q.rule, .terms = l->q.terms, .created_ms = c->now.real,
    };
    life_to_rows(c, l);
    return meta_grant_add(c->m, &l->g, l->rids, l->n_rids, actions, n, reterr);
}

static struct leaf life_leaf(struct job *c, const struct life *l, enum leaf_type type, const struct life_by *by)
{
    struct leaf leaf = trail_leaf(c, type, trail_log(c, l->q.project));

    leaf.actor = by->actor.n > 0 ? by->actor : SPAN("system");
    leaf.q = l->q.id;
    leaf.gid = l->g.id;
    leaf.gen = l->st.gen;
    leaf.policy = l->q.policy;
    leaf.digest = l->q.digest;
    leaf.outcome = l->st.cause != GRANT_CAUSE_NONE ? span_str(grant_cause_name(l->st.cause)) : SPAN("ok");
    if (by->is_unsigned)
        (void) leaf_add_number(&leaf, "unsigned", 1);
    return leaf;
}

/* What the types of some moves say besides. */
static void add_to_leaf(struct job *c, const struct life *l, struct leaf *leaf, const struct who *actor)
{
    if (leaf->type == LEAF_GRANT_ACTIVATED || leaf->type == LEAF_BREAKGLASS_USED) {
        (void) leaf_add_number(leaf, "start_ms", l->st.window_start);
        (void) leaf_add_number(leaf, "end_ms", l->st.window_end);
    }
    if (leaf->type == LEAF_GRANT_SCHEDULED)
        (void) leaf_add_number(leaf, "start_by_ms", l->st.start == GRANT_START_TIME ? l->q.start_ms : l->st.start_by);
    if (leaf->type == LEAF_GRANT_NARROWED && l->st.end_cause != GRANT_CAUSE_NONE) {
        leaf->outcome = span_str(grant_cause_name(l->st.end_cause));
        (void) leaf_add_number(leaf, "end_ms", l->st.window_end);
    }
    if (leaf->type == LEAF_ALARM_RAISED)
        leaf->outcome = SPAN("review-overdue");
    if (leaf->type == LEAF_REVIEW_DONE || leaf->type == LEAF_REVIEW_FAILED)
        leaf->outcome = SPAN("ok");
    if (leaf->type == LEAF_BREAKGLASS_USED && actor != NULL) {
        trail_fact(c, leaf, "incident", l->q.incident, who_person(actor));
        trail_fact(c, leaf, "urgent", l->q.urgent, who_person(actor));
    }
}

enum err life_record(struct job *c, const struct life *l, enum grant_event event, const struct life_by *by,
                     struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct who *actor;
    enum leaf_type type;
    struct leaf leaf;

    if (people == NULL)
        return ERR_NOMEM;
    if (!leaf_type_find(span_str(grant_event_type(event)), &type))
        return ERR_RAISE(reterr, ERR_STATE, "no record type for this move");
    leaf = life_leaf(c, l, type, by);
    leaf.rid = by->rid;
    actor = people_by_id(people, by->actor);
    add_to_leaf(c, l, &leaf, actor);
    if (actor != NULL)
        trail_fact(c, &leaf, "comment", by->comment, who_person(actor));
    return trail_write(c, &leaf, NULL, reterr);
}

enum err life_row(struct job *c, const struct life *l, uint16_t end_code, struct ipc_row_grant *ret,
                  struct err_info *reterr)
{
    struct terms t;

    TRY(terms_read(l->q.terms, c->mem, &t, reterr));
    return life_row_of(c, l, &t, end_code, ret, reterr);
}

enum err life_row_of(struct job *c, const struct life *l, const struct terms *t, uint16_t end_code,
                     struct ipc_row_grant *ret, struct err_info *reterr)
{
    uint8_t *hash = arena_alloc(c->mem, 32);
    size_t n;

    if (hash == NULL || !base64url_parse(l->q.policy, hash, 32, &n))
        return ERR_RAISE(reterr, ERR_CORRUPT, "policy hash of a request");
    *ret = (struct ipc_row_grant){
        .gid = l->g.id, .pid = l->q.project, .sub = l->g.holder, .state = (uint8_t) l->st.state, .gen = l->st.gen,
        .wend_ms = l->st.window_end, .deadline_ms = l->st.deadline, .end_code = end_code, .policy = span_of(hash, n),
        .max_speed_x100 = t->max_speed_x100, .key_streams = t->key_streams, .grant_streams = t->grant_streams,
        .person_streams = t->person_streams, .key_bytes = t->key_bytes, .key_rate = t->key_rate,
        .key_requests = t->key_requests,
    };
    return ERR_OK;
}

enum err life_push(struct job *c, const struct life *l, int end_code, struct err_info *reterr)
{
    struct ipc_row_grant row;
    struct ipc_grants msg = { .rows = { &row, 1 } };

    TRY(life_row(c, l, (uint16_t) end_code, &row, reterr));
    if (out_add(c->outs, OUT_GATE_VAULT, IPC_T_GRANTS, &msg) == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "push of a grant");
    return ERR_OK;
}

static void tell(struct job *c, const struct life *l)
{
    struct notice n = { .type = NOTICE_REQUEST, .id = l->q.id, .state = grant_state_name(l->st.state),
                        .project = l->q.project, .owner = l->q.requester, .recordings = l->rids,
                        .n_recordings = l->n_rids, .break_glass = l->q.break_glass != 0 };

    if (!l->beside)
        notice_send(c, &n);
    if (l->g.id.n == 0)
        return;
    n.owner = l->g.holder;
    n.type = NOTICE_GRANT;
    n.request = l->q.id;
    n.id = l->g.id;
    notice_send(c, &n);
}

/*
 * Everybody else who was approved to watch gets a grant of their own, with the guards of their own: who may not watch
 * today gets none.
 */
static enum err add_viewers(struct job *c, const struct life *l, const struct grant *pending, const struct life_by *by,
                            struct err_info *reterr)
{
    for (size_t i = 0; i < l->n_viewers; i++) {
        struct life v = *l;
        struct grant_guards guards;
        struct grant_step step;

        v.beside = true;
        v.g = (struct meta_grant){ 0 };
        TRY(life_guards_of(c, l, l->viewers[i], &guards, reterr));
        guards.votes_stand = true; /* that is why it was approved */
        step = grant_auto(pending, &c->now, &guards, GRANT_CAUSE_NONE);
        if (step.verdict != GRANT_OK)
            continue;
        v.st = step.next;
        v.st.version = 1;
        TRY(add_grant(c, &v, l->viewers[i], reterr));
        TRY(life_record(c, &v, step.event, by, reterr));
        if (step.push)
            TRY(life_push(c, &v, 0, reterr));
        tell(c, &v);
    }
    return ERR_OK;
}

static void note_who(struct life *l, const struct grant_step *step, const struct life_by *by, bool ended)
{
    if (ended) {
        l->g.ended_by = by->actor;
        l->g.ended_comment = by->comment;
    } else if (step->event == GRANT_EV_SUSPEND) {
        l->g.held_by = by->actor;
        l->g.held_comment = by->comment;
    }
}

enum err life_apply(struct job *c, struct life *l, const struct grant_step *step, const struct life_by *by,
                    struct err_info *reterr)
{
    const struct grant before = l->st;
    bool was_pending = l->st.state == GRANT_PENDING, opened = false, ended;

    l->st = step->next;
    ended = grant_ended(l->st.state) && !grant_ended(before.state);
    if (was_pending && l->st.state != GRANT_PENDING)
        l->q.decided_ms = c->now.real;
    if (was_pending && (l->st.state == GRANT_SCHEDULED || l->st.state == GRANT_ACTIVE)) {
        life_to_rows(c, l);
        TRY(add_grant(c, l, l->q.requester, reterr));
        opened = true;
    } else {
        note_who(l, step, by, ended);
        life_to_rows(c, l);
        if (l->g.id.n > 0)
            TRY(meta_grant_put(c->m, &l->g, reterr));
    }
    if (!l->beside)
        TRY(meta_request_put(c->m, &l->q, reterr));
    if (step->event != GRANT_EV_VOTE)
        TRY(life_record(c, l, step->event, by, reterr));
    if (ended && l->g.id.n > 0)
        TRY(viewings_end_grant(c, l->g.id, grant_cause_name(l->st.cause), reterr));
    if (step->push)
        TRY(life_push(c, l, step->end_code, reterr));
    tell(c, l);
    return opened ? add_viewers(c, l, &before, by, reterr) : ERR_OK;
}

/* ---- refusing ---- */

static enum err refuse_with_state(struct job *c, const struct life *l, uint16_t status, const char *code)
{
    struct jsonw *w = job_extra(c);

    view_state(c, "state", span_str(grant_state_name(l->st.state)));
    if (l->g.id.n > 0)
        jsonw_kstr(w, "grant", l->g.id);
    if (l->st.state == GRANT_SCHEDULED && l->st.start == GRANT_START_TIME)
        jsonw_ktime(w, "opens_at", l->st.start_at);
    return job_refuse(c, status, code, NULL);
}

enum err life_refuse(struct job *c, const struct life *l, const struct grant_step *step)
{
    const char *code = grant_code(step);
    uint16_t status = (uint16_t) grant_status(step);

    switch (step->verdict) {
    case GRANT_REFUSED_VOTE:
        if (step->vote == VOTE_REAUTH || step->vote == VOTE_TOKEN)
            return job_refuse(c, status, code, NULL);
        jsonw_kcstr(job_extra(c), "cause", vote_cause(step->vote));
        return job_refuse(c, status, code, NULL);
    case GRANT_OK:
    case GRANT_CONFLICT:
    case GRANT_STALE_VERSION:
    case GRANT_NOT_ALLOWED:
    case GRANT_OWN:
    case GRANT_CLOCK:
    case GRANT_FROZEN:
    case GRANT_POLICY:
    case GRANT_NOT_STARTED:
    case GRANT_START_FIRST:
    case GRANT_IS_SUSPENDED:
    case GRANT_IS_OVER:
    case GRANT_AUDIT:
    case GRANT_REAUTH:
    case GRANT_VERDICT_N_:
        break;
    case GRANT_BREAK_LIMIT:
        jsonw_kcstr(job_extra(c), "cause", grant_limit_name(step->limit));
        return job_refuse(c, status, code, NULL);
    }
    return status == 409 || status == 403 ? refuse_with_state(c, l, status, code) : job_refuse(c, status, code, NULL);
}
