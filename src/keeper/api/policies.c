/* Policies: list, the one in force, test, dry run, propose, approve, stop (STANDARDS 2.6). */
#include "keeper/api/api.h"
#include "keeper/guard.h"
#include "keeper/dry_run.h"
#include "keeper/pages.h"
#include "keeper/policies.h"
#include "keeper/view.h"

#define WARNINGS_MAX 100

static void write_purposes(struct job *c, const struct policy *p)
{
    jsonw_karr(&c->w, "purposes");
    for (size_t i = 0; p != NULL && i < p->n_purposes; i++) {
        jsonw_obj(&c->w);
        jsonw_kstr(&c->w, "code", p->purposes[i].code);
        jsonw_kint(&c->w, "reason_min", p->purposes[i].reason_min);
        jsonw_kcstr(&c->w, "ticket", p->purposes[i].ticket ? "required" : "optional");
        jsonw_obj_end(&c->w);
    }
    jsonw_arr_end(&c->w);
}

enum err view_policy(struct job *c, const struct meta_policy *p, bool whole, struct err_info *reterr)
{
    const struct rules *rules = job_rules(c, reterr);
    bool current = span_eq_str(p->state, "enacted");

    if (rules == NULL)
        return ERR_NOMEM;
    jsonw_obj(&c->w);
    jsonw_kint(&c->w, "version", p->seq);
    jsonw_kstr(&c->w, "hash", p->hash);
    jsonw_kstr(&c->w, "state", current ? SPAN("current") : p->state);
    if (whole) {
        jsonw_kstr(&c->w, "print", p->text);
        if (job_is_admin(c))
            jsonw_kstr(&c->w, "source", p->source);
    }
    view_text(c, "comment", p->comment);
    view_person(c, "proposed_by", p->proposed_by);
    jsonw_ktime(&c->w, "proposed_at", p->proposed_ms);
    view_person(c, "approved_by", p->approved_by);
    view_time(c, "effective_at", p->enacted_ms != 0 ? p->enacted_ms : p->effective_ms);
    jsonw_kbool(&c->w, "sole_admin", span_eq_str(p->marks, "sole-admin"));
    if (whole && current)
        write_purposes(c, rules->policy);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

/* Who could stop a proposal has to be able to read it. */
static enum err may_list(struct job *c, bool *ret, struct err_info *reterr)
{
    TRY(guard_may_stop(c, ret, reterr));
    *ret = *ret || (job_roles(c, SPAN(ROLE_SYSTEM)) & ROLE_BIT(ROLE_AUDITOR)) != 0 ||
           role_may_anywhere(c->me->roles, c->me->n_roles, PERM_READ_AUDIT);
    return ERR_OK;
}

enum err api_policies_list(struct job *c, struct err_info *reterr)
{
    struct meta_policy_list rows;
    struct meta_pos next;
    struct pages p;
    enum err e;
    bool may;

    TRY(may_list(c, &may, reterr));
    if (!may)
        return job_forbidden(c);
    pages_begin(c, &p, PAGES_LIMIT, PAGES_LIMIT_MAX, NULL, 0);
    if (c->body.errors.n > 0) {
        pages_drop(&p);
        return job_invalid(c);
    }
    e = meta_policies(c->v, SPAN_EMPTY, &p.page, c->mem, &rows, &next, reterr);
    if (e != ERR_OK) {
        pages_drop(&p);
        return e;
    }
    (void) pages_items(c);
    for (size_t i = 0; i < rows.n && e == ERR_OK; i++)
        e = view_policy(c, &rows.rows[i], false, reterr);
    pages_end(c, &p, next);
    jsonw_obj_end(&c->w);
    return e;
}

enum err api_policy_current(struct job *c, struct err_info *reterr)
{
    struct meta_policy p;
    enum err e = meta_policy_current(c->v, c->mem, &p, reterr);

    if (e == ERR_NOTFOUND)
        return job_not_found(c);
    TRY(e);
    (void) job_json(c, 200);
    return view_policy(c, &p, true, reterr);
}

enum err api_policy_get(struct job *c, struct err_info *reterr)
{
    struct meta_policy p;
    enum err e;
    bool may;

