/* Reading the audit log and checking it. */
#include "cli/cli.h"

#include <stdlib.h>
#include <unistd.h>

#include "audit/check.h"
#include "cli/access.h"
#include "cli/verify.h"
#include "codec/json.h"
#include "crypto/random.h"
#include "format/id.h"
#include "meta/meta.h"
#include "os/file.h"

#define PATH_CAP    8192
#define PAGE_MAX    1000
#define FOLLOW_MS   1000
#define AWAY_MS     60000
#define LOGS_MAX    4096
#define VKEY_MAX    65536
#define LOG_NAME_CAP 80

/* ---- tail ---- */

/* "request.created" → who, what, to what: the members that people look for, then the rest. */
static void human_line(struct tree names, struct span raw, struct buf *out)
{
    static const char *const ids[] = { "q", "gid", "vid", "rid", "jti", "obj" };
    struct json_limits lim = { .bytes = 1u << 20, .depth = TREE_DEPTH_MAX, .members = 10000, .string = 1u << 20 };
    struct buf tree = BUF_INIT(1u << 22);
    struct tree leaf, n, child;
    struct span at, name, value;
    int64_t number;

    random_fill(lim.secret, sizeof(lim.secret));
    if (!json_parse(raw, &lim, &tree, NULL)) {
        text_safe(out, raw);
        buf_deinit(&tree);
        return;
    }
    leaf = tree_root(buf_span(&tree));
    text_time(out, get(leaf, "t"));
    buf_add_c(out, ' ');
    text_safe(out, get(leaf, "type"));
    buf_add_c(out, ' ');
    value = get(leaf, "actor");
    text_safe(out, value);
    for (at = names.payload; names.tag == TREE_OBJ && tree_next(&at, &child);) {
        if (span_eq(child.key, value) && tree_str(child, &name)) {
            buf_add_str(out, " (");
            text_safe(out, name);
            buf_add_c(out, ')');
        }
    }
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        if (get(leaf, ids[i]).n > 0) {
            buf_addf(out, " %s=", ids[i]);
            text_safe(out, get(leaf, ids[i]));
        }
    }
    if (get(leaf, "outcome").n > 0 && !span_eq_str(get(leaf, "outcome"), "ok")) {
        buf_add_str(out, " outcome=");
        text_safe(out, get(leaf, "outcome"));
    }
    buf_addf(out, " i=%lld", (long long) get_int(leaf, "i")); /* what keyhole audit proof wants */
    n = get_node(leaf, "n");
    for (at = n.payload; n.tag == TREE_OBJ && tree_next(&at, &child);) {
        if (!tree_int(child, &number))
            continue;
        buf_add_c(out, ' ');
        text_safe(out, child.key);
        buf_addf(out, "=%lld", (long long) number);
    }
    buf_deinit(&tree);
}

static void print_record(struct cli *c, struct tree page, struct tree item)
{
    struct buf line = BUF_INIT(1u << 20);

    if (c->json)
        buf_add_span(&line, get(item, "raw")); /* the leaf's exact bytes: its writer escaped every control */
    else
        human_line(get_node(page, "names"), get(item, "raw"), &line);
    if (c->json && c->terminal) {
        struct buf safe = BUF_INIT(1u << 20);

        text_safe(&safe, buf_span(&line));
        (void) printf("%s\n", buf_cstr(&safe));
        buf_deinit(&safe);
    } else {
        (void) printf("%s\n", buf_cstr(&line));
    }
    buf_deinit(&line);
}

static void events_path(struct cli *c, struct buf *path, bool ascending, int64_t from, uint64_t limit)
{
    static const char *const filters[] = { "type", "actor", "recording", "request", "grant" };
    const char *log = args_value(&c->args, "log");

    buf_reset(path);
    buf_add_str(path, "/v1/audit/events");
    path_add(path, "log", log != NULL ? log : "system");
    path_add(path, "order", ascending ? "asc" : "desc");
    if (from >= 0)
        path_add_int(path, "from", from);
    path_add_int(path, "limit", (int64_t) limit);
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
        path_add(path, filters[i], args_value(&c->args, filters[i]));
}

/* The newest first in the answer, the oldest first on the terminal. */
static void print_reversed(struct cli *c, struct tree page)
{
    struct tree items = get_node(page, "items"), item;
    struct span at = items.payload;
    size_t n = tree_count(items), k = 0;
    struct tree *all = calloc(n > 0 ? n : 1, sizeof(*all));

    while (all != NULL && items.tag == TREE_ARR && tree_next(&at, &item))
        all[k++] = item;
    while (k > 0)
        print_record(c, page, all[--k]);
    free(all);
    (void) fflush(stdout);
}

