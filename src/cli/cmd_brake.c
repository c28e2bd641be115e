/* What stops everything, and what is set right again by two people: freeze, signing keys, the clock, sealed logs. */
#include "cli/cli.h"

#include <unistd.h>

#include "keeper/console.h"
#include "server/config.h"

#define PATH_CAP 8192

#define OPT_WHY { "reason", 0, "TEXT", "why; goes into the audit log", false }

/* {"reason": …} and what else was begun; asks first. */
static int reasoned(struct cli *c, struct body *b, const char *question)
{
    if (args_value(&c->args, "reason") == NULL)
        return usage(c, "this wants a reason: --reason TEXT");
    body_option(b, c, "reason", "reason");
    if (!confirm(c, question))
        return fail("nothing was done");
    return EXIT_DONE;
}

/* 202: the first of two. */
static bool is_waiting(const struct http_reply *r)
{
    return r->status == 202;
}

static void print_waiting(struct cli *c, struct tree r)
{
    struct buf b = BUF_INIT(1024);

    if (c->json) {
        print_json(r);
    } else {
        buf_add_str(&b, "waiting until ");
        text_time(&b, get(r, "expires_at"));
        (void) printf("%s UTC\n", buf_cstr(&b));
        note("nothing has happened yet: a second person has to do the same by then");
    }
    buf_deinit(&b);
}

/* ---- freeze ---- */

static void print_frozen(struct cli *c, struct tree list)
{
    struct tree items = get_node(list, "items"), f;
    struct span at = items.payload;

    if (c->json) {
        print_json(list);
        return;
    }
    if (tree_count(items) == 0)
        (void) printf("nothing is frozen\n");
    while (items.tag == TREE_ARR && tree_next(&at, &f)) {
        struct buf b = BUF_INIT(16384);
        struct span name = get(f, "project_name");

        buf_add_str(&b, get(f, "project").n > 0 ? "frozen: project " : "frozen: everything");
        if (get(f, "project").n > 0)
            text_safe(&b, name.n > 0 ? name : get(f, "project"));
        buf_add_str(&b, ", since ");
        text_time(&b, get(f, "at"));
        buf_add_str(&b, " UTC, by ");
        text_safe(&b, person_name(get_node(f, "by")));
        buf_add_str(&b, ": ");
        text_safe(&b, get(f, "reason"));
        (void) printf("%s\n", buf_cstr(&b));
        buf_deinit(&b);
    }
}

static int freeze(struct cli *c, const char *to, const char *question)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    struct body b;
    int code;

    body_begin(&b);
    body_option(&b, c, "project", "project");
    code = reasoned(c, &b, question);
    buf_add_str(&path, to);
    if (code == EXIT_DONE)
        code = cli_send_fresh(c, "POST", &path, body_end(&b), &r);
    if (code == EXIT_DONE && is_waiting(&r))
        print_waiting(c, r.root);
    else if (code == EXIT_DONE)
        print_frozen(c, r.root);
    body_deinit(&b);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

static int run_freeze_lift(struct cli *c)
{
    return freeze(c, "/v1/freeze/lift", "Let access open and go on again?");
}

static int run_freeze(struct cli *c)
{
    if (args_flag(&c->args, "lift"))
        return run_freeze_lift(c);
    return freeze(c, "/v1/freeze", "Stop all open access now?");
}

