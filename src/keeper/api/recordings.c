/* Recordings: list and search of stated metadata, one recording, its links. */
#include "base/utf8.h"
#include "keeper/api/api.h"
#include "keeper/append_secret.h"
#include "keeper/life.h"
#include "keeper/masks.h"
#include "keeper/notice.h"
#include "keeper/pages.h"
#include "keeper/statements.h"
#include "keeper/trail.h"
#include "keeper/view.h"

#define AT_MS_MAX (INT64_C(1) << 53)

struct listing {
    struct meta_recording_filter f;
    bool exact_subject;
    bool nothing; /* no recording can match */
};

/* Projects in which recordings may be listed; one when 'project' says so. */
static enum err read_projects(struct job *c, struct listing *l, struct err_info *reterr)
{
    struct meta_project_list all;
    struct span want = SPAN_EMPTY, *ids;

    (void) tree_get_str(c->query, "project", &want);
    TRY(meta_projects(c->v, c->mem, &all, reterr));
    ids = arena_alloc(c->mem, (all.n + 1) * sizeof(*ids));
    if (ids == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "projects");
    for (size_t i = 0; i < all.n; i++) {
        if (want.n > 0 && !span_eq(want, all.rows[i].id) && !span_eq(want, all.rows[i].name))
            continue;
        if (job_may(c, all.rows[i].id, PERM_LIST))
            ids[l->f.n_projects++] = all.rows[i].id;
    }
    l->f.projects = ids;
    return ERR_OK;
}

/* "name=value" or "type:id". */
static struct meta_pair read_pair(struct job *c, const char *name, char sep)
{
    struct meta_pair p = { 0 };
    struct span s;

    if (tree_get_str(c->query, name, &s))
        (void) span_cut(s, sep, &p.name, &p.value);
    return p;
}

/* access=: what the caller has or waits for, as a list of ids to show or to leave out. */
static enum err read_access(struct job *c, struct listing *l, struct err_info *reterr)
{
    static const char *const words[] = { "none", "asked", "scheduled", "open" };
    static const struct span states[] = { { (const uint8_t *) "PENDING", 7 },
                                          { (const uint8_t *) "SCHEDULED", 9 },
                                          { (const uint8_t *) "ACTIVE", 6 } };
    int which = body_word(&c->body, "?", c->query, "access", BODY_OPTIONAL, words, 4);
    struct meta_access *rows;
    struct span *ids;
    size_t n, n_ids = 0;

    if (which < 0)
        return ERR_OK;
    TRY(meta_access_of(c->v, c->me->id, which == 0 ? states : &states[which - 1], which == 0 ? 3 : 1, c->mem, &rows, &n,
                       reterr));
    ids = arena_alloc(c->mem, (n + 1) * sizeof(*ids));
    if (ids == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "access");
    for (size_t i = 0; i < n; i++)
        ids[n_ids++] = rows[i].rid;
    if (which == 0) {
        l->f.except = ids;
        l->f.n_except = n_ids;
        return ERR_OK;
    }
    l->f.only = ids;
    l->f.n_only = n_ids;
    l->nothing = n_ids == 0;
    return ERR_OK;
}

static enum err read_filter(struct job *c, struct listing *l, struct err_info *reterr)
{
    static const char *const kinds[] = { "rrweb", "terminal" };

    TRY(read_projects(c, l, reterr));
    (void) tree_get_str(c->query, "q", &l->f.q);
    if (l->f.q.n > 800)
        body_bad_limit(&c->body, "?", "q", FIELD_TOO_LONG, 200);
    (void) body_word(&c->body, "?", c->query, "kind", BODY_OPTIONAL, kinds, 2);
    (void) tree_get_str(c->query, "kind", &l->f.kind);
    l->f.tag = read_pair(c, "tag", '=');
    l->f.link = read_pair(c, "link", ':');
    if (l->f.link.name.n > 0 && l->f.link.value.n == 0) /* a link is a type and an id */
        body_bad(&c->body, "?", "link", FIELD_PATTERN);
    l->exact_subject = tree_get_str(c->query, "subject", &l->f.subject) && l->f.subject.n > 0;
    (void) body_query_time(&c->body, c->query, "after", &l->f.after_ms);
    (void) body_query_time(&c->body, c->query, "before", &l->f.before_ms);
    return read_access(c, l, reterr);
}

/* A viewer who knows the subject already sees it in clear, and that search is a record (STANDARDS 5.1). */
static void count_subject_search(struct job *c)
{
    struct count n = { .route = c->route->id, .refusal = true, .code = "subject-search" };

    (void) span_to_str(c->me->id, n.actor, sizeof(n.actor));
    counts_add(c->core->counts, &n);
}

