#include "keeper/guard.h"

#include "keeper/api/api.h"
#include "keeper/notice.h"
#include "keeper/policies.h"
#include "keeper/session.h"
#include "keeper/trail.h"
#include "keeper/view.h"

#define DUE_MAX 100
#define PASSWORD_MASK "********" /* stands in a kept body for one that was given; its hash is a column */

/* ---- how things stand ---- */

static bool is_admin(const struct who *w)
{
    return !w->disabled && (role_in(w->roles, w->n_roles, SPAN(ROLE_SYSTEM), 0) & ROLE_BIT(ROLE_ADMIN)) != 0;
}

/* Could vote or administer until not long ago. Whoever makes himself alone by disabling others is not alone. */
static enum err was_here(struct job *c, const struct policy *policy, const struct who *w, bool *ret,
                         struct err_info *reterr)
{
    struct who able = *w;
    struct meta_account a;

    able.disabled = false;
    *ret = w->disabled && (policy_may_vote(policy, &able) || is_admin(&able));
    if (!*ret)
        return ERR_OK;
    TRY(meta_account_get(c->v, w->id, c->mem, &a, reterr));
    *ret = a.disabled_ms != 0 && c->now.real - a.disabled_ms < GUARD_MEMORY_MS;
    return ERR_OK;
}

static enum err is_young(struct job *c, bool *ret, struct err_info *reterr)
{
    int64_t init_ms = 0;
    enum err e = meta_setting_get(c->v, POLICIES_INIT, NULL, &init_ms, NULL, reterr);

    *ret = e == ERR_OK && c->now.real - init_ms < GUARD_WAIT_MS;
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err guard_look(struct job *c, const struct who *by, struct guard_state *ret, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct rules *rules = job_rules(c, reterr);
    const struct who *admin = NULL;
    bool counted = false, gone = false, above = false, young;

    if (people == NULL || rules == NULL)
        return ERR_NOMEM;
    *ret = (struct guard_state){ .sole = true, .at_once = true };
    for (size_t i = 0; by != NULL && i < people->n; i++) {
        const struct who *w = &people->all[i];
        bool left;

        if (who_same_person(w, by))
            continue;
        TRY(was_here(c, rules->policy, w, &left, reterr));
        gone |= left;
        counted |= left || policy_may_vote(rules->policy, w);
        ret->watched |= policy_may_vote(rules->policy, w);
        if (!is_admin(w))
            continue;
        above |= !is_admin(by); /* a project's administrator alone is not alone: one has to hear of it */
        /* The first of several is a second one, unless the proposer is none himself (a project's administrator). */
        ret->sole &= !is_admin(by) && (admin == NULL || who_same_person(admin, w));
        admin = w;
    }
    TRY(is_young(c, &young, reterr));
    ret->at_once = ret->sole && (by == NULL || (young && !gone) || !(counted || above));
    return ERR_OK;
}

enum err guard_may_stop(struct job *c, bool *ret, struct err_info *reterr)
{
    const struct rules *rules = job_rules(c, reterr);

    if (rules == NULL)
        return ERR_NOMEM;
    *ret = is_admin(c->me) || policy_may_vote(rules->policy, c->me);
    return ERR_OK;
}

/* ---- what the policy rests on ---- */

static bool says(const struct span *words, size_t n, const char *kind, struct span name)
{
    size_t len = strlen(kind);

    for (size_t i = 0; i < n; i++) {
        if (span_starts(words[i], kind) && span_eq(span_sub(words[i], len, words[i].n), name))
            return true;
    }
    return false;
}

/* Is "role:NAME", "group:NAME" or "user:NAME" in any rule, as asker or as voter? */
static bool names(const struct policy *p, const char *kind, struct span name)
{
    for (size_t i = 0; p != NULL && i < p->n_rules; i++) {
        const struct policy_rule *r = &p->rules[i];
        const struct vote_rule *ask = &r->terms.ask;

        if (says(r->who.p, r->who.n, kind, name) || says(ask->from, ask->n_from, kind, name) ||
            says(ask->exclude, ask->n_exclude, kind, name))
            return true;
        for (size_t k = 0; strcmp(kind, "group:") == 0 && k < ask->n_groups; k++) {
            if (span_eq(ask->groups[k].name, name))
                return true;
        }
    }
    return false;
}

/* A rule that names nobody is for whoever may ask. */
static bool is_for_all(const struct policy *p)
{
    bool all = false;

    for (size_t i = 0; p != NULL && i < p->n_rules; i++)
        all |= p->rules[i].who.n == 0 && p->rules[i].effect != POLICY_EFFECT_DENY;
    return all;
}

static bool role_guarded(const struct policy *p, enum role role)
{
    return role == ROLE_ADMIN || role == ROLE_APPROVER || role == ROLE_BREAKGLASS ||
           (role == ROLE_VIEWER && is_for_all(p)) || names(p, "role:", span_str(role_name(role)));
}

enum err guard_role(struct job *c, struct span role, unsigned *io_touches, struct err_info *reterr)
{
    const struct rules *rules = job_rules(c, reterr);
    enum role which;

