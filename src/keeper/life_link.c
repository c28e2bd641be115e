/*
 * Requests that belong to a grant (STANDARDS 2.1, 2.2 T13): what they need of it, which grants are one access to the
 * person who has them, and what was decided beforehand.
 *
 * A chain has at most ASK_CHAIN_MAX grants, and a few more that were waiting for their votes. FAMILY_MAX is beyond that: an error, since
 * what is left out would not be counted, nor taken away with the others.
 */
#include "keeper/life.h"

#define FAMILY_MAX   1024
#define FAMILY_FIRST 16

static const char *const names[LINK_N_] = {
    [LINK_NONE] = "", [LINK_EXTEND] = "extend", [LINK_MORE_TIME] = "more-time",
    [LINK_JOIN] = "join", [LINK_WIDEN] = "widen", [LINK_BREAK_GLASS] = "break-glass",
};

const char *life_link_name(enum life_link k)
{
    return k < LINK_N_ ? names[k] : "";
}

enum life_link life_link_of(const struct meta_request *q)
{
    for (int k = 0; k < LINK_N_; k++) {
        if (span_eq_str(q->link, names[k]))
            return (enum life_link) k;
    }
    return LINK_NONE;
}

/* As it is at this moment, whether or not a timer has written it down. */
static struct grant as_of_now(const struct job *c, const struct life *l)
{
    struct grant_step s = grant_touch(&l->st, &c->now, GRANT_IDLE_MS);

    return s.changed ? s.next : l->st;
}

enum err life_link_guards(struct job *c, const struct life *l, struct grant_guards *ret, struct err_info *reterr)
{
    struct grant old;
    struct life to;

    ret->link_gone = false;
    ret->carry_ms = 0;
    if (l->q.extends.n == 0 || l->st.window_start != 0)
        return ERR_OK;
    TRY(life_of_grant(c, l->q.extends, &to, reterr));
    old = as_of_now(c, &to);
    switch (life_link_of(&l->q)) {
    case LINK_EXTEND:
    case LINK_MORE_TIME:
        ret->carry_ms = grant_left_ms(&old, &c->now);
        ret->link_gone = !grant_is_open(&old, &c->now);
        break;
    case LINK_JOIN:
    case LINK_WIDEN: ret->link_gone = !grant_is_open(&old, &c->now); break;
    case LINK_NONE:
    case LINK_BREAK_GLASS: /* an ordinary request, whenever it is approved */
    case LINK_N_: break;
    }
    return ERR_OK;
}

/* ---- one access, several grants ---- */

static bool prolongs(const struct meta_request *q)
{
    switch (life_link_of(q)) {
    case LINK_EXTEND:
    case LINK_MORE_TIME:
    case LINK_BREAK_GLASS: return true;
    case LINK_NONE:
    case LINK_JOIN:
    case LINK_WIDEN:
    case LINK_N_: return false;
    }
    return false;
}

static bool has(const struct lives *f, struct span gid)
{
    for (size_t i = 0; i < f->n; i++) {
        if (span_eq(f->all[i].g.id, gid))
            return true;
    }
    return false;
}

static enum err add(struct job *c, struct lives *f, struct span gid, struct span holder, struct err_info *reterr)
{
    if (gid.n == 0 || has(f, gid))
        return ERR_OK;
    if (f->n == FAMILY_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "more than %d grants prolong one another", FAMILY_MAX);
    if (f->n >= FAMILY_FIRST && (f->n & (f->n - 1)) == 0) { /* a power of two: full */
        struct life *more = arena_alloc(c->mem, 2 * f->n * sizeof(*more));

        if (more == NULL)
            return ERR_RAISE(reterr, ERR_NOMEM, "linked grants");
        memcpy(more, f->all, f->n * sizeof(*more));
        f->all = more;
    }
    TRY(life_of_grant(c, gid, &f->all[f->n], reterr));
    if (span_eq(f->all[f->n].g.holder, holder))
        f->n++;
    return ERR_OK;
}

