/*
 * Importing: what was named is looked through (cli/bag), then each recording is one streamed call, with a progress bar on a
 * terminal. What is broken is told, with file, line and cause, and the others go on.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/bag.h"
#include "codec/plain.h"
#include "codec/sfv.h"
#include "codec/tlog.h"
#include "os/clock.h"
#include "os/file.h"

#define HEADERS_MAX  5
#define BAR_WIDTH    24
#define BAR_EVERY_US 100000
#define FORMATS_MAX  16
#define TITLE_MAX    200 /* characters, as the server has it */

struct tally {
    char format[24];
    uint64_t n;
    int64_t events, duration_ms;
};

struct import {
    struct cli *c;
    const char *path, *token;
    struct bag bag;
    bool bar, many; /* many: there is more than one file or recording to speak of */
    size_t at;
    struct tally tally[FORMATS_MAX];
    size_t n_tally;
    uint64_t stored, refused, passed;
    int worst;
};

struct upload {
    struct import *im;
    struct bag_reader reader;
    const char *name;
    time_us drawn;
};

static int64_t read_job(void *ctx, void *to, size_t n)
{
    struct upload *u = ctx;

    return bag_read(&u->reader, to, n);
}

static void draw(void *ctx, int64_t sent, int64_t total)
{
    struct upload *u = ctx;
    const struct import *im = u->im;
    time_us now = clock_mono_us();
    struct buf b = BUF_INIT(1024);

    if (!im->bar || (now - u->drawn < BAR_EVERY_US && (sent != total || im->many))) {
        buf_deinit(&b);
        return;
    }
    u->drawn = now;
    if (im->many)
        buf_addf(&b, "%zu of %zu  ", im->at + 1, im->bag.n_jobs);
    if (total > 0) {
        int full = (int) ((double) sent / (double) total * BAR_WIDTH);

        for (int i = 0; i < BAR_WIDTH; i++)
            buf_add_c(&b, i < full ? '#' : '.');
        buf_addf(&b, " %3d %%  ", (int) ((double) sent / (double) total * 100));
    }
    text_bytes(&b, sent);
    buf_add_str(&b, sent == total && total > 0 ? ", the server is storing it  " : "  ");
    (void) fprintf(stderr, "\r\033[K%s", buf_cstr(&b));
    print_safe(stderr, span_str(u->name));
    buf_deinit(&b);
}

static void wipe_bar(const struct import *im)
{
    if (im->bar)
        (void) fputs("\r\033[K", stderr);
}

/* ---- headers ---- */

struct headers {
    struct buf lines[HEADERS_MAX];
    const char *list[HEADERS_MAX + 1];
    size_t n;
};

static struct buf *new_header(struct headers *h)
{
    buf_init(&h->lines[h->n], 65536);
    return &h->lines[h->n++];
}

static bool text_header(struct headers *h, const char *name, struct span value)
{
    struct buf *b;

    if (value.n == 0)
        return true;
    b = new_header(h);
    buf_addf(b, "%s: ", name);
    return sfv_add_string(b, value);
}

static bool list_header(struct headers *h, const char *name, const struct cli *c, const char *option)
{
    struct buf *b;
    const char *v;

    if (args_value(&c->args, option) == NULL)
        return true;
    b = new_header(h);
    buf_addf(b, "%s: ", name);
    for (size_t i = 0; (v = args_nth(&c->args, option, i)) != NULL; i++) {
        buf_add_str(b, i > 0 ? ", " : "");
        if (!sfv_add_string(b, span_str(v)))
            return false;
    }
    return true;
}

/* A file may be called anything; a title is text of at most TITLE_MAX characters that one can read. */
static void title_of_name(struct span name, struct buf *out)
{
    struct buf text = BUF_INIT(65536);
    struct rd r;
    size_t n = 0;

    plain_text(&text, name);
    r = rd_of(buf_span(&text));
    if (utf8_count(buf_span(&text)) <= TITLE_MAX) {
        buf_add_span(out, buf_span(&text));
    } else {
        while (n++ < TITLE_MAX - 1)
            utf8_add(out, utf8_read(&r));
        utf8_add(out, 0x2026); /* … */
    }
    buf_deinit(&text);
}