static int run_freeze_show(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    int code;

    buf_add_str(&path, "/v1/freeze");
    code = cli_get(c, &path, &r);
    if (code == EXIT_DONE)
        print_frozen(c, r.root);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

#define OPT_ONE_PROJECT { "project", 'p', "P", "only this project, by id or name", false }

const struct command cmd_freeze = {
    .name = "freeze",
    .heading = "Access",
    .summary = "The brake: all open access stops at once, and nothing opens",
    .synopsis = "--reason TEXT [--project P] [--lift]",
    .text = "One administrator is enough (a project's administrator for that project). What plays stops within a second; windows keep running;\n"
            "recording, and reading the audit log, go on. It lasts over restarts, until two people lift it: --lift, or keyhole freeze lift.",
    .example = "$ keyhole freeze --reason 'A laptop with a sign-in was stolen'\n"
               "frozen: everything, since 2026-11-02 09:15:00 UTC, by dana: A laptop with a sign-in was stolen",
    .opts = (const struct opt[]){ OPT_WHY, OPT_ONE_PROJECT, { "lift", 0, NULL, "let go of the brake", false }, OPT_PASSWORD_FILE,
                                  OPT_YES, { 0 } },
    .run = run_freeze,
};

const struct command cmd_freeze_lift = {
    .name = "freeze lift",
    .heading = "Access",
    .summary = "Lets go of the brake: two different people, within 15 minutes",
    .synopsis = "--reason TEXT [--project P]",
    .text = "The first call waits for a second person's, and says until when. Then what was stopped goes on, if its window is not over.",
    .example = "$ keyhole freeze lift --reason 'The laptop is back, the sign-in was ended'\nwaiting until 2026-11-02 09:45:00 UTC",
    .opts = (const struct opt[]){ OPT_WHY, OPT_ONE_PROJECT, OPT_PASSWORD_FILE, OPT_YES, { 0 } },
    .run = run_freeze_lift,
};

const struct command cmd_freeze_show = {
    .name = "freeze show",
    .heading = "Access",
    .summary = "What is frozen now, since when, by whom and why",
    .synopsis = "",
    .text = "",
    .example = "$ keyhole freeze show\nnothing is frozen",
    .run = run_freeze_show,
};

/* ---- signing keys ---- */

static int run_keys_rotate(struct cli *c)
{
    bool emergency = args_flag(&c->args, "emergency");
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    struct body b;
    int code;

    body_begin(&b);
    if (emergency)
        jsonw_kbool(&b.w, "emergency", true);
    code = reasoned(c, &b, emergency ? "Make every key that was issued worthless now?" : "Roll the signing keys now?");
    buf_add_str(&path, "/v1/signing-keys/rotate");
    if (code == EXIT_DONE)
        code = cli_send_fresh(c, "POST", &path, body_end(&b), &r);
    if (code == EXIT_DONE && c->json)
        print_json(r.root);
    else if (code == EXIT_DONE)
        (void) printf("rolled; until now signed " SPAN_FMT "\n", SPAN_ARG(get(r.root, "kid")));
    if (code == EXIT_DONE && emergency && !c->json)
        note("%lld open accesses have to renew their keys, which players do by themselves", (long long) get_int(r.root, "grants"));
    body_deinit(&b);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

const struct command cmd_keys_rotate = {
    .name = "keys rotate",
    .heading = "Server",
    .summary = "Rolls the keys that sign, ahead of their time",
    .synopsis = "--reason TEXT [--emergency]",
    .text = "For administrators. Without --emergency nobody notices: what the old key signed stays good until it expires. With it the old key\n"
            "and the one that was published ahead are dropped at once and every open access renews: for when a signing key may have\n"
            "leaked. The server rolls by itself each hour.",
    .example = "$ keyhole keys rotate --emergency --reason 'INC-204: the key store was copied'\nrolled; until now signed zAIXFns1pr8",
    .opts = (const struct opt[]){ OPT_WHY, { "emergency", 0, NULL, "the old one counts no more", false }, OPT_PASSWORD_FILE, OPT_YES,
                                  { 0 } },
    .run = run_keys_rotate,
};

/* ---- at the console, with the server stopped ---- */

#define OPT_CONSOLE { "console", 0, NULL, "as root, with the server stopped, where there is one administrator", false }, \
                    { "config", 'c', "FILE", "the server's configuration; with --console", false }

typedef enum err at_console_fn(const struct console *x, struct cli *c, struct err_info *reterr);

static int at_console(struct cli *c, at_console_fn *fn)
{
    const char *path = args_value(&c->args, "config");
    struct config *config = NULL;
    struct console x = { 0 };
    struct err_info e = { 0 };
    enum err err;

    if (path == NULL)
        return usage(c, "which server? Say -c DIR/keyhole.conf");
    if (geteuid() != 0)
        return usage(c, "--console is for root");
    if (config_load(path, &config, &e) != ERR_OK)
        return fail_err(&e);
    x = (struct console){ .dir = config->dir, .public_url = config->public_url, .envs = config->envs.items,
                          .n_envs = config->envs.n };
    err = fn(&x, c, &e);
    (void) config_free(config);
    return err == ERR_OK ? EXIT_DONE : fail_err(&e);
}

/* ---- clock ---- */

static enum err clock_at_console(const struct console *x, struct cli *c, struct err_info *reterr)
{
    TRY(console_trust_clock(x, reterr));
    (void) printf(c->json ? "{\"trusted\":true}\n" : "the clock is trusted\n");
    return ERR_OK;
}

static int clock_by_two(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    struct body b;
    int code;

    body_begin(&b);
    code = reasoned(c, &b, "Is the server's clock right?");
    buf_add_str(&path, "/v1/clock/trust");
    if (code == EXIT_DONE)
        code = cli_send_fresh(c, "POST", &path, body_end(&b), &r);
    if (code == EXIT_DONE && is_waiting(&r))
        print_waiting(c, r.root);
    else if (code == EXIT_DONE)
        (void) printf(c->json ? "{\"trusted\":true}\n" : "the clock is trusted\n");
    body_deinit(&b);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

static int run_clock_trust(struct cli *c)
{
    if (args_flag(&c->args, "console"))
        return at_console(c, clock_at_console);
    return clock_by_two(c);
}

const struct command cmd_clock_trust = {
    .name = "clock trust",
    .heading = "Server",
    .summary = "Says that the server's clock is right: two administrators, within 15 minutes",
    .synopsis = "--reason TEXT | --console -c FILE",
    .text = "A server whose clock went back, or that starts before a time it has seen, opens nothing: a window could last longer than was\n"
            "granted. It goes on by itself when its clock is synchronised and past that time. When a wrong jump ahead set the mark, two\n"
            "administrators lower it with this, after they have looked at the clock.",
    .example = "$ keyhole clock trust --reason 'The clock jumped to 2031 at 09:10, it is right again'\nwaiting until 2026-11-02 09:30:00 UTC",
    .opts = (const struct opt[]){ OPT_WHY, OPT_PASSWORD_FILE, OPT_YES, OPT_CONSOLE, { 0 } },
    .run = run_clock_trust,
};

/* ---- sealed logs ---- */

static void tell_name(void *ctx, struct span name)
{
    (void) ctx;
    (void) printf("goes on as " SPAN_FMT "\n", SPAN_ARG(name));
}

static enum err unseal_at_console(const struct console *x, struct cli *c, struct err_info *reterr)
{
    const char *log = c->args.words[0];

    return console_unseal(x, strcmp(log, "all") == 0 ? SPAN_EMPTY : span_str(log), tell_name, NULL, reterr);
}

static int unseal_by_two(struct cli *c)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    struct body b;
    int code;

    body_begin(&b);
    code = reasoned(c, &b, "Go on with a new generation of this log?");
    path_id(&path, "/v1/audit/", c->args.words[0], "/unseal");
    if (code == EXIT_DONE)
        code = cli_send_fresh(c, "POST", &path, body_end(&b), &r);
    if (code == EXIT_DONE && is_waiting(&r)) {
        print_waiting(c, r.root);
    } else if (code == EXIT_DONE && c->json) {
        print_json(r.root);
    } else if (code == EXIT_DONE) {
        struct tree items = get_node(r.root, "items"), log;

        for (struct span at = items.payload; items.tag == TREE_ARR && tree_next(&at, &log);)
            (void) printf("goes on as " SPAN_FMT "\n", SPAN_ARG(get(log, "log")));
    }
    body_deinit(&b);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

static int run_audit_unseal(struct cli *c)
{
    if (args_flag(&c->args, "console"))
        return at_console(c, unseal_at_console);
    return unseal_by_two(c);
}

const struct command cmd_audit_unseal = {
    .name = "audit unseal",
    .heading = "Audit",
    .summary = "Lets a sealed log go on as its next generation: two administrators, within 15 minutes",
    .synopsis = "LOG|all (--reason TEXT | --console -c FILE)",
    .text = "A log that does not hold together is sealed, and nothing is replayed that it would have to record. Look first at what happened:\n"
            "keyhole audit logs says what was found, keyhole audit verify checks again. The sealed generation stays as it is, readable and\n"
            "never signed again; the first record of the next one names what was found.",
    .example = "$ keyhole audit unseal shop --reason 'Restored from the backup of 03:00, INC-204'\nwaiting until 2026-11-02 09:30:00 UTC",
    .opts = (const struct opt[]){ OPT_WHY, OPT_PASSWORD_FILE, OPT_YES, OPT_CONSOLE, { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_audit_unseal,
};
