#include "audit/flood.h"

#include <stdlib.h>

#include "base/map.h"
#include "crypto/random.h"

#define MINUTE_MS 60000

struct text {
    uint8_t n;
    uint8_t p[FLOOD_TEXT_MAX];
};

/* One thing that is counted in this minute. */
struct entry {
    uint8_t key[3 * FLOOD_TEXT_MAX + 4];
    size_t key_len;
    uint32_t written; /* records that went out at once */
    uint32_t counted; /* the rest */
    enum flood_kind kind;
    struct text log, code, route, jti, gid, rid, actor, prefix;
};

struct flood {
    flood_fn *fn;
    void *ctx;
    int64_t minute;
    bool begun;
    struct map entries;
};

struct flood *flood_new(flood_fn *fn, void *ctx)
{
    struct flood *f = calloc(1, sizeof(*f));
    uint8_t secret[16];

    if (f == NULL)
        return NULL;
    f->fn = fn;
    f->ctx = ctx;
    random_fill(secret, sizeof(secret));
    map_init(&f->entries, secret, 2 * FLOOD_ENTRIES_MAX); /* room for the collections, too */
    return f;
}

static void forget(struct flood *f)
{
    uint8_t secret[16];
    size_t max = f->entries.max;

    MAP_FOREACH(struct entry, e, &f->entries)
        free(e);
    memcpy(secret, f->entries.secret, sizeof(secret));
    map_deinit(&f->entries);
    map_init(&f->entries, secret, max);
}

struct flood *flood_free(struct flood *f)
{
    if (f == NULL)
        return NULL;
    forget(f);
    map_deinit(&f->entries);
    free(f);
    return NULL;
}

void flood_freep(struct flood **f)
{
    *f = flood_free(*f);
}

/* ---- entries ---- */

static void keep(struct text *t, struct span s)
{
    t->n = (uint8_t) (s.n < FLOOD_TEXT_MAX ? s.n : FLOOD_TEXT_MAX);
    if (t->n > 0)
        memcpy(t->p, s.p, t->n);
}

static struct span of(const struct text *t)
{
    return span_of(t->p, t->n);
}

/* 'what' parts the name spaces: 'j' jti, 'c' (jti, code), 'p' (prefix, code), 'r' (actor, route), 'n' pairs of a log, 'o' other. */
static size_t make_key(uint8_t *to, char what, struct span a, struct span b, struct span c)
{
    struct span parts[3] = { a, b, c };
    size_t n = 0;

    to[n++] = (uint8_t) what;
    for (int i = 0; i < 3; i++) {
        struct text t;

        keep(&t, parts[i]);
        to[n++] = t.n;
        memcpy(to + n, t.p, t.n);
        n += t.n;
    }
    return n;
}

/* Finds or makes. NULL: not there, and no room for it. */
static struct entry *entry(struct flood *f, char what, struct span a, struct span b, struct span c, size_t room)
{
    uint8_t key[sizeof(((struct entry *) 0)->key)];
    size_t n = make_key(key, what, a, b, c);
    struct entry *e = map_get(&f->entries, span_of(key, n));

    if (e != NULL || f->entries.n >= room)
        return e;
    e = calloc(1, sizeof(*e));
    if (e == NULL)
        return NULL;
    memcpy(e->key, key, n);
    e->key_len = n;
    if (!map_put(&f->entries, span_of(e->key, n), e, NULL)) {
        free(e);
        return NULL;
    }
    return e;
}

static void describe(struct entry *e, const struct flood_case *c)
{
    e->kind = c->kind;
    keep(&e->log, c->log);
    keep(&e->code, c->code);
    keep(&e->route, c->route);
    keep(&e->jti, c->jti);
    keep(&e->gid, c->gid);
    keep(&e->rid, c->rid);
    keep(&e->actor, c->actor);
    keep(&e->prefix, c->prefix);
}

/* The first goes out at once, the rest are counted. */
static void first_then_count(struct flood *f, struct entry *e, const struct flood_case *c)
{
    if (e->written == 0) {
        describe(e, c);
        e->written = 1;
        f->fn(f->ctx, c, 1);
    } else if (e->counted < UINT32_MAX) {
        e->counted++;
    }
}

/* Everything that has no entry of its own: per log and kind. */
static void collect(struct flood *f, const struct flood_case *c)
{
    static const char kinds[] = { [FLOOD_KEYED] = 'K', [FLOOD_ANONYMOUS] = 'A', [FLOOD_READ] = 'R' };
    struct flood_case other = { .kind = c->kind, .log = c->log, .code = SPAN("other") };
    struct entry *e = entry(f, 'o', c->log, span_of(&kinds[c->kind], 1), SPAN_EMPTY, 2 * FLOOD_ENTRIES_MAX);

    if (e != NULL)
        first_then_count(f, e, &other);
    else
        f->fn(f->ctx, &other, 1); /* not even that: write rather than lose */
}

static void note_keyed(struct flood *f, const struct flood_case *c)
{
    struct entry *per_jti = entry(f, 'j', c->log, c->jti, SPAN_EMPTY, FLOOD_ENTRIES_MAX);
    struct entry *e;

    if (per_jti == NULL) {
        collect(f, c);
        return;
    }
    if (per_jti->written < FLOOD_PER_JTI) {
        per_jti->written++;
        f->fn(f->ctx, c, 1);
        return;
    }
    e = entry(f, 'c', c->log, c->jti, c->code, FLOOD_ENTRIES_MAX);
    if (e == NULL) {
        collect(f, c);
        return;
    }
    if (e->counted == 0)
        describe(e, c);
    if (e->counted < UINT32_MAX)
        e->counted++;
}

static void note_anonymous(struct flood *f, const struct flood_case *c)
{
    struct entry *pairs = entry(f, 'n', c->log, SPAN_EMPTY, SPAN_EMPTY, FLOOD_ENTRIES_MAX);
    struct entry *e = entry(f, 'p', c->log, c->prefix, c->code,
                            pairs != NULL && pairs->written < FLOOD_PAIRS_MAX ? FLOOD_ENTRIES_MAX : 0);

    if (e == NULL) {
        collect(f, c);
        return;
    }
    if (e->written == 0)
        pairs->written++;
    first_then_count(f, e, c);
}

static void note_read(struct flood *f, const struct flood_case *c)
{
    struct entry *e = entry(f, 'r', c->log, c->actor, c->route, FLOOD_ENTRIES_MAX);

    if (e != NULL)
        first_then_count(f, e, c);
    else
        collect(f, c);
}

void flood_note(struct flood *f, const struct flood_case *c, time_ms now)
{
    static void (*const by_kind[])(struct flood *, const struct flood_case *) = {
        [FLOOD_KEYED] = note_keyed, [FLOOD_ANONYMOUS] = note_anonymous, [FLOOD_READ] = note_read,
    };

    flood_tick(f, now);
    by_kind[c->kind](f, c);
}

void flood_flush(struct flood *f)
{
    MAP_FOREACH(struct entry, e, &f->entries)
    {
        struct flood_case c = { e->kind,     of(&e->log), of(&e->code),  of(&e->route), of(&e->jti),
                                of(&e->gid), of(&e->rid), of(&e->actor), of(&e->prefix) };

        if (e->counted > 0)
            f->fn(f->ctx, &c, e->counted);
    }
    forget(f);
}

void flood_tick(struct flood *f, time_ms now)
{
    int64_t minute = now / MINUTE_MS;

    if (f->begun && f->minute != minute)
        flood_flush(f);
    f->begun = true;
    f->minute = minute;
}
