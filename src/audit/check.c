#include "audit/check.h"

#include <stdio.h>

#include "audit/tree.h"
#include "codec/json.h"

struct walk {
    struct audit_verify *v;
    struct meta_view *view;
    struct span log;
    uint64_t next;
    struct merkle_frontier tree;
    bool good;
    struct audit_result *r;
    enum err e;
    struct err_info *reterr;
};

static bool own_fault(struct walk *w, enum audit_verdict verdict, uint64_t at, const char *text)
{
    w->good = false;
    *w->r = (struct audit_result){ .verdict = verdict, .at = at, .upto = at + 1, .n_leaves = at };
    (void) snprintf(w->r->text, sizeof(w->r->text), "record %llu: %s", (unsigned long long) at, text);
    return false;
}

static bool same(struct json_value o, const char *name, struct span column)
{
    struct json_value m;

    if (!json_find(o, name, &m))
        return column.n == 0;
    return m.type == JSON_STRING && span_eq(m.raw, column);
}

/* The columns that lists filter by repeat what the leaf says. */
static bool columns_ok(const struct meta_audit *row)
{
    struct json_value o = json_value(row->leaf); /* has passed audit_verify_leaf */
    char t[TIME_RFC3339_LEN + 1];

    time_rfc3339(row->time, t);
    return same(o, "type", row->type) && same(o, "t", span_str(t)) && same(o, "actor", row->actor) &&
           same(o, "q", row->q) && same(o, "gid", row->gid) && same(o, "rid", row->rid);
}

static void check_node(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash)
{
    struct walk *w = ctx;
    struct merkle_hash stored;
    enum err e;

    if (level == 0 || level % TREE_STEP != 0 || !w->good || w->e != ERR_OK)
        return;
    e = meta_node_get(w->view, w->log, level, index, stored.b, w->reterr);
    if (e == ERR_NOTFOUND || e == ERR_CORRUPT || (e == ERR_OK && !merkle_eq(&stored, hash)))
        (void) own_fault(w, AUDIT_LEAF_HASH, w->next, "a stored subtree root is not that of its records");
    else
        w->e = e;
}

static bool row(void *ctx, const struct meta_audit *r)
{
    struct walk *w = ctx;
    struct merkle_hash h;

    if ((uint64_t) r->idx != w->next)
        return own_fault(w, AUDIT_LEAF_GAP, w->next, "it is missing");
    if (r->hash.n != MERKLE_HASH_LEN)
        return own_fault(w, AUDIT_LEAF_HASH, w->next, "it has no proper hash");
    if (!audit_verify_leaf(w->v, r->leaf, r->hash))
        return false;
    if (!columns_ok(r))
        return own_fault(w, AUDIT_LEAF_MALFORMED, w->next, "its columns are not what its leaf says");
    memcpy(h.b, r->hash.p, sizeof(h.b));
    w->e = merkle_append(&w->tree, &h, check_node, w, w->reterr);
    w->next++;
    return w->good && w->e == ERR_OK;
}

enum err audit_check(struct meta_view *view, struct span log, const struct note_vkey *vkey, struct audit_result *ret,
                     struct err_info *reterr)
{
    CLEANUP(audit_verify_freep) struct audit_verify *v = audit_verify_new(log, vkey);
    CLEANUP(arena_deinit) struct arena mem = { 0 };
    struct audit_result own;
    struct walk w = { .v = v, .view = view, .log = log, .good = true, .r = &own, .reterr = reterr };
    struct meta_checkpoint c;
    enum err e;

    arena_init(&mem, 1u << 20);
    if (v == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "audit check");
    e = meta_checkpoint_newest(view, log, &mem, &c, reterr);
    if (e == ERR_OK)
        audit_verify_checkpoint(v, c.note);
    else if (e != ERR_NOTFOUND)
        return e;
    TRY(meta_audit_leaves(view, log, 0, row, &w, reterr));
    TRY(w.e);
    if (w.good)
        audit_verify_finish(v, ret);
    else
        *ret = own;
    return ERR_OK;
}
