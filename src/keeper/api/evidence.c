/* What two administrators decide about the evidence itself: a sealed log goes on, the clock is right. */
#include <stdio.h>

#include "keeper/api/api.h"
#include "keeper/clock_trust.h"
#include "keeper/pairs.h"
#include "keeper/unseal.h"

#define REASON_MIN 10
#define REASON_MAX 2000

/* Who, how freshly, and why. *ret_ok false: answered. */
static enum err may_decide(struct job *c, struct span *ret_reason, bool *ret_ok, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);

    *ret_ok = false;
    if (people == NULL)
        return ERR_NOMEM;
    if (!job_is_admin(c))
        return job_forbidden(c);
    BODY_ONLY(&c->body, "", c->args, "reason");
    (void) body_str(&c->body, "", c->args, "reason", BODY_REQUIRED, REASON_MIN, REASON_MAX, ret_reason);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (!job_fresh(c, c->core->cfg.token_votes))
        return ERR_OK;
    if (unseal_count_admins(people) < 2)
        return job_refuse(c, 403, "forbidden",
                          "There is one administrator: root does this at the console, with the server stopped.");
    *ret_ok = true;
    return ERR_OK;
}

/* Who asked first may have lost the right since: then it is not one of the two. */
static struct pair try_pair(struct job *c, struct span what)
{
    const struct pair_waiting *w = pairs_other(&c->core->pairs, what, who_person(c->me), c->now.boot);
    const struct people *people = job_people(c, NULL);
    const struct who *first = w == NULL || people == NULL ? NULL : people_by_id(people, span_str(w->account));

    if (w != NULL && (first == NULL || first->disabled ||
                      (role_in(first->roles, first->n_roles, SPAN(ROLE_SYSTEM), 0) & ROLE_BIT(ROLE_ADMIN)) == 0))
        pairs_end(&c->core->pairs, what);
    return pair_try(c, what);
}

/* ---- audit_unseal ---- */

static enum err write_logs(struct job *c, const struct span *names, size_t n, struct err_info *reterr)
{
    jsonw_obj(job_json(c, 200));
    jsonw_karr(&c->w, "items");
    for (size_t i = 0; i < n; i++) {
        struct meta_log row;

        TRY(meta_log_get(c->v, names[i], c->mem, &row, reterr));
        TRY(api_audit_log_write(c, &row, reterr));
    }
    jsonw_arr_end(&c->w);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

static bool is_sealed(const struct job *c, struct span log)
{
    const char *name;

    for (size_t at = 0; (name = audit_next_sealed(c->core->audit, &at)) != NULL;) {
        if (log.n == 0 || span_eq_str(log, name))
            return true;
    }
    return false;
}

enum err api_audit_unseal(struct job *c, struct err_info *reterr)
{
    struct span log = c->in->id1, *names = NULL;
    struct unseal u = { .log = span_eq_str(log, "all") ? SPAN_EMPTY : log };
    struct pair pair;
    char what[PAIR_WHAT_MAX];
    size_t n = 0;
    bool ok;

    TRY(may_decide(c, &u.reason, &ok, reterr));
    if (!ok)
        return ERR_OK;
    if (u.log.n > 0 && !log_id_check(log))
        return job_not_found(c);
    if (!is_sealed(c, u.log))
        return job_refuse(c, 409, "state", "It is not sealed.");
    (void) snprintf(what, sizeof(what), "audit-unseal " SPAN_FMT, SPAN_ARG(log));
    pair = try_pair(c, span_str(what));
    if (pair.verdict == PAIR_WAITS)
        return pair_answer_waiting(c, &pair);
    u.other = pair.other;
    TRY(unseal_run(c, &u, &names, &n, reterr));
    return write_logs(c, names, n, reterr);
}

/* ---- clock_trust ---- */

enum err api_clock_trust(struct job *c, struct err_info *reterr)
{
    struct span reason;
    struct pair pair;
    bool ok;

    TRY(may_decide(c, &reason, &ok, reterr));
    if (!ok)
        return ERR_OK;
    if (c->core->clock.trusted)
        return job_refuse(c, 409, "state", "The clock is trusted.");
    pair = try_pair(c, SPAN("clock-trust"));
    if (pair.verdict == PAIR_WAITS)
        return pair_answer_waiting(c, &pair);
    TRY(clock_trust_run(c, pair.other, reason, reterr));
    (void) job_json(c, 204);
    return ERR_OK;
}
