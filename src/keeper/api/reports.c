/* Who watched what: for auditors, each over the projects that are theirs. Asking is itself a record. */
#include "keeper/reports.h"

#include "keeper/api/api.h"

#define SUBJECT_MAX 200

/* Projects that the caller may read the audit log of. */
static enum err my_projects(struct job *c, struct span **ret, size_t *ret_n, struct err_info *reterr)
{
    struct meta_project_list all;
    struct span *mine;
    size_t n = 0;

    TRY(meta_projects(c->v, c->mem, &all, reterr));
    mine = arena_alloc(c->mem, (all.n + 1) * sizeof(*mine));
    if (mine == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "report");
    for (size_t i = 0; i < all.n; i++) {
        if (job_may(c, all.rows[i].id, PERM_READ_AUDIT))
            mine[n++] = all.rows[i].id;
    }
    *ret = mine;
    *ret_n = n;
    return ERR_OK;
}

static void must_have(struct job *c, const char *name, struct span *ret, size_t max)
{
    if (!tree_get_str(c->query, name, ret) || ret->n == 0)
        body_bad(&c->body, "?", name, FIELD_MISSING);
    else if (ret->n > max)
        body_bad(&c->body, "?", name, FIELD_TOO_LONG);
}

/* Reads the query. *ret_ok false: answered. */
static enum err read_ask(struct job *c, struct report_ask *a, bool *ret_csv, bool *ret_ok, struct err_info *reterr)
{
    static const char *const formats[] = { "json", "csv" };
    static const char *const kinds[] = { "recording", "person", "subject" };
    const struct people *people = job_people(c, reterr);
    struct span person = SPAN_EMPTY;
    int kind = -1;

    *ret_ok = false;
    if (people == NULL)
        return ERR_NOMEM;
    for (int i = 0; i < 3; i++)
        kind = span_eq_str(c->in->id1, kinds[i]) ? i : kind;
    if (kind < 0)
        return job_not_found(c);
    a->kind = (enum report_kind) kind;
    BODY_ONLY(&c->body, "?", c->query, "format", "from", "to", kinds[kind]);
    *ret_csv = body_word(&c->body, "?", c->query, "format", BODY_OPTIONAL, formats, 2) == 1;
    (void) body_query_time(&c->body, c->query, "from", &a->from_ms);
    (void) body_query_time(&c->body, c->query, "to", &a->to_ms);
    must_have(c, kinds[kind], a->kind == REPORT_RECORDING ? &a->recording : a->kind == REPORT_PERSON ? &person : &a->subject,
              SUBJECT_MAX);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    a->person = people_by_id_or_name(people, person);
    if (a->kind == REPORT_PERSON && a->person == NULL)
        return job_not_found(c);
    *ret_ok = true;
    return ERR_OK;
}

/* Only the project of the recording counts; one that the caller may not even list is not there. */
static enum err narrow(struct job *c, const struct report_ask *a, struct span *projects, size_t *io_n, bool *ret_ok,
                       struct err_info *reterr)
{
    struct meta_recording r;
    enum err e;

    *ret_ok = true;
    if (a->kind != REPORT_RECORDING)
        return ERR_OK;
    e = meta_recording_get(c->v, a->recording, c->mem, &r, reterr);
    *ret_ok = false;
    if (e == ERR_NOTFOUND || (e == ERR_OK && job_roles(c, r.project) == 0))
        return job_not_found(c);
    TRY(e);
    if (!job_may(c, r.project, PERM_READ_AUDIT))
        return job_forbidden(c);
    projects[0] = r.project;
    *io_n = 1;
    *ret_ok = true;
    return ERR_OK;
}

static void count_report(struct job *c, const struct report_ask *a, struct span log)
{
    struct count n = { .route = c->route->id, .refusal = true, .code = "ok" };

    (void) span_to_str(c->me->id, n.actor, sizeof(n.actor));
    (void) span_to_str(log, n.log, sizeof(n.log));
    if (a->kind == REPORT_RECORDING)
        (void) span_to_str(a->recording, n.object, sizeof(n.object));
    counts_add(c->core->counts, &n);
}

static enum err answer(struct job *c, const struct report_ask *a, const struct span *projects, size_t n, bool csv,
                       struct report *r, struct err_info *reterr)
{
    TRY(report_make(c, a, projects, n, r, reterr));
    for (size_t i = 0; i < r->n_logs; i++)
        count_report(c, a, r->logs[i].log);
    return csv ? report_csv(c, a, r, reterr) : report_json(c, a, r, reterr);
}

enum err api_report(struct job *c, struct err_info *reterr)
{
    struct report_ask a = { 0 };
    struct report r = { 0 };
    struct span *projects;
    bool csv, ok;
    size_t n;
    enum err e;

    TRY(read_ask(c, &a, &csv, &ok, reterr));
    if (!ok)
        return ERR_OK;
    TRY(my_projects(c, &projects, &n, reterr));
    TRY(narrow(c, &a, projects, &n, &ok, reterr));
    if (!ok)
        return ERR_OK;
    if (n == 0)
        return job_forbidden(c);
    e = answer(c, &a, projects, n, csv, &r, reterr);
    report_free(&r);
    return e;
}
