#include "keeper/reports.h"

#include <stdio.h>

#include "keeper/view.h"

#define PAGE META_PAGE_MAX

/* ---- gathering ---- */

struct gather {
    struct job *c;
    const struct report_ask *a;
    struct report *r;
};

static bool is_of_subject(struct gather *g, struct span rid)
{
    CLEANUP(arena_deinit) struct arena mem = { 0 };
    struct meta_recording row;

    arena_init(&mem, 1U << 20);
    return meta_recording_get(g->c->v, rid, &mem, &row, NULL) == ERR_OK && span_eq(row.subject, g->a->subject);
}

/* One log's leaves by one filter, into the fold. */
static enum err read_leaves(struct gather *g, struct meta_audit_filter f, struct watched_fold *fold, struct err_info *reterr)
{
    f.types = watched_types;
    f.n_types = watched_n_types;
    f.ascending = true;
    f.after_ms = g->a->from_ms;
    f.before_ms = g->a->to_ms;
    f.limit = PAGE;
    while (f.from >= 0 && !g->r->more) {
        CLEANUP(arena_deinit) struct arena mem = { 0 };
        struct meta_audit_item *items;
        size_t n;

        arena_init(&mem, 16u << 20);
        TRY(meta_audit_list(g->c->v, &f, &mem, &items, &n, &f.from, reterr));
        for (size_t i = 0; i < n && !g->r->more; i++)
            g->r->more = !watched_leaf(fold, &items[i]);
    }
    return ERR_OK;
}

static enum err keep_rows(struct gather *g, struct span log, struct watched_fold *fold, struct err_info *reterr)
{
    struct watched **all;
    size_t n;

    TRY(watched_end(fold, &all, &n, reterr));
    for (size_t i = 0; i < n; i++) {
        if (g->a->kind == REPORT_SUBJECT && !is_of_subject(g, all[i]->rid))
            continue;
        if (g->r->n_rows == REPORT_ROWS_MAX) {
            g->r->more = true;
            break;
        }
        g->r->rows[g->r->n_rows++] = (struct report_row){ log, all[i] };
    }
    return ERR_OK;
}

/* Every account of the human whom the report is about. */
static enum err read_person(struct gather *g, struct span log, struct watched_fold *fold, struct err_info *reterr)
{
    const struct people *people = job_people(g->c, reterr);

    if (people == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < people->n; i++) {
        const struct meta_audit_filter f = { .log = log, .actor = people->all[i].id };

        if (span_eq(who_person(&people->all[i]), who_person(g->a->person)))
            TRY(read_leaves(g, f, fold, reterr));
    }
    return ERR_OK;
}

static enum err read_log(struct gather *g, struct span log, struct err_info *reterr)
{
    CLEANUP(watched_freep) struct watched_fold *fold = watched_new(&g->r->mem);
    struct meta_audit_filter f = { .log = log, .rid = g->a->recording };
    int64_t size;

    if (fold == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "report");
    TRY(meta_audit_count(g->c->v, log, &size, reterr));
    g->r->logs[g->r->n_logs++] = (struct report_log){ log, size };
    if (g->a->kind == REPORT_PERSON)
        TRY(read_person(g, log, fold, reterr));
    else
        TRY(read_leaves(g, f, fold, reterr));
    return keep_rows(g, log, fold, reterr);
}

static bool is_among(struct span base, const struct span *projects, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (span_eq(base, projects[i]))
            return true;
    }
    return false;
}

enum err report_make(struct job *c, const struct report_ask *a, const struct span *projects, size_t n_projects,
                     struct report *ret, struct err_info *reterr)
{
    struct gather g = { c, a, ret };
    struct meta_log_list logs;
    struct span base;

    arena_init(&ret->mem, REPORT_MEM_MAX);
    TRY(meta_logs(c->v, &ret->mem, &logs, reterr));
    ret->rows = arena_alloc(&ret->mem, REPORT_ROWS_MAX * sizeof(*ret->rows));
    ret->logs = arena_alloc(&ret->mem, (logs.n + 1) * sizeof(*ret->logs));
    if (ret->rows == NULL || ret->logs == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "report");
    for (size_t i = 0; i < logs.n; i++) {
        (void) log_id_generation(logs.rows[i].log, &base);
        if (is_among(base, projects, n_projects))
            TRY(read_log(&g, logs.rows[i].log, reterr));
    }
    return ERR_OK;
}

