#include "keeper/masks.h"

#include "crypto/hash.h"
#include "keeper/trail.h"

#define WORDS_MAX 8192 /* of one title, tag or link, masked */

static struct span hash_of(struct job *c, struct span text)
{
    uint8_t hash[SHA256_LEN];

    sha256(text, hash);
    return job_b64(c, SPAN_OF(hash));
}

/* Compiles the row's tree. Without a text: nothing, which stands for the default rules. */
static enum err compile(struct job *c, struct meta_masks *row, struct err_info *reterr)
{
    struct buf bytes = BUF_INIT(MASK_BYTES_MAX);
    struct mask_rules *rules;
    enum err e;

    row->engine = job_span(c, mask_engine());
    row->rules = SPAN_EMPTY;
    if (row->text.n == 0)
        return ERR_OK;
    if (!tree_check(row->tree))
        return ERR_RAISE(reterr, ERR_INVAL, "masks:1: not masking rules");
    TRY(mask_rules_build(tree_root(row->tree), row->text, &rules, reterr));
    mask_rules_encode(rules, &bytes);
    (void) mask_rules_unref(rules);
    e = buf_check(&bytes, NULL) == ERR_OK ? ERR_OK : ERR_RAISE(reterr, ERR_LIMIT, "masks:1: too large when compiled");
    if (e == ERR_OK) {
        row->rules = arena_span(c->mem, buf_span(&bytes));
        if (row->rules.n == 0)
            e = ERR_RAISE(reterr, ERR_NOMEM, "masking rules");
    }
    buf_deinit(&bytes);
    return e;
}

enum err masks_row(struct job *c, struct span pid, struct meta_masks *ret, struct err_info *reterr)
{
    enum err e = meta_masks_get(c->v, pid, c->mem, ret, reterr);

    if (e == ERR_NOTFOUND) {
        *ret = (struct meta_masks){ .project = pid, .hash = hash_of(c, SPAN_EMPTY) };
        return ERR_OK;
    }
    TRY(e);
    if (span_eq_str(ret->engine, mask_engine()))
        return ERR_OK;
    TRY(compile(c, ret, reterr));
    return c->m != NULL ? meta_masks_put(c->m, ret, reterr) : ERR_OK;
}

enum err masks_rules(const struct meta_masks *row, struct mask_rules **ret, struct err_info *reterr)
{
    if (row->rules.n > 0)
        return mask_rules_decode(row->rules, ret, reterr);
    TRY(mask_init(reterr));
    *ret = mask_rules_ref(mask_rules_default());
    return *ret != NULL ? ERR_OK : ERR_RAISE(reterr, ERR_NOMEM, "masking rules");
}

static struct ipc_mask_rules message(const struct meta_masks *row)
{
    return (struct ipc_mask_rules){ .pid = row->project, .version = (uint64_t) row->version, .rules = row->rules };
}

enum err masks_say(struct job *c, struct span pid, struct err_info *reterr)
{
    struct ipc_mask_rules m;
    struct meta_masks row;
    struct out *o;

    TRY(masks_row(c, pid, &row, reterr));
    m = message(&row);
    o = out_add(c->outs, OUT_CHAN, IPC_T_MASK_RULES, &m);
    if (o == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "masking rules");
    o->chan = c->cmd->chan;
    return ERR_OK;
}

enum err masks_set(struct job *c, const struct meta_project *p, struct span text, struct span tree, struct meta_masks *ret,
                   struct err_info *ret_why, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_PROJECT_CHANGED, trail_log(c, p->id));
    struct ipc_mask_rules m;

    TRY(masks_row(c, p->id, ret, reterr));
    ret->text = text;
    ret->tree = text.n > 0 ? tree : SPAN_EMPTY;
    ret->hash = hash_of(c, text);
    ret->version++;
    ret->changed_by = c->me->id;
    ret->changed_ms = c->now.real;
    TRY(compile(c, ret, ret_why));
    TRY(meta_masks_put(c->m, ret, reterr));
    l.obj = p->id;
    l.digest = ret->hash;
    (void) leaf_add_number(&l, "masks", ret->version);
    trail_mark(c, &l);
    TRY(trail_write(c, &l, NULL, reterr));
    m = message(ret);
    return out_add(c->outs, OUT_GATE, IPC_T_MASK_RULES, &m) != NULL ? ERR_OK : ERR_RAISE(reterr, ERR_NOMEM, "masking rules");
}

