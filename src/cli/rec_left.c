#include "cli/rec_left.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/rec_send.h"
#include "codec/json.h"
#include "crypto/random.h"
#include "os/file.h"

#define OPTIONS_FILE "/etc/keyhole/rec.options"
#define OPTIONS_MAX  65536
#define PATIENCE_MS  5000
#define HEAD_MAX     (1u << 20)

/* ---- tokens ---- */

static void strip(struct buf *token)
{
    while (token->n > 0 && (token->p[token->n - 1] == '\n' || token->p[token->n - 1] == '\r' || token->p[token->n - 1] == ' '))
        token->n--;
}

int rec_left_token(struct cli *c, struct buf *ret)
{
    const char *file = args_value(&c->args, "ingest-token-file"), *env = getenv("KEYHOLE_TOKEN");
    struct err_info e = { 0 };

    if (file != NULL) {
        if (os_path_read(file, ret, &e) != ERR_OK)
            return fail_err(&e);
        strip(ret);
        if (ret->n == 0 || memchr(ret->p, '\n', ret->n) != NULL)
            return fail("%s holds no token", file);
    } else if (env != NULL && strncmp(env, "kit_", 4) == 0) {
        buf_add_str(ret, env);
        (void) unsetenv("KEYHOLE_TOKEN"); /* or `env` in the recorded shell would show it */
    }
    return EXIT_DONE;
}

/* ---- a login shell ---- */

