#include "keeper/item.h"

enum err item_of(struct job *c, const struct meta_recording *r, struct policy_item *ret, struct err_info *reterr)
{
    struct meta_pair *tags, *links;
    size_t n_tags, n_links;

    TRY(meta_recording_tags(c->v, r->id, c->mem, &tags, &n_tags, reterr));
    TRY(meta_recording_links(c->v, r->id, c->mem, &links, &n_links, reterr));
    return item_with(c, r, tags, n_tags, links, n_links, ret, reterr);
}

enum err item_with(struct job *c, const struct meta_recording *r, const struct meta_pair *tags, size_t n_tags,
                   const struct meta_pair *links, size_t n_links, struct policy_item *ret, struct err_info *reterr)
{
    struct meta_project p;
    struct policy_pair *t, *l;

    TRY(meta_project_get(c->v, r->project, c->mem, &p, reterr));
    t = arena_alloc(c->mem, (n_tags + 1) * sizeof(*t));
    l = arena_alloc(c->mem, (n_links + 1) * sizeof(*l));
    if (t == NULL || l == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "recording");
    for (size_t i = 0; i < n_tags; i++)
        t[i] = (struct policy_pair){ tags[i].name, tags[i].value };
    for (size_t i = 0; i < n_links; i++)
        l[i] = (struct policy_pair){ links[i].name, links[i].value };
    *ret = (struct policy_item){ .project = r->project, .project_name = p.name, .env = r->env, .klass = r->class,
                                 .kind = r->kind, .subject = r->subject, .tags = t, .n_tags = n_tags, .links = l,
                                 .n_links = n_links };
    return ERR_OK;
}

bool item_sole_person(const struct people *people, const struct who *who, struct span project)
{
    for (size_t i = 0; i < people->n; i++) {
        const struct who *w = &people->all[i];

        if (!w->disabled && !who_same_person(w, who) && role_may(role_in(w->roles, w->n_roles, project, 0), PERM_VOTE))
            return false;
    }
    return true;
}

/* … nor as somebody whom a rule names: a member of a group that votes, a user by name. */
static bool nobody_named(struct job *c, const struct people *people, const struct who *who)
{
    const struct policy *p = c->seat->rules != NULL ? c->seat->rules->policy : NULL;

    for (size_t i = 0; i < people->n; i++) {
        if (!who_same_person(&people->all[i], who) && policy_names_voter(p, &people->all[i]))
            return false;
    }
    return true;
}

void item_facts(struct job *c, const struct people *people, const struct who *who, struct span project,
                struct span purpose, struct policy_facts *ret)
{
    bool own = c->me != NULL && span_eq(c->me->id, who->id);

    *ret = (struct policy_facts){ .now = c->now.real, .who = who, .purpose = purpose,
                                  .sole_person = item_sole_person(people, who, project) &&
                                                 nobody_named(c, people, who) };
    ret->standing = !own;
    if (own && !span_eq_str(c->token.kind, "api"))
        ret->auth_at = c->token.auth_ms;
    if (own && c->in != NULL && (c->in->addr.n == 4 || c->in->addr.n == 16)) {
        ret->addr = c->in->addr.p;
        ret->addr_len = c->in->addr.n;
    }
}