/* A server that is away for a moment is waited for. */
static int away(struct cli *c, const struct http_reply *r, int64_t *since)
{
    if (r->status != 0 && !r->retryable)
        return cli_problem(c, r);
    if (*since == 0) {
        *since = mono_ms();
        note("the server does not answer; waiting for it");
    }
    return mono_ms() - *since < AWAY_MS ? EXIT_DONE : cli_problem(c, r);
}

static int follow(struct cli *c, int64_t next)
{
    struct buf path = BUF_INIT(PATH_CAP);
    int64_t since = 0;
    int code = EXIT_DONE;

    while (code == EXIT_DONE) {
        struct http_reply r = { 0 };
        struct tree items, item;
        struct span at;

        events_path(c, &path, true, next, PAGE_MAX);
        code = cli_try(c, "GET", &path, NULL, &r);
        if (code != EXIT_DONE)
            code = away(c, &r, &since);
        else
            since = 0;
        items = get_node(r.root, "items");
        for (at = items.payload; items.tag == TREE_ARR && tree_next(&at, &item);) {
            print_record(c, r.root, item);
            next = get_int(item, "index") + 1;
        }
        if (fflush(stdout) != 0)
            code = EXIT_FAILED;
        if (tree_count(items) < PAGE_MAX && get_int(r.root, "size") > next)
            next = get_int(r.root, "size"); /* what does not fit the filters is passed over */
        http_reply_deinit(&r);
        if (code == EXIT_DONE)
            (void) http_wait(c->http, NULL, 0, FOLLOW_MS);
    }
    buf_deinit(&path);
    return code;
}

static int run_tail(struct cli *c)
{
    const char *number = args_value(&c->args, "number");
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    uint64_t n = 100;
    int64_t size;
    int code = number == NULL ? EXIT_DONE : check_number(c, "number", number, PAGE_MAX, &n);

    if (code != EXIT_DONE)
        return code;
    events_path(c, &path, false, -1, n > 0 ? n : 1);
    code = cli_get(c, &path, &r);
    size = get_int(r.root, "size");
    if (code == EXIT_DONE && n > 0)
        print_reversed(c, r.root);
    http_reply_deinit(&r);
    buf_deinit(&path);
    if (code == EXIT_DONE && args_flag(&c->args, "follow"))
        code = follow(c, size);
    return code;
}

const struct command cmd_audit_tail = {
    .name = "audit tail",
    .heading = "Audit",
    .summary = "The newest records of a log",
    .synopsis = "[--log L] [-n 100] [--follow] [--type request.created,replay.*]",
    .text = "One line a record: time (UTC), type, who, the ids it is about, numbers. L is system or a project's name or id; system unless\n"
            "said. With --json each line is a record's exact bytes, as they were hashed. Reading the log is itself recorded.",
    .example = "$ keyhole audit tail --log shop -n 3\n"
               "2026-11-02 09:15:00 request.created u_8zYGTnU-_hqeQ2Lx (dana) q=q_0w3m1Vt9kq5yQpLx\n"
               "2026-11-02 09:15:31 grant.activated u_Jm1f4bJpR0aVq7Kd (lead) q=q_0w3m1Vt9kq5yQpLx gid=g_P_52yi_zKORYBdCS\n"
               "2026-11-02 09:15:40 replay.leased u_8zYGTnU-_hqeQ2Lx (dana) rid=r_2Dz2Sr-SnSlnd8aT from_seq=0 to_seq=812",
    .opts = (const struct opt[]){ { "log", 0, "L", "system, or a project", false },
                                  { "number", 'n', "N", "how many (100, at most 1000)", false },
                                  { "follow", 'f', NULL, "go on as records are written", false },
                                  { "type", 0, "LIST", "of these types, as request.created,replay.*", false },
                                  { "actor", 0, "U", "by this account (its id)", false },
                                  { "recording", 0, "RID", "about this recording", false },
                                  { "request", 0, "Q", "about this request", false },
                                  { "grant", 0, "G", "about this access", false },
                                  { 0 } },
    .run = run_tail,
};

/* ---- vkey ---- */