bool rec_left_is_us(const char *path)
{
    struct stat ours, theirs;

    return stat("/proc/self/exe", &ours) == 0 && stat(path, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
           ours.st_ino == theirs.st_ino;
}

struct words {
    char **p;
    size_t n;
    bool failed;
};

static void add_word(struct words *w, struct span text)
{
    char **more = reallocarray(w->p, w->n + 2, sizeof(*more));

    if (more != NULL) {
        w->p = more;
        more[w->n] = span_dup(text);
        more[w->n + 1] = NULL;
    }
    w->failed = w->failed || more == NULL || more[w->n] == NULL;
    w->n += more != NULL;
}

/* "--title Shift of the night": the option, and the rest of the line as it is. */
static void add_option_lines(struct words *w, struct span text)
{
    while (text.n > 0) {
        struct span line, rest = SPAN_EMPTY, name, value = SPAN_EMPTY;

        (void) span_cut(text, '\n', &line, &rest);
        text = rest;
        line = span_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        (void) span_cut(line, ' ', &name, &value);
        add_word(w, name);
        if (span_trim(value).n > 0)
            add_word(w, span_trim(value));
    }
}

char **rec_left_free(char **words)
{
    for (size_t i = 0; words != NULL && words[i] != NULL; i++)
        free(words[i]);
    free(words);
    return NULL;
}

char **rec_left_login_argv(int argc, char **argv, int *ret_argc, int *ret_code)
{
    const char *slash = strrchr(argv[0], '/'), *base = slash != NULL ? slash + 1 : argv[0],
               *file = getenv("KEYHOLE_REC_OPTIONS");
    struct words w = { 0 };
    struct buf b = BUF_INIT(OPTIONS_MAX);
    struct err_info e = { 0 };
    enum err err;

    *ret_code = EXIT_DONE;
    if (argv[0][0] != '-' && strcmp(base, "keyhole-rec") != 0)
        return NULL;
    add_word(&w, SPAN("--login"));
    err = os_path_read(file != NULL ? file : OPTIONS_FILE, &b, &e);
    if (err == ERR_OK)
        add_option_lines(&w, buf_span(&b));
    else if (err != ERR_NOTFOUND || file != NULL)
        *ret_code = fail_err(&e);
    buf_deinit(&b);
    if (argc == 3 && strcmp(argv[1], "-c") == 0) { /* as sshd and su ask a shell to run something */
        (void) setenv("SSH_ORIGINAL_COMMAND", argv[2], 1);
    } else {
        for (int i = 1; i < argc; i++)
            add_word(&w, span_str(argv[i]));
    }
    if (w.failed)
        *ret_code = fail("no memory");
    *ret_argc = (int) w.n;
    return *ret_code == EXIT_DONE ? w.p : rec_left_free(w.p);
}

/* ---- what is left ---- */

struct left {
    struct cli *c;
    int dirfd;
    const char *dir;
    struct buf token;
    unsigned sent, kept, running;
    int worst;
};

struct one {
    struct rec_spool *spool;
    struct rec_box *box;
    struct buf head, state;
    bool damaged;
};

static void one_deinit(struct one *o)
{
    o->box = rec_box_free(o->box);
    o->spool = rec_spool_close(o->spool);
    buf_deinit(&o->head);
    buf_deinit(&o->state);
}

/* All that can be read, in order. */
static enum err read_spool(struct one *o, struct err_info *reterr)
{
    uint64_t at = rec_spool_begin(), place = at;
    struct buf b = BUF_INIT(64u << 20);
    enum rec_spool_kind kind;
    enum err e;

    while ((e = rec_spool_get(o->spool, &at, &kind, &b, reterr)) == ERR_OK) {
        struct buf *keep = kind == REC_SPOOL_HEAD ? &o->head : kind == REC_SPOOL_STATE ? &o->state : NULL;

        if (keep != NULL) {
            buf_reset(keep);
            buf_add_span(keep, buf_span(&b));
        } else if ((e = rec_box_restore(o->box, place, buf_span(&b), reterr)) != ERR_OK) {
            break;
        }
        place = at;
        buf_reset(&b);
    }
    if (b.cap > 0)
        explicit_bzero(b.p, b.cap);
    buf_deinit(&b);
    o->damaged = e == ERR_CORRUPT;
    return e == ERR_NOTFOUND || e == ERR_CORRUPT ? ERR_OK : e;
}

static bool parse(struct span json, struct buf *bytes, struct tree *ret)
{
    struct json_limits lim = { .bytes = HEAD_MAX, .depth = TREE_DEPTH_MAX, .members = 10000, .string = HEAD_MAX };

    random_fill(lim.secret, sizeof(lim.secret));
    if (json.n == 0 || !json_parse(json, &lim, bytes, NULL))
        return false;
    *ret = tree_root(buf_span(bytes));
    return true;
}

/* Whoever sends decides where to: a spool of another server is left alone, or its recordings would end up elsewhere. */
static bool same_server(struct left *l, struct tree head)
{
    return span_eq_str(get(head, "url"), http_url(l->c->http));
}

static void report(struct left *l, const char *name, const struct rec_status *st, struct one *o)
{
    if (st->state == REC_DONE) {
        if (l->c->json)
            (void) printf("{\"id\":\"%s\",\"state\":\"complete\"}\n", st->first_rid);
        else
            (void) printf("sent %s\n", st->first_rid);
        (void) fflush(stdout);
        l->sent++;
        if (o->damaged) {
            note("%s is damaged: what could be read was sent", name);
            l->worst = EXIT_FAILED;
        }
        o->spool = rec_spool_remove(o->spool);
        return;
    }
    note("%s stays: %s", name, st->why);
    l->kept++;
    l->worst = st->state == REC_REFUSED && st->exit_code == EXIT_REFUSED ? EXIT_REFUSED : EXIT_FAILED;
}

static void send_one(struct left *l, const char *name, struct one *o, struct tree head, struct buf *create)
{
    char key[64] = "";
    struct rec_send_options opt = { .http = l->c->http, .token = l->token.n > 0 ? buf_cstr(&l->token) : NULL,
                                    .project = args_value(&l->c->args, "project"), .box = o->box, .spool = o->spool,
                                    .create = buf_span(create), .key = key, .state = buf_span(&o->state), .ending = true };
    struct rec_send *s;
    struct rec_status st;

    (void) span_to_str(get(head, "key"), key, sizeof(key));
    s = rec_send_new(&opt);
    if (s == NULL) {
        l->worst = fail("no memory");
        return;
    }
    rec_send_run(s, PATIENCE_MS);
    st = *rec_send_lock(s);
    rec_send_unlock(s);
    report(l, name, &st, o);
    (void) rec_send_free(s);
}

/* Confirmed by what the state says; what the server has beyond it, it tells itself. */
static void skip_confirmed(struct one *o)
{
    struct buf bytes = BUF_INIT(HEAD_MAX);
    struct tree state;

    if (parse(buf_span(&o->state), &bytes, &state))
        rec_box_confirm(o->box, (uint64_t) get_int(state, "confirmed"));
    buf_deinit(&bytes);
}

static void left_file(struct left *l, const char *name)
{
    struct one o = { .head = BUF_INIT(HEAD_MAX), .state = BUF_INIT(HEAD_MAX) };
    struct buf bytes = BUF_INIT(4 * HEAD_MAX), create = BUF_INIT(HEAD_MAX);
    struct err_info e = { 0 };
    enum err err = rec_spool_open(l->dirfd, name, &o.spool, &e);
    struct jsonw w;
    struct tree head;

    if (err == ERR_OK && (o.box = rec_box_new(o.spool, UINT64_MAX / 4)) == NULL)
        err = ERR_RAISE(&e, ERR_NOMEM, "no memory");
    if (err == ERR_OK)
        err = read_spool(&o, &e);
    if (err == ERR_AGAIN) {
        l->running++;
    } else if (err != ERR_OK || !parse(buf_span(&o.head), &bytes, &head)) {
        note("%s stays: %s", name, err != ERR_OK ? e.text : "it has no beginning");
        l->kept++;
        l->worst = EXIT_FAILED;
    } else if (!same_server(l, head)) {
        note("%s stays: it belongs to " SPAN_FMT, name, SPAN_ARG(get(head, "url")));
        l->kept++;
        l->worst = EXIT_FAILED;
    } else {
        jsonw_init(&w, &create);
        jsonw_tree(&w, get_node(head, "create"));
        skip_confirmed(&o);
        send_one(l, name, &o, head, &create);
    }
    buf_deinit(&bytes);
    buf_deinit(&create);
    one_deinit(&o);
}

static enum err visit(void *ctx, const char *name, unsigned type, struct err_info *reterr)
{
    (void) reterr;
    if (type == S_IFREG && rec_spool_is_name(name))
        left_file(ctx, name);
    return ERR_OK;
}

int rec_left_send(struct cli *c)
{
    struct left l = { .c = c, .dirfd = -1, .token = BUF_INIT(2048), .worst = EXIT_DONE };
    struct err_info e = { 0 };
    char *path = NULL;
    int code = cli_connect(c);

    if (code == EXIT_DONE && c->args.n_words > 0)
        code = usage(c, "--send-spool runs no command");
    if (code == EXIT_DONE)
        code = rec_left_token(c, &l.token);
    if (code == EXIT_DONE && rec_spool_dir(args_value(&c->args, "spool"), &l.dirfd, &path, &e) != ERR_OK)
        code = fail_err(&e);
    if (code == EXIT_DONE && os_dir_each(l.dirfd, visit, &l, &e) != ERR_OK)
        code = fail_err(&e);
    if (code == EXIT_DONE && !c->json)
        note("%u sent, %u left%s", l.sent, l.kept, l.running > 0 ? "; others are being recorded now" : "");
    if (l.token.n > 0)
        explicit_bzero(l.token.p, l.token.n);
    buf_deinit(&l.token);
    os_closep(&l.dirfd);
    free(path);
    return code != EXIT_DONE ? code : l.worst;
}
