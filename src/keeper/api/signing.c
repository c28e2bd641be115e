/* The keys that sign provisioning keys: rolling them by command (STANDARDS 1.9). */
#include "keeper/api/api.h"
#include "keeper/life.h"
#include "keeper/trail.h"

#define REASON_MAX 2000

/* Who had the key rolled, and why: the vault's own records follow. */
static enum err write_ordered(struct job *c, bool emergency, struct span reason, size_t n_grants, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_SIGNING_KEY_RETIRED, SPAN_EMPTY);

    l.obj = span_str(c->core->kid);
    l.outcome = emergency ? SPAN("emergency") : SPAN("ordered");
    if (emergency)
        (void) leaf_add_number(&l, "grants", (int64_t) n_grants); /* the first ones: there is room */
    trail_mark(c, &l);
    trail_fact(c, &l, "reason", reason, who_person(c->me));
    return trail_write(c, &l, NULL, reterr);
}

enum err api_keys_rotate(struct job *c, struct err_info *reterr)
{
    bool emergency = false;
    struct span reason = SPAN_EMPTY;
    struct jsonw *w;
    size_t n = 0;

    if (!job_may(c, SPAN(ROLE_SYSTEM), PERM_MANAGE_CONFIG))
        return job_forbidden(c);
    BODY_ONLY(&c->body, "", c->args, "emergency", "reason");
    (void) body_bool(&c->body, "", c->args, "emergency", &emergency);
    (void) body_str(&c->body, "", c->args, "reason", BODY_REQUIRED, 1, REASON_MAX, &reason);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (!job_fresh(c, true))
        return ERR_OK;
    if (c->core->kid[0] == '\0')
        return job_refuse(c, 503, "authority-stale", "The vault is not there.");
    /* First the grants: when the vault forgets its keys no gate may still take what they signed. */
    if (emergency)
        TRY(life_bump_all(c, &n, reterr));
    TRY(write_ordered(c, emergency, reason, n, reterr));
    c->rotate.emergency = emergency;
    c->step = CMD_STEP_ROTATE;
    w = job_json(c, 200);
    jsonw_obj(w);
    jsonw_kbool(w, "emergency", emergency);
    jsonw_kcstr(w, "kid", c->core->kid);
    jsonw_kint(w, "grants", (int64_t) n);
    jsonw_obj_end(w);
    return ERR_OK;
}
