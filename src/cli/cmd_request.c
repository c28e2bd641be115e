/* Asking for access, and deciding. */
#include "cli/access.h"
#include "cli/digest.h"
#include "cli/request.h"

#include <stdlib.h>
#include <unistd.h>

#define PATH_CAP 8192

/* ---- asking ---- */

static void print_names(const char *head, struct tree people)
{
    struct span at = people.payload;
    struct buf b = BUF_INIT(65536);
    struct tree p;

    while (people.tag == TREE_ARR && tree_next(&at, &p)) {
        buf_add_str(&b, b.n > 0 ? ", " : "");
        text_safe(&b, person_name(p));
    }
    if (b.n > 0)
        (void) fprintf(stderr, "%s %s\n", head, buf_cstr(&b));
    buf_deinit(&b);
}

void request_print(struct cli *c, struct tree r)
{
    struct span grant = get(r, "grant"), end = get(get_node(r, "window"), "end");
    struct buf b = BUF_INIT(4096);

    if (c->json) {
        print_json(r);
    } else {
        buf_add_str(&b, "request ");
        text_safe(&b, get(r, "state"));
        buf_add_c(&b, ' ');
        text_safe(&b, get(r, "id"));
        buf_add_c(&b, '\n');
        if (grant.n > 0) {
            buf_add_str(&b, "access ");
            if (end.n > 0) {
                buf_add_str(&b, "until ");
                text_time(&b, end);
                buf_add_str(&b, " UTC ");
            } else {
                buf_add_str(&b, "opens at first use ");
            }
            text_safe(&b, grant);
            buf_add_c(&b, '\n');
        }
        (void) fputs(buf_cstr(&b), stdout);
        (void) fflush(stdout);
    }
    buf_deinit(&b);
}

static void print_decision(struct tree r)
{
    struct tree votes = get_node(r, "votes"), v;
    struct span at = votes.payload;

    while (votes.tag == TREE_ARR && tree_next(&at, &v)) {
        struct buf b = BUF_INIT(16384);

        text_safe(&b, person_name(get_node(v, "voter")));
        buf_addf(&b, " voted to ");
        text_safe(&b, get(v, "vote"));
        if (get(v, "comment").n > 0) {
            buf_add_str(&b, ": ");
            text_safe(&b, get(v, "comment"));
        }
        (void) fprintf(stderr, "%s\n", buf_cstr(&b));
        buf_deinit(&b);
    }
}

static int wait_for(struct cli *c, struct tree request)
{
    const char *limit = args_value(&c->args, "timeout");
    struct http_reply r = { 0 };
    char q[ID_CAP];
    int64_t ms = 0;
    int code = limit == NULL ? EXIT_DONE : check_duration(c, "timeout", limit, &ms);

    if (code != EXIT_DONE || !span_to_str(get(request, "id"), q, sizeof(q)))
        return code;
    if (!c->json)
        print_names("waiting for a vote of", get_node(request, "approvers"));
    code = access_wait(c, q, ms, &r);
    if (!c->json && r.root.tag == TREE_OBJ)
        print_decision(r.root);
    if (r.root.tag == TREE_OBJ)
        request_print(c, r.root);
    http_reply_deinit(&r);
    return code;
}

int request_filed(struct cli *c, struct tree r)
{
    bool wait = args_flag(&c->args, "wait"), pending = span_eq_str(get(r, "state"), "PENDING");

    if (!wait || !pending || !c->json)
        request_print(c, r);
    if (wait && pending)
        return wait_for(c, r);
    if (pending && !c->json)
        print_names("can be approved by", get_node(r, "approvers"));
    return EXIT_DONE;
}

static int run_request(struct cli *c)
{
    struct http_reply r = { 0 };
    bool incident = args_value(&c->args, "incident") != NULL;
    int code;

    if (args_flag(&c->args, "break-glass") != incident)
        return usage(c, "--break-glass goes with --incident ID");
    code = access_request(c, c->args.words, c->args.n_words, NULL, &r);
    if (code == EXIT_DONE)
        code = request_filed(c, r.root);
    http_reply_deinit(&r);
    return code;
}

