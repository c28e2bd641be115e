#include "format/keystore.h"

#include <stdlib.h>

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/random.h"

#define MAGIC        "KHKEYS1" /* and its NUL */
#define MAGIC_LEN    8
#define LABEL        "keyhole/keystore/v1" /* and its NUL */
#define KIND_SEAL    0 /* the manifest at the end */
#define VALUE_MAX    (1 + 4 * 8 + 1 + KEYSTORE_PUB_MAX + 1 + 64)
#define MANIFEST_LEN (8 + 4 + SHA256_LEN)
#define SEALED_MAX   (VALUE_MAX + AEAD_TAG_LEN)

struct keystore {
    struct keystore_entry *entries; /* in order of kind and id */
    size_t n, cap;
    uint64_t generation;
};

/* What each kind must hold. */
static bool lengths_of(enum keystore_kind kind, size_t *ret_pub, size_t *ret_secret)
{
    switch (kind) {
    case KEYSTORE_EPOCH:       *ret_pub = 32, *ret_secret = 32; return true;
    case KEYSTORE_SIGNING:     *ret_pub = 64, *ret_secret = 32; return true;
    case KEYSTORE_LOG:         *ret_pub = 32, *ret_secret = 64; return true;
    case KEYSTORE_LAST_SIGNED: *ret_pub = 32, *ret_secret = 0; return true;
    case KEYSTORE_SECRET:      *ret_pub = 0, *ret_secret = 32; return true;
    case KEYSTORE_RETIRED:     *ret_pub = 64, *ret_secret = 0; return true;
    }
    return false;
}

static bool id_ok(struct span id)
{
    if (id.n == 0 || id.n > KEYSTORE_ID_MAX)
        return false;
    for (size_t i = 0; i < id.n; i++) {
        if (id.p[i] <= 0x20 || id.p[i] > 0x7e)
            return false;
    }
    return true;
}

static bool entry_ok(const struct keystore_entry *e)
{
    size_t pub = 0, secret = 0;

    return lengths_of(e->kind, &pub, &secret) && memchr(e->id, '\0', sizeof(e->id)) != NULL &&
           id_ok(span_str(e->id)) && e->state >= KEYSTORE_NEXT && e->state <= KEYSTORE_OLD && e->pub_len == pub &&
           (e->secret == NULL ? 0 : secret_len(e->secret)) == secret;
}

/* ---- the table ---- */

struct keystore *keystore_new(void)
{
    return calloc(1, sizeof(struct keystore));
}

struct keystore *keystore_free(struct keystore *k)
{
    if (k == NULL)
        return NULL;
    for (size_t i = 0; i < k->n; i++)
        secret_free(k->entries[i].secret);
    free(k->entries);
    free(k);
    return NULL;
}

void keystore_freep(struct keystore **k)
{
    *k = keystore_free(*k);
}

uint64_t keystore_generation(const struct keystore *k)
{
    return k->generation;
}

size_t keystore_count(const struct keystore *k)
{
    return k->n;
}

const struct keystore_entry *keystore_at(const struct keystore *k, size_t i)
{
    return i < k->n ? &k->entries[i] : NULL;
}

static int compare(const struct keystore_entry *e, enum keystore_kind kind, const char *id)
{
    return e->kind != kind ? (e->kind < kind ? -1 : 1) : strcmp(e->id, id);
}

