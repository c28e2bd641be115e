/* What belongs to access that is there already: more time, more people, more recordings, and the review of an emergency. */
#include "cli/request.h"

#include <stdlib.h>

#define PATH_CAP 8192

/* --for as duration_s; nothing when it was not given. */
static int add_duration(struct cli *c, struct body *b)
{
    const char *v = args_value(&c->args, "for");
    int64_t ms;
    int code;

    if (v == NULL)
        return EXIT_DONE;
    code = check_duration(c, "for", v, &ms);
    if (code != EXIT_DONE)
        return code;
    if (ms < 1000 || ms % 1000 != 0)
        return usage(c, "--for is in whole seconds, from 1s");
    jsonw_kint(&b->w, "duration_s", ms / 1000);
    return EXIT_DONE;
}

/* "access ACTIVE g_…" */
static void print_grant(struct cli *c, struct tree g)
{
    struct buf line = BUF_INIT(1024);

    if (c->json) {
        print_json(g);
    } else {
        buf_add_str(&line, "access ");
        text_safe(&line, get(g, "state"));
        buf_add_c(&line, ' ');
        text_safe(&line, get(g, "id"));
        (void) printf("%s\n", buf_cstr(&line));
    }
    buf_deinit(&line);
}

/* POST …/grants/G/tail. What comes back is the grant as it is now, or the linked request that was filed. */
static int linked(struct cli *c, const char *tail, struct body *b)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    int code = check_id(c, c->args.words[0], 'g', "the id of an access");

    path_id(&path, "/v1/grants/", c->args.words[0], tail);
    if (code == EXIT_DONE)
        code = cli_send_fresh(c, "POST", &path, body_end(b), &r);
    if (code == EXIT_DONE && span_starts(get(r.root, "id"), "q_"))
        code = request_filed(c, r.root);
    else if (code == EXIT_DONE)
        print_grant(c, r.root);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

#define OPT_FOR(what)    { "for", 0, "TIME", what, false }
#define OPT_REASON(what) { "reason", 0, "TEXT", what, false }

/* ---- time ---- */

/* Reason and length are all there is to say. */
static int linked_for(struct cli *c, const char *what)
{
    struct body b;
    int code;

    body_begin(&b);
    body_option(&b, c, "reason", "reason");
    code = add_duration(c, &b);
    if (code == EXIT_DONE)
        code = linked(c, what, &b);
    body_deinit(&b);
    return code;
}

static int run_more_time(struct cli *c)
{
    return linked_for(c, "/more-time");
}