static int run_break_glass(struct cli *c)
{
    struct http_reply r = { 0 };
    int code;

    if (args_value(&c->args, "incident") == NULL || args_value(&c->args, "reason") == NULL)
        return usage(c, "breaking the glass needs --incident ID and --reason TEXT");
    code = access_request(c, c->args.words, c->args.n_words, NULL, &r);
    if (code == EXIT_DONE) {
        request_print(c, r.root);
        if (!c->json)
            note("everybody who watches over this has been told; somebody else reviews it within 24 h");
    }
    http_reply_deinit(&r);
    return code;
}

const struct command cmd_request = {
    .name = "request",
    .heading = "Access",
    .summary = "Asks for access to recordings",
    .synopsis = "RID... --purpose CODE --reason TEXT [--for 30m] [--action play,export] [--wait]",
    .text = "The window begins with the approval unless --start says first-use (when you first open it, within hours) or a time.\n"
            "Prints the request's state and id; once there is access, a second line that ends with its id. With --wait the command\n"
            "stays until somebody decided: exit status 0 approved, 3 denied or cancelled, 5 nobody decided in time.\n\n"
            "unmask (beside play or live) shows values that were hidden when they were recorded: a stronger thing to ask for, which more\n"
            "people may have to approve, and of which every record says so.\n\n"
            "What may be needed later can be decided now, as far as the policy goes: more people who watch (--viewer), more recordings of\n"
            "the same session, subject or link (--more, then keyhole widen), more time (--more-time, then keyhole more-time).",
    .example = "$ keyhole request r_2Dz2Sr-SnSlnd8aT --purpose support --reason 'Customer reports that checkout fails' --for 30m --wait\n"
               "request PENDING q_0w3m1Vt9kq5yQpLx\nwaiting for a vote of dana, lead\nrequest ACTIVE q_0w3m1Vt9kq5yQpLx\n"
               "access until 2026-11-02 09:45:00 UTC g_P_52yi_zKORYBdCS",
    .opts = (const struct opt[]){ OPTS_REQUEST,
                                  { "action", 0, "LIST", "play, live, unmask, export, separated by commas; play unless said", false },
                                  { "start", 0, "WHEN", "approval, first-use or a time", false },
                                  { "start-by", 0, "TIME", "with first-use: how long the approval waits for it", false },
                                  { "extend", 0, "G", "the access that this prolongs", false },
                                  { "viewer", 0, "USER", "somebody who watches too", true },
                                  { "more", 0, "SAME:N", "recordings that may be added: session:5, link:2", false },
                                  { "more-time", 0, "NxTIME", "time that is granted beforehand: 1x30m", false },
                                  { "break-glass", 0, NULL, "at once, without a vote: see keyhole break-glass", false },
                                  { "incident", 0, "ID", "with --break-glass: the incident", false },
                                  OPT_PASSWORD_FILE,
                                  OPTS_WAIT,
                                  { 0 } },
    .words_min = 1,
    .words_max = 100,
    .run = run_request,
};

const struct command cmd_break_glass = {
    .name = "break-glass",
    .heading = "Access",
    .summary = "Access at once, without a vote, in an incident; it is reviewed afterwards",
    .synopsis = "RID... --incident ID --reason TEXT [--for 30m] [--purpose CODE] [--action play,live]",
    .text = "For holders of the role breakglass, with a fresh sign-in, for named recordings and at most an hour. Everybody who watches over\n"
            "access is alarmed at once, every record says so, and somebody else has to review it within 24 hours (keyhole review). It also\n"
            "files an ordinary request: approved in time, that one takes over. Who has too many without a finished review is refused.",
    .example = "$ keyhole break-glass r_2Dz2Sr-SnSlnd8aT --incident INC-204 --reason 'Payments fail for everybody since 09:10'\n"
               "request ACTIVE q_0w3m1Vt9kq5yQpLx\naccess until 2026-11-02 09:45:00 UTC g_P_52yi_zKORYBdCS",
    .opts = (const struct opt[]){ { "incident", 0, "ID", "the incident", false },
                                  OPTS_REQUEST,
                                  { "action", 0, "LIST", "play, live, export, separated by commas; play unless said", false },
                                  OPT_PASSWORD_FILE,
                                  { 0 } },
    .words_min = 1,
    .words_max = 100,
    .run = run_break_glass,
};

