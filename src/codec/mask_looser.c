/* Do rules take out less than others, or keep more of it? Compared as they are written: what is said in other words counts as looser. */
#include "codec/mask.h"

#include "base/tree.h"

static struct span word(struct tree section, const char *name, const char *unless)
{
    struct span v;

    return tree_get_str(section, name, &v) ? v : span_str(unless);
}

static bool has_word(struct tree section, const char *list, struct span w)
{
    struct tree arr, item;
    struct span v;

    if (!tree_get(section, list, &arr))
        return false;
    for (struct span at = arr.payload; tree_next(&at, &item);) {
        if (tree_str(item, &v) && span_eq(v, w))
            return true;
    }
    return false;
}

/* Each word of a's list is in b's. */
static bool all_in(struct tree a, struct tree b, const char *list)
{
    struct tree arr, item;
    struct span v;

    if (!tree_get(a, list, &arr))
        return true;
    for (struct span at = arr.payload; tree_next(&at, &item);) {
        if (tree_str(item, &v) && !has_word(b, list, v))
            return false;
    }
    return true;
}

static bool has_all_patterns(struct tree was, struct tree now)
{
    struct tree arr;

    if (!tree_get(now, "patterns", &arr))
        return true; /* every one */
    if (tree_get(was, "patterns", &arr))
        return all_in(was, now, "patterns");
    for (unsigned i = 0; i < MASK_PATTERNS; i++) {
        if (!has_word(now, "patterns", mask_rules_name(mask_rules_default(), i)))
            return false;
    }
    return true;
}

static bool flag(struct tree section, const char *name, bool unless)
{
    bool v = unless;

    (void) tree_get_bool(section, name, &v);
    return v;
}

static bool same_own(struct tree a, struct tree b)
{
    return span_eq(word(a, "title", ""), word(b, "title", "")) && span_eq(word(a, "pattern", ""), word(b, "pattern", "")) &&
           flag(a, "nocase", false) == flag(b, "nocase", false) && flag(a, "words", false) == flag(b, "words", false);
}

static bool has_own(struct tree root, struct tree one)
{
    struct tree arr, item;

    if (!tree_get(root, "own", &arr))
        return false;
    for (struct span at = arr.payload; tree_next(&at, &item);) {
        if (same_own(item, one))
            return true;
    }
    return false;
}

static bool has_all_own(struct tree was, struct tree now)
{
    struct tree arr, item;

    if (!tree_get(was, "own", &arr))
        return true;
    for (struct span at = arr.payload; tree_next(&at, &item);) {
        if (!has_own(now, item))
            return false;
    }
    return true;
}

/* "all" was said, and is not any more. */
static bool was_all(struct tree was, struct tree now, const char *name)
{
    return span_eq_str(word(was, name, ""), "all") && !span_eq_str(word(now, name, ""), "all");
}

static int typed(struct tree terminal)
{
    struct span v = word(terminal, "typed", "passwords");

    return span_eq_str(v, "all") ? 2 : span_eq_str(v, "none") ? 0 : 1;
}

bool mask_rules_looser(struct tree was, struct tree now)
{
    struct tree page_was = { 0 }, page = { 0 }, term_was = { 0 }, term = { 0 };

    (void) tree_get(was, "rrweb", &page_was);
    (void) tree_get(now, "rrweb", &page);
    (void) tree_get(was, "terminal", &term_was);
    (void) tree_get(now, "terminal", &term);
    if (span_eq_str(word(now, "reveal", "drop"), "keep") && !span_eq_str(word(was, "reveal", "drop"), "keep"))
        return true;
    if (!has_all_patterns(was, now) || !has_all_own(was, now) || was_all(page_was, page, "text") || was_all(page_was, page, "inputs"))
        return true;
    if (!all_in(page_was, page, "fields") || !all_in(page_was, page, "attributes") || !all_in(page_was, page, "mask") ||
        !all_in(page_was, page, "block") || !all_in(page, page_was, "keep"))
        return true;
    return (flag(page_was, "default_fields", true) && !flag(page, "default_fields", true)) || typed(term) < typed(term_was);
}
