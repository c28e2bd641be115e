#include "keeper/inbox.h"

#define COUNT_MAX 100 /* "99 and more" */

enum err inbox_may_vote(struct job *c, const struct life *l, enum vote_verdict *ret, struct err_info *reterr)
{
    struct life_ballot b;

    TRY(life_ballot(c, l, &b, reterr));
    *ret = vote_eligible(&b.rule, &b.c, c->me);
    if (*ret != VOTE_OK)
        return ERR_OK;
    for (size_t i = 0; i < b.n_votes; i++) {
        if (span_eq(b.votes[i].person, who_person(c->me)))
            *ret = VOTE_TWICE;
    }
    if (*ret == VOTE_OK && span_eq_str(c->token.kind, "api") && !c->core->cfg.token_votes)
        *ret = VOTE_TOKEN;
    return ERR_OK;
}

enum err inbox_projects(struct job *c, struct span **ret, size_t *ret_n, struct err_info *reterr)
{
    struct meta_project_list all;
    struct span *ids;
    size_t n = 0;

    TRY(meta_projects(c->v, c->mem, &all, reterr));
    ids = arena_alloc(c->mem, (all.n + 1) * sizeof(*ids));
    if (ids == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "projects");
    for (size_t i = 0; i < all.n; i++) {
        if (life_visible(c, all.rows[i].id, SPAN_EMPTY))
            ids[n++] = all.rows[i].id;
    }
    *ret = ids;
    *ret_n = n;
    return ERR_OK;
}

enum err inbox_count(struct job *c, int64_t *ret, struct err_info *reterr)
{
    const struct span pending = SPAN("PENDING");
    const struct meta_page page = { .limit = COUNT_MAX };
    struct meta_access_filter f = { .states = &pending, .n_states = 1 };
    struct meta_request_list rows;
    struct meta_pos next;
    struct span *projects;

    *ret = 0;
    TRY(inbox_projects(c, &projects, &f.n_projects, reterr));
    f.projects = projects;
    if (f.n_projects == 0)
        return ERR_OK;
    TRY(meta_requests(c->v, &f, &page, c->mem, &rows, &next, reterr));
    for (size_t i = 0; i < rows.n; i++) {
        enum vote_verdict v;
        struct life l;

        TRY(life_of_request(c, rows.rows[i].id, &l, reterr));
        TRY(life_touch(c, &l, reterr));
        if (l.st.state != GRANT_PENDING)
            continue;
        TRY(inbox_may_vote(c, &l, &v, reterr));
        *ret += v == VOTE_OK;
    }
    return ERR_OK;
}
