/* Lists and searches among many: what a page costs, words as people type them, many values of one tag. */
#include "db.h"

#include "meta/sqlite/db.h"

#define FEW  1000
#define MANY 8000

static const char *const verbs[] = { "Checkout", "Login", "Search", "Refund" };

static void add_some(struct fixture *f, struct span project, uint32_t from, uint32_t to)
{
    assert_ok(meta_begin(f->m, NULL));
    for (uint32_t i = from; i < to; i++) {
        struct meta_recording r = recording(f, project, i);
        const struct meta_pair tags[] = { { SPAN("release"), test_text(f, "2026.", i % 50) },
                                          { SPAN("browser"), i % 3 == 0 ? SPAN("firefox") : SPAN("chromium") } };
        const struct meta_pair link = { SPAN("error"), test_text(f, "ERR-", i / 5) };
        char title[80];

        (void) snprintf(title, sizeof(title), "%s is slow for order %u", verbs[i % 4], i);
        r.title = span_str(title);
        r.state = SPAN("complete");
        r.kind = i % 2 == 0 ? SPAN("rrweb") : SPAN("terminal");
        assert_ok_err(meta_recording_add(f->m, &r, tags, 2, &link, 1, &f->e), &f->e);
        if (i % 1000 == 999) {
            assert_ok(meta_commit(f->m, NULL));
            assert_ok(meta_begin(f->m, NULL));
        }
    }
    assert_ok(meta_commit(f->m, NULL));
}

/* Pages of the database that were looked at. */
static int64_t looked_at(struct fixture *f)
{
    int64_t n = 0;

    for (int i = 0; i < 2; i++) {
        int now = 0, most = 0;

        (void) sqlite3_db_status(meta_view(f->m)->h, i == 0 ? SQLITE_DBSTATUS_CACHE_HIT : SQLITE_DBSTATUS_CACHE_MISS, &now,
                                 &most, 1);
        n += now;
    }
    return n;
}

struct question {
    const char *name;
    struct meta_recording_filter f;
    int64_t deep; /* the page after this seq; 0: the first */
};

static int64_t cost(struct fixture *f, const struct question *q, struct span *project, size_t *ret_n)
{
    struct meta_recording_filter filter = q->f;
    struct meta_page page = { .limit = 20, .after = { filter.before_ms != 0 ? filter.before_ms : 0, q->deep } };
    struct meta_recording_list l;
    struct meta_pos next;
    struct arena a;

    filter.projects = project;
    filter.n_projects = 1;
    arena_init(&a, 8u << 20);
    (void) looked_at(f);
    assert_ok_err(meta_recordings(meta_view(f->m), &filter, &page, &a, &l, &next, &f->e), &f->e);
    *ret_n = l.n;
    arena_deinit(&a);
    return looked_at(f);
}

static void a_page_costs_the_same_among_more(void **state)
{
    static const struct question questions[] = {
        { "newest", { .n_projects = 1 }, 0 },
        { "deep", { .n_projects = 1 }, 300 },
        { "kind", { .kind = SPAN("terminal") }, 0 },
        { "kind and tag", { .kind = SPAN("terminal"), .tag = { SPAN("browser"), SPAN("firefox"), false, 0 } }, 0 },
        { "tag", { .tag = { SPAN("release"), SPAN("2026.7"), false, 0 } }, 0 },
        { "tag of any value", { .tag = { SPAN("browser"), SPAN(""), false, 0 } }, 0 },
        { "link", { .link = { SPAN("error"), SPAN("ERR-12"), false, 0 } }, 0 },
        { "subject", { .subject = SPAN("subject-2") }, 0 },
        { "time", { .before_ms = 1000000 + 400 * 1000 }, 400 },
        { "time and kind", { .before_ms = 1000000 + 400 * 1000, .kind = SPAN("terminal") }, 400 },
        { "a word in all", { .q = SPAN("order") }, 0 },
        { "a word in all, deep", { .q = SPAN("order") }, 300 },
        { "the beginning of a word in all", { .q = SPAN("ord") }, 0 },
        { "a word in every fourth", { .q = SPAN("checkout") }, 0 },
        { "two words", { .q = SPAN("slow refund") }, 0 },
        { "a rare word and a frequent one", { .q = SPAN("ERR-12 order") }, 0 },
        { "word, kind, tag", { .q = SPAN("slow"), .kind = SPAN("terminal"), .tag = { SPAN("browser"), SPAN("firefox"), false, 0 } }, 0 },
        { "two words that never meet", { .q = SPAN("refund login"), .work = 200 }, 0 },
    };
    enum { N = sizeof(questions) / sizeof(questions[0]) };
    struct fixture f;
    struct span project;
    int64_t before[N];
    size_t n;

    (void) state;
    fixture_init(&f);
    assert_ok(meta_begin(f.m, NULL));
    project = add_project(&f, 0);
    assert_ok(meta_commit(f.m, NULL));
    add_some(&f, project, 0, FEW);
    for (size_t i = 0; i < N; i++)
        before[i] = cost(&f, &questions[i], &project, &n);
    add_some(&f, project, FEW, MANY);
    for (size_t i = 0; i < N; i++) {
        int64_t now = cost(&f, &questions[i], &project, &n);

        /* What looks into each list once and reads 20 rows. Trees are a little higher, lists of words lie in more pieces. */
        if (now > before[i] * 2 + 60)
            fail_msg("%s: %lld pages among %d, %lld among %d", questions[i].name, (long long) before[i], FEW, (long long) now, MANY);
        if (n == 0 && strcmp(questions[i].name, "two words that never meet") != 0)
            fail_msg("%s: nothing found", questions[i].name);
    }
    /* The word's list is far behind where five recordings have the link: their texts are asked, and two have it. */
    (void) cost(&f, &(struct question){ "", { .q = SPAN("checkout"), .link = { SPAN("error"), SPAN("ERR-12"), false, 0 } }, 0 }, &project, &n);
    assert_int_equal(n, 2);
    fixture_deinit(&f);
}