static bool live_grant_covers(struct job *c, struct span rid)
{
    static const struct span active = { (const uint8_t *) "ACTIVE", 6 };
    const struct meta_access_filter f = { .person = c->me->id, .states = &active, .n_states = 1, .recording = rid };
    const struct meta_page page = { .limit = 1 };
    struct meta_grant_list rows;
    struct meta_pos next;
    bool any;

    return meta_access_any(c->v, rid, &any, NULL) == ERR_OK && any &&
           meta_grants(c->v, &f, &page, c->mem, &rows, &next, NULL) == ERR_OK && rows.n > 0 &&
           c->now.real < rows.rows[0].window_end_ms;
}

static bool sees_subject(struct job *c, const struct meta_recording *r, bool exact)
{
    return exact || job_may(c, r->project, PERM_SEE_SUBJECT) || live_grant_covers(c, r->id);
}

enum err api_recordings_list(struct job *c, struct err_info *reterr)
{
    struct meta_recording_list rows = { 0 };
    struct meta_pos next = { 0 };
    struct listing l = { 0 };
    struct pages p;
    enum err e;

    PAGES_BEGIN(c, &p, "q", "kind", "project", "tag", "link", "subject", "access", "after", "before");
    e = read_filter(c, &l, reterr);
    if (e == ERR_OK && c->body.errors.n > 0) {
        pages_drop(&p);
        return job_invalid(c);
    }
    if (e == ERR_OK && !l.nothing && l.f.n_projects > 0)
        e = meta_recordings(c->v, &l.f, &p.page, c->mem, &rows, &next, reterr);
    if (e != ERR_OK) {
        pages_drop(&p);
        return e;
    }
    if (l.exact_subject)
        count_subject_search(c);
    (void) pages_items(c);
    for (size_t i = 0; i < rows.n && e == ERR_OK; i++)
        e = view_recording(c, &rows.rows[i], sees_subject(c, &rows.rows[i], l.exact_subject), reterr);
    pages_end(c, &p, next);
    jsonw_obj_end(&c->w);
    return e;
}

/*
 * An ingest token of the recording's project: it states links, and reads nothing. A public one (of pages) states those of
 * what it began.
 */
static bool is_its_recorder(const struct job *c, const struct meta_recording *r)
{
    return c->me == NULL && c->token.id.n > 0 && span_eq(c->token.project, r->project) &&
           (c->token.browser == 0 || span_eq(c->token.id, r->importer));
}

static enum err find(struct job *c, struct meta_recording *ret, bool *ret_ok, struct err_info *reterr)
{
    enum err e = id_check(c->in->id1, ID_RECORDING) ? meta_recording_get(c->v, c->in->id1, c->mem, ret, reterr)
                                                    : ERR_NOTFOUND;

    *ret_ok = false;
    if (e == ERR_NOTFOUND)
        return job_not_found(c);
    TRY(e);
    c->log = ret->project;
    if (span_eq_str(ret->state, "importing") || !(job_may(c, ret->project, PERM_LIST) || is_its_recorder(c, ret)))
        return job_not_found(c);
    if (span_eq_str(ret->state, "erased"))
        return job_refuse(c, 410, "erased", "The recording was erased.");
    *ret_ok = true;
    return ERR_OK;
}

enum err api_recording_get(struct job *c, struct err_info *reterr)
{
    struct meta_recording r;
    bool ok;

    TRY(find(c, &r, &ok, reterr));
    if (!ok)
        return ERR_OK;
    (void) job_json(c, 200);
    return view_recording(c, &r, sees_subject(c, &r, false), reterr);
}

static struct meta_pair *read_links(struct job *c, size_t *ret_n)
{
    struct meta_pair *links = arena_alloc(c->mem, (META_TAGS_MAX + 1) * sizeof(*links));
    struct tree list, child;

    *ret_n = 0;
    BODY_ONLY(&c->body, "", c->args, "links");
    if (!body_arr(&c->body, "", c->args, "links", BODY_REQUIRED, 0, META_TAGS_MAX, &list))
        return links;
    for (struct span at = list.payload; links != NULL && tree_next(&at, &child);) {
        struct meta_pair p = { 0 };
        bool twice = false;

        BODY_ONLY(&c->body, "/links", child, "type", "id", "at_ms", "public");
        if (!body_str(&c->body, "/links", child, "type", BODY_REQUIRED, 1, 32, &p.name) ||
            !body_str(&c->body, "/links", child, "id", BODY_REQUIRED, 1, 200, &p.value))
            continue;
        (void) body_bool(&c->body, "/links", child, "public", &p.public);
        p.public = p.public || (c->me == NULL && c->token.browser != 0);
        p.timed = body_int(&c->body, "/links", child, "at_ms", BODY_OPTIONAL, 0, AT_MS_MAX, &p.at_ms);
        for (size_t i = 0; i < *ret_n; i++)
            twice |= span_eq(links[i].name, p.name) && span_eq(links[i].value, p.value);
        if (!twice)
            links[(*ret_n)++] = p;
    }
    return links;
}

