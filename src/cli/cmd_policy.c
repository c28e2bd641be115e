/* The policy: showing, proposing, putting into force. */
#include "cli/cli.h"

#include <unistd.h>

#include "codec/base64.h"
#include "crypto/hash.h"
#include "os/file.h"

#define PATH_CAP 8192
#define TEXT_MAX 65536

static void print_policy_line(struct tree p)
{
    struct buf b = BUF_INIT(8192);

    buf_add_str(&b, "policy ");
    text_safe(&b, get(p, "state"));
    if (get(p, "effective_at").n > 0) {
        buf_add_str(&b, ", in force from ");
        text_time(&b, get(p, "effective_at"));
        buf_add_str(&b, " UTC");
    }
    buf_add_c(&b, ' ');
    text_safe(&b, get(p, "hash"));
    (void) printf("%s\n", buf_cstr(&b));
    buf_deinit(&b);
}

static void print_text(struct span text)
{
    struct buf b = BUF_INIT(1u << 20);

    text_safe_lines(&b, text);
    (void) fwrite(b.p, 1, b.n, stdout);
    if (b.n > 0 && b.p[b.n - 1] != '\n')
        (void) fputc('\n', stdout);
    buf_deinit(&b);
}

static int run_show(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    bool source = args_flag(&c->args, "source");
    int code;

    buf_add_str(&path, "/v1/policies/current");
    code = cli_get(c, &path, &r);
    if (code == EXIT_DONE && c->json) {
        print_json(r.root);
    } else if (code == EXIT_DONE && source && get(r.root, "source").n == 0) {
        code = fail("the text as it was written is for administrators; without --source you see what is in force");
    } else if (code == EXIT_DONE) {
        print_text(get(r.root, source ? "source" : "print"));
        if (c->terminal)
            note("in force: " SPAN_FMT, SPAN_ARG(get(r.root, "hash")));
    }
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

const struct command cmd_policy_show = {
    .name = "policy show",
    .heading = "Policy",
    .summary = "The policy in force",
    .synopsis = "[--source]",
    .text = "Prints the canonical text: this is the policy, this is what is hashed and approved.",
    .example = "$ keyhole policy show",
    .opts = (const struct opt[]){ { "source", 0, NULL, "as it was written, with comments; without force", false }, { 0 } },
    .run = run_show,
};

static int run_apply(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP), text = BUF_INIT(TEXT_MAX);
    struct http_reply r = { 0 };
    struct err_info e = { 0 };
    struct body b;
    int code;

    if (os_path_read(c->args.words[0], &text, &e) != ERR_OK) {
        buf_deinit(&text);
        return fail_err(&e);
    }
    body_begin(&b);
    jsonw_kstr(&b.w, "text", buf_span(&text));
    body_option(&b, c, "comment", "comment");
    buf_add_str(&path, "/v1/policies");
    code = cli_send_fresh(c, "POST", &path, body_end(&b), &r);
    if (code == EXIT_DONE && c->json) {
        print_json(r.root);
    } else if (code == EXIT_DONE) {
        print_policy_line(r.root);
        if (span_eq_str(get(r.root, "state"), "proposed") && get(r.root, "effective_at").n == 0)
            note("another administrator puts it in force: keyhole policy approve " SPAN_FMT, SPAN_ARG(get(r.root, "hash")));
    }
    body_deinit(&b);
    http_reply_deinit(&r);
    buf_deinit(&text);
    buf_deinit(&path);
    return code;
}

