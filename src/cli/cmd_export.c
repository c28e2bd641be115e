/*
 * export: a recording as a file, whole or not at all.
 *
 * The answer is written to a new file beside the target (0600) while cut.c watches where its last whole event ends. A
 * connection that breaks, or a key that ends on the way, cuts the file back to there; the next call goes on from the number of
 * events it has. At the end: fsync, rename. A failure removes what was begun.
 */
#include "cli/access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cut.h"
#include "os/file.h"

#define PATH_CAP    8192
#define TRIES       6 /* in a row without a new event */
#define WAIT_MAX_MS 60000
#define SAY_MS      2000

struct export {
    struct cli *c;
    struct access access;
    const char *format;
    const char *target;
    char temporary[4096];
    int fd;
    struct cut cut;
    bool rrweb, text, bar;
    struct err_info err;
};

static void say_progress(const struct export *x)
{
    (void) fprintf(stderr, "\r\033[K%llu %s", (unsigned long long) (x->text ? x->cut.at : x->cut.events), x->text ? "bytes" : "events");
}

static bool on_body(void *ctx, struct span piece)
{
    struct export *x = ctx;
    const char *joint = "";

    /* A server may go on with or without the comma between two calls; the file has exactly one. */
    if (x->rrweb)
        joint = cut_joins(&x->cut, &piece);
    if (os_write_all(x->fd, span_str(joint), &x->err) != ERR_OK || os_write_all(x->fd, piece, &x->err) != ERR_OK)
        return false;
    cut_feed(&x->cut, piece);
    if (x->bar)
        say_progress(x);
    return true;
}

/* Which format the answer has: by name, or as the recording's kind decides. */
static int find_format(struct export *x)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    int code = EXIT_DONE;

    if (x->format == NULL) {
        path_id(&path, "/v1/recordings/", x->access.rid, "");
        code = cli_get(x->c, &path, &r);
        x->rrweb = span_eq_str(get(r.root, "kind"), "rrweb");
    } else {
        x->rrweb = strcmp(x->format, "rrweb") == 0;
        x->text = strcmp(x->format, "text") == 0;
    }
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

static int open_target(struct export *x)
{
    struct stat st;

    if (stat(x->target, &st) == 0 && S_ISDIR(st.st_mode))
        return fail("%s is a directory", x->target);
    if (stat(x->target, &st) == 0 && !args_flag(&x->c->args, "force"))
        return fail("%s is there already; --force replaces it", x->target);
    if (snprintf(x->temporary, sizeof(x->temporary), "%s.part-XXXXXX", x->target) >= (int) sizeof(x->temporary))
        return fail("that file name is too long");
    x->fd = mkostemp(x->temporary, O_CLOEXEC);
    return x->fd >= 0 ? EXIT_DONE : fail("cannot write beside %s: %s", x->target, strerror(errno));
}

/* Back to the end of the last whole event (the header counts as whole when its line is). */
static bool cut_back(struct export *x)
{
    cut_restart(&x->cut);
    if (ftruncate(x->fd, (off_t) x->cut.good) != 0 || lseek(x->fd, 0, SEEK_END) < 0) {
        (void) ERR_RAISE_SYS(&x->err, ERR_IO, errno, "%s: %s", x->temporary, strerror(errno));
        return false;
    }
    return true;
}

static bool call(struct export *x, struct http_reply *r)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_request q = { .method = "GET", .bearer = x->access.key, .prove = x->access.bound, .on_body = on_body, .body_ctx = x,
                              .never_retry = true, .timeout_ms = -1 };
    bool ok;

    path_id(&path, "/v1/replay/", x->access.rid, "/export");
    path_add(&path, "format", x->format);
    if (x->cut.events > 0)
        path_add_int(&path, "from_seq", (int64_t) x->cut.events);
    q.path = buf_cstr(&path);
    ok = http_call(x->c->http, &q, r);
    buf_deinit(&path);
    return ok && cut_whole(&x->cut);
}

static bool may_go_on(const struct http_reply *r)
{
    return r->status == 0 || r->cut || r->retryable || (r->status == 401 && strncmp(r->code, "key-", 4) == 0) ||
           strcmp(r->code, "grant-ended") == 0 || /* asking for a key says it, or finds access that follows on */
           span_eq_str(get(get_node(r->root, "left"), "name"), "key_bytes") || (r->status >= 200 && r->status < 300);
}

