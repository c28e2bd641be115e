/* Importing files: each is one streamed call, with a progress bar on a terminal. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/sfv.h"
#include "os/clock.h"
#include "os/file.h"

#define HEADERS_MAX  5
#define BAR_WIDTH    24
#define BAR_EVERY_US 100000

struct upload {
    int fd;
    const char *name;
    bool bar;
    time_us drawn;
    int64_t size;
};

static int64_t read_file(void *ctx, void *to, size_t n)
{
    struct upload *u = ctx;
    ssize_t got;

    do
        got = read(u->fd, to, n);
    while (got < 0 && errno == EINTR);
    return got;
}

static void draw(void *ctx, int64_t sent, int64_t total)
{
    struct upload *u = ctx;
    time_us now = clock_mono_us();
    struct buf b = BUF_INIT(1024);

    if (!u->bar || (now - u->drawn < BAR_EVERY_US && sent != total)) {
        buf_deinit(&b);
        return;
    }
    u->drawn = now;
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

static void wipe_bar(const struct upload *u)
{
    if (u->bar)
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

static struct span base_name(const char *file)
{
    const char *slash = strrchr(file, '/');

    return strcmp(file, "-") == 0 ? SPAN_EMPTY : span_str(slash != NULL ? slash + 1 : file);
}

static int make_headers(const struct cli *c, const char *file, struct headers *h)
{
    const char *title = args_value(&c->args, "title"), *v;
    bool by_name = title == NULL && args_flag(&c->args, "title-from-name");

    for (size_t i = 0; (v = args_nth(&c->args, "link", i)) != NULL; i++) {
        if (strchr(v, ':') == NULL || v[0] == ':')
            return usage(c, "a link is TYPE:ID, as error:ERR-7F3A21");
    }
    if (!text_header(h, "Keyhole-Title", by_name ? base_name(file) : span_str(title)) ||
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

/* ---- one file ---- */

static int open_file(const char *file, struct upload *u)
{
    struct stat st;

    u->fd = strcmp(file, "-") == 0 ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (u->fd < 0)
        return fail("%s: %s", file, strerror(errno));
    if (fstat(u->fd, &st) != 0 || S_ISDIR(st.st_mode))
        return fail("%s: %s", file, S_ISDIR(st.st_mode) ? "is a directory" : strerror(errno));
    u->size = S_ISREG(st.st_mode) ? (int64_t) st.st_size - (int64_t) lseek(u->fd, 0, SEEK_CUR) : -1;
    return EXIT_DONE;
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

static int import_file(struct cli *c, const char *file, const char *path, const char *token)
{
    CLEANUP(os_closep) int closing = -1;
    struct upload u = { .fd = -1, .name = file, .bar = isatty(STDERR_FILENO) };
    struct headers h = { .n = 0 };
    struct http_request q = { .method = "POST", .path = path, .bearer = token, .content_type = "application/octet-stream",
                              .idempotent = false, .timeout_ms = -1, .read = read_file, .read_ctx = &u,
                              .progress = draw };
    struct http_reply r = { 0 };
    int code = open_file(file, &u);

    closing = u.fd; /* NOLINT(clang-analyzer-deadcode.DeadStores): CLEANUP reads it */
    if (code == EXIT_DONE)
        code = make_headers(c, file, &h);
    if (code == EXIT_DONE) {
        q.length = u.size;
        q.headers = h.list;
        code = http_call(c->http, &q, &r) ? EXIT_DONE : EXIT_FAILED;
        wipe_bar(&u);
        if (code == EXIT_DONE) {
            report(c, file, r.root);
        } else {
            if (c->args.n_words > 1 && !c->json) {
                (void) fputs("keyhole: in ", stderr);
                print_safe(stderr, span_str(file));
                (void) fputs(":\n", stderr);
            }
            code = cli_problem(c, &r);
        }
    }
    http_reply_deinit(&r);
    headers_deinit(&h);
    return code;
}

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

static int run_import(struct cli *c)
{
    static const char *const parameters[] = { "kind", "project", "env", "class", "session" };
    struct buf path = BUF_INIT(8192), token = BUF_INIT(2048);
    int code = cli_connect(c), worst = EXIT_DONE;

    if (code == EXIT_DONE)
        code = token_of_file(c, &token);
    buf_add_str(&path, "/v1/import");
    for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
        path_add(&path, parameters[i], args_value(&c->args, parameters[i]));
    for (size_t i = 0; code == EXIT_DONE && i < c->args.n_words; i++) {
        int one = import_file(c, c->args.words[i], buf_cstr(&path), token.n > 0 ? buf_cstr(&token) : NULL);

        if (one != EXIT_DONE)
            worst = one;
        if (one == EXIT_USAGE)
            break;
    }
    if (token.n > 0)
        explicit_bzero(token.p, token.n);
    buf_deinit(&token);
    buf_deinit(&path);
    return code != EXIT_DONE ? code : worst;
}

const struct command cmd_import = {
    .name = "import",
    .heading = "Recordings",
    .summary = "Stores recording files: asciicast v1, v2, v3, rrweb events as an array, an object or lines",
    .synopsis = "FILE... [--title T] [--tag NAME=VALUE]... [--link TYPE:ID]... [--project P]",
    .text = "The format is recognised by what is in the file; gzip, deflate and zstd around it are fine. FILE may be - for standard\n"
            "input. Nothing in the file becomes visible without access: a title, tags and links are only what is stated here. For each\n"
            "file a line is printed whose last word is the new id. A file that is broken leaves nothing behind; the others go on, and\n"
            "the exit status is not 0.",
    .example = "$ keyhole import checkout.json --title 'Checkout fails' --link error:ERR-7F3A21 --tag release=2026.11.1\n"
               "checkout.json: rrweb, 812 events, 0:47 r_2Dz2Sr-SnSlnd8aT",
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
                                  { "token-file", 0, "FILE", "an ingest token, instead of KEYHOLE_TOKEN or the sign-in", false },
                                  { 0 } },
    .words_min = 1,
    .words_max = 100000,
    .run = run_import,
};
