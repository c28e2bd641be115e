#include "server/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/utf8.h"
#include "codec/confuse.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "format/hook.h"
#include "net/addr.h"
#include "net/http.h"
#include "os/file.h"
#include "server/listen.h"

#define FILE_MAX   (256u << 10)
#define MEMORY_MAX (4u << 20)
#define URL_MAX    180 /* with "/v1/replay" it is the audience of keys */
#define ENV_MAX    64
#define KIB        1024LL
#define MIB        (1024LL * 1024)
#define GIB        (1024LL * 1024 * 1024)
#define SECOND     1000LL
#define MINUTE     (60 * SECOND)
#define HOUR       (60 * MINUTE)

static const char *const header_words[] = { "forwarded", "x-forwarded-for", NULL };
static const char *const hook_words[] = { "standard", "github", "gitlab", NULL };
static const char *const log_words[] = { "auto", "json", NULL };

static const struct confuse_opt tls_opts[] = {
    { .name = "certificate", .type = CONFUSE_STR },
    { .name = "key", .type = CONFUSE_STR },
    { .name = NULL },
};
static const struct confuse_opt proxy_opts[] = {
    { .name = "trusted", .type = CONFUSE_STRS },
    { .name = "header", .type = CONFUSE_ENUM, .words = header_words },
    { .name = NULL },
};
static const struct confuse_opt gate_opts[] = {
    { .name = "threads", .type = CONFUSE_INT, .max = 64 },
    { .name = "streams", .type = CONFUSE_INT, .min = 1, .max = 1000000 },
    { .name = "connections", .type = CONFUSE_INT, .min = 1, .max = 1000000 },
    { .name = "per_source", .type = CONFUSE_INT, .min = 1, .max = 1000000 },
    { .name = "cache", .type = CONFUSE_BYTES, .min = MIB, .max = 64 * GIB },
    { .name = NULL },
};
static const struct confuse_opt limits_opts[] = {
    { .name = "header_time", .type = CONFUSE_DURATION, .min = 100, .max = 5 * MINUTE },
    { .name = "idle_time", .type = CONFUSE_DURATION, .min = 100, .max = HOUR },
    { .name = "write_stall", .type = CONFUSE_DURATION, .min = 100, .max = HOUR },
    { .name = "body_min_rate", .type = CONFUSE_BYTES, .min = 1, .max = GIB },
    { .name = "headers", .type = CONFUSE_BYTES, .min = KIB, .max = MIB },
    { .name = "body", .type = CONFUSE_BYTES, .min = KIB, .max = MIB },
    { .name = "import_wire", .type = CONFUSE_BYTES, .min = KIB, .max = 1024 * GIB },
    { .name = "import_unpacked", .type = CONFUSE_BYTES, .min = KIB, .max = 1024 * GIB },
    { .name = NULL },
};
static const struct confuse_opt key_opts[] = {
    { .name = "life", .type = CONFUSE_DURATION, .min = 30 * SECOND, .max = 300 * SECOND },
    { .name = "bearer_life", .type = CONFUSE_DURATION, .min = 5 * SECOND, .max = 60 * SECOND },
    { .name = "rotate", .type = CONFUSE_DURATION, .min = 10 * MINUTE, .max = 24 * HOUR },
    { .name = "edge_skew", .type = CONFUSE_DURATION, .max = 60 * SECOND },
    { .name = NULL },
};
static const struct confuse_opt auth_opts[] = {
    { .name = "idle", .type = CONFUSE_DURATION, .min = MINUTE, .max = 12 * HOUR },
    { .name = "session", .type = CONFUSE_DURATION, .min = MINUTE, .max = 24 * HOUR },
    { .name = "cli_session", .type = CONFUSE_DURATION, .min = MINUTE, .max = 24 * HOUR },
    { .name = "fresh", .type = CONFUSE_DURATION, .min = 10 * SECOND, .max = HOUR },
    { .name = "token_votes", .type = CONFUSE_BOOL },
    { .name = "new_key_wait", .type = CONFUSE_DURATION, .max = 30 * 24 * HOUR },
    { .name = NULL },
};
static const struct confuse_opt request_opts[] = {
    { .name = "lapse", .type = CONFUSE_DURATION, .min = MINUTE, .max = 7 * 24 * HOUR },
    { .name = NULL },
};
static const struct confuse_opt store_opts[] = {
    { .name = "seal_bytes", .type = CONFUSE_BYTES, .min = 64 * KIB, .max = 32 * MIB },
    { .name = "seal_after", .type = CONFUSE_DURATION, .min = SECOND, .max = HOUR },
    { .name = "zstd", .type = CONFUSE_INT, .min = 1, .max = 19 },
    { .name = NULL },
};
static const struct confuse_opt live_opts[] = {
    { .name = "vanish_after", .type = CONFUSE_DURATION, .min = SECOND, .max = 24 * HOUR },
    { .name = "max_open", .type = CONFUSE_INT, .min = 1, .max = 20000 },
    { .name = NULL },
};
static const struct confuse_opt clock_opts[] = {
    { .name = "require_sync", .type = CONFUSE_BOOL },
    { .name = NULL },
};
static const struct confuse_opt demo_opts[] = {
    { .name = "password", .type = CONFUSE_STR },
    { .name = NULL },
};

