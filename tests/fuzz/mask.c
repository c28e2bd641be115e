/*
 * Masking rules and texts: whatever the rules say, they compile or name a line, and come over the wire as they are. Whatever the text is, hits are in
 * order and apart, the same text masked holds nothing of them any more, a scan of the text as JSON misses none, and what may go on is never far back.
 * Input: rules, NUL, text; without a NUL: text under the default rules.
 */
#include "codec/mask.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mask_scanner *scanner;

static struct mask_rules *over_the_wire(struct mask_rules *r)
{
    struct buf bytes = BUF_INIT(MASK_BYTES_MAX), again = BUF_INIT(MASK_BYTES_MAX);
    struct mask_rules *back = NULL;

    mask_rules_encode(r, &bytes);
    if (!bytes.failed) {
        if (mask_rules_decode(buf_span(&bytes), &back, NULL) != ERR_OK)
            abort();
        mask_rules_encode(back, &again);
        if (again.n != bytes.n || mask_rules_n(back) != mask_rules_n(r) || mask_rules_min(back) != mask_rules_min(r))
            abort();
    }
    buf_deinit(&bytes);
    buf_deinit(&again);
    (void) mask_rules_unref(r);
    return back;
}

static struct mask_rules *rules_of(struct span text)
{
    struct mask_rules *r;
    struct err_info e = { 0 };

    if (mask_rules_load(text, &r, &e) == ERR_OK)
        return over_the_wire(r);
    if (memcmp(e.text, "masks:", 6) != 0 && e.code != ERR_NOMEM)
        abort();
    return NULL;
}

static void as_json(struct span text, struct buf *out)
{
    buf_add_str(out, "[\"");
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];

        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t')
            buf_addf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (c < 0x20)
            buf_addf(out, "\\u%04x", c);
        else
            buf_u8(out, c);
    }
    buf_add_str(out, "\"]");
}

static void check_hits(const struct mask_rules *r, struct span text, const struct mask_hits *h)
{
    struct buf json = BUF_INIT(1u << 20);

    for (size_t i = 0; i < h->n; i++) {
        const struct mask_hit *x = &h->hits[i];

        if (x->from >= x->to || x->to > text.n || x->rule >= mask_rules_n(r) || (i > 0 && x->from < h->hits[i - 1].to))
            abort();
    }
    if (h->n > 0) {
        as_json(text, &json);
        if (!mask_scan_raw(scanner, r, buf_span(&json)))
            abort();
    }
    buf_deinit(&json);
}

static void try_text(const struct mask_rules *r, struct span text)
{
    uint64_t counts[MASK_RULES_MAX] = { 0 };
    struct buf out = BUF_INIT(1u << 22);
    struct mask_hits h;
    bool any = false, key = text.n % 2 == 1;
    size_t open = mask_scan_open(r, text);

    if (open > text.n || text.n - open > MASK_REACH)
        abort();
    if (mask_scan_live(scanner, r, text) > text.n)
        abort();
    if (mask_text(scanner, r, text, &out, counts, &any, NULL) != ERR_OK || mask_scan(scanner, r, text, &key, &h, NULL) != ERR_OK ||
        mask_scan(scanner, r, text, NULL, &h, NULL) != ERR_OK || any != (h.n > 0))
        abort();
    check_hits(r, text, &h);
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span first, rest;
    struct mask_rules *r, *junk;

    if (scanner == NULL && mask_scanner_new(&scanner, NULL) != ERR_OK)
        abort();
    if (size > 65536)
        return 0;
    if (!span_cut(span_of(data, size), '\0', &first, &rest)) {
        try_text(mask_rules_default(), first);
        return 0;
    }
    r = rules_of(first);
    if (r != NULL)
        try_text(r, rest);
    (void) mask_rules_unref(r);
    if (mask_rules_decode(rest, &junk, NULL) == ERR_OK)
        (void) mask_rules_unref(junk);
    return 0;
}
