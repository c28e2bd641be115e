#include "cli/rec_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "crypto/aead.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "format/zframe.h"
#include "os/file.h"

#define MAGIC_LEN   8
#define SALT_LEN    16
#define WRAP_AT     (MAGIC_LEN + SALT_LEN)
#define WRAP_LEN    (AEAD_XNONCE_LEN + AEAD_KEY_LEN + AEAD_TAG_LEN)
#define BEGIN       (WRAP_AT + WRAP_LEN)
#define MARK        0xa5
#define RECORD_HEAD (1 + 4 + 8 + AEAD_XNONCE_LEN)
#define RECORD_MAX  (32u << 20)
#define PACK_FROM   512 /* smaller ones do not get smaller */
#define SUFFIX      ".spool"
#define KEY_NAME    "spool.key"

static const uint8_t magic[MAGIC_LEN] = { 'K', 'H', 'S', 'P', 'O', 'O', 'L', '1' };

struct rec_spool {
    int dirfd, fd;
    char name[REC_SPOOL_NAME_CAP];
    uint8_t salt[SALT_LEN];
    struct secret *key;
    uint64_t end;   /* where the next record goes */
    uint64_t first_end; /* behind the first record; 0: there is none yet */
    uint64_t index; /* of the next record */
    struct zframe_writer *zip; /* made when first needed */
};

bool rec_spool_is_name(const char *name)
{
    size_t n = strlen(name), s = strlen(SUFFIX);

    return n > s && n < REC_SPOOL_NAME_CAP && strcmp(name + n - s, SUFFIX) == 0;
}

uint64_t rec_spool_begin(void)
{
    return BEGIN;
}

/* ---- the directory ---- */