    if (rules == NULL)
        return ERR_NOMEM;
    if (role_parse(role, &which) && role_guarded(rules->policy, which))
        *io_touches |= GUARD_ROLES;
    return ERR_OK;
}

enum err guard_new_team(struct job *c, struct span name, unsigned *io_touches, struct err_info *reterr)
{
    const struct rules *rules = job_rules(c, reterr);

    if (rules == NULL)
        return ERR_NOMEM;
    if (names(rules->policy, "group:", name))
        *io_touches |= GUARD_MEMBERS;
    return ERR_OK;
}

enum err guard_new_user(struct job *c, struct span name, unsigned *io_touches, struct err_info *reterr)
{
    const struct rules *rules = job_rules(c, reterr);

    if (rules == NULL)
        return ERR_NOMEM;
    if (names(rules->policy, "user:", name))
        *io_touches |= GUARD_MEMBERS;
    return ERR_OK;
}

enum err guard_team(struct job *c, struct span team, unsigned *io_touches, struct err_info *reterr)
{
    struct meta_role_list roles;
    struct meta_team t;
    unsigned by_role = 0;

    TRY(meta_team_get(c->v, team, c->mem, &t, reterr));
    TRY(guard_new_team(c, t.name, io_touches, reterr));
    TRY(meta_roles_given(c->v, team, c->mem, &roles, reterr));
    for (size_t i = 0; i < roles.n; i++)
        TRY(guard_role(c, roles.rows[i].role, &by_role, reterr));
    if (by_role != 0)
        *io_touches |= GUARD_MEMBERS;
    return ERR_OK;
}

enum err guard_rests_on(struct job *c, const struct who *w, bool *ret, struct err_info *reterr)
{
    const struct rules *rules = job_rules(c, reterr);

    if (rules == NULL)
        return ERR_NOMEM;
    *ret = names(rules->policy, "user:", w->name) || names(rules->policy, "user:", w->id);
    for (size_t i = 0; i < w->n_roles; i++)
        *ret |= role_guarded(rules->policy, w->roles[i].role);
    for (size_t i = 0; i < w->n_groups; i++)
        *ret |= names(rules->policy, "group:", w->groups[i].name);
    return ERR_OK;
}

enum err guard_project_name(struct job *c, struct span name, unsigned *io_touches, struct err_info *reterr)
{
    const struct rules *rules = job_rules(c, reterr);

    if (rules == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; rules->policy != NULL && i < rules->policy->n_rules; i++) {
        if (says(rules->policy->rules[i].project.p, rules->policy->rules[i].project.n, "", name))
            *io_touches |= GUARD_PROJECT;
    }
    return ERR_OK;
}

/* ---- records and notices ---- */

static enum err record(struct job *c, enum leaf_type type, const struct meta_change *row, struct span actor,
                       const char *outcome, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, type, SPAN_EMPTY);

    if (actor.n > 0)
        l.actor = actor;
    l.obj = row->id;
    l.outcome = span_str(outcome);
    trail_mark(c, &l);
    return trail_write(c, &l, NULL, reterr);
}

static void tell(struct job *c, const struct meta_change *row)
{
    char *state = arena_str(c->mem, row->state);
    const struct notice n = { .type = NOTICE_CHANGE, .id = row->id, .state = state == NULL ? "" : state };

    notice_send(c, &n);
}

/* ---- holding one ---- */

static const char *const touch_words[] = { "members", "roles", "person", "subjects", "credentials", "project", "masking" };

static struct span touches_text(struct job *c, unsigned touches)
{
    struct buf b = BUF_INIT(256);
    struct span s;

