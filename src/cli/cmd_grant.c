/* Access that was given: seeing it, ending it, and the keys it gives. */
#include "cli/access.h"

#define PATH_CAP 8192

static void add_recordings(struct table *t, struct tree list)
{
    struct span at = list.payload;
    struct buf b = BUF_INIT(4096);
    struct tree first;

    if (tree_count(list) > 0 && tree_next(&at, &first)) {
        buf_add_span(&b, get(first, "id"));
        if (tree_count(list) > 1)
            buf_addf(&b, " +%zu", tree_count(list) - 1);
    }
    table_cell(t, buf_span(&b));
    buf_deinit(&b);
}

static void window_text(struct tree g, struct buf *b)
{
    struct tree ended = get_node(g, "ended");

    if (span_eq_str(get(g, "state"), "ACTIVE") || span_eq_str(get(g, "state"), "SUSPENDED")) {
        text_span(b, get_int(g, "left_ms"));
        buf_add_str(b, " left");
        if (get(get_node(g, "ends_early"), "cause").n > 0) {
            buf_add_str(b, ", ");
            text_safe(b, get(get_node(g, "ends_early"), "cause"));
        }
        if (get(get_node(g, "suspended"), "cause").n > 0) {
            buf_add_str(b, ", ");
            text_safe(b, get(get_node(g, "suspended"), "cause"));
        }
    } else if (ended.tag == TREE_OBJ) {
        buf_add_str(b, "ended ");
        text_time(b, get(ended, "at"));
    } else if (get(g, "opens_by").n > 0) {
        buf_add_str(b, "opens by ");
        text_time(b, get(g, "opens_by"));
    }
}

static void grant_row(struct cli *c, struct table *t, struct tree g)
{
    struct buf b = BUF_INIT(4096);

    (void) c;
    table_cell(t, get(g, "id"));
    table_cell(t, get(g, "state"));
    table_cell(t, person_name(get_node(g, "holder")));
    add_recordings(t, get_node(g, "recordings"));
    join(&b, get_node(g, "actions"), ",");
    table_cell(t, buf_span(&b));
    buf_reset(&b);
    window_text(g, &b);
    table_cell(t, buf_span(&b));
    table_cell(t, get(get_node(g, "purpose"), "code"));
    buf_deinit(&b);
}

static int run_grants(struct cli *c)
{
    static const struct table_column columns[] = { { .title = "ID" }, { .title = "STATE" }, { "WHO", true, false },
                                                   { .title = "RECORDINGS" }, { .title = "TO" },
                                                   { .title = "WINDOW" }, { "PURPOSE", true, false } };
    static const struct list_spec spec = { columns, 7, grant_row, "No access has been given." };
    struct buf path = BUF_INIT(PATH_CAP);
    int code;

    buf_add_str(&path, "/v1/grants");
    path_add(&path, "state", args_value(&c->args, "state"));
    path_add(&path, "box", args_flag(&c->args, "mine") ? "mine" : NULL);
    path_add(&path, "recording", args_value(&c->args, "recording"));
    code = print_list(c, &path, &spec);
    buf_deinit(&path);
    return code;
}

const struct command cmd_grants = {
    .name = "grants",
    .heading = "Access",
    .summary = "Access that was given: yours, and that of your projects",
    .synopsis = "[--mine] [--state live]",
    .text = "",
    .example = "$ keyhole grants --mine --state live",
    .opts = (const struct opt[]){ { "mine", 0, NULL, "your own", false },
                                  { "state", 0, "LIST", "live, active, expired, revoked, ..., separated by commas", false },
                                  { "recording", 0, "RID", "to this recording", false }, OPT_LIMIT, { 0 } },
    .run = run_grants,
};