/* mkdir -p, 0700. */
static void make_path(const char *path)
{
    char part[4096];

    for (size_t i = 1; path[i] != '\0' && i < sizeof(part); i++) {
        if (path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        (void) mkdir(part, 0700); /* what fails here fails again below, with a text */
    }
}

enum err rec_spool_dir(const char *dir, int *ret_fd, char **ret_path, struct err_info *reterr)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    CLEANUP(os_closep) int fd = -1;
    char path[4096];
    struct stat st;
    int n = 0;

    if (dir != NULL)
        n = snprintf(path, sizeof(path), "%s", dir);
    else if (state != NULL && state[0] == '/')
        n = snprintf(path, sizeof(path), "%s/keyhole/spool", state);
    else if (home != NULL && home[0] == '/')
        n = snprintf(path, sizeof(path), "%s/.local/state/keyhole/spool", home);
    if (n <= 0 || n >= (int) sizeof(path))
        return ERR_RAISE(reterr, ERR_INVAL, "no directory for a spool: HOME is not set; say --spool DIR");
    make_path(path);
    TRY(os_dir_open(path, true, &fd, reterr));
    if (fstat(fd, &st) != 0 || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return ERR_RAISE(reterr, ERR_DENIED, "the spool %s belongs to somebody else or others can look into it: chmod 700", path);
    *ret_path = strdup(path);
    if (*ret_path == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory");
    *ret_fd = fd;
    fd = -1;
    return ERR_OK;
}

static enum err make_key(int dirfd, struct err_info *reterr)
{
    uint8_t fresh[AEAD_KEY_LEN];
    enum err e;

    random_fill(fresh, sizeof(fresh));
    e = os_file_create(dirfd, KEY_NAME, SPAN_OF(fresh), 0600, reterr);
    secret_wipe(fresh, sizeof(fresh));
    return e;
}

/* The directory's key; made when it is not there, by one of several recorders that start at once. */
static enum err dir_key(int dirfd, bool make, struct secret **ret, struct err_info *reterr)
{
    struct buf b = BUF_INIT(AEAD_KEY_LEN);
    enum err e;

    while (make && flock(dirfd, LOCK_EX) != 0 && errno == EINTR)
        continue;
    e = os_file_read(dirfd, KEY_NAME, &b, reterr);
    if (e == ERR_NOTFOUND && make) {
        e = make_key(dirfd, reterr);
        buf_reset(&b);
        if (e == ERR_OK)
            e = os_file_read(dirfd, KEY_NAME, &b, reterr);
    }
    (void) flock(dirfd, LOCK_UN);
    if (e == ERR_OK && b.n != AEAD_KEY_LEN)
        e = ERR_RAISE(reterr, ERR_CORRUPT, "%s of the spool is not what keyhole rec wrote", KEY_NAME);
    if (e == ERR_OK && (*ret = secret_of(buf_span(&b))) == NULL)
        e = ERR_RAISE(reterr, ERR_NOMEM, "no memory for a key");
    secret_wipe(b.p, b.n);
    buf_deinit(&b);
    return e;
}

/* ---- files ---- */

static struct rec_spool *spool_alloc(int dirfd)
{
    struct rec_spool *s = calloc(1, sizeof(*s));

    if (s != NULL) {
        s->dirfd = dirfd;
        s->fd = -1;
        s->end = BEGIN;
    }
    return s;
}

struct rec_spool *rec_spool_close(struct rec_spool *s)
{
    if (s == NULL)
        return NULL;
    os_closep(&s->fd);
    s->key = secret_free(s->key);
    s->zip = zframe_writer_free(s->zip);
    free(s);
    return NULL;
}

static void spool_closep(struct rec_spool **s)
{
    *s = rec_spool_close(*s);
}

static enum err pwrite_all(int fd, uint64_t at, struct span bytes, struct err_info *reterr)
{
    while (bytes.n > 0) {
        ssize_t n = pwrite(fd, bytes.p, bytes.n, (off_t) at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_RAISE_SYS(reterr, n < 0 && (errno == ENOSPC || errno == EDQUOT) ? ERR_NOSPC : ERR_IO, errno,
                                 "write the spool");
        bytes = span_sub(bytes, (size_t) n, bytes.n);
        at += (uint64_t) n;
    }
    return ERR_OK;
}

static struct span wrap_aad(const struct rec_spool *s, uint8_t out[MAGIC_LEN + SALT_LEN])
{
    memcpy(out, magic, MAGIC_LEN);
    memcpy(out + MAGIC_LEN, s->salt, SALT_LEN);
    return span_of(out, MAGIC_LEN + SALT_LEN);
}

static enum err write_head(struct rec_spool *s, const struct secret *dir, struct err_info *reterr)
{
    uint8_t head[BEGIN];
    struct span aad = wrap_aad(s, head);

    random_fill(head + WRAP_AT, AEAD_XNONCE_LEN);
    aead_xchacha_seal(secret_span(dir).p, head + WRAP_AT, aad, secret_span(s->key), head + WRAP_AT + AEAD_XNONCE_LEN);
    return pwrite_all(s->fd, 0, SPAN_OF(head), reterr);
}

enum err rec_spool_new(int dirfd, struct rec_spool **ret, struct err_info *reterr)
{
    CLEANUP(spool_closep) struct rec_spool *s = spool_alloc(dirfd);
    CLEANUP(secret_freep) struct secret *dir = NULL;
    struct buf hex = BUF_INIT(64);

    if (s == NULL || (s->key = secret_random(AEAD_KEY_LEN)) == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory for a spool");
    TRY(dir_key(dirfd, true, &dir, reterr));
    random_fill(s->salt, sizeof(s->salt));
    hex_add(&hex, SPAN_OF(s->salt));
    (void) snprintf(s->name, sizeof(s->name), "%s%s", buf_cstr(&hex), SUFFIX);
    buf_deinit(&hex);
    TRY(os_file_open(dirfd, s->name, O_RDWR | O_CREAT | O_EXCL, &s->fd, reterr));
    if (flock(s->fd, LOCK_EX | LOCK_NB) != 0)
        return ERR_RAISE_SYS(reterr, ERR_IO, errno, "lock the spool");
    TRY(write_head(s, dir, reterr));
    *ret = TAKE(s);
    return ERR_OK;
}

static enum err read_head(struct rec_spool *s, struct err_info *reterr)
{
    CLEANUP(secret_freep) struct secret *dir = NULL;
    uint8_t head[BEGIN], key[AEAD_KEY_LEN];
    bool good;

    TRY(dir_key(s->dirfd, false, &dir, reterr));
    TRY(os_pread_all(s->fd, 0, head, sizeof(head), reterr));
    memcpy(s->salt, head + MAGIC_LEN, SALT_LEN);
    good = memcmp(head, magic, MAGIC_LEN) == 0 &&
           aead_xchacha_open(secret_span(dir).p, head + WRAP_AT, span_of(head, WRAP_AT),
                             span_of(head + WRAP_AT + AEAD_XNONCE_LEN, AEAD_KEY_LEN + AEAD_TAG_LEN), key);
    if (good)
        s->key = secret_of(SPAN_OF(key));
    secret_wipe(key, sizeof(key));
    if (!good)
        return ERR_RAISE(reterr, ERR_CORRUPT, "%s was not written with the key of this spool", s->name);
    return s->key != NULL ? ERR_OK : ERR_RAISE(reterr, ERR_NOMEM, "no memory for a key");
}

/* Where records end: behind the last whole one. */
static void find_end(struct rec_spool *s)
{
    struct buf b = BUF_INIT(RECORD_MAX + 64);
    enum rec_spool_kind kind;
    uint64_t at = BEGIN;

    while (rec_spool_get(s, &at, &kind, &b, NULL) == ERR_OK) {
        s->first_end = s->first_end == 0 ? at : s->first_end;
        s->end = at;
        buf_reset(&b);
    }
    buf_deinit(&b);
}

enum err rec_spool_open(int dirfd, const char *name, struct rec_spool **ret, struct err_info *reterr)
{
    CLEANUP(spool_closep) struct rec_spool *s = spool_alloc(dirfd);

    if (s == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory for a spool");
    (void) snprintf(s->name, sizeof(s->name), "%s", name);
    TRY(os_file_open(dirfd, name, O_RDWR, &s->fd, reterr));
    if (flock(s->fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? ERR_RAISE(reterr, ERR_AGAIN, "its recorder is running")
                                    : ERR_RAISE_SYS(reterr, ERR_IO, errno, "lock the spool");
    TRY(read_head(s, reterr));
    find_end(s);
    *ret = TAKE(s);
    return ERR_OK;
}

struct rec_spool *rec_spool_remove(struct rec_spool *s)
{
    uint8_t zeros[WRAP_LEN] = { 0 };

    if (s == NULL)
        return NULL;
    (void) pwrite_all(s->fd, WRAP_AT, SPAN_OF(zeros), NULL); /* what a file system keeps of it is worth nothing then */
    (void) os_file_remove(s->dirfd, s->name, NULL);          /* what stays is sent again, and the server knows it */
    return rec_spool_close(s);
}

const char *rec_spool_name(const struct rec_spool *s)
{
    return s->name;
}

/* ---- records ---- */

static struct span record_aad(const struct rec_spool *s, uint64_t index, uint8_t out[SALT_LEN + 8])
{
    memcpy(out, s->salt, SALT_LEN);
    for (int i = 0; i < 8; i++)
        out[SALT_LEN + i] = (uint8_t) (index >> (8 * i));
    return span_of(out, SALT_LEN + 8);
}

static void plain_record(struct rec_spool *s, enum rec_spool_kind kind, struct span bytes, struct buf *out)
{
    if (s->zip == NULL && bytes.n >= PACK_FROM)
        s->zip = zframe_writer_new(1);
    buf_u8(out, (uint8_t) kind);
    if (s->zip != NULL && bytes.n >= PACK_FROM) {
        buf_u8(out, 1);
        buf_u32le(out, (uint32_t) bytes.n);
        if (zframe_write(s->zip, bytes, out, NULL) == ERR_OK)
            return;
        out->n = 1;
        out->failed = false;
    }
    buf_u8(out, 0);
    buf_add_span(out, bytes);
}

enum err rec_spool_add(struct rec_spool *s, enum rec_spool_kind kind, struct span bytes, uint64_t *ret_at,
                       struct err_info *reterr)
{
    uint8_t aad[SALT_LEN + 8];
    struct buf plain = BUF_INIT(RECORD_MAX), out = BUF_INIT(RECORD_MAX + 256);
    enum err e;

    plain_record(s, kind, bytes, &plain);
    buf_u8(&out, MARK);
    buf_u32le(&out, (uint32_t) (plain.n + AEAD_TAG_LEN));
    buf_u64le(&out, s->index);
    if (buf_reserve(&out, AEAD_XNONCE_LEN + plain.n + AEAD_TAG_LEN) != NULL && !plain.failed) {
        uint8_t *nonce = out.p + out.n;

        random_fill(nonce, AEAD_XNONCE_LEN);
        aead_xchacha_seal(secret_span(s->key).p, nonce, record_aad(s, s->index, aad), buf_span(&plain),
                          nonce + AEAD_XNONCE_LEN);
        out.n += AEAD_XNONCE_LEN + plain.n + AEAD_TAG_LEN;
    }
    e = plain.failed || out.failed ? ERR_RAISE(reterr, ERR_LIMIT, "too large for the spool")
                                   : pwrite_all(s->fd, s->end, buf_span(&out), reterr);
    if (e == ERR_OK) {
        *ret_at = s->end;
        s->end += out.n;
        s->index++;
        if (s->first_end == 0)
            s->first_end = s->end;
    } else {
        (void) !ftruncate(s->fd, (off_t) s->end); /* a half record ends the file for a reader: as good */
    }
    if (plain.n > 0)
        explicit_bzero(plain.p, plain.n);
    buf_deinit(&plain);
    buf_deinit(&out);
    return e;
}

static enum err unpack(struct rec_spool *s, struct span plain, enum rec_spool_kind *ret_kind, struct buf *ret, struct err_info *reterr)
{
    struct rd r = rd_of(plain);
    uint8_t kind = rd_u8(&r), packed = rd_u8(&r);
    uint32_t n = packed != 0 ? rd_u32le(&r) : 0;

    if (r.failed || kind < REC_SPOOL_HEAD || kind > REC_SPOOL_EVENTS || packed > 1)
        return ERR_RAISE(reterr, ERR_CORRUPT, "%s holds a record of another version", s->name);
    *ret_kind = (enum rec_spool_kind) kind;
    if (packed != 0)
        return zframe_read(span_of(r.p, r.n), n, ret, reterr);
    buf_add(ret, r.p, r.n);
    return ret->failed ? ERR_RAISE(reterr, ERR_LIMIT, "a record of %s is too large", s->name) : ERR_OK;
}

/* The next byte that is not zero; ERR_NOTFOUND at the end. */
static enum err skip_zeros(struct rec_spool *s, uint64_t *at, struct err_info *reterr)
{
    uint8_t bytes[4096];

    for (;;) {
        ssize_t n = pread(s->fd, bytes, sizeof(bytes), (off_t) *at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_RAISE(reterr, ERR_NOTFOUND, "the end of %s", s->name);
        for (ssize_t i = 0; i < n; i++) {
            if (bytes[i] != 0) {
                *at += (uint64_t) i;
                return bytes[i] == MARK ? ERR_OK : ERR_RAISE(reterr, ERR_CORRUPT, "%s is damaged", s->name);
            }
        }
        *at += (uint64_t) n;
    }
}

enum err rec_spool_get(struct rec_spool *s, uint64_t *at, enum rec_spool_kind *ret_kind, struct buf *ret, struct err_info *reterr)
{
    uint8_t head[RECORD_HEAD], aad[SALT_LEN + 8], *body;
    struct rd r = { head + 1, sizeof(head) - 1, false };
    uint64_t here = *at, index;
    uint32_t n;
    enum err e;

    TRY(skip_zeros(s, &here, reterr));
    if (os_pread_all(s->fd, here, head, sizeof(head), NULL) != ERR_OK)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "the end of %s", s->name); /* torn */
    n = rd_u32le(&r);
    index = rd_u64le(&r);
    if (n < AEAD_TAG_LEN + 2 || n > RECORD_MAX + AEAD_TAG_LEN)
        return ERR_RAISE(reterr, ERR_CORRUPT, "%s is damaged", s->name);
    body = malloc(n);
    if (body == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory");
    e = os_pread_all(s->fd, here + sizeof(head), body, n, NULL) != ERR_OK ? ERR_NOTFOUND : ERR_OK;
    if (e == ERR_OK && !aead_xchacha_open(secret_span(s->key).p, r.p, record_aad(s, index, aad), span_of(body, n), body))
        e = ERR_RAISE(reterr, ERR_CORRUPT, "%s is damaged", s->name);
    if (e == ERR_OK)
        e = unpack(s, span_of(body, n - AEAD_TAG_LEN), ret_kind, ret, reterr);
    if (e == ERR_OK) {
        *at = here + sizeof(head) + n;
        s->index = index >= s->index ? index + 1 : s->index;
    }
    explicit_bzero(body, n);
    free(body);
    return e;
}

void rec_spool_forget(struct rec_spool *s, uint64_t at)
{
    uint8_t head[5];
    struct rd r = { head + 1, sizeof(head) - 1, false };

    if (at < BEGIN || at >= s->end || os_pread_all(s->fd, at, head, sizeof(head), NULL) != ERR_OK || head[0] != MARK)
        return;
    /* A file system that cannot do it keeps the bytes until all is confirmed. */
    (void) fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t) at, (off_t) (RECORD_HEAD + rd_u32le(&r)));
}

void rec_spool_rewind(struct rec_spool *s)
{
    if (s->first_end == 0 || s->end == s->first_end || ftruncate(s->fd, (off_t) s->first_end) != 0)
        return;
    s->end = s->first_end;
}