/* ---- the list ---- */

static void request_row(struct cli *c, struct table *t, struct tree r)
{
    struct tree purpose = get_node(r, "purpose"), first, list = get_node(r, "recordings");
    struct span at = list.payload;
    struct buf b = BUF_INIT(65536);

    (void) c;
    table_cell(t, get(r, "id"));
    table_cell(t, get(r, "state"));
    table_cell(t, person_name(get_node(r, "requester")));
    if (tree_count(list) > 0 && tree_next(&at, &first)) {
        buf_add_span(&b, get(first, "id"));
        if (tree_count(list) > 1)
            buf_addf(&b, " +%zu", tree_count(list) - 1);
    }
    table_cell(t, buf_span(&b));
    buf_reset(&b);
    text_span(&b, get_int(r, "duration_s") * 1000);
    table_cell(t, buf_span(&b));
    buf_reset(&b);
    text_time(&b, get(r, "created_at"));
    table_cell(t, span_sub(buf_span(&b), 0, 16));
    buf_reset(&b);
    buf_add_span(&b, get(purpose, "code"));
    if (get(purpose, "reason").n > 0) {
        buf_add_str(&b, ": ");
        buf_add_span(&b, get(purpose, "reason"));
    }
    table_cell(t, buf_span(&b));
    buf_deinit(&b);
}

static int run_requests(struct cli *c)
{
    static const struct table_column columns[] = { { .title = "ID" }, { .title = "STATE" }, { "WHO", true, false },
                                                   { .title = "RECORDINGS" }, { "FOR", false, true },
                                                   { .title = "ASKED" }, { "WHY", true, false } };
    static const struct list_spec spec = { columns, 7, request_row, "No requests." };
    struct buf path = BUF_INIT(PATH_CAP);
    bool inbox = args_flag(&c->args, "inbox"), mine = args_flag(&c->args, "mine");
    int code;

    if (inbox && mine)
        return usage(c, "--inbox or --mine, not both");
    buf_add_str(&path, "/v1/requests");
    path_add(&path, "box", inbox ? "inbox" : mine ? "mine" : NULL);
    path_add(&path, "state", args_value(&c->args, "state"));
    path_add(&path, "recording", args_value(&c->args, "recording"));
    code = print_list(c, &path, &spec);
    buf_deinit(&path);
    return code;
}

const struct command cmd_requests = {
    .name = "requests",
    .heading = "Access",
    .summary = "Requests: yours, those that wait for your vote, those of your projects",
    .synopsis = "[--inbox | --mine] [--state open]",
    .text = "",
    .example = "$ keyhole requests --inbox",
    .opts = (const struct opt[]){ { "inbox", 0, NULL, "on which you could vote now", false },
                                  { "mine", 0, NULL, "that you made", false },
                                  { "state", 0, "LIST", "open, pending, denied, lapsed, ..., separated by commas", false },
                                  { "recording", 0, "RID", "for this recording", false }, OPT_LIMIT, { 0 } },
    .run = run_requests,
};

/* ---- voting ---- */

/* The request as it is now: what is shown, and what the digest is computed from. */
static int look_at(struct cli *c, const char *q, struct http_reply *r, struct seen *seen, char digest[SEEN_DIGEST_LEN + 1])
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct err_info e = { 0 };
    int code = check_id(c, q, 'q', "a request's id");

    path_id(&path, "/v1/requests/", q, "");
    if (code == EXIT_DONE)
        code = cli_get(c, &path, r);
    buf_deinit(&path);
    if (code != EXIT_DONE)
        return code;
    if (seen_read(r->root, span_str(q), seen, &e) != ERR_OK || seen_digest(seen, digest, &e) != ERR_OK) {
        (void) fail_err(&e);
        return EXIT_REFUSED;
    }
    if (!span_eq_str(get(r->root, "digest"), digest)) {
        (void) fail("what the server shows is not what its digest covers: not approved");
        return EXIT_REFUSED;
    }
    return EXIT_DONE;
}

