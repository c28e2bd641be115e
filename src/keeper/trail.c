#include "keeper/trail.h"

#include "base/log.h"
#include "keeper/unseal.h"

struct span trail_log(struct job *c, struct span project)
{
    (void) c;
    return project.n > 0 ? project : SPAN(LOG_ID_SYSTEM);
}

struct leaf trail_leaf(struct job *c, enum leaf_type type, struct span log)
{
    struct leaf l = { .type = type, .t = c->now.real, .outcome = SPAN("ok"), .act = c->act.hash };

    l.log = log.n > 0 ? log : SPAN(LOG_ID_SYSTEM);
    l.actor = c->me != NULL ? c->me->id : c->token.id.n > 0 ? c->token.id : SPAN("system");
    return l;
}

void trail_fact(struct job *c, struct leaf *l, const char *field, struct span value, struct span person)
{
    uint8_t salt[LEAF_SALT_LEN];

    c->core->env.random(c->core->env.ctx, salt, sizeof(salt));
    if (!leaf_add_fact(l, field, value, person, salt)) /* trail_write then refuses the leaf: n_facts is past its limit */
        l->n_facts = LEAF_FACTS_MAX + 1;
}

void trail_mark(const struct job *c, struct leaf *l)
{
    if (c->act.is_unsigned)
        (void) leaf_add_number(l, "unsigned", 1);
    if (c->sole_admin)
        (void) leaf_add_number(l, "sole_admin", 1);
}

enum err trail_write(struct job *c, struct leaf *l, uint64_t *ret_idx, struct err_info *reterr)
{
    enum err e = audit_append(c->core->audit, l, reterr);

    if (e == ERR_STATE && unseal_may_miss(l->type) && audit_sealed(c->core->audit, SPAN_EMPTY) != NULL) {
        c->core->unrecorded++; /* said when the log goes on; the journal has it now */
        log_event(LOG_WARN, "audit.unrecorded", LOG_STR("type", leaf_type_word(l->type)), LOG_SPAN("actor", l->actor),
                  LOG_SPAN("outcome", l->outcome));
        return ERR_OK;
    }
    TRY(e);
    if (ret_idx != NULL)
        *ret_idx = l->i;
    return ERR_OK;
}