static bool title_header(struct headers *h, const struct cli *c, const struct bag_job *job)
{
    const char *title = args_value(&c->args, "title");
    struct buf name = BUF_INIT(65536);
    bool good;

    if (title == NULL && args_flag(&c->args, "title-from-name") && strcmp(job->path, "-") != 0)
        title_of_name(span_str(job->title), &name);
    good = text_header(h, "Keyhole-Title", title != NULL ? span_str(title) : buf_span(&name));
    buf_deinit(&name);
    return good;
}

static int make_headers(const struct cli *c, const struct bag_job *job, struct headers *h)
{
    const char *v;

    for (size_t i = 0; (v = args_nth(&c->args, "link", i)) != NULL; i++) {
        if (strchr(v, ':') == NULL || v[0] == ':')
            return usage(c, "a link is TYPE:ID, as error:ERR-7F3A21");
    }
    if (!title_header(h, c, job) ||
        !text_header(h, "Keyhole-Subject", span_str(args_value(&c->args, "subject"))) ||
        !list_header(h, "Keyhole-Tag", c, "tag") || !list_header(h, "Keyhole-Link", c, "link"))
        return usage(c, "titles, subjects, tags and links are UTF-8 text");
    for (size_t i = 0; i < h->n; i++)
        h->list[i] = buf_cstr(&h->lines[i]);
    return EXIT_DONE;
}

static void headers_deinit(struct headers *h)
{
    for (size_t i = 0; i < h->n; i++)
        buf_deinit(&h->lines[i]);
}

/* ---- one recording ---- */

static void count(struct import *im, struct tree r)
{
    struct span format = get(r, "format");
    struct tally *t = NULL;

    im->stored++;
    for (size_t i = 0; i < im->n_tally && t == NULL; i++)
        if (span_eq_str(format, im->tally[i].format))
            t = &im->tally[i];
    if (t == NULL && im->n_tally < FORMATS_MAX && format.n < sizeof(t->format)) {
        t = &im->tally[im->n_tally++];
        (void) span_to_str(format, t->format, sizeof(t->format));
    }
    if (t == NULL)
        return;
    t->n++;
    t->events += get_int(r, "events");
    t->duration_ms += get_int(r, "duration_ms");
}

static void report(struct cli *c, const char *file, struct tree r)
{
    struct buf b = BUF_INIT(8192);

    if (c->json) {
        print_json(r);
    } else {
        text_safe(&b, span_str(strcmp(file, "-") == 0 ? "standard input" : file));
        buf_add_str(&b, ": ");
        text_safe(&b, get(r, "kind"));
        buf_addf(&b, ", %lld events, ", (long long) get_int(r, "events"));
        text_duration(&b, get_int(r, "duration_ms"), false);
        buf_add_c(&b, ' ');
        text_safe(&b, get(r, "id"));
        (void) printf("%s\n", buf_cstr(&b));
        (void) fflush(stdout);
    }
    buf_deinit(&b);
}

static void complain(struct import *im, const char *file, int64_t line, struct span cause, struct span code)
{
    wipe_bar(im);
    (void) fputs("keyhole: ", stderr);
    print_safe(stderr, span_str(file));
    (void) fputs(": ", stderr);
    if (line > 0)
        (void) fprintf(stderr, "line %lld: ", (long long) line);
    print_safe(stderr, cause);
    if (code.n > 0)
        (void) fprintf(stderr, " [" SPAN_FMT "]", SPAN_ARG(code));
    (void) fputc('\n', stderr);
}

/* What the bag tells of a directory or archive that it could not read. */
static void trouble(void *ctx, const char *path, const char *cause)
{
    struct import *im = ctx;

    complain(im, path, 0, span_str(cause), SPAN_EMPTY);
    im->refused++;
    im->worst = EXIT_FAILED;
}

/* True: it makes no sense to send the next one. */
static bool refused(struct import *im, const struct bag_job *job, struct http_reply *r)
{
    struct cli *c = im->c;
    bool of_file = r->status != 0 && get(r->root, "cause").n > 0;

    wipe_bar(im);
    im->refused++;
    if (of_file && !c->json) {
        complain(im, job->path, get_int(r->root, "line"), get(r->root, "cause"), span_str(r->code));
        im->worst = EXIT_FAILED;
        return false;
    }
    if (im->many && !c->json) {
        (void) fputs("keyhole: in ", stderr);
        print_safe(stderr, span_str(job->path));
        (void) fputs(":\n", stderr);
    }
    im->worst = cli_problem(c, r);
    return !of_file && r->status != 409 && r->status != 422;
}

