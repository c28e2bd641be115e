#include "crypto/secret.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crypto/openssl.h"

#include <openssl/crypto.h>
#include <sodium.h>

#include "crypto/random.h"

#define COUNT_MAX        (1u << 20)
/* OpenSSL keeps the ephemeral key of a TLS connection (32 bytes of X25519) there as long as the connection lives: room for twice as many as a process
 * may open. A key that finds no room is a handshake that fails. Pages are locked when they are first used, so what is not used costs nothing. */
#define OPENSSL_HEAP     (2u << 20)
#define OPENSSL_HEAP_MIN 32
#define END_OF_LIST      UINT32_MAX
#define TAKEN            (UINT32_MAX - 1)

/* Slots of one size. 'next' lies outside the slab: END_OF_LIST, TAKEN, or the following free slot. */
struct pool {
    uint8_t *p;
    size_t slot_len;
    size_t cap;
    size_t used;
    uint32_t *next;
    uint32_t first;
};

/* The one piece of process-wide state that this folder needs; guarded by 'lock'. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool ready;
    bool locked;
    bool not_dumped;
    size_t bytes;
    struct pool small, large;
} slab;

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static bool pool_init(struct pool *pool, uint8_t *at, size_t slot_len, size_t cap)
{
    uint32_t *next = malloc(cap * sizeof(*next));

    if (next == NULL)
        return false;
    for (size_t i = 0; i < cap; i++)
        next[i] = i + 1 < cap ? (uint32_t) (i + 1) : END_OF_LIST;
    *pool = (struct pool){ .p = at, .slot_len = slot_len, .cap = cap, .next = next, .first = 0 };
    return true;
}

/* Called with the lock held. */
static enum err map_slab(size_t n_32, size_t n_64, struct err_info *reterr)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    size_t bytes = round_up(n_32 * 32 + n_64 * 64, page);
    uint8_t *map, *in;

    if (sodium_init() < 0)
        return ERR_RAISE(reterr, ERR_CRYPTO, "libsodium does not start");
    map = mmap(NULL, bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return ERR_RAISE_SYS(reterr, ERR_NOMEM, errno, "map %zu bytes for secrets", bytes);
    in = map + page;
    if (mprotect(in, bytes, PROT_READ | PROT_WRITE) != 0)
        goto fail;
    slab.locked = mlock(in, bytes) == 0;
    slab.not_dumped = madvise(in, bytes, MADV_DONTDUMP) == 0;
    (void) madvise(in, bytes, MADV_WIPEONFORK); /* an extra: roles are made by exec */
    if (!pool_init(&slab.large, in, 64, n_64))
        goto fail;
    if (!pool_init(&slab.small, in + n_64 * 64, 32, n_32)) {
        free(slab.large.next);
        goto fail;
    }
    /* 2 means: made, but not locked. 0: EC keys fall back to OpenSSL's ordinary heap, wiped all the same. */
    if (CRYPTO_secure_malloc_initialized() == 0 && CRYPTO_secure_malloc_init(OPENSSL_HEAP, OPENSSL_HEAP_MIN) != 1)
        slab.locked = false;
    slab.bytes = bytes;
    slab.ready = true;
    return ERR_OK;
fail:
    (void) munmap(map, bytes + 2 * page); /* nothing more can be done about a failing unmap */
    return ERR_RAISE(reterr, ERR_NOMEM, "no memory for %zu bytes of secrets", bytes);
}

enum err secret_init(size_t n_32, size_t n_64, struct err_info *reterr)
{
    enum err e;

    if (n_32 == 0 || n_64 == 0 || n_32 > COUNT_MAX || n_64 > COUNT_MAX)
        return ERR_RAISE(reterr, ERR_INVAL, "secret slots: %zu and %zu", n_32, n_64);
    (void) pthread_mutex_lock(&lock);
    if (slab.ready)
        e = ERR_RAISE(reterr, ERR_STATE, "the slab of secrets is mapped already");
    else
        e = map_slab(n_32, n_64, reterr);
    (void) pthread_mutex_unlock(&lock);
    return e;
}