const struct command cmd_more_time = {
    .name = "more-time",
    .heading = "Access",
    .summary = "More time for your open access: what was granted beforehand, else a request",
    .synopsis = "G [--for 30m] [--reason TEXT] [--wait]",
    .text = "Time that the voters granted beforehand (keyhole request --more-time) opens at once, as access of its own that follows on G: what\n"
            "plays goes on. Without such time a linked request is filed with the recordings and the purpose of G. G itself never gets\n"
            "longer. Prints what keyhole request prints.",
    .example = "$ keyhole more-time g_P_52yi_zKORYBdCS\nrequest ACTIVE q_7sL0pQe2Vb9xKdMf\n"
               "access until 2026-11-02 10:15:00 UTC g_mK30dQe1Zx7vBnPa",
    .opts = (const struct opt[]){ OPT_FOR("how much; one part of what was granted, else as long as before"),
                                  OPT_REASON("why; as before unless said"), OPTS_WAIT, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_more_time,
};

static void add_ids(struct jsonw *w, struct tree recordings)
{
    struct span at = recordings.payload;
    struct tree r;
    bool gone;

    jsonw_karr(w, "recordings");
    while (recordings.tag == TREE_ARR && tree_next(&at, &r)) {
        gone = false;
        (void) tree_get_bool(r, "gone", &gone);
        if (!gone)
            jsonw_str(w, get(r, "id"));
    }
    jsonw_arr_end(w);
}

/* An option's value, else what the first access had. */
static void either(struct jsonw *w, const struct cli *c, const char *option, struct tree before, const char *member)
{
    const char *v = args_value(&c->args, option);
    struct span was = get(before, member);

    if (v != NULL)
        jsonw_kcstr(w, member, v);
    else if (was.n > 0)
        jsonw_kstr(w, member, was);
}

static int extend_body(struct cli *c, struct tree g, struct body *b)
{
    struct tree purpose = get_node(g, "purpose");

    add_ids(&b->w, get_node(g, "recordings"));
    jsonw_ktree(&b->w, "actions", get_node(g, "actions"));
    jsonw_kobj(&b->w, "purpose");
    either(&b->w, c, "purpose", purpose, "code");
    either(&b->w, c, "reason", purpose, "reason");
    either(&b->w, c, "ticket", purpose, "ticket");
    jsonw_obj_end(&b->w);
    jsonw_kcstr(&b->w, "extends", c->args.words[0]);
    if (args_value(&c->args, "for") != NULL)
        return add_duration(c, b);
    jsonw_kint(&b->w, "duration_s", get_int(g, "duration_s"));
    return EXIT_DONE;
}

static int run_extend(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply g = { 0 }, r = { 0 };
    struct body b;
    int code = check_id(c, c->args.words[0], 'g', "the id of an access");

    body_begin(&b);
    path_id(&path, "/v1/grants/", c->args.words[0], "");
    if (code == EXIT_DONE)
        code = cli_get(c, &path, &g);
    if (code == EXIT_DONE)
        code = extend_body(c, g.root, &b);
    buf_reset(&path);
    buf_add_str(&path, "/v1/requests");
    if (code == EXIT_DONE)
        code = cli_send_fresh(c, "POST", &path, body_end(&b), &r);
    if (code == EXIT_DONE)
        code = request_filed(c, r.root);
    body_deinit(&b);
    http_reply_deinit(&g);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

const struct command cmd_extend = {
    .name = "extend",
    .heading = "Access",
    .summary = "Asks for your open access to go on: a new decision, never a longer window",
    .synopsis = "G [--for 30m] [--reason TEXT] [--wait]",
    .text = "Files a request for what G covers, linked to it, so that who decides sees both. Approved before G ends it opens access of its\n"
            "own that ends --for after G, and what plays goes on. Purpose, reason and ticket are those of G unless given anew.",
    .example = "$ keyhole extend g_P_52yi_zKORYBdCS --for 30m --wait\nrequest PENDING q_7sL0pQe2Vb9xKdMf\nwaiting for a vote of dana, lead\n"
               "request ACTIVE q_7sL0pQe2Vb9xKdMf\naccess until 2026-11-02 10:15:00 UTC g_mK30dQe1Zx7vBnPa",
    .opts = (const struct opt[]){ OPTS_REQUEST, OPTS_WAIT, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_extend,
};

/* ---- people and recordings ---- */

static int run_join(struct cli *c)
{
    return linked_for(c, "/join");
}

const struct command cmd_join = {
    .name = "join",
    .heading = "Access",
    .summary = "Asks to watch what a colleague has open access to",
    .synopsis = "G [--for 30m] [--reason TEXT] [--wait]",
    .text = "Files a linked request with the recordings, purpose and reason of G; it is decided like any other, and gives you access of your\n"
            "own. The colleague tells you the id of G: it is in no list of yours.",
    .example = "$ keyhole join g_P_52yi_zKORYBdCS --wait\nrequest PENDING q_7sL0pQe2Vb9xKdMf\nwaiting for a vote of lead\n"
               "request ACTIVE q_7sL0pQe2Vb9xKdMf\naccess until 2026-11-02 09:45:00 UTC g_mK30dQe1Zx7vBnPa",
    .opts = (const struct opt[]){ OPT_FOR("how long; what is left of G unless said"), OPT_REASON("why; the colleague's unless said"),
                                  OPTS_WAIT, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_join,
};

static int run_widen(struct cli *c)
{
    struct body b;
    int code = check_id(c, c->args.words[1], 'r', "a recording's id");

    body_begin(&b);
    jsonw_kcstr(&b.w, "recording", c->args.words[1]);
    body_option(&b, c, "reason", "reason");
    if (code == EXIT_DONE)
        code = linked(c, "/widen", &b);
    body_deinit(&b);
    return code;
}

const struct command cmd_widen = {
    .name = "widen",
    .heading = "Access",
    .summary = "Adds a recording to your open access",
    .synopsis = "G RID [--reason TEXT] [--wait]",
    .text = "Within what was decided beforehand (keyhole request --more session:5) it is added at once, and those who approved are told.\n"
            "Otherwise a linked request for it is filed. Prints the access as it is now, or what keyhole request prints.",
    .example = "$ keyhole widen g_P_52yi_zKORYBdCS r_-9fKq2LmZt4XbVwA\naccess ACTIVE g_P_52yi_zKORYBdCS",
    .opts = (const struct opt[]){ OPT_REASON("why, of a linked request; as before unless said"), OPTS_WAIT, { 0 } },
    .words_min = 2,
    .words_max = 2,
    .run = run_widen,
};

/* ---- review ---- */

static void show_emergency(struct tree g)
{
    struct tree glass = get_node(g, "break_glass"), list = get_node(g, "recordings"), r;
    struct span at = list.payload;
    struct buf b = BUF_INIT(1u << 16);

    buf_add_str(&b, "who          ");
    text_safe(&b, person_name(get_node(g, "holder")));
    buf_add_str(&b, "\nincident     ");
    text_safe(&b, get(glass, "incident"));
    buf_add_str(&b, "\nreason       ");
    text_safe(&b, get(glass, "reason"));
    while (list.tag == TREE_ARR && tree_next(&at, &r)) {
        buf_add_str(&b, "\nrecording    ");
        text_safe(&b, get(r, "id"));
        buf_add_c(&b, ' ');
        text_safe(&b, get(r, "title"));
    }
    buf_add_str(&b, "\nwindow       ");
    text_time(&b, get(get_node(g, "window"), "start"));
    buf_add_str(&b, " to ");
    text_time(&b, get(get_node(g, "window"), "end"));
    (void) fprintf(stderr, "%s\nwatched      keyhole viewings --grant " SPAN_FMT "\n", buf_cstr(&b), SPAN_ARG(get(g, "id")));
    buf_deinit(&b);
}

static int run_review(struct cli *c)
{
    bool failed = args_flag(&c->args, "failed");
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply g = { 0 };
    struct body b;
    int code = check_id(c, c->args.words[0], 'g', "the id of an access");

    if (code == EXIT_DONE && args_value(&c->args, "comment") == NULL)
        code = usage(c, "a review says what was found: --comment TEXT");
    path_id(&path, "/v1/grants/", c->args.words[0], "");
    if (code == EXIT_DONE)
        code = cli_get(c, &path, &g);
    if (code == EXIT_DONE && !c->json)
        show_emergency(g.root);
    body_begin(&b);
    jsonw_kcstr(&b.w, "outcome", failed ? "failed" : "done");
    body_option(&b, c, "comment", "comment");
    if (code == EXIT_DONE && !confirm(c, failed ? "Was this wrong?" : "Was this right?"))
        code = fail("nothing was said");
    if (code == EXIT_DONE)
        code = linked(c, "/review", &b);
    body_deinit(&b);
    http_reply_deinit(&g);
    buf_deinit(&path);
    return code;
}

const struct command cmd_review = {
    .name = "review",
    .heading = "Access",
    .summary = "Says whether breaking the glass was right, once it is over",
    .synopsis = "G --comment TEXT [--failed]",
    .text = "For approvers, auditors and administrators who neither used it nor approved what came of it. Shows who, why and what first. With\n"
            "--failed the person may not break the glass again until the role is given anew.",
    .example = "$ keyhole review g_P_52yi_zKORYBdCS --comment 'INC-204 was real, only the failing checkouts were watched'\n"
               "access EXPIRED g_P_52yi_zKORYBdCS",
    .opts = (const struct opt[]){ { "comment", 0, "TEXT", "what was found", false },
                                  { "failed", 0, NULL, "it was not right", false }, OPT_PASSWORD_FILE, OPT_YES, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_review,
};
