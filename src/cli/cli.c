#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/num.h"
#include "cli/login.h"
#include "cli/signed.h"
#include "codec/url.h"
#include "format/id.h"
#include "os/clock.h"

#define PASSWORD_MAX 1024
#define PATH_MAX_    8192
#define LIST_PAGE    200

/* ---- reports ---- */

static PRINTF_LIKE(2, 0) void report(const char *head, const char *fmt, va_list ap)
{
    char text[2048];

    (void) vsnprintf(text, sizeof(text), fmt, ap);
    (void) fflush(stdout); /* what was printed before it stands before it */
    (void) fprintf(stderr, "keyhole: %s", head);
    print_safe(stderr, span_str(text));
    (void) fputc('\n', stderr);
}

int fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report("", fmt, ap);
    va_end(ap);
    return EXIT_FAILED;
}

int fail_err(const struct err_info *e)
{
    return fail("%s", e->text);
}

int usage(const struct cli *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report("", fmt, ap);
    va_end(ap);
    if (c != NULL && c->command != NULL)
        (void) fprintf(stderr, "usage: keyhole %s %s\nMore: keyhole %s --help\n", c->command->name, c->command->synopsis,
                       c->command->name);
    else
        (void) fprintf(stderr, "More: keyhole help\n");
    return EXIT_USAGE;
}

void note(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report("", fmt, ap);
    va_end(ap);
}

/* ---- the server ---- */

static const char *env(const char *name)
{
    const char *v = getenv(name);

    return v != NULL && v[0] != '\0' ? v : NULL;
}

/* The saved sign-in is bound to a client key: without that it is half a sign-in. */
static int take_client_key(struct cli *c)
{
    struct client_key *k = NULL;
    struct err_info e = { 0 };

    if (c->login.public_url != NULL)
        http_set_public_url(c->http, c->login.public_url);
    if (c->login.jkt == NULL || c->command->keyless)
        return EXIT_DONE;
    if (client_key_load(http_url(c->http), &k, &e) == ERR_OK && strcmp(client_key_jkt(k), c->login.jkt) != 0)
        (void) ERR_RAISE(&e, ERR_STATE, "the sign-in is bound to another client key than the one that is here: run keyhole login "
                                        "again");
    http_set_client_key(c->http, k);
    if (e.code == ERR_OK)
        return EXIT_DONE;
    c->http = http_free(c->http);
    return fail_err(&e);
}

int cli_connect(struct cli *c)
{
    const char *url = args_value(&c->args, "url"), *token = env("KEYHOLE_TOKEN"), *ca = env("KEYHOLE_CA");
    struct err_info e = { 0 };

    if (c->http != NULL)
        return EXIT_DONE;
    if (login_load(c, &e) != ERR_OK)
        return fail_err(&e);
    if (url == NULL)
        url = env("KEYHOLE_URL");
    if (url == NULL)
        url = c->login.url;
    if (url == NULL)
        return usage(c, "which server? Say --url https://HOST, set KEYHOLE_URL, or run keyhole login --url https://HOST once");
    if (ca == NULL && c->login.url != NULL && strcmp(url, c->login.url) == 0)
        ca = c->login.ca;
    if (http_new(&(struct http_options){ url, ca, NULL }, &c->http, &e) != ERR_OK)
        return usage(c, "%s", e.text);
    c->unbound = c->unbound || args_flag(&c->args, "bearer");
    if (c->login.url == NULL || c->login.token == NULL || strcmp(http_url(c->http), c->login.url) != 0 ||
        (token != NULL && strcmp(token, c->login.token) != 0)) {
        http_set_token(c->http, token);
        return EXIT_DONE;
    }
    http_set_token(c->http, c->login.token);
    return take_client_key(c);
}

void path_add(struct buf *path, const char *name, const char *value)
{
    bool query = false;

    if (value == NULL)
        return;
    for (size_t i = 0; i < path->n; i++)
        query = query || path->p[i] == '?';
    buf_addf(path, "%c%s=", query ? '&' : '?', name);
    url_encode(path, span_str(value));
}

