#include "codec/mask_json.h"

#include "codec/mask_int.h"
#include "codec/mask_plain.h"
#include "codec/unpack.h"

#include <stdlib.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define NUMBER_MIN 12 /* digits of a number in a payload that may be a card's */
#define BASE64_RUN 64 /* so much of it in one piece is data */

void mask_json_init(struct mask_json *m, const struct mask_rules *rules, struct mask_scanner *scanner, uint64_t *counts, size_t max)
{
    *m = (struct mask_json){ .rules = rules, .scanner = scanner, .counts = counts };
    mask_edit_init(&m->edit, max);
    buf_init(&m->text, max + 4);
    buf_init(&m->plain, max + 8);
    buf_init(&m->found, max * sizeof(struct mask_hit));
    buf_init(&m->inner, MASK_UNPACK_MAX);
}

void mask_json_deinit(struct mask_json *m)
{
    mask_edit_deinit(&m->edit);
    buf_deinit(&m->text);
    buf_deinit(&m->plain);
    buf_deinit(&m->found);
    buf_deinit(&m->inner);
}

void mask_json_rest(struct mask_json *m)
{
    struct buf *const all[] = { &m->text, &m->plain, &m->found, &m->inner, &m->edit.pieces, &m->edit.with };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        mask_json_rest_buf(all[i]);
    mask_scanner_rest(m->scanner);
}

void mask_json_begin(struct mask_json *m, struct span json)
{
    m->json = json;
    m->patterns = mask_scan_raw(m->scanner, m->rules, json);
    m->unpacked = 0;
    m->err.code = ERR_OK;
    mask_edit_reset(&m->edit);
}

static void fail(struct mask_json *m, enum err code)
{
    if (m->err.code == ERR_OK)
        (void) ERR_RAISE(&m->err, code, code == ERR_LIMIT ? "event-too-large" : "masking"); /* kept for the caller */
}

struct span mask_json_text(struct mask_json *m, struct span raw)
{
    if (raw.n == 0 || memchr(raw.p, '\\', raw.n) == NULL)
        return raw;
    buf_reset(&m->text);
    if (!json_string_decode(raw, &m->text))
        fail(m, ERR_NOMEM);
    return buf_span(&m->text);
}

/* ---- what is in a string, at a glance ---- */

enum { HAS_ESCAPE = 1, HAS_NAME = 2 };

/* '\\', '%', '&', '+': characters may be written in another way; '=', ':': a name may stand there. */
static unsigned glance_bytes(struct span raw)
{
    static const uint8_t table[256] = { ['\\'] = HAS_ESCAPE, ['%'] = HAS_ESCAPE, ['&'] = HAS_ESCAPE, ['+'] = HAS_ESCAPE, ['='] = HAS_NAME, [':'] = HAS_NAME };
    unsigned has = 0;

    for (size_t i = 0; i < raw.n; i++)
        has |= table[raw.p[i]];
    return has;
}

#ifdef __SSE2__
static unsigned glance(struct span raw)
{
    __m128i escapes = _mm_setzero_si128(), names = escapes;

    if (raw.n < 16)
        return glance_bytes(raw);
    for (size_t i = 0; i < raw.n; i += 16) {
        const uint8_t *p = raw.p + (raw.n - i < 16 ? raw.n - 16 : i); /* the last ones overlap those before */
        __m128i v = _mm_loadu_si128((const __m128i *) (const void *) p);

        escapes = _mm_or_si128(escapes, _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\\')), _mm_cmpeq_epi8(v, _mm_set1_epi8('+'))));
        escapes = _mm_or_si128(escapes, _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('%')), _mm_cmpeq_epi8(v, _mm_set1_epi8('&'))));
        names = _mm_or_si128(names, _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('=')), _mm_cmpeq_epi8(v, _mm_set1_epi8(':'))));
    }
    return (_mm_movemask_epi8(escapes) != 0 ? HAS_ESCAPE : 0) | (_mm_movemask_epi8(names) != 0 ? HAS_NAME : 0);
}
#else
static unsigned glance(struct span raw)
{
    return glance_bytes(raw);
}
#endif

