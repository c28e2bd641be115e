/* Changes of people, groups and projects that wait for a second administrator (STANDARDS 2.6, Guard). */
#include "cli/cli.h"

#define PATH_CAP 8192

static void add_when(struct tree ch, struct buf *b)
{
    if (span_eq_str(get(ch, "state"), "waiting") && get(ch, "effective_at").n > 0) {
        buf_add_str(b, "works ");
        text_time(b, get(ch, "effective_at"));
    } else if (get(ch, "decided_at").n > 0) {
        text_time(b, get(ch, "decided_at"));
    }
}

static void change_row(struct cli *c, struct table *t, struct tree ch)
{
    struct buf b = BUF_INIT(65536);
    struct span name = get(ch, "target_name");
    struct jsonw w;

    (void) c;
    table_cell(t, get(ch, "id"));
    table_cell(t, get(ch, "state"));
    table_cell(t, person_name(get_node(ch, "proposed_by")));
    table_cell(t, get(ch, "operation"));
    table_cell(t, name.n > 0 ? name : get(ch, "target"));
    add_when(ch, &b);
    table_cell(t, buf_span(&b));
    buf_reset(&b);
    jsonw_init(&w, &b);
    jsonw_tree(&w, get_node(ch, "body"));
    table_cell(t, buf_span(&b));
    buf_deinit(&b);
}

static int run_changes(struct cli *c)
{
    static const struct table_column columns[] = { { .title = "ID" }, { .title = "STATE" }, { "BY", true, false },
                                                   { .title = "WHAT" }, { "OF", true, false }, { .title = "WHEN" },
                                                   { "TO", true, false } };
    static const struct list_spec spec = { columns, 7, change_row, "No change waits." };
    struct buf path = BUF_INIT(PATH_CAP);
    const char *state = args_value(&c->args, "state");
    int code;

    buf_add_str(&path, "/v1/changes");
    path_add(&path, "state", args_flag(&c->args, "all") ? NULL : state != NULL ? state : "waiting");
    code = print_list(c, &path, &spec);
    buf_deinit(&path);
    return code;
}

const struct command cmd_changes_list = {
    .name = "changes list",
    .heading = "People and projects",
    .summary = "Changes of people, groups and roles that wait for a second administrator",
    .synopsis = "[--all | --state done|stopped|failed]",
    .text = "Who may vote, and who counts as whom, is guarded as the policy is: such a change waits until another administrator approves it\n"
            "(keyhole changes approve) or, while there is only one, for a day in which everybody who may vote can stop it (changes stop).",
    .example = "$ keyhole changes list",
    .opts = (const struct opt[]){ { "all", 0, NULL, "those that were decided, too", false },
                                  { "state", 0, "STATE", "waiting, done, stopped or failed", false }, OPT_LIMIT, { 0 } },
    .run = run_changes,
};

/* The waiting change with that id, shown on standard error. */
static int show(struct cli *c, const char *id)
{
    struct buf path = BUF_INIT(PATH_CAP), b = BUF_INIT(1u << 20);
    struct http_reply r = { 0 };
    struct tree items, ch;
    struct jsonw w;
    bool found = false;
    int code;

    buf_add_str(&path, "/v1/changes");
    path_add(&path, "state", "waiting");
    path_add_int(&path, "limit", 200);
    code = cli_get(c, &path, &r);
    items = get_node(r.root, "items");
    for (struct span at = items.payload; code == EXIT_DONE && !found && items.tag == TREE_ARR && tree_next(&at, &ch);) {
        if (!span_eq_str(get(ch, "id"), id))
            continue;
        found = true;
        text_safe(&b, person_name(get_node(ch, "proposed_by")));
        buf_add_str(&b, " asked for ");
        text_safe(&b, get(ch, "operation"));
        buf_add_c(&b, ' ');
        text_safe(&b, get(ch, "target_name").n > 0 ? get(ch, "target_name") : get(ch, "target"));
        buf_add_str(&b, ", which touches ");
        join(&b, get_node(ch, "touches"), ", ");
        buf_add_str(&b, "\n  ");
        jsonw_init(&w, &b);
        jsonw_tree(&w, get_node(ch, "body"));
        if (!c->json)
            (void) fprintf(stderr, "%s\n", buf_cstr(&b));
    }
    http_reply_deinit(&r);
    buf_deinit(&path);
    buf_deinit(&b);
    return code;
}

static int decide(struct cli *c, const char *tail, const char *question)
{
    const char *id = c->args.words[0];
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    struct body b;
    int code = check_id(c, id, 'c', "the id of a change");

    body_begin(&b);
    body_option(&b, c, "comment", "comment");
    if (code == EXIT_DONE)
        code = show(c, id);
    if (code == EXIT_DONE && !confirm(c, question))
        code = fail("nothing was done");
    path_id(&path, "/v1/changes/", id, tail);
    if (code == EXIT_DONE)
        code = cli_send_fresh(c, "POST", &path, body_end(&b), &r);
    if (code == EXIT_DONE && c->json)
        print_json(r.root);
    else if (code == EXIT_DONE)
        (void) printf("change " SPAN_FMT " %s\n", SPAN_ARG(get(r.root, "state")), id);
    if (code == EXIT_DONE && span_eq_str(get(r.root, "state"), "failed")) {
        (void) fail("it cannot be done any more [" SPAN_FMT "]", SPAN_ARG(get(r.root, "failure")));
        code = EXIT_FAILED;
    }
    body_deinit(&b);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

static int run_approve(struct cli *c)
{
    return decide(c, "/approve", "Approve this change?");
}

static int run_stop(struct cli *c)
{
    return decide(c, "/stop", "Stop this change?");
}

const struct command cmd_changes_approve = {
    .name = "changes approve",
    .heading = "People and projects",
    .summary = "Lets a waiting change work now",
    .synopsis = "C [--comment TEXT]",
    .text = "For another administrator than the one who asked for it. Shows it first.",
    .example = "$ keyhole changes approve c_0w3m1Vt9kq5yQpLx\nchange done c_0w3m1Vt9kq5yQpLx",
    .opts = (const struct opt[]){ OPT_COMMENT, OPT_PASSWORD_FILE, OPT_YES, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_approve,
};

const struct command cmd_changes_stop = {
    .name = "changes stop",
    .heading = "People and projects",
    .summary = "Stops a waiting change",
    .synopsis = "C [--comment TEXT]",
    .text = "For whoever may vote on requests, for administrators, and for who asked for it. Shows it first.",
    .example = "$ keyhole changes stop c_0w3m1Vt9kq5yQpLx --comment 'nobody told us'\nchange stopped c_0w3m1Vt9kq5yQpLx",
    .opts = (const struct opt[]){ OPT_COMMENT, OPT_PASSWORD_FILE, OPT_YES, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_stop,
};
