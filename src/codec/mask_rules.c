/* Rules: their text, their tree, their bytes, and what they say. See codec/mask.h. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/confuse.h"
#include "codec/mask_int.h"

#define MAGIC   "KHMASK2\n"
#define TEXT_OF(x) TEXT_OF_(x)
#define TEXT_OF_(x) #x
#define HS_VERSION_STRING_ TEXT_OF(HS_MAJOR) "." TEXT_OF(HS_MINOR) "." TEXT_OF(HS_PATCH)
#define MIN_LEN 6 /* a@b.co; seven digits */

static const char *const pattern_names[] = { "email", "card", "ssn", "phone", "iban", "jwt", "cloud-key", "api-key", "bearer",
                                             "private-key", "url-password", NULL };
static const char *const walker_names[] = { "field", "attribute", "selector", "typed", "unread" };
static const char *const reveals[] = { "drop", "keep", NULL };
static const char *const texts[] = { "patterns", "all", NULL };
static const char *const inputs[] = { "fields", "all", NULL };
static const char *const typeds[] = { "passwords", "all", "none", NULL };

/* Marks that other recorders know; they count whatever the rules say. */
static const char *const mask_marks[] = { ".rr-mask", ".ph-mask", ".sentry-mask", ".highlight-mask", ".fs-mask", ".data-hj-suppress",
                                          "[data-rr-mask]", "[data-sentry-mask]", "[data-hj-suppress]" };
static const char *const block_marks[] = { ".rr-block", ".ph-no-capture", ".sentry-block", ".highlight-block", ".fs-exclude",
                                           "[data-rr-block]", "[data-sentry-block]", "[data-private]" };

static const struct confuse_opt own_opts[] = {
    { .name = "pattern", .type = CONFUSE_STR },
    { .name = "nocase", .type = CONFUSE_BOOL },
    { .name = "words", .type = CONFUSE_BOOL },
    { 0 },
};
static const struct confuse_opt rrweb_opts[] = {
    { .name = "text", .type = CONFUSE_ENUM, .words = texts },
    { .name = "inputs", .type = CONFUSE_ENUM, .words = inputs },
    { .name = "fields", .type = CONFUSE_STRS },
    { .name = "default_fields", .type = CONFUSE_BOOL },
    { .name = "attributes", .type = CONFUSE_STRS },
    { .name = "mask", .type = CONFUSE_STRS },
    { .name = "block", .type = CONFUSE_STRS },
    { .name = "keep", .type = CONFUSE_STRS },
    { 0 },
};
static const struct confuse_opt terminal_opts[] = {
    { .name = "typed", .type = CONFUSE_ENUM, .words = typeds },
    { 0 },
};
static const struct confuse_opt schema[] = {
    { .name = "patterns", .type = CONFUSE_ENUMS, .words = pattern_names },
    { .name = "own", .type = CONFUSE_SECTION, .flags = CONFUSE_TITLE | CONFUSE_MULTI, .opts = own_opts },
    { .name = "reveal", .type = CONFUSE_ENUM, .words = reveals },
    { .name = "rrweb", .type = CONFUSE_SECTION, .opts = rrweb_opts },
    { .name = "terminal", .type = CONFUSE_SECTION, .opts = terminal_opts },
    { 0 },
};

enum err mask_rules_parse(struct span text, struct buf *tree, struct err_info *reterr)
{
    const struct confuse_source source = { .name = "masks", .text = text, .max_bytes = MASK_TEXT_MAX };

    return confuse_load(&source, schema, tree, reterr);
}

/* ---- lines ---- */

