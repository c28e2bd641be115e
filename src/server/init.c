#include "server/init.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/policy.h"
#include "codec/base64.h"
#include "codec/confuse.h"
#include "codec/mask.h"
#include "crypto/certificate.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "keeper/setup.h"
#include "os/file.h"
#include "server/config.h"
#include "server/listen.h"
#include "server/presets.h"
#include "vault/vault.h"

#define CERTIFICATE_DAYS 90 /* STANDARDS A45 */
#define DEFAULT_LISTEN   "127.0.0.1:8443"

const char *const init_presets[] = { "solo", "team", "regulated", NULL };

struct plan {
    const struct init_options *o;
    struct listen_addr listen, player;
    char listen_text[80], player_text[80];
    char host[128]; /* of the public address, without a port */
    char password[40];
    struct init_result *r;
    char work[4200]; /* DIR.new */
};

/* ---- what goes where ---- */

static enum err find_dir(struct plan *p, struct err_info *reterr)
{
    char cwd[2000];
    size_t n;
    int len;

    if (p->o->dir[0] == '/') {
        len = snprintf(p->r->dir, sizeof(p->r->dir), "%s", p->o->dir);
    } else {
        if (getcwd(cwd, sizeof(cwd)) == NULL)
            return ERR_RAISE_SYS(reterr, ERR_IO, errno, "find the current directory");
        len = snprintf(p->r->dir, sizeof(p->r->dir), "%s/%s", cwd, p->o->dir);
    }
    if (len < 0 || (size_t) len >= sizeof(p->r->dir) - 100)
        return ERR_RAISE(reterr, ERR_INVAL, "the directory's path is too long");
    for (n = strlen(p->r->dir); n > 1 && p->r->dir[n - 1] == '/'; n--)
        p->r->dir[n - 1] = '\0';
    (void) snprintf(p->r->config, sizeof(p->r->config), "%s/keyhole.conf", p->r->dir);
    (void) snprintf(p->work, sizeof(p->work), "%s.new", p->r->dir);
    return ERR_OK;
}

static enum err check_free(const struct plan *p, struct err_info *reterr)
{
    if (rmdir(p->r->dir) != 0 && errno != ENOENT)
        return ERR_RAISE(reterr, ERR_EXISTS, "%s is there already and not empty: choose another directory", p->r->dir);
    return ERR_OK;
}

static enum err find_addresses(struct plan *p, struct err_info *reterr)
{
    const char *listen = p->o->listen != NULL ? p->o->listen : DEFAULT_LISTEN;
    unsigned port;

    if (!listen_parse(listen, &p->listen) || p->listen.port == 0)
        return ERR_RAISE(reterr, ERR_INVAL, "--listen: ADDRESS:PORT is needed, such as 0.0.0.0:443 or [::]:443");
    (void) snprintf(p->listen_text, sizeof(p->listen_text), "%s", listen);
    if (p->o->player_listen != NULL) {
        if (!listen_parse(p->o->player_listen, &p->player) || p->player.port == 0)
            return ERR_RAISE(reterr, ERR_INVAL, "--player-listen: ADDRESS:PORT is needed");
        (void) snprintf(p->player_text, sizeof(p->player_text), "%s", p->o->player_listen);
    } else {
        int host_len = (int) (strrchr(listen, ':') - listen);

        port = listen_free_port(p->listen.port < 65000 ? p->listen.port + 1 : 8444);
        if (port == 0)
            return ERR_RAISE(reterr, ERR_INVAL, "--player-listen: no port is free beside %u, name one", p->listen.port);
        (void) snprintf(p->player_text, sizeof(p->player_text), "%.*s:%u", host_len, listen, port);
        p->player.port = port;
    }
    if (p->o->plain_loopback && !p->listen.loopback)
        return ERR_RAISE(reterr, ERR_INVAL, "--plain-loopback takes loopback addresses only: people elsewhere need TLS");
    return ERR_OK;
}

static void url_with_port(char *to, size_t cap, const char *scheme, const char *host, unsigned port)
{
    bool usual = (strcmp(scheme, "https") == 0 && port == 443) || (strcmp(scheme, "http") == 0 && port == 80);

    if (usual)
        (void) snprintf(to, cap, "%s://%s", scheme, host);
    else
        (void) snprintf(to, cap, "%s://%s:%u", scheme, host, port);
}

static enum err find_urls(struct plan *p, struct err_info *reterr)
{
    const char *scheme = p->o->plain_loopback ? "http" : "https";
    struct span rest = SPAN_EMPTY, host, port;

