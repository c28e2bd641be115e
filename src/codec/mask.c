#include "codec/mask_int.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "codec/screen_width.h"

#define HITS_MAX     (1u << 22)
#define HITS_KEPT    1024
#define RAW_ESCAPE   1000 /* id of the pattern for "\u" */
#define FIRST_PREFIX 100  /* ids of mask_prefixes */
#define IDS_MAX      256
#define NUMBERS      (1u << MASK_CARD | 1u << MASK_SSN | 1u << MASK_PHONE | 1u << MASK_IBAN)

static hs_database_t *builtin;
static pthread_mutex_t builtin_lock = PTHREAD_MUTEX_INITIALIZER;

const hs_database_t *mask_builtin_db(void)
{
    return builtin;
}

bool mask_id(unsigned id, const struct mask_trigger **ret_trigger, const struct mask_prefix **ret_prefix)
{
    *ret_trigger = id < mask_n_triggers ? &mask_triggers[id] : NULL;
    *ret_prefix = id >= FIRST_PREFIX && id - FIRST_PREFIX < mask_n_prefixes ? &mask_prefixes[id - FIRST_PREFIX] : NULL;
    return *ret_trigger != NULL || *ret_prefix != NULL;
}

static enum err compile_builtin(struct err_info *reterr)
{
    const char *patterns[IDS_MAX];
    unsigned flags[IDS_MAX], ids[IDS_MAX], n = 0;
    hs_compile_error_t *why = NULL;
    hs_error_t e;

    mask_digits_init();
    for (size_t i = 0; i < mask_n_triggers; i++, n++) {
        patterns[n] = mask_triggers[i].pattern;
        flags[n] = mask_triggers[i].flags;
        ids[n] = (unsigned) i;
    }
    for (size_t i = 0; i < mask_n_prefixes; i++, n++) {
        patterns[n] = mask_prefixes[i].lit;
        flags[n] = 0;
        ids[n] = FIRST_PREFIX + (unsigned) i;
    }
    patterns[n] = "\\\\u";
    flags[n] = 0;
    ids[n++] = RAW_ESCAPE;
    e = hs_compile_multi(patterns, flags, ids, n, HS_MODE_BLOCK, NULL, &builtin, &why);
    if (e != HS_SUCCESS) {
        (void) ERR_RAISE(reterr, ERR_NOMEM, "compile the built-in patterns: %s", why == NULL ? "no memory" : why->message);
        hs_free_compile_error(why);
        builtin = NULL;
        return ERR_NOMEM;
    }
    return ERR_OK;
}

enum err mask_init(struct err_info *reterr)
{
    enum err e = ERR_OK;

    pthread_mutex_lock(&builtin_lock);
    if (builtin == NULL)
        e = compile_builtin(reterr);
    pthread_mutex_unlock(&builtin_lock);
    return e;
}

/* ---- the library ---- */

#ifdef __x86_64__
/*
 * libvectorscan 5.4.9 (Debian 12) has its code three times, for SSE, AVX2 and AVX-512, and hs_scan is the one that fits the processor. With AVX-512 it misses
 * matches: the end of a text after a run of characters is not looked at (github.com/VectorCamp/vectorscan, pull request 378), for "[0-9]{3}-[0-9]{2}-[0-9]{4}" in one text of
 * twenty. The code for AVX2 is right; it stands beside the other under a name of its own. Absent in a library that was built for one processor.
 */
extern hs_error_t HS_CDECL avx2_hs_scan(const hs_database_t *db, const char *data, unsigned length, unsigned flags, hs_scratch_t *scratch,
                                        match_event_handler on_event, void *ctx) __attribute__((weak));

static bool by_avx2(void)
{
    return avx2_hs_scan != NULL && __builtin_cpu_supports("avx2");
}
#endif

hs_error_t mask_hs_scan(const hs_database_t *db, struct span text, hs_scratch_t *scratch, match_event_handler on_match, void *ctx)
{
#ifdef __x86_64__
    if (by_avx2())
        return avx2_hs_scan(db, (const char *) text.p, (unsigned) text.n, 0, scratch, on_match, ctx);
#endif
    return hs_scan(db, (const char *) text.p, (unsigned) text.n, 0, scratch, on_match, ctx);
}

/* ---- the scanner ---- */

enum err mask_scanner_new(struct mask_scanner **ret, struct err_info *reterr)
{
    struct mask_scanner *s;