/* ---- titles, tags, links ---- */

struct words {
    struct job *c;
    struct mask_rules *rules;
    struct mask_scanner *scanner;
};

static enum err word(const struct words *w, struct span *io, struct err_info *reterr)
{
    struct buf out = BUF_INIT(WORDS_MAX);
    bool any = false;
    enum err e;

    if (io->n < mask_rules_min(w->rules))
        return ERR_OK;
    e = mask_text(w->scanner, w->rules, *io, &out, NULL, &any, reterr);
    if (e == ERR_OK && any) {
        *io = arena_span(w->c->mem, buf_span(&out));
        if (io->n == 0)
            e = ERR_RAISE(reterr, ERR_NOMEM, "masked words");
    }
    buf_deinit(&out);
    return e;
}

static enum err pairs(const struct words *w, struct meta_pair *p, size_t *io_n, bool names, struct err_info *reterr)
{
    size_t n = 0;

    for (size_t i = 0; i < *io_n; i++) {
        bool twice = false;

        if (names)
            TRY(word(w, &p[i].name, reterr));
        TRY(word(w, &p[i].value, reterr));
        for (size_t k = 0; k < n; k++)
            twice |= span_eq(p[k].name, p[i].name) && span_eq(p[k].value, p[i].value);
        if (!twice)
            p[n++] = p[i];
    }
    *io_n = n;
    return ERR_OK;
}

static enum err all_words(const struct words *w, struct span *title, struct meta_pair *tags, size_t *io_n_tags,
                          struct meta_pair *links, size_t *io_n_links, struct err_info *reterr)
{
    if (title != NULL)
        TRY(word(w, title, reterr));
    if (tags != NULL)
        TRY(pairs(w, tags, io_n_tags, true, reterr));
    return links == NULL ? ERR_OK : pairs(w, links, io_n_links, false, reterr);
}

enum err masks_words(struct job *c, struct span pid, struct span *title, struct meta_pair *tags, size_t *io_n_tags,
                     struct meta_pair *links, size_t *io_n_links, struct err_info *reterr)
{
    struct words w = { .c = c };
    struct meta_masks row;
    enum err e;

    if ((title == NULL || title->n == 0) && (tags == NULL || *io_n_tags == 0) && (links == NULL || *io_n_links == 0))
        return ERR_OK;
    TRY(masks_row(c, pid, &row, reterr));
    TRY(masks_rules(&row, &w.rules, reterr));
    e = mask_scanner_new(&w.scanner, reterr);
    if (e == ERR_OK)
        e = all_words(&w, title, tags, io_n_tags, links, io_n_links, reterr);
    w.scanner = mask_scanner_free(w.scanner);
    (void) mask_rules_unref(w.rules);
    return e;
}

enum err masks_name(struct job *c, struct span pid, struct span text, bool person, struct span *ret_rule, struct err_info *reterr)
{
    struct words w = { .c = c };
    struct mask_hits hits = { 0 };
    struct meta_masks row;
    enum err e;

    *ret_rule = SPAN_EMPTY;
    if (text.n == 0)
        return ERR_OK;
    TRY(masks_row(c, pid, &row, reterr));
    TRY(masks_rules(&row, &w.rules, reterr));
    e = mask_scanner_new(&w.scanner, reterr);
    if (e == ERR_OK)
        e = mask_scan(w.scanner, w.rules, text, NULL, &hits, reterr);
    for (size_t i = 0; e == ERR_OK && i < hits.n && ret_rule->n == 0; i++) {
        if (!person || (hits.hits[i].rule != MASK_EMAIL && hits.hits[i].rule != MASK_PHONE))
            *ret_rule = arena_span(c->mem, mask_rules_name(w.rules, hits.hits[i].rule));
    }
    w.scanner = mask_scanner_free(w.scanner);
    (void) mask_rules_unref(w.rules);
    return e;
}