void secret_state(struct secret_state *ret)
{
    (void) pthread_mutex_lock(&lock);
    *ret = (struct secret_state){ .locked = slab.locked, .not_dumped = slab.not_dumped, .slab_bytes = slab.bytes,
                                  .used_32 = slab.small.used, .cap_32 = slab.small.cap,
                                  .used_64 = slab.large.used, .cap_64 = slab.large.cap };
    (void) pthread_mutex_unlock(&lock);
}

static struct secret *take(struct pool *pool)
{
    uint32_t i = pool->first;

    if (i == END_OF_LIST)
        return NULL;
    pool->first = pool->next[i];
    pool->next[i] = TAKEN;
    pool->used++;
    return (struct secret *) (pool->p + (size_t) i * pool->slot_len);
}

struct secret *secret_new(size_t len)
{
    struct secret *s = NULL;

    if (len != 32 && len != 64)
        return NULL;
    (void) pthread_mutex_lock(&lock);
    if (slab.ready || map_slab(SECRET_32_DEFAULT, SECRET_64_DEFAULT, NULL) == ERR_OK)
        s = take(len == 32 ? &slab.small : &slab.large);
    (void) pthread_mutex_unlock(&lock);
    return s;
}

struct secret *secret_of(struct span bytes)
{
    struct secret *s = secret_new(bytes.n);

    if (s != NULL)
        memcpy(secret_bytes(s), bytes.p, bytes.n);
    return s;
}

struct secret *secret_random(size_t len)
{
    struct secret *s = secret_new(len);

    if (s != NULL)
        random_fill(secret_bytes(s), len);
    return s;
}

/* The pool whose slot begins at s. Anything else is a bug that must not go on. */
static struct pool *pool_of(const struct secret *s)
{
    const uint8_t *p = (const uint8_t *) s;
    struct pool *pools[2] = { &slab.small, &slab.large };

    for (size_t i = 0; i < 2; i++) {
        size_t at = (size_t) (p - pools[i]->p);

        if (p >= pools[i]->p && at < pools[i]->cap * pools[i]->slot_len && at % pools[i]->slot_len == 0)
            return pools[i];
    }
    abort();
}

struct secret *secret_free(struct secret *s)
{
    struct pool *pool;
    uint32_t i;

    if (s == NULL)
        return NULL;
    pool = pool_of(s);
    i = (uint32_t) ((size_t) ((uint8_t *) s - pool->p) / pool->slot_len);
    (void) pthread_mutex_lock(&lock);
    if (pool->next[i] != TAKEN)
        abort();
    secret_wipe(s, pool->slot_len);
    pool->next[i] = pool->first;
    pool->first = i;
    pool->used--;
    (void) pthread_mutex_unlock(&lock);
    return NULL;
}

void secret_freep(struct secret **s)
{
    *s = secret_free(*s);
}

uint8_t *secret_bytes(struct secret *s)
{
    return (uint8_t *) s;
}

size_t secret_len(const struct secret *s)
{
    return pool_of(s)->slot_len; /* the pools' bounds never change once a slot exists */
}

struct span secret_span(const struct secret *s)
{
    return span_of(s, secret_len(s));
}

bool secret_equal(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    uint64_t differs = 0, u, v;
    size_t i = 0;

    for (; i + sizeof(u) <= n; i += sizeof(u)) { /* words: sodium_memcmp goes byte by byte, and keys have 700 */
        memcpy(&u, x + i, sizeof(u));
        memcpy(&v, y + i, sizeof(v));
        differs |= u ^ v;
        __asm__ volatile("" : "+r"(differs)); /* the compiler must not leave early */
    }
    for (; i < n; i++) {
        differs |= (uint64_t) (x[i] ^ y[i]);
        __asm__ volatile("" : "+r"(differs));
    }
    return differs == 0;
}

bool secret_equal_span(struct span a, struct span b)
{
    return a.n == b.n && secret_equal(a.p, b.p, a.n);
}

void secret_wipe(void *p, size_t n)
{
    if (n > 0)
        sodium_memzero(p, n);
}