static const struct confuse_opt hook_opts[] = {
    { .name = "project", .type = CONFUSE_STR },
    { .name = "format", .type = CONFUSE_ENUM, .words = hook_words },
    { .name = "secret", .type = CONFUSE_STR },
    { .name = "secret_file", .type = CONFUSE_STR },
    { 0 },
};

static const struct confuse_opt schema[] = {
    { .name = "public_url", .type = CONFUSE_STR },
    { .name = "player_url", .type = CONFUSE_STR },
    { .name = "dir", .type = CONFUSE_STR },
    { .name = "listen", .type = CONFUSE_STRS },
    { .name = "player_listen", .type = CONFUSE_STRS },
    { .name = "env", .type = CONFUSE_STRS },
    { .name = "plain_loopback", .type = CONFUSE_BOOL },
    { .name = "behind_proxy", .type = CONFUSE_BOOL },
    { .name = "log", .type = CONFUSE_ENUM, .words = log_words },
    { .name = "tls", .type = CONFUSE_SECTION, .opts = tls_opts },
    { .name = "proxy", .type = CONFUSE_SECTION, .opts = proxy_opts },
    { .name = "gate", .type = CONFUSE_SECTION, .opts = gate_opts },
    { .name = "limits", .type = CONFUSE_SECTION, .opts = limits_opts },
    { .name = "key", .type = CONFUSE_SECTION, .opts = key_opts },
    { .name = "auth", .type = CONFUSE_SECTION, .opts = auth_opts },
    { .name = "request", .type = CONFUSE_SECTION, .opts = request_opts },
    { .name = "store", .type = CONFUSE_SECTION, .opts = store_opts },
    { .name = "live", .type = CONFUSE_SECTION, .opts = live_opts },
    { .name = "clock", .type = CONFUSE_SECTION, .opts = clock_opts },
    { .name = "hook", .type = CONFUSE_SECTION, .opts = hook_opts, .flags = CONFUSE_TITLE | CONFUSE_MULTI },
    { .name = "demo", .type = CONFUSE_SECTION, .opts = demo_opts },
    { .name = NULL },
};

/* ---- from the tree ---- */

static struct tree section(struct tree root, const char *name)
{
    struct tree s;

    (void) tree_get(root, name, &s);
    return s;
}

static void get_str(struct config *c, struct tree from, const char *name, const char **to)
{
    struct span v;

    if (tree_get_str(from, name, &v))
        *to = arena_str(&c->memory, v);
}

static void get_ms(struct tree from, const char *name, time_ms *to)
{
    (void) tree_get_int(from, name, to);
}

static void get_u64(struct tree from, const char *name, uint64_t *to)
{
    int64_t v;

    if (tree_get_int(from, name, &v))
        *to = (uint64_t) v;
}

