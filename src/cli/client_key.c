#include "cli/client_key.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/login.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "format/dpop.h"
#include "os/clock.h"
#include "os/file.h"

#define FILE_MAX  4096
#define HALF      32 /* bytes of a coordinate */
#define B64_HALF  44

struct client_key {
    struct es256_signer *signer;
    uint8_t pub[ES256_PUB_LEN];
    char jkt[CLIENT_KEY_JKT_LEN + 1];
};

struct client_key *client_key_free(struct client_key *k)
{
    if (k == NULL)
        return NULL;
    es256_signer_freep(&k->signer);
    free(k);
    return NULL;
}

static void client_key_freep(struct client_key **k)
{
    *k = client_key_free(*k);
}

const char *client_key_jkt(const struct client_key *k)
{
    return k->jkt;
}

/* One file for each server, so that no key is used for two. */
static void file_name(const char *url, char to[40])
{
    uint8_t hash[SHA256_LEN];
    char text[B64_HALF];

    sha256(span_str(url), hash);
    (void) base64url_str(hash, sizeof(hash), text, sizeof(text));
    (void) snprintf(to, 40, "client-key-%.16s.jwk", text);
}

static enum err key_of(const struct secret *private_key, const uint8_t pub[ES256_PUB_LEN], struct client_key **ret,
                       struct err_info *reterr)
{
    CLEANUP(client_key_freep) struct client_key *k = calloc(1, sizeof(*k));
    char x[B64_HALF], y[B64_HALF], jwk[160];
    uint8_t hash[SHA256_LEN];

    if (k == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory");
    TRY(es256_signer_new(private_key, pub, &k->signer, reterr));
    memcpy(k->pub, pub, sizeof(k->pub));
    (void) base64url_str(pub, HALF, x, sizeof(x));
    (void) base64url_str(pub + HALF, HALF, y, sizeof(y));
    (void) snprintf(jwk, sizeof(jwk), "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
    sha256(span_str(jwk), hash);
    (void) base64url_str(hash, sizeof(hash), k->jkt, sizeof(k->jkt));
    *ret = TAKE(k);
    return ERR_OK;
}

/* ---- the file ---- */

static enum err check_file(int fd, const char *path, const char *name, struct err_info *reterr)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return ERR_RAISE(reterr, ERR_DENIED, "the client key %s/%s is no regular file: not used", path, name);
    if (st.st_uid != geteuid())
        return ERR_RAISE(reterr, ERR_DENIED,
                         "the client key %s/%s belongs to somebody else (user %u): not used. Remove it and sign in again", path,
                         name, (unsigned) st.st_uid);
    if ((st.st_mode & 077) != 0)
        return ERR_RAISE(reterr, ERR_DENIED,
                         "the client key %s/%s can be read by others (mode %03o): not used. If nobody had it: chmod 600; else remove "
                         "it and sign in again",
                         path, name, (unsigned) (st.st_mode & 0777));
    return ERR_OK;
}

static enum err parse(struct span text, const char *url, struct client_key **ret, struct err_info *reterr)
{
    struct json_limits lim = json_limits_control((const uint8_t *) "the user's own..");
    CLEANUP(secret_freep) struct secret *private_key = secret_new(HALF);
    struct buf tree = BUF_INIT(4 * FILE_MAX);
    uint8_t pub[ES256_PUB_LEN];
    enum err err = ERR_CORRUPT;
    struct tree root;

    if (private_key == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory");
    if (json_parse(text, &lim, &tree, NULL)) {
        root = tree_root(buf_span(&tree));
        if (span_eq_str(get(root, "kty"), "EC") && span_eq_str(get(root, "crv"), "P-256") &&
            span_eq_str(get(root, "server"), url) && base64url_parse_exact(get(root, "x"), pub, HALF) &&
            base64url_parse_exact(get(root, "y"), pub + HALF, HALF) &&
            base64url_parse_exact(get(root, "d"), secret_bytes(private_key), HALF))
            err = key_of(private_key, pub, ret, NULL);
    }
    if (tree.n > 0)
        explicit_bzero(tree.p, tree.n);
    buf_deinit(&tree);
    return err;
}

static enum err load(int dir, const char *path, const char *url, struct client_key **ret, struct err_info *reterr)
{
    CLEANUP(os_closep) int fd = -1;
    struct buf text = BUF_INIT(FILE_MAX);
    char name[40];
    enum err err;

