/* The policy: showing, proposing, putting into force. */
#include "cli/cli.h"

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

static int run_approve(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    struct body b;
    int code;

    if (strlen(c->args.words[0]) != 43)
        return usage(c, "a policy's hash has 43 characters: keyhole policy list");
    body_begin(&b);
    body_option(&b, c, "comment", "comment");
    path_id(&path, "/v1/policies/", c->args.words[0], "/approve");
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

const struct command cmd_policy_approve = {
    .name = "policy approve",
    .heading = "Policy",
    .summary = "Puts a proposed policy in force",
    .synopsis = "HASH [--comment TEXT]",
    .text = "For another administrator than the one who proposed it.",
    .example = "$ keyhole policy approve mZ3cR1mB8J2yYxOq1jH6tq0Qh9G4w0f8f2d1vJx3k5E",
    .opts = (const struct opt[]){ OPT_COMMENT, OPT_PASSWORD_FILE, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_approve,
};

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