/* Every project that one may see, page by page, until fn returns something else than EXIT_DONE. */
static int each_project(struct cli *c, int (*fn)(void *ctx, struct tree project), void *ctx)
{
    char *cursor = NULL;
    int code = EXIT_DONE;

    do {
        struct buf path = BUF_INIT(PATH_CAP);
        struct http_reply r = { 0 };
        struct tree items, p;
        struct span at;

        buf_add_str(&path, "/v1/projects?limit=200");
        path_add(&path, "cursor", cursor);
        free(cursor);
        cursor = NULL;
        code = cli_get(c, &path, &r);
        items = get_node(r.root, "items");
        for (at = items.payload; code == EXIT_DONE && items.tag == TREE_ARR && tree_next(&at, &p);)
            code = fn(ctx, p);
        if (code == EXIT_DONE)
            cursor = get_dup(r.root, "cursor");
        http_reply_deinit(&r);
        buf_deinit(&path);
    } while (cursor != NULL);
    return code;
}

struct named {
    const char *name;
    char *ret;
    bool found;
};

static int take_named(void *ctx, struct tree project)
{
    struct named *n = ctx;

    n->found = n->found || (span_eq_str(get(project, "name"), n->name) && span_to_str(get(project, "id"), n->ret, LOG_NAME_CAP));
    return EXIT_DONE;
}

/* A project's name to its log's id; an id or system stays. */
static int log_id(struct cli *c, const char *name, char ret[LOG_NAME_CAP])
{
    struct named n = { .name = name, .ret = ret };
    int code;

    if (log_id_check(span_str(name)))
        return snprintf(ret, LOG_NAME_CAP, "%s", name) < LOG_NAME_CAP ? EXIT_DONE : EXIT_USAGE;
    code = each_project(c, take_named, &n);
    if (code != EXIT_DONE || n.found)
        return code;
    (void) fail("there is no project '%s' that you may see", name);
    return EXIT_REFUSED;
}

/* GET /v1/audit/LOG/what as text. */
static int audit_text(struct cli *c, const char *log, const char *what, bool quietly, struct buf *ret, long *ret_status)
{
    struct buf path = BUF_INIT(PATH_CAP);
    struct http_reply r = { 0 };
    int code;

    path_id(&path, "/v1/audit/", log, what);
    code = cli_try(c, "GET", &path, NULL, &r);
    *ret_status = r.status;
    if (code == EXIT_DONE)
        buf_add_span(ret, buf_span(&r.body));
    else if (!quietly || r.status == 0 || r.status >= 500)
        code = cli_problem(c, &r);
    http_reply_deinit(&r);
    buf_deinit(&path);
    return code;
}

static int run_vkey(struct cli *c)
{
    const char *name = args_value(&c->args, "log");
    struct buf text = BUF_INIT(VKEY_MAX);
    char log[LOG_NAME_CAP];
    long status;
    int code = log_id(c, name != NULL ? name : "system", log);

    if (code == EXIT_DONE)
        code = audit_text(c, log, "/vkey", false, &text, &status);
    while (text.n > 0 && text.p[text.n - 1] == '\n')
        text.n--;
    if (code == EXIT_DONE && c->json) {
        struct body b;

        body_begin(&b);
        jsonw_kstr(&b.w, "vkey", buf_span(&text));
        (void) printf("%s\n", buf_cstr(body_end(&b)));
        body_deinit(&b);
    } else if (code == EXIT_DONE) {
        print_safe(stdout, buf_span(&text));
        (void) fputc('\n', stdout);
    }
    buf_deinit(&text);
    return code;
}

const struct command cmd_audit_vkey = {
    .name = "audit vkey",
    .heading = "Audit",
    .summary = "A log's public key, to check the log with later",
    .synopsis = "[--log L]",
    .text = "Keep it where the server cannot change it: keyhole audit verify --vkey then trusts nothing that the server says about itself.",
    .example = "$ keyhole audit vkey --log system > system.vkey",
    .opts = (const struct opt[]){ { "log", 0, "L", "system, or a project", false }, { 0 } },
    .run = run_vkey,
};

/* ---- verify ---- */

enum err verify_key(struct span keys, struct span origin, struct note_vkey *ret, struct err_info *reterr)
{
    struct span rest = keys, line;
    struct note_vkey k, only;
    bool have = false, same = true;

    while (rest.n > 0) {
        struct span tail = SPAN_EMPTY;

        (void) span_cut(rest, '\n', &line, &tail);
        rest = tail;
        line = span_trim(line);
        while (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        TRY(note_vkey_parse(line, &k, reterr));
        if (span_eq_str(origin, k.name)) {
            *ret = k;
            return ERR_OK;
        }
        same = same && (!have || memcmp(only.pk, k.pk, sizeof(k.pk)) == 0);
        only = k;
        have = true;
    }
    if (!have || !same)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "no line of --vkey is for the log " SPAN_FMT, SPAN_ARG(origin));
    return note_vkey_init(ret, origin, only.pk, reterr);
}

