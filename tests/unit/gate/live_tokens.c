/* Ingest tokens as pushed: full lists, changes, what an answer of the keeper teaches. */
#include "test.h"

#include "gate/live_tokens.h"

static struct live_tokens t;
static const uint8_t a[32] = { 1 }, b[32] = { 2 }, c[32] = { 3 };

static struct ipc_row_ingest_token row(const uint8_t *sha256, const char *tid, bool live)
{
    return (struct ipc_row_ingest_token){ .sha256 = span_of(sha256, 32), .tid = span_str(tid), .pid = SPAN("p_AAAAAAAAAAAAAAAA"), .live = live };
}

static enum err push(bool full, struct ipc_row_ingest_token *rows, uint32_t n)
{
    struct ipc_ingest_tokens m = { .full = full };

    m.rows.rows = rows;
    m.rows.n = n;
    return live_tokens_put(&t, &m);
}

static int begin(void **state)
{
    static const uint8_t secret[16];

    (void) state;
    assert_ok(live_tokens_init(&t, secret, NULL));
    return 0;
}

static int end(void **state)
{
    (void) state;
    live_tokens_deinit(&t);
    return 0;
}

static void life(void **state)
{
    struct ipc_row_ingest_token both[2] = { row(a, "t_AAAAAAAAAAAAAAAA", true), row(b, "t_BBBBBBBBBBBBBBBB", true) };
    struct ipc_row_ingest_token over = row(a, "t_AAAAAAAAAAAAAAAA", false), third = row(c, "t_CCCCCCCCCCCCCCCC", true);
    struct live_token got;

    (void) state;
    assert_int_equal(live_tokens_find(&t, TOKEN_INGEST, a, &got), LIVE_TOKEN_UNSURE); /* no list yet: it may exist */
    assert_ok(push(true, both, 2));
    assert_int_equal(live_tokens_find(&t, TOKEN_INGEST, a, &got), LIVE_TOKEN_OK);
    assert_string_equal(got.tid, "t_AAAAAAAAAAAAAAAA");
    assert_string_equal(got.pid, "p_AAAAAAAAAAAAAAAA");
    assert_int_equal(live_tokens_find(&t, TOKEN_INGEST, c, &got), LIVE_TOKEN_UNKNOWN);
    assert_ok(push(false, &third, 1));
    assert_int_equal(live_tokens_find(&t, TOKEN_INGEST, c, &got), LIVE_TOKEN_OK);
    assert_ok(push(false, &over, 1));
    assert_int_equal(live_tokens_find(&t, TOKEN_INGEST, a, &got), LIVE_TOKEN_OVER);
    assert_int_equal(live_tokens_find(&t, TOKEN_INGEST, b, &got), LIVE_TOKEN_OK);
    assert_ok(push(true, &both[1], 1)); /* what a full list does not name is forgotten */
    assert_int_equal(live_tokens_find(&t, TOKEN_INGEST, a, &got), LIVE_TOKEN_UNKNOWN);
    assert_int_equal(live_tokens_find(&t, TOKEN_INGEST, b, &got), LIVE_TOKEN_OK);
    assert_int_equal(live_tokens_find(&t, TOKEN_INGEST, c, &got), LIVE_TOKEN_UNKNOWN);
}

/* The answer to a question may be older than a push that came meanwhile. */
static void learning(void **state)
{
    struct ipc_row_ingest_token over = row(a, "t_AAAAAAAAAAAAAAAA", false);
    struct live_token got;

    (void) state;
    live_tokens_learn(&t, b, SPAN("t_BBBBBBBBBBBBBBBB"), SPAN("p_AAAAAAAAAAAAAAAA"));
    assert_int_equal(live_tokens_find(&t, TOKEN_INGEST, b, &got), LIVE_TOKEN_OK);
    assert_ok(push(false, &over, 1));
    live_tokens_learn(&t, a, SPAN("t_AAAAAAAAAAAAAAAA"), SPAN("p_AAAAAAAAAAAAAAAA"));
    assert_int_equal(live_tokens_find(&t, TOKEN_INGEST, a, &got), LIVE_TOKEN_OVER);
}

static void rows_that_are_none(void **state)
{
    struct ipc_row_ingest_token bad = row(a, "t_AAAAAAAAAAAAAAAA", true);
    struct live_token got;

    (void) state;
    bad.sha256.n = 31;
    assert_int_equal(push(true, &bad, 1), ERR_LIMIT);
    bad = row(a, "t_AAAAAAAAAAAAAAAAAAAAAAAAAA", true);
    assert_int_equal(push(true, &bad, 1), ERR_LIMIT);
    assert_int_equal(live_tokens_find(&t, TOKEN_INGEST, a, &got), LIVE_TOKEN_UNKNOWN);
}

