#include "keeper/terms.h"

static void add_words(struct buf *out, const char *key, const struct span *words, size_t n)
{
    size_t mark = tree_begin(out, span_str(key), TREE_ARR);

    for (size_t i = 0; i < n; i++)
        tree_add_str(out, SPAN_EMPTY, words[i]);
    tree_end(out, mark);
}

static void add_ask(struct buf *out, const struct vote_rule *ask)
{
    size_t groups;

    add_words(out, "from", ask->from, ask->n_from);
    add_words(out, "exclude", ask->exclude, ask->n_exclude);
    tree_add_int(out, SPAN("settled_ms"), ask->settled_ms);
    groups = tree_begin(out, SPAN("groups"), TREE_ARR);
    for (size_t i = 0; i < ask->n_groups; i++) {
        size_t g = tree_begin(out, SPAN_EMPTY, TREE_OBJ);

        tree_add_str(out, SPAN("name"), ask->groups[i].name);
        tree_add_int(out, SPAN("min"), ask->groups[i].min);
        tree_end(out, g);
    }
    tree_end(out, groups);
}

void terms_put(const struct terms *t, struct buf *out)
{
    size_t root = tree_begin(out, SPAN_EMPTY, TREE_OBJ);

    tree_add_int(out, SPAN("need"), t->need);
    tree_add_int(out, SPAN("deny"), t->deny);
    tree_add_int(out, SPAN("max_ms"), t->max_ms);
    tree_add_int(out, SPAN("start_by_ms"), t->start_by_ms);
    tree_add_int(out, SPAN("max_speed_x100"), t->max_speed_x100);
    tree_add_int(out, SPAN("key_streams"), t->key_streams);
    tree_add_int(out, SPAN("grant_streams"), t->grant_streams);
    tree_add_int(out, SPAN("person_streams"), t->person_streams);
    tree_add_int(out, SPAN("key_bytes"), (int64_t) t->key_bytes);
    tree_add_int(out, SPAN("key_rate"), (int64_t) t->key_rate);
    tree_add_int(out, SPAN("key_requests"), t->key_requests);
    tree_add_bool(out, SPAN("watermark"), t->watermark);
    tree_add_bool(out, SPAN("bearer"), t->bearer);
    tree_add_bool(out, SPAN("sole_person"), t->sole_person);
    add_ask(out, &t->ask);
    tree_end(out, root);
}

void terms_write(const struct policy_rule *rule, struct buf *out)
{
    const struct policy_terms *p = &rule->terms;
    bool automatic = rule->effect == POLICY_EFFECT_AUTO;
    const struct terms t = {
        .need = automatic ? 0 : p->ask.need, .deny = automatic ? 0 : p->ask.deny, .ask = p->ask, .max_ms = p->max_ms,
        .start_by_ms = p->start_by_ms, .max_speed_x100 = (uint16_t) p->max_speed_x100,
        .key_streams = (uint16_t) p->key_streams, .grant_streams = (uint16_t) p->grant_streams,
        .person_streams = (uint16_t) p->person_streams, .key_bytes = p->key_bytes, .key_rate = p->key_rate,
        .key_requests = p->key_requests, .watermark = p->watermark,
        .bearer = (p->binding & POLICY_BINDING_BEARER) != 0, .sole_person = rule->sole_person,
    };

    terms_put(&t, out);
}

static enum err read_words(struct tree root, const char *key, struct arena *arena, const struct span **ret, size_t *ret_n,
                           struct err_info *reterr)
{
    struct tree arr, child;
    struct span *words;
    size_t n = 0;

    if (!tree_get(root, key, &arr))
        return ERR_RAISE(reterr, ERR_CORRUPT, "terms without '%s'", key);
    words = arena_alloc(arena, (tree_count(arr) + 1) * sizeof(*words));
    if (words == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "terms");
    for (struct span at = arr.payload; tree_next(&at, &child);) {
        if (!tree_str(child, &words[n++]))
            return ERR_RAISE(reterr, ERR_CORRUPT, "terms with a bad '%s'", key);
    }
    *ret = words;
    *ret_n = n;
    return ERR_OK;
}

static enum err read_groups(struct tree root, struct arena *arena, struct vote_rule *ask, struct err_info *reterr)
{
    struct tree arr, child;
    struct vote_group *groups;

    if (!tree_get(root, "groups", &arr))
        return ERR_RAISE(reterr, ERR_CORRUPT, "terms without groups");
    groups = arena_alloc(arena, (tree_count(arr) + 1) * sizeof(*groups));
    if (groups == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "terms");
    for (struct span at = arr.payload; tree_next(&at, &child);) {
        int64_t min;

        if (!tree_get_str(child, "name", &groups[ask->n_groups].name) || !tree_get_int(child, "min", &min))
            return ERR_RAISE(reterr, ERR_CORRUPT, "terms with a bad group");
        groups[ask->n_groups++].min = (unsigned) min;
    }
    ask->groups = groups;
    return ERR_OK;
}

/* Terms are read in the order in which terms_put writes them: the next one is there, and nothing is looked for. */
struct terms_cursor {
    struct tree root;
    struct span at;
    bool bad;
};

static struct tree next(struct terms_cursor *x, const char *key)
{
    struct span at = x->at;
    struct tree t = { 0 };

    if (tree_next(&at, &t) && span_eq_str(t.key, key))
        x->at = at;
    else if (!tree_get(x->root, key, &t))
        x->bad = true;
    return t;
}

static int64_t number(struct terms_cursor *x, const char *key)
{
    int64_t v = 0;

    x->bad |= !tree_int(next(x, key), &v);
    return v;
}

static bool flag(struct terms_cursor *x, const char *key)
{
    bool v = false;

    x->bad |= !tree_bool(next(x, key), &v);
    return v;
}

enum err terms_read(struct span bytes, struct arena *arena, struct terms *ret, struct err_info *reterr)
{
    struct terms t = { 0 };
    struct terms_cursor x = { .bad = !tree_check(bytes) };

    x.root = tree_root(x.bad ? SPAN_EMPTY : bytes);
    x.at = x.root.payload;
    t.need = (unsigned) number(&x, "need");
    t.deny = (unsigned) number(&x, "deny");
    t.max_ms = number(&x, "max_ms");
    t.start_by_ms = number(&x, "start_by_ms");
    t.max_speed_x100 = (uint16_t) number(&x, "max_speed_x100");
    t.key_streams = (uint16_t) number(&x, "key_streams");
    t.grant_streams = (uint16_t) number(&x, "grant_streams");
    t.person_streams = (uint16_t) number(&x, "person_streams");
    t.key_bytes = (uint64_t) number(&x, "key_bytes");
    t.key_rate = (uint64_t) number(&x, "key_rate");
    t.key_requests = (uint32_t) number(&x, "key_requests");
    t.watermark = flag(&x, "watermark");
    t.bearer = flag(&x, "bearer");
    t.sole_person = flag(&x, "sole_person");
    t.ask.settled_ms = number(&x, "settled_ms");
    if (x.bad)
        return ERR_RAISE(reterr, ERR_CORRUPT, "stored terms are damaged");
    t.ask.need = t.need;
    t.ask.deny = t.deny;
    TRY(read_words(x.root, "from", arena, &t.ask.from, &t.ask.n_from, reterr));
    TRY(read_words(x.root, "exclude", arena, &t.ask.exclude, &t.ask.n_exclude, reterr));
    TRY(read_groups(x.root, arena, &t.ask, reterr));
    *ret = t;
    return ERR_OK;
}