static void hash_text(const struct merkle_hash *h, struct buf *out)
{
    for (size_t i = 0; i < sizeof(h->b); i++)
        buf_addf(out, "%02x", h->b[i]);
}

void verify_report(struct verify *v, struct span log, const struct note_vkey *key, const struct audit_result *r)
{
    bool good = r->verdict == AUDIT_GOOD;
    struct buf b = BUF_INIT(65536);

    *(good ? &v->n_good : &v->n_bad) += 1;
    if (v->c->json) {
        struct jsonw w;
        struct buf root = BUF_INIT(128);

        hash_text(&r->root, &root);
        jsonw_init(&w, &b);
        jsonw_obj(&w);
        jsonw_kstr(&w, "log", log);
        if (v->form != NULL)
            jsonw_kcstr(&w, "form", v->form);
        jsonw_kcstr(&w, "verdict", audit_verdict_word(r->verdict));
        jsonw_kint(&w, "size", (int64_t) r->n_leaves);
        jsonw_kint(&w, "signed", (int64_t) r->n_signed);
        jsonw_kstr(&w, "root", buf_span(&root));
        jsonw_kcstr(&w, "signed_by", key->name);
        jsonw_kcstr(&w, "key", v->own_keys ? "given" : "server");
        if (!good) {
            jsonw_kint(&w, "at", (int64_t) r->at);
            jsonw_kcstr(&w, "detail", r->text);
        }
        jsonw_obj_end(&w);
        buf_deinit(&root);
    } else {
        text_safe(&b, log);
        buf_addf(&b, "%s%s: %s", v->form != NULL ? ", its " : "", v->form != NULL ? v->form : "", good ? "good" : "BAD");
        if (good) {
            buf_addf(&b, ", %llu records", (unsigned long long) r->n_leaves);
            if (r->n_signed < r->n_leaves)
                buf_addf(&b, " (the last %llu not signed yet)", (unsigned long long) (r->n_leaves - r->n_signed));
            buf_add_str(&b, "\n  root ");
            hash_text(&r->root, &b);
            buf_add_str(&b, "\n  signed by ");
            text_safe(&b, span_str(key->name));
            buf_add_str(&b, v->own_keys ? ", the key you gave" : ", the key that the server itself gave: --vkey checks against one you kept");
        } else {
            buf_addf(&b, " (%s) at record %llu: ", audit_verdict_word(r->verdict), (unsigned long long) r->at);
            text_safe(&b, span_str(r->text));
        }
    }
    (void) printf("%s\n", buf_cstr(&b));
    (void) fflush(stdout);
    buf_deinit(&b);
}

/* ---- through the API ---- */

static int feed_leaves(struct verify *v, const char *log, struct audit_verify *check)
{
    struct buf path = BUF_INIT(PATH_CAP);
    int64_t next = 0, size = 1;
    int code = EXIT_DONE;
    bool going = true;

    while (code == EXIT_DONE && going && next < size) {
        struct http_reply r = { 0 };
        struct tree items, item;
        struct span at;

        buf_reset(&path);
        buf_add_str(&path, "/v1/audit/events?order=asc&limit=1000");
        path_add(&path, "log", log);
        path_add_int(&path, "from", next);
        code = cli_get(v->c, &path, &r);
        if (next == 0)
            size = get_int(r.root, "size");
        items = get_node(r.root, "items");
        if (code == EXIT_DONE && tree_count(items) == 0)
            going = false;
        for (at = items.payload; going && items.tag == TREE_ARR && next < size && tree_next(&at, &item); next++)
            going = audit_verify_leaf(check, get(item, "raw"), SPAN_EMPTY);
        http_reply_deinit(&r);
    }
    if (code == EXIT_DONE && audit_verify_no_memory(check))
        code = fail("no memory");
    buf_deinit(&path);
    return code;
}

/* "origin\n…" of a note, and the name that the server's own key carries. */
static int server_key(struct verify *v, const char *log, bool quietly, struct note_vkey *ret, long *ret_status)
{
    struct buf text = BUF_INIT(VKEY_MAX);
    struct err_info e = { 0 };
    struct span line;
    int code = audit_text(v->c, log, "/vkey", quietly, &text, ret_status);

    if (code == EXIT_DONE) {
        struct note_vkey k;

        line = buf_span(&text);
        while (line.n > 0 && line.p[line.n - 1] == '\n')
            line.n--;
        if (note_vkey_parse(line, &k, &e) != ERR_OK ||
            (v->own_keys && verify_key(buf_span(&v->keys), span_str(k.name), &k, &e) != ERR_OK))
            code = fail_err(&e);
        else
            *ret = k;
    }
    buf_deinit(&text);
    return code;
}