    TRY(may_list(c, &may, reterr));
    if (!may)
        return job_forbidden(c);
    e = meta_policy_get(c->v, c->in->id1, c->mem, &p, reterr);
    if (e == ERR_NOTFOUND)
        return job_not_found(c);
    TRY(e);
    (void) job_json(c, 200);
    return view_policy(c, &p, true, reterr);
}

/* ---- a text: propose, test, dry run ---- */

static enum err refuse_bad(struct job *c, const struct err_info *err)
{
    jsonw_kcstr(job_extra(c), "cause", err->text);
    return job_refuse(c, 422, "policy-invalid", "The policy does not hold together.");
}

static void write_tests(struct jsonw *w, const struct policy *p, const struct policy_test_result *results)
{
    jsonw_karr(w, "tests");
    for (size_t i = 0; i < p->n_tests; i++) {
        const struct policy_test_result *r = &results[i];

        jsonw_obj(w);
        jsonw_kstr(w, "name", r->name);
        jsonw_kcstr(w, "expect", policy_expect_name(p->tests[i].expect));
        if (p->tests[i].rule.n > 0)
            jsonw_kstr(w, "expect_rule", p->tests[i].rule);
        jsonw_kcstr(w, "got", policy_verdict_name(r->got));
        if (r->rule != NULL)
            jsonw_kstr(w, "rule", r->rule->name);
        if (r->cause != NULL)
            jsonw_kcstr(w, "cause", r->cause);
        jsonw_kbool(w, "ok", r->ok);
        jsonw_obj_end(w);
    }
    jsonw_arr_end(w);
}

/* The cases in the policy itself; NULL: no memory. */
static struct policy_test_result *run_tests(struct job *c, const struct policy *p, size_t *ret_failed)
{
    struct policy_test_result *results = arena_alloc(c->mem, (p->n_tests + 1) * sizeof(*results));

    if (results != NULL)
        *ret_failed = policy_run_tests(p, results);
    return results;
}

/* The gate has read 'text' and put what it says beside it as 'tree': the keeper reads no policy text. */
static bool read_text(struct job *c, enum body_need need, struct policies_new *n)
{
    struct buf bytes = BUF_INIT(1U << 20);
    struct tree tree;
    size_t mark;

    if (!body_str(&c->body, "", c->args, "text", need, 1, POLICY_TEXT_MAX, &n->source) ||
        !body_obj(&c->body, "", c->args, "tree", need, &tree))
        return false;
    mark = tree_begin(&bytes, SPAN_EMPTY, TREE_OBJ); /* as a root: without its name */
    buf_add_span(&bytes, tree.payload);
    tree_end(&bytes, mark);
    n->tree = arena_span(c->mem, buf_span(&bytes));
    buf_deinit(&bytes);
    return true;
}

enum err api_policy_propose(struct job *c, struct err_info *reterr)
{
    struct policies_new n = { 0 };
    const struct policy *policy;
    const struct policy_test_result *results;
    struct meta_policy row;
    struct err_info bad = { 0 };
    size_t failed = 0;