static void get_unsigned(struct tree from, const char *name, unsigned *to)
{
    int64_t v;

    if (tree_get_int(from, name, &v))
        *to = (unsigned) v;
}

static enum err get_list(struct config *c, struct tree from, const char *name, struct config_list *to,
                         struct err_info *reterr)
{
    struct tree list, item;
    struct span at;

    if (!tree_get(from, name, &list))
        return ERR_OK;
    to->n = 0;
    for (at = list.payload; tree_next(&at, &item);) {
        if (to->n == CONFIG_LIST_MAX)
            return ERR_RAISE(reterr, ERR_LIMIT, "%s has more than %d entries", name, CONFIG_LIST_MAX);
        to->items[to->n++] = arena_str(&c->memory, item.payload);
    }
    return ERR_OK;
}

static void set_defaults(struct config *c)
{
    c->dir = c->public_url = c->player_url = c->demo_password = "";
    c->tls.certificate = c->tls.key = "";
    c->envs = (struct config_list){ { "prod" }, 1 };
    c->gate.streams = 15000;
    c->gate.connections = 16000;
    c->gate.per_source = 1000;
    c->gate.cache = 256 * MIB;
    c->limits.header_time = 10 * SECOND;
    c->limits.idle_time = 60 * SECOND;
    c->limits.write_stall = 30 * SECOND;
    c->limits.body_min_rate = KIB;
    c->limits.header_bytes = 16 * KIB;
    c->limits.body = MIB;
    c->limits.import_wire = 4 * GIB;
    c->limits.import_unpacked = 16 * GIB;
    c->key.life = 120 * SECOND;
    c->key.bearer_life = 60 * SECOND;
    c->key.rotate = HOUR;
    c->auth.idle = 15 * MINUTE;
    c->auth.session = 12 * HOUR;
    c->auth.cli_session = 12 * HOUR;
    c->auth.fresh = 15 * MINUTE;
    c->request.lapse = 4 * HOUR;
    c->store.seal_bytes = MIB;
    c->store.seal_after = 10 * MINUTE;
    c->store.zstd = 9; /* docs/performance.md, Stored size */
    c->live.vanish_after = 15 * MINUTE;
    c->live.max_open = 10000;
}

static enum err fill(struct config *c, struct tree root, struct err_info *reterr)
{
    struct tree gate = section(root, "gate"), limits = section(root, "limits"), key = section(root, "key");
    struct tree auth = section(root, "auth"), proxy = section(root, "proxy");
    struct span word;

