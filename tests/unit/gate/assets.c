#include "test.h"

#include "gate/assets.h"

static void sorted_and_whole(void **state)
{
    (void) state;
    for (int site = 0; site < ASSET_SITE_N_; site++) {
        size_t n;
        const struct asset *all = asset_all((enum asset_site) site, &n);

        for (size_t i = 0; i < n; i++) {
            if (i > 0)
                assert_true(strcmp(all[i - 1].path, all[i].path) < 0);
            assert_ptr_equal(asset_find((enum asset_site) site, span_str(all[i].path)), &all[i]);
            assert_true(all[i].bytes.n > 0);
            assert_true(all[i].gz.n < all[i].bytes.n);
            assert_int_equal(all[i].etag[0], '"');
            assert_int_equal(all[i].immutable, strncmp(all[i].path, "/assets/", 8) == 0);
        }
    }
}

static void pages_and_what_is_none(void **state)
{
    static const struct {
        enum asset_site site;
        const char *path;
        const char *gives; /* NULL: nothing */
    } cases[] = {
        { ASSET_APP, "/", "/" },
        { ASSET_APP, "/recorder.js", "/recorder.js" },
        { ASSET_APP, "/recordings/r_0123456789abcdef", "/" },
        { ASSET_APP, "/watch/r_0123456789abcdef", "/" },
        { ASSET_APP, "/problems/key-expired", "/" },
        { ASSET_APP, "/v1/nothing", NULL },
        { ASSET_APP, "/.well-known/nothing", NULL },
        { ASSET_APP, "/assets/nothing", NULL },
        { ASSET_APP, "/favicon.ico", NULL },
        { ASSET_APP, "/dom", "/" },
        { ASSET_APP, "", NULL },
        { ASSET_APP, "x", NULL },
        { ASSET_SHOP, "/", "/" },
        { ASSET_SHOP, "/record.js", "/record.js" },
        { ASSET_SHOP, "/recordings", NULL },
        { ASSET_PLAYER, "/dom", "/dom" },
        { ASSET_PLAYER, "/terminal", "/terminal" },
        { ASSET_PLAYER, "/", NULL },
        { ASSET_PLAYER, "/recordings", NULL },
        { ASSET_PLAYER, "/dom/", NULL },
        { ASSET_PLAYER, "/do", NULL },
        { ASSET_PLAYER, "/domx", NULL },
    };
    size_t n;

    (void) state;
    if (asset_all(ASSET_APP, &n), n == 0)
        skip(); /* built without the web app */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct asset *a = asset_find(cases[i].site, span_str(cases[i].path));

        if (cases[i].gives == NULL ? a != NULL : a == NULL || strcmp(a->path, cases[i].gives) != 0)
            fail_msg("%s gave %s, not %s", cases[i].path, a == NULL ? "nothing" : a->path,
                     cases[i].gives == NULL ? "nothing" : cases[i].gives);
    }
}

/* The policy of the app allows no inline script or style, so a document that has one would not work. */
static void documents_have_nothing_inline(void **state)
{
    (void) state;
    for (int site = 0; site < ASSET_SITE_N_; site++) {
        size_t n;
        const struct asset *all = asset_all((enum asset_site) site, &n);

        for (size_t i = 0; i < n; i++) {
            if (!all[i].page)
                continue;
            assert_null(memmem(all[i].bytes.p, all[i].bytes.n, "<style", 6));
            assert_null(memmem(all[i].bytes.p, all[i].bytes.n, " style=", 7));
            assert_null(memmem(all[i].bytes.p, all[i].bytes.n, "<script>", 8));
            assert_null(memmem(all[i].bytes.p, all[i].bytes.n, "javascript:", 11));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorted_and_whole),
        cmocka_unit_test(pages_and_what_is_none),
        cmocka_unit_test(documents_have_nothing_inline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