    file_name(url, name);
    err = os_file_open(dir, name, O_RDONLY | O_NONBLOCK, &fd, reterr);
    if (err == ERR_NOTFOUND)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "there is no client key for %s: sign in with keyhole login", url);
    if (err != ERR_OK)
        return ERR_RAISE(reterr, ERR_DENIED, "the client key %s/%s cannot be read", path, name);
    TRY(check_file(fd, path, name, reterr));
    err = os_file_read(dir, name, &text, reterr);
    if (err == ERR_OK && parse(buf_span(&text), url, ret, reterr) != ERR_OK)
        err = ERR_RAISE(reterr, ERR_CORRUPT, "the client key %s/%s is damaged: remove it and sign in again", path, name);
    if (text.n > 0)
        explicit_bzero(text.p, text.n);
    buf_deinit(&text);
    return err;
}

static enum err create(int dir, const char *url, struct client_key **ret, struct err_info *reterr)
{
    CLEANUP(secret_freep) struct secret *private_key = NULL;
    uint8_t pub[ES256_PUB_LEN];
    char name[40], x[B64_HALF], y[B64_HALF], d[B64_HALF];
    struct buf text = BUF_INIT(FILE_MAX);
    struct jsonw w;
    enum err err;

    TRY(es256_generate(&private_key, pub, reterr));
    TRY(key_of(private_key, pub, ret, reterr));
    (void) base64url_str(pub, HALF, x, sizeof(x));
    (void) base64url_str(pub + HALF, HALF, y, sizeof(y));
    (void) base64url_str(secret_bytes(private_key), HALF, d, sizeof(d));
    (void) buf_reserve(&text, 2048); /* no copy of the key is left behind by growing */
    jsonw_init(&w, &text);
    jsonw_obj(&w);
    jsonw_kcstr(&w, "kty", "EC");
    jsonw_kcstr(&w, "crv", "P-256");
    jsonw_kcstr(&w, "x", x);
    jsonw_kcstr(&w, "y", y);
    jsonw_kcstr(&w, "d", d);
    jsonw_kcstr(&w, "server", url);
    jsonw_obj_end(&w);
    buf_add_c(&text, '\n');
    explicit_bzero(d, sizeof(d));
    file_name(url, name);
    err = os_file_create(dir, name, buf_span(&text), 0600, reterr);
    explicit_bzero(text.p, text.n);
    buf_deinit(&text);
    if (err != ERR_OK)
        *ret = client_key_free(*ret);
    return err;
}

enum err client_key_load(const char *url, struct client_key **ret, struct err_info *reterr)
{
    CLEANUP(os_closep) int dir = -1;
    char path[4096];

    if (login_directory(false, path, sizeof(path), &dir, NULL) != ERR_OK)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "there is no client key for %s: sign in with keyhole login", url);
    return load(dir, path, url, ret, reterr);
}

enum err client_key_make(const char *url, struct client_key **ret, struct err_info *reterr)
{
    CLEANUP(os_closep) int dir = -1;
    char path[4096];
    enum err err;

    TRY(login_directory(true, path, sizeof(path), &dir, reterr));
    err = load(dir, path, url, ret, reterr);
    if (err != ERR_NOTFOUND)
        return err;
    err = create(dir, url, ret, reterr);
    return err == ERR_EXISTS ? load(dir, path, url, ret, reterr) : err; /* another login was faster */
}

/* ---- signing ---- */

enum err client_key_proof(const struct client_key *k, const char *method, const char *url, const char *key, const char *nonce,
                          struct buf *out, struct err_info *reterr)
{
    struct dpop_make m = {
        .method = method,
        .url = url,
        .key = key != NULL ? span_str(key) : SPAN_EMPTY,
        .nonce = span_str(nonce),
        .iat = clock_wall_ms() / 1000,
    };

    random_fill(m.jti, sizeof(m.jti));
    return dpop_write(&m, k->signer, k->pub, out, reterr);
}

enum err client_key_act(const struct client_key *k, const char *operation, struct span id, struct span digest, const char *url,
                        char header[ACT_HEADER_CAP], struct err_info *reterr)
{
    struct act a = {
        .jkt = span_str(k->jkt),
        .act = span_str(operation),
        .digest = digest,
        .htu = span_of(url, strcspn(url, "?#")),
        .iat = clock_wall_ms() / 1000,
        .id = id,
    };

    return act_sign(&a, k->signer, header, reterr);
}