    if (p->o->url != NULL) {
        rest = span_str(p->o->url);
        if (!span_starts(rest, "https://") && !(p->o->plain_loopback && span_starts(rest, "http://")))
            return ERR_RAISE(reterr, ERR_INVAL, "--url: https://HOST[:PORT] is needed");
        (void) snprintf(p->r->url, sizeof(p->r->url), "%s", p->o->url);
        rest = span_sub(rest, span_starts(rest, "https://") ? 8 : 7, rest.n);
        if (rest.n > 0 && rest.p[0] == '[')
            host = rest;
        else
            (void) span_cut(rest, ':', &host, &port);
        if (!span_to_str(host, p->host, sizeof(p->host)))
            return ERR_RAISE(reterr, ERR_INVAL, "--url: the host name is too long");
    } else if (p->o->behind_proxy) {
        return ERR_RAISE(reterr, ERR_INVAL, "--behind-proxy needs --url: the address that people use");
    } else {
        (void) snprintf(p->host, sizeof(p->host), "localhost");
        if (!p->listen.loopback && gethostname(p->host, sizeof(p->host) - 1) != 0)
            (void) snprintf(p->host, sizeof(p->host), "localhost");
        url_with_port(p->r->url, sizeof(p->r->url), scheme, p->host, p->listen.port);
    }
    if (p->o->player_url != NULL)
        (void) snprintf(p->r->player_url, sizeof(p->r->player_url), "%s", p->o->player_url);
    else
        url_with_port(p->r->player_url, sizeof(p->r->player_url), scheme, p->host, p->player.port);
    return ERR_OK;
}

/* ---- files ---- */

static void write_config(const struct plan *p, struct buf *b)
{
    const struct init_options *o = p->o;

    buf_addf(b, "# Keyhole, made by `keyhole init`. What is left out has its default; docs/operations.md lists all settings.\n"
                "# After a change: keyhole config check, then SIGHUP to the server.\n\n"
                "public_url = \"%s\"       # what people type; also the issuer of keys\n"
                "player_url = \"%s\"       # recordings are shown in an origin of their own\n"
                "dir = \"%s\"\n"
                "listen = { \"%s\" }\n"
                "player_listen = { \"%s\" }\n"
                "env = { \"%s\" }          # the first is the default of projects\n",
             p->r->url, p->r->player_url, p->r->dir, p->listen_text, p->player_text, o->env != NULL ? o->env : "prod");
    if (o->log != NULL)
        buf_addf(b, "log = %s\n", o->log);
    if (o->plain_loopback)
        buf_add_str(b, "plain_loopback = yes      # no TLS: only for trying it out on this machine\n");
    if (o->behind_proxy) {
        buf_add_str(b, "behind_proxy = yes        # TLS ends at the proxy\nproxy {\n  trusted = { ");
        for (size_t i = 0; i < o->n_trusted; i++)
            buf_addf(b, "%s\"%s\"", i == 0 ? "" : ", ", o->trusted[i]);
        buf_add_str(b, " }\n  header = forwarded\n}\n");
    }
    if (!o->plain_loopback && !o->behind_proxy)
        buf_addf(b, "tls {\n  certificate = \"%s/tls.pem\"\n  key = \"%s/tls.key\"\n}\n", p->r->dir, p->r->dir);
    if (o->demo)
        buf_addf(b, "demo { password = \"%s\" }   # of the demo accounts\n", p->password);
}

static enum err write_certificate(const struct plan *p, int dir, struct err_info *reterr)
{
    const char *const names[] = { p->host, "localhost", "127.0.0.1", "::1" };
    struct buf cert = BUF_INIT(64 << 10), key = BUF_INIT(64 << 10);
    enum err e = certificate_self_signed(names, 4, CERTIFICATE_DAYS, &cert, &key, reterr);

    if (e == ERR_OK)
        e = os_file_replace(dir, "tls.pem", buf_span(&cert), 0644, reterr);
    if (e == ERR_OK)
        e = os_file_replace(dir, "tls.key", buf_span(&key), 0600, reterr);
    if (key.p != NULL)
        secret_wipe(key.p, key.cap);
    buf_deinit(&cert);
    buf_deinit(&key);
    return e;
}

/* A demo on this machine takes keys that any client can carry, too (STANDARDS 2.6). */
static void add_bearer(struct span text, struct buf *out)
{
    struct span bound = SPAN("{ dpop }");

    while (text.n > 0) {
        const uint8_t *at = memmem(text.p, text.n, bound.p, bound.n);
        size_t n = at == NULL ? text.n : (size_t) (at - text.p);

        buf_add_span(out, span_sub(text, 0, n));
        if (at != NULL)
            buf_add_str(out, "{ dpop, bearer }");
        text = span_sub(text, at == NULL ? n : n + bound.n, text.n);
    }
}

/* The preset's text as the keeper takes it: source and tree. */
static enum err read_preset(const char *name, bool plain, struct buf *text, struct buf *tree, struct err_info *reterr)
{
    struct confuse_source source = { .name = name, .max_bytes = 64 << 10 };
    struct span preset = preset_find(name);