void path_add_int(struct buf *path, const char *name, int64_t value)
{
    char text[24];

    (void) snprintf(text, sizeof(text), "%lld", (long long) value);
    path_add(path, name, text);
}

void path_id(struct buf *path, const char *head, const char *id, const char *tail)
{
    buf_reset(path);
    buf_add_str(path, head);
    url_encode(path, span_str(id));
    buf_add_str(path, tail);
}

/* ---- problems ---- */

static const struct {
    const char *code, *hint;
} hints[] = {
    { "key-binding", "bound keys work with the client key of this sign-in and the server's own address only" },
    { "proof-needed", "sign in with keyhole login (without --bearer): the policy wants keys bound to a client key" },
    { "act-needed", "decisions are signed: sign in with keyhole login (without --bearer) and do it again" },
    { "act-invalid", "is this machine's clock right? A signature counts for two minutes" },
    { "restricted", "what is frozen, and why: keyhole freeze show" },
    { "login-needed", "sign in with keyhole login, or set KEYHOLE_TOKEN" },
    { "token-not-fresh", "an API token cannot vote or change people: sign in with keyhole login" },
    { "request-open", "you have asked already: keyhole requests --mine" },
    { "no-approver", "nobody could approve this now; who can change that is named above" },
    { "grant-ended", "ask again with keyhole request" },
    { "break-glass-limit", "ask in the ordinary way: keyhole request; an open review has to be finished first: keyhole review G" },
    { "policy-denied", "what the policy allows: keyhole policy show" },
};

static int exit_of(const struct http_reply *r)
{
    static const char *const over[] = { "key-expired", "grant-ended" };

    for (size_t i = 0; i < 2; i++) {
        if (strcmp(r->code, over[i]) == 0)
            return EXIT_EXPIRED;
    }
    switch (r->status) {
    case 401:
    case 403:
    case 409:
    case 423: return EXIT_REFUSED;
    default: return EXIT_FAILED;
    }
}

/* "  /purpose/reason: too-short (20)" */
static void print_errors(struct tree errors)
{
    struct span at = errors.payload;
    struct tree e;

    while (errors.tag == TREE_ARR && tree_next(&at, &e)) {
        struct tree limit = get_node(e, "limit");
        struct buf b = BUF_INIT(4096);
        int64_t n;

        buf_add_str(&b, "  ");
        text_safe(&b, get(e, "at"));
        buf_add_str(&b, ": ");
        text_safe(&b, get(e, "code"));
        if (tree_int(limit, &n))
            buf_addf(&b, " (%lld)", (long long) n);
        if (get(e, "detail").n > 0) {
            buf_add_str(&b, " - ");
            text_safe(&b, get(e, "detail"));
        }
        (void) fprintf(stderr, "%s\n", buf_cstr(&b));
        buf_deinit(&b);
    }
}

static void print_people(struct tree people)
{
    struct span at = people.payload;
    struct tree p;

    while (people.tag == TREE_ARR && tree_next(&at, &p)) {
        (void) fputs("  can change it: ", stderr);
        print_safe(stderr, person_name(p));
        (void) fputc('\n', stderr);
    }
}

static void print_tests(struct tree tests)
{
    struct span at = tests.payload;
    struct tree t;
    bool ok;

    while (tests.tag == TREE_ARR && tree_next(&at, &t)) {
        struct buf b = BUF_INIT(4096);

        if (tree_get_bool(t, "ok", &ok) && ok)
            continue;
        buf_add_str(&b, "  test ");
        text_safe(&b, get(t, "name"));
        buf_add_str(&b, ": expected ");
        text_safe(&b, get(t, "expect"));
        buf_add_str(&b, ", got ");
        text_safe(&b, get(t, "got"));
        (void) fprintf(stderr, "%s\n", buf_cstr(&b));
        buf_deinit(&b);
    }
}