/* Behind a string or comment that begins at 'at', or 'at' itself. */
static size_t skip_token(struct span t, size_t at, unsigned *io_line)
{
    uint8_t c = t.p[at];
    size_t i = at;

    if (c == '#' || (c == '/' && at + 1 < t.n && t.p[at + 1] == '/')) {
        while (i < t.n && t.p[i] != '\n')
            i++;
        return i;
    }
    if (c == '/' && at + 1 < t.n && t.p[at + 1] == '*') {
        for (i += 2; i + 1 < t.n && !(t.p[i] == '*' && t.p[i + 1] == '/'); i++)
            *io_line += t.p[i] == '\n';
        return i + 2 < t.n ? i + 2 : t.n;
    }
    if (c == '"' || c == '\'') {
        for (i++; i < t.n && t.p[i] != c; i++)
            i += t.p[i] == '\\';
        return i < t.n ? i + 1 : t.n;
    }
    return at;
}

/* The line of the n-th (from 0) word, or, if 'strings', string that is this. 1 when it is not found. */
static unsigned line_at(struct span t, const char *word, bool strings, size_t nth)
{
    unsigned line = 1;
    size_t at = 0, len = strlen(word), to;

    while (at < t.n) {
        bool quoted = t.p[at] == '"' || t.p[at] == '\'';
        unsigned was = line;

        to = skip_token(t, at, &line);
        if (to > at) {
            if (strings && quoted && to - at == len + 2 && memcmp(t.p + at + 1, word, len) == 0 && nth-- == 0)
                return was;
            at = to;
            continue;
        }
        if (mask_is_alpha(t.p[at])) {
            for (to = at; to < t.n && (mask_is_alnum(t.p[to]) || t.p[to] == '_' || t.p[to] == '-'); to++) {}
            if (to - at == len && memcmp(t.p + at, word, len) == 0 && nth-- == 0)
                return line;
            at = to;
            continue;
        }
        line += t.p[at++] == '\n';
    }
    return 1;
}

static unsigned line_of(struct span t, const char *word)
{
    return line_at(t, word, /* strings= */ false, 0);
}

/* ---- building ---- */

static enum err add_name(struct mask_names *names, struct span v, struct err_info *reterr)
{
    char **more = realloc(names->v, (names->n + 1) * sizeof(*more));

    if (more == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "masking rules");
    names->v = more;
    names->v[names->n] = span_dup(v);
    if (names->v[names->n] == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "masking rules");
    names->n++;
    return ERR_OK;
}

static enum err check_entry(struct span v, size_t n, const char *list, struct span text, struct err_info *reterr)
{
    char word[MASK_NAME_MAX + 1];

    if (n >= MASK_NAMES_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "masks:%u: %s: at most %d", line_of(text, list), list, MASK_NAMES_MAX);
    if (v.n == 0 || !span_to_str(v, word, sizeof(word)))
        return ERR_RAISE(reterr, v.n == 0 ? ERR_INVAL : ERR_LIMIT, "masks:%u: %s: 1 to %d bytes each", line_of(text, list), list,
                         MASK_NAME_MAX);
    return ERR_OK;
}

static enum err build_names(struct tree from, const char *list, struct mask_names *ret, struct span text, struct err_info *reterr)
{
    struct tree arr, item;
    struct span v;

    if (!tree_get(from, list, &arr))
        return ERR_OK;
    for (struct span at = arr.payload; tree_next(&at, &item);) {
        if (!tree_str(item, &v))
            return ERR_RAISE(reterr, ERR_INVAL, "masks:1: %s: not a list of words", list);
        TRY(check_entry(v, ret->n, list, text, reterr));
        TRY(add_name(ret, v, reterr));
    }
    return ERR_OK;
}

static enum err add_place(struct mask_places *p, struct span v, struct err_info *reterr)
{
    struct mask_selector *more = realloc(p->v, (p->n + 1) * sizeof(*more));
    enum err e;

    if (more == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "masking rules");
    p->v = more;
    e = mask_selector_parse(v, &p->v[p->n]);
    if (e == ERR_OK)
        p->n++;
    return e;
}

static enum err build_places(struct tree from, const char *list, struct mask_places *ret, struct span text,
                             struct err_info *reterr)
{
    size_t marks = ret->n;
    char word[MASK_NAME_MAX + 1];
    struct tree arr, item;
    struct span v;
    enum err e;