static enum err push_origins(bool full, struct ipc_row_origins *rows, uint32_t n)
{
    struct ipc_ingest_tokens m = { .full = full };

    m.origins.rows = rows;
    m.origins.n = n;
    return live_tokens_put(&t, &m);
}

static bool may(const char *pid, const char *origin)
{
    return live_tokens_origin(&t, span_str(pid), span_str(origin));
}

static void origins(void **state)
{
    struct ipc_row_origins both[2] = {
        { SPAN("p_AAAAAAAAAAAAAAAA"), SPAN("https://a.example.org https://*.shop.example.org http://localhost:8080") },
        { SPAN("p_BBBBBBBBBBBBBBBB"), SPAN("https://a.example.org https://b.example.org") },
    };
    struct ipc_row_origins less = { SPAN("p_AAAAAAAAAAAAAAAA"), SPAN("https://c.example.org") }, none = { SPAN("p_BBBBBBBBBBBBBBBB"), SPAN_EMPTY };
    char longest[400] = "https://";

    (void) state;
    assert_false(may("", "https://a.example.org"));
    assert_ok(push_origins(true, both, 2));
    assert_true(may("p_AAAAAAAAAAAAAAAA", "https://a.example.org"));
    assert_true(may("p_BBBBBBBBBBBBBBBB", "https://b.example.org"));
    assert_false(may("p_AAAAAAAAAAAAAAAA", "https://b.example.org"));
    assert_true(may("", "https://b.example.org"));
    assert_false(may("p_CCCCCCCCCCCCCCCC", "https://a.example.org"));
    /* as browsers send it, byte for byte */
    assert_false(may("p_AAAAAAAAAAAAAAAA", "http://a.example.org"));
    assert_false(may("p_AAAAAAAAAAAAAAAA", "https://a.example.org:8443"));
    assert_false(may("p_AAAAAAAAAAAAAAAA", "https://a.example.org.evil.net"));
    assert_false(may("p_AAAAAAAAAAAAAAAA", "https://a.example.or"));
    assert_false(may("p_AAAAAAAAAAAAAAAA", "https://a.example.org https://b.example.org"));
    assert_false(may("p_AAAAAAAAAAAAAAAA", ""));
    assert_false(may("p_AAAAAAAAAAAAAAAA", "null"));
    assert_true(may("p_AAAAAAAAAAAAAAAA", "http://localhost:8080"));
    /* a star stands for any labels in front, never for none */
    assert_true(may("p_AAAAAAAAAAAAAAAA", "https://eu.shop.example.org"));
    assert_true(may("p_AAAAAAAAAAAAAAAA", "https://a.b.shop.example.org"));
    assert_true(may("", "https://a.b.shop.example.org"));
    assert_false(may("p_AAAAAAAAAAAAAAAA", "https://shop.example.org"));
    assert_false(may("p_AAAAAAAAAAAAAAAA", "https://.shop.example.org"));
    assert_false(may("p_AAAAAAAAAAAAAAAA", "https://eu.shop.example.org:8443"));
    assert_false(may("p_AAAAAAAAAAAAAAAA", "http://eu.shop.example.org"));
    assert_false(may("p_AAAAAAAAAAAAAAAA", "https://evilshop.example.org"));
    memset(longest + 8, '.', sizeof(longest) - 9);
    assert_false(may("", longest));
    /* one project less names it: the other still does */
    assert_ok(push_origins(false, &less, 1));
    assert_false(may("p_AAAAAAAAAAAAAAAA", "https://a.example.org"));
    assert_true(may("p_AAAAAAAAAAAAAAAA", "https://c.example.org"));
    assert_true(may("", "https://a.example.org"));
    assert_false(may("", "https://eu.shop.example.org"));
    assert_ok(push_origins(false, &none, 1));
    assert_false(may("", "https://a.example.org"));
    assert_false(may("p_BBBBBBBBBBBBBBBB", "https://b.example.org"));
    /* a full list forgets */
    assert_ok(push_origins(true, NULL, 0));
    assert_false(may("", "https://c.example.org"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(life, begin, end),
        cmocka_unit_test_setup_teardown(learning, begin, end),
        cmocka_unit_test_setup_teardown(origins, begin, end),
        cmocka_unit_test_setup_teardown(rows_that_are_none, begin, end),
    };

    return cmocka_run_group_tests_name("gate live tokens", tests, NULL, NULL);
}