static bool base64_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '+' || c == '/' || c == '=' || c == '-' || c == '_';
}

/* A run of such characters, found once for all hits in it. */
struct data_run {
    size_t from, to;
};

/* Does it lie in the base64 of a data: address? Hits come in order. */
static bool in_data(struct span text, struct mask_hit h, struct data_run *run)
{
    if (!base64_char(text.p[h.from]))
        return false;
    if (h.from >= run->to) {
        run->from = run->to = h.from;
        while (run->from > 0 && base64_char(text.p[run->from - 1]))
            run->from--;
        while (run->to < text.n && base64_char(text.p[run->to]))
            run->to++;
    }
    return run->from >= 8 && memcmp(text.p + run->from - 8, ";base64,", 8) == 0 && run->to >= h.to && run->to - run->from >= BASE64_RUN;
}

/* ---- hits ---- */

static void take_hits(struct mask_json *m, struct span text, struct mask_hits hits, bool plain)
{
    size_t at = m->found.n;
    struct mask_hit *h;

    if (hits.n == 0)
        return;
    buf_add(&m->found, hits.hits, hits.n * sizeof(*h));
    if (m->found.failed)
        return;
    h = (struct mask_hit *) (void *) (m->found.p + at); /* malloc'd, and all of one size */
    if (plain)
        mask_plain_hits(text, h, hits.n);
}

static void scan(struct mask_json *m, struct span text, bool *io_key)
{
    struct mask_hits hits;
    struct err_info e;
    enum err code = mask_scan(m->scanner, m->rules, text, io_key, &hits, &e);

    if (code != ERR_OK)
        fail(m, code);
    else
        take_hits(m, text, hits, /* plain= */ false);
}

static void scan_plain(struct mask_json *m, struct span text)
{
    struct mask_hits hits;
    struct err_info e;
    enum err code;

    if (!mask_plain_needed(text))
        return;
    buf_reset(&m->plain);
    if (!mask_plain_text(text, &m->plain)) {
        fail(m, ERR_NOMEM);
        return;
    }
    code = mask_scan(m->scanner, m->rules, buf_span(&m->plain), NULL, &hits, &e);
    if (code != ERR_OK)
        fail(m, code);
    else
        take_hits(m, text, hits, /* plain= */ true);
}

static int by_from(const void *a, const void *b)
{
    const struct mask_hit *x = a, *y = b;

    return x->from != y->from ? (x->from < y->from ? -1 : 1) : (x->to > y->to) - (x->to < y->to);
}

/* In order, joined where they overlap, at character borders, none in data. Returns how many. */
static size_t settle(struct span text, struct mask_hit *h, size_t n)
{
    struct data_run run = { 0, 0 };
    size_t k = 0;

    qsort(h, n, sizeof(*h), by_from);
    for (size_t i = 0; i < n; i++) {
        struct mask_hit x = h[i];

        if (x.from >= x.to || x.to > text.n || in_data(text, x, &run))
            continue;
        while (x.from > 0 && (text.p[x.from] & 0xc0) == 0x80)
            x.from--;
        while (x.to < text.n && (text.p[x.to] & 0xc0) == 0x80)
            x.to++;
        if (k > 0 && x.from <= h[k - 1].to && x.from < h[k - 1].to) {
            if (x.to > h[k - 1].to)
                h[k - 1].to = x.to;
            continue;
        }
        h[k++] = x;
    }
    return k;
}

size_t mask_json_hits(struct mask_json *m, struct span text, bool *io_key, const struct mask_hit **ret)
{
    struct mask_hit *h;

    buf_reset(&m->found);
    m->err.code = ERR_OK;
    scan(m, text, io_key);
    scan_plain(m, text);
    if (m->found.failed)
        fail(m, ERR_NOMEM);
    if (m->err.code != ERR_OK || m->found.n == 0)
        return 0;
    h = (struct mask_hit *) (void *) m->found.p;
    *ret = h;
    return settle(text, h, m->found.n / sizeof(*h));
}

/* ---- compressed text ---- */