static void show(const struct seen *seen, const char *digest)
{
    struct buf b = BUF_INIT(1u << 20);
    struct tree r = seen->request;

    seen_text(seen, &b);
    buf_addf(&b, "%-12s %s (computed from the above)\n", "digest", digest);
    buf_addf(&b, "%-12s %lld needed, %zu given, by rule ", "votes", (long long) get_int(r, "need"),
             tree_count(get_node(r, "votes")));
    text_safe(&b, get(r, "rule"));
    buf_add_c(&b, '\n');
    (void) fwrite(b.p, 1, b.n, stderr);
    buf_deinit(&b);
}

static int vote(struct cli *c, const char *what)
{
    const char *q = c->args.words[0];
    char digest[SEEN_DIGEST_LEN + 1], question[40];
    struct http_reply r = { 0 }, after = { 0 };
    struct buf path = BUF_INIT(PATH_CAP);
    struct seen seen;
    struct body b;
    int code = look_at(c, q, &r, &seen, digest);

    body_begin(&b);
    if (code == EXIT_DONE && !c->json)
        show(&seen, digest);
    (void) snprintf(question, sizeof(question), "%s this?", strcmp(what, "approve") == 0 ? "Approve" : "Deny");
    if (code == EXIT_DONE && !confirm(c, question)) {
        note("no vote was given");
        code = EXIT_FAILED;
    }
    if (code == EXIT_DONE) {
        jsonw_kcstr(&b.w, "digest", digest);
        body_option(&b, c, "comment", "comment");
        path_id(&path, "/v1/requests/", q, strcmp(what, "approve") == 0 ? "/approve" : "/deny");
        code = cli_send_fresh(c, "POST", &path, body_end(&b), &after);
    }
    if (code == EXIT_DONE)
        request_print(c, after.root);
    body_deinit(&b);
    http_reply_deinit(&r);
    http_reply_deinit(&after);
    buf_deinit(&path);
    return code;
}

static int run_approve(struct cli *c)
{
    return vote(c, "approve");
}

static int run_deny(struct cli *c)
{
    return vote(c, "deny");
}

#define VOTE_OPTS (const struct opt[]){ OPT_COMMENT, OPT_PASSWORD_FILE, OPT_YES, { 0 } }

const struct command cmd_approve = {
    .name = "approve",
    .heading = "Access",
    .summary = "Approves a request, exactly as it is shown",
    .synopsis = "Q [--comment TEXT] [--password-file FILE]",
    .text = "Shows everything that the vote covers on standard error, computes the digest from what it showed, and refuses to vote when\n"
            "the server's differs. Asks before it votes, on a terminal. A vote wants a fresh sign-in: the password is asked for again when\n"
            "the last sign-in is more than 15 minutes ago.",
    .example = "$ keyhole approve q_0w3m1Vt9kq5yQpLx --comment 'for SUP-1482 only'",
    .opts = VOTE_OPTS,
    .words_min = 1,
    .words_max = 1,
    .run = run_approve,
};

const struct command cmd_deny = {
    .name = "deny",
    .heading = "Access",
    .summary = "Denies a request; the comment is told to who asked",
    .synopsis = "Q [--comment TEXT] [--password-file FILE]",
    .text = "Shows the request first, as keyhole approve does.",
    .example = "$ keyhole deny q_0w3m1Vt9kq5yQpLx --comment 'the log file has it'",
    .opts = VOTE_OPTS,
    .words_min = 1,
    .words_max = 1,
    .run = run_deny,
};

static int run_cancel(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    int code = check_id(c, c->args.words[0], 'q', "a request's id");

    path_id(&path, "/v1/requests/", c->args.words[0], "/cancel");
    if (code == EXIT_DONE)
        code = cli_send(c, "POST", &path, NULL, &r);
    if (code == EXIT_DONE)
        request_print(c, r.root);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

const struct command cmd_cancel = {
    .name = "cancel",
    .heading = "Access",
    .summary = "Takes your own request back",
    .synopsis = "Q",
    .text = "",
    .example = "$ keyhole cancel q_0w3m1Vt9kq5yQpLx",
    .words_min = 1,
    .words_max = 1,
    .run = run_cancel,
};