    if (!tree_get(from, list, &arr))
        return ERR_OK;
    for (struct span at = arr.payload; tree_next(&at, &item);) {
        if (!tree_str(item, &v))
            return ERR_RAISE(reterr, ERR_INVAL, "masks:1: %s: not a list of words", list);
        TRY(check_entry(v, ret->n - marks, list, text, reterr));
        e = add_place(ret, v, reterr);
        if (e == ERR_INVAL && span_to_str(v, word, sizeof(word)))
            return ERR_RAISE(reterr, e, "masks:%u: %s: '%s' is not tag, .class, #id, [name] or [name=\"value\"], or these one after another",
                             line_at(text, word, true, 0), list, word);
        TRY(e);
    }
    return ERR_OK;
}

static int word_of(struct tree from, const char *name, const char *const *words)
{
    struct span v;

    if (!tree_get_str(from, name, &v))
        return 0;
    for (int i = 0; words[i] != NULL; i++) {
        if (span_eq_str(v, words[i]))
            return i;
    }
    return 0;
}

static void build_patterns(struct tree root, struct mask_rules *r)
{
    struct tree arr, item;
    struct span v;

    if (!tree_get(root, "patterns", &arr))
        return;
    r->patterns = 0;
    for (struct span at = arr.payload; tree_next(&at, &item);) {
        for (unsigned i = 0; i < MASK_PATTERNS; i++) {
            if (tree_str(item, &v) && span_eq_str(v, pattern_names[i]))
                r->patterns |= 1u << i;
        }
    }
}

static enum err build_own(struct tree root, struct span text, struct mask_rules *r, struct err_info *reterr)
{
    struct mask_own_text own[MASK_OWN_MAX];
    struct tree arr, item;
    size_t n = 0;

    if (!tree_get(root, "own", &arr))
        return ERR_OK;
    for (struct span at = arr.payload; tree_next(&at, &item); n++) {
        struct mask_own_text o = { .line = line_at(text, "own", false, n) };

        if (n == MASK_OWN_MAX)
            return ERR_RAISE(reterr, ERR_LIMIT, "masks:%u: at most %d own patterns", o.line, MASK_OWN_MAX);
        (void) tree_get_str(item, "title", &o.name);
        (void) tree_get_bool(item, "nocase", &o.nocase);
        (void) tree_get_bool(item, "words", &o.words);
        if (o.name.n == 0 || o.name.n > 64)
            return ERR_RAISE(reterr, ERR_LIMIT, "masks:%u: the name of an own pattern has 1 to 64 bytes", o.line);
        if (!tree_get_str(item, "pattern", &o.pattern) || o.pattern.n == 0)
            return ERR_RAISE(reterr, ERR_INVAL, "masks:%u: '" SPAN_FMT "' has no pattern", o.line, SPAN_ARG(o.name));
        if (o.pattern.n > MASK_PATTERN_MAX)
            return ERR_RAISE(reterr, ERR_LIMIT, "masks:%u: pattern of '" SPAN_FMT "': at most %d bytes", o.line, SPAN_ARG(o.name),
                             MASK_PATTERN_MAX);
        own[n] = o;
    }
    return mask_own_compile(r, own, n, reterr);
}

static enum err add_marks(struct mask_rules *r, struct err_info *reterr)
{
    for (size_t i = 0; i < sizeof(mask_marks) / sizeof(mask_marks[0]); i++)
        TRY(add_place(&r->place[MASK_PLACE_MASK - 1], span_str(mask_marks[i]), reterr));
    for (size_t i = 0; i < sizeof(block_marks) / sizeof(block_marks[0]); i++)
        TRY(add_place(&r->place[MASK_PLACE_BLOCK - 1], span_str(block_marks[i]), reterr));
    return ERR_OK;
}

static void sieve_places(struct mask_rules *r)
{
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < r->place[k].n; i++)
            mask_sieve_add(&r->sieve, &r->place[k].v[i]);
}

static enum err build(struct tree root, struct span text, struct mask_rules *r, struct err_info *reterr)
{
    struct tree rrweb = { 0 }, terminal = { 0 };