static bool latin1(struct span text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];

        if (c >= 0x80 && (c > 0xc3 || c < 0xc2 || i + 1 == text.n))
            return false;
        if (c >= 0x80)
            c = (uint8_t) (c << 6 | (text.p[++i] & 0x3f));
        buf_add_c(out, (char) c);
    }
    return !out->failed;
}

static bool packed_magic(struct span t)
{
    if (t.n < 8)
        return false;
    if (t.p[0] == 0x1f)
        return t.p[1] == 0xc2 && t.p[2] == 0x8b;
    return t.p[0] == 0x78 && (t.p[1] == 0x01 || t.p[1] == 0x5e || (t.p[1] == 0xc2 && t.p[2] == 0x9c) || (t.p[1] == 0xc3 && t.p[2] == 0x9a));
}

static enum err append(void *ctx, struct span out, struct err_info *reterr)
{
    struct buf *to = ctx;

    buf_add_span(to, out);
    return to->failed ? ERR_RAISE(reterr, ERR_LIMIT, "packed") : ERR_OK;
}

/* True: what is inside has to go, or cannot be known. */
static bool packed_hits(struct mask_json *m, struct span text)
{
    struct unpack_limits limits = { .out_max = MASK_UNPACK_MAX, .zstd_window_log = 10 };
    CLEANUP(unpack_freep) struct unpack *u = unpack_new(text.p[0] == 0x1f ? UNPACK_GZIP : UNPACK_DEFLATE, &limits);
    size_t before = m->found.n;
    struct err_info e;
    enum err code;
    bool hit;

    buf_reset(&m->plain);
    buf_reset(&m->inner);
    if (u == NULL || m->unpacked > MASK_UNPACK_ALL)
        return true;
    if (!latin1(text, &m->plain))
        return m->plain.failed;
    code = unpack_feed(u, buf_span(&m->plain), append, &m->inner, &e);
    m->unpacked += m->inner.n;
    if (code == ERR_LIMIT || code == ERR_NOMEM)
        return true;
    if (m->inner.n == 0)
        return false; /* it only looked like it */
    scan(m, buf_span(&m->inner), NULL);
    scan_plain(m, buf_span(&m->inner));
    mask_plain_fields(m->rules, buf_span(&m->inner), true, &m->found);
    hit = m->found.n > before || packed_magic(buf_span(&m->inner)) || m->err.code != ERR_OK;
    m->found.n = before;
    return hit;
}

/* ---- strings ---- */

/* Stars already, as recorders that mask send them. */
static bool is_masked(struct span raw)
{
    size_t i = 0;

    while (i < raw.n && (raw.p[i] == '*' || raw.p[i] == ' '))
        i++;
    return i == raw.n;
}

static void whole(struct mask_json *m, struct span raw, uint16_t rule, enum mask_style style)
{
    struct span text = mask_json_text(m, raw);
    struct mask_hit all = { 0, (uint32_t) text.n, rule };

    if (is_masked(raw))
        return;
    if (text.n > UINT32_MAX) {
        fail(m, ERR_LIMIT);
        return;
    }
    m->counts[rule]++;
    mask_edit_string(&m->edit, m->json, raw, text, &all, 1, style);
}

void mask_json_whole(struct mask_json *m, struct span raw, uint16_t rule)
{
    whole(m, raw, rule, MASK_STYLE_SHOWN);
}

void mask_json_string(struct mask_json *m, struct span raw, bool fields, bool headers)
{
    struct mask_hit *h;
    struct span text;
    unsigned has;
    size_t n;

    if (raw.n < 2)
        return;
    has = glance(raw);
    if (!m->patterns && has == 0 && raw.p[0] != 0x78)
        return;
    buf_reset(&m->found);
    text = mask_json_text(m, raw);
    if (packed_magic(text)) {
        if (packed_hits(m, text)) {
            whole(m, raw, MASK_FIELD, MASK_STYLE_TYPED); /* control characters go, too */
            return;
        }
    }
    if (m->patterns)
        scan(m, text, NULL);
    if ((has & HAS_ESCAPE) != 0)
        scan_plain(m, text);
    if (fields && (has != 0))
        mask_plain_fields(m->rules, text, headers, &m->found);
    if (m->found.failed)
        fail(m, ERR_NOMEM);
    if (m->found.n == 0 || m->err.code != ERR_OK)
        return;
    h = (struct mask_hit *) (void *) m->found.p;
    n = settle(text, h, m->found.n / sizeof(*h));
    for (size_t i = 0; i < n; i++)
        m->counts[h[i].rule]++;
    mask_edit_string(&m->edit, m->json, raw, text, h, n, MASK_STYLE_SHOWN);
}

