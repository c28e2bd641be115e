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
        .version = (uint32_t) q->version, .duration_ms = q->duration_s * 1000, .start_by_ms = q->start_by_s * 1000,
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

static void record_to_rows(struct job *c, struct life *l)
{
    struct meta_request *q = &l->q;
    struct meta_grant *g = &l->g;

    q->version = l->st.version;
    q->state = span_str(grant_state_name(l->st.state));
    q->cause = span_str(grant_cause_name(l->st.cause));
    if (g->id.n == 0)
        return;
    g->state = q->state;
    g->cause = q->cause;
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
    l->rids = lists.recordings;
    l->n_rids = lists.n_recordings;
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
    if (grants.n > 0)
        l.g = grants.rows[0];
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

bool life_visible(const struct job *c, struct span project, struct span owner)
{
    role_mask roles = job_roles(c, project);

    if (span_eq(c->me->id, owner))
        return true;
    return (roles & (ROLE_BIT(ROLE_APPROVER) | ROLE_BIT(ROLE_PROJECT_ADMIN) | ROLE_BIT(ROLE_AUDITOR) |
                     ROLE_BIT(ROLE_ADMIN))) != 0;
}

/* ---- saving a step ---- */

static enum err add_grant(struct job *c, struct life *l, struct err_info *reterr)
{
    struct span actions[ACTION_N_];
    enum action sorted[ACTION_N_];
    size_t n = action_sorted(l->actions, sorted);

    for (size_t i = 0; i < n; i++)
        actions[i] = span_str(action_name(sorted[i]));
    l->g = (struct meta_grant){
        .id = job_new_id(c, ID_GRANT), .request = l->q.id, .holder = l->q.requester, .project = l->q.project,
        .env = l->q.env, .duration_s = l->q.duration_s, .start_ms = l->q.start_ms, .policy = l->q.policy,
        .rule = l->q.rule, .terms = l->q.terms, .created_ms = c->now.real,
    };
    record_to_rows(c, l);
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

static enum err write_move_leaf(struct job *c, const struct life *l, const struct grant_step *step,
                                const struct life_by *by, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct who *actor;
    enum leaf_type type;
    struct leaf leaf;

    if (people == NULL)
        return ERR_NOMEM;
    if (!leaf_type_find(span_str(grant_event_type(step->event)), &type))
        return ERR_RAISE(reterr, ERR_STATE, "no record type for this move");
    leaf = life_leaf(c, l, type, by);
    if (type == LEAF_GRANT_ACTIVATED) {
        (void) leaf_add_number(&leaf, "start_ms", l->st.window_start);
        (void) leaf_add_number(&leaf, "end_ms", l->st.window_end);
    }
    if (type == LEAF_GRANT_SCHEDULED)
        (void) leaf_add_number(&leaf, "start_by_ms", l->st.start == GRANT_START_TIME ? l->q.start_ms : l->st.start_by);
    actor = people_by_id(people, by->actor);
    if (actor != NULL)
        trail_fact(c, &leaf, "comment", by->comment, who_person(actor));
    return trail_write(c, &leaf, NULL, reterr);
}

enum err life_row(struct job *c, const struct life *l, uint16_t end_code, struct ipc_row_grant *ret,
                  struct err_info *reterr)
{
    struct terms t;
    uint8_t *hash = arena_alloc(c->mem, 32);
    size_t n;

    TRY(terms_read(l->q.terms, c->mem, &t, reterr));
    if (hash == NULL || !base64url_parse(l->q.policy, hash, 32, &n))
        return ERR_RAISE(reterr, ERR_CORRUPT, "policy hash of a request");
    *ret = (struct ipc_row_grant){
        .gid = l->g.id, .pid = l->q.project, .sub = l->g.holder, .state = (uint8_t) l->st.state, .gen = l->st.gen,
        .wend_ms = l->st.window_end, .deadline_ms = l->st.deadline, .end_code = end_code, .policy = span_of(hash, n),
        .max_speed_x100 = t.max_speed_x100, .key_streams = t.key_streams, .grant_streams = t.grant_streams,
        .person_streams = t.person_streams, .key_bytes = t.key_bytes, .key_rate = t.key_rate,
        .key_requests = t.key_requests,
    };
    return ERR_OK;
}

static enum err push(struct job *c, const struct life *l, int end_code, struct err_info *reterr)
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
                        .n_recordings = l->n_rids };

    notice_send(c, &n);
    if (l->g.id.n == 0)
        return;
    n.type = NOTICE_GRANT;
    n.request = l->q.id;
    n.id = l->g.id;
    notice_send(c, &n);
}

enum err life_apply(struct job *c, struct life *l, const struct grant_step *step, const struct life_by *by,
                    struct err_info *reterr)
{
    bool was_pending = l->st.state == GRANT_PENDING, ended;

