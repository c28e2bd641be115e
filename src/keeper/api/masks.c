/* Masking rules of a project: show, set; what rules would take out of a sample. */
#include <stdio.h>

#include "base/utf8.h"
#include "keeper/accounts.h"
#include "keeper/api/api.h"
#include "keeper/guard.h"
#include "keeper/masks.h"
#include "keeper/view.h"

#define SAMPLE_MAX 65536
#define HITS_SHOWN 1000

/* Everyone who has to do with what is in recordings may know what is taken out of them. */
static bool may_see(struct job *c, struct span pid)
{
    return job_may(c, pid, PERM_MANAGE_MASKING) || job_may(c, pid, PERM_READ_AUDIT);
}

static enum err find(struct job *c, struct span name, struct meta_project *ret, bool *ret_found, struct err_info *reterr)
{
    enum err e = accounts_project(c, name, ret, reterr);

    *ret_found = e == ERR_OK && job_roles(c, ret->id) != 0;
    if (*ret_found)
        c->log = ret->id;
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

static void write_rules(struct job *c, const struct mask_rules *rules)
{
    jsonw_kcstr(&c->w, "reveal", mask_rules_reveal(rules) == MASK_KEEP ? "keep" : "drop");
    jsonw_karr(&c->w, "patterns");
    for (unsigned i = 0; i < MASK_PATTERNS; i++) {
        if (mask_rules_pattern(rules, i))
            jsonw_str(&c->w, mask_rules_name(rules, i));
    }
    jsonw_arr_end(&c->w);
    jsonw_karr(&c->w, "own");
    for (unsigned i = MASK_OWN; i < mask_rules_n(rules); i++)
        jsonw_str(&c->w, mask_rules_name(rules, i));
    jsonw_arr_end(&c->w);
}

static enum err show(struct job *c, const struct meta_project *p, const struct meta_masks *row, struct err_info *reterr)
{
    struct mask_rules *rules;

    TRY(masks_rules(row, &rules, reterr));
    jsonw_obj(job_json(c, 200));
    jsonw_kstr(&c->w, "project", p->id);
    jsonw_kstr(&c->w, "text", row->text);
    jsonw_kstr(&c->w, "hash", row->hash);
    jsonw_kbool(&c->w, "default", row->text.n == 0);
    write_rules(c, rules);
    jsonw_kint(&c->w, "version", row->version);
    view_person(c, "changed_by", row->changed_by);
    view_time(c, "changed_at", row->changed_ms);
    jsonw_obj_end(&c->w);
    (void) mask_rules_unref(rules);
    return ERR_OK;
}

enum err api_mask_get(struct job *c, struct err_info *reterr)
{
    struct meta_project p;
    struct meta_masks row;
    bool found;

    TRY(find(c, c->in->id1, &p, &found, reterr));
    if (!found)
        return job_not_found(c);
    if (!may_see(c, p.id))
        return job_forbidden(c);
    TRY(masks_row(c, p.id, &row, reterr));
    return show(c, &p, &row, reterr);
}

/* "masks:LINE: cause" of the compiler, as the gate says it of the reader. */
static enum err refuse_bad(struct job *c, const struct err_info *why)
{
    unsigned line = 1;
    int at = 0;
    struct jsonw *w = job_extra(c);

    if (sscanf(why->text, "masks:%u: %n", &line, &at) != 1)
        at = 0;
    jsonw_kint(w, "line", line);
    jsonw_kcstr(w, "cause", why->text + at);
    return job_refuse(c, 422, "masks-invalid", "These masking rules cannot be used.");
}

/* The gate has read 'text' and put what it says beside it as 'tree'. */
static bool read_text(struct job *c, enum body_need need, struct span *ret_text, struct span *ret_tree)
{
    struct buf bytes = BUF_INIT(1U << 20);
    struct tree tree;
    size_t mark;

    *ret_tree = SPAN_EMPTY;
    if (!body_str(&c->body, "", c->args, "text", need, 0, MASK_TEXT_MAX, ret_text) ||
        !body_obj(&c->body, "", c->args, "tree", BODY_REQUIRED, &tree))
        return false;
    mark = tree_begin(&bytes, SPAN_EMPTY, TREE_OBJ);
    buf_add_span(&bytes, tree.payload);
    tree_end(&bytes, mark);
    *ret_tree = arena_span(c->mem, buf_span(&bytes));
    buf_deinit(&bytes);
    return true;
}

static struct tree tree_of(struct span text, struct span tree)
{
    return text.n > 0 && tree_check(tree) ? tree_root(tree) : (struct tree){ .tag = TREE_OBJ };
}

/* Rules that take out less, or keep what was dropped, wait for a second administrator as what decides does; stricter ones work at once. A text that cannot be
 * used does not wait: it is refused. */
static enum err hold_looser(struct job *c, const struct meta_project *p, struct span text, struct span tree, bool *ret_held,
                            struct err_info *reterr)
{
    struct mask_rules *rules = NULL;
    struct meta_masks row;
    struct err_info why;

    *ret_held = false;
    TRY(masks_row(c, p->id, &row, reterr));
    TRY(mask_init(reterr));
    if (!mask_rules_looser(tree_of(row.text, row.tree), tree_of(text, tree)))
        return ERR_OK;
    if (text.n > 0 && (!tree_check(tree) || mask_rules_build(tree_root(tree), text, &rules, &why) != ERR_OK))
        return ERR_OK; /* masks_set says why */
    (void) mask_rules_unref(rules);
    return guard_hold(c, GUARD_MASKING, p->id, SPAN_EMPTY, ret_held, reterr);
}

enum err api_mask_put(struct job *c, struct err_info *reterr)
{
    struct span text = SPAN_EMPTY, tree;
    struct err_info why = { 0 };
    struct meta_project p;
    struct meta_masks row;
    bool found, held;
    enum err e;