    TRY(mask_init(reterr));
    s = calloc(1, sizeof(*s));
    if (s == NULL || hs_alloc_scratch(builtin, &s->scratch) != HS_SUCCESS) {
        free(s);
        return ERR_RAISE(reterr, ERR_NOMEM, "memory to look for patterns");
    }
    *ret = s;
    return ERR_OK;
}

struct mask_scanner *mask_scanner_free(struct mask_scanner *s)
{
    if (s == NULL)
        return NULL;
    (void) hs_free_scratch(s->scratch);
    free(s->hits);
    free(s);
    return NULL;
}

void mask_scanner_rest(struct mask_scanner *s)
{
    if (s->cap <= HITS_KEPT)
        return;
    free(s->hits);
    s->hits = NULL;
    s->n = s->cap = 0;
}

bool mask_add(struct mask_scanner *s, unsigned rule, size_t from, size_t to)
{
    struct mask_hit *more;
    size_t cap;

    if (rule < MASK_PATTERNS && (s->rules->patterns & (1u << rule)) == 0)
        return true;
    if (s->n > 0 && s->hits[s->n - 1].rule == rule && from >= s->hits[s->n - 1].from && from < s->hits[s->n - 1].to) {
        if (to > s->hits[s->n - 1].to)
            s->hits[s->n - 1].to = (uint32_t) to;
        return true; /* the same match goes on */
    }
    if (s->n == s->cap) {
        cap = s->cap == 0 ? 64 : s->cap * 2;
        more = cap > HITS_MAX ? NULL : realloc(s->hits, cap * sizeof(*more));
        if (more == NULL) {
            s->failed = true;
            return false;
        }
        s->hits = more;
        s->cap = cap;
    }
    s->hits[s->n++] = (struct mask_hit){ (uint32_t) from, (uint32_t) to, (uint16_t) rule };
    return true;
}

static int on_trigger(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx)
{
    struct mask_scanner *s = ctx;

    (void) from;
    (void) flags;
    if (id == RAW_ESCAPE) {
        if (s->in->raw)
            (void) mask_add(s, MASK_OWN, (size_t) to - 2, (size_t) to); /* any: it means "look closer" */
    } else if (id >= FIRST_PREFIX) {
        mask_find_prefix(s, s->in, (size_t) to, &mask_prefixes[id - FIRST_PREFIX]);
    } else {
        mask_triggers[id].find(s, s->in, (size_t) to);
    }
    return s->failed || (s->in->raw && s->n > 0);
}

static int on_own(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx)
{
    struct mask_scanner *s = ctx;

    (void) flags;
    if (s->rules->own[id].words && !s->in->raw && /* there a match may begin before the string */
        (!mask_border_left(s->in, (size_t) from) || !mask_border_right(s->in, (size_t) to)))
        return 0;
    (void) mask_add(s, MASK_OWN + id, (size_t) from, (size_t) to);
    return s->failed || (s->in->raw && s->n > 0);
}

static enum err scan_all(struct mask_scanner *s, const struct mask_rules *r, const struct mask_in *in,
                         struct err_info *reterr)
{
    hs_error_t e = HS_SUCCESS;

    s->n = 0;
    s->failed = false;
    s->rules = r;
    s->in = in;
    s->digits_to = s->block_to = s->jwt_to = s->jwt_head = s->value_to = 0;
    if ((r->patterns & NUMBERS) != 0)
        mask_find_numbers(s, in);
    if (in->raw && s->n > 0)
        return ERR_OK;
    if ((r->patterns & ~NUMBERS) != 0 || in->raw)
        e = mask_hs_scan(builtin, span_of(in->p, in->n), s->scratch, on_trigger, s);
    if (e == HS_SUCCESS && r->own_db != NULL && s->own_id != r->id) {
        e = hs_alloc_scratch(r->own_db, &s->scratch);
        s->own_id = e == HS_SUCCESS ? r->id : 0;
    }
    if (e == HS_SUCCESS && r->own_db != NULL)
        e = mask_hs_scan(r->own_db, span_of(in->p, in->n), s->scratch, on_own, s);
    if (s->failed || (e != HS_SUCCESS && !(e == HS_SCAN_TERMINATED && in->raw)))
        return ERR_RAISE(reterr, ERR_NOMEM, "look for patterns (%d)", (int) e);
    return ERR_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct mask_hit *x = a, *y = b;

    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if (x->to != y->to)
        return x->to > y->to ? -1 : 1; /* the longer one first: it names the rule */
    return x->rule == y->rule ? 0 : x->rule < y->rule ? -1 : 1; /* "token = eyJ…" is a JWT before it is a token */
}