/* Where the entry is, or belongs. */
static bool locate(const struct keystore *k, enum keystore_kind kind, const char *id, size_t *ret)
{
    size_t lo = 0, hi = k->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (compare(&k->entries[mid], kind, id) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *ret = lo;
    return lo < k->n && compare(&k->entries[lo], kind, id) == 0;
}

const struct keystore_entry *keystore_find(const struct keystore *k, enum keystore_kind kind, const char *id)
{
    size_t i;

    return locate(k, kind, id, &i) ? &k->entries[i] : NULL;
}

static enum err make_room(struct keystore *k, struct err_info *reterr)
{
    size_t cap = k->cap == 0 ? 16 : k->cap * 2;
    struct keystore_entry *p;

    if (k->n == KEYSTORE_ENTRIES_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "key store: %d entries are the most", KEYSTORE_ENTRIES_MAX);
    if (k->n < k->cap)
        return ERR_OK;
    p = realloc(k->entries, cap * sizeof(*p));
    if (p == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "key store of %zu entries", cap);
    k->entries = p;
    k->cap = cap;
    return ERR_OK;
}

enum err keystore_put(struct keystore *k, struct keystore_entry *e, struct err_info *reterr)
{
    size_t i;

    if (!entry_ok(e))
        return ERR_RAISE(reterr, ERR_INVAL, "key store: an entry of kind %u breaks a rule", (unsigned) e->kind);
    if (locate(k, e->kind, e->id, &i)) {
        secret_free(k->entries[i].secret);
    } else {
        TRY(make_room(k, reterr));
        memmove(&k->entries[i + 1], &k->entries[i], (k->n - i) * sizeof(*k->entries));
        k->n++;
    }
    k->entries[i] = *e;
    e->secret = NULL;
    return ERR_OK;
}

bool keystore_remove(struct keystore *k, enum keystore_kind kind, const char *id)
{
    size_t i;

    if (!locate(k, kind, id, &i))
        return false;
    secret_free(k->entries[i].secret);
    memmove(&k->entries[i], &k->entries[i + 1], (k->n - i - 1) * sizeof(*k->entries));
    k->n--;
    return true;
}

/* ---- entries as bytes ---- */

/* "keyhole/keystore/v1" 00 || kind || id */
static struct span aad_of(uint8_t kind, struct span id, uint8_t out[sizeof(LABEL) + 1 + KEYSTORE_ID_MAX])
{
    memcpy(out, LABEL, sizeof(LABEL));
    out[sizeof(LABEL)] = kind;
    if (id.n > 0)
        memcpy(out + sizeof(LABEL) + 1, id.p, id.n);
    return span_of(out, sizeof(LABEL) + 1 + id.n);
}

static void seal_entry(const struct secret *master, uint8_t kind, struct span id, struct span value, struct buf *out)
{
    uint8_t aad[sizeof(LABEL) + 1 + KEYSTORE_ID_MAX], nonce[AEAD_XNONCE_LEN], sealed[SEALED_MAX];

    random_fill(nonce, sizeof(nonce));
    aead_xchacha_seal(secret_span(master).p, nonce, aad_of(kind, id, aad), value, sealed);
    buf_u8(out, kind);
    buf_lp(out, id);
    buf_add(out, nonce, sizeof(nonce));
    buf_u16le(out, (uint16_t) (value.n + AEAD_TAG_LEN));
    buf_add(out, sealed, value.n + AEAD_TAG_LEN);
}

struct cursor {
    uint8_t *at;
};

static void put_u64(struct cursor *c, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        *c->at++ = (uint8_t) (v >> 8 * i);
}

static void put_lp(struct cursor *c, struct span s)
{
    *c->at++ = (uint8_t) s.n;
    if (s.n > 0)
        memcpy(c->at, s.p, s.n);
    c->at += s.n;
}

/* On the caller's stack, not in a buf: a secret is never copied by growing memory. */
static size_t write_value(const struct keystore_entry *e, uint8_t out[VALUE_MAX])
{
    struct cursor c = { out };

    *c.at++ = (uint8_t) e->state;
    put_u64(&c, e->number);
    put_u64(&c, (uint64_t) e->made);
    put_u64(&c, (uint64_t) e->from);
    put_u64(&c, (uint64_t) e->until);
    put_lp(&c, span_of(e->pub, e->pub_len));
    put_lp(&c, e->secret == NULL ? SPAN_EMPTY : secret_span(e->secret));
    return (size_t) (c.at - out);
}

static enum err read_value(uint8_t kind, struct span id, struct span value, struct keystore *k,
                           struct err_info *reterr)
{
    struct keystore_entry e = { .kind = (enum keystore_kind) kind };
    struct rd r = rd_of(value);
    struct span pub, secret;
    enum err err;

    e.state = (enum keystore_state) rd_u8(&r);
    e.number = rd_u64le(&r);
    e.made = (time_ms) rd_u64le(&r);
    e.from = (time_ms) rd_u64le(&r);
    e.until = (time_ms) rd_u64le(&r);
    pub = rd_lp(&r);
    secret = rd_lp(&r);
    if (!rd_done(&r) || pub.n > sizeof(e.pub) || (secret.n != 0 && secret.n != 32 && secret.n != 64) ||
        !span_to_str(id, e.id, sizeof(e.id)))
        return ERR_RAISE(reterr, ERR_CORRUPT, "key store: an entry has another form");
    memcpy(e.pub, pub.p, pub.n);
    e.pub_len = pub.n;
    if (secret.n > 0 && (e.secret = secret_of(secret)) == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no slot for a key of the key store");
    if (keystore_find(k, e.kind, e.id) != NULL)
        err = ERR_RAISE(reterr, ERR_CORRUPT, "key store: an entry comes twice");
    else if ((err = keystore_put(k, &e, reterr)) == ERR_INVAL)
        err = ERR_RAISE(reterr, ERR_CORRUPT, "key store: an entry breaks a rule of its kind");
    secret_free(e.secret);
    return err;
}

/* ---- the file ---- */

enum err keystore_write(struct keystore *k, const struct secret *master, struct buf *out, struct err_info *reterr)
{
    size_t start = out->n;
    uint8_t value[VALUE_MAX], manifest[MANIFEST_LEN];
    struct cursor c = { manifest };

    if (secret_len(master) != AEAD_KEY_LEN)
        return ERR_RAISE(reterr, ERR_INVAL, "key store: the master key has %zu bytes", secret_len(master));
    buf_add(out, MAGIC, MAGIC_LEN);
    for (size_t i = 0; i < k->n; i++) {
        const struct keystore_entry *e = &k->entries[i];
        size_t n = write_value(e, value);

        seal_entry(master, (uint8_t) e->kind, span_str(e->id), span_of(value, n), out);
    }
    secret_wipe(value, sizeof(value));
    TRY(buf_check(out, reterr));
    put_u64(&c, k->generation + 1);
    for (int i = 0; i < 4; i++)
        *c.at++ = (uint8_t) (k->n >> 8 * i);
    sha256(span_of(out->p + start, out->n - start), c.at);
    seal_entry(master, KIND_SEAL, SPAN_EMPTY, SPAN_OF(manifest), out);
    TRY(buf_check(out, reterr));
    k->generation++;
    return ERR_OK;
}

static enum err check_manifest(struct span value, struct span before, struct keystore *k, struct err_info *reterr)
{
    struct rd r = rd_of(value);
    uint64_t generation = rd_u64le(&r);
    uint32_t n = rd_u32le(&r);
    struct span want = rd_bytes(&r, SHA256_LEN);
    uint8_t got[SHA256_LEN];

    sha256(before, got);
    if (!rd_done(&r) || n != k->n || !span_eq(want, SPAN_OF(got)))
        return ERR_RAISE(reterr, ERR_CORRUPT, "key store: entries were changed, dropped or added");
    k->generation = generation;
    return ERR_OK;
}

/* One entry; *ret_last: it was the manifest. */
static enum err read_entry(struct span file, struct rd *r, const struct secret *master, struct keystore *k,
                           bool *ret_last, struct err_info *reterr)
{
    struct span before = span_of(file.p, file.n - r->n);
    uint8_t aad[sizeof(LABEL) + 1 + KEYSTORE_ID_MAX], value[VALUE_MAX], kind = rd_u8(r);
    struct span id = rd_lp(r), nonce = rd_bytes(r, AEAD_XNONCE_LEN), sealed = rd_bytes(r, rd_u16le(r));
    bool last = kind == KIND_SEAL;
    struct span plain;
    enum err e;

    if (r->failed || (last ? id.n != 0 : !id_ok(id)) || sealed.n < AEAD_TAG_LEN || sealed.n > SEALED_MAX)
        return ERR_RAISE(reterr, ERR_CORRUPT, "key store: cut or changed");
    if (!aead_xchacha_open(secret_span(master).p, nonce.p, aad_of(kind, id, aad), sealed, value))
        return ERR_RAISE(reterr, ERR_CORRUPT, "key store: not of this master key, or changed");
    plain = span_of(value, sealed.n - AEAD_TAG_LEN);
    e = last ? check_manifest(plain, before, k, reterr) : read_value(kind, id, plain, k, reterr);
    secret_wipe(value, sizeof(value));
    *ret_last = last;
    return e;
}

enum err keystore_open(struct span file, const struct secret *master, struct keystore **ret, struct err_info *reterr)
{
    CLEANUP(keystore_freep) struct keystore *k = NULL;
    struct rd r = rd_of(file);
    struct span magic = rd_bytes(&r, MAGIC_LEN);
    bool last = false;

    if (secret_len(master) != AEAD_KEY_LEN)
        return ERR_RAISE(reterr, ERR_INVAL, "key store: the master key has %zu bytes", secret_len(master));
    if (file.n > KEYSTORE_FILE_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "key store of %zu bytes", file.n);
    if (r.failed || memcmp(magic.p, MAGIC, 6) != 0)
        return ERR_RAISE(reterr, ERR_CORRUPT, "not a key store");
    if (memcmp(magic.p, MAGIC, MAGIC_LEN) != 0)
        return ERR_RAISE(reterr, ERR_UNSUPPORTED, "key store of another version");
    k = keystore_new();
    if (k == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "key store");
    while (!last)
        TRY(read_entry(file, &r, master, k, &last, reterr));
    if (!rd_done(&r))
        return ERR_RAISE(reterr, ERR_CORRUPT, "key store: bytes after its end");
    *ret = TAKE(k);
    return ERR_OK;
}