bool problem_left(struct tree problem, struct buf *out)
{
    static const struct {
        const char *name, *text;
        bool bytes;
    } limits[] = {
        { "key_streams", "at once with one key", false },
        { "grant_streams", "at once under this access", false },
        { "person_streams", "at once for you", false },
        { "key_bytes", "with one key", true },
        { "key_rate", "a second", true },
        { "key_requests", "calls a second", false },
    };
    struct tree left = get_node(problem, "left");
    int64_t limit = get_int(left, "limit"), used = get_int(left, "used");

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        if (!span_eq_str(get(left, "name"), limits[i].name))
            continue;
        if (limits[i].bytes)
            text_bytes(out, used);
        else
            buf_addf(out, "%lld", (long long) used);
        buf_add_str(out, " of ");
        if (limits[i].bytes)
            text_bytes(out, limit);
        else
            buf_addf(out, "%lld", (long long) limit);
        buf_addf(out, " %s, ", limits[i].text);
        if (limits[i].bytes)
            text_bytes(out, limit > used ? limit - used : 0);
        else
            buf_addf(out, "%lld", (long long) (limit > used ? limit - used : 0));
        buf_add_str(out, " left");
        return true;
    }
    return false;
}

static void print_left(const struct http_reply *r)
{
    struct buf b = BUF_INIT(512);

    if (problem_left(r->root, &b))
        (void) fprintf(stderr, "  used %s\n", buf_cstr(&b));
    if (r->retry_after_ms > 0)
        (void) fprintf(stderr, "  again in %lld s\n", (long long) (r->retry_after_ms + 999) / 1000);
    buf_deinit(&b);
}

static void print_problem(const struct http_reply *r)
{
    struct span title = get(r->root, "title"), detail = get(r->root, "detail"), cause = get(r->root, "cause");
    struct buf b = BUF_INIT(16384);
    int64_t n;

    text_safe(&b, title.n > 0 ? title : span_str(r->code));
    if (detail.n > 0 && !span_eq(detail, title)) {
        buf_add_str(&b, ": ");
        text_safe(&b, detail);
    }
    if (b.n > 0 && b.p[b.n - 1] != '.')
        buf_add_c(&b, '.');
    if (tree_get_int(r->root, "line", &n))
        buf_addf(&b, " Line %lld.", (long long) n);
    else if (tree_get_int(r->root, "offset", &n))
        buf_addf(&b, " Byte %lld.", (long long) n);
    if (cause.n > 0) {
        buf_add_str(&b, " Cause: ");
        text_safe(&b, cause);
        buf_add_c(&b, '.');
    }
    buf_addf(&b, " [%s", r->code);
    if (r->status >= 500) {
        buf_add_str(&b, ", trace ");
        text_safe(&b, get(r->root, "trace_id"));
    }
    buf_add_c(&b, ']');
    (void) fflush(stdout);
    (void) fprintf(stderr, "keyhole: %s\n", buf_cstr(&b));
    buf_deinit(&b);
    print_errors(get_node(r->root, "errors"));
    print_tests(get_node(r->root, "tests"));
    print_people(get_node(r->root, "who_can_change"));
    print_left(r);
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        if (strcmp(hints[i].code, r->code) == 0)
            (void) fprintf(stderr, "  %s\n", hints[i].hint);
    }
}

/* Problems have addresses at the server's public one: when that is not the one we called, it is what went wrong. */
static void print_own_name(const struct cli *c, const struct http_reply *r)
{
    struct span type = get(r->root, "type");
    const uint8_t *end = type.n > 0 ? memmem(type.p, type.n, "/problems/", 10) : NULL;
    struct span own = end != NULL ? span_of(type.p, (size_t) (end - type.p)) : SPAN_EMPTY;

    if ((strcmp(r->code, "misdirected") != 0 && strcmp(r->code, "key-binding") != 0) || !span_starts(own, "http") ||
        span_eq_str(own, http_public_url(c->http)))
        return;
    (void) fputs("  the server calls itself ", stderr);
    print_safe(stderr, own);
    (void) fprintf(stderr, ", and was reached as %s: keyhole login --url with its own name\n", http_url(c->http));
}

