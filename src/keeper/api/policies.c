/* Policies: list, the one in force, propose, approve (STANDARDS 2.6). */
#include "keeper/api/api.h"
#include "keeper/pages.h"
#include "keeper/policies.h"
#include "keeper/view.h"

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

static bool may_list(const struct job *c)
{
    return job_is_admin(c) || (job_roles(c, SPAN(ROLE_SYSTEM)) & ROLE_BIT(ROLE_AUDITOR)) != 0 ||
           role_may_anywhere(c->me->roles, c->me->n_roles, PERM_READ_AUDIT);
}

enum err api_policies_list(struct job *c, struct err_info *reterr)
{
    struct meta_policy_list rows;
    struct meta_pos next;
    struct pages p;
    enum err e;

    if (!may_list(c))
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

static enum err refuse_bad(struct job *c, const struct err_info *err)
{
    jsonw_kcstr(job_extra(c), "cause", err->text);
    return job_refuse(c, 422, "policy-invalid", "The policy does not hold together.");
}

/* The cases in the policy itself; one that fails refuses the proposal. */
static bool tests_pass(struct job *c, const struct policy *p)
{
    static const char *const expects[] = { "deny", "ask", "auto", "split" };
    struct policy_test_result *results = arena_alloc(c->mem, (p->n_tests + 1) * sizeof(*results));
    struct jsonw *w;

    if (results == NULL || policy_run_tests(p, results) == 0)
        return results != NULL;
    w = job_extra(c);
    jsonw_karr(w, "tests");
    for (size_t i = 0; i < p->n_tests; i++) {
        jsonw_obj(w);
        jsonw_kstr(w, "name", results[i].name);
        jsonw_kcstr(w, "expect", expects[p->tests[i].expect]);
        jsonw_kcstr(w, "got", policy_verdict_name(results[i].got));
        jsonw_kbool(w, "ok", results[i].ok);
        jsonw_obj_end(w);
    }
    jsonw_arr_end(w);
    (void) job_refuse(c, 422, "policy-test-failed", "A test case of the policy does not hold.");
    return false;
}

/* The gate has read 'text' and put what it says beside it as 'tree': the keeper reads no policy text. */
enum err api_policy_propose(struct job *c, struct err_info *reterr)
{
    struct policies_new n = { 0 };
    const struct policy *policy;
    struct meta_policy row;
    struct tree tree;
    size_t mark;
    struct err_info bad = { 0 };
    struct buf bytes = BUF_INIT(1U << 20);

    if (!job_may(c, SPAN(ROLE_SYSTEM), PERM_MANAGE_POLICY))
        return job_forbidden(c);
    if (!job_fresh(c, true))
        return ERR_OK;
    BODY_ONLY(&c->body, "", c->args, "text", "comment", "tree");
    (void) body_str(&c->body, "", c->args, "text", BODY_REQUIRED, 1, POLICY_TEXT_MAX, &n.source);
    (void) body_str(&c->body, "", c->args, "comment", BODY_OPTIONAL, 0, 2000, &n.comment);
    if (!body_obj(&c->body, "", c->args, "tree", BODY_REQUIRED, &tree) || c->body.errors.n > 0)
        return job_invalid(c);
    mark = tree_begin(&bytes, SPAN_EMPTY, TREE_OBJ); /* as a root: without its name */
    buf_add_span(&bytes, tree.payload);
    tree_end(&bytes, mark);
    n.tree = arena_span(c->mem, buf_span(&bytes));
    buf_deinit(&bytes);
    if (policies_compile(c, &n, &policy, &bad) != ERR_OK)
        return refuse_bad(c, &bad);
    if (!tests_pass(c, policy))
        return ERR_OK;
    if (span_eq_str(n.hash, job_rules(c, reterr)->hash)) {
        TRY(meta_policy_get(c->v, n.hash, c->mem, &row, reterr)); /* it is in force: nothing changes */
    } else {
        TRY(policies_propose(c, &n, &row, reterr));
    }
    (void) job_json(c, 201);
    return view_policy(c, &row, true, reterr);
}

enum err api_policy_approve(struct job *c, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct who *proposer;
    struct meta_policy row;
    struct span comment;
    enum err e;

    if (people == NULL)
        return ERR_NOMEM;
    if (!job_may(c, SPAN(ROLE_SYSTEM), PERM_MANAGE_POLICY))
        return job_forbidden(c);
    if (!job_fresh(c, false))
        return ERR_OK;
    BODY_ONLY(&c->body, "", c->args, "comment");
    (void) body_str(&c->body, "", c->args, "comment", BODY_OPTIONAL, 0, 2000, &comment);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    e = meta_policy_get(c->v, c->in->id1, c->mem, &row, reterr);
    if (e == ERR_NOTFOUND)
        return job_not_found(c);
    TRY(e);
    if (!span_eq_str(row.state, "proposed")) {
        jsonw_kstr(job_extra(c), "state", row.state);
        return job_refuse(c, 409, "grant-state-conflict", "This policy is not waiting for approval.");
    }
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