    (void) tree_get(root, "rrweb", &rrweb);
    (void) tree_get(root, "terminal", &terminal);
    build_patterns(root, r);
    r->reveal = word_of(root, "reveal", reveals) == 1 ? MASK_KEEP : MASK_DROP;
    r->text_all = word_of(rrweb, "text", texts) == 1;
    r->inputs_all = word_of(rrweb, "inputs", inputs) == 1;
    (void) tree_get_bool(rrweb, "default_fields", &r->default_fields);
    r->typed = (enum mask_typed) word_of(terminal, "typed", typeds);
    TRY(build_names(rrweb, "fields", &r->fields, text, reterr));
    TRY(build_names(rrweb, "attributes", &r->attributes, text, reterr));
    TRY(add_marks(r, reterr));
    TRY(build_places(rrweb, "mask", &r->place[MASK_PLACE_MASK - 1], text, reterr));
    TRY(build_places(rrweb, "block", &r->place[MASK_PLACE_BLOCK - 1], text, reterr));
    TRY(build_places(rrweb, "keep", &r->place[MASK_PLACE_KEEP - 1], text, reterr));
    sieve_places(r);
    return build_own(root, text, r, reterr);
}

static struct mask_rules *rules_new(void)
{
    static _Atomic uint64_t ids;
    struct mask_rules *r = calloc(1, sizeof(*r));

    if (r != NULL) {
        r->refs = 1;
        r->id = ++ids;
        r->patterns = (1u << MASK_PATTERNS) - 1;
        r->default_fields = true;
        r->min = MIN_LEN;
    }
    return r;
}

static void rules_free(struct mask_rules *r)
{
    for (size_t i = 0; i < r->fields.n; i++)
        free(r->fields.v[i]);
    free(r->fields.v);
    for (size_t i = 0; i < r->attributes.n; i++)
        free(r->attributes.v[i]);
    free(r->attributes.v);
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < r->place[k].n; i++)
            mask_selector_free(&r->place[k].v[i]);
        free(r->place[k].v);
    }
    for (size_t i = 0; i < r->n_own; i++)
        free(r->own[i].name);
    free(r->own);
    (void) hs_free_database(r->own_db);
    free(r);
}

enum err mask_rules_build(struct tree tree, struct span text, struct mask_rules **ret, struct err_info *reterr)
{
    struct mask_rules *r;
    enum err e;

    TRY(mask_init(reterr));
    r = rules_new();
    if (r == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "masking rules");
    e = build(tree, text, r, reterr);
    if (e != ERR_OK) {
        rules_free(r);
        return e;
    }
    *ret = r;
    return ERR_OK;
}

const char *mask_engine(void)
{
    return "keyhole " KEYHOLE_VERSION " 3, " "vectorscan " HS_VERSION_STRING_;
}

enum err mask_rules_load(struct span text, struct mask_rules **ret, struct err_info *reterr)
{
    struct buf tree = BUF_INIT(1u << 20);
    enum err e = mask_rules_parse(text, &tree, reterr);

    if (e == ERR_OK)
        e = mask_rules_build(tree_root(buf_span(&tree)), text, ret, reterr);
    buf_deinit(&tree);
    return e;
}

const struct mask_rules *mask_rules_default(void)
{
    static struct mask_rules *_Atomic one;
    struct mask_rules *mine = NULL, *was = NULL;

    if (one == NULL && mask_rules_build(tree_root(SPAN_EMPTY), SPAN_EMPTY, &mine, NULL) == ERR_OK &&
        !atomic_compare_exchange_strong(&one, &was, mine))
        rules_free(mine);
    return one;
}

struct mask_rules *mask_rules_ref(const struct mask_rules *r)
{
    struct mask_rules *w = (struct mask_rules *) r;

    if (w != NULL)
        (void) __atomic_add_fetch(&w->refs, 1, __ATOMIC_RELAXED);
    return w;
}