/* A change of a grant by POST …/what with an optional comment. */
static int change(struct cli *c, const char *what)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    struct body b;
    int code = check_id(c, c->args.words[0], 'g', "the id of an access");

    body_begin(&b);
    body_option(&b, c, "comment", "comment");
    path_id(&path, "/v1/grants/", c->args.words[0], what);
    if (code == EXIT_DONE)
        code = cli_send_fresh(c, "POST", &path, body_end(&b), &r);
    if (code == EXIT_DONE && c->json) {
        print_json(r.root);
    } else if (code == EXIT_DONE) {
        struct buf line = BUF_INIT(1024);

        buf_add_str(&line, "access ");
        text_safe(&line, get(r.root, "state"));
        buf_add_c(&line, ' ');
        text_safe(&line, get(r.root, "id"));
        (void) printf("%s\n", buf_cstr(&line));
        buf_deinit(&line);
    }
    body_deinit(&b);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

static int run_give_back(struct cli *c)
{
    return change(c, "/relinquish");
}

static int run_revoke(struct cli *c)
{
    return change(c, "/revoke");
}

const struct command cmd_give_back = {
    .name = "give-back",
    .heading = "Access",
    .summary = "Ends your own access before its time",
    .synopsis = "G [--comment TEXT]",
    .text = "What is playing under it stops at once.",
    .example = "$ keyhole give-back g_P_52yi_zKORYBdCS\naccess RELINQUISHED g_P_52yi_zKORYBdCS",
    .opts = (const struct opt[]){ OPT_COMMENT, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_give_back,
};

const struct command cmd_revoke = {
    .name = "revoke",
    .heading = "Access",
    .summary = "Ends somebody's access at once",
    .synopsis = "G [--comment TEXT]",
    .text = "For approvers, project administrators and administrators. What is playing under it stops at once.",
    .example = "$ keyhole revoke g_P_52yi_zKORYBdCS --comment 'wrong recording'\naccess REVOKED g_P_52yi_zKORYBdCS",
    .opts = (const struct opt[]){ OPT_COMMENT, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_revoke,
};

static int run_suspend(struct cli *c)
{
    return change(c, "/suspend");
}

static int run_resume(struct cli *c)
{
    return change(c, "/resume");
}

const struct command cmd_suspend = {
    .name = "suspend",
    .heading = "Access",
    .summary = "Stops somebody's access for now; its window keeps running",
    .synopsis = "G [--comment TEXT]",
    .text = "For approvers, project administrators and administrators. What is playing under it stops at once, and goes on with keyhole resume\n"
            "if the window has not ended by then.",
    .example = "$ keyhole suspend g_P_52yi_zKORYBdCS --comment 'asking legal first'\naccess SUSPENDED g_P_52yi_zKORYBdCS",
    .opts = (const struct opt[]){ OPT_COMMENT, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_suspend,
};

const struct command cmd_resume = {
    .name = "resume",
    .heading = "Access",
    .summary = "Lets suspended access go on",
    .synopsis = "G [--comment TEXT]",
    .text = "For approvers and administrators, never for who asked for it or watches under it. While everything is frozen nothing goes on.",
    .example = "$ keyhole resume g_P_52yi_zKORYBdCS\naccess ACTIVE g_P_52yi_zKORYBdCS",
    .opts = (const struct opt[]){ OPT_COMMENT, OPT_PASSWORD_FILE, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_resume,
};

/* ---- viewings ---- */

static void viewing_row(struct cli *c, struct table *t, struct tree v)
{
    struct buf b = BUF_INIT(4096);
    struct tree recording = get_node(v, "recording");

    (void) c;
    table_cell(t, get(v, "id"));
    table_cell(t, get(v, "state"));
    table_cell(t, person_name(get_node(v, "viewer")));
    table_cell(t, get(recording, "id"));
    text_time(&b, get(v, "began_at"));
    table_cell(t, buf_span(&b));
    buf_reset(&b);
    if (get(v, "cause").n > 0)
        buf_add_span(&b, get(v, "cause"));
    table_cell(t, buf_span(&b));
    table_cell(t, get(v, "client"));
    table_cell(t, get(recording, "title"));
    buf_deinit(&b);
}

static int run_viewings(struct cli *c)
{
    static const struct table_column columns[] = { { .title = "ID" }, { .title = "STATE" }, { "WHO", true, false },
                                                   { .title = "RECORDING" }, { .title = "BEGAN" }, { .title = "ENDED BY" },
                                                   { .title = "WITH" }, { "TITLE", true, false } };
    static const struct list_spec spec = { columns, 8, viewing_row, "Nobody watches anything." };
    struct buf path = BUF_INIT(PATH_CAP);
    int code;

    buf_add_str(&path, "/v1/viewings");
    path_add(&path, "state", args_value(&c->args, "state"));
    path_add(&path, "recording", args_value(&c->args, "recording"));
    path_add(&path, "grant", args_value(&c->args, "grant"));
    code = print_list(c, &path, &spec);
    buf_deinit(&path);
    return code;
}

const struct command cmd_viewings = {
    .name = "viewings",
    .heading = "Access",
    .summary = "Who watches, or watched, what",
    .synopsis = "[--state live] [--recording RID] [--grant G]",
    .text = "",
    .example = "$ keyhole viewings --state live",
    .opts = (const struct opt[]){ { "state", 0, "STATE", "live or ended", false },
                                  { "recording", 0, "RID", "of this recording", false },
                                  { "grant", 0, "G", "under this access", false }, OPT_LIMIT, { 0 } },
    .run = run_viewings,
};

static int run_viewing_stop(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    struct body b;
    int code = check_id(c, c->args.words[0], 'v', "the id of a viewing");

    body_begin(&b);
    body_option(&b, c, "comment", "comment");
    path_id(&path, "/v1/viewings/", c->args.words[0], "/stop");
    if (code == EXIT_DONE)
        code = cli_send(c, "POST", &path, body_end(&b), &r);
    if (code == EXIT_DONE && c->json)
        print_json(r.root);
    body_deinit(&b);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

const struct command cmd_viewing_stop = {
    .name = "viewing stop",
    .heading = "Access",
    .summary = "Stops one viewing at once, for good",
    .synopsis = "V [--comment TEXT]",
    .text = "",
    .example = "$ keyhole viewing stop v_5Yk2vQ0sLm7RtNwE",
    .opts = (const struct opt[]){ OPT_COMMENT, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_viewing_stop,
};

/* ---- keys ---- */

static int run_key(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    struct body b;
    int code = check_id(c, c->args.words[0], 'g', "the id of an access");

    if (code == EXIT_DONE)
        code = check_id(c, c->args.words[1], 'r', "a recording's id");
    body_begin(&b);
    jsonw_kcstr(&b.w, "recording", c->args.words[1]);
    if (args_flag(&c->args, "export")) {
        jsonw_karr(&b.w, "scope");
        jsonw_str(&b.w, SPAN("export"));
        jsonw_arr_end(&b.w);
    }
    path_id(&path, "/v1/grants/", c->args.words[0], "/keys");
    c->unbound = true; /* a bound one is of no use to another program */
    if (code == EXIT_DONE)
        code = cli_send(c, "POST", &path, body_end(&b), &r);
    if (code == EXIT_DONE && c->json)
        print_json(r.root);
    else if (code == EXIT_DONE)
        (void) printf(SPAN_FMT "\n", SPAN_ARG(get(r.root, "key")));
    body_deinit(&b);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

const struct command cmd_key = {
    .name = "key",
    .heading = "Access",
    .summary = "Prints a key for one recording, for a minute at most, where the policy allows such",
    .synopsis = "G RID [--export]",
    .text = "For programs that call the replay routes themselves; keyhole play, export and api fetch their own. The key is bound to nothing\n"
            "(binding = { bearer } in the policy): who has it can watch the recording while it lives. Keep it out of files, logs and\n"
            "command lines. keyhole api GET /v1/replay/RID/... works without it: it proves possession.",
    .example = "$ keyhole key g_P_52yi_zKORYBdCS r_2Dz2Sr-SnSlnd8aT | (read -r k; printf 'header = \"Authorization: Bearer %s\"' \"$k\" |\n"
               "    curl -K - https://rec.example.com/v1/replay/r_2Dz2Sr-SnSlnd8aT/manifest)",
    .opts = (const struct opt[]){ { "export", 0, NULL, "a key that exports instead of playing", false },
                                  { "bearer", 0, NULL, "what it does anyway, for scripts that say so", false }, { 0 } },
    .words_min = 2,
    .words_max = 2,
    .run = run_key,
};
