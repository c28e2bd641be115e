/* The scrub: in steps, and without memory: then it says so, and takes no sound record for a damaged one. */
#include "log.h"

#include "nomem.h"

static struct fixture f;
static struct note_vkey key;

static int make_log(void **state)
{
    (void) state;
    assert_ok(secret_init(64, 64, NULL));
    fixture_init(&f);
    begin(&f);
    create_log(&f, PROJECT, 5);
    for (int i = 1; i < 300; i++)
        append_lease(&f, PROJECT, i);
    commit(&f);
    (void) sign_due(&f, 9);
    key = vkey_of(&f, PROJECT);
    return 0;
}

static int drop_log(void **state)
{
    (void) state;
    fixture_deinit(&f);
    return 0;
}

static void in_steps(void **state)
{
    static const struct {
        size_t rows;
        unsigned steps;
    } cases[] = { { 100, 4 /* the last finds nothing */ }, { 299, 2 }, { 300, 2 }, { 301, 1 }, { 1, 301 } };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CLEANUP(audit_scrub_freep) struct audit_scrub *s = audit_scrub_new(SPAN(PROJECT), &key);
        struct audit_result r;
        unsigned steps = 0;

        assert_non_null(s);
        for (bool more = true; more; steps++)
            assert_ok(audit_scrub_step(s, meta_view(f.m), cases[i].rows, &more, NULL));
        assert_int_equal(steps, cases[i].steps);
        audit_scrub_end(s, &r);
        assert_int_equal(r.verdict, AUDIT_GOOD);
        assert_int_equal(r.n_leaves, 300);
    }
}

static void a_name_too_long(void **state)
{
    struct audit_result r;
    char name[LOG_ID_CAP];

    (void) state;
    memset(name, 'x', sizeof(name));
    assert_null(audit_scrub_new(span_of(name, sizeof(name)), &key));
    assert_null(audit_scrub_free(NULL));
    assert_err(audit_check(meta_view(f.m), span_of(name, sizeof(name)), &key, &r, NULL), ERR_NOMEM);
}

static void without_memory(void **state)
{
    unsigned n = 0;

    (void) state;
    for (bool more = true; more; n++) {
        struct audit_result r;
        enum err e;

        nomem_after(n);
        e = audit_check(meta_view(f.m), SPAN(PROJECT), &key, &r, NULL);
        more = nomem_off() > n;
        if (e == ERR_OK && r.verdict != AUDIT_GOOD)
            fail_msg("allocation %u: %s", n, r.text);
        assert_int_equal(e == ERR_OK, !more);
    }
    assert_true(n > 300);
}

/* One record in each step: a fault ends it, also when no step is left over. */
static void a_fault_ends_it(void **state)
{
    CLEANUP(audit_scrub_freep) struct audit_scrub *s = audit_scrub_new(SPAN(PROJECT), &key);
    struct audit_result r;
    bool more = true;

    (void) state;
    forge(&f, "UPDATE audit_node SET hash=zeroblob(32)");
    assert_ok(audit_scrub_step(s, meta_view(f.m), 256, &more, NULL));
    assert_false(more);
    audit_scrub_end(s, &r);
    assert_int_equal(r.verdict, AUDIT_LEAF_HASH);
    assert_int_equal(r.at, 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_steps), cmocka_unit_test(a_name_too_long), cmocka_unit_test(without_memory),
        cmocka_unit_test(a_fault_ends_it),
    };

    return cmocka_run_group_tests(tests, make_log, drop_log);
}