    if (!job_may(c, SPAN(ROLE_SYSTEM), PERM_MANAGE_POLICY))
        return job_forbidden(c);
    if (!job_fresh(c, true))
        return ERR_OK;
    BODY_ONLY(&c->body, "", c->args, "text", "comment", "tree");
    (void) body_str(&c->body, "", c->args, "comment", BODY_OPTIONAL, 0, 2000, &n.comment);
    if (!read_text(c, BODY_REQUIRED, &n) || c->body.errors.n > 0)
        return job_invalid(c);
    if (policies_compile(c, &n, &policy, &bad) != ERR_OK)
        return refuse_bad(c, &bad);
    results = run_tests(c, policy, &failed);
    if (results == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "policy");
    if (failed > 0) {
        write_tests(job_extra(c), policy, results);
        return job_refuse(c, 422, "policy-test-failed", "A test case of the policy does not hold.");
    }
    if (span_eq_str(n.hash, job_rules(c, reterr)->hash)) {
        TRY(meta_policy_get(c->v, n.hash, c->mem, &row, reterr)); /* it is in force: nothing changes */
    } else {
        TRY(policies_propose(c, &n, &row, reterr));
    }
    (void) job_json(c, 201);
    return view_policy(c, &row, true, reterr);
}

static void write_warning(struct job *c, const struct policies_lack *lack)
{
    const struct vote_rule *v = &lack->rule->terms.ask;
    struct buf text = BUF_INIT(512);

    policy_say_need(lack->rule, &text);
    jsonw_obj(&c->w);
    jsonw_kcstr(&c->w, "code", "no-approver");
    jsonw_kstr(&c->w, "rule", lack->rule->name);
    jsonw_kstr(&c->w, "project", lack->project->name);
    jsonw_karr(&c->w, "groups");
    if (lack->plan.lacking >= 0)
        jsonw_str(&c->w, v->groups[lack->plan.lacking].name);
    for (size_t i = 0; lack->plan.lacking < 0 && i < v->n_from; i++)
        jsonw_str(&c->w, v->from[i]);
    jsonw_arr_end(&c->w);
    jsonw_kcstr(&c->w, "detail", buf_cstr(&text));
    jsonw_obj_end(&c->w);
    buf_deinit(&text);
}

static enum err write_warnings(struct job *c, const struct policy *policy, struct err_info *reterr)
{
    jsonw_karr(&c->w, "warnings");
    TRY(policies_lacking(c, policy, WARNINGS_MAX, write_warning, reterr));
    jsonw_arr_end(&c->w);
    return ERR_OK;
}

enum err api_policy_test(struct job *c, struct err_info *reterr)
{
    struct policies_new n = { 0 };
    const struct policy *policy;
    const struct policy_test_result *results;
    struct err_info bad = { 0 };
    size_t failed = 0;
    bool may;

    TRY(may_list(c, &may, reterr));
    if (!may)
        return job_forbidden(c);
    BODY_ONLY(&c->body, "", c->args, "text", "tree");
    if (!read_text(c, BODY_REQUIRED, &n) || c->body.errors.n > 0)
        return job_invalid(c);
    if (policies_compile(c, &n, &policy, &bad) != ERR_OK)
        return refuse_bad(c, &bad);
    results = run_tests(c, policy, &failed);
    if (results == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "policy");
    jsonw_obj(job_json(c, 200));
    jsonw_kstr(&c->w, "hash", n.hash);
    write_tests(&c->w, policy, results);
    jsonw_kint(&c->w, "passed", (int64_t) (policy->n_tests - failed));
    jsonw_kint(&c->w, "failed", (int64_t) failed);
    TRY(write_warnings(c, policy, reterr));
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

/* The policy that a dry run is about: a text, or one that was proposed. *ret NULL: refused, and answered. */
static enum err dry_policy(struct job *c, struct policies_new *n, const struct policy **ret, struct err_info *reterr)
{
    struct err_info bad = { 0 };
    struct meta_policy row;
    struct span hash = SPAN_EMPTY;
    bool text, by_hash;
    enum err e;

    text = read_text(c, BODY_OPTIONAL, n);
    by_hash = body_str(&c->body, "", c->args, "hash", BODY_OPTIONAL, POLICY_HASH_TEXT, POLICY_HASH_TEXT, &hash);
    if (text == by_hash)
        body_bad(&c->body, "", "text", text ? FIELD_CONFLICT : FIELD_MISSING);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (by_hash) {
        e = meta_policy_get(c->v, hash, c->mem, &row, reterr);
        if (e == ERR_NOTFOUND)
            return job_not_found(c);
        TRY(e);
        n->tree = row.tree;
    }
    return policies_compile(c, n, ret, &bad) == ERR_OK ? ERR_OK : refuse_bad(c, &bad);
}

enum err api_policy_dry_run(struct job *c, struct err_info *reterr)
{
    struct policies_new n = { 0 };
    const struct policy *policy = NULL;
    struct dry_run d = { .limit = 50 };
    int64_t days = 30, limit = 50;