struct mask_rules *mask_rules_unref(const struct mask_rules *r)
{
    struct mask_rules *w = (struct mask_rules *) r;

    if (w != NULL && __atomic_sub_fetch(&w->refs, 1, __ATOMIC_ACQ_REL) == 0)
        rules_free(w);
    return NULL;
}

struct span mask_rules_hash(const struct mask_rules *r)
{
    return SPAN_OF(r->hash);
}

void mask_rules_set_hash(struct mask_rules *r, const uint8_t hash[MASK_HASH_N])
{
    memcpy(r->hash, hash, MASK_HASH_N);
}

/* ---- bytes ---- */

static void put_names(const struct mask_names *n, struct buf *out)
{
    buf_u16le(out, (uint16_t) n->n);
    for (size_t i = 0; i < n->n; i++)
        buf_lp4(out, span_str(n->v[i]));
}

static void put_places(const struct mask_places *p, struct buf *out)
{
    buf_u16le(out, (uint16_t) p->n);
    for (size_t i = 0; i < p->n; i++) {
        const struct mask_selector *s = &p->v[i];

        buf_lp4(out, span_str(s->tag == NULL ? "" : s->tag));
        buf_u16le(out, (uint16_t) s->n_attr);
        for (size_t k = 0; k < s->n_attr; k++) {
            buf_lp4(out, span_str(s->attr[k].name));
            buf_u8(out, (uint8_t) ((s->attr[k].value != NULL ? 1 : 0) | (s->attr[k].token ? 2 : 0)));
            buf_lp4(out, span_str(s->attr[k].value == NULL ? "" : s->attr[k].value));
        }
    }
}

void mask_rules_encode(const struct mask_rules *r, struct buf *out)
{
    char *db = NULL;
    size_t n = 0;

    buf_add_str(out, MAGIC);
    buf_add(out, r->hash, sizeof(r->hash));
    buf_u32le(out, r->patterns);
    buf_u8(out, (uint8_t) r->reveal);
    buf_u8(out, (uint8_t) r->typed);
    buf_u8(out, (uint8_t) ((r->text_all ? 1 : 0) | (r->inputs_all ? 2 : 0) | (r->default_fields ? 4 : 0)));
    put_names(&r->fields, out);
    put_names(&r->attributes, out);
    for (size_t k = 0; k < 3; k++)
        put_places(&r->place[k], out);
    buf_u16le(out, (uint16_t) r->n_own);
    for (size_t i = 0; i < r->n_own; i++) {
        buf_lp4(out, span_str(r->own[i].name));
        buf_u32le(out, r->own[i].width_min);
        buf_u32le(out, r->own[i].width_max);
        buf_lp4(out, span_str(r->own[i].lead));
        buf_u8(out, (uint8_t) ((r->own[i].words ? 1 : 0) | (r->own[i].anchored ? 2 : 0) | (r->own[i].nocase ? 4 : 0)));
    }
    if (r->own_db != NULL && hs_serialize_database(r->own_db, &db, &n) != HS_SUCCESS)
        out->failed = true;
    buf_lp4(out, span_of(db, n));
    free(db);
}

static bool get_names(struct rd *rd, struct mask_names *ret)
{
    size_t n = rd_u16le(rd);

    for (size_t i = 0; i < n && !rd->failed; i++) {
        if (add_name(ret, rd_lp4(rd), NULL) != ERR_OK)
            return false;
    }
    return n <= MASK_NAMES_MAX;
}

static bool get_selector(struct rd *rd, struct mask_selector *s)
{
    struct span tag = rd_lp4(rd);
    size_t n = rd_u16le(rd);

    if (rd->failed || n > MASK_NAME_MAX || (tag.n > 0 && (s->tag = span_dup(tag)) == NULL))
        return false;
    s->attr = calloc(n + 1, sizeof(*s->attr));
    if (s->attr == NULL)
        return false;
    for (size_t i = 0; i < n; i++, s->n_attr++) {
        struct span name = rd_lp4(rd), value;
        uint8_t flags = rd_u8(rd);

        value = rd_lp4(rd);
        s->attr[i].name = span_dup(name);
        s->attr[i].value = (flags & 1) != 0 ? span_dup(value) : NULL;
        s->attr[i].token = (flags & 2) != 0;
        if (rd->failed || s->attr[i].name == NULL || ((flags & 1) != 0 && s->attr[i].value == NULL)) {
            s->n_attr++;
            return false;
        }
    }
    return true;
}