    for (size_t i = 0; i < sizeof(touch_words) / sizeof(touch_words[0]); i++) {
        if ((touches & (1U << i)) != 0)
            buf_addf(&b, "%s%s", b.n > 0 ? " " : "", touch_words[i]);
    }
    s = arena_span(c->mem, buf_span(&b));
    buf_deinit(&b);
    return s;
}

static void add_node(struct buf *out, struct tree node)
{
    buf_u8(out, (uint8_t) node.tag);
    buf_lp4(out, node.key);
    buf_lp4(out, node.payload);
}

/* A copy without secrets. 'mask': what stands for a password; NULL: nothing does. */
static struct span body_without_secrets(struct job *c, struct tree body, const char *mask)
{
    struct buf b = BUF_INIT(2U << 20);
    struct tree child;
    struct span s;
    size_t mark = tree_begin(&b, SPAN_EMPTY, TREE_OBJ);

    for (struct span at = body.payload; body.tag == TREE_OBJ && tree_next(&at, &child);) {
        if (span_eq_str(child.key, "current_password") || (mask == NULL && span_eq_str(child.key, "tree"))) /* the gate's, of a text that is shown */
            continue;
        if (!span_eq_str(child.key, "password"))
            add_node(&b, child);
        else if (mask != NULL)
            tree_add_str(&b, child.key, span_str(mask));
    }
    tree_end(&b, mark);
    s = b.failed ? SPAN_EMPTY : arena_span(c->mem, buf_span(&b));
    buf_deinit(&b);
    return s;
}

enum err guard_day_begin(struct job *c, struct guard_day *ret, struct err_info *reterr)
{
    *ret = (struct guard_day){ .effective_ms = c->now.real + GUARD_WAIT_MS, .deadline_ms = c->now.boot + GUARD_WAIT_MS,
                               .boot_id = arena_span(c->mem, SPAN_OF(c->now.boot_id)) };
    return ret->boot_id.n == 0 ? ERR_RAISE(reterr, ERR_NOMEM, "waiting time") : ERR_OK;
}

bool guard_day_over(const struct job *c, const struct guard_day *day)
{
    bool here = day->boot_id.n == CLOCK_BOOT_ID && clock_same_boot(&c->now, day->boot_id.p);

    return c->now.real >= day->effective_ms && (!here || c->now.boot >= day->deadline_ms);
}

static enum err store(struct job *c, unsigned touches, struct span obj, struct span token, bool sole,
                      struct meta_change *ret, struct err_info *reterr)
{
    struct guard_day day = { 0 };

    if (sole)
        TRY(guard_day_begin(c, &day, reterr));
    *ret = (struct meta_change){
        .id = job_new_id(c, ID_CHANGE), .state = SPAN("waiting"), .operation = span_str(c->route->name),
        .target = c->in->id1, .obj = obj, .body = body_without_secrets(c, c->args, PASSWORD_MASK), .token = token,
        .touches = touches_text(c, touches), .proposed_by = c->me->id, .proposed_ms = c->now.real,
        .effective_ms = day.effective_ms, .boot_id = day.boot_id, .deadline_ms = day.deadline_ms, .marks = sole ? SPAN("sole-admin") : SPAN_EMPTY,
        .act = c->act.hash,
    };
    if (c->cmd->password.done)
        ret->password = span_str(c->cmd->password.hashed);
    if (ret->body.n == 0)
        return ERR_RAISE(reterr, ERR_NOMEM, "change");
    return meta_change_add(c->m, ret, reterr);
}

enum err guard_hold(struct job *c, unsigned touches, struct span obj, struct span token, bool *ret_held,
                    struct err_info *reterr)
{
    struct guard_state state;
    struct meta_change row;

    *ret_held = false;
    if (touches == 0 || c->change != NULL || c->me == NULL)
        return ERR_OK;
    TRY(guard_look(c, c->me, &state, reterr));
    c->sole_admin = state.at_once;
    if (state.at_once)
        return ERR_OK;
    TRY(store(c, touches, obj, token, state.sole, &row, reterr));
    c->sole_admin = state.sole;
    TRY(record(c, LEAF_CHANGE_PROPOSED, &row, SPAN_EMPTY, "ok", reterr));
    tell(c, &row);
    *ret_held = true;
    c->held = row.id;
    (void) job_json(c, 202);
    return guard_view(c, &row, SPAN_EMPTY, reterr);
}

/* ---- doing and stopping ---- */