    l->st = step->next;
    ended = grant_ended(l->st.state);
    if (was_pending && l->st.state != GRANT_PENDING)
        l->q.decided_ms = c->now.real;
    if (was_pending && (l->st.state == GRANT_SCHEDULED || l->st.state == GRANT_ACTIVE)) {
        record_to_rows(c, l);
        TRY(add_grant(c, l, reterr));
    } else {
        if (ended && l->g.id.n > 0) {
            l->g.ended_by = by->actor;
            l->g.ended_comment = by->comment;
        }
        record_to_rows(c, l);
        if (l->g.id.n > 0)
            TRY(meta_grant_put(c->m, &l->g, reterr));
    }
    TRY(meta_request_put(c->m, &l->q, reterr));
    if (step->event != GRANT_EV_VOTE)
        TRY(write_move_leaf(c, l, step, by, reterr));
    if (ended && l->g.id.n > 0)
        TRY(viewings_end_grant(c, l->g.id, grant_cause_name(l->st.cause), reterr));
    if (step->push)
        TRY(push(c, l, step->end_code, reterr));
    tell(c, l);
    return ERR_OK;
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
    case GRANT_VERDICT_N_:
        break;
    }
    return status == 409 || status == 403 ? refuse_with_state(c, l, status, code) : job_refuse(c, status, code, NULL);
}

/* ---- votes ---- */

static enum err ballot_subjects(struct job *c, const struct life *l, struct vote_case *ret, struct err_info *reterr)
{
    struct span *subjects = arena_alloc(c->mem, (l->n_rids + 1) * sizeof(*subjects));
    size_t n = 0;

    if (subjects == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "request");
    for (size_t i = 0; i < l->n_rids; i++) {
        struct meta_recording r;
        enum err e = meta_recording_get(c->v, l->rids[i], c->mem, &r, reterr);

        if (e != ERR_OK && e != ERR_NOTFOUND)
            return e;
        if (e == ERR_OK && r.subject.n > 0)
            subjects[n++] = r.subject;
    }
    ret->subjects = subjects;
    ret->n_subjects = n;
    return ERR_OK;
}

enum err life_ballot(struct job *c, const struct life *l, struct life_ballot *ret, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct who *requester;
    struct meta_vote_list rows;
    struct terms t;

    if (people == NULL)
        return ERR_NOMEM;
    TRY(terms_read(l->q.terms, c->mem, &t, reterr));
    TRY(meta_votes(c->v, l->q.id, c->mem, &rows, reterr));
    *ret = (struct life_ballot){ .rule = t.ask, .rows = rows.rows, .n_votes = rows.n };
    requester = people_by_id(people, l->q.requester);
    ret->c = (struct vote_case){ .requester = { l->q.requester, requester == NULL ? SPAN_EMPTY : who_person(requester) },
                                 .project = l->q.project, .digest = l->q.digest, .created_at = l->q.created_ms };
    TRY(ballot_subjects(c, l, &ret->c, reterr));
    ret->votes = arena_alloc(c->mem, (rows.n + 1) * sizeof(*ret->votes));
    if (ret->votes == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "votes");
    for (size_t i = 0; i < rows.n; i++)
        ret->votes[i] = (struct vote){ .person = rows.rows[i].person, .voter = people_by_id(people, rows.rows[i].voter),
                                       .approve = span_eq_str(rows.rows[i].verdict, "approve") };
    return ERR_OK;
}

/* ---- opening ---- */

/* Does today's policy still let this person have these recordings for this purpose? */
static enum err judge_again(struct job *c, const struct life *l, const struct who *requester, struct grant_guards *ret,
                            struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct rules *rules = job_rules(c, reterr);
    struct policy_item *items = arena_alloc(c->mem, (l->n_rids + 1) * sizeof(*items));
    struct policy_facts facts;
    struct policy_answer answer;
    size_t n = 0;

    if (people == NULL || rules == NULL || items == NULL)
        return ERR_NOMEM;
    ret->policy_allows = false;
    if (rules->policy == NULL)
        return ERR_OK;
    for (size_t i = 0; i < l->n_rids; i++) {
        struct meta_recording r;
        enum err e = meta_recording_get(c->v, l->rids[i], c->mem, &r, reterr);

        if (e == ERR_NOTFOUND)
            continue;
        TRY(e);
        TRY(item_of(c, &r, &items[n++], reterr));
    }
    item_facts(c, people, requester, l->q.project, l->q.purpose, &facts);
    answer = policy_check(rules->policy, &facts, items, n, l->actions);
    ret->policy_allows = answer.verdict == POLICY_ASK || answer.verdict == POLICY_AUTO;
    ret->policy_max_ms = ret->policy_allows ? answer.rule->terms.max_ms : 0;
    return ERR_OK;
}