static bool get_places(struct rd *rd, struct mask_places *ret)
{
    size_t n = rd_u16le(rd);

    if (rd->failed || n > MASK_NAMES_MAX + 32)
        return false;
    ret->v = calloc(n + 1, sizeof(*ret->v));
    if (ret->v == NULL)
        return false;
    while (ret->n < n) {
        if (!get_selector(rd, &ret->v[ret->n++]))
            return false;
    }
    return true;
}

static bool get_own(struct rd *rd, struct mask_rules *r)
{
    size_t n = rd_u16le(rd);
    struct span db;

    if (rd->failed || n > MASK_OWN_MAX)
        return false;
    r->own = calloc(n + 1, sizeof(*r->own));
    if (r->own == NULL)
        return false;
    for (; r->n_own < n; r->n_own++) {
        struct mask_own *o = &r->own[r->n_own];
        struct span lead;
        uint8_t flags;

        o->name = span_dup(rd_lp4(rd));
        o->width_min = rd_u32le(rd);
        o->width_max = rd_u32le(rd);
        lead = rd_lp4(rd);
        if (lead.n <= MASK_LEAD_MAX && lead.n > 0)
            memcpy(o->lead, lead.p, lead.n);
        flags = rd_u8(rd);
        o->words = (flags & 1) != 0;
        o->anchored = (flags & 2) != 0;
        o->nocase = (flags & 4) != 0;
        r->anchored = r->anchored || o->anchored;
        if (o->width_min < r->min)
            r->min = o->width_min;
        if (o->name == NULL || o->width_min == 0 || o->width_max < o->width_min || lead.n > MASK_LEAD_MAX) {
            r->n_own++;
            return false;
        }
    }
    db = rd_lp4(rd);
    if (!rd_done(rd) || (db.n > 0) != (n > 0))
        return false;
    return n == 0 || hs_deserialize_database((const char *) db.p, db.n, &r->own_db) == HS_SUCCESS;
}

static bool get_all(struct rd *rd, struct mask_rules *r)
{
    struct span magic = rd_bytes(rd, sizeof(MAGIC) - 1), hash = rd_bytes(rd, MASK_HASH_N);
    uint8_t bits;

    if (rd->failed || !span_eq_str(magic, MAGIC))
        return false;
    memcpy(r->hash, hash.p, MASK_HASH_N);
    r->patterns = rd_u32le(rd) & ((1u << MASK_PATTERNS) - 1);
    r->reveal = rd_u8(rd) == MASK_KEEP ? MASK_KEEP : MASK_DROP;
    bits = rd_u8(rd);
    if (bits > MASK_TYPED_NONE)
        return false;
    r->typed = (enum mask_typed) bits;
    bits = rd_u8(rd);
    r->text_all = (bits & 1) != 0;
    r->inputs_all = (bits & 2) != 0;
    r->default_fields = (bits & 4) != 0;
    if (!get_names(rd, &r->fields) || !get_names(rd, &r->attributes))
        return false;
    for (size_t k = 0; k < 3; k++) {
        if (!get_places(rd, &r->place[k]))
            return false;
    }
    sieve_places(r);
    return get_own(rd, r);
}

enum err mask_rules_decode(struct span bytes, struct mask_rules **ret, struct err_info *reterr)
{
    struct rd rd = rd_of(bytes);
    struct mask_rules *r;

    TRY(mask_init(reterr));
    r = rules_new();
    if (r == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "masking rules");
    if (bytes.n > MASK_BYTES_MAX || !get_all(&rd, r)) {
        rules_free(r);
        return ERR_RAISE(reterr, ERR_CORRUPT, "masking rules in %zu bytes", bytes.n);
    }
    *ret = r;
    return ERR_OK;
}