static bool send_job(struct import *im, const struct bag_job *job)
{
    struct upload u = { .im = im, .name = job->path };
    struct headers h = { .n = 0 };
    struct http_request q = { .method = "POST", .path = im->path, .bearer = im->token, .content_type = "application/octet-stream",
                              .idempotent = false, .timeout_ms = -1, .read = read_job, .read_ctx = &u, .length = job->size,
                              .progress = draw };
    struct http_reply r = { 0 };
    int code = make_headers(im->c, job, &h);
    bool stop = code != EXIT_DONE;

    if (code == EXIT_DONE) {
        q.headers = h.list;
        bag_open(&im->bag, job, &u.reader);
        if (http_call(im->c->http, &q, &r)) {
            wipe_bar(im);
            count(im, r.root);
            report(im->c, job->path, r.root);
        } else {
            stop = refused(im, job, &r);
        }
        bag_close(&u.reader);
    } else {
        im->worst = code;
    }
    http_reply_deinit(&r);
    headers_deinit(&h);
    return !stop;
}

/* What was found, not named, and is no recording by its first bytes, is not sent anywhere. */
static bool pass_over(struct import *im, const struct bag_job *job)
{
    const char *why = job->named ? NULL : bag_refusal(&im->bag, job);

    if (why == NULL)
        return false;
    im->passed++;
    if (args_flag(&im->c->args, "verbose"))
        complain(im, job->path, 0, span_str(why), SPAN("passed over"));
    return true;
}

/* ---- what came of it ---- */

static void number_cell(struct table *t, int64_t n)
{
    char text[32];

    (void) snprintf(text, sizeof(text), "%lld", (long long) n);
    table_cell_str(t, text);
}

static void summary(struct import *im)
{
    static const struct table_column columns[] = { { "format", false, false }, { "recordings", false, true }, { "events", false, true }, { "length", false, true } };
    struct buf length = BUF_INIT(64);
    struct table t;

    if (!im->many || im->c->json)
        return;
    table_init(&t, columns, 4);
    for (size_t i = 0; i < im->n_tally; i++) {
        table_cell_str(&t, im->tally[i].format);
        number_cell(&t, (int64_t) im->tally[i].n);
        number_cell(&t, im->tally[i].events);
        buf_reset(&length);
        text_duration(&length, im->tally[i].duration_ms, false);
        table_cell(&t, buf_span(&length));
    }
    if (im->n_tally > 0)
        (void) table_print(&t, stderr, 0);
    table_deinit(&t);
    buf_deinit(&length);
    (void) fprintf(stderr, "%llu stored, %llu refused", (unsigned long long) im->stored, (unsigned long long) im->refused);
    if (im->passed > 0)
        (void) fprintf(stderr, ", %llu passed over that %s no recording%s", (unsigned long long) im->passed,
                       im->passed == 1 ? "is" : "are", args_flag(&im->c->args, "verbose") ? "" : " (--verbose names them)");
    (void) fputc('\n', stderr);
}

/* ---- all of it ---- */

static int token_of_file(struct cli *c, struct buf *token)
{
    const char *file = args_value(&c->args, "token-file");
    struct err_info e = { 0 };

    if (file == NULL)
        return EXIT_DONE;
    if (os_path_read(file, token, &e) != ERR_OK)
        return fail_err(&e);
    while (token->n > 0 && (token->p[token->n - 1] == '\n' || token->p[token->n - 1] == '\r'))
        token->n--;
    return EXIT_DONE;
}

static int gather(struct import *im)
{
    struct cli *c = im->c;
    const char *timing = args_value(&c->args, "timing"), *input = args_value(&c->args, "input-log");

    if (input != NULL && timing == NULL)
        return usage(c, "--input-log goes with --timing");
    if (timing != NULL && (c->args.n_words != 1 || strcmp(c->args.words[0], "-") == 0))
        return usage(c, "--timing says when what is in one typescript was shown; give one FILE");
    for (size_t i = 0; i < c->args.n_words; i++) {
        if (strcmp(c->args.words[i], "-") == 0)
            bag_stdin(&im->bag);
        else
            bag_add(&im->bag, c->args.words[i]);
    }
    if (timing != NULL) {
        bag_add(&im->bag, timing);
        if (input != NULL)
            bag_add(&im->bag, input);
        bag_pair(&im->bag, c->args.words[0], timing, input);
    } else {
        bag_sort(&im->bag);
    }
    im->many = im->bag.n_jobs > 1 || c->args.n_words > 1;
    return EXIT_DONE;
}

