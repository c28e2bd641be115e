#include "format/khseg.h"

#include <stdlib.h>

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "format/id.h"

#define SEALED_BLOCK (KHSEG_BLOCK + KHSEG_TAG)
#define READ_BLOCKS  8 /* read from the source at once */

static const char label[] = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM"; /* its NUL is part of info */

/* What a segment's context derives. Wiped by whoever holds one. */
struct keys {
    uint8_t key[AEAD_KEY_LEN];
    uint8_t base_nonce[AEAD_GCM_NONCE_LEN];
    uint8_t commitment[32];
};

enum err khseg_context(const struct khseg_context *c, uint8_t out[KHSEG_CONTEXT_LEN], struct err_info *reterr)
{
    uint8_t *at = out;

    if (!id_check(c->project, ID_PROJECT) || !id_check(c->rid, ID_RECORDING))
        return ERR_RAISE(reterr, ERR_INVAL, "segment context: not the ids of a project and a recording");
    memcpy(at, "KHSEG1", 7);
    at += 7;
    *at++ = ID_LEN;
    memcpy(at, c->project.p, ID_LEN);
    at += ID_LEN;
    *at++ = ID_LEN;
    memcpy(at, c->rid.p, ID_LEN);
    at += ID_LEN;
    *at++ = (uint8_t) c->kn;
    *at++ = (uint8_t) (c->kn >> 8);
    *at++ = c->track;
    for (int i = 0; i < 4; i++)
        *at++ = (uint8_t) (c->seg_no >> 8 * i);
    *at = c->codec;
    return ERR_OK;
}

uint64_t khseg_file_size(uint64_t n)
{
    return KHSEG_HEAD_LEN + n + (n / KHSEG_BLOCK + 1) * KHSEG_TAG;
}

static enum err derive(const struct secret *rk, const struct khseg_context *c, const uint8_t salt[KHSEG_SALT_LEN],
                       struct keys *ret, struct err_info *reterr)
{
    uint8_t info[sizeof(label) + KHSEG_SALT_LEN + KHSEG_CONTEXT_LEN];
    uint8_t out[sizeof(ret->key) + sizeof(ret->base_nonce) + sizeof(ret->commitment)];
    enum err e;

    memcpy(info, label, sizeof(label));
    memcpy(info + sizeof(label), salt, KHSEG_SALT_LEN);
    TRY(khseg_context(c, info + sizeof(label) + KHSEG_SALT_LEN, reterr));
    e = hkdf_expand_sha512(secret_span(rk), SPAN_OF(info), out, sizeof(out), reterr);
    if (e == ERR_OK) {
        memcpy(ret->key, out, 32);
        memcpy(ret->base_nonce, out + 32, 12);
        memcpy(ret->commitment, out + 44, 32);
    }
    secret_wipe(out, sizeof(out));
    return e;
}

/* base_nonce XOR BE96(k); k < 2^38. */
static void nonce_of(const uint8_t base[AEAD_GCM_NONCE_LEN], uint64_t k, uint8_t out[AEAD_GCM_NONCE_LEN])
{
    memcpy(out, base, AEAD_GCM_NONCE_LEN);
    for (int i = 0; i < 8; i++)
        out[11 - i] ^= (uint8_t) (k >> 8 * i);
}

/* ---- writing ---- */

struct khseg_writer {
    struct aead_gcm *gcm;
    struct buf *out;
    uint8_t base_nonce[AEAD_GCM_NONCE_LEN];
    uint64_t block;
    size_t n; /* in 'plain' */
    bool done;
    uint8_t plain[KHSEG_BLOCK];
};

enum err khseg_writer_new_salted(const struct secret *rk, const struct khseg_context *c,
                                 const uint8_t salt[KHSEG_SALT_LEN], struct buf *out, struct khseg_writer **ret,
                                 struct err_info *reterr)
{
    CLEANUP(khseg_writer_freep) struct khseg_writer *w = calloc(1, sizeof(*w));
    struct keys k;
    enum err e;

    if (w == NULL || (w->gcm = aead_gcm_new()) == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "segment writer");
    TRY(derive(rk, c, salt, &k, reterr));
    w->out = out;
    memcpy(w->base_nonce, k.base_nonce, sizeof(w->base_nonce));
    e = aead_gcm_key(w->gcm, k.key, reterr);
    if (e == ERR_OK) {
        buf_add(out, salt, KHSEG_SALT_LEN);
        buf_add(out, k.commitment, sizeof(k.commitment));
        e = buf_check(out, reterr);
    }
    secret_wipe(&k, sizeof(k));
    TRY(e);
    *ret = TAKE(w);
    return ERR_OK;
}

enum err khseg_writer_new(const struct secret *rk, const struct khseg_context *c, struct buf *out,
                          struct khseg_writer **ret, struct err_info *reterr)
{
    uint8_t salt[KHSEG_SALT_LEN];

    random_fill(salt, sizeof(salt));
    return khseg_writer_new_salted(rk, c, salt, out, ret, reterr);
}

