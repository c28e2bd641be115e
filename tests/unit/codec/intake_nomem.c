/*
 * Memory runs out at each allocation of the stage, for good or once: an event either is refused or has nothing left in it that had
 * to go. Nothing leaks (the address sanitizer looks), nothing crashes.
 */
#include "test.h"

#include "nomem.h"

#include "codec/intake.h"

static const struct {
    const char *json;
    int type, source;
} page[] = {
    { "{\"type\":2,\"timestamp\":1,\"data\":{\"node\":{\"type\":0,\"id\":1,\"childNodes\":[{\"type\":2,\"id\":2,\"tagName\":\"div\",\"attributes\":{\"title\":"
      "\"bob@example.com\",\"href\":\"?m=bob%40example.com\"},\"childNodes\":[{\"type\":3,\"id\":3,\"textContent\":\"caf\\u00e9 bob\\u0040example.com\"}]},"
      "{\"type\":2,\"id\":4,\"tagName\":\"input\",\"attributes\":{\"type\":\"password\",\"value\":\"hunter2\"},\"childNodes\":[]}]},\"initialOffset\":{}}}",
      2, -1 },
    { "{\"type\":3,\"timestamp\":2,\"data\":{\"source\":5,\"id\":4,\"text\":\"hunter2\",\"isChecked\":false}}", 3, 5 },
    { "{\"type\":5,\"timestamp\":3,\"data\":{\"tag\":\"t\",\"payload\":{\"m\":\"\\\"bob\\\\u0040example.com\\\"\",\"password\":\"hunter2\"}}}", 5, -1 },
    { "{\"type\":3,\"timestamp\":4,\"data\":{\"source\":0,\"texts\":[{\"id\":3,\"value\":\"bob@example.com\"}],\"attributes\":[],\"removes\":[],\"adds\":[]}}", 3, 0 },
};

static const struct {
    const char *json;
    int type;
} term[] = {
    { "[1,\"o\",\"mail bob@exam\"]", 'o' },         { "[2,\"o\",\"ple.com \\u001b[1mbob@example.com\\u001b[0m\\r\\n\"]", 'o' },
    { "[3,\"o\",\"Password: \"]", 'o' },            { "[4,\"i\",\"hunter2\\r\"]", 'i' },
    { "[5,\"m\",\"bob@example.com\"]", 'm' },       { "[6,\"o\",\"\\u001b]0;bob@example.com\\u0007\\r\\n\"]", 'o' },
};

static void assert_clean(struct span s)
{
    assert_null(memmem(s.p, s.n, "hunter2", 7));
    assert_null(memmem(s.p, s.n, "example.com", 11));
    assert_null(memmem(s.p, s.n, "exam", 4));
}

static void take(struct intake *in)
{
    struct intake_out out;

    while (intake_take(in, &out))
        assert_clean(out.ev.json);
}

/* Each event by itself: one that fails does not keep the next from being looked at. */
static bool work(void *ctx)
{
    const enum importer_kind kind = *(const enum importer_kind *) ctx;
    CLEANUP(intake_freep) struct intake *in = intake_new(kind, NULL, 1u << 20);
    size_t n = kind == IMPORTER_RRWEB ? sizeof(page) / sizeof(page[0]) : sizeof(term) / sizeof(term[0]);
    struct intake_out out;
    bool ok = true;

    if (in == NULL)
        return false;
    intake_begin(in);
    if (intake_head(in, SPAN("{\"version\":2,\"width\":80,\"height\":24,\"title\":\"bob@example.com\"}"), &out, NULL) != ERR_OK)
        return false;
    assert_clean(out.ev.json);
    for (size_t i = 0; i < n && ok; i++) {
        struct intake_item item = { .seq = i, .type = kind == IMPORTER_RRWEB ? page[i].type : term[i].type,
                                    .source = kind == IMPORTER_RRWEB ? page[i].source : -1 };

        item.json = span_str(kind == IMPORTER_RRWEB ? page[i].json : term[i].json);
        ok = intake_add(in, &item, NULL) == ERR_OK;
        if (ok)
            take(in);
    }
    ok = ok && intake_flush(in, NULL) == ERR_OK;
    if (ok)
        take(in);
    intake_commit(in);
    intake_begin(in);
    return ok;
}

static void run(enum importer_kind kind)
{
    bool ok;

    for (unsigned n = 0; nomem_try(n, work, &kind); n++)
        continue;
    for (unsigned n = 0; nomem_try_one(n, work, &kind, &ok); n++)
        continue;
}

static void test_rrweb(void **state)
{
    (void) state;
    run(IMPORTER_RRWEB);
}

static void test_terminal(void **state)
{
    (void) state;
    run(IMPORTER_TERMINAL);
}

static int setup(void **state)
{
    (void) state;
    return mask_init(NULL) == ERR_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rrweb), cmocka_unit_test(test_terminal) };

    return cmocka_run_group_tests(tests, setup, NULL);
}
