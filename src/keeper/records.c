#include "keeper/records.h"

#include "keeper/trail.h"

static void count_of(const struct job *c, struct count *ret)
{
    struct span obj = c->in->id1;

    *ret = (struct count){ .route = c->route->id };
    if (c->me != NULL)
        (void) span_to_str(c->me->id, ret->actor, sizeof(ret->actor));
    if (c->in->prefix.n <= sizeof(ret->prefix)) {
        ret->prefix_len = (uint8_t) c->in->prefix.n;
        if (c->in->prefix.n > 0)
            memcpy(ret->prefix, c->in->prefix.p, c->in->prefix.n);
    }
    if (c->refused_id.n > 0)
        obj = c->refused_id;
    if (id_kind_of(obj, NULL))
        (void) span_to_str(obj, ret->object, sizeof(ret->object));
    (void) span_to_str(c->log, ret->log, sizeof(ret->log));
}

enum err records_of_call(struct job *c, const struct api_route *api, struct err_info *reterr)
{
    struct count n;

    if (c->recorded)
        return ERR_OK;
    if (c->answer->code != NULL) {
        count_of(c, &n);
        n.refusal = true;
        n.code = c->answer->code;
        counts_add(c->core->counts, &n);
        /* On a reader the writer does it within the second. */
        return c->m == NULL || atomic_load(&c->core->audit_sealed) ? ERR_OK : records_write(c, false, reterr);
    }
    if (c->route->trace == TRACE_READ && api->kind != API_WRITE) {
        count_of(c, &n);
        n.object[0] = 0;
        n.log[0] = 0;
        counts_add(c->core->counts, &n);
    }
    return ERR_OK;
}

struct writing {
    struct job *c;
    struct err_info *err;
    enum err result;
};

static void name_object(struct leaf *l, const struct count *n)
{
    struct span id = span_str(n->object);
    enum id_kind kind;

    if (!id_kind_of(id, &kind))
        return;
    if (kind == ID_REQUEST)
        l->q = id;
    else if (kind == ID_GRANT)
        l->gid = id;
    else if (kind == ID_RECORDING)
        l->rid = id;
    else if (kind == ID_VIEWING)
        l->vid = id;
}

/* "recordings_list" -> "recordings-list": words of a leaf have no underscore. */
static struct span route_word(struct job *c, enum route_id id)
{
    char *s = arena_str(c->mem, span_str(route_by_id(id)->name));

    for (char *p = s; p != NULL && *p != 0; p++) {
        if (*p == '_')
            *p = '-';
    }
    return span_str(s);
}

static bool write_one(void *ctx, const struct count *n)
{
    struct writing *w = ctx;
    struct job *c = w->c;
    const struct api_route *api = api_find(n->route);
    struct leaf l = trail_leaf(c, n->refusal && !n->other && api != NULL ? api->refused : LEAF_API_READ,
                               n->log[0] != 0 ? arena_span(c->mem, span_str(n->log)) : SPAN_EMPTY);

    l.actor = arena_span(c->mem, span_str(n->actor));
    l.outcome = n->refusal ? span_str(n->code) : SPAN("ok");
    l.act = SPAN_EMPTY; /* what is counted here may be another call's */
    l.obj = n->other ? SPAN("other") : route_word(c, n->route);
    name_object(&l, n);
    (void) leaf_add_number(&l, "count", n->n);
    w->result = trail_write(c, &l, NULL, w->err);
    return w->result == ERR_OK;
}

enum err records_write(struct job *c, bool all, struct err_info *reterr)
{
    struct writing w = { .c = c, .err = reterr };

    counts_take(c->core->counts, all, write_one, &w);
    return w.result;
}