    get_str(c, root, "public_url", &c->public_url);
    get_str(c, root, "player_url", &c->player_url);
    get_str(c, root, "dir", &c->dir);
    TRY(get_list(c, root, "listen", &c->listen, reterr));
    TRY(get_list(c, root, "player_listen", &c->player_listen, reterr));
    TRY(get_list(c, root, "env", &c->envs, reterr));
    (void) tree_get_bool(root, "plain_loopback", &c->plain_loopback);
    (void) tree_get_bool(root, "behind_proxy", &c->behind_proxy);
    c->log_json = tree_get_str(root, "log", &word) && span_eq_str(word, "json");
    get_str(c, section(root, "tls"), "certificate", &c->tls.certificate);
    get_str(c, section(root, "tls"), "key", &c->tls.key);
    TRY(get_list(c, proxy, "trusted", &c->proxy.trusted, reterr));
    if (tree_get_str(proxy, "header", &word) && span_eq_str(word, "x-forwarded-for"))
        c->proxy.header = PROXY_X_FORWARDED_FOR;
    get_unsigned(gate, "threads", &c->gate.threads);
    get_unsigned(gate, "streams", &c->gate.streams);
    get_unsigned(gate, "connections", &c->gate.connections);
    get_unsigned(gate, "per_source", &c->gate.per_source);
    get_u64(gate, "cache", &c->gate.cache);
    get_ms(limits, "header_time", &c->limits.header_time);
    get_ms(limits, "idle_time", &c->limits.idle_time);
    get_ms(limits, "write_stall", &c->limits.write_stall);
    get_u64(limits, "body_min_rate", &c->limits.body_min_rate);
    get_u64(limits, "headers", &c->limits.header_bytes);
    get_u64(limits, "body", &c->limits.body);
    get_u64(limits, "import_wire", &c->limits.import_wire);
    get_u64(limits, "import_unpacked", &c->limits.import_unpacked);
    get_ms(key, "life", &c->key.life);
    get_ms(key, "bearer_life", &c->key.bearer_life);
    get_ms(key, "rotate", &c->key.rotate);
    get_ms(key, "edge_skew", &c->key.edge_skew);
    get_ms(auth, "idle", &c->auth.idle);
    get_ms(auth, "session", &c->auth.session);
    get_ms(auth, "cli_session", &c->auth.cli_session);
    get_ms(auth, "fresh", &c->auth.fresh);
    (void) tree_get_bool(auth, "token_votes", &c->auth.token_votes);
    get_ms(auth, "new_key_wait", &c->auth.new_key_wait);
    get_ms(section(root, "request"), "lapse", &c->request.lapse);
    get_u64(section(root, "store"), "seal_bytes", &c->store.seal_bytes);
    get_ms(section(root, "store"), "seal_after", &c->store.seal_after);
    get_unsigned(section(root, "store"), "zstd", &c->store.zstd);
    get_ms(section(root, "live"), "vanish_after", &c->live.vanish_after);
    get_unsigned(section(root, "live"), "max_open", &c->live.max_open);
    (void) tree_get_bool(section(root, "clock"), "require_sync", &c->require_sync);
    get_str(c, section(root, "demo"), "password", &c->demo_password);
    c->demo = section(root, "demo").tag == TREE_OBJ;
    return ERR_OK;
}

/* ---- do the values make sense together? ---- */

static bool is_origin(const char *url)
{
    struct span s = span_str(url), host;
    size_t scheme = span_starts(s, "https://") ? 8 : span_starts(s, "http://") ? 7 : 0;

    host = span_sub(s, scheme, s.n);
    if (scheme == 0 || s.n > URL_MAX || !http_is_authority(host))
        return false;
    for (size_t i = 0; i < host.n; i++) {
        /* It is compared with Origin, which browsers write in lower case, and stands in headers, where , and ; part words. */
        if ((host.p[i] >= 'A' && host.p[i] <= 'Z') || strchr(",;'*", host.p[i]) != NULL)
            return false;
    }
    return host.p[0] != ':' && host.p[host.n - 1] != ':';
}

