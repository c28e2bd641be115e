#include "keeper/dry_run.h"

#include "keeper/hooks.h"
#include "keeper/item.h"
#include "keeper/life.h"
#include "keeper/view.h"

#define PAGE       100
#define SCRATCH    (4U << 20) /* of one request: at most 100 recordings with their tags and links */
#define VERDICTS_N 4          /* ask, auto, deny, split */

/* What one policy says of one request. */
struct decision {
    const char *verdict; /* of policy_verdict_name */
    const struct policy_rule *rule;
    const char *cause;   /* of "deny" */
};

struct run {
    const struct dry_run *d;
    const struct policy *in_force;
    const struct people *people;
    struct buf listed;    /* JSON objects with commas between */
    struct jsonw w;
    size_t n_listed, looked_at, differ, items;
    size_t counts[VERDICTS_N][VERDICTS_N];
    bool complete;
};

static size_t index_of(const char *verdict)
{
    static const char *const words[VERDICTS_N] = { "ask", "auto", "deny", "split" };
    size_t i = 0;

    while (i < VERDICTS_N - 1 && strcmp(words[i], verdict) != 0)
        i++;
    return i;
}

static const char *verdict_of(size_t i)
{
    static const char *const words[VERDICTS_N] = { "ask", "auto", "deny", "split" };

    return words[i];
}

/* "/purpose/reason" -> "reason": the last word of where the first mistake is. */
static const char *cause_of(const struct field_errors *errs)
{
    const char *at = errs->items[0].at, *slash = strrchr(at, '/');

    if (strcmp(at, "/duration_s") == 0)
        return "duration";
    if (strcmp(at, "/purpose/code") == 0)
        return "purpose";
    if (strncmp(at, "/purpose/", 9) == 0)
        return strcmp(at, "/purpose/ticket") == 0 ? "ticket" : "reason";
    if (strncmp(at, "/more_time", 10) == 0)
        return "more-time";
    if (strncmp(at, "/more", 5) == 0)
        return "more";
    if (strncmp(at, "/viewers", 8) == 0)
        return "viewers";
    return slash != NULL && strncmp(at, "/start", 6) == 0 ? "start" : "denied";
}

static struct decision decide(const struct policy *p, const struct policy_facts *f, const struct policy_item *items,
                              const struct request *req)
{
    struct field_errors errs = { 0 };
    struct policy_answer a;

    if (p == NULL)
        return (struct decision){ "deny", NULL, "no-rule" };
    a = policy_check(p, f, items, req->n_recordings, req->actions);
    if (a.verdict == POLICY_DENIED || a.verdict == POLICY_NO_RULE)
        return (struct decision){ "deny", a.rule, a.verdict == POLICY_DENIED ? "denied" : "no-rule" };
    if (a.verdict != POLICY_ASK && a.verdict != POLICY_AUTO)
        return (struct decision){ policy_verdict_name(a.verdict), NULL, NULL };
    policy_check_terms(p, a.rule, req, false, &errs);
    if (errs.n > 0)
        return (struct decision){ "deny", a.rule, cause_of(&errs) };
    if (!policy_ticket_allows(a.rule, f->ticket))
        return (struct decision){ "deny", a.rule, "ticket" };
    return (struct decision){ policy_verdict_name(a.verdict), a.rule, NULL };
}

static unsigned need_of(const struct decision *d)
{
    return d->rule != NULL && strcmp(d->verdict, "ask") == 0 ? d->rule->terms.ask.need : 0;
}