const struct command cmd_policy_apply = {
    .name = "policy apply",
    .heading = "Policy",
    .summary = "Proposes a policy",
    .synopsis = "FILE [--comment TEXT]",
    .text = "The text is checked and its own test cases run; a failing one refuses it, with its name. Another administrator approves. While\n"
            "there is only one, the answer says from when it works. Prints the new policy's hash as the last word.",
    .example = "$ keyhole policy apply team.conf --comment 'security may export'\npolicy proposed mZ3cR1mB8J2yYxOq1jH6tq0Qh9G4w0f8f2d1vJx3k5E",
    .opts = (const struct opt[]){ OPT_COMMENT, OPT_PASSWORD_FILE, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_apply,
};

/*
 * The text that this hash is of, on standard error. The hash is what gets signed, so it is computed here from what is shown.
 */
static int show_proposed(struct cli *c, const char *hash)
{
    struct buf path = BUF_INIT(PATH_CAP), text = BUF_INIT(1u << 20);
    struct http_reply r = { 0 };
    char computed[44];
    uint8_t digest[SHA256_LEN];
    int code;

    path_id(&path, "/v1/policies/", hash, "");
    code = cli_get(c, &path, &r);
    if (code == EXIT_DONE) {
        sha256(get(r.root, "print"), digest);
        (void) base64url_str(digest, sizeof(digest), computed, sizeof(computed));
        text_safe_lines(&text, get(r.root, "print"));
        if (!c->json)
            (void) fprintf(stderr, "%s\nhash %s (computed from the above)\n", buf_cstr(&text), computed);
        if (strcmp(computed, hash) != 0) {
            (void) fail("what the server shows is not the policy of that hash: not approved");
            code = EXIT_REFUSED;
        }
    }
    http_reply_deinit(&r);
    buf_deinit(&text);
    buf_deinit(&path);
    return code;
}

static int decide(struct cli *c, const char *tail)
{
    bool approve = strcmp(tail, "/approve") == 0;
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    struct body b;
    int code = EXIT_DONE;

    if (strlen(c->args.words[0]) != 43)
        return usage(c, "a policy's hash has 43 characters: keyhole policy list");
    if (approve)
        code = show_proposed(c, c->args.words[0]);
    if (code == EXIT_DONE && !confirm(c, approve ? "Put this in force?" : "Stop this policy?"))
        code = fail("nothing was done");
    body_begin(&b);
    body_option(&b, c, "comment", "comment");
    path_id(&path, "/v1/policies/", c->args.words[0], tail);
    if (code == EXIT_DONE)
        code = cli_send_fresh(c, "POST", &path, body_end(&b), &r);
    if (code == EXIT_DONE && c->json)
        print_json(r.root);
    else if (code == EXIT_DONE)
        print_policy_line(r.root);
    body_deinit(&b);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

static int run_approve(struct cli *c)
{
    return decide(c, "/approve");
}

static int run_stop(struct cli *c)
{
    return decide(c, "/stop");
}

const struct command cmd_policy_stop = {
    .name = "policy stop",
    .heading = "Policy",
    .summary = "Stops a proposed policy before it works",
    .synopsis = "HASH [--comment TEXT]",
    .text = "For administrators and for everybody who may vote on requests, while it waits; also for who proposed it. The text can be\n"
            "proposed anew.",
    .example = "$ keyhole policy stop mZ3cR1mB8J2yYxOq1jH6tq0Qh9G4w0f8f2d1vJx3k5E --comment 'exports need two'\n"
               "policy stopped mZ3cR1mB8J2yYxOq1jH6tq0Qh9G4w0f8f2d1vJx3k5E",
    .opts = (const struct opt[]){ OPT_COMMENT, OPT_PASSWORD_FILE, OPT_YES, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_stop,
};

const struct command cmd_policy_approve = {
    .name = "policy approve",
    .heading = "Policy",
    .summary = "Puts a proposed policy in force",
    .synopsis = "HASH [--comment TEXT]",
    .text = "For another administrator than the one who proposed it. Shows the canonical text on standard error, computes its hash from what\n"
            "it showed, and refuses when that is not HASH.",
    .example = "$ keyhole policy approve mZ3cR1mB8J2yYxOq1jH6tq0Qh9G4w0f8f2d1vJx3k5E",
    .opts = (const struct opt[]){ OPT_COMMENT, OPT_PASSWORD_FILE, OPT_YES, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_approve,
};

/* ---- trying ---- */

static void print_warnings(struct tree r)
{
    struct tree list = get_node(r, "warnings"), w;

    for (struct span at = list.payload; list.tag == TREE_ARR && tree_next(&at, &w);)
        note("rule " SPAN_FMT ": " SPAN_FMT " [" SPAN_FMT "]", SPAN_ARG(get(w, "rule")), SPAN_ARG(get(w, "detail")),
             SPAN_ARG(get(w, "code")));
}

static void print_cases(struct cli *c, struct tree r)
{
    static const struct table_column columns[] = { { "TEST", true, false }, { .title = "EXPECTED" }, { .title = "GOT" },
                                                   { "BY RULE", true, false }, { .title = "" } };
    struct tree tests = get_node(r, "tests"), t;
    struct table table;
    bool ok = false;

    (void) c;
    table_init(&table, columns, 5);
    for (struct span at = tests.payload; tests.tag == TREE_ARR && tree_next(&at, &t);) {
        (void) tree_get_bool(t, "ok", &ok);
        table_cell(&table, get(t, "name"));
        table_cell(&table, get(t, "expect"));
        table_cell(&table, get(t, "got"));
        table_cell(&table, get(t, "rule").n > 0 ? get(t, "rule") : get(t, "cause"));
        table_cell_str(&table, ok ? "good" : "FAILED");
    }
    if (tree_count(tests) == 0)
        note("the text has no test cases: test \"name\" { as = {...}  wants = {...}  expect = ... }");
    else
        (void) table_print(&table, stdout, term_columns(STDOUT_FILENO));
    table_deinit(&table);
}

static int run_test(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP), text = BUF_INIT(TEXT_MAX);
    struct http_reply r = { 0 };
    struct err_info e = { 0 };
    struct body b;
    int code;

    if (os_path_read(c->args.words[0], &text, &e) != ERR_OK) {
        buf_deinit(&text);
        return fail_err(&e);
    }
    body_begin(&b);
    jsonw_kstr(&b.w, "text", buf_span(&text));
    buf_add_str(&path, "/v1/policies/test");
    code = cli_send(c, "POST", &path, body_end(&b), &r);
    if (code == EXIT_DONE && c->json) {
        print_json(r.root);
    } else if (code == EXIT_DONE) {
        print_cases(c, r.root);
        print_warnings(r.root);
    }
    if (code == EXIT_DONE && get_int(r.root, "failed") > 0) {
        code = EXIT_FAILED;
        if (!c->json)
            note("%lld of %zu failed", (long long) get_int(r.root, "failed"), tree_count(get_node(r.root, "tests")));
    }
    body_deinit(&b);
    http_reply_deinit(&r);
    buf_deinit(&text);
    buf_deinit(&path);
    return code;
}

const struct command cmd_policy_test = {
    .name = "policy test",
    .heading = "Policy",
    .summary = "Runs the test cases that are written in a policy text",
    .synopsis = "FILE",
    .text = "The server reads the text as it would for keyhole policy apply and decides each case; nothing is kept. Exit status 1 when a case\n"
            "fails or the text is wrong. Rules that today nobody could approve are named.",
    .example = "$ keyhole policy test team.conf\nTEST   EXPECTED  GOT   BY RULE\nasks   ask       ask   engineers-watch  good\n"
               "night  deny      deny  no-night         good",
    .words_min = 1,
    .words_max = 1,
    .run = run_test,
};

static void add_decision(struct table *t, struct tree d)
{
    struct buf b = BUF_INIT(1024);

    buf_add_span(&b, get(d, "verdict"));
    if (get_int(d, "need") > 1)
        buf_addf(&b, " %lld", (long long) get_int(d, "need"));
    if (get(d, "rule").n > 0 || get(d, "cause").n > 0) {
        buf_add_str(&b, ", ");
        buf_add_span(&b, get(d, "rule").n > 0 ? get(d, "rule") : get(d, "cause"));
    }
    table_cell(t, buf_span(&b));
    buf_deinit(&b);
}

static void print_dry_run(struct tree r)
{
    static const struct table_column columns[] = { { .title = "REQUEST" }, { .title = "ASKED" }, { "WHO", true, false },
                                                   { .title = "PURPOSE" }, { .title = "TO" }, { "WAS", true, false },
                                                   { "WOULD BE", true, false } };
    struct tree items = get_node(r, "items"), counts = get_node(r, "counts"), it;
    struct buf b = BUF_INIT(65536);
    bool complete = true;
    struct table t;

    table_init(&t, columns, 7);
    for (struct span at = items.payload; items.tag == TREE_ARR && tree_next(&at, &it);) {
        table_cell(&t, get(it, "request"));
        buf_reset(&b);
        text_time(&b, get(it, "created_at"));
        table_cell(&t, buf_span(&b));
        table_cell(&t, person_name(get_node(it, "requester")));
        table_cell(&t, get(it, "purpose"));
        buf_reset(&b);
        join(&b, get_node(it, "actions"), ",");
        table_cell(&t, buf_span(&b));
        add_decision(&t, get_node(it, "was"));
        add_decision(&t, get_node(it, "now"));
    }
    if (tree_count(items) > 0)
        (void) table_print(&t, stdout, term_columns(STDOUT_FILENO));
    table_deinit(&t);
    (void) printf("%lld of %lld requests would be decided otherwise\n", (long long) get_int(r, "differ"),
                  (long long) get_int(r, "looked_at"));
    for (struct span at = counts.payload; counts.tag == TREE_ARR && tree_next(&at, &it);)
        (void) printf("  " SPAN_FMT " -> " SPAN_FMT ": %lld\n", SPAN_ARG(get(it, "was")), SPAN_ARG(get(it, "now")),
                      (long long) get_int(it, "n"));
    if (tree_get_bool(r, "complete", &complete) && !complete)
        note("there are older requests that were not looked at");
    buf_deinit(&b);
}

static bool is_hash(const char *word)
{
    return strlen(word) == 43 && strchr(word, '.') == NULL && strchr(word, '/') == NULL;
}

static int run_dry_run(struct cli *c)
{
    const char *what = c->args.words[0], *days = args_value(&c->args, "days"), *limit = args_value(&c->args, "limit");
    struct buf path = BUF_INIT(PATH_CAP), text = BUF_INIT(TEXT_MAX);
    struct http_reply r = { 0 };
    struct err_info e = { 0 };
    struct body b;
    uint64_t n;
    int code = EXIT_DONE;

    body_begin(&b);
    if (is_hash(what))
        jsonw_kcstr(&b.w, "hash", what);
    else if (os_path_read(what, &text, &e) != ERR_OK)
        code = fail_err(&e);
    else
        jsonw_kstr(&b.w, "text", buf_span(&text));
    if (code == EXIT_DONE && days != NULL && (code = check_number(c, "days", days, 365, &n)) == EXIT_DONE)
        jsonw_kint(&b.w, "days", (int64_t) n);
    if (code == EXIT_DONE && limit != NULL && (code = check_number(c, "limit", limit, 200, &n)) == EXIT_DONE)
        jsonw_kint(&b.w, "limit", (int64_t) n);
    buf_add_str(&path, "/v1/policies/dry-run");
    if (code == EXIT_DONE)
        code = cli_send(c, "POST", &path, body_end(&b), &r);
    if (code == EXIT_DONE && c->json) {
        print_json(r.root);
    } else if (code == EXIT_DONE) {
        print_dry_run(r.root);
        print_warnings(r.root);
    }
    body_deinit(&b);
    http_reply_deinit(&r);
    buf_deinit(&text);
    buf_deinit(&path);
    return code;
}

const struct command cmd_policy_dry_run = {
    .name = "policy dry-run",
    .heading = "Policy",
    .summary = "What a policy would have decided about past requests",
    .synopsis = "FILE|HASH [--days N]",
    .text = "Decides each request of the last days twice, by the policy in force and by the text (or by a policy that was proposed), with\n"
            "today's people and groups, and lists those for which the two differ. Nothing is kept.",
    .example = "$ keyhole policy dry-run team.conf --days 90\n3 of 214 requests would be decided otherwise\n  ask -> deny: 3\n"
               "  ask -> ask: 211",
    .opts = (const struct opt[]){ { "days", 0, "N", "how far back, at most 365 (30)", false }, OPT_LIMIT, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_dry_run,
};

/* ---- the list ---- */

static void policy_row(struct cli *c, struct table *t, struct tree p)
{
    struct buf b = BUF_INIT(1024);

    (void) c;
    table_cell(t, get(p, "hash"));
    table_cell(t, get(p, "state"));
    text_time(&b, get(p, "proposed_at"));
    table_cell(t, buf_span(&b));
    table_cell(t, person_name(get_node(p, "proposed_by")));
    table_cell(t, person_name(get_node(p, "approved_by")));
    table_cell(t, get(p, "comment"));
    buf_deinit(&b);
}

static int run_list(struct cli *c)
{
    static const struct table_column columns[] = { { .title = "HASH" }, { .title = "STATE" }, { .title = "PROPOSED" },
                                                   { "BY", true, false }, { "APPROVED BY", true, false },
                                                   { "COMMENT", true, false } };
    static const struct list_spec spec = { columns, 6, policy_row, "There is no policy." };
    struct buf path = BUF_INIT(PATH_CAP);
    int code;

    buf_add_str(&path, "/v1/policies");
    code = print_list(c, &path, &spec);
    buf_deinit(&path);
    return code;
}

const struct command cmd_policy_list = {
    .name = "policy list",
    .heading = "Policy",
    .summary = "Versions of the policy, newest first",
    .synopsis = "",
    .text = "",
    .example = "$ keyhole policy list",
    .opts = (const struct opt[]){ OPT_LIMIT, { 0 } },
    .run = run_list,
};