/* Words as they are typed, against one text. */
static void words_as_they_are_typed(void **state)
{
    static const struct {
        const char *title, *q;
        bool found;
    } cases[] = {
        { "Checkout fails", "fails check", true },
        { "Checkout fails", "checkouts", false },
        { "Trace 4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f3577b34da6a3ce929d0e0e4736", true },
        { "Trace 4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f3577b34d", true },   /* longer than any list of beginnings */
        { "Trace 4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f3577b3ff", false }, /* the list says yes, the text no */
        { "Trace 4bf92f3577b34da6a3ce929d0e0e4736", "4BF92F357", true },       /* between two lists */
        { "Trace 4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f358", false },
        { "Release 2026.7 of shop", "2026.7", true },
        { "Release 2026.17, ticket 7", "2026.7", false },                      /* both words, not next to each other */
        { "7 of 2026.1", "2026.7", false },
        { "one one two", "one-two", true },                                    /* the phrase begins at the second */
        { "two one", "one-two", false },
        { "Überprüfungsverfahren in Köln", "uberprufungsverf", true },
        { "Überprüfungsverfahren in Köln", "ÜBERPRÜFUNGSVERF koln", true },
        { "日本語のタイトル", "日本", true },
        { "a b c d e f g h i j k", "a b c d e f g h i j k", true },            /* more than WORD_LISTS_MAX */
        { "a b c d e f g h i j k", "a b c d e f g h i j x", false },
    };
    struct fixture f;
    struct span project;

    (void) state;
    fixture_init(&f);
    assert_ok(meta_begin(f.m, NULL));
    project = add_project(&f, 0);
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct meta_recording_filter filter = { .projects = &project, .n_projects = 1, .q = span_str(cases[i].q) };
        struct meta_recording r = recording(&f, project, i);
        struct meta_page page = { .limit = 1000 };
        struct meta_recording_list l;
        struct meta_pos next;
        bool found = false;

        r.title = span_str(cases[i].title);
        r.state = SPAN("complete");
        assert_ok_err(meta_recording_add(f.m, &r, NULL, 0, NULL, 0, &f.e), &f.e);
        assert_ok_err(meta_recordings(meta_view(f.m), &filter, &page, &f.a, &l, &next, &f.e), &f.e);
        for (size_t k = 0; k < l.n; k++)
            found |= span_eq(l.rows[k].id, r.id);
        if (found != cases[i].found)
            fail_msg("'%s' in '%s': %d", cases[i].q, cases[i].title, found);
    }
    assert_ok(meta_commit(f.m, NULL));
    fixture_deinit(&f);
}

/* A recording that has a tag more than once is one row, and no page ends because of it. */
static void many_values_of_one_tag(void **state)
{
    struct meta_recording_filter filter = { .tag = { SPAN("host"), SPAN(""), false, 0 }, .n_projects = 1 };
    struct meta_page page = { .limit = 3 };
    struct meta_recording_list l;
    struct meta_pos next;
    struct fixture f;
    struct span project;
    size_t n = 0;

    (void) state;
    fixture_init(&f);
    assert_ok(meta_begin(f.m, NULL));
    project = add_project(&f, 0);
    for (uint32_t i = 0; i < 10; i++) {
        struct meta_recording r = recording(&f, project, i);
        struct meta_pair tags[20];

        for (uint32_t k = 0; k < 20; k++)
            tags[k] = (struct meta_pair){ .name = SPAN("host"), .value = test_text(&f, "h", k) };
        r.state = SPAN("complete");
        assert_ok(meta_recording_add(f.m, &r, tags, 20, NULL, 0, NULL));
    }
    assert_ok(meta_commit(f.m, NULL));
    filter.projects = &project;
    do {
        assert_ok(meta_recordings(meta_view(f.m), &filter, &page, &f.a, &l, &next, NULL));
        n += l.n;
        page.after = next;
    } while (!meta_pos_end(next));
    assert_int_equal(n, 10);
    fixture_deinit(&f);
}

/* The row is written often while it is made; its words are not. */
static void words_are_written_when_they_change(void **state)
{
    struct fixture f;
    struct meta_recording r;
    int before, after;

    (void) state;
    fixture_init(&f);
    assert_ok(meta_begin(f.m, NULL));
    r = recording(&f, add_project(&f, 0), 1);
    r.state = SPAN("open");
    assert_ok(meta_recording_add(f.m, &r, NULL, 0, NULL, 0, NULL));
    assert_ok(meta_commit(f.m, NULL));
    assert_ok(meta_begin(f.m, NULL));
    before = sqlite3_total_changes(meta_view(f.m)->h);
    r.state = SPAN("complete");
    assert_ok(meta_recording_put(f.m, &r, NULL));
    after = sqlite3_total_changes(meta_view(f.m)->h);
    assert_int_equal(after - before, 1); /* the row */
    r.title = SPAN("another");
    assert_ok(meta_recording_put(f.m, &r, NULL));
    assert_true(sqlite3_total_changes(meta_view(f.m)->h) - after > 1);
    assert_ok(meta_commit(f.m, NULL));
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_costs_the_same_among_more), cmocka_unit_test(words_as_they_are_typed),
        cmocka_unit_test(many_values_of_one_tag), cmocka_unit_test(words_are_written_when_they_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
