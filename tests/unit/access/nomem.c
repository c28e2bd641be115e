/* Policies, requests and live grants when memory runs out at any allocation: an error, nothing lost, nothing leaked. */
#include "test.h"

#include "access/live.h"
#include "access/policy.h"
#include "access/request.h"
#include "nomem.h"

#define G1 "g_AAAAAAAAAAAAAAAA"
#define JTI SPAN("BXqH0cJLlQzHgCOqSMGAMA")

static void every(const char *name, nomem_work *work, void *ctx)
{
    unsigned n = 0;

    while (nomem_try(n, work, ctx))
        n++;
    print_message("%s: %u allocations\n", name, n);
    assert_true(n > 0);
}

/* Full, or without memory, it says so; what it had it keeps. */
static bool table_works(void *ctx)
{
    static const struct live_grant row = { .gid = G1, .state = GRANT_ACTIVE, .gen = 1, .wend = 10, .deadline = 10 };
    struct live t;
    bool put, deny;

    (void) ctx;
    live_init(&t, (const uint8_t *) "0123456789abcdef");
    put = live_put(&t, &row, NULL) == ERR_OK;
    assert_int_equal(live_find(&t, SPAN(G1)) != NULL, put);
    deny = live_deny(&t, JTI, 1000, 4411) == ERR_OK;
    assert_int_equal(live_denied_find(&t, JTI) != NULL, deny);
    live_deinit(&t);
    return put && deny;
}

static void live(void **state)
{
    struct live t;
    static const struct live_grant row = { .gid = G1, .state = GRANT_ACTIVE, .gen = 1 };

    (void) state;
    every("live", table_works, NULL);
    /* The limit, without 200,000 rows: the map knows it. */
    live_init(&t, (const uint8_t *) "0123456789abcdef");
    t.grants.max = t.denied.max = 0;
    assert_err(live_put(&t, &row, NULL), ERR_NOMEM);
    assert_err(live_deny(&t, JTI, 1000, 4411), ERR_NOMEM);
    assert_null(live_find(&t, SPAN(G1)));
    live_deinit(&t);
}

static void add_body(struct buf *tree)
{
    size_t body = tree_begin(tree, SPAN_EMPTY, TREE_OBJ), list = tree_begin(tree, SPAN("recordings"), TREE_ARR);

    tree_add_str(tree, SPAN_EMPTY, SPAN("r_2Dz2Sr-SnSlnd8aT"));
    tree_end(tree, list);
    list = tree_begin(tree, SPAN("viewers"), TREE_ARR);
    for (int i = 0; i < 2; i++)
        tree_add_str(tree, SPAN_EMPTY, i == 0 ? SPAN("anna") : SPAN("ben"));
    tree_end(tree, list);
    tree_end(tree, body);
}

static bool request_works(void *ctx)
{
    const struct buf *tree = ctx;
    const uint8_t salt[REQUEST_SALT_LEN] = { 1 };
    struct request req = { 0 };
    struct request_facts f = { SPAN("q_1"), salt, SPAN("u_1"), SPAN("p_1"), SPAN("prod"), SPAN("hash"), &req };
    struct field_errors errs;
    char digest[REQUEST_DIGEST_LEN + 1];
    struct arena arena;
    enum err e = ERR_NOMEM;

    arena_init(&arena, 1 << 16);
    if (request_parse(tree_root(buf_span(tree)), REQUEST_TO_CHECK, SPAN("u_1"), 0, &arena, &req, &errs) == REQUEST_OK)
        e = request_digest(&f, digest, NULL);
    else
        assert_int_equal(errs.n, 0); /* not a mistake of the body */
    assert_true(e == ERR_OK || e == ERR_NOMEM || e == ERR_LIMIT); /* LIMIT: a buffer could not grow */
    assert_true(e != ERR_OK || strlen(digest) == REQUEST_DIGEST_LEN);
    arena_deinit(&arena);
    return e == ERR_OK;
}

/* The lists take the arena's first block; an arena that is too small for the second list says so, too. */
static void requests(void **state)
{
    struct buf tree = BUF_INIT(1 << 16);
    struct request req;
    struct field_errors errs;
    struct arena arena;
    size_t max = 0;

    (void) state;
    add_body(&tree);
    every("request", request_works, &tree);
    for (enum request_verdict v = REQUEST_INVALID; v != REQUEST_OK; max += 16) {
        arena_init(&arena, max);
        v = request_parse(tree_root(buf_span(&tree)), REQUEST_TO_CHECK, SPAN("u_1"), 0, &arena, &req, &errs);
        assert_int_equal(v == REQUEST_OK, errs.seen == 0);
        assert_int_equal(errs.n, 0);
        arena_deinit(&arena);
    }
    assert_true(max > 32);
    buf_deinit(&tree);
}

static bool policy_works(void *ctx)
{
    const struct buf *tree = ctx;
    const struct policy *p;
    uint8_t hash[POLICY_HASH_LEN];
    struct arena arena;
    enum err e;

    arena_init(&arena, POLICY_ARENA_MAX);
    e = policy_load(tree_root(buf_span(tree)), NULL, &arena, &p, NULL);
    if (e == ERR_OK)
        e = policy_hash(p, hash, NULL);
    assert_true(e == ERR_OK || e == ERR_NOMEM || e == ERR_LIMIT);
    arena_deinit(&arena);
    return e == ERR_OK;
}

static void policies(void **state)
{
    static const char text[] = "purpose \"a\" {} rule \"r\" { actions = { play } purposes = { a } hours = \"07:00-20:00 UTC\" network = "
                               "\"10.0.0.0/8\" ask { group \"g\" { min = 1 } } }\n"
                               "test \"t\" { as = { \"group:g\" } wants = { play } purpose = a expect = ask }";
    struct confuse_source source = { .name = "policy", .text = SPAN(text), .max_bytes = POLICY_TEXT_MAX };
    struct buf tree = BUF_INIT(1 << 20);
    struct err_info e;

    (void) state;
    assert_ok_err(confuse_load(&source, policy_schema, &tree, &e), &e);
    every("policy", policy_works, &tree);
    buf_deinit(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live),
        cmocka_unit_test(requests),
        cmocka_unit_test(policies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