static enum err enable_token(struct job *c, const struct meta_change *row, bool good, struct err_info *reterr)
{
    struct meta_token t;
    struct leaf l;
    enum err e = meta_token_get(c->v, row->token, c->mem, &t, reterr);

    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    if (!span_eq_str(t.state, "waiting"))
        return ERR_OK;
    t.state = good ? SPAN("active") : SPAN("ended");
    t.ended_ms = good ? 0 : c->now.real;
    TRY(meta_token_put(c->m, &t, reterr));
    if (!good)
        return ERR_OK;
    l = trail_leaf(c, LEAF_TOKEN_CREATED, SPAN_EMPTY);
    l.actor = row->proposed_by;
    l.obj = t.id;
    l.outcome = t.kind;
    l.act = row->act;
    return trail_write(c, &l, NULL, reterr);
}

static const struct route *route_named(struct span name)
{
    for (unsigned id = 0; id < ROUTE_N_; id++) {
        const struct route *r = route_by_id((enum route_id) id);

        if (r != NULL && span_eq_str(name, r->name))
            return r;
    }
    return NULL;
}

/* The handler of the route runs again, for the proposer, with the kept body; *ret_code: why it could not, or NULL. */
static enum err run_again(struct job *c, const struct meta_change *row, const struct who *proposer,
                          const char **ret_code, struct err_info *reterr)
{
    struct ipc_control in = { .id1 = row->target, .body = row->body, .trace = c->in != NULL ? c->in->trace : SPAN_EMPTY };
    struct answer answer = { .body = BUF_INIT(4U << 20) };
    const struct route *route = route_named(row->operation);
    struct cmd_password kept = c->cmd->password;
    struct job sub = *c;
    enum err e;

    *ret_code = "not-found";
    if (route == NULL || api_find(route->id) == NULL)
        return ERR_OK;
    in.route = (uint16_t) route->id;
    sub.in = &in;
    sub.route = route;
    sub.args = tree_root(row->body);
    sub.query = tree_root(SPAN_EMPTY);
    sub.body = (struct body){ 0 };
    sub.me = proposer;
    sub.token = (struct meta_token){ .kind = SPAN("session"), .account = proposer->id, .auth_ms = c->now.real };
    sub.act = (struct job_act){ .hash = row->act, .is_unsigned = row->act.n == 0 };
    sub.sole_admin = span_eq_str(row->marks, "sole-admin");
    sub.change = row;
    sub.answer = &answer;
    c->cmd->password = (struct cmd_password){ .done = true, .ok = true };
    (void) span_to_str(row->password, c->cmd->password.hashed, sizeof(c->cmd->password.hashed));
    e = api_find(route->id)->fn(&sub, reterr);
    *ret_code = sub.step != CMD_STEP_NONE ? "internal" : answer.code;
    c->after = sub.after;
    c->cmd->password = kept;
    buf_deinit(&answer.body);
    return e;
}

enum err guard_do(struct job *c, struct meta_change *row, const struct who *by, struct span comment,
                  struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct who *proposer = people == NULL ? NULL : people_by_id(people, row->proposed_by);
    const char *code = NULL;

    if (people == NULL)
        return ERR_NOMEM;
    if (proposer == NULL || proposer->disabled)
        code = "forbidden";
    else if (row->token.n > 0)
        TRY(enable_token(c, row, true, reterr));
    else
        TRY(run_again(c, row, proposer, &code, reterr));
    row->state = code == NULL ? SPAN("done") : SPAN("failed");
    row->failure = span_str(code);
    row->decided_by = by == NULL ? SPAN_EMPTY : by->id;
    row->decided_ms = c->now.real;
    row->comment = comment;
    row->password = SPAN_EMPTY;
    if (code != NULL && row->token.n > 0)
        TRY(enable_token(c, row, false, reterr));
    TRY(meta_change_put(c->m, row, reterr));
    TRY(record(c, LEAF_CHANGE_APPROVED, row, SPAN_EMPTY, code != NULL ? "failed" : by == NULL ? "sole-admin" : "ok", reterr));
    tell(c, row);
    return ERR_OK;
}

enum err guard_stop(struct job *c, struct meta_change *row, struct span comment, struct err_info *reterr)
{
    row->state = SPAN("stopped");
    row->decided_by = c->me->id;
    row->decided_ms = c->now.real;
    row->comment = comment;
    row->password = SPAN_EMPTY;
    TRY(enable_token(c, row, false, reterr));
    TRY(meta_change_put(c->m, row, reterr));
    TRY(record(c, LEAF_CHANGE_STOPPED, row, SPAN_EMPTY, "ok", reterr));
    tell(c, row);
    return ERR_OK;
}