struct khseg_writer *khseg_writer_free(struct khseg_writer *w)
{
    if (w == NULL)
        return NULL;
    aead_gcm_free(w->gcm);
    secret_wipe(w, sizeof(*w));
    free(w);
    return NULL;
}

void khseg_writer_freep(struct khseg_writer **w)
{
    *w = khseg_writer_free(*w);
}

static enum err seal_block(struct khseg_writer *w, struct span plain, struct err_info *reterr)
{
    uint8_t nonce[AEAD_GCM_NONCE_LEN];
    uint8_t *to = buf_reserve(w->out, plain.n + KHSEG_TAG);

    if (to == NULL)
        return buf_check(w->out, reterr);
    nonce_of(w->base_nonce, w->block, nonce);
    TRY(aead_gcm_seal(w->gcm, nonce, SPAN_EMPTY, plain, to, reterr));
    w->out->n += plain.n + KHSEG_TAG;
    w->block++;
    return ERR_OK;
}

enum err khseg_write(struct khseg_writer *w, struct span plain, struct err_info *reterr)
{
    if (w->done)
        return ERR_RAISE(reterr, ERR_STATE, "segment writer: finished");
    if (plain.n > KHSEG_SIZE_MAX || khseg_file_size(khseg_written(w) + plain.n) > KHSEG_SIZE_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "segment is over %llu bytes", KHSEG_SIZE_MAX);
    while (plain.n > 0) {
        struct span part = span_sub(plain, 0, KHSEG_BLOCK - w->n);

        if (part.n == KHSEG_BLOCK) { /* whole blocks need no copy */
            TRY(seal_block(w, part, reterr));
        } else {
            memcpy(w->plain + w->n, part.p, part.n);
            w->n += part.n;
            if (w->n == KHSEG_BLOCK) {
                TRY(seal_block(w, SPAN_OF(w->plain), reterr));
                w->n = 0;
            }
        }
        plain = span_sub(plain, part.n, plain.n);
    }
    return ERR_OK;
}

uint64_t khseg_written(const struct khseg_writer *w)
{
    return w->block * KHSEG_BLOCK + w->n;
}

enum err khseg_finish(struct khseg_writer *w, struct err_info *reterr)
{
    if (w->done)
        return ERR_RAISE(reterr, ERR_STATE, "segment writer: finished");
    w->done = true;
    return seal_block(w, span_of(w->plain, w->n), reterr);
}

/* ---- reading ---- */

static enum err read_span(void *ctx, uint64_t at, void *to, size_t n, struct err_info *reterr)
{
    const struct span *bytes = ctx;

    if (at > bytes->n || n > bytes->n - at)
        return ERR_RAISE(reterr, ERR_CORRUPT, "read past the end of a segment in memory");
    memcpy(to, bytes->p + at, n);
    return ERR_OK;
}

struct khseg_source khseg_source_span(const struct span *bytes)
{
    return (struct khseg_source){ .size = bytes->n, .read = read_span, .ctx = (void *) (uintptr_t) bytes };
}

struct khseg_reader {
    struct khseg_source source;
    struct aead_gcm *gcm;
    uint8_t base_nonce[AEAD_GCM_NONCE_LEN];
    uint64_t plain_len;
    uint64_t n_blocks;
};

struct khseg_reader *khseg_reader_free(struct khseg_reader *r)
{
    if (r == NULL)
        return NULL;
    aead_gcm_free(r->gcm);
    secret_wipe(r, sizeof(*r));
    free(r);
    return NULL;
}

void khseg_reader_freep(struct khseg_reader **r)
{
    *r = khseg_reader_free(*r);
}

/* Bytes of block k in the file. */
static size_t sealed_len(const struct khseg_reader *r, uint64_t k)
{
    uint64_t at = KHSEG_HEAD_LEN + k * SEALED_BLOCK;

    return k + 1 < r->n_blocks ? SEALED_BLOCK : (size_t) (r->source.size - at);
}

/* Salt and commitment: the key is right, or nothing is opened. */
static enum err unlock(struct khseg_reader *r, const struct secret *rk, const struct khseg_context *c,
                       struct err_info *reterr)
{
    uint8_t head[KHSEG_HEAD_LEN];
    struct keys k;
    enum err e;

    TRY(r->source.read(r->source.ctx, 0, head, sizeof(head), reterr));
    TRY(derive(rk, c, head, &k, reterr));
    if (secret_equal(head + KHSEG_SALT_LEN, k.commitment, sizeof(k.commitment)))
        e = aead_gcm_key(r->gcm, k.key, reterr);
    else
        e = ERR_RAISE(reterr, ERR_CORRUPT, "segment: not of this key and place, or its head was changed");
    memcpy(r->base_nonce, k.base_nonce, sizeof(r->base_nonce));
    secret_wipe(&k, sizeof(k));
    return e;
}

static bool open_block(struct khseg_reader *r, uint64_t k, struct span sealed, uint8_t *to)
{
    uint8_t nonce[AEAD_GCM_NONCE_LEN];

    nonce_of(r->base_nonce, k, nonce);
    return aead_gcm_open(r->gcm, nonce, SPAN_EMPTY, sealed, to);
}