static bool same_text(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static bool differs(const struct decision *a, const struct decision *b)
{
    struct span ra = a->rule == NULL ? SPAN_EMPTY : a->rule->name, rb = b->rule == NULL ? SPAN_EMPTY : b->rule->name;

    return strcmp(a->verdict, b->verdict) != 0 || !span_eq(ra, rb) || need_of(a) != need_of(b) ||
           !same_text(a->cause, b->cause);
}

static void write_decision(struct jsonw *w, const char *key, const struct decision *d)
{
    jsonw_kobj(w, key);
    jsonw_kcstr(w, "verdict", d->verdict);
    if (d->rule != NULL)
        jsonw_kstr(w, "rule", d->rule->name);
    else
        jsonw_knull(w, "rule");
    if (need_of(d) > 0)
        jsonw_kint(w, "need", need_of(d));
    if (d->cause != NULL)
        jsonw_kcstr(w, "cause", d->cause);
    jsonw_obj_end(w);
}

static void list_one(struct job *c, struct run *r, const struct life *l, const struct decision *was,
                     const struct decision *now)
{
    enum action sorted[ACTION_N_];
    size_t n = action_sorted(l->actions, sorted);
    struct jsonw keep = c->w;

    c->w = r->w; /* view_person writes to the call's writer */
    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "request", l->q.id);
    view_person(c, "requester", l->q.requester);
    jsonw_kstr(&c->w, "project", l->q.project);
    jsonw_kstr(&c->w, "purpose", l->q.purpose);
    jsonw_karr(&c->w, "actions");
    for (size_t i = 0; i < n; i++)
        jsonw_str(&c->w, span_str(action_name(sorted[i])));
    jsonw_arr_end(&c->w);
    jsonw_ktime(&c->w, "created_at", l->q.created_ms);
    view_state(c, "state", l->q.state);
    write_decision(&c->w, "was", was);
    write_decision(&c->w, "now", now);
    jsonw_obj_end(&c->w);
    r->w = c->w;
    c->w = keep;
    r->n_listed++;
}

/* The stored row as the body it came from. */
static void request_of(const struct life *l, struct request *ret)
{
    *ret = (struct request){ .recordings = l->rids, .n_recordings = l->n_rids, .actions = l->actions,
                             .purpose = l->q.purpose, .reason = l->q.reason, .ticket = l->q.ticket,
                             .duration_s = l->q.duration_s, .start_at = l->q.start_ms, .start_by_s = l->q.start_by_s,
                             .viewers = l->viewers, .n_viewers = l->n_viewers, .more_max = (unsigned) l->q.more_max,
                             .more_times = (unsigned) l->q.more_time_times, .more_each_s = l->q.more_time_each_s };
    (void) request_same_parse(l->q.more_same, &ret->more_same);
    (void) grant_start_parse(l->q.start, &ret->start);
}

/* *ret_n: recordings that are still there; one that is gone says nothing any more. */
static enum err load_items(struct job *c, const struct life *l, struct policy_item *items, size_t *ret_n,
                           struct err_info *reterr)
{
    *ret_n = 0;
    for (size_t i = 0; i < l->n_rids; i++) {
        struct meta_recording rec;
        enum err e = meta_recording_get(c->v, l->rids[i], c->mem, &rec, reterr);

        if (e == ERR_NOTFOUND)
            continue;
        TRY(e);
        TRY(item_of(c, &rec, &items[(*ret_n)++], reterr));
    }
    return ERR_OK;
}

static enum err one(struct job *c, struct run *r, struct span id, struct err_info *reterr)
{
    const struct who *who;
    struct policy_item *items;
    struct policy_facts f;
    struct decision was, now;
    struct request req;
    struct life l;

    TRY(life_of_request(c, id, &l, reterr));
    who = people_by_id(r->people, l.q.requester);
    items = arena_alloc(c->mem, (l.n_rids + 1) * sizeof(*items));
    if (items == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "dry run");
    request_of(&l, &req);
    TRY(load_items(c, &l, items, &req.n_recordings, reterr));
    r->items += l.n_rids;
    if (who == NULL || req.n_recordings == 0)
        return ERR_OK; /* erased: there is nothing to decide about */
    item_facts(c, r->people, who, l.q.project, l.q.purpose, &f);
    TRY(hooks_ticket(c, l.q.project, l.q.ticket, &f.ticket, reterr));
    f.now = l.q.created_ms;
    f.standing = true;
    was = decide(r->in_force, &f, items, &req);
    now = decide(r->d->policy, &f, items, &req);
    r->looked_at++;
    r->counts[index_of(was.verdict)][index_of(now.verdict)]++;
    if (!differs(&was, &now))
        return ERR_OK;
    r->differ++;
    if (r->n_listed < r->d->limit)
        list_one(c, r, &l, &was, &now);
    return ERR_OK;
}

