/* The examples of docs/formats/events.md, import.md and masks.md mean what the pages say. */
#include "test.h"
#include "tar.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"
#include "codec/importer.h"
#include "codec/mask.h"
#include "codec/tar_read.h"

/* The code block number n (from 0) after the line "## Example", without the last newline. */
static void block(const char *page, int n, struct buf *out)
{
    struct buf doc;
    const char *at, *end = NULL;

    test_read_file(test_source(page), &doc);
    at = strstr(buf_cstr(&doc), "\n## Example");
    for (int i = 0; i <= n; i++) {
        assert_non_null(at);
        at = strstr(at, "\n```\n");
        assert_non_null(at);
        end = strstr(at + 4, "\n```");
        assert_non_null(end);
        if (i < n)
            at = end + 4;
    }
    *out = BUF_INIT(65536);
    buf_add(out, at + 5, (size_t) (end - at - 5));
    buf_deinit(&doc);
}

struct got {
    struct buf lines;
    time_us seek[16];
    size_t n;
};

static enum err on_head(void *ctx, struct span json, struct err_info *reterr)
{
    struct got *g = ctx;

    (void) reterr;
    buf_add_span(&g->lines, json);
    return ERR_OK;
}

static enum err on_event(void *ctx, const struct importer_event *ev, struct err_info *reterr)
{
    struct got *g = ctx;

    (void) reterr;
    buf_add_c(&g->lines, '\n');
    buf_add_span(&g->lines, ev->json);
    if (g->n < 16)
        g->seek[g->n++] = ev->seek_us;
    return ERR_OK;
}

static void import(struct span in, struct got *g)
{
    struct importer_params p = importer_defaults();
    struct importer *imp;
    struct importer_result r;

    *g = (struct got){ .lines = BUF_INIT(1u << 20) };
    p.on_head = on_head;
    p.on_event = on_event;
    p.ctx = g;
    imp = importer_new(&p);
    assert_non_null(imp);
    (void) importer_feed(imp, in);
    if (importer_finish(imp, &r) != ERR_OK)
        fail_msg("line %llu: %s", (unsigned long long) importer_error(imp)->line, importer_error(imp)->cause);
    (void) importer_free(imp);
}

static void stored_events(void **state)
{
    (void) state;
    for (int i = 0; i < 4; i += 2) {
        struct buf file, want;
        struct got g;

        block("docs/formats/events.md", i, &file);
        block("docs/formats/events.md", i + 1, &want);
        import(buf_span(&file), &g);
        assert_span_eq(buf_span(&g.lines), buf_span(&want));
        if (i == 2)
            assert_true(g.n == 3 && g.seek[0] == 0 && g.seek[1] == 1500000 && g.seek[2] == 1500000);
        buf_deinit(&g.lines);
        buf_deinit(&file);
        buf_deinit(&want);
    }
}

static void a_sudo_log(void **state)
{
    static const char *const names[] = { "log", "timing", "ttyin", "ttyout" };
    struct buf files[4], want;

    (void) state;
    for (int i = 0; i < 4; i++)
        block("docs/formats/import.md", i, &files[i]);
    buf_add_c(&files[0], '\n');
    buf_add_c(&files[1], '\n');
    block("docs/formats/import.md", 4, &want);
    for (int order = 0; order < 24; order++) {
        struct buf tar = BUF_INIT(65536);
        int left[4] = { 0, 1, 2, 3 }, rest = order;
        struct got g;

        for (int n = 4; n > 0; n--) {
            int k = rest % n, i = left[k];

            rest /= n;
            left[k] = left[n - 1];
            tar_add_member(&tar, '0', names[i], buf_span(&files[i]));
        }
        import(buf_span(&tar), &g);
        assert_span_eq(buf_span(&g.lines), buf_span(&want));
        buf_deinit(&g.lines);
        buf_deinit(&tar);
    }
    for (int i = 0; i < 4; i++)
        buf_deinit(&files[i]);
    buf_deinit(&want);
}

static void masking_rules(void **state)
{
    struct buf doc, text = BUF_INIT(8192), bytes = BUF_INIT(4096), again = BUF_INIT(4096);
    struct mask_rules *r = NULL;
    size_t n = 0;

    (void) state;
    block("docs/formats/masks.md", 0, &doc);
    for (size_t i = 0; i < doc.n; i++)
        if (!isspace(doc.p[i]))
            buf_add_c(&text, (char) doc.p[i]);
    assert_true(hex_parse(buf_span(&text), buf_reserve(&bytes, 4096), 4096, &n));
    bytes.n = n;
    assert_ok(mask_init(NULL));
    assert_ok(mask_rules_decode(buf_span(&bytes), &r, NULL));
    assert_true(mask_rules_pattern(r, MASK_EMAIL) && mask_rules_pattern(r, MASK_CARD) && !mask_rules_pattern(r, MASK_SSN));
    assert_true(mask_rules_reveal(r) == MASK_KEEP && mask_rules_typed(r) == MASK_TYPED_ALL);
    assert_true(mask_rules_text_all(r) && !mask_rules_inputs_all(r));
    assert_true(mask_rules_hash(r).p[31] == 31);
    mask_rules_encode(r, &again);
    assert_span_eq(buf_span(&again), buf_span(&bytes));
    (void) mask_rules_unref(r);
    for (size_t cut = 0; cut < bytes.n; cut++)
        assert_err(mask_rules_decode(span_sub(buf_span(&bytes), 0, cut), &r, NULL), ERR_CORRUPT);
    buf_deinit(&doc);
    buf_deinit(&text);
    buf_deinit(&bytes);
    buf_deinit(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stored_events),
        cmocka_unit_test(a_sudo_log),
        cmocka_unit_test(masking_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
