/* The option parser: forms, order, and what each mistake is told. */
#include "test.h"

#include "cli/opt.h"

static const struct opt own[] = {
    { "reason", 0, "TEXT", "why", false },
    { "tag", 't', "NAME", "a tag", true },
    { "wait", 'w', NULL, "wait", false },
    { "output", 'o', "FILE", "where", false },
    { 0 },
};
static const struct opt common[] = { { "json", 0, NULL, "for machines", false }, { 0 } };

#define ARGV_MAX 12

/* "--a b" cut at blanks; \1 stands for a blank inside a word. */
static int cut(const char *line, char *store, size_t cap, char **argv)
{
    int n = 0;

    assert_true(strlen(line) < cap);
    strcpy(store, line);
    for (char *p = strtok(store, " "); p != NULL; p = strtok(NULL, " ")) {
        argv[n++] = p;
        for (; *p != '\0'; p++)
            *p = *p == '\1' ? ' ' : *p;
    }
    return n;
}

static void forms(void **state)
{
    static const struct {
        const char *line, *want; /* reason|tag,tag|wait|output|json|word,word */
    } t[] = {
        { "", "-|||-||" },
        { "--reason=a\1b x", "a b|||-||x" },
        { "x --reason a --wait y --json", "a||w|-|j|x,y" },
        { "-t one -ttwo --tag=three -w", "-|one,two,three|w|-||" },
        { "-wo file", "-||w|file||" },
        { "-ofile -", "-|||file||-" },
        { "--reason= --output -", "|||-||" },
        { "-- --reason x -w", "-|||-||--reason,x,-w" },
        { "--reason --wait", "--wait|||-||" },
        { "--reason -- x", "--|||-||x" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        char store[200], *argv[ARGV_MAX];
        struct buf got = BUF_INIT(1000);
        struct args a;
        const char *v;

        assert_ok(args_parse(own, common, cut(t[i].line, store, sizeof(store), argv), argv, &a, NULL));
        buf_addf(&got, "%s|", args_value(&a, "reason") != NULL ? args_value(&a, "reason") : "-");
        for (size_t k = 0; (v = args_nth(&a, "tag", k)) != NULL; k++)
            buf_addf(&got, "%s%s", k > 0 ? "," : "", v);
        buf_addf(&got, "|%s|%s|%s|", args_flag(&a, "wait") ? "w" : "",
                 args_value(&a, "output") != NULL ? args_value(&a, "output") : "-", args_flag(&a, "json") ? "j" : "");
        for (size_t k = 0; k < a.n_words; k++)
            buf_addf(&got, "%s%s", k > 0 ? "," : "", a.words[k]);
        assert_null(a.words[a.n_words]);
        assert_span_str(buf_span(&got), t[i].want);
        args_deinit(&a);
        buf_deinit(&got);
    }
}

static void mistakes(void **state)
{
    static const struct {
        const char *line, *text;
    } t[] = {
        { "--reasn x", "there is no option --reasn; did you mean --reason?" },
        { "--frobnicate", "there is no option --frobnicate" },
        { "-x", "there is no option -x" },
        { "-wx", "there is no option -x" },
        { "--reason", "--reason needs a value: --reason TEXT" },
        { "-o", "--output needs a value: --output FILE" },
        { "--wait=yes", "--wait takes no value" },
        { "--reason a --reason=b", "--reason is given twice" },
        { "-w --wait", "--wait is given twice" },
        { "--jsn", "there is no option --jsn; did you mean --json?" },
        { "--re x", "there is no option --re" }, /* never shortened */
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        char store[200], *argv[ARGV_MAX];
        struct err_info e = { 0 };
        struct args a;

        assert_err(args_parse(own, common, cut(t[i].line, store, sizeof(store), argv), argv, &a, &e), ERR_INVAL);
        assert_string_equal(e.text, t[i].text);
    }
}

static void too_many(void **state)
{
    static char *argv[2 * OPT_SEEN_MAX + 2];
    struct args a;
    int n = 0;

    (void) state;
    for (int i = 0; i < OPT_SEEN_MAX; i++) {
        argv[n++] = "--tag";
        argv[n++] = "x";
    }
    assert_ok(args_parse(own, common, n, argv, &a, NULL));
    args_deinit(&a);
    argv[n++] = "--tag=x";
    assert_err(args_parse(own, common, n, argv, &a, NULL), ERR_LIMIT);
}

static void distance(void **state)
{
    (void) state;
    assert_int_equal(opt_distance("kitten", "sitting", 3), 3);
    assert_int_equal(opt_distance("same", "same", 2), 0);
    assert_int_equal(opt_distance("", "ab", 2), 2);
    assert_int_equal(opt_distance("abc", "xyz", 2), 3);
    assert_int_equal(opt_distance("a", "abcdef", 2), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(too_many),
        cmocka_unit_test(distance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