/* ---- values ---- */

static bool is_field(struct mask_json *m, struct span raw)
{
    return raw.n > 0 && raw.n <= MASK_NAME_MAX && mask_rules_field(m->rules, mask_json_text(m, raw));
}

/* A number that may be a card's: its digits are text. */
static void number(struct mask_json *m, struct span raw, struct mask_how how)
{
    struct mask_hits hits = { .n = 0 };
    struct err_info e;
    enum err code;

    if (how.whole) {
        m->counts[how.rule]++;
        mask_edit_number(&m->edit, m->json, raw);
        return;
    }
    if (!how.payload || raw.n < NUMBER_MIN)
        return;
    for (size_t i = 0; i < raw.n; i++)
        if (raw.p[i] < '0' || raw.p[i] > '9')
            return;
    code = mask_scan(m->scanner, m->rules, raw, NULL, &hits, &e);
    if (code != ERR_OK)
        fail(m, code);
    if (hits.n == 0)
        return;
    m->counts[hits.hits[0].rule]++;
    mask_edit_number(&m->edit, m->json, raw);
}

/* {"name": "authorization", "value": "…"}: the value's rule is the name's. */
static bool names_field(struct mask_json *m, struct json_value obj)
{
    struct json_value name;

    return (json_find(obj, "name", &name) || json_find(obj, "key", &name) || json_find(obj, "header", &name)) && name.type == JSON_STRING &&
           is_field(m, name.raw);
}

static bool data_of(struct json_value v)
{
    if (!json_raw_eq(v.key, "base64") || v.raw.n < BASE64_RUN)
        return false;
    for (size_t i = 0; i < v.raw.n; i++)
        if (!base64_char(v.raw.p[i]))
            return false;
    return true;
}

static void object(struct mask_json *m, struct json_value obj, struct mask_how how)
{
    const struct mask_how field = { how.payload, true, MASK_FIELD };
    bool named = !how.whole && names_field(m, obj);
    struct json_iter it = json_iter(obj);
    struct json_value v;

    while (json_next(&it, &v) && m->err.code == ERR_OK) {
        bool whole = !how.whole && (is_field(m, v.key) || (named && json_raw_eq(v.key, "value")));

        if (how.payload)
            mask_json_string(m, v.key, /* fields= */ false, /* headers= */ false);
        if (v.type == JSON_STRING && !whole && data_of(v))
            continue;
        mask_json_value(m, v, whole ? field : how);
    }
}

/* ["authorization", "…"] is a pair, too. */
static void array(struct mask_json *m, struct json_value arr, struct mask_how how)
{
    struct json_iter it = json_iter(arr);
    struct json_value v;
    bool field = false;

    for (size_t i = 0; json_next(&it, &v) && m->err.code == ERR_OK; i++) {
        mask_json_value(m, v, field && i == 1 ? (struct mask_how){ how.payload, true, MASK_FIELD } : how);
        field = i == 0 && !how.whole && how.payload && v.type == JSON_STRING && is_field(m, v.raw);
    }
}

/* As deep as json_limits_event lets it be: 128. */
void mask_json_value(struct mask_json *m, struct json_value v, struct mask_how how)
{
    if (m->err.code != ERR_OK)
        return;
    switch (v.type) {
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE: break;
    case JSON_NUMBER: number(m, v.raw, how); break;
    case JSON_STRING:
        if (how.whole)
            mask_json_whole(m, v.raw, how.rule);
        else
            mask_json_string(m, v.raw, /* fields= */ true, how.payload);
        break;
    case JSON_ARRAY: array(m, v, how); break;
    case JSON_OBJECT: object(m, v, how); break;
    }
}