    if (preset.n == 0)
        return ERR_RAISE(reterr, ERR_INVAL, "--preset: solo, team or regulated");
    if (plain)
        add_bearer(preset, text);
    else
        buf_add_span(text, preset);
    TRY(buf_check(text, reterr));
    source.text = buf_span(text);
    return confuse_load(&source, policy_schema, tree, reterr);
}

/* What the demo's project hides, and keeps for whoever is let in to see it. */
#define DEMO_MASKS "reveal = keep\n"

static enum err fill_database(struct plan *p, uint32_t epoch, const uint8_t epoch_pk[32], struct err_info *reterr)
{
    struct buf tree = BUF_INIT(1 << 20), text = BUF_INIT(64 << 10);
    struct keeper_setup s = {
        .dir = p->work,
        .public_url = p->r->url,
        .env = p->o->env != NULL ? p->o->env : "prod",
        .demo_password = p->o->demo ? p->password : NULL,
        .epoch = epoch,
    };
    struct buf masks = BUF_INIT(64 << 10);
    enum err e = read_preset(p->o->preset != NULL ? p->o->preset : "team", p->o->plain_loopback && !p->o->demo, &text, &tree, reterr);

    memcpy(s.epoch_pk, epoch_pk, sizeof(s.epoch_pk));
    if (e == ERR_OK) {
        s.policy_source = buf_span(&text);
        s.policy_tree = buf_span(&tree);
        s.masks_source = SPAN(DEMO_MASKS);
        e = mask_rules_parse(s.masks_source, &masks, reterr);
        s.masks_tree = buf_span(&masks);
    }
    if (e == ERR_OK) {
        e = keeper_setup_run(&s, p->r->admin_token, reterr);
    }
    buf_deinit(&text);
    buf_deinit(&tree);
    buf_deinit(&masks);
    return e;
}

static enum err write_token(const struct plan *p, int dir, struct err_info *reterr)
{
    struct buf b = BUF_INIT(256);
    enum err e;

    buf_addf(&b, "%s\n", p->r->admin_token);
    e = os_file_replace(dir, "admin.token", buf_span(&b), 0600, reterr);
    if (b.p != NULL)
        secret_wipe(b.p, b.cap);
    buf_deinit(&b);
    return e;
}

static enum err fill_dir(struct plan *p, struct err_info *reterr)
{
    CLEANUP(os_closep) int dir = -1;
    struct buf conf = BUF_INIT(64 << 10);
    struct config *check = NULL;
    uint8_t epoch_pk[32];
    uint32_t epoch;
    char path[4300];
    enum err e;

    TRY(os_dir_open(p->work, true, &dir, reterr));
    write_config(p, &conf);
    e = os_file_replace(dir, "keyhole.conf", buf_span(&conf), 0600, reterr);
    buf_deinit(&conf);
    if (e == ERR_OK && !p->o->plain_loopback && !p->o->behind_proxy)
        e = write_certificate(p, dir, reterr);
    if (e != ERR_OK)
        return e;
    (void) snprintf(path, sizeof(path), "%s/keyhole.conf", p->work);
    TRY(config_load(path, &check, reterr)); /* what init writes, serve reads */
    (void) config_free(check);
    TRY(vault_setup(p->work, &epoch, epoch_pk, reterr));
    TRY(fill_database(p, epoch, epoch_pk, reterr));
    TRY(write_token(p, dir, reterr));
    return os_sync(dir, reterr);
}

/* Removes what a failed init made. Only files and directories of ours, by walking: nothing is followed. */
static void remove_tree(int parent, const char *name, int depth)
{
    int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (dir >= 0 && depth < 8)
        os_dir_walk(dir, remove_tree, depth + 1);
    os_closep(&dir);
    if (unlinkat(parent, name, AT_REMOVEDIR) != 0)
        (void) unlinkat(parent, name, 0); /* what cannot be removed is named by the next init */
}

void init_remove(const char *dir)
{
    remove_tree(AT_FDCWD, dir, 0);
}

static void make_password(char out[40])
{
    uint8_t raw[12];

    random_fill(raw, sizeof(raw));
    (void) base64url_str(raw, sizeof(raw), out, 40);
}

enum err init_run(const struct init_options *o, struct init_result *ret, struct err_info *reterr)
{
    struct plan p = { .o = o, .r = ret };
    enum err e;

    memset(ret, 0, sizeof(*ret));
    TRY(find_dir(&p, reterr));
    TRY(find_addresses(&p, reterr));
    TRY(find_urls(&p, reterr));
    TRY(check_free(&p, reterr));
    make_password(p.password);
    remove_tree(AT_FDCWD, p.work, 0);
    e = fill_dir(&p, reterr);
    if (e == ERR_OK && rename(p.work, ret->dir) != 0)
        e = ERR_RAISE_SYS(reterr, ERR_IO, errno, "rename %s", p.work);
    if (e != ERR_OK)
        remove_tree(AT_FDCWD, p.work, 0);
    return e;
}