/* quietly: a log that one may not read is passed over (*ret_skipped). */
static int verify_log(struct verify *v, const char *log, bool quietly, bool *ret_skipped)
{
    CLEANUP(audit_verify_freep) struct audit_verify *check = NULL;
    struct buf note = BUF_INIT(NOTE_MAX);
    struct audit_result r;
    struct note_vkey key;
    long status = 0;
    int code = server_key(v, log, quietly, &key, &status);

    *ret_skipped = code != EXIT_DONE && quietly && (status == 403 || status == 404);
    if (code == EXIT_DONE && (check = audit_verify_new(span_str(log), &key)) == NULL)
        code = fail("no memory");
    if (code == EXIT_DONE) {
        code = audit_text(v->c, log, "/checkpoint", true, &note, &status);
        if (code == EXIT_DONE)
            audit_verify_checkpoint(check, buf_span(&note));
        else if (status == 404)
            code = EXIT_DONE; /* nothing signed: the verdict will say so */
    }
    if (code == EXIT_DONE)
        code = feed_leaves(v, log, check);
    if (code == EXIT_DONE) {
        audit_verify_finish(check, &r);
        verify_report(v, span_str(log), &key, &r);
    }
    buf_deinit(&note);
    return *ret_skipped ? EXIT_DONE : code;
}

static int verify_project(void *ctx, struct tree project)
{
    char log[LOG_NAME_CAP];
    bool skipped;

    return span_to_str(get(project, "id"), log, sizeof(log)) ? verify_log(ctx, log, true, &skipped) : EXIT_DONE;
}

static int verify_all(struct verify *v)
{
    bool skipped;
    int code = verify_log(v, "system", true, &skipped);

    if (code == EXIT_DONE)
        code = each_project(v->c, verify_project, v);
    if (code == EXIT_DONE && v->n_good + v->n_bad == 0) {
        note("there is no log that you may read: auditors and administrators may");
        code = EXIT_REFUSED;
    }
    return code;
}

/* ---- offline ---- */

static int check_stored(struct verify *v, struct meta_view *view, struct span log, struct span origin)
{
    struct audit_result r;
    struct note_vkey key;
    struct err_info e = { 0 };

    if (verify_key(buf_span(&v->keys), origin, &key, &e) != ERR_OK || audit_check(view, log, &key, &r, &e) != ERR_OK)
        return fail_err(&e);
    verify_report(v, log, &key, &r);
    return EXIT_DONE;
}

static int verify_database(struct verify *v, const char *dir, const char *only)
{
    CLEANUP(meta_reader_closep) struct meta_reader *reader = NULL;
    struct meta_log_list logs = { 0 };
    struct err_info e = { 0 };
    struct arena memory;
    char path[4200];
    int code = EXIT_DONE;
    bool found = false;

    if (snprintf(path, sizeof(path), "%s/meta/keyhole.db", dir) >= (int) sizeof(path))
        return usage(v->c, "that directory's name is too long");
    arena_init(&memory, 64u << 20);
    if (meta_reader_open(path, &reader, &e) != ERR_OK || meta_logs(meta_reader_view(reader), &memory, &logs, &e) != ERR_OK)
        code = fail_err(&e);
    for (size_t i = 0; code == EXIT_DONE && i < logs.n; i++) {
        if (only != NULL && !span_eq_str(logs.rows[i].log, only))
            continue;
        found = true;
        code = check_stored(v, meta_reader_view(reader), logs.rows[i].log, logs.rows[i].origin);
    }
    if (code == EXIT_DONE && !found)
        code = fail("there is no such log in %s", dir);
    arena_deinit(&memory);
    return code;
}