/* Not inside a character. */
static void widen(const struct mask_in *in, struct mask_hit *h)
{
    while (h->from > 0 && (in->p[h->from] & 0xc0) == 0x80)
        h->from--;
    while (h->to < in->n && (in->p[h->to] & 0xc0) == 0x80)
        h->to++;
}

/* In order, and one where they overlap: the rule is that of the one that begins first. */
static void join(struct mask_scanner *s)
{
    bool sorted = true;
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (s->hits[i].rule >= MASK_OWN)
            widen(s->in, &s->hits[i]);
        sorted = sorted && (i == 0 || by_place(&s->hits[i - 1], &s->hits[i]) <= 0);
    }
    if (!sorted)
        qsort(s->hits, s->n, sizeof(*s->hits), by_place);
    for (size_t i = 0; i < s->n; i++) {
        if (n > 0 && s->hits[i].from < s->hits[n - 1].to) {
            if (s->hits[i].to > s->hits[n - 1].to)
                s->hits[n - 1].to = s->hits[i].to;
            continue;
        }
        s->hits[n++] = s->hits[i];
    }
    s->n = n;
}

enum err mask_scan(struct mask_scanner *s, const struct mask_rules *r, struct span text, bool *io_key,
                   struct mask_hits *ret, struct err_info *reterr)
{
    const struct mask_in in = { text.p, text.n, false };
    bool open = false, some = false;
    size_t body = 0;

    if (text.n > UINT32_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "text of more than 4 GiB");
    s->key = false;
    if (io_key != NULL && *io_key && (r->patterns & (1u << MASK_PRIVATE_KEY)) != 0)
        body = mask_key_body(&in, 0, &open, &some);
    if (text.n > 0 && (text.n >= r->min || open)) {
        TRY(scan_all(s, r, &in, reterr));
    } else {
        s->n = 0;
        s->in = &in;
        s->rules = r;
    }
    if (body > 0 && !mask_add(s, MASK_PRIVATE_KEY, 0, body))
        return ERR_RAISE(reterr, ERR_NOMEM, "look for patterns");
    if (s->n > 0)
        join(s);
    if (io_key != NULL)
        *io_key = s->key || (open && body == text.n);
    s->in = NULL;
    *ret = (struct mask_hits){ s->hits, s->n };
    return ERR_OK;
}

bool mask_scan_raw(struct mask_scanner *s, const struct mask_rules *r, struct span raw)
{
    const struct mask_in in = { raw.p, raw.n, true };

    if (raw.n == 0)
        return false;
    if (raw.n > UINT32_MAX || (r->own_db != NULL && (r->anchored || memchr(raw.p, '\\', raw.n) != NULL)))
        return true;
    return scan_all(s, r, &in, NULL) != ERR_OK || s->n > 0;
}

/* ---- what stands in its place ---- */

void mask_stars(struct span text, struct buf *out)
{
    struct rd r = rd_of(text);

    while (r.n > 0) {
        struct rd was = r;
        uint32_t cp = utf8_read(&r);

        if (r.failed) {
            r = (struct rd){ was.p + 1, was.n - 1, false };
            cp = '*';
        }
        if (cp < 0x20 || cp == ' ' || cp == 0x7f)
            buf_add_c(out, (char) cp);
        else if (screen_is_wide(cp))
            buf_add_str(out, "**");
        else if (!screen_is_mark(cp))
            buf_add_c(out, '*');
    }
}

enum err mask_text(struct mask_scanner *s, const struct mask_rules *r, struct span text, struct buf *out,
                   uint64_t *counts, bool *ret_any, struct err_info *reterr)
{
    struct mask_hits h;
    size_t at = 0;

    TRY(mask_scan(s, r, text, NULL, &h, reterr));
    for (size_t i = 0; i < h.n; i++) {
        buf_add_span(out, span_sub(text, at, h.hits[i].from - at));
        mask_stars(span_sub(text, h.hits[i].from, h.hits[i].to - h.hits[i].from), out);
        at = h.hits[i].to;
        if (counts != NULL)
            counts[h.hits[i].rule]++;
    }
    buf_add_span(out, span_sub(text, at, text.n));
    if (ret_any != NULL)
        *ret_any = h.n > 0;
    return buf_check(out, reterr);
}