int cli_problem(struct cli *c, const struct http_reply *r)
{
    if (r->status == 0 || r->cut)
        return fail_err(&r->error);
    if (r->code[0] == '\0')
        return fail("the server answered %ld without saying why: is %s a Keyhole server?", r->status, http_url(c->http));
    if (c->json) {
        struct buf b = BUF_INIT(4u << 20);
        struct jsonw w;

        jsonw_init(&w, &b);
        jsonw_tree(&w, r->root);
        (void) fprintf(stderr, "%s\n", buf_cstr(&b));
        buf_deinit(&b);
    } else {
        print_problem(r);
        print_own_name(c, r);
    }
    return exit_of(r);
}

/* ---- calls ---- */

int cli_try(struct cli *c, const char *method, struct buf *path, struct buf *body, struct http_reply *ret)
{
    static const char *const no_key[] = { "/v1/login", "/v1/logout", "/v1/reauth", "/v1/tokens", "/v1/requests/check" };
    struct http_request q = { .method = method, .path = buf_cstr(path) };
    int code = cli_connect(c);
    struct signature signature;
    size_t n = path->n;

    *ret = (struct http_reply){ 0 };
    if (code != EXIT_DONE)
        return code;
    if (path->failed || (body != NULL && body->failed))
        return fail("that is more than fits into one call");
    if (body != NULL) {
        q.body = buf_span(body);
        q.has_body = true;
    }
    q.idempotent = strcmp(method, "GET") != 0 && !(n > 5 && memcmp(path->p + n - 5, "/keys", 5) == 0);
    for (size_t i = 0; i < sizeof(no_key) / sizeof(no_key[0]); i++)
        q.idempotent = q.idempotent && strcmp(q.path, no_key[i]) != 0;
    for (;;) {
        code = sign_call(c, &q, &signature);
        if (code != EXIT_DONE || http_call(c->http, &q, ret))
            return code;
        if (!sign_adopt(c, ret->code, &code) && code == EXIT_DONE)
            return EXIT_FAILED;
        http_reply_deinit(ret); /* what was wrong has been mended, or reported */
        *ret = (struct http_reply){ 0 };
        if (code != EXIT_DONE)
            return code;
    }
}

int cli_send(struct cli *c, const char *method, struct buf *path, struct buf *body, struct http_reply *ret)
{
    int code = cli_try(c, method, path, body, ret);

    if (code == EXIT_FAILED && c->http != NULL && (ret->status != 0 || ret->error.code != ERR_OK))
        code = cli_problem(c, ret);
    return code;
}

int cli_get(struct cli *c, struct buf *path, struct http_reply *ret)
{
    return cli_send(c, "GET", path, NULL, ret);
}

static int reauth(struct cli *c)
{
    struct buf password = BUF_INIT(PASSWORD_MAX + 2), path = BUF_INIT(PATH_MAX_);
    struct http_reply r = { 0 };
    struct body b;
    int code = read_password(c, "Your password, to confirm it is you: ", &password);

    if (code == EXIT_DONE) {
        body_begin(&b);
        jsonw_kstr(&b.w, "password", buf_span(&password));
        buf_add_str(&path, "/v1/reauth");
        code = cli_send(c, "POST", &path, body_end(&b), &r);
        body_deinit(&b);
        http_reply_deinit(&r);
    }
    if (password.n > 0)
        explicit_bzero(password.p, password.n);
    buf_deinit(&password);
    buf_deinit(&path);
    return code;
}

int cli_send_fresh(struct cli *c, const char *method, struct buf *path, struct buf *body, struct http_reply *ret)
{
    int code = cli_try(c, method, path, body, ret);

    if (code == EXIT_FAILED && strcmp(ret->code, "reauth-needed") == 0 &&
        (args_value(&c->args, "password-file") != NULL || isatty(STDIN_FILENO))) {
        http_reply_deinit(ret);
        *ret = (struct http_reply){ 0 };
        code = reauth(c);
        return code != EXIT_DONE ? code : cli_send(c, method, path, body, ret);
    }
    if (code == EXIT_FAILED && c->http != NULL && (ret->status != 0 || ret->error.code != ERR_OK)) {
        code = cli_problem(c, ret);
        if (strcmp(ret->code, "reauth-needed") == 0 && !c->json)
            (void) fprintf(stderr, "  give your password with --password-file FILE, or run this on a terminal\n");
    }
    return code;
}

