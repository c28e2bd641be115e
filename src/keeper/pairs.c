#include "keeper/pairs.h"

#include "keeper/job.h"

static bool is_over(const struct pair_waiting *w, int64_t boot)
{
    return boot < w->boot || boot - w->boot >= PAIR_MS;
}

static struct pair_waiting *find(struct pairs *p, struct span what)
{
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        if (what.n > 0 && span_eq_str(what, p->all[i].what))
            return &p->all[i];
    }
    return NULL;
}

const struct pair_waiting *pairs_other(const struct pairs *p, struct span what, struct span person, int64_t boot)
{
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        const struct pair_waiting *w = &p->all[i];

        if (what.n > 0 && span_eq_str(what, w->what))
            return is_over(w, boot) || span_eq_str(person, w->person) ? NULL : w;
    }
    return NULL;
}

void pairs_wait(struct pairs *p, struct span what, struct span person, struct span account, int64_t boot)
{
    struct pair_waiting *to = find(p, what);
    struct pair_waiting w = { .boot = boot };

    if (what.n == 0 || !span_to_str(what, w.what, sizeof(w.what)) || !span_to_str(person, w.person, sizeof(w.person)) ||
        !span_to_str(account, w.account, sizeof(w.account)))
        return;
    for (size_t i = 0; i < PAIRS_MAX && to == NULL; i++) {
        if (p->all[i].what[0] == '\0' || is_over(&p->all[i], boot))
            to = &p->all[i];
    }
    if (to == NULL) {
        to = &p->all[0];
        for (size_t i = 1; i < PAIRS_MAX; i++) {
            if (p->all[i].boot < to->boot)
                to = &p->all[i];
        }
    }
    *to = w;
}

void pairs_end(struct pairs *p, struct span what)
{
    struct pair_waiting *w = find(p, what);

    if (w != NULL)
        *w = (struct pair_waiting){ 0 };
}

/* ---- in a call ---- */

struct asked {
    struct span what, person, account;
    int64_t boot;
};

static void remember(struct core *core, void *arg)
{
    const struct asked *a = arg;

    pairs_wait(&core->pairs, a->what, a->person, a->account, a->boot);
}

static void forget(struct core *core, void *arg)
{
    const struct asked *a = arg;

    pairs_end(&core->pairs, a->what);
}

struct pair pair_try(struct job *c, struct span what)
{
    const struct pair_waiting *other = pairs_other(&c->core->pairs, what, who_person(c->me), c->now.boot);
    struct asked *a = arena_alloc(c->mem, sizeof(*a));
    struct pair p = { .verdict = other == NULL ? PAIR_WAITS : PAIR_DONE, .expires_at = c->now.real + PAIR_MS };

    if (other != NULL)
        p.other = job_span(c, other->account);
    if (a == NULL) /* nothing is remembered: it waits for ever, which is the safe side */
        return (struct pair){ .verdict = PAIR_WAITS, .expires_at = p.expires_at };
    *a = (struct asked){ arena_span(c->mem, what), arena_span(c->mem, who_person(c->me)),
                         arena_span(c->mem, c->me->id), c->now.boot };
    job_after(c, p.verdict == PAIR_DONE ? forget : remember, a);
    return p;
}

void pair_void(struct job *c, struct span what)
{
    struct asked *a = arena_alloc(c->mem, sizeof(*a));

    pairs_end(&c->core->pairs, what);
    if (a == NULL)
        return;
    *a = (struct asked){ .what = arena_span(c->mem, what) };
    job_after(c, forget, a);
}

enum err pair_answer_waiting(struct job *c, const struct pair *p)
{
    struct jsonw *w = job_json(c, 202);

    jsonw_obj(w);
    jsonw_kbool(w, "waiting", true);
    jsonw_ktime(w, "expires_at", p->expires_at);
    jsonw_obj_end(w);
    return ERR_OK;
}