/* One page; *ret_more: there is another, and it is wanted. */
static enum err page_of(struct job *c, struct run *r, const struct meta_access_filter *f, struct meta_page *page,
                        bool *ret_more, struct err_info *reterr)
{
    struct arena *own = c->mem, scratch;
    struct meta_request_list rows;
    struct meta_pos next;

    *ret_more = false;
    TRY(meta_requests(c->v, f, page, own, &rows, &next, reterr));
    for (size_t i = 0; i < rows.n; i++) {
        enum err e;

        if (rows.rows[i].created_ms < r->d->since)
            return ERR_OK;
        if (r->looked_at >= DRY_RUN_REQUESTS_MAX || r->items >= DRY_RUN_ITEMS_MAX) {
            r->complete = false;
            return ERR_OK;
        }
        arena_init(&scratch, SCRATCH);
        c->mem = &scratch;
        e = one(c, r, rows.rows[i].id, reterr);
        c->mem = own;
        arena_deinit(&scratch);
        TRY(e);
    }
    *ret_more = !meta_pos_end(next);
    page->after = next;
    return ERR_OK;
}

/* The rows of one page go with it: their texts are long. */
static enum err run_pages(struct job *c, struct run *r, const struct meta_access_filter *f, struct err_info *reterr)
{
    struct meta_page page = { .limit = PAGE };
    struct arena *own = c->mem;
    enum err e = ERR_OK;
    bool more = true;

    while (more && e == ERR_OK) {
        struct arena rows;

        arena_init(&rows, SCRATCH);
        c->mem = &rows;
        e = page_of(c, r, f, &page, &more, reterr);
        c->mem = own;
        arena_deinit(&rows);
    }
    return e;
}

static void write_counts(struct job *c, const struct run *r)
{
    jsonw_karr(&c->w, "counts");
    for (size_t was = 0; was < VERDICTS_N; was++) {
        for (size_t now = 0; now < VERDICTS_N; now++) {
            if (r->counts[was][now] == 0)
                continue;
            jsonw_obj(&c->w);
            jsonw_kcstr(&c->w, "was", verdict_of(was));
            jsonw_kcstr(&c->w, "now", verdict_of(now));
            jsonw_kint(&c->w, "n", (int64_t) r->counts[was][now]);
            jsonw_obj_end(&c->w);
        }
    }
    jsonw_arr_end(&c->w);
}

static void write_run(struct job *c, const struct run *r)
{
    jsonw_ktime(&c->w, "from", r->d->since);
    jsonw_ktime(&c->w, "to", c->now.real);
    jsonw_kint(&c->w, "looked_at", (int64_t) r->looked_at);
    jsonw_kint(&c->w, "differ", (int64_t) r->differ);
    jsonw_kbool(&c->w, "complete", r->complete);
    write_counts(c, r);
    jsonw_key(&c->w, "items");
    jsonw_raw(&c->w, buf_span(&r->listed));
}

enum err dry_run(struct job *c, const struct dry_run *d, struct err_info *reterr)
{
    const struct rules *rules = job_rules(c, reterr);
    struct run r = { .d = d, .people = job_people(c, reterr), .listed = BUF_INIT(1U << 20), .complete = true };
    struct meta_access_filter f = { 0 };
    struct meta_project_list projects;
    struct span *ids;
    enum err e;

    if (rules == NULL || r.people == NULL)
        return ERR_NOMEM;
    r.in_force = rules->policy;
    TRY(meta_projects(c->v, c->mem, &projects, reterr));
    ids = arena_alloc(c->mem, (projects.n + 1) * sizeof(*ids));
    if (ids == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "dry run");
    for (size_t i = 0; i < projects.n; i++)
        ids[i] = projects.rows[i].id;
    f.projects = ids;
    f.n_projects = projects.n;
    jsonw_init(&r.w, &r.listed);
    jsonw_arr(&r.w);
    e = run_pages(c, &r, &f, reterr);
    jsonw_arr_end(&r.w);
    if (e == ERR_OK && r.listed.failed)
        e = ERR_RAISE(reterr, ERR_NOMEM, "dry run");
    if (e == ERR_OK)
        write_run(c, &r);
    buf_deinit(&r.listed);
    return e;
}
