/* Forms with a file: as asciinema sends them, cut into pieces of every size, with other parts around, and broken. */
#include <stdlib.h>
#include <time.h>

#include "codec/multipart.h"
#include "test.h"

#define PART  "--b\r\ncontent-disposition: form-data; name=\"asciicast\"; filename=\"a\"\r\ncontent-type: x/y\r\n\r\n"
#define OTHER "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nnot this\r\n"

static enum err sink(void *ctx, struct span bytes)
{
    struct buf *to = ctx;

    buf_add_span(to, bytes);
    return ERR_OK;
}

static enum err run(const char *type, struct span body, size_t step, struct buf *out)
{
    struct err_info why = { 0 };
    struct multipart m;
    enum err e = multipart_init(&m, span_str(type), "asciicast", &why);

    for (size_t at = 0; e == ERR_OK && at < body.n; at += step) {
        struct span s = span_sub(body, at, step);
        uint8_t *copy = malloc(s.n); /* exactly as long as it may be read */

        memcpy(copy, s.p, s.n);
        e = multipart_feed(&m, span_of(copy, s.n), sink, out, &why);
        free(copy);
    }
    if (e == ERR_OK)
        e = multipart_finish(&m, &why);
    multipart_deinit(&m);
    return e;
}

static void forms(void **state)
{
    static const struct {
        const char *type, *body, *file; /* file NULL: refused with */
        enum err code;
    } cases[] = {
        { "multipart/form-data; boundary=b", PART "one\r\ntwo\r\n--b--\r\n", "one\r\ntwo", ERR_OK },
        { "Multipart/Form-Data; charset=utf-8; Boundary=\"b\"", PART "x\r\n--b--", "x", ERR_OK },
        { "multipart/form-data; boundary=b", PART "\r\n--b--\r\n", "", ERR_OK },
        { "multipart/form-data; boundary=b", "before\r\n" OTHER PART "\r\n--c\r\n-\r\n--\r\n--b\r\n\r\nno headers\r\n--b--after", "\r\n--c\r\n-\r\n--", ERR_OK },
        { "multipart/form-data; boundary=b", OTHER PART "first\r\n" PART "second\r\n--b--", "first", ERR_OK },
        { "multipart/form-data; boundary=b", OTHER "--b--", NULL, ERR_INVAL },
        { "multipart/form-data; boundary=b", PART "one", NULL, ERR_CORRUPT },
        { "multipart/form-data; boundary=b", PART "one\r\n--b", NULL, ERR_CORRUPT },
        { "multipart/form-data; boundary=b", PART "one\r\n--bx", NULL, ERR_CORRUPT },
        { "multipart/form-data; boundary=b", "", NULL, ERR_CORRUPT },
        { "multipart/form-data; boundary=", "", NULL, ERR_INVAL },
        { "multipart/form-data; boundary=a\"b", "", NULL, ERR_INVAL },
        { "multipart/form-data; boundary=12345678901234567890123456789012345678901234567890123456789012345678901", "", NULL, ERR_INVAL },
        { "multipart/form-data", "", NULL, ERR_INVAL },
        { "multipart/mixed; boundary=b", PART "x\r\n--b--", NULL, ERR_UNSUPPORTED },
        { "application/json", "{}", NULL, ERR_UNSUPPORTED },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t step = 1; step < 200; step += step < 20 ? 1 : 37) {
            struct buf out = BUF_INIT(4096);
            enum err e = run(cases[i].type, span_str(cases[i].body), step, &out);

            if (e != cases[i].code)
                fail_msg("case %zu by %zu: %s", i, step, err_name(e));
            if (cases[i].file != NULL)
                assert_span_str(buf_span(&out), cases[i].file);
            buf_deinit(&out);
        }
    }
}

/* A part's headers without an end take no more memory than they may. */
static void endless_headers(void **state)
{
    struct buf body = BUF_INIT(1 << 20), out = BUF_INIT(16);

    (void) state;
    buf_add_str(&body, "--b\r\n");
    for (int i = 0; i < 2000; i++)
        buf_add_str(&body, "x: yyyy\r\n");
    assert_int_equal(run("multipart/form-data; boundary=b", buf_span(&body), 100, &out), ERR_CORRUPT);
    buf_deinit(&body);
    buf_deinit(&out);
}

/* As many parts as fit: each costs what it is long, not what is behind it. */
static void many_parts(void **state)
{
    struct buf body = BUF_INIT(4 << 20), out = BUF_INIT(64);
    clock_t before;

    (void) state;
    while (body.n < (4u << 20) - 400)
        buf_add_str(&body, "--b\r\n\r\n\r\n\r\n");
    buf_add_str(&body, PART "x\r\n--b--");
    before = clock();
    assert_ok(run("multipart/form-data; boundary=b", buf_span(&body), body.n, &out));
    assert_true(clock() - before < 2 * CLOCKS_PER_SEC);
    assert_span_str(buf_span(&out), "x");
    buf_deinit(&body);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(forms), cmocka_unit_test(endless_headers), cmocka_unit_test(many_parts) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
