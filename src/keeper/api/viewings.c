/* Who watches, or watched, what; stopping one (STANDARDS 1.8 rule 5). */
#include "keeper/api/api.h"
#include "keeper/inbox.h"
#include "keeper/keys.h"
#include "keeper/pages.h"
#include "keeper/view.h"
#include "keeper/viewings.h"

enum err api_viewings_list(struct job *c, struct err_info *reterr)
{
    static const char *const words[] = { "live", "ended" };
    const struct span live[] = { SPAN("live") }, ended[] = { SPAN("ended"), SPAN("stopped") },
                      both[] = { SPAN("live"), SPAN("ended"), SPAN("stopped") };
    struct meta_access_filter f = { .person = c->me->id, .states = both, .n_states = 3 };
    struct meta_viewing_list rows;
    struct meta_pos next;
    struct span *projects;
    struct pages p;
    enum err e;
    int which;

    PAGES_BEGIN(c, &p, "state", "recording", "grant");
    which = body_word(&c->body, "?", c->query, "state", BODY_OPTIONAL, words, 2);
    (void) tree_get_str(c->query, "recording", &f.recording);
    (void) tree_get_str(c->query, "grant", &f.gid);
    if (which == 0) {
        f.states = live;
        f.n_states = 1;
    } else if (which == 1) {
        f.states = ended;
        f.n_states = 2;
    }
    if (c->body.errors.n > 0) {
        pages_drop(&p);
        return job_invalid(c);
    }
    e = inbox_projects(c, &projects, &f.n_projects, reterr);
    f.projects = projects;
    if (e == ERR_OK)
        e = meta_viewings(c->v, &f, &p.page, c->mem, &rows, &next, reterr);
    if (e != ERR_OK) {
        pages_drop(&p);
        return e;
    }
    (void) pages_items(c);
    for (size_t i = 0; i < rows.n && e == ERR_OK; i++) {
        if (rows.rows[i].begun_ms != 0) /* a stopped one of which nothing was ever seen */
            e = view_viewing(c, &rows.rows[i], reterr);
    }
    pages_end(c, &p, next);
    jsonw_obj_end(&c->w);
    return e;
}

enum err api_viewing_stop(struct job *c, struct err_info *reterr)
{
    struct span comment;
    struct meta_viewing v;
    enum err e = id_check(c->in->id1, ID_VIEWING) ? meta_viewing_get(c->v, c->in->id1, c->mem, &v, reterr) : ERR_NOTFOUND;

    if (e == ERR_NOTFOUND)
        return job_not_found(c);
    TRY(e);
    c->log = v.project;
    if (!life_visible(c, v.project, v.holder))
        return job_not_found(c);
    BODY_ONLY(&c->body, "", c->args, "comment");
    (void) body_str(&c->body, "", c->args, "comment", BODY_OPTIONAL, 0, 2000, &comment);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (!span_eq(v.holder, c->me->id) && !job_may(c, v.project, PERM_STOP_VIEWING))
        return job_forbidden(c);
    if (v.ended_ms != 0) {
        jsonw_kcstr(job_extra(c), "state", "ended");
        return job_refuse(c, 409, "grant-state-conflict", "It has ended already.");
    }
    TRY(keys_deny_viewing(c, &v, reterr));
    TRY(viewing_end(c, &v, "stopped", "stopped", reterr));
    (void) job_json(c, 200);
    return view_viewing(c, &v, reterr);
}