void report_free(struct report *r)
{
    arena_deinit(&r->mem);
}

/* ---- what metadata still says ---- */

struct seen {
    struct meta_recording recording; /* id empty: gone */
    struct meta_request request;
    struct meta_request_lists lists;
    const struct who *who;
    char project[ID_CAP];
};

static enum err look_up(struct job *c, const struct report_row *row, struct arena *mem, struct seen *s,
                        struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    struct meta_grant grant;
    struct span q = row->w->q, base;
    enum err e;

    *s = (struct seen){ .who = NULL };
    if (people == NULL)
        return ERR_NOMEM;
    s->who = people_by_id(people, row->w->actor);
    (void) log_id_generation(row->log, &base);
    (void) span_to_str(base, s->project, sizeof(s->project));
    e = meta_recording_get(c->v, row->w->rid, mem, &s->recording, reterr);
    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    if (q.n == 0 && row->w->gid.n > 0 && meta_grant_get(c->v, row->w->gid, mem, &grant, NULL) == ERR_OK)
        q = grant.request;
    e = q.n == 0 ? ERR_NOTFOUND : meta_request_get(c->v, q, mem, &s->request, reterr);
    if (e == ERR_OK)
        e = meta_request_lists(c->v, q, mem, &s->lists, reterr);
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* ---- JSON ---- */

static void write_ranges(struct jsonw *w, const struct watched *v)
{
    jsonw_karr(w, "ranges");
    for (size_t i = 0; i < v->n_ranges; i++) {
        jsonw_arr(w);
        jsonw_int(w, v->ranges[i].from);
        if (v->ranges[i].to < 0)
            jsonw_null(w);
        else
            jsonw_int(w, v->ranges[i].to);
        jsonw_arr_end(w);
    }
    jsonw_arr_end(w);
}

static void write_why(struct job *c, const struct report_ask *a, const struct seen *s)
{
    if (s->request.id.n == 0)
        return;
    jsonw_kstr(&c->w, "request", s->request.id);
    jsonw_kstr(&c->w, "purpose", s->request.purpose);
    if (a->kind != REPORT_SUBJECT && s->request.reason.n > 0)
        jsonw_kstr(&c->w, "reason", s->request.reason);
    view_words(c, "actions", s->lists.actions, s->lists.n_actions);
}

static enum err write_row(struct job *c, const struct report_ask *a, const struct report_row *row, struct err_info *reterr)
{
    CLEANUP(arena_deinit) struct arena mem = { 0 };
    const struct watched *v = row->w;
    struct seen s;

    arena_init(&mem, 1U << 20);
    TRY(look_up(c, row, &mem, &s, reterr));
    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "recording", v->rid);
    view_text(c, "recording_title", s.recording.title);
    jsonw_kcstr(&c->w, "project", s.project);
    if (v->vid.n > 0)
        jsonw_kstr(&c->w, "viewing", v->vid);
    if (a->kind != REPORT_SUBJECT)
        view_person(c, "person", v->actor);
    if (v->gid.n > 0)
        jsonw_kstr(&c->w, "grant", v->gid);
    write_why(c, a, &s);
    jsonw_ktime(&c->w, "from", v->first_t);
    jsonw_ktime(&c->w, "to", v->last_t);
    jsonw_kint(&c->w, "events", v->events);
    write_ranges(&c->w, v);
    jsonw_kbool(&c->w, "exported", v->exported);
    jsonw_kbool(&c->w, "live", v->live);
    jsonw_kbool(&c->w, "gateway", v->gateway);
    jsonw_kbool(&c->w, "settled", v->settled);
    jsonw_kstr(&c->w, "log", row->log);
    jsonw_kint(&c->w, "first_index", v->first_i);
    jsonw_kint(&c->w, "last_index", v->last_i);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

enum err report_json(struct job *c, const struct report_ask *a, const struct report *r, struct err_info *reterr)
{
    static const char *const kinds[] = { "recording", "person", "subject" };

    jsonw_obj(job_json(c, 200));
    jsonw_kcstr(&c->w, "kind", kinds[a->kind]);
    jsonw_ktime(&c->w, "generated_at", c->now.real);
    if (a->from_ms != 0)
        jsonw_ktime(&c->w, "from", a->from_ms);
    if (a->to_ms != 0)
        jsonw_ktime(&c->w, "to", a->to_ms);
    jsonw_karr(&c->w, "logs");
    for (size_t i = 0; i < r->n_logs; i++) {
        jsonw_obj(&c->w);
        jsonw_kstr(&c->w, "log", r->logs[i].log);
        jsonw_kint(&c->w, "size", r->logs[i].size);
        jsonw_obj_end(&c->w);
    }
    jsonw_arr_end(&c->w);
    jsonw_kbool(&c->w, "more", r->more);
    jsonw_karr(&c->w, "items");
    for (size_t i = 0; i < r->n_rows; i++)
        TRY(write_row(c, a, &r->rows[i], reterr));
    jsonw_arr_end(&c->w);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

/* ---- CSV (RFC 4180) ---- */

/* A cell that a spreadsheet would run as a formula gets an apostrophe before it. */
static void cell(struct buf *b, struct span s, bool last)
{
    bool formula = s.n > 0 && memchr("=+-@\t\r", s.p[0], 6) != NULL;

    buf_add_c(b, '"');
    if (formula)
        buf_add_c(b, '\'');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            buf_add_c(b, '"');
        buf_add_c(b, (char) s.p[i]);
    }
    buf_add_str(b, last ? "\"\r\n" : "\",");
}

static void cell_int(struct buf *b, int64_t n, bool last)
{
    buf_addf(b, "%lld%s", (long long) n, last ? "\r\n" : ",");
}

static void cell_time(struct buf *b, time_ms t)
{
    char text[TIME_RFC3339_LEN + 1];

    time_rfc3339(t, text);
    buf_add_str(b, text);
    buf_add_c(b, ',');
}

static void cell_ranges(struct buf *b, const struct watched *v)
{
    for (size_t i = 0; i < v->n_ranges; i++) {
        buf_addf(b, "%s%lld-", i == 0 ? "" : " ", (long long) v->ranges[i].from);
        if (v->ranges[i].to >= 0)
            buf_addf(b, "%lld", (long long) v->ranges[i].to);
    }
    buf_add_c(b, ',');
}

static void cell_actions(struct buf *b, const struct seen *s)
{
    for (size_t i = 0; i < s->lists.n_actions; i++) {
        buf_add_str(b, i == 0 ? "" : " ");
        buf_add_span(b, s->lists.actions[i]);
    }
    buf_add_c(b, ',');
}

static void cells_of_row(struct buf *b, const struct report_ask *a, const struct report_row *row, const struct seen *s)
{
    const struct watched *v = row->w;

    cell(b, v->rid, false);
    cell(b, s->recording.title, false);
    cell(b, span_str(s->project), false);
    cell(b, v->vid, false);
    if (a->kind != REPORT_SUBJECT) {
        cell(b, v->actor, false);
        cell(b, s->who == NULL ? SPAN_EMPTY : s->who->name, false);
    }
    cell(b, s->request.id, false);
    cell(b, v->gid, false);
    cell(b, s->request.purpose, false);
    if (a->kind != REPORT_SUBJECT)
        cell(b, s->request.reason, false);
    cell_actions(b, s);
    cell_time(b, v->first_t);
    cell_time(b, v->last_t);
    cell_int(b, v->events, false);
    cell_ranges(b, v);
    cell_int(b, v->exported, false);
    cell_int(b, v->live, false);
    cell_int(b, v->gateway, false);
    cell_int(b, v->settled, false);
    cell(b, row->log, false);
    cell_int(b, v->first_i, false);
    cell_int(b, v->last_i, true);
}

enum err report_csv(struct job *c, const struct report_ask *a, const struct report *r, struct err_info *reterr)
{
    struct buf *b = &c->answer->body;

    (void) job_json(c, 200);
    buf_add_str(b, "recording,recording_title,project,viewing,");
    buf_add_str(b, a->kind == REPORT_SUBJECT ? "request,grant,purpose," : "person,person_name,request,grant,purpose,reason,");
    buf_add_str(b, "actions,from,to,events,ranges,exported,live,gateway,settled,log,first_index,last_index\r\n");
    for (size_t i = 0; i < r->n_rows; i++) {
        CLEANUP(arena_deinit) struct arena mem = { 0 };
        struct seen s;

        arena_init(&mem, 1U << 20);
        TRY(look_up(c, &r->rows[i], &mem, &s, reterr));
        cells_of_row(b, a, &r->rows[i], &s);
    }
    c->answer->content_type = "text/csv; charset=utf-8";
    return buf_check(b, reterr);
}