    if (!job_is_admin(c) && (job_roles(c, SPAN(ROLE_SYSTEM)) & ROLE_BIT(ROLE_AUDITOR)) == 0)
        return job_forbidden(c);
    BODY_ONLY(&c->body, "", c->args, "text", "tree", "hash", "days", "limit");
    (void) body_int(&c->body, "", c->args, "days", BODY_OPTIONAL, 1, 365, &days);
    (void) body_int(&c->body, "", c->args, "limit", BODY_OPTIONAL, 1, 200, &limit);
    TRY(dry_policy(c, &n, &policy, reterr));
    if (policy == NULL)
        return ERR_OK;
    d.policy = policy;
    d.since = c->now.real - days * 24 * 3600 * 1000;
    d.limit = (size_t) limit;
    jsonw_obj(job_json(c, 200));
    jsonw_kstr(&c->w, "hash", n.hash);
    TRY(dry_run(c, &d, reterr));
    TRY(write_warnings(c, policy, reterr));
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

/* ---- deciding on a proposal ---- */

static enum err refuse_not_waiting(struct job *c, const struct meta_policy *row)
{
    jsonw_kstr(job_extra(c), "state", span_eq_str(row->state, "enacted") ? SPAN("current") : row->state);
    return job_refuse(c, 409, "grant-state-conflict", "This policy is not waiting.");
}

/* The proposal that a stop or an approval is about, and what is said of it. *ret_ok false: refused, and answered. */
static enum err read_waiting(struct job *c, struct meta_policy *ret, struct span *ret_comment, bool *ret_ok,
                             struct err_info *reterr)
{
    enum err e;

    *ret_ok = false;
    *ret_comment = SPAN_EMPTY;
    BODY_ONLY(&c->body, "", c->args, "comment");
    (void) body_str(&c->body, "", c->args, "comment", BODY_OPTIONAL, 0, 2000, ret_comment);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    e = meta_policy_get(c->v, c->in->id1, c->mem, ret, reterr);
    if (e == ERR_NOTFOUND)
        return job_not_found(c);
    TRY(e);
    *ret_ok = span_eq_str(ret->state, "proposed");
    return *ret_ok ? ERR_OK : refuse_not_waiting(c, ret);
}

enum err api_policy_stop(struct job *c, struct err_info *reterr)
{
    struct meta_policy row;
    struct span comment;
    bool may, ok;

    TRY(guard_may_stop(c, &may, reterr));
    if (!may)
        return job_forbidden(c);
    if (!job_in_person(c)) /* no fresh sign-in: who can lock logins out could hold a stop up */
        return ERR_OK;
    TRY(read_waiting(c, &row, &comment, &ok, reterr));
    if (!ok)
        return ERR_OK;
    TRY(policies_stop(c, &row, comment, reterr));
    (void) job_json(c, 200);
    return view_policy(c, &row, true, reterr);
}

enum err api_policy_approve(struct job *c, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct who *proposer;
    struct meta_policy row;
    struct span comment;
    bool ok;

    if (people == NULL)
        return ERR_NOMEM;
    if (!job_may(c, SPAN(ROLE_SYSTEM), PERM_MANAGE_POLICY))
        return job_forbidden(c);
    if (!job_fresh(c, false))
        return ERR_OK;
    TRY(read_waiting(c, &row, &comment, &ok, reterr));
    if (!ok)
        return ERR_OK;
    proposer = people_by_id(people, row.proposed_by);
    if (proposer != NULL && who_same_person(proposer, c->me)) {
        jsonw_kcstr(job_extra(c), "cause", "requester");
        return job_refuse(c, 403, "not-eligible", "Another administrator has to approve it.");
    }
    TRY(policies_enact(c, row.hash, c->me->id, "ok", reterr));
    TRY(meta_policy_get(c->v, row.hash, c->mem, &row, reterr));
    (void) job_json(c, 200);
    return view_policy(c, &row, true, reterr);
}