/* What a linked request of this holder has opened. */
static enum err add_linked(struct job *c, struct lives *f, const struct life *l, struct span holder,
                           struct err_info *reterr)
{
    struct meta_request_list rows;

    TRY(meta_requests_linked(c->v, l->g.id, c->mem, &rows, reterr));
    for (size_t i = 0; i < rows.n; i++) {
        struct meta_grant_list grants;

        if (!prolongs(&rows.rows[i]) || !span_eq(rows.rows[i].requester, holder))
            continue;
        TRY(meta_grants_of_request(c->v, rows.rows[i].id, c->mem, &grants, reterr));
        for (size_t k = 0; k < grants.n; k++)
            TRY(add(c, f, grants.rows[k].id, holder, reterr));
    }
    return ERR_OK;
}

enum err life_family(struct job *c, const struct life *l, struct lives *ret, struct err_info *reterr)
{
    struct span holder = l->g.holder;

    ret->all = arena_alloc(c->mem, FAMILY_FIRST * sizeof(*ret->all));
    ret->n = 0;
    if (ret->all == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "linked grants");
    ret->all[ret->n++] = *l;
    for (size_t i = 0; i < ret->n; i++) {
        const struct life one = ret->all[i];

        if (prolongs(&one.q))
            TRY(add(c, ret, one.q.extends, holder, reterr));
        TRY(add_linked(c, ret, &one, holder, reterr));
    }
    return ERR_OK;
}

/* ---- what was decided beforehand ---- */

static bool asked_for(const struct life *root, struct span rid)
{
    for (size_t i = 0; i < root->n_asked; i++) {
        if (span_eq(root->asked[i], rid))
            return true;
    }
    return false;
}

/* Recordings in the scopes of the family that nobody asked for, each once. */
static int64_t count_added(const struct life *root, const struct lives *f)
{
    int64_t n = 0;

    for (size_t i = 0; i < f->n; i++) {
        for (size_t k = 0; k < f->all[i].n_rids; k++) {
            struct span rid = f->all[i].rids[k];
            bool seen = asked_for(root, rid);

            for (size_t j = 0; j < i && !seen; j++) {
                for (size_t m = 0; m < f->all[j].n_rids && !seen; m++)
                    seen = span_eq(f->all[j].rids[m], rid);
            }
            n += !seen;
        }
    }
    return n;
}

/* Up along time that was granted beforehand, to the decision. */
static enum err find_root(struct job *c, const struct life *l, struct life *ret, struct err_info *reterr)
{
    *ret = *l;
    for (int i = 0; i < FAMILY_MAX && life_link_of(&ret->q) == LINK_MORE_TIME; i++) {
        struct life up;

        TRY(life_of_grant(c, ret->q.extends, &up, reterr));
        *ret = up;
    }
    return ERR_OK;
}

enum err life_beforehand(struct job *c, const struct life *l, struct life_beforehand *ret, struct err_info *reterr)
{
    struct lives family, chain = { 0 };

    *ret = (struct life_beforehand){ 0 };
    TRY(find_root(c, l, &ret->root, reterr));
    TRY(life_family(c, &ret->root, &family, reterr));
    chain.all = arena_alloc(c->mem, (family.n + 1) * sizeof(*chain.all));
    if (chain.all == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "linked grants");
    ret->newest = ret->root;
    for (size_t i = 0; i < family.n; i++) {
        struct life root;

        TRY(find_root(c, &family.all[i], &root, reterr));
        if (!span_eq(root.g.id, ret->root.g.id))
            continue; /* a decision of its own */
        ret->times_used += life_link_of(&family.all[i].q) == LINK_MORE_TIME;
        if (family.all[i].st.window_end > ret->newest.st.window_end)
            ret->newest = family.all[i];
        chain.all[chain.n++] = family.all[i];
    }
    ret->more_used = count_added(&ret->root, &chain);
    return ERR_OK;
}