/* Environments stand in keys. */
static enum err check_envs(const struct config_list *list, struct err_info *reterr)
{
    for (size_t i = 0; i < list->n; i++) {
        size_t n = strlen(list->items[i]);

        if (n == 0 || n > ENV_MAX || strspn(list->items[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != n)
            return ERR_RAISE(reterr, ERR_INVAL, "env: a name has 1 to %d of a-z A-Z 0-9 . _ -", ENV_MAX);
    }
    return list->n > 0 ? ERR_OK : ERR_RAISE(reterr, ERR_INVAL, "env: at least one environment is needed");
}

static enum err check_networks(const struct config_list *list, struct err_info *reterr)
{
    struct net_cidr cidr;

    for (size_t i = 0; i < list->n; i++) {
        if (!net_cidr_parse(span_str(list->items[i]), &cidr))
            return ERR_RAISE(reterr, ERR_INVAL, "proxy.trusted: '%s' is no network such as 10.0.0.0/8", list->items[i]);
    }
    return ERR_OK;
}

static enum err check_listen(const struct config *c, const struct config_list *list, const char *name,
                             struct err_info *reterr)
{
    for (size_t i = 0; i < list->n; i++) {
        struct listen_addr at;

        if (!listen_parse(list->items[i], &at))
            return ERR_RAISE(reterr, ERR_INVAL, "%s: '%s' is not ADDRESS:PORT", name, list->items[i]);
        if (c->plain_loopback && !at.loopback)
            return ERR_RAISE(reterr, ERR_INVAL, "%s: plain_loopback takes loopback addresses only, not %s", name,
                             list->items[i]);
    }
    return ERR_OK;
}

static enum err check(const struct config *c, struct err_info *reterr)
{
    bool https = strncmp(c->public_url, "https://", 8) == 0;

    if (c->dir[0] != '/')
        return ERR_RAISE(reterr, ERR_INVAL, "dir: the absolute path of the state directory is needed");
    if (!is_origin(c->public_url))
        return ERR_RAISE(reterr, ERR_INVAL, "public_url: \"https://HOST[:PORT]\" is needed, in lower case, without a path");
    if (!is_origin(c->player_url) || strcmp(c->player_url, c->public_url) == 0)
        return ERR_RAISE(reterr, ERR_INVAL, "player_url: an origin of its own is needed, other than public_url");
    if (c->listen.n == 0)
        return ERR_RAISE(reterr, ERR_INVAL, "listen: at least one ADDRESS:PORT is needed");
    TRY(check_envs(&c->envs, reterr));
    TRY(check_networks(&c->proxy.trusted, reterr));
    TRY(check_listen(c, &c->listen, "listen", reterr));
    TRY(check_listen(c, &c->player_listen, "player_listen", reterr));
    if (c->plain_loopback && c->behind_proxy)
        return ERR_RAISE(reterr, ERR_INVAL, "plain_loopback and behind_proxy exclude each other");
    if (c->plain_loopback && https)
        return ERR_RAISE(reterr, ERR_INVAL, "plain_loopback: public_url begins with http://");
    if (!c->plain_loopback && !https)
        return ERR_RAISE(reterr, ERR_INVAL, "public_url: https:// is needed (plain_loopback is for demos on this machine)");
    if (c->behind_proxy && c->proxy.trusted.n == 0)
        return ERR_RAISE(reterr, ERR_INVAL, "behind_proxy: proxy.trusted names no network, so every client would be the proxy");
    if (!c->plain_loopback && !c->behind_proxy && (c->tls.certificate[0] == '\0' || c->tls.key[0] == '\0'))
        return ERR_RAISE(reterr, ERR_INVAL, "tls: certificate and key are needed");
    if (c->demo && !c->plain_loopback)
        return ERR_RAISE(reterr, ERR_INVAL, "demo: only with plain_loopback");
    return ERR_OK;
}

/* ---- reading ---- */

/* Every byte that decided counts, in the order of reading. */
struct reading {
    struct hash *hash;
};

static enum err read_file(void *ctx, const char *path, struct buf *text, struct err_info *reterr)
{
    struct reading *r = ctx;

    TRY(os_path_read(path, text, reterr));
    hash_add(r->hash, buf_span(text));
    return ERR_OK;
}

/* ---- hooks ---- */

static bool is_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        bool first = (s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9');

        if (!first && (i == 0 || strchr("._-", s.p[i]) == NULL))
            return false;
    }
    return s.n > 0 && s.n <= 64;
}

static enum err hook_secrets(struct config *c, struct reading *r, struct tree one, struct config_hook *h,
                             struct err_info *reterr)
{
    struct buf text = BUF_INIT(HOOK_SECRETS_MAX * (HOOK_SECRET_MAX + 2));
    struct span secret = SPAN_EMPTY, file = SPAN_EMPTY;
    char path[4096];
    enum err e = ERR_OK;

    if (tree_get_str(one, "secret", &secret) == tree_get_str(one, "secret_file", &file))
        return ERR_RAISE(reterr, ERR_INVAL, "hook \"%s\": either secret or secret_file is needed", h->name);
    if (file.n > 0) {
        if (!span_to_str(file, path, sizeof(path)) || path[0] != '/')
            return ERR_RAISE(reterr, ERR_INVAL, "hook \"%s\": secret_file is an absolute path", h->name);
        e = read_file(r, path, &text, reterr);
        secret = buf_span(&text);
    }
    if (e == ERR_OK) {
        h->secrets = arena_str(&c->memory, secret);
        e = h->secrets == NULL ? ERR_RAISE(reterr, ERR_NOMEM, "no memory for the configuration") : ERR_OK;
    }
    if (text.p != NULL)
        secret_wipe(text.p, text.cap);
    buf_deinit(&text);
    return e;
}

static enum err fill_hook(struct config *c, struct reading *r, struct tree one, struct err_info *reterr)
{
    struct config_hook *h = &c->hooks[c->n_hooks];
    struct err_info why;
    enum hook_format f;