/* To a recorder: the links of what it records. */
static enum err show_links(struct job *c, const struct meta_recording *r, const struct meta_pair *links, size_t n)
{
    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "id", r->id);
    jsonw_karr(&c->w, "links");
    for (size_t i = 0; i < n; i++)
        view_link(c, &links[i]);
    jsonw_arr_end(&c->w);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

static enum err linked(struct job *c, const struct meta_recording *r, size_t n, struct err_info *reterr)
{
    const struct notice told = { .type = NOTICE_RECORDING, .id = r->id, .state = "linked", .project = r->project };
    struct leaf l = trail_leaf(c, LEAF_RECORDING_LINKED, trail_log(c, r->project));

    l.rid = r->id;
    (void) leaf_add_number(&l, "links", (int64_t) n);
    TRY(trail_write(c, &l, NULL, reterr));
    notice_send(c, &told);
    return ERR_OK;
}

/* Is one of them not there yet, or without its time? */
static bool says_more(const struct meta_pair *links, size_t n, const struct meta_pair *there, size_t n_there)
{
    for (size_t i = 0; i < n; i++) {
        bool known = false;

        for (size_t k = 0; k < n_there; k++)
            known |= span_eq(there[k].name, links[i].name) && span_eq(there[k].value, links[i].value) &&
                     (there[k].timed || !links[i].timed) && (links[i].public || !there[k].public);
        if (!known)
            return true;
    }
    return false;
}

/* What is said a second time leaves no record: a page in a loop must not fill the log. */
static enum err add_links(struct job *c, const struct meta_recording *r, const struct meta_pair *links, size_t n,
                          struct err_info *reterr)
{
    struct meta_pair *there;
    size_t n_there;

    TRY(meta_recording_links(c->v, r->id, c->mem, &there, &n_there, reterr));
    if (n_there >= META_LINKS_MAX || !says_more(links, n, there, n_there))
        return ERR_OK;
    TRY(meta_recording_links_add(c->m, r->id, links, n, reterr));
    return linked(c, r, n, reterr);
}

/* A public token alone is anybody's. *ret_ok false: answered. */
static enum err check_public(struct job *c, const struct meta_recording *r, bool *ret_ok, struct err_info *reterr)
{
    struct span given = SPAN_EMPTY;

    *ret_ok = true;
    if (c->me != NULL || c->token.browser == 0)
        return ERR_OK;
    (void) tree_get_str(c->query, "secret", &given);
    TRY(append_secret_check(c, r, given, ret_ok, reterr));
    if (!*ret_ok)
        return job_refuse(c, 403, "recording-secret", "A public token goes on with a recording by the secret that its creation answered.");
    *ret_ok = statements_links(c->token.states);
    return *ret_ok ? ERR_OK : job_refuse(c, 403, "statement-refused", "It may not state this: links.");
}

static enum err put_links(struct job *c, bool add, struct err_info *reterr)
{
    struct meta_recording r;
    struct meta_pair *links;
    size_t n;
    bool ok;

    TRY(find(c, &r, &ok, reterr));
    if (!ok)
        return ERR_OK;
    if (!job_may(c, r.project, PERM_LINK) && (!is_its_recorder(c, &r) || (!add && c->token.browser != 0)))
        return job_forbidden(c); /* whoever reads a page has its token: it may add (there is an end to that), not replace */
    TRY(check_public(c, &r, &ok, reterr));
    if (!ok)
        return ERR_OK;
    links = read_links(c, &n);
    if (links == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "links");
    if (c->body.errors.n > 0)
        return job_invalid(c);
    TRY(masks_words(c, r.project, NULL, NULL, NULL, links, &n, reterr));
    if (add) {
        TRY(add_links(c, &r, links, n, reterr));
        TRY(meta_recording_links(c->v, r.id, c->mem, &links, &n, reterr));
    } else {
        TRY(meta_recording_links_put(c->m, r.id, links, n, reterr));
        TRY(linked(c, &r, n, reterr));
    }
    (void) job_json(c, 200);
    return c->me == NULL ? show_links(c, &r, links, n) : view_recording(c, &r, sees_subject(c, &r, false), reterr);
}

enum err api_recording_links_put(struct job *c, struct err_info *reterr)
{
    return put_links(c, /* add= */ false, reterr);
}

enum err api_recording_links_add(struct job *c, struct err_info *reterr)
{
    return put_links(c, /* add= */ true, reterr);
}