    TRY(find(c, c->in->id1, &p, &found, reterr));
    if (!found)
        return job_not_found(c);
    if (!job_may(c, p.id, PERM_MANAGE_MASKING))
        return job_forbidden(c);
    if (!job_fresh(c, true))
        return ERR_OK;
    BODY_ONLY(&c->body, "", c->args, "text", "tree");
    if (!read_text(c, BODY_REQUIRED, &text, &tree) || c->body.errors.n > 0)
        return job_invalid(c);
    TRY(hold_looser(c, &p, text, tree, &held, reterr));
    if (held)
        return ERR_OK;
    e = masks_set(c, &p, text, tree, &row, &why, reterr);
    if (e == ERR_INVAL || e == ERR_LIMIT)
        return refuse_bad(c, &why);
    TRY(e);
    return show(c, &p, &row, reterr);
}

/* ---- trying ---- */

static void write_hits(struct job *c, const struct mask_rules *rules, struct span sample, const struct mask_hits *h)
{
    uint64_t counts[MASK_RULES_MAX] = { 0 };
    size_t at = 0, characters = 0;

    jsonw_karr(&c->w, "hits");
    for (size_t i = 0; i < h->n; i++) {
        const struct mask_hit *hit = &h->hits[i];

        counts[hit->rule]++;
        if (i >= HITS_SHOWN)
            continue;
        characters += utf8_count(span_sub(sample, at, hit->from - at));
        jsonw_obj(&c->w);
        jsonw_kstr(&c->w, "rule", mask_rules_name(rules, hit->rule));
        jsonw_kint(&c->w, "from", (int64_t) characters);
        characters += utf8_count(span_sub(sample, hit->from, hit->to - hit->from));
        jsonw_kint(&c->w, "to", (int64_t) characters);
        jsonw_obj_end(&c->w);
        at = hit->to;
    }
    jsonw_arr_end(&c->w);
    jsonw_karr(&c->w, "counts");
    for (unsigned i = 0; i < mask_rules_n(rules); i++) {
        if (counts[i] == 0)
            continue;
        jsonw_obj(&c->w);
        jsonw_kstr(&c->w, "rule", mask_rules_name(rules, i));
        jsonw_kint(&c->w, "n", (int64_t) counts[i]);
        jsonw_obj_end(&c->w);
    }
    jsonw_arr_end(&c->w);
}

static enum err try_rules(struct job *c, const struct mask_rules *rules, struct span sample, struct err_info *reterr)
{
    struct buf out = BUF_INIT(4 * SAMPLE_MAX);
    struct mask_scanner *scanner;
    struct mask_hits h;
    enum err e;

    TRY(mask_scanner_new(&scanner, reterr));
    e = mask_text(scanner, rules, sample, &out, NULL, NULL, reterr);
    if (e == ERR_OK)
        e = mask_scan(scanner, rules, sample, NULL, &h, reterr);
    if (e == ERR_OK) {
        jsonw_obj(job_json(c, 200));
        jsonw_kstr(&c->w, "masked", buf_span(&out));
        write_hits(c, rules, sample, &h);
        jsonw_obj_end(&c->w);
    }
    buf_deinit(&out);
    scanner = mask_scanner_free(scanner);
    return e;
}

/* Of a text, or of a project, or the default ones. *ret NULL: refused, and answered. */
static enum err rules_to_try(struct job *c, struct mask_rules **ret, struct err_info *reterr)
{
    struct span text = SPAN_EMPTY, tree, project = SPAN_EMPTY;
    struct err_info why = { 0 };
    struct meta_masks row = { 0 };
    struct meta_project p;
    bool found, by_text, by_project;
    enum err e;

    *ret = NULL;
    by_text = read_text(c, BODY_OPTIONAL, &text, &tree);
    by_project = body_str(&c->body, "", c->args, "project", BODY_OPTIONAL, 1, 64, &project);
    if (by_text && by_project)
        body_bad(&c->body, "", "text", FIELD_CONFLICT);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (by_project) {
        TRY(find(c, project, &p, &found, reterr));
        if (!found)
            return job_not_found(c);
        if (!may_see(c, p.id))
            return job_forbidden(c);
        TRY(masks_row(c, p.id, &row, reterr));
    } else if (text.n > 0) {
        e = tree_check(tree) ? mask_rules_build(tree_root(tree), text, ret, &why) : ERR_RAISE(&why, ERR_INVAL, "masks:1: not masking rules");
        return e == ERR_INVAL || e == ERR_LIMIT ? refuse_bad(c, &why) : e;
    }
    return masks_rules(&row, ret, reterr);
}

enum err api_masks_test(struct job *c, struct err_info *reterr)
{
    struct mask_rules *rules;
    struct span sample = SPAN_EMPTY;
    enum err e;

    if (!role_may_anywhere(c->me->roles, c->me->n_roles, PERM_MANAGE_MASKING) &&
        !role_may_anywhere(c->me->roles, c->me->n_roles, PERM_READ_AUDIT))
        return job_forbidden(c);
    BODY_ONLY(&c->body, "", c->args, "text", "tree", "project", "sample");
    (void) body_str(&c->body, "", c->args, "sample", BODY_REQUIRED, 0, SAMPLE_MAX, &sample);
    TRY(rules_to_try(c, &rules, reterr));
    if (rules == NULL)
        return ERR_OK;
    e = try_rules(c, rules, sample, reterr);
    (void) mask_rules_unref(rules);
    return e;
}