/* The last block is authentic: the length is what it says. */
static enum err check_last(struct khseg_reader *r, struct err_info *reterr)
{
    uint64_t k = r->n_blocks - 1;
    size_t n = sealed_len(r, k);
    uint8_t *tmp = malloc(n);
    enum err e;

    if (tmp == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "segment block");
    e = r->source.read(r->source.ctx, KHSEG_HEAD_LEN + k * SEALED_BLOCK, tmp, n, reterr);
    if (e == ERR_OK && !open_block(r, k, span_of(tmp, n), tmp))
        e = ERR_RAISE(reterr, ERR_CORRUPT, "segment: the last block is not authentic");
    secret_wipe(tmp, n);
    free(tmp);
    r->plain_len = k * KHSEG_BLOCK + (n - KHSEG_TAG);
    return e;
}

enum err khseg_open(const struct khseg_source *source, const struct secret *rk, const struct khseg_context *c,
                    struct khseg_reader **ret, struct err_info *reterr)
{
    CLEANUP(khseg_reader_freep) struct khseg_reader *r = NULL;
    uint64_t rest;

    if (source->size < KHSEG_SIZE_MIN || source->size > KHSEG_SIZE_MAX)
        return ERR_RAISE(reterr, ERR_CORRUPT, "segment of %llu bytes", (unsigned long long) source->size);
    rest = (source->size - KHSEG_HEAD_LEN) % SEALED_BLOCK;
    if (rest < KHSEG_TAG)
        return ERR_RAISE(reterr, ERR_CORRUPT, "segment of %llu bytes was cut", (unsigned long long) source->size);
    r = calloc(1, sizeof(*r));
    if (r == NULL || (r->gcm = aead_gcm_new()) == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "segment reader");
    r->source = *source;
    r->n_blocks = (source->size - KHSEG_HEAD_LEN) / SEALED_BLOCK + 1;
    TRY(unlock(r, rk, c, reterr));
    TRY(check_last(r, reterr));
    *ret = TAKE(r);
    return ERR_OK;
}

uint64_t khseg_plain_len(const struct khseg_reader *r)
{
    return r->plain_len;
}

/* Blocks [first, first + n) from the source in one read, then what 'want' [from, to) has of them into dst. */
static enum err read_run(struct khseg_reader *r, uint64_t first, uint64_t n, uint64_t from, uint64_t to, uint8_t *dst,
                         uint8_t *sealed, uint8_t *plain, struct err_info *reterr)
{
    uint64_t at = KHSEG_HEAD_LEN + first * SEALED_BLOCK;
    size_t len = (size_t) (n - 1) * SEALED_BLOCK + sealed_len(r, first + n - 1);

    TRY(r->source.read(r->source.ctx, at, sealed, len, reterr));
    for (uint64_t k = first; k < first + n; k++) {
        struct span block = span_of(sealed + (k - first) * SEALED_BLOCK, sealed_len(r, k));
        uint64_t start = k * KHSEG_BLOCK, end = start + block.n - KHSEG_TAG;
        uint64_t a = start < from ? from : start, b = end < to ? end : to;
        bool whole = a == start && b == end;

        if (!open_block(r, k, block, whole ? dst + (start - from) : plain))
            return ERR_RAISE(reterr, ERR_CORRUPT, "segment: block %llu is not authentic", (unsigned long long) k);
        if (!whole && b > a)
            memcpy(dst + (a - from), plain + (a - start), (size_t) (b - a));
    }
    return ERR_OK;
}

enum err khseg_read(struct khseg_reader *r, uint64_t at, void *to, size_t n, struct err_info *reterr)
{
    uint64_t first, last, n_run;
    uint8_t *sealed, *plain;
    enum err e = ERR_OK;

    if (at > r->plain_len || n > r->plain_len - at)
        return ERR_RAISE(reterr, ERR_INVAL, "segment: a range past its end");
    if (n == 0)
        return ERR_OK;
    first = at / KHSEG_BLOCK;
    last = (at + n - 1) / KHSEG_BLOCK;
    n_run = last - first + 1 < READ_BLOCKS ? last - first + 1 : READ_BLOCKS;
    sealed = malloc((size_t) n_run * SEALED_BLOCK + KHSEG_BLOCK);
    if (sealed == NULL) {
        memset(to, 0, n);
        return ERR_RAISE(reterr, ERR_NOMEM, "segment blocks");
    }
    plain = sealed + (size_t) n_run * SEALED_BLOCK;
    for (uint64_t k = first; e == ERR_OK && k <= last; k += n_run) {
        uint64_t run = last - k + 1 < n_run ? last - k + 1 : n_run;

        e = read_run(r, k, run, at, at + n, to, sealed, plain, reterr);
    }
    secret_wipe(plain, KHSEG_BLOCK);
    free(sealed);
    if (e != ERR_OK)
        secret_wipe(to, n);
    return e;
}