enum err life_guards(struct job *c, const struct life *l, struct grant_guards *ret, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct who *requester;
    struct life_ballot b;

    *ret = (struct grant_guards){ 0 };
    if (people == NULL)
        return ERR_NOMEM;
    requester = people_by_id(people, l->q.requester);
    if (requester == NULL)
        return ERR_OK;
    ret->requester_active =
        !requester->disabled &&
        role_may(role_in(requester->roles, requester->n_roles, l->q.project, 0), PERM_ASK);
    TRY(life_ballot(c, l, &b, reterr));
    ret->votes_stand = b.rule.need == 0 || vote_count(&b.rule, &b.c, b.votes, b.n_votes).approved;
    return judge_again(c, l, requester, ret, reterr);
}

enum err life_start(struct job *c, struct life *l, bool first_use, struct grant_step *ret, struct err_info *reterr)
{
    struct grant_guards guards;
    const struct life_by by = { .actor = first_use ? l->q.requester : SPAN_EMPTY };

    TRY(life_guards(c, l, &guards, reterr));
    if (atomic_load(&c->core->audit_space)) {
        *ret = (struct grant_step){ .verdict = GRANT_AUDIT, .next = l->st };
        return ERR_OK;
    }
    *ret = grant_activate(&l->st, &c->now, first_use, &guards);
    return ret->verdict == GRANT_OK ? life_apply(c, l, ret, &by, reterr) : ERR_OK;
}

enum err life_touch(struct job *c, struct life *l, struct err_info *reterr)
{
    struct grant_step s = grant_touch(&l->st, &c->now, GRANT_IDLE_MS);
    const struct life_by by = { 0 };

    if (c->m == NULL) { /* a reader shows what is true without writing it down */
        if (s.changed)
            l->st = s.next;
        return ERR_OK;
    }
    if (s.verdict == GRANT_START_FIRST)
        return life_start(c, l, false, &s, reterr);
    return s.changed ? life_apply(c, l, &s, &by, reterr) : ERR_OK;
}

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
    return ERR_OK;
}

static enum err rebase_one(struct job *c, struct life *l, void *arg, struct err_info *reterr)
{
    struct grant_step s = grant_rebase(&l->st, &c->now);

    (void) arg;
    if (s.verdict != GRANT_OK || !s.changed)
        return ERR_OK;
    l->st = s.next;
    record_to_rows(c, l);
    TRY(meta_request_put(c->m, &l->q, reterr));
    TRY(meta_grant_put(c->m, &l->g, reterr));
    return push(c, l, 0, reterr);
}

enum err life_rebase_all(struct job *c, struct err_info *reterr)
{
    TRY(each_in_state(c, GRANT_ACTIVE, rebase_one, NULL, reterr));
    return each_in_state(c, GRANT_SUSPENDED, rebase_one, NULL, reterr);
}

static enum err policy_one(struct job *c, struct life *l, void *arg, struct err_info *reterr)
{
    const struct grant_actor system = { .system = true, .cause = GRANT_CAUSE_POLICY };
    const struct life_by by = { 0 };
    struct grant_guards guards;
    struct grant_step s;

    (void) arg;
    TRY(life_guards(c, l, &guards, reterr));
    if (guards.policy_allows)
        return ERR_OK;
    s = grant_revoke(&l->st, &c->now, &system);
    return s.verdict == GRANT_OK ? life_apply(c, l, &s, &by, reterr) : ERR_OK;
}

enum err life_policy_changed(struct job *c, struct err_info *reterr)
{
    const struct rules *rules = job_rules(c, reterr);

    if (rules == NULL)
        return ERR_NOMEM;
    if (rules->policy != NULL && rules->policy->on_change == POLICY_CHANGE_KEEP)
        return ERR_OK;
    for (size_t i = 0; i < N_LIVING; i++)
        TRY(each_in_state(c, living[i], policy_one, NULL, reterr));
    return ERR_OK;
}

enum err life_end_person(struct job *c, struct span account, struct err_info *reterr)
{
    const struct grant_actor system = { .system = true, .cause = GRANT_CAUSE_DISABLED };
    const struct span states[] = { SPAN("PENDING"), SPAN("SCHEDULED"), SPAN("ACTIVE"), SPAN("SUSPENDED") };
    const struct meta_access_filter f = { .person = account, .states = states, .n_states = 4 };
    const struct meta_page page = { .limit = META_PAGE_MAX };
    const struct life_by by = { .actor = c->me != NULL ? c->me->id : SPAN_EMPTY };
    struct meta_request_list rows;
    struct meta_pos next;

    TRY(meta_requests(c->v, &f, &page, c->mem, &rows, &next, reterr));
    for (size_t i = 0; i < rows.n; i++) {
        struct life l;
        struct grant_step s;

        TRY(life_of_request(c, rows.rows[i].id, &l, reterr));
        TRY(life_touch(c, &l, reterr));
        if (grant_ended(l.st.state))
            continue;
        s = l.st.state == GRANT_PENDING ? grant_cancel(&l.st, &c->now, &system) : grant_revoke(&l.st, &c->now, &system);
        if (s.verdict == GRANT_OK)
            TRY(life_apply(c, &l, &s, &by, reterr));
    }
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

enum err life_resync(struct job *c, uint32_t chan, struct err_info *reterr)
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
