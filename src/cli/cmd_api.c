/* Any call of the API with the caller's credential; on replay routes with a key of the caller's open access. */
#include "cli/access.h"
#include "cli/signed.h"

#include <ctype.h>
#include <stdlib.h>

#include "os/file.h"

#define DATA_MAX    (64u << 20)
#define HEADERS_MAX 32
#define REPLAY      "/v1/replay/"

static bool to_stdout(void *ctx, struct span piece)
{
    struct cli *c = ctx;

    if (c->terminal) {
        struct buf safe = BUF_INIT(4 * piece.n + 64);

        text_safe_lines(&safe, piece);
        (void) fwrite(safe.p, 1, safe.n, stdout);
        buf_deinit(&safe);
    } else if (fwrite(piece.p, 1, piece.n, stdout) != piece.n) {
        return false;
    }
    return fflush(stdout) == 0;
}

static int read_data(struct cli *c, const char *data, struct buf *to)
{
    struct err_info e = { 0 };
    int ch;

    if (data[0] != '@') {
        buf_add_str(to, data);
    } else if (strcmp(data, "@-") == 0) {
        while ((ch = getchar()) != EOF)
            buf_add_c(to, (char) ch);
    } else if (os_path_read(data + 1, to, &e) != ERR_OK) {
        return fail_err(&e);
    }
    return to->failed ? usage(c, "--data is too large") : EXIT_DONE;
}

/* Names and values as HTTP has them; a credential given here would be one on the command line. */
static int check_headers(struct cli *c, const char *list[HEADERS_MAX + 2], const char **ret_type)
{
    size_t n = 0;

    for (const char *h; (h = args_nth(&c->args, "header", n)) != NULL; n++) {
        struct span name, value;

        if (n == HEADERS_MAX)
            return usage(c, "more than %d headers", HEADERS_MAX);
        if (!span_cut(span_str(h), ':', &name, &value) || name.n == 0 || strpbrk(h, "\r\n") != NULL)
            return usage(c, "a header is 'Name: value'");
        if (span_eq_nocase(name, "authorization") || span_eq_nocase(name, "cookie") || span_eq_nocase(name, "dpop") ||
            span_eq_nocase(name, "keyhole-act"))
            return usage(c, "credentials, proofs and signatures come from KEYHOLE_TOKEN or keyhole login, never from the command line");
        if (span_eq_nocase(name, "content-type"))
            *ret_type = (const char *) span_trim(value).p; /* the rest of the argument, NUL-terminated */
        list[n] = h;
    }
    list[n] = NULL;
    return EXIT_DONE;
}

/* The key that a replay route wants. */
static int replay_key(struct cli *c, const char *path, struct access *a)
{
    const char *grant = args_value(&c->args, "grant");
    char rid[ID_CAP] = "";
    int code;

    (void) span_to_str(span_sub(span_str(path), strlen(REPLAY), ID_LEN), rid, sizeof(rid));
    if (!id_check(span_str(rid), ID_RECORDING))
        return usage(c, "a replay route is %s, a recording's id, and what of it", REPLAY);
    if (grant == NULL) {
        code = access_find(c, rid, strstr(path, "/export") != NULL ? "export" : "play", false, a);
        if (code != EXIT_DONE)
            return code;
    } else {
        *a = (struct access){ .c = c, .scope = strstr(path, "/export") != NULL ? "export" : NULL };
        (void) snprintf(a->grant, sizeof(a->grant), "%s", grant);
        (void) snprintf(a->rid, sizeof(a->rid), "%s", rid);
    }
    if (access_key(a))
        return EXIT_DONE;
    (void) fail("%s [%s]", a->why, a->code);
    return a->exit_code;
}

static const char *const *add_header(const char *list[HEADERS_MAX + 2], const char *line)
{
    size_t n = 0;

    while (list[n] != NULL)
        n++;
    list[n] = line;
    list[n + 1] = NULL;
    return list;
}

/* Calls. *ret_again: nothing was reported, and with the client key that there is now it is worth another try. */
static int call(struct cli *c, const struct http_request *q, bool *ret_again)
{
    struct http_reply r = { 0 };
    int code = EXIT_DONE;

    *ret_again = false;
    if (!http_call(c->http, q, &r)) {
        bool json = c->json;

        *ret_again = q->bearer == NULL && sign_adopt(c, r.code, &code);
        if (*ret_again || code != EXIT_DONE) {
            http_reply_deinit(&r);
            return code;
        }
        c->json = true; /* the problem document, as it came */
        code = cli_problem(c, &r);
        c->json = json;
    }
    http_reply_deinit(&r);
    return code;
}

static int run_api(struct cli *c)
{
    const char *method = c->args.words[0], *path = c->args.words[1], *data = args_value(&c->args, "data");
    const char *headers[HEADERS_MAX + 2], *type = NULL;
    struct http_request q = { .method = method, .path = path, .headers = headers, .on_body = to_stdout, .body_ctx = c,
                              .never_retry = true, .timeout_ms = -1 };
    struct buf body = BUF_INIT(DATA_MAX);
    struct access a = { 0 };
    struct signature signature;
    int code = EXIT_DONE;

    for (const char *p = method; *p != '\0'; p++) {
        if (!isupper((unsigned char) *p))
            return usage(c, "a method is GET, POST, PUT, PATCH or DELETE");
    }
    if (path[0] != '/')
        return usage(c, "a path begins with /, as /v1/me");
    code = check_headers(c, headers, &type);
    if (code == EXIT_DONE)
        code = cli_connect(c);
    if (code == EXIT_DONE && data != NULL)
        code = read_data(c, data, &body);
    if (code == EXIT_DONE && strncmp(path, REPLAY, strlen(REPLAY)) == 0) {
        code = replay_key(c, path, &a);
        q.bearer = a.key;
        q.prove = a.bound;
    }
    q.has_body = data != NULL && type == NULL;
    q.body = buf_span(&body);
    while (code == EXIT_DONE) {
        bool again;

        if (q.bearer == NULL)
            code = sign_call(c, &q, &signature);
        if (q.headers == signature.headers) /* an act: beside the headers that were given */
            q.headers = add_header(headers, signature.act);
        if (code == EXIT_DONE)
            code = call(c, &q, &again);
        if (code != EXIT_DONE || !again)
            break;
    }
    access_deinit(&a);
    buf_deinit(&body);
    return code;
}

const struct command cmd_api = {
    .name = "api",
    .heading = "More",
    .summary = "Any call of the API, signed in",
    .synopsis = "METHOD PATH [--data TEXT|@FILE] [--header 'Name: value']... [--bearer]",
    .text = "Prints the body of the answer as it comes; a problem goes to standard error and the exit status says so. On /v1/replay/RID/...\n"
            "a key of your open access to RID is fetched and used, with the proof that belongs to it; a vote or change is signed. So this is a\n"
            "curl that proves possession. The routes are in /v1/openapi.yaml.",
    .example = "$ keyhole api GET '/v1/grants?state=live'\n$ keyhole api GET /v1/replay/r_2Dz2Sr-SnSlnd8aT/manifest",
    .opts = (const struct opt[]){ { "data", 'd', "TEXT|@FILE", "the body, JSON unless a header says otherwise (@-: standard input)", false },
                                  { "header", 'H', "LINE", "a header more", true },
                                  { "grant", 0, "G", "on replay routes: under this access", false },
                                  OPT_BEARER,
                                  { 0 } },
    .words_min = 2,
    .words_max = 2,
    .run = run_api,
};