static void rest(int tries, int64_t retry_after_ms)
{
    int64_t ms = retry_after_ms > 0 ? retry_after_ms : 200LL << tries;
    struct timespec t = { (ms > WAIT_MAX_MS ? WAIT_MAX_MS : ms) / 1000, ms > WAIT_MAX_MS ? 0 : ms % 1000 * 1000000 };

    if (retry_after_ms > SAY_MS)
        note("too fast for the server; going on in %lld s", (long long) t.tv_sec);
    (void) nanosleep(&t, NULL);
}

static int key_failed(struct export *x)
{
    (void) fail("%s%s%s%s", x->access.why, x->access.code[0] != '\0' ? " [" : "", x->access.code,
                x->access.code[0] != '\0' ? "]" : "");
    return x->access.exit_code;
}

static int fetch(struct export *x)
{
    for (int tries = 0; tries < TRIES;) {
        uint64_t before = x->cut.events;
        struct http_reply r = { 0 };
        int code = EXIT_DONE;
        int64_t after;

        if (!access_key(&x->access)) {
            if (x->access.exit_code != EXIT_FAILED || ++tries == TRIES)
                return key_failed(x);
            rest(tries, x->access.retry_after_ms);
            continue;
        }
        if (call(x, &r)) {
            http_reply_deinit(&r);
            return EXIT_DONE;
        }
        after = r.retry_after_ms;
        if (x->err.code != ERR_OK)
            code = fail_err(&x->err);
        else if (!may_go_on(&r))
            code = cli_problem(x->c, &r);
        http_reply_deinit(&r);
        if (code != EXIT_DONE || !cut_back(x))
            return code != EXIT_DONE ? code : fail_err(&x->err);
        tries = x->cut.events > before ? 0 : tries + 1;
        rest(tries, after);
    }
    return fail("the recording does not come through: it was cut %d times without anything new", TRIES);
}

static int finish(struct export *x)
{
    struct err_info e = { 0 };

    if (os_sync(x->fd, &e) != ERR_OK)
        return fail_err(&e);
    if (rename(x->temporary, x->target) != 0)
        return fail("%s: %s", x->target, strerror(errno));
    x->temporary[0] = '\0';
    return EXIT_DONE;
}

static int run_export(struct cli *c)
{
    struct export x = { .c = c, .format = args_value(&c->args, "format"), .target = args_value(&c->args, "output"),
                        .fd = -1, .bar = isatty(STDERR_FILENO) };
    const char *rid = c->args.words[0];
    int code = check_id(c, rid, 'r', "a recording's id");

    if (code == EXIT_DONE && x.target == NULL)
        code = usage(c, "into which file? Say -o FILE");
    if (code == EXIT_DONE)
        code = access_find(c, rid, "export", false, &x.access);
    if (code == EXIT_DONE)
        code = find_format(&x);
    if (code == EXIT_DONE)
        code = open_target(&x);
    if (code == EXIT_DONE) {
        cut_init(&x.cut, x.text ? CUT_TEXT : x.rrweb ? CUT_ARRAY : CUT_LINES);
        code = fetch(&x);
        if (x.bar)
            (void) fputs("\r\033[K", stderr);
    }
    if (code == EXIT_DONE)
        code = finish(&x);
    if (code == EXIT_DONE)
        (void) (c->json ? printf("{\"%s\":%llu}\n", x.text ? "bytes" : "events", (unsigned long long) (x.text ? x.cut.at : x.cut.events))
                        : printf("%llu %s\n", (unsigned long long) (x.text ? x.cut.at : x.cut.events), x.text ? "bytes" : "events"));
    if (x.fd >= 0 && x.temporary[0] != '\0')
        (void) unlink(x.temporary);
    os_closep(&x.fd);
    access_deinit(&x.access);
    return code;
}

const struct command cmd_export = {
    .name = "export",
    .heading = "Recordings",
    .summary = "Writes a recording to a file, under access that lets you export",
    .synopsis = "RID -o FILE [--format asciicast-v2|asciicast-v3|rrweb|text]",
    .text = "The file appears when it is whole; a connection that breaks on the way is taken up where it stopped (a text where a key ended). In it\n"
            "stands who took it, when, and which record of the audit log says so. Ask for it with\n"
            "keyhole request RID --action export. From then on the file is yours to protect: it is readable by you alone.",
    .example = "$ keyhole export r_2Dz2Sr-SnSlnd8aT -o checkout.json\n812 events",
    .opts = (const struct opt[]){ { "output", 'o', "FILE", "where to", false },
                                  { "format", 0, "FORMAT", "asciicast-v2, asciicast-v3, rrweb or text; by its kind unless said", false },
                                  { "force", 'f', NULL, "replace FILE", false },
                                  OPT_BEARER,
                                  { 0 } },
    .words_min = 1,
    .words_max = 1,
    .run = run_export,
};