/* ---- input ---- */

static void first_line(struct buf *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->p[i] == '\n' || b->p[i] == '\r' || b->p[i] == '\0')
            b->n = i;
    }
}

static int password_of_file(const char *file, struct buf *ret)
{
    FILE *f = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
    int ch;

    if (f == NULL)
        return fail("the password file cannot be read: %s", strerror(errno));
    while ((ch = getc(f)) != EOF && ch != '\n')
        buf_add_c(ret, (char) ch);
    if (f != stdin)
        (void) fclose(f);
    first_line(ret);
    if (ret->failed || ret->n == 0)
        return fail(ret->failed ? "that password is too long" : "the password file is empty");
    return EXIT_DONE;
}

int read_password(struct cli *c, const char *prompt, struct buf *ret)
{
    const char *file = args_value(&c->args, "password-file");
    struct termios before, quiet;
    char line[PASSWORD_MAX + 2];
    bool got;

    if (file != NULL)
        return password_of_file(file, ret);
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0)
        return usage(c, "a password is needed: give --password-file FILE, or run this on a terminal");
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t) ECHO;
    (void) fputs(prompt, stderr);
    (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    got = fgets(line, sizeof(line), stdin) != NULL;
    (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    (void) fputc('\n', stderr);
    if (got)
        buf_add_str(ret, line);
    explicit_bzero(line, sizeof(line));
    first_line(ret);
    return got && ret->n > 0 ? EXIT_DONE : fail("no password was given");
}

bool confirm(struct cli *c, const char *question)
{
    char line[16] = "";

    if (args_flag(&c->args, "yes") || c->json || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return true;
    (void) fflush(stdout);
    (void) fprintf(stderr, "%s [y/N] ", question);
    return fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
}

int check_id(const struct cli *c, const char *word, char kind, const char *what)
{
    if (id_check(span_str(word), (enum id_kind) kind))
        return EXIT_DONE;
    return usage(c, "%s is expected here, %c_ and 16 characters", what, kind);
}

int check_duration(const struct cli *c, const char *name, const char *text, int64_t *ret_ms)
{
    if (num_duration_ms(span_str(text), ret_ms))
        return EXIT_DONE;
    return usage(c, "--%s is a length of time: 30s, 15m, 8h, 1d", name);
}

int check_time(const struct cli *c, const char *name, const char *text, char ret[TIME_RFC3339_LEN + 1])
{
    time_ms t;
    int64_t ago;

    if (num_duration_ms(span_str(text), &ago))
        t = clock_wall_ms() - ago;
    else if (!time_parse_rfc3339(span_str(text), &t))
        return usage(c, "--%s is a time (2026-11-02T09:15:00Z) or so long ago (2h, 3d)", name);
    time_rfc3339(t, ret);
    return EXIT_DONE;
}

int check_number(const struct cli *c, const char *name, const char *text, uint64_t max, uint64_t *ret)
{
    if (num_u64(span_str(text), max, ret))
        return EXIT_DONE;
    return usage(c, "--%s is a whole number up to %llu", name, (unsigned long long) max);
}

/* ---- output ---- */

void print_json(struct tree t)
{
    struct buf b = BUF_INIT(256u << 20);
    struct jsonw w;

    jsonw_init(&w, &b);
    jsonw_tree(&w, t);
    buf_add_c(&b, '\n');
    (void) fwrite(b.p, 1, b.n, stdout);
    buf_deinit(&b);
}

struct span get(struct tree obj, const char *key)
{
    struct span s = SPAN_EMPTY;

    (void) tree_get_str(obj, key, &s);
    return s;
}

int64_t get_int(struct tree obj, const char *key)
{
    int64_t v = 0;

    (void) tree_get_int(obj, key, &v);
    return v;
}

struct tree get_node(struct tree obj, const char *key)
{
    struct tree t = { 0 };

    (void) tree_get(obj, key, &t);
    return t;
}

char *get_dup(struct tree obj, const char *key)
{
    struct span s = get(obj, key);

    return s.n == 0 ? NULL : span_dup(s);
}

struct span person_name(struct tree person)
{
    struct span s = get(person, "name");

    return s.n > 0 ? s : get(person, "id");
}

void join(struct buf *out, struct tree array, const char *with)
{
    struct span at = array.payload, s;
    struct tree t;
    bool first = true;

    while (array.tag == TREE_ARR && tree_next(&at, &t)) {
        if (!tree_str(t, &s))
            continue;
        buf_add_str(out, first ? "" : with);
        buf_add_span(out, s);
        first = false;
    }
}

/* One page's items: into the table, or as JSON. Returns how many. */
static uint64_t list_items(struct cli *c, const struct list_spec *spec, struct tree page, struct table *t,
                           struct jsonw *w, uint64_t most)
{
    struct tree items = get_node(page, "items"), item;
    struct span at = items.payload;
    uint64_t n = 0;

    while (items.tag == TREE_ARR && n < most && tree_next(&at, &item)) {
        if (c->json)
            jsonw_tree(w, item);
        else
            spec->row(c, t, item);
        n++;
    }
    return n;
}

static void list_done(struct cli *c, const struct list_spec *spec, struct table *t, struct buf *out, struct jsonw *w,
                      const char *cursor, uint64_t n)
{
    if (c->json) {
        jsonw_arr_end(w);
        jsonw_kcstr(w, "cursor", cursor);
        jsonw_obj_end(w);
        (void) printf("%s\n", buf_cstr(out));
    } else if (n == 0) {
        (void) fprintf(stderr, "%s\n", spec->empty);
    } else {
        (void) table_print(t, stdout, term_columns(STDOUT_FILENO));
        if (cursor != NULL)
            note("there is more: --limit %llu shows it", (unsigned long long) n * 2);
    }
}

int print_list(struct cli *c, struct buf *path, const struct list_spec *spec)
{
    const char *limit = args_value(&c->args, "limit");
    struct buf page_path = BUF_INIT(PATH_MAX_), out = BUF_INIT(256u << 20);
    struct http_reply r = { 0 };
    struct jsonw w;
    struct table t;
    char *cursor = NULL;
    uint64_t most = 50, n = 0;
    int code = limit == NULL ? EXIT_DONE : check_number(c, "limit", limit, 1000000, &most);

    table_init(&t, spec->columns, spec->n_columns);
    jsonw_init(&w, &out);
    jsonw_obj(&w);
    jsonw_karr(&w, "items");
    while (code == EXIT_DONE && n < most) {
        buf_reset(&page_path);
        buf_add_span(&page_path, buf_span(path));
        path_add_int(&page_path, "limit", most - n < LIST_PAGE ? (int64_t) (most - n) : LIST_PAGE);
        path_add(&page_path, "cursor", cursor);
        code = cli_get(c, &page_path, &r);
        free(cursor);
        cursor = NULL;
        if (code == EXIT_DONE) {
            n += list_items(c, spec, r.root, &t, &w, most - n);
            cursor = get_dup(r.root, "cursor");
        }
        http_reply_deinit(&r);
        if (cursor == NULL)
            break;
    }
    if (code == EXIT_DONE)
        list_done(c, spec, &t, &out, &w, cursor, n);
    free(cursor);
    table_deinit(&t);
    buf_deinit(&out);
    buf_deinit(&page_path);
    return code;
}

/* ---- bodies ---- */

void body_begin(struct body *b)
{
    buf_init(&b->buf, 1u << 20);
    jsonw_init(&b->w, &b->buf);
    jsonw_obj(&b->w);
}

void body_option(struct body *b, const struct cli *c, const char *option, const char *member)
{
    const char *v = args_value(&c->args, option);

    if (v != NULL)
        jsonw_kcstr(&b->w, member, v);
}

struct buf *body_end(struct body *b)
{
    jsonw_obj_end(&b->w);
    return &b->buf;
}

void body_deinit(struct body *b)
{
    if (b->buf.n > 0)
        explicit_bzero(b->buf.p, b->buf.n);
    buf_deinit(&b->buf);
}