    get_str(c, one, "title", &h->name);
    get_str(c, one, "project", &h->project);
    get_str(c, one, "format", &h->format);
    if (h->name == NULL || !is_name(span_str(h->name)))
        return ERR_RAISE(reterr, ERR_INVAL, "hook: a name has 1 to 64 of a-z 0-9 . _ -");
    if (h->project == NULL || h->project[0] == '\0')
        return ERR_RAISE(reterr, ERR_INVAL, "hook \"%s\": project says whose requests it ends", h->name);
    if (h->format == NULL || !hook_format_parse(span_str(h->format), &f))
        return ERR_RAISE(reterr, ERR_INVAL, "hook \"%s\": format is standard, github or gitlab", h->name);
    TRY(hook_secrets(c, r, one, h, reterr));
    c->n_hooks++;
    if (hook_secrets_check(f, span_str(h->secrets), &why) != ERR_OK)
        return ERR_RAISE(reterr, ERR_INVAL, "hook \"%s\": %s", h->name, why.text);
    return ERR_OK;
}

static enum err fill_hooks(struct config *c, struct reading *r, struct tree root, struct err_info *reterr)
{
    struct tree list, one;

    if (!tree_get(root, "hook", &list))
        return ERR_OK;
    for (struct span at = list.payload; tree_next(&at, &one);) {
        if (c->n_hooks == CONFIG_HOOKS_MAX)
            return ERR_RAISE(reterr, ERR_LIMIT, "hook: more than %d", CONFIG_HOOKS_MAX);
        TRY(fill_hook(c, r, one, reterr));
    }
    return ERR_OK;
}

static enum err load(const char *path, struct config *c, struct reading *r, struct buf *text, struct buf *tree,
                     struct err_info *reterr)
{
    struct confuse_source source = { .name = path, .max_bytes = FILE_MAX, .read = read_file, .ctx = r };

    TRY(read_file(r, path, text, reterr));
    source.text = buf_span(text);
    TRY(confuse_load(&source, schema, tree, reterr));
    TRY(fill(c, tree_root(buf_span(tree)), reterr));
    TRY(fill_hooks(c, r, tree_root(buf_span(tree)), reterr));
    TRY(check(c, reterr));
    return hash_final(r->hash, c->sha256, reterr);
}

enum err config_load(const char *path, struct config **ret, struct err_info *reterr)
{
    struct config *c = calloc(1, sizeof(*c));
    struct reading r = { hash_new(HASH_SHA256) };
    struct buf text = BUF_INIT(FILE_MAX), tree = BUF_INIT(MEMORY_MAX);
    enum err e = ERR_NOMEM;

    if (c != NULL && r.hash != NULL) {
        arena_init(&c->memory, MEMORY_MAX);
        set_defaults(c);
        e = load(path, c, &r, &text, &tree, reterr);
    } else {
        (void) ERR_RAISE(reterr, ERR_NOMEM, "no memory for the configuration");
    }
    r.hash = hash_free(r.hash);
    buf_deinit(&text);
    buf_deinit(&tree);
    if (e == ERR_OK)
        *ret = c;
    else
        (void) config_free(c);
    return e;
}

struct config *config_free(struct config *c)
{
    if (c == NULL)
        return NULL;
    for (size_t i = 0; i < c->n_hooks; i++) {
        if (c->hooks[i].secrets != NULL)
            secret_wipe((char *) (uintptr_t) c->hooks[i].secrets, strlen(c->hooks[i].secrets));
    }
    arena_deinit(&c->memory);
    free(c);
    return NULL;
}

unsigned config_gate_loops(const struct config *c)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (c->gate.threads > 0)
        return c->gate.threads;
    return cores < 1 ? 1 : cores > 64 ? 64 : (unsigned) cores;
}