static int import_all(struct import *im)
{
    int code = gather(im);

    if (code != EXIT_DONE)
        return code;
    for (im->at = 0; im->at < im->bag.n_jobs; im->at++) {
        const struct bag_job *job = &im->bag.jobs[im->at];

        if (!pass_over(im, job) && !send_job(im, job))
            break;
    }
    summary(im);
    if (im->worst == EXIT_DONE && im->stored == 0)
        return fail("there is no recording in it");
    return im->worst;
}

static int run_import(struct cli *c)
{
    static const char *const parameters[] = { "kind", "project", "env", "class", "session" };
    struct buf path = BUF_INIT(8192), token = BUF_INIT(2048);
    struct import im = { .c = c, .bar = isatty(STDERR_FILENO) };
    int code = cli_connect(c);

    if (code == EXIT_DONE)
        code = token_of_file(c, &token);
    buf_add_str(&path, "/v1/import");
    for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
        path_add(&path, parameters[i], args_value(&c->args, parameters[i]));
    im.path = buf_cstr(&path);
    im.token = token.n > 0 ? buf_cstr(&token) : NULL;
    bag_init(&im.bag, trouble, &im);
    if (code == EXIT_DONE)
        code = import_all(&im);
    bag_deinit(&im.bag);
    if (token.n > 0)
        explicit_bzero(token.p, token.n);
    buf_deinit(&token);
    buf_deinit(&path);
    return code;
}

const struct command cmd_import = {
    .name = "import",
    .heading = "Recordings",
    .summary = "Stores recordings: files, directories and archives of asciicast, rrweb, sudo, script, tlog, ttyrec",
    .synopsis = "FILE|DIR|ARCHIVE... [--title T] [--tag NAME=VALUE]... [--link TYPE:ID]... [--project P]",
    .text = "The format is recognised by what is in the file: asciicast v0 to v3, rrweb events (an array, an object, lines), sudo I/O logs,\n"
            "util-linux script (a typescript beside its timing file), tlog (JSON lines, or journalctl -o export), ttyrec; packed or not.\n"
            "Directories and archives (tar, zip, 7z) are looked through, and files that are one recording together are found; what is\n"
            "no recording in them is passed over. FILE may be - for standard input. Nothing in a file becomes visible without access: a\n"
            "title, tags and links are only what is stated here. For each recording a line is printed whose last word is the new id.\n"
            "What is broken is told with file, line and cause and leaves nothing behind; the others go on, and the exit status is\n"
            "not 0.",
    .example = "$ keyhole import checkout.json --title 'Checkout fails' --link error:ERR-7F3A21 --tag release=2026.11.1\n"
               "checkout.json: rrweb, 812 events, 0:47 r_2Dz2Sr-SnSlnd8aT\n"
               "$ keyhole import /var/log/sudo-io --tag host=web1\n"
               "/var/log/sudo-io/00/00/01: terminal, 44 events, 0:11 r_P5SuDkwq1rTtA7eH",
    .opts = (const struct opt[]){ { "kind", 0, "KIND", "refuse what is not rrweb, or not terminal", false },
                                  { "title", 't', "TEXT", "what everybody who may ask for it sees", false },
                                  { "title-from-name", 0, NULL, "the file's name is the title", false },
                                  { "subject", 0, "ID", "the recorded person", false },
                                  { "tag", 0, "NAME[=VALUE]", "a tag", true },
                                  { "link", 0, "TYPE:ID", "a link to an error, ticket, trace, order", true },
                                  { "project", 'p', "P", "id or name; may be left out while there is one", false },
                                  { "env", 0, "ENV", "one of the configured environments", false },
                                  { "class", 0, "CLASS", "how sensitive it is, for the policy", false },
                                  { "session", 0, "ID", "the visit or shift it belongs to", false },
                                  { "timing", 0, "FILE", "the timing file of the one typescript that is given", false },
                                  { "input-log", 0, "FILE", "with --timing: what was typed", false },
                                  { "verbose", 0, NULL, "name what is passed over, and why", false },
                                  { "token-file", 0, "FILE", "an ingest token, instead of KEYHOLE_TOKEN or the sign-in", false },
                                  { 0 } },
    .words_min = 1,
    .words_max = 100000,
    .run = run_import,
};
