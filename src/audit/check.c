#include "audit/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "audit/tree.h"
#include "codec/json.h"

struct audit_scrub {
    char log[LOG_ID_CAP];
    struct audit_verify *v;
    struct meta_view *view;
    uint64_t next;
    size_t left; /* of this step */
    bool begun;
    struct merkle_frontier tree;
    bool good;
    struct audit_result own; /* when it is not good */
    enum err e;
    struct err_info *reterr;
};

static bool own_fault(struct audit_scrub *w, enum audit_verdict verdict, uint64_t at, const char *text)
{
    w->good = false;
    w->own = (struct audit_result){ .verdict = verdict, .at = at, .upto = at + 1, .n_leaves = at };
    (void) snprintf(w->own.text, sizeof(w->own.text), "record %llu: %s", (unsigned long long) at, text);
    return false;
}

static bool going(const struct audit_scrub *w)
{
    return w->good && w->e == ERR_OK;
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
    struct audit_scrub *w = ctx;
    struct merkle_hash stored;
    enum err e;

    if (level == 0 || level % TREE_STEP != 0 || !going(w))
        return;
    e = meta_node_get(w->view, span_str(w->log), level, index, stored.b, w->reterr);
    if (e == ERR_NOTFOUND || e == ERR_CORRUPT || (e == ERR_OK && !merkle_eq(&stored, hash)))
        (void) own_fault(w, AUDIT_LEAF_HASH, w->next, "a stored subtree root is not that of its records");
    else
        w->e = e;
}

/* What lists look for records by: nothing of it may be gone. */
static bool check_seen(struct audit_scrub *w)
{
    bool whole = true;

    w->e = meta_audit_seen_whole(w->view, span_str(w->log), (int64_t) (w->next / META_AUDIT_BLOCK) - 1, &whole, w->reterr);
    return whole || own_fault(w, AUDIT_LEAF_MALFORMED, w->next - 1, "lists would not find some of the records up to it");
}

static bool take_row(void *ctx, const struct meta_audit *r)
{
    struct audit_scrub *w = ctx;
    struct merkle_hash h;
    enum err e;

    if ((uint64_t) r->idx != w->next)
        return own_fault(w, AUDIT_LEAF_GAP, w->next, "it is missing");
    if (r->hash.n != MERKLE_HASH_LEN)
        return own_fault(w, AUDIT_LEAF_HASH, w->next, "it has no proper hash");
    if (!audit_verify_leaf(w->v, r->leaf, r->hash)) {
        if (audit_verify_no_memory(w->v))
            w->e = ERR_RAISE(w->reterr, ERR_NOMEM, "no memory to look at record %llu", (unsigned long long) w->next);
        return false;
    }
    if (!columns_ok(r))
        return own_fault(w, AUDIT_LEAF_MALFORMED, w->next, "its columns are not what its leaf says");
    memcpy(h.b, r->hash.p, sizeof(h.b));
    e = merkle_append(&w->tree, &h, check_node, w, w->reterr);
    if (w->e == ERR_OK) /* check_node may have said something */
        w->e = e;
    w->next++;
    w->left--;
    if (going(w) && w->next % META_AUDIT_BLOCK == 0)
        (void) check_seen(w); /* going says it, too */
    return going(w) && w->left > 0;
}

struct audit_scrub *audit_scrub_new(struct span log, const struct note_vkey *vkey)
{
    struct audit_scrub *w = calloc(1, sizeof(*w));

    if (w == NULL || !span_to_str(log, w->log, sizeof(w->log)) || (w->v = audit_verify_new(log, vkey)) == NULL)
        return audit_scrub_free(w);
    w->good = true;
    return w;
}

struct audit_scrub *audit_scrub_free(struct audit_scrub *w)
{
    if (w != NULL)
        w->v = audit_verify_free(w->v);
    free(w);
    return NULL;
}

void audit_scrub_freep(struct audit_scrub **w)
{
    *w = audit_scrub_free(*w);
}

static enum err take_checkpoint(struct audit_scrub *w, struct err_info *reterr)
{
    CLEANUP(arena_deinit) struct arena mem = { 0 };
    struct meta_checkpoint c;
    enum err e;

    arena_init(&mem, 1u << 20);
    e = meta_checkpoint_newest(w->view, span_str(w->log), &mem, &c, reterr);
    if (e == ERR_OK)
        audit_verify_checkpoint(w->v, c.note);
    w->begun = e == ERR_OK || e == ERR_NOTFOUND;
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err audit_scrub_step(struct audit_scrub *w, struct meta_view *view, size_t max_rows, bool *ret_more,
                          struct err_info *reterr)
{
    w->view = view;
    w->reterr = reterr;
    w->left = max_rows;
    if (!w->begun)
        TRY(take_checkpoint(w, reterr));
    TRY(meta_audit_leaves(view, span_str(w->log), (int64_t) w->next, take_row, w, reterr));
    *ret_more = w->good && w->left == 0;
    return w->e;
}

void audit_scrub_end(struct audit_scrub *w, struct audit_result *ret)
{
    if (w->good)
        audit_verify_finish(w->v, ret);
    else
        *ret = w->own;
}

enum err audit_check(struct meta_view *view, struct span log, const struct note_vkey *vkey, struct audit_result *ret,
                     struct err_info *reterr)
{
    CLEANUP(audit_scrub_freep) struct audit_scrub *w = audit_scrub_new(log, vkey);
    bool more;

    if (w == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "audit check");
    TRY(audit_scrub_step(w, view, SIZE_MAX, &more, reterr));
    audit_scrub_end(w, ret);
    return ERR_OK;
}
