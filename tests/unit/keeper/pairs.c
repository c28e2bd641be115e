/* Two people within 15 minutes: which second call completes, which waits. */
#include "keeper/pairs.h"

#include <stdio.h>

#include "test.h"

#define AT 1000000

static void who_completes(void **state)
{
    static const struct {
        const char *name;
        const char *first, *second;   /* humans */
        const char *what1, *what2;
        int64_t later; /* ms between them */
        bool done;
    } cases[] = {
        { "another human at once", "h_a", "h_b", "freeze-lift *", "freeze-lift *", 0, true },
        { "one ms before the end", "h_a", "h_b", "x", "x", PAIR_MS - 1, true },
        { "at the end", "h_a", "h_b", "x", "x", PAIR_MS, false },
        { "after the end", "h_a", "h_b", "x", "x", PAIR_MS + 1, false },
        { "the same human", "h_a", "h_a", "x", "x", 5, false },
        { "another act", "h_a", "h_b", "freeze-lift *", "freeze-lift p_1", 5, false },
        { "a boot clock that went back", "h_a", "h_b", "x", "x", -1, false },
        { "an act without a name", "h_a", "h_b", "", "", 0, false },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pairs p = { 0 };
        const struct pair_waiting *w;

        pairs_wait(&p, span_str(cases[i].what1), span_str(cases[i].first), SPAN("u_1"), AT);
        w = pairs_other(&p, span_str(cases[i].what2), span_str(cases[i].second), AT + cases[i].later);
        if ((w != NULL) != cases[i].done)
            fail_msg("%s: %s", cases[i].name, w != NULL ? "done" : "waits");
        if (w != NULL)
            assert_string_equal(w->account, "u_1");
    }
}

static void ends_and_renews(void **state)
{
    struct pairs p = { 0 };

    (void) state;
    pairs_wait(&p, SPAN("x"), SPAN("h_a"), SPAN("u_1"), AT);
    pairs_wait(&p, SPAN("x"), SPAN("h_a"), SPAN("u_1"), AT + PAIR_MS);
    assert_non_null(pairs_other(&p, SPAN("x"), SPAN("h_b"), AT + PAIR_MS + 5));
    pairs_end(&p, SPAN("y"));
    assert_non_null(pairs_other(&p, SPAN("x"), SPAN("h_b"), AT + PAIR_MS + 5));
    pairs_end(&p, SPAN("x"));
    assert_null(pairs_other(&p, SPAN("x"), SPAN("h_b"), AT + PAIR_MS + 5));
    /* The newest asker is who waits: the first may then be the second. */
    pairs_wait(&p, SPAN("x"), SPAN("h_a"), SPAN("u_1"), AT);
    pairs_wait(&p, SPAN("x"), SPAN("h_b"), SPAN("u_2"), AT + 1);
    assert_null(pairs_other(&p, SPAN("x"), SPAN("h_b"), AT + 2));
    assert_string_equal(pairs_other(&p, SPAN("x"), SPAN("h_a"), AT + 2)->account, "u_2");
}

/* One more than there is room for takes the oldest place, and no other. */
static void full(void **state)
{
    struct pairs p = { 0 };
    char what[16];

    (void) state;
    for (int i = 0; i <= PAIRS_MAX; i++) {
        (void) snprintf(what, sizeof(what), "act %d", i);
        pairs_wait(&p, span_str(what), SPAN("h_a"), SPAN("u_1"), AT + i);
    }
    assert_null(pairs_other(&p, SPAN("act 0"), SPAN("h_b"), AT + 50));
    for (int i = 1; i <= PAIRS_MAX; i++) {
        (void) snprintf(what, sizeof(what), "act %d", i);
        assert_non_null(pairs_other(&p, span_str(what), SPAN("h_b"), AT + 50));
    }
    /* What does not fit is not remembered in part. */
    char longer[PAIR_WHAT_MAX + 2];
    memset(longer, 'x', sizeof(longer));
    pairs_wait(&p, span_of(longer, PAIR_WHAT_MAX), SPAN("h_a"), SPAN("u_1"), AT + 60);
    assert_null(pairs_other(&p, span_of(longer, PAIR_WHAT_MAX), SPAN("h_b"), AT + 60));
    assert_null(pairs_other(&p, span_of(longer, PAIR_WHAT_MAX - 1), SPAN("h_b"), AT + 60));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_completes),
        cmocka_unit_test(ends_and_renews),
        cmocka_unit_test(full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