/* A server's state (its database, then the tiles that were made of it), or tiles alone. */
static int verify_directory(struct verify *v, const char *dir, const char *only)
{
    char db[4200], tiles[4200];
    size_t found;
    int code = EXIT_DONE;

    if (snprintf(db, sizeof(db), "%s/meta/keyhole.db", dir) >= (int) sizeof(db) ||
        snprintf(tiles, sizeof(tiles), "%s/audit", dir) >= (int) sizeof(tiles))
        return usage(v->c, "that directory's name is too long");
    if (access(db, F_OK) != 0) {
        code = verify_tiles(v, dir, only, &found);
        return code == EXIT_DONE && found == 0 ? fail("there is no such log in %s", dir) : code;
    }
    code = verify_database(v, dir, only);
    v->form = "tiles";
    return code == EXIT_DONE ? verify_tiles(v, tiles, only, &found) : code;
}

static int verify_server(struct verify *v, const char *only)
{
    char log[LOG_NAME_CAP];
    bool skipped;
    int code;

    if (only == NULL)
        return verify_all(v);
    code = log_id(v->c, only, log);
    return code == EXIT_DONE ? verify_log(v, log, false, &skipped) : code;
}

static int read_option(struct cli *c, const char *option, struct buf *ret)
{
    const char *file = args_value(&c->args, option);
    struct err_info e = { 0 };

    return file == NULL || os_path_read(file, ret, &e) == ERR_OK ? EXIT_DONE : fail_err(&e);
}

/* One thing that is checked without a server. */
static int verify_offline(struct verify *v, const char *where, const char *receipt, const char *only)
{
    if (!v->own_keys)
        return usage(v->c, "this is checked with a key you kept: --vkey FILE, printed by keyhole audit vkey");
    return receipt != NULL ? verify_receipt(v, receipt) : verify_directory(v, where, only);
}

static int run_verify(struct cli *c)
{
    const char *where = c->args.words[0], *only = args_value(&c->args, "log"), *receipt = args_value(&c->args, "receipt");
    bool since = args_value(&c->args, "since") != NULL, dir = where != NULL && strstr(where, "://") == NULL;
    struct verify v = { .c = c, .keys = BUF_INIT(VKEY_MAX), .since = BUF_INIT(NOTE_MAX),
                        .own_keys = args_value(&c->args, "vkey") != NULL };
    struct opt url = { "url", 0, "URL", "", false };
    int code;

    if (since && (!dir || receipt != NULL))
        return usage(c, "--since is for a directory of tiles");
    if (receipt != NULL && where != NULL)
        return usage(c, "a receipt is checked by itself");
    code = read_option(c, "vkey", &v.keys);
    if (code == EXIT_DONE)
        code = read_option(c, "since", &v.since);
    if (code == EXIT_DONE && (dir || receipt != NULL)) {
        code = verify_offline(&v, where, receipt, only);
    } else if (code == EXIT_DONE) {
        if (where != NULL && args_value(&c->args, "url") == NULL) {
            c->args.seen[c->args.n_seen].opt = &url;
            c->args.seen[c->args.n_seen++].value = where;
        }
        code = verify_server(&v, only);
    }
    buf_deinit(&v.keys);
    buf_deinit(&v.since);
    return code == EXIT_DONE && v.n_bad > 0 ? EXIT_FAILED : code;
}

const struct command cmd_audit_verify = {
    .name = "audit verify",
    .heading = "Audit",
    .summary = "Checks that no record was changed, dropped or added unseen",
    .synopsis = "[DIR|URL] [--log L] [--vkey FILE] [--since FILE] | --receipt FILE --vkey FILE",
    .text = "Reads every record, hashes it again, computes the tree's root and compares it with the newest signed checkpoint.\n"
            "From a server, unless DIR names a directory: a log as tiles (checkpoint and tile/), logs below it, or a server's state (its\n"
            "database, then its tiles). Directories and receipts need nothing but the public key in FILE. --since: a checkpoint that you\n"
            "kept has to be a beginning of the log, or it was rewritten. --receipt: one record, as keyhole audit proof gave it.\n"
            "Without --vkey the server's own key is used, which shows that the log is consistent, not that it is the one you knew; the\n"
            "output says so. All logs that you may read, unless L says which. Exit status 1 names the first record that is wrong.",
    .example = "$ keyhole audit verify --log system --vkey system.vkey\nsystem: good, 1284 records\n"
               "  root 3f7a...\n  signed by rec.example.com/v1/audit/system, the key you gave",
    .opts = (const struct opt[]){ { "log", 0, "L", "only this one: system, or a project", false },
                                  { "vkey", 0, "FILE", "public keys that keyhole audit vkey printed, one a line", false },
                                  { "since", 0, "FILE", "a checkpoint that was kept from before", false },
                                  { "receipt", 0, "FILE", "check one record's receipt, and print the record", false },
                                  { 0 } },
    .words_max = 1,
    .run = run_verify,
};