enum err guard_due(struct job *c, struct err_info *reterr)
{
    struct meta_change_list rows;

    if (!c->now.trusted) /* a clock that was put forward does not make a day pass */
        return ERR_OK;
    TRY(meta_changes_due(c->v, c->now.real, DUE_MAX, c->mem, &rows, reterr));
    for (size_t i = 0; i < rows.n; i++) {
        const struct people *people = job_people(c, reterr);
        const struct who *proposer;
        struct guard_state state = { .at_once = true };
        const struct guard_day day = { rows.rows[i].effective_ms, rows.rows[i].boot_id, rows.rows[i].deadline_ms };

        if (people == NULL)
            return ERR_NOMEM;
        if (!guard_day_over(c, &day))
            continue;
        proposer = people_by_id(people, rows.rows[i].proposed_by);
        if (proposer != NULL)
            TRY(guard_look(c, proposer, &state, reterr));
        if (state.watched || state.at_once)
            TRY(guard_do(c, &rows.rows[i], NULL, SPAN_EMPTY, reterr));
    }
    return ERR_OK;
}

enum err guard_begin_anew(struct job *c, struct err_info *reterr)
{
    struct meta_change_list rows;

    TRY(meta_changes_due(c->v, INT64_MAX, META_ALL_MAX, c->mem, &rows, reterr));
    for (size_t i = 0; i < rows.n; i++) {
        struct guard_day day;

        TRY(guard_day_begin(c, &day, reterr));
        rows.rows[i].effective_ms = day.effective_ms;
        rows.rows[i].boot_id = day.boot_id;
        rows.rows[i].deadline_ms = day.deadline_ms;
        TRY(meta_change_put(c->m, &rows.rows[i], reterr));
        tell(c, &rows.rows[i]);
    }
    return policies_begin_anew(c, reterr);
}

/* ---- as the API shows it ---- */

static enum err target_name(struct job *c, const struct meta_change *row, struct span *ret, struct err_info *reterr)
{
    struct meta_account a;
    struct meta_project p;
    struct meta_team t;
    enum err e = ERR_NOTFOUND;

    *ret = SPAN_EMPTY;
    if (id_check(row->obj, ID_USER) && (e = meta_account_get(c->v, row->obj, c->mem, &a, reterr)) == ERR_OK)
        *ret = a.name;
    else if (id_check(row->obj, ID_GROUP) && (e = meta_team_get(c->v, row->obj, c->mem, &t, reterr)) == ERR_OK)
        *ret = t.name;
    else if (id_check(row->obj, ID_PROJECT) && (e = meta_project_get(c->v, row->obj, c->mem, &p, reterr)) == ERR_OK)
        *ret = p.name;
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err guard_view(struct job *c, const struct meta_change *row, struct span secret, struct err_info *reterr)
{
    struct jsonw *w = &c->w;
    struct span name, word, rest = row->touches;

    TRY(target_name(c, row, &name, reterr));
    jsonw_obj(w);
    jsonw_kstr(w, "id", row->id);
    jsonw_kstr(w, "state", row->state);
    jsonw_kstr(w, "operation", row->operation);
    view_text(c, "target", row->obj);
    view_text(c, "target_name", name);
    jsonw_ktree(w, "body", tree_root(body_without_secrets(c, tree_root(row->body), NULL)));
    jsonw_karr(w, "touches");
    for (bool more = rest.n > 0; more;) {
        more = span_cut(rest, ' ', &word, &rest);
        jsonw_str(w, word);
    }
    jsonw_arr_end(w);
    view_person(c, "proposed_by", row->proposed_by);
    jsonw_ktime(w, "proposed_at", row->proposed_ms);
    view_time(c, "effective_at", row->effective_ms);
    jsonw_kbool(w, "sole_admin", span_eq_str(row->marks, "sole-admin"));
    view_person(c, "decided_by", row->decided_by);
    view_time(c, "decided_at", row->decided_ms);
    view_text(c, "comment", row->comment);
    view_text(c, "failure", row->failure);
    if (secret.n > 0)
        jsonw_kstr(w, "token", secret);
    jsonw_obj_end(w);
    return ERR_OK;
}