/* ---- what they say ---- */

enum mask_reveal mask_rules_reveal(const struct mask_rules *r)
{
    return r->reveal;
}

enum mask_typed mask_rules_typed(const struct mask_rules *r)
{
    return r->typed;
}

bool mask_rules_text_all(const struct mask_rules *r)
{
    return r->text_all;
}

bool mask_rules_inputs_all(const struct mask_rules *r)
{
    return r->inputs_all;
}

bool mask_rules_pattern(const struct mask_rules *r, unsigned rule)
{
    return rule < MASK_PATTERNS && (r->patterns & (1u << rule)) != 0;
}

size_t mask_rules_min(const struct mask_rules *r)
{
    return r->min;
}

size_t mask_rules_n(const struct mask_rules *r)
{
    return MASK_OWN + r->n_own;
}

struct span mask_rules_name(const struct mask_rules *r, unsigned rule)
{
    if (rule < MASK_PATTERNS)
        return span_str(pattern_names[rule]);
    if (rule < MASK_OWN)
        return span_str(walker_names[rule - MASK_PATTERNS]);
    return rule - MASK_OWN < r->n_own ? span_str(r->own[rule - MASK_OWN].name) : SPAN_EMPTY;
}

bool mask_rules_field(const struct mask_rules *r, struct span name)
{
    if (name.n == 0 || name.n > MASK_NAME_MAX)
        return false;
    if (r->default_fields && mask_name_is_default_field(name))
        return true;
    for (size_t i = 0; i < r->fields.n; i++) {
        if (mask_name_matches(r->fields.v[i], name))
            return true;
    }
    return false;
}

bool mask_rules_attribute(const struct mask_rules *r, struct span name)
{
    if (name.n == 0 || name.n > MASK_NAME_MAX)
        return false;
    for (size_t i = 0; i < r->attributes.n; i++) {
        if (mask_name_matches(r->attributes.v[i], name))
            return true;
    }
    return false;
}

bool mask_rules_attributes(const struct mask_rules *r)
{
    return r->attributes.n > 0;
}

bool mask_rules_place_attr(const struct mask_rules *r, struct span name, struct span raw)
{
    return mask_sieve_attr(&r->sieve, name, raw);
}

bool mask_rules_place_tags(const struct mask_rules *r)
{
    return r->sieve.tags;
}

enum mask_place mask_rules_place(const struct mask_rules *r, const struct mask_element *e)
{
    for (int k = MASK_PLACE_BLOCK; k > MASK_PLACE_NONE; k--) {
        for (size_t i = 0; i < r->place[k - 1].n; i++) {
            if (mask_selector_matches(&r->place[k - 1].v[i], e))
                return (enum mask_place) k;
        }
    }
    return MASK_PLACE_NONE;
}

/* ---- what may go on ---- */

static bool in_token(uint8_t c)
{
    return c > ' ' && c != '<' && c != '>' && c != '"' && c != '|' && c != ';' && c != '{' && c != '}';
}

size_t mask_scan_open(const struct mask_rules *r, struct span text)
{
    size_t low = text.n > MASK_REACH ? text.n - MASK_REACH : 0, from = text.n, i = text.n;

    if (r->n_own > 0) { /* they may match anything: the line */
        while (from > low && text.p[from - 1] != '\n')
            from--;
        return from;
    }
    while (i > low && in_token(text.p[i - 1]))
        i--;
    from = i;
    /* Groups of digits, and words that say what comes ("Bearer ", "tel: "), go on behind blanks. */
    for (unsigned words = 0; words < 7 && i > low && (text.p[i - 1] == ' ' || text.p[i - 1] >= 0x80); words++) {
        while (i > low && (text.p[i - 1] == ' ' || text.p[i - 1] >= 0x80))
            i--;
        while (i > low && in_token(text.p[i - 1]))
            i--;
        from = i;
    }
    return from;
}
